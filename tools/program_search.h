#pragma once
// Where a program is: the search that execvp(3) makes, without executing.

#include <string>
#include <vector>

namespace unblock::tools {

// The files that execvp would try for `name`, in order: `name` itself when it has a slash, else one for each folder of
// PATH.
std::vector<std::string> program_candidates(const std::string& name);

// Why `path` cannot be executed by this process, as an error number of execve; 0 when it can be.
int execution_error(const std::string& path);

// Whether execvp, meeting `error` at one candidate, goes on to the next.
bool search_goes_on_after(int error);

}  // namespace unblock::tools
