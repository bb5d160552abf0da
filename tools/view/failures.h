#pragma once
// How looking at a process fails: one line, and an exit code for each reason. `unblock --help` lists them.

#include <string>

#include "tools/failure.h"

namespace unblock::tools::view {

constexpr int exit_no_process = 3;     // there is no such process, or no such file
constexpr int exit_not_permitted = 4;  // it may not be looked at
constexpr int exit_not_green = 5;      // it has no unblock, or no green threads
constexpr int exit_other_layout = 6;   // its unblock is laid out in a way that this command does not know
constexpr int exit_damaged = 7;        // the core file is no core, is truncated, or lacks what is needed
constexpr int exit_ended = 8;          // it ended while it was looked at

[[noreturn]] inline void fail(int exit_code, std::string line) { throw Failure{exit_code, std::move(line)}; }

}  // namespace unblock::tools::view
