#pragma once
// The time-stamp counter: what a switch can afford to read. Its rate is nobody's business in here; whoever looks from
// outside converts with two points at which both it and CLOCK_MONOTONIC were read. Thread-safe, async-signal-safe.

#include <x86intrin.h>

#include <atomic>
#include <cstdint>

namespace unblock::ticks {

inline uint64_t now() { return __rdtsc(); }

// Counter and CLOCK_MONOTONIC at one moment.
struct Point {
  std::atomic<uint64_t> ticks;
  std::atomic<int64_t> nanoseconds;
};

// When green threads began, and a moment that is at most a look of the monitor old while anything runs: what a core
// file has for the present.
extern Point begin, latest;

// How long ago that was, by the rate since `begin`. Async-signal-safe.
int64_t nanoseconds_since(uint64_t then);

// Reads both clocks into `latest`, and the first time into `begin` as well.
void note();

}  // namespace unblock::ticks
