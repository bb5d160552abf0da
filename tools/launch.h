#pragma once
// Running a program under the library.

#include "tools/command_line.h"

namespace unblock::tools {

// Becomes the program that `line` names: executes it in this process, with the library preloaded where that helps, and
// after one line on standard error where it does not. Never returns; throws Failure when nothing could be executed.
[[noreturn]] void launch(const CommandLine& line);

}  // namespace unblock::tools
