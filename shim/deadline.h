#pragma once
// The program's times, turned into deadlines of the scheduler.

#include <time.h>

#include "scheduler/timer.h"

namespace unblock {

inline bool is_valid(const timespec& time) {
  return time.tv_nsec >= 0 && time.tv_nsec < kernel::nanoseconds_per_second;
}

// The clocks that libc's timed waits accept.
inline bool is_waiting_clock(clockid_t clock) { return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC; }

// A length of time from now; saturates. Negative lengths have passed.
inline Deadline deadline_after(const timespec& length) {
  if (length.tv_sec < 0) return Deadline::passed();
  if (length.tv_sec >= INT64_MAX / kernel::nanoseconds_per_second - 1) return Deadline::never();
  return Deadline::after(kernel::nanoseconds(length));
}

// A point on `clock`.
inline Deadline deadline_of(clockid_t clock, const timespec& point) {
  if (point.tv_sec < 0) return Deadline::passed();
  if (point.tv_sec >= INT64_MAX / kernel::nanoseconds_per_second - 1) return Deadline::never();
  if (clock == CLOCK_MONOTONIC) return {kernel::nanoseconds(point)};
  timespec now;
  ::clock_gettime(clock, &now);
  int64_t left = kernel::nanoseconds(point) - kernel::nanoseconds(now);
  return left <= 0 ? Deadline::passed() : Deadline::after(left);
}

}  // namespace unblock
