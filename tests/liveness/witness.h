// Witnesses that a thread which waits does not hold up the others.
//
// Under the library these tests have one processor and no monitor, so a wait that keeps its carrier is for ever: the
// thread that would end it never runs, and the test hangs until its time is up. Nothing here measures time.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <thread>

#include "../contract/patience.h"

// One thread waits; this one must run meanwhile to end the wait.
inline void expect_others_run_during(std::function<void()> wait, std::function<void()> end) {
  std::atomic<bool> coming = false, returned = false;
  std::thread waiter([&] {
    coming = true;
    wait();
    returned = true;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(returned);
  end();
  waiter.join();
}

// One thread waits for nothing that ever comes; this one must run meanwhile to interrupt it by a signal.
inline void expect_others_run_until_a_signal_ends(std::function<void()> wait) {
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> coming = false, returned = false;
  std::thread waiter([&] {
    coming = true;
    wait();
    returned = true;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(returned);
  EXPECT_TRUE(eventually([&] { return pthread_kill(waiter.native_handle(), SIGUSR1), returned.load(); }));
  waiter.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

inline timespec far_away(clockid_t clock = CLOCK_REALTIME) { return in_milliseconds(1000'000, clock); }
