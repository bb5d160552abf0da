#include "tools/view/columns.h"

#include <math.h>
#include <stdio.h>

#include <algorithm>

#include "tools/view/failures.h"

namespace unblock::tools::view {
namespace {

Value number(uint64_t value) { return (double)value; }
Value number_or_none(uint64_t value) { return value != 0 ? Value((double)value) : Value(); }
Value text(const std::string& value) { return value.empty() ? Value() : Value(value); }
Value seconds(std::optional<double> nanoseconds) { return nanoseconds ? Value(*nanoseconds / 1e9) : Value(); }

const std::vector<Column> all_columns = {
    {"id", "1 for main, then in order of creation", [](const Row& row) { return number(row.green->id); }},
    {"creator", "the id of who created it; 0: none of them", [](const Row& row) { return number(row.green->creator); }},
    {"name", "as pthread_setname_np(3) has it", [](const Row& row) { return text(printable(row.green->name)); }},
    {"pthread", "its pthread_t", [](const Row& row) { return Value(hexadecimal(row.green->pthread)); }},
    {"tid", "what gettid(2) tells it", [](const Row& row) { return number(row.green->tid); }},
    {"state", "running, blocked (in place, on an OS thread), runnable, waiting, ended (to be joined)",
     [](const Row& row) { return Value(name_of(row.green->state)); }},
    {"for", "seconds that it has waited or run so far", [](const Row& row) { return seconds(row.green->since); }},
    {"waits_for", "all about what it waits for, in words", [](const Row& row) { return text(row.wait.text()); }},
    {"wait_kind",
     "descriptor, poll, mutex, condition, semaphore, rwlock, once, barrier, spin, futex, join, sleep, "
     "signal, child, system call",
     [](const Row& row) { return text(row.wait.kind); }},
    {"descriptor", "the number of the descriptor that it waits for",
     [](const Row& row) { return row.wait.descriptors.size() == 1 ? number(row.wait.descriptors[0]) : Value(); }},
    {"local", "that descriptor's own address or path", [](const Row& row) { return text(row.wait.endpoints.local); }},
    {"peer", "its peer's address", [](const Row& row) { return text(row.wait.endpoints.peer); }},
    {"address", "of the lock or other object that it waits for",
     [](const Row& row) { return row.wait.address != 0 ? Value(hexadecimal(row.wait.address)) : Value(); }},
    {"owner", "the id of who holds that lock, or is joined",
     [](const Row& row) { return number_or_none(row.wait.owner); }},
    {"processor", "that runs it",
     [](const Row& row) {
       return row.green->is_on_carrier() && row.green->processor >= 0 ? number(row.green->processor) : Value();
     }},
    {"os_thread", "the kernel's number of the OS thread that it is on",
     [](const Row& row) { return number_or_none(row.green->kernel_tid); }},
    {"run_time", "seconds on OS threads, system calls in place included",
     [](const Row& row) { return seconds(row.green->run_time); }},
    {"switches", "how often it was resumed", [](const Row& row) { return number(row.green->resumptions); }},
    {"stack_used", "bytes of its stack in use now; none while it runs",
     [](const Row& row) { return row.stack_used ? number(*row.stack_used) : Value(); }},
    {"stack_reserved", "bytes of address space that its stack has",
     [](const Row& row) { return number_or_none(row.stack_reserved); }},
    {"start", "its start routine", [](const Row& row) { return text(row.start); }},
};

const double* as_number(const Value& value) { return std::get_if<double>(&value); }

// std::variant's own order, but nothing last.
bool is_before(const Value& a, const Value& b) {
  if (std::holds_alternative<std::monostate>(a)) return false;
  if (std::holds_alternative<std::monostate>(b)) return true;
  return a < b;
}

std::string as_text(const Value& value) {
  if (auto text = std::get_if<std::string>(&value)) return *text;
  if (auto value_number = as_number(value)) {
    char digits[40];
    snprintf(digits, sizeof digits, "%.15g", *value_number);
    return digits;
  }
  return "";
}

std::optional<double> parse_number(const std::string& word) {
  static constexpr struct {
    const char* name;
    double factor;
  } units[] = {{"", 1},   {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3},   {"s", 1},
               {"m", 60}, {"h", 3600},  {"K", 1024},  {"M", 1 << 20}, {"G", 1 << 30}};
  size_t used = 0;
  double value = 0;
  try {
    value = std::stod(word, &used);
  } catch (const std::exception&) {
    return {};
  }
  for (const auto& unit : units) {
    if (word.substr(used) == unit.name) return value * unit.factor;
  }
  return {};
}

struct Term {
  const Column& column;
  std::string comparison, text;
  std::optional<double> number;

