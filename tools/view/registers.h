#pragma once
// The registers of a green thread that is on a carrier, and so has not saved them itself.
//
// In a core every OS thread has left its own. In a living process nothing but ptrace(2) tells them: the OS thread is
// seized, interrupted, read with the piece of stack that it stands on, and let go, which takes some ten microseconds;
// nothing is left behind. A system call that the interruption would end with EINTR (signal(7)) is left alone: of a
// thread inside one only the stack pointer and the program counter are known, from /proc.

#include <sys/user.h>

#include <optional>
#include <string>
#include <vector>

#include "tools/view/greens.h"

namespace unblock::tools::view {

struct Snapshot {
  user_regs_struct registers = {};
  bool is_partial = false;  // only rip and rsp are known
  // What stands at rsp, read at the same moment.
  std::vector<char> stack;
  // Why there is nothing; empty: there is.
  std::string refusal;
};

// Of the OS thread `tid`, which runs `green`. Refused when it does not any more.
Snapshot snapshot_of_running(const Target& target, const Green& green);

}  // namespace unblock::tools::view
