// Threads that run on one processor or several, and what they take along.
#include <errno.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "scheduler/wait.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;

namespace {

// Not inlined, so that each use finds its variable anew.
thread_local int own;
__attribute__((noinline)) int& own_variable() { return own; }

}  // namespace

TEST(Processors, AreAsManyAsAskedFor) {
  std::string wanted;
  for (const std::string& argument : testing::internal::GetArgvs()) {
    if (argument.starts_with("--processors=")) wanted = argument.substr(13);
  }
  EXPECT_EQ(std::to_string(scheduler::processor_count()), wanted);
  EXPECT_TRUE(scheduler::started());
}

TEST(Processors, AThreadTakesItsVariablesAlong) {
  constexpr int count = 100;
  std::atomic<int> wrong{0};
  test::start_threads(count, [&](int i) {
    own_variable() = i;
    errno = i;
    for (int round = 0; round < 200; ++round) {
      Waiter waiter(WaitKind::sleep);
      if (round % 4 == 0) {
        waiter.wait(Deadline::after(round * 1'000));
      } else {
        waiter.cancel();
        yield();
      }
      wrong += own_variable() != i || errno != i;
    }
  }).clear();
  EXPECT_EQ(wrong, 0);
}

TEST(Processors, ExceptionsInFlightTravelToo) {
  std::atomic<int> caught{0};
  test::start_threads(50, [&](int i) {
    struct Yielding {
      ~Yielding() { yield(); }
    };
    for (int round = 0; round < 20; ++round) {
      try {
        Yielding yielding;
        throw i;
      } catch (int thrown) {
        yield();
        caught += thrown == i;
      }
    }
  }).clear();
  EXPECT_EQ(caught, 1'000);
}

TEST(Processors, ThousandsOfThreadsComeAndGo) {
  std::atomic<int> ran{0};
  for (int round = 0; round < 10; ++round) {
    test::start_threads(1'000, [&](int) { ++ran; }).clear();
  }
  EXPECT_EQ(ran, 10'000);
}

TEST(Processors, OsThreadsWakeGreenOnes) {
  constexpr int rounds = 500;
  std::atomic<Waiter*> waiting{nullptr};
  Lock lock;
  std::thread waker([&] {
    for (int woken = 0; woken < rounds; std::this_thread::yield()) {
      Held held(lock);
      Waiter* waiter = waiting.exchange(nullptr);
      woken += waiter != nullptr && waiter->wake(Wakeup::ready);
    }
  });
  for (int i = 0; i < rounds; ++i) {
    Waiter waiter(WaitKind::condition);
    waiting = &waiter;
    EXPECT_EQ(waiter.wait(), Wakeup::ready);
    Held held(lock);  // [unlink-before-return]
  }
  waker.join();
}
