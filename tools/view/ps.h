#pragma once
// `unblock ps`: a line for each green thread.

#include <string>
#include <vector>

namespace unblock::tools::view {

int ps(const std::vector<std::string>& words);

}  // namespace unblock::tools::view
