#include "tools/view/top_page.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace unblock::tools::view {
namespace {

constexpr double hog_nanoseconds = 50e6;  // who runs longer than this without waiting is named

// Colours, as the terminal has them; empty where there are none.
struct Colours {
  const char *title, *good, *busy, *bad, *plain;
};
constexpr Colours with_colours = {"\033[7m", "\033[32m", "\033[33m", "\033[31m", "\033[0m"};
constexpr Colours without_colours = {"", "", "", "", ""};

// Cuts or fills `text` to `width` characters; a character of UTF-8 is one.
std::string fitted(const std::string& text, size_t width, bool fills) {
  size_t characters = 0, at = 0;
  for (; at < text.size(); ++at) {
    bool begins = (text[at] & 0xc0) != 0x80;
    if (begins && characters == width) break;
    characters += begins;
  }
  return text.substr(0, at) + std::string(fills ? width - characters : 0, ' ');
}

// 12345 as "12.3K", in at most five characters.
std::string short_number(double number) {
  char text[32];
  const char* units[] = {"", "K", "M", "G", "T"};
  size_t unit = 0;
  for (; number >= 9999.5 && unit < 4; ++unit) number /= 1000;
  snprintf(text, sizeof text, unit > 0 && number < 99.95 ? "%.1f%s" : "%.0f%s", number, units[unit]);
  return text;
}

class Page {
 public:
  Page(const Greens& source, Symbols& symbols, const Sample& before, const Sample& now, const PageForm& form)
      : source_(source),
        symbols_(symbols),
        before_(before),
        now_(now),
        form_(form),
        colours_(form.has_colours ? with_colours : without_colours),
        waits_(source, now.greens),
        seconds_(std::max(1e-3, std::chrono::duration<double>(now.taken - before.taken).count())) {
    for (const Green& each : before.greens) run_before_[each.id] = each.run_time.value_or(0);
  }

  std::vector<std::string> lines() {
    add_summary();
    add_hogs();
    add("");
    add_threads();
    return std::move(lines_);
  }

 private:
  void add(const std::string& text, const char* colour = "") {
    if (lines_.size() >= form_.lines) return;
    std::string line = fitted(text, form_.columns, colour == colours_.title && *colour != '\0');
    lines_.push_back(*colour == '\0' ? line : colour + line + colours_.plain);
  }

  double rate(uint64_t before, uint64_t now) const { return now > before ? (double)(now - before) / seconds_ : 0; }
  std::string rate(uint64_t Counters::*counter) const {
    return short_number(rate(before_.counters.*counter, now_.counters.*counter));
  }

  void add_summary() {
    const Counters& counters = now_.counters;
    add("unblock top: " + source_.target().name() + ", over " + short_seconds() + " s", colours_.title);
    add("green threads  " + std::to_string(now_.greens.size()) + ":" + states() + "; peak " +
        std::to_string(counters.peak) + ", made " + std::to_string(counters.made));
    add("run queues     " + std::to_string(counters.queued) + " ready:" + queues() + "; " +
        std::to_string(counters.os_threads) + " OS threads, peak " + std::to_string(counters.os_threads_peak));
    add("memory         " + text_of_bytes(now_.resident_bytes) + " resident, " + text_of_bytes(now_.virtual_bytes) +
        " virtual; a green thread " +
        (counters.bytes_per_green_thread != 0 ? text_of_bytes(counters.bytes_per_green_thread) : "-"));
    add("each second    " + rate(&Counters::switches) + " switches, " + rate(&Counters::hand_offs) + " hand-offs, " +
        rate(&Counters::regions) + " regions, " + rate(&Counters::steals) + " steals, " + made_each_second() + " made");
    add("parks          " + parks());
  }

  std::string short_seconds() const {
    char text[32];
    snprintf(text, sizeof text, "%.1f", seconds_);
    return text;
  }

  std::string made_each_second() const { return rate(&Counters::made); }

  std::string states() const {
    std::string text;
    for (State state : {State::running, State::blocked, State::runnable, State::waiting, State::ended}) {
      auto count =
          std::count_if(now_.greens.begin(), now_.greens.end(), [&](auto& each) { return each.state == state; });
      if (count != 0) text += (text.empty() ? " " : ", ") + std::to_string(count) + " " + name_of(state);
    }
    return text;
  }

  std::string queues() const {
    std::string text;
    constexpr size_t most = 8;
    for (size_t i = 0; i < now_.queues.size() && i < most; ++i) {
      text += " P" + std::to_string(i) + " " + std::to_string(now_.queues[i]);
    }
    return text + (now_.queues.size() > most ? " …" : "");
  }

  // By kind, the busiest first.
  std::string parks() const {
    std::vector<std::pair<double, std::string>> rates;
    for (const auto& [kind, count] : now_.counters.parks) {
      auto before = before_.counters.parks.find(kind);
      double each = rate(before != before_.counters.parks.end() ? before->second : 0, count);
      if (each > 0) rates.push_back({each, kind});
    }
    std::sort(rates.rbegin(), rates.rend());
    std::string text;
    for (const auto& [each, kind] : rates) text += (text.empty() ? "" : ", ") + short_number(each) + " " + kind;
    return text.empty() ? "none" : text;
  }

