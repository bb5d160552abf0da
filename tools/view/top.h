#pragma once
// `unblock top PID`: what a process does at the moment, again and again.

#include <string>
#include <vector>

namespace unblock::tools::view {

int top(const std::vector<std::string>& words);

}  // namespace unblock::tools::view
