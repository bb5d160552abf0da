#include "tools/view/name_lines.h"

#include <unistd.h>

#include <sstream>

#include "tools/failure.h"
#include "tools/view/symbols.h"

namespace unblock::tools::view {
namespace {

constexpr std::string_view prefix = "unblock:   0x";
// A library that waits for this command waits no longer; it then prints the report as it is.
constexpr unsigned most_seconds = 20;

// "in function at file:line (module)" for an address inside a call; empty: nothing better is known.
std::string description(const Symbols& symbols, uint64_t address) {
  Place place = symbols.place_of(address, false);
  if (place.function.empty() || place.module.empty()) return {};
  std::string result = " in " + place.function;
  if (!place.file.empty()) result += " at " + place.file + ":" + std::to_string(place.line);
  return result + " (" + place.module + ")";
}

std::string named(const Symbols& symbols, const std::string& line) {
  if (line.compare(0, prefix.size(), prefix) != 0) return line;
  size_t end = line.find(' ', prefix.size());
  std::string said = description(symbols, std::stoull(line.substr(prefix.size()), nullptr, 16));
  return said.empty() ? line : line.substr(0, end) + said;
}

}  // namespace

int name_lines(const std::vector<std::string>& words) {
  alarm(most_seconds);
  if (words.size() != 2) throw Failure{exit_own_failure, "name-lines is for the library alone"};
  std::unique_ptr<Target> target = open_process(pid_of(words[0]));
  Symbols symbols(*target);
  std::istringstream lines(words[1]);
  std::string result, line;
  while (std::getline(lines, line)) result += named(symbols, line) + "\n";
  return write(2, result.data(), result.size()) == (ssize_t)result.size() ? 0 : exit_own_failure;
}

}  // namespace unblock::tools::view
