#pragma once
// `unblock trace`: what the scheduler of a process does for some seconds, as a timeline that Perfetto and Chrome open.

#include <string>
#include <vector>

namespace unblock::tools::view {

int trace(const std::vector<std::string>& words);

}  // namespace unblock::tools::view