  bool holds(const Row& row) const {
    Value value = column.of(row);
    if (comparison == "~") return as_text(value).find(text) != std::string::npos;
    const double* is_number = as_number(value);
    bool equal = is_number != nullptr && number ? *is_number == *number : as_text(value) == text;
    if (comparison == "=") return equal;
    if (comparison == "!=") return !equal;
    if (is_number == nullptr) return false;
    return comparison == "<" ? *is_number < *number : *is_number > *number;
  }
};

Term parse_term(const std::string& text) {
  size_t at = text.find_first_of("=!~<>");
  if (at == std::string::npos || at == 0) fail(exit_own_failure, "--filter '" + text + "': no comparison; try --help");
  size_t size = text.compare(at, 2, "!=") == 0 ? 2 : 1;
  Term term = {column(text.substr(0, at)), text.substr(at, size), text.substr(at + size), {}};
  term.number = parse_number(term.text);
  bool needs_number = term.comparison == "<" || term.comparison == ">";
  if (term.comparison == "!" || (needs_number && !term.number)) {
    fail(exit_own_failure, "--filter '" + text + "': no comparison with a number; try --help");
  }
  return term;
}

std::vector<Term> parse_terms(const std::string& expression) {
  std::vector<Term> terms;
  for (size_t at = 0; at <= expression.size();) {
    size_t comma = std::min(expression.find(',', at), expression.size());
    terms.push_back(parse_term(expression.substr(at, comma - at)));
    at = comma + 1;
  }
  return terms;
}

// The process's own stack grows down from where the kernel has put it.
uint64_t top_of_main_stack(const Target& target, const Green& green) {
  if (const Mapping* mapping = target.mapping_of(green.context)) return mapping->end;
  return 0;
}

}  // namespace

const std::vector<Column>& columns() { return all_columns; }

const Column& column(const std::string& name) {
  for (const Column& each : all_columns) {
    if (name == each.name) return each;
  }
  fail(exit_own_failure, "there is no field '" + name + "'; --help lists them");
}

std::vector<Row> rows_of(const Greens& source, const std::vector<Green>& greens, Symbols& symbols) {
  Waits waits(source, greens);
  std::vector<Row> rows;
  rows.reserve(greens.size());
  for (const Green& green : greens) {
    Row row = {&green, waits.of(green), {}, green.stack_high - green.stack_low, ""};
    uint64_t top = green.stack_low != 0 ? green.stack_high : top_of_main_stack(source.target(), green);
    bool has_left = green.state == State::waiting || green.state == State::runnable;
    if (has_left && green.context != 0 && green.context < top) row.stack_used = top - green.context;
    row.start = green.start != 0 ? symbols.function_at(green.start) : green.is_main ? "main" : "";
    rows.push_back(std::move(row));
  }
  return rows;
}

void sort_rows(std::vector<Row>& rows, const std::string& by) {
  bool descends = by.starts_with("-");
  const Column& key = column(descends ? by.substr(1) : by);
  std::vector<std::pair<Value, Row*>> order;
  for (Row& each : rows) order.push_back({key.of(each), &each});
  std::stable_sort(order.begin(), order.end(), [&](auto& a, auto& b) {
    bool has_a = a.first.index() != 0, has_b = b.first.index() != 0;
    if (!has_a || !has_b) return has_a && !has_b;
    return descends ? is_before(b.first, a.first) : is_before(a.first, b.first);
  });
  std::vector<Row> sorted;
  for (auto& [value, row] : order) sorted.push_back(std::move(*row));
  rows = std::move(sorted);
}

void filter_rows(std::vector<Row>& rows, const std::string& expression) {
  std::vector<Term> terms = parse_terms(expression);
  std::erase_if(rows, [&](const Row& row) {
    return !std::all_of(terms.begin(), terms.end(), [&](const Term& each) { return each.holds(row); });
  });
}

std::string text_of_seconds(std::optional<double> nanoseconds) {
  if (!nanoseconds) return "-";
  double seconds = *nanoseconds / 1e9;
  char text[40];
  if (seconds < 1e-3) {
    snprintf(text, sizeof text, "%.0fus", seconds * 1e6);
  } else if (seconds < 1) {
    snprintf(text, sizeof text, "%.0fms", seconds * 1e3);
  } else if (seconds < 100) {
    snprintf(text, sizeof text, "%.1fs", seconds);
  } else if (seconds < 6000) {
    snprintf(text, sizeof text, "%.0fm%02.0fs", floor(seconds / 60), fmod(floor(seconds), 60));
  } else {
    snprintf(text, sizeof text, "%.0fh%02.0fm", floor(seconds / 3600), fmod(floor(seconds / 60), 60));
  }
  return text;
}

std::string text_of_bytes(uint64_t bytes) {
  if (bytes < 10 << 10) return std::to_string(bytes);
  if (bytes < 10 << 20) return std::to_string(bytes >> 10) + "K";
  if (bytes < uint64_t{10} << 30) return std::to_string(bytes >> 20) + "M";
  return std::to_string(bytes >> 30) + "G";
}

std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; }, '?');
  return text;
}

}  // namespace unblock::tools::view
