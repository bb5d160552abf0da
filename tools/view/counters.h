#pragma once
// What the library in a target has counted so far: a sum over carriers that count alone, so it may be off by what
// happens while it is read.

#include <map>
#include <string>

#include "tools/view/greens.h"

namespace unblock::tools::view {

struct Counters {
  uint64_t made = 0, alive = 0, peak = 0;  // green threads
  uint64_t os_threads = 0, os_threads_peak = 0;
  uint64_t processors = 0;
  uint64_t queued = 0;  // runnable green threads in queues
  uint64_t switches = 0, steals = 0, regions = 0, hand_offs = 0;
  std::map<std::string, uint64_t> parks;  // by kind, in the library's words
  uint64_t bytes_per_green_thread = 0;    // 0: no sample yet
};

Counters read_counters(const Greens& greens);

}  // namespace unblock::tools::view