  // Has computed for long: who stands in a system call, which the library may not know, does not.
  bool is_hog(const Green& green) {
    bool runs_long =
        green.state == State::running && green.wait_kind.empty() && green.since.value_or(0) > hog_nanoseconds;
    return runs_long && waits_.of(green).kind.empty();
  }

  void add_hogs() {
    std::string text;
    for (const Green& each : now_.greens) {
      if (!is_hog(each)) continue;
      text += (text.empty() ? "" : ", ") + std::to_string(each.id) + " " + printable(each.name) + " for " +
              text_of_seconds(each.since);
    }
    add("hogs           " + (text.empty() ? "none" : text), text.empty() ? "" : colours_.bad);
  }

  double run_share(const Green& green) const {
    auto before = run_before_.find(green.id);
    double run = green.run_time.value_or(0) - (before != run_before_.end() ? before->second : 0);
    return std::max(0.0, run / 1e9 / seconds_);
  }

  bool is_before(const Green& one, const Green& other) const {
    if (form_.is_reversed) return stands_first(other, one);
    return stands_first(one, other);
  }

  bool stands_first(const Green& one, const Green& other) const {
    auto busy = [&](const Green& green) { return std::make_pair(run_share(green), -(double)green.id); };
    switch (form_.order) {
      case 'f': return one.since.value_or(0) > other.since.value_or(0);
      case 'i': return one.id < other.id;
      case 'n': return std::tie(one.name, one.id) < std::tie(other.name, other.id);
      case 's': return std::tie(one.state, one.id) < std::tie(other.state, other.id);
      default: return busy(one) > busy(other);
    }
  }

  const char* colour_of(const Green& green) {
    if (is_hog(green)) return colours_.bad;
    if (green.state == State::running) return colours_.good;
    return green.state == State::waiting || green.state == State::ended ? "" : colours_.busy;
  }

  void add_threads() {
    add("      ID  NAME             STATE      CPU%    FOR  START, AND WHAT IT WAITS FOR", colours_.title);
    std::vector<const Green*> order;
    for (const Green& each : now_.greens) order.push_back(&each);
    size_t count = std::min(order.size(), form_.lines > lines_.size() ? form_.lines - lines_.size() : 0);
    std::partial_sort(order.begin(), order.begin() + count, order.end(),
                      [&](const Green* one, const Green* other) { return is_before(*one, *other); });
    for (size_t i = 0; i < count; ++i) add_thread(*order[i], waits_.of(*order[i]).text());
  }

  void add_thread(const Green& green, const std::string& wait) {
    char numbers[64];
    snprintf(numbers, sizeof numbers, "%5.1f %6s", 100 * run_share(green), text_of_seconds(green.since).c_str());
    std::string id = std::to_string(green.id);
    std::string start = green.start != 0 ? symbols_.function_at(green.start) : green.is_main ? "main" : "";
    add(std::string(8 - std::min<size_t>(id.size(), 8), ' ') + id + "  " + fitted(printable(green.name), 15, true) +
            "  " + fitted(name_of(green.state), 8, true) + "  " + numbers + "  " + fitted(start, 16, false) +
            (wait.empty() ? "" : ": ") + wait,
        colour_of(green));
  }

  const Greens& source_;
  Symbols& symbols_;
  const Sample &before_, &now_;
  const PageForm& form_;
  const Colours& colours_;
  Waits waits_;
  double seconds_;
  std::unordered_map<uint64_t, double> run_before_;
  std::vector<std::string> lines_;
};

}  // namespace

Sample take_sample(const Greens& source) {
  Sample sample;
  sample.taken = std::chrono::steady_clock::now();
  sample.greens = source.read();
  sample.counters = read_counters(source);
  const Published& published = source.published();
  uint64_t processor = source.number_at(published.root("processors"), {0, sizeof(void*)});
  for (uint64_t i = 0; i < sample.counters.processors; ++i, processor += published.size_of("Processor")) {
    sample.queues.push_back(source.number_at(processor, published.field("Processor", "length")));
  }
  std::ifstream file("/proc/" + std::to_string(source.target().pid()) + "/statm");
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  if (file >> sample.virtual_bytes >> sample.resident_bytes) {
    sample.virtual_bytes *= page;
    sample.resident_bytes *= page;
  }
  return sample;
}

bool is_order(char key) { return key != '\0' && std::string_view("cfins").find(key) != std::string_view::npos; }

std::vector<std::string> page_of(const Greens& source, Symbols& symbols, const Sample& before, const Sample& now,
                                 const PageForm& form) {
  return Page(source, symbols, before, now, form).lines();
}

}  // namespace unblock::tools::view
