#include "tools/view/target.h"

#include <algorithm>
#include <charconv>

#include "tools/view/failures.h"

namespace unblock::tools::view {

const std::vector<user_regs_struct>& Target::registers() const {
  static const std::vector<user_regs_struct> none;
  return none;
}

const Mapping* Target::mapping_of(uint64_t address) const {
  const std::vector<Mapping>& all = mappings();
  auto after = std::upper_bound(all.begin(), all.end(), address,
                                [](uint64_t wanted, const Mapping& each) { return wanted < each.begin; });
  if (after == all.begin()) return nullptr;
  const Mapping& found = *std::prev(after);
  return address < found.end ? &found : nullptr;
}

int pid_of(const std::string& word) {
  int pid = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), pid);
  if (error == std::errc() && end == word.data() + word.size() && pid > 0) return pid;
  fail(exit_own_failure, "'" + word + "' is not the number of a process");
}

}  // namespace unblock::tools::view
