#pragma once
// `unblock stats`: the counters of a running process, for monitoring.

#include <string>
#include <vector>

namespace unblock::tools::view {

int stats(const std::vector<std::string>& words);

}  // namespace unblock::tools::view
