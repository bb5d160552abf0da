// Moments in time for tests: deadlines on any clock, and how long something took.
#pragma once

#include <time.h>

inline long long nanoseconds(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

inline timespec to_timespec(long long nanoseconds) {
  return {static_cast<time_t>(nanoseconds / 1'000'000'000), static_cast<long>(nanoseconds % 1'000'000'000)};
}

inline timespec milliseconds(long count) { return to_timespec(count * 1'000'000LL); }

inline long long now(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return nanoseconds(time);
}

// The moment so many milliseconds from now; a negative count is a moment that is over.
inline timespec in_milliseconds(long count, clockid_t clock = CLOCK_REALTIME) {
  return to_timespec(now(clock) + count * 1'000'000LL);
}

inline bool is_over(const timespec& deadline, clockid_t clock = CLOCK_REALTIME) {
  return now(clock) >= nanoseconds(deadline);
}

// A moment that would be in the past if it were one at all: tv_nsec is out of range.
inline timespec impossible_moment(clockid_t clock = CLOCK_REALTIME) {
  timespec moment = in_milliseconds(50, clock);
  moment.tv_nsec = 1'000'000'000;
  return moment;
}

class Stopwatch {
 public:
  double milliseconds() const { return (now(CLOCK_MONOTONIC) - start_) / 1e6; }
  long microseconds() const { return (now(CLOCK_MONOTONIC) - start_) / 1000; }

 private:
  long long start_ = now(CLOCK_MONOTONIC);
};
