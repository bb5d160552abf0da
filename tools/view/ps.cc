#include "tools/view/ps.h"

#include <nlohmann/json.hpp>

#include "tools/view/columns.h"
#include "tools/view/options.h"

namespace unblock::tools::view {
namespace {

std::string help_text() {
  std::string text = R"(Usage: unblock ps [OPTION…] PID
       unblock ps [OPTION…] --core FILE

Prints a line for each green thread of process PID, which runs under unblock or is linked with it. The process is only
read from: it is not stopped and does not notice. The fields of a line belong together; different lines were read at
different moments, some milliseconds apart.

Options:
  --core FILE      look at a core file instead of a process
  --json           print an array of objects with all fields; times are in seconds, sizes in bytes
  --tree           show who created whom: each thread stands below its creator
  --sort FIELD     order by a field; --sort=-FIELD in descending order (default: id)
  --filter EXPR    only the threads for which all terms of EXPR hold, which are separated by commas:
                   FIELD=TEXT, FIELD!=TEXT, FIELD~TEXT (contains it), FIELD<NUMBER, FIELD>NUMBER
                   (NUMBER may end in ns, us, ms, s, m, h, or in K, M, G)
  -h, --help       print this text and exit

Examples:
  unblock ps 1234
  unblock ps 1234 --sort=-run_time
  unblock ps 1234 --filter 'wait_kind=mutex,for>1s'

Fields:
)";
  for (const Column& each : columns()) {
    std::string name = each.name;
    text += "  " + name + std::string(17 - name.size(), ' ') + each.meaning + "\n";
  }
  return text + R"(
How long something lasts is known in a core up to the moment at which the process last looked at its clock.

Exit status: 0; otherwise one line on standard error says why, and
  3  there is no such process or file             6  its unblock is of another version
  4  it may not be looked at                      7  the core file is damaged or truncated
  5  it has no unblock or no green threads        8  the process ended meanwhile
  125  a bad option
)";
}

struct Wishes {
  bool json = false, tree = false;
  std::string sort, filter;
};

nlohmann::ordered_json json_of(const Row& row) {
  nlohmann::ordered_json object;
  for (const Column& each : columns()) {
    Value value = each.of(row);
    if (auto text = std::get_if<std::string>(&value)) object[each.name] = *text;
    if (auto number = std::get_if<double>(&value)) {
      bool is_whole = *number == (double)(int64_t)*number;
      is_whole ? object[each.name] = (int64_t)*number : object[each.name] = *number;
    }
    if (value.index() == 0) object[each.name] = nullptr;
  }
  return object;
}

std::string json_text(const std::vector<Row>& rows) {
  std::string text = "[";
  for (const Row& each : rows) {
    text += text.size() > 1 ? ",\n " : "\n ";
    text += json_of(each).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  return text + "\n]\n";
}

// Rows in the order of a walk through the tree, each with its depth.
class Tree {
 public:
  explicit Tree(std::vector<Row>& rows) {
    for (size_t i = 0; i < rows.size(); ++i) place_of_[rows[i].green->id] = i;
    std::vector<size_t> roots;
    for (size_t i = 0; i < rows.size(); ++i) {
      uint64_t creator = rows[i].green->creator;
      bool has_creator = creator != rows[i].green->id && place_of_.count(creator) != 0;
      has_creator ? children_[creator].push_back(i) : roots.push_back(i);
    }
    std::vector<Row> ordered;
    std::vector<std::pair<size_t, int>> open;  // a stack: chains may be as long as there are threads
    for (auto root = roots.rbegin(); root != roots.rend(); ++root) open.push_back({*root, 0});
    while (!open.empty()) {
      auto [index, depth] = open.back();
      open.pop_back();
      depths_.push_back(depth);
      auto children = children_.find(rows[index].green->id);
      ordered.push_back(std::move(rows[index]));
      if (children == children_.end()) continue;
      for (auto child = children->second.rbegin(); child != children->second.rend(); ++child) {
        open.push_back({*child, depth + 1});
      }
    }
    rows = std::move(ordered);
  }

  std::string indent(size_t row) const { return std::string(2 * (size_t)std::min(depths_[row], 20), ' '); }

 private:
  std::unordered_map<uint64_t, size_t> place_of_;
  std::unordered_map<uint64_t, std::vector<size_t>> children_;
  std::vector<int> depths_;
};

std::string place_of(const Green& green) {
  if (!green.is_on_carrier()) return "-";
  return green.processor >= 0 ? "P" + std::to_string(green.processor) : "T" + std::to_string(green.kernel_tid);
}

std::vector<std::string> cells_of(const Row& row, const std::string& indent) {
  const Green& green = *row.green;
  std::string used = row.stack_used ? text_of_bytes(*row.stack_used) : "-";
  std::string reserved = row.stack_reserved != 0 ? text_of_bytes(row.stack_reserved) : "-";
  return {indent + std::to_string(green.id),
          std::to_string(green.creator),
          name_of(green.state),
          text_of_seconds(green.since),
          text_of_seconds(green.run_time),
          place_of(green),
          used + "/" + reserved,
          hexadecimal(green.pthread),
          printable(green.name),
          row.start,
          row.wait.text()};
}

std::string table_text(const std::vector<Row>& rows, const Tree* tree) {
  std::vector<std::vector<std::string>> lines = {
      {"ID", "BY", "STATE", "FOR", "RUN", "ON", "STACK", "PTHREAD", "NAME", "START", "WAITS FOR"}};
  for (size_t i = 0; i < rows.size(); ++i) lines.push_back(cells_of(rows[i], tree != nullptr ? tree->indent(i) : ""));
  constexpr size_t widest = 40;
  std::vector<size_t> widths(lines[0].size());
  for (auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], std::min(line[i].size(), widest));
  }
  std::string text;
  for (auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      text += line[i];
      if (i + 1 < line.size()) text.append(std::max(widths[i], line[i].size()) - line[i].size() + 2, ' ');
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace

int ps(const std::vector<std::string>& words) {
  Wishes wishes;
  std::string help = help_text();
  Options options(help);
  options.accept_core();
  options.app().add_flag("--json", wishes.json);
  options.app().add_flag("--tree", wishes.tree);
  options.app().add_option("--sort", wishes.sort);
  options.app().add_option("--filter", wishes.filter);
  options.parse(words);
  std::unique_ptr<Target> target = options.open();
  Greens source(*target);
  source.demand_active();
  std::vector<Green> greens = source.read();
  Symbols symbols(*target);
  std::vector<Row> rows = rows_of(source, greens, symbols);
  if (!wishes.filter.empty()) filter_rows(rows, wishes.filter);
  if (!wishes.sort.empty()) sort_rows(rows, wishes.sort);
  std::unique_ptr<Tree> tree = wishes.tree ? std::make_unique<Tree>(rows) : nullptr;
  print(wishes.json ? json_text(rows) : table_text(rows, tree.get()));
  return 0;
}

}  // namespace unblock::tools::view
