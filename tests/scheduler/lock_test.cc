#include "scheduler/lock.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/scheduler/test_thread.h"

using namespace unblock;

TEST(Lock, IsHeldByOneAtATime) {
  constexpr int threads_count = 4, rounds = 50'000;
  Lock lock;
  int plain = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        Held held(lock);
        ++plain;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plain, threads_count * rounds);
}

// The holder sleeps in the kernel with the lock held, so that the others stop spinning and sleep too.
TEST(Lock, SleepersAreWoken) {
  constexpr int threads_count = 4, rounds = 100;
  Lock lock;
  int plain = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < threads_count; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        Held held(lock);
        std::this_thread::sleep_for(std::chrono::microseconds(20));
        ++plain;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plain, threads_count * rounds);
}

TEST(Lock, TryingNeverWaits) {
  Lock lock;
  EXPECT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Lock, TheChildOfAForkCanForceItOpen) {
  Lock lock;
  lock.lock();
  lock.reset();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Critical, EndsWithTheOutermost) {
  EXPECT_EQ(here.critical, 0u);
  {
    Critical outer;
    {
      Lock lock;
      Held inner(lock);
      EXPECT_EQ(here.critical, 2u);
    }
    EXPECT_EQ(here.critical, 1u);
  }
  EXPECT_EQ(here.critical, 0u);
}

TEST(Critical, SignalsThatCameMeanwhileAreDeliveredAtItsEnd) {
  unsigned before = test::deliveries();
  {
    Critical outer;
    {
      Critical inner;
      here.signals_recorded = true;
    }
    EXPECT_EQ(test::deliveries(), before);
  }
  EXPECT_EQ(test::deliveries(), before + 1);
  { Critical again; }
  EXPECT_EQ(test::deliveries(), before + 1);
}
