// Initialisation that happens once: pthread_once, C11 call_once, std::call_once, static locals.
#include <gtest/gtest.h>
#include <pthread.h>
#include <threads.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "patience.h"

namespace {

std::atomic<int> runs, inside, finished;
std::atomic<bool> may_finish;

void reset() {
  runs = inside = finished = 0;
  may_finish = false;
}

// An initialiser that waits until others have come to wait for it.
void slow_initialiser() {
  ++runs;
  EXPECT_TRUE(eventually(may_finish));
  timespec moment = milliseconds(2);
  nanosleep(&moment, nullptr);
  ++finished;
}

template <typename Once>
void expect_one_run_for_many(Once once) {
  reset();
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back([&] {
      ++inside;
      once();
      EXPECT_EQ(finished, 1);
    });
  }
  EXPECT_TRUE(eventually([&] { return inside == 10 && runs == 1; }));
  let_others_run();
  may_finish = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(runs, 1);
  once();
  EXPECT_EQ(runs, 1);
}

TEST(PthreadOnce, RunsOnceAndEverybodyWaitsForItsEnd) {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  expect_one_run_for_many([] { EXPECT_EQ(keeping_errno([] { return pthread_once(&control, slow_initialiser); }), 0); });
}

TEST(CallOnce, OfC11RunsOnceAndEverybodyWaitsForItsEnd) {
  static once_flag control = ONCE_FLAG_INIT;
  expect_one_run_for_many([] { call_once(&control, slow_initialiser); });
}

TEST(CallOnce, OfCppRunsOnceAndEverybodyWaitsForItsEnd) {
  static std::once_flag control;
  expect_one_run_for_many([] { std::call_once(control, slow_initialiser); });
}

TEST(StaticLocal, IsInitialisedOnceAndEverybodyWaitsForItsEnd) {
  expect_one_run_for_many([] {
    static int value = (slow_initialiser(), 4711);
    EXPECT_EQ(value, 4711);
  });
}

TEST(PthreadOnce, ExceptionLetsTheNextOneTry) {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  static std::atomic<int> tries;
  tries = 0;
  auto fail_once = [] {
    if (++tries == 1) throw std::runtime_error("on purpose");
  };
  EXPECT_THROW(pthread_once(&control, fail_once), std::runtime_error);
  EXPECT_EQ(pthread_once(&control, fail_once), 0);
  EXPECT_EQ(pthread_once(&control, fail_once), 0);
  EXPECT_EQ(tries, 2);
}

TEST(CallOnce, ExceptionHandsTheWorkToAWaiter) {
  static std::once_flag control;
  std::atomic<int> tries = 0, done = 0, coming = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      ++coming;
      try {
        std::call_once(control, [&] {
          if (++tries > 1) return;
          EXPECT_TRUE(eventually([&] { return coming == 5; }));
          let_others_run();
          throw std::runtime_error("on purpose");
        });
        ++done;
      } catch (std::runtime_error&) {
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(done, 4);
}

TEST(StaticLocal, ExceptionHandsTheWorkToAWaiter) {
  std::atomic<int> tries = 0, done = 0, coming = 0;
  auto initialise = [&] {
    if (++tries > 1) return 4711;
    EXPECT_TRUE(eventually([&] { return coming == 5; }));
    let_others_run();
    throw std::runtime_error("on purpose");
  };
  auto use = [&] {
    static int value = initialise();
    return value;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      ++coming;
      try {
        EXPECT_EQ(use(), 4711);
        ++done;
      } catch (std::runtime_error&) {
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(tries, 2);
  EXPECT_EQ(done, 4);
}

TEST(PthreadOnce, ThreadThatEndsInsideLetsTheNextOneTry) {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  static std::atomic<int> tries;
  tries = 0;
  auto leave_once = [] {
    if (++tries == 1) pthread_exit(nullptr);
  };
  std::thread([=] { pthread_once(&control, leave_once); }).join();
  EXPECT_EQ(pthread_once(&control, leave_once), 0);
  EXPECT_EQ(tries, 2);
}

TEST(PthreadOnce, CancelledInitialiserLetsAWaiterTry) {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  static std::atomic<int> tries;
  tries = 0;
  auto first_waits_for_ever = [] {
    while (++tries == 1) pause();
  };
  std::thread first([=] { pthread_once(&control, first_waits_for_ever); });
  EXPECT_TRUE(eventually([&] { return tries == 1; }));
  std::atomic<bool> coming = false;
  std::thread second([&] {
    coming = true;
    EXPECT_EQ(pthread_once(&control, first_waits_for_ever), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_cancel(first.native_handle()), 0);
  first.join();
  second.join();
  EXPECT_EQ(tries, 2);
}

TEST(PthreadOnce, InitialisersMayNest) {
  static pthread_once_t outer = PTHREAD_ONCE_INIT, inner = PTHREAD_ONCE_INIT;
  static int order;
  order = 0;
  EXPECT_EQ(pthread_once(&outer,
                         [] {
                           pthread_once(&inner, [] { order = order * 10 + 1; });
                           order = order * 10 + 2;
                         }),
            0);
  EXPECT_EQ(order, 12);
}

}  // namespace
