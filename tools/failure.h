#pragma once
// How the command gives up: one line on standard error and an exit code that env(1) would use.

#include <string>

namespace unblock::tools {

constexpr int exit_own_failure = 125;     // the command itself failed: bad option, no library
constexpr int exit_cannot_execute = 126;  // the program is there and cannot be executed
constexpr int exit_not_found = 127;       // the program is not there

// Thrown by whoever cannot go on; main says the line and returns the code.
struct Failure {
  int exit_code;
  std::string line;
};

// The exit code that execvp's `error` deserves.
int exit_code_of(int error);

// Writes `unblock: LINE` to standard error as one line: control characters in it, which a file's name may contain,
// become question marks.
void say(std::string line);

}  // namespace unblock::tools
