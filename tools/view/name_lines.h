#pragma once
// `unblock name-lines PID REPORT`: prints a report of the library in process PID on standard error, with functions and
// lines at its addresses. For the library alone (shim/named_lines.h), which runs it as its child.

#include <string>
#include <vector>

namespace unblock::tools::view {

int name_lines(const std::vector<std::string>& words);

}  // namespace unblock::tools::view
