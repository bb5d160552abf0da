// How tests wait for each other without sleeping: handshakes over atomics, and yields in between.
#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>

#include "moments.h"

// Gives every thread that can run the chance to run until it waits. It makes it likely, never certain, that a thread
// which has announced a wait is inside it; so a test must be right either way.
inline void let_others_run() {
  for (int i = 0; i < 300; ++i) sched_yield();
}

// Whether the condition comes true while others run. The bound is for the case that the test fails.
template <typename Condition>
bool eventually(Condition condition) {
  timespec deadline = in_milliseconds(20'000, CLOCK_MONOTONIC);
  while (!condition()) {
    if (is_over(deadline, CLOCK_MONOTONIC)) return false;
    sched_yield();
  }
  return true;
}

inline bool eventually(const std::atomic<bool>& flag) {
  return eventually([&] { return flag.load(); });
}

// The result of a call that must leave errno alone, as every pthread function does.
template <typename Call>
auto keeping_errno(Call call) {
  errno = 4711;
  auto result = call();
  EXPECT_EQ(errno, 4711) << "errno was changed";
  return result;
}
