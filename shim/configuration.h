#pragma once
// What the operator asked for in the environment. Runs in the library's constructor, before libc's own: it makes bare
// system calls only and takes the environment as an argument, because getenv finds nothing yet.

#include <stddef.h>
#include <stdint.h>

namespace unblock::configuration {

struct Configuration {
  unsigned processors = 0;           // UNBLOCK_PROCESSORS; 0: automatic_processors()
  size_t stack_size_bytes = 0;       // UNBLOCK_STACK; 0: what the program or libc chooses
  bool monitor = true;               // UNBLOCK_MONITOR: 0 or 1
  bool deep = true;                  // UNBLOCK_DEEP: 0 or 1; see entries.h
  const char* statistics = nullptr;  // UNBLOCK_STATS: null (0 or unset), "1", or an absolute path
  bool creation_stacks = false;      // UNBLOCK_CREATION_STACKS: 0 or 1
  int dump_signal = 0;               // UNBLOCK_DUMP_SIGNAL; 0: none
  bool dump_on_crash = false;        // UNBLOCK_DUMP_ON_CRASH: 0 or 1
  int64_t report_threshold = 0;      // UNBLOCK_REPORT_HOGS, in nanoseconds; 0: no reports. Never without the monitor
};

// Reads the configuration from `environment`, an array of NAME=VALUE that ends with null. An empty value is as good as
// none. For each impossible value one line on standard error says what is accepted, and the default is used. The result
// is our own storage and stays as it is when the program changes its environment; not thread-safe, call it once.
const Configuration& read(const char* const* environment);

// What read() found.
const Configuration& current();

// How many processors this process can use: the least of its CPU affinity and its cgroup's quota, and from 1 to
// most_processors. Reads files, so ask only once it matters. Thread-safe.
unsigned automatic_processors();

}  // namespace unblock::configuration
