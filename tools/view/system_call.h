#pragma once
// The system call that an OS thread is in, as /proc/PID/task/TID/syscall tells it.

#include <cstdint>
#include <optional>
#include <string>

namespace unblock::tools::view {

struct SystemCall {
  std::string name;     // "futex"; "system call 512" when it has no name here
  int descriptor = -1;  // its first argument, where that is a descriptor
  uint64_t stack_pointer = 0, program_counter = 0;
};

// None: it is in none, is no more, or may not be asked.
std::optional<SystemCall> system_call_of(int pid, int tid);

}  // namespace unblock::tools::view
