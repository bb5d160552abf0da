#pragma once
// `unblock stack`: the stacks of green threads.

#include <string>
#include <vector>

namespace unblock::tools::view {

int stack(const std::vector<std::string>& words);

}  // namespace unblock::tools::view
