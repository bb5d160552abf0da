#pragma once
// `unblock check PROGRAM`: what unblock makes of a program, told without running it.

#include <string>
#include <vector>

namespace unblock::tools {

// How the command ends.
constexpr int check_complete = 0;  // every call does what it does natively
constexpr int check_missing = 1;   // some does not, or some file could not be read
constexpr int check_no_help = 2;   // unblock cannot help the program

// Runs the command with the words behind its name; returns its exit code. Throws Failure.
int check(const std::vector<std::string>& words);

}  // namespace unblock::tools
