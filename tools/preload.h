#pragma once
// The value of LD_PRELOAD.

#include <string>
#include <vector>

namespace unblock::tools {

// Adds `library` to the list `existing`, whose entries and their order are kept. It goes first, so that no other
// preloaded library hides a call from it, but behind the runtimes of sanitizers, which end a process in which they are
// not first. `needed`, the names of libraries that will be loaded anyway, are searched for such runtimes too. A list
// that has the library already stays as it is.
std::string preload_list(const std::string& existing, const std::string& library,
                         const std::vector<std::string>& needed);

}  // namespace unblock::tools
