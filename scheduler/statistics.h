#pragma once
// What the process has done so far, counted where it happens. A carrier counts alone and folds its numbers into the
// process's when it ends, so counting costs no shared cache line.

#include <stdint.h>

namespace unblock {

// What a thread waits for, in the field's words; each is a line of the report.
enum class WaitKind : uint8_t {
  none, descriptor, poll, mutex, condition, semaphore, rwlock, once, barrier, spin, futex, join, sleep, signal, child,
  count
};

struct Statistics {
  uint64_t parks[(int)WaitKind::count];  // waits that left the stack
  uint64_t switches;                     // green threads resumed
  uint64_t steals;                       // green threads that another processor took
  uint64_t regions;                      // blocking regions entered
  uint64_t hand_offs;                    // processors taken from a carrier that kept its green thread

  void add(const Statistics& other) {
    for (int i = 0; i < (int)WaitKind::count; ++i) parks[i] += other.parks[i];
    switches += other.switches;
    steals += other.steals;
    regions += other.regions;
    hand_offs += other.hand_offs;
  }
};

}  // namespace unblock
