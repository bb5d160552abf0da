// The C++ standard library over threads: locks, conditions, semaphores, latches, barriers, atomic waits, async.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "patience.h"

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

// Runs the function in so many threads and waits for them all.
template <typename Function>
void in_threads(int count, Function function) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&, i] { function(i); });
}

template <typename Mutex>
class StdMutex : public testing::Test {};
using Mutexes = testing::Types<std::mutex, std::recursive_mutex, std::timed_mutex, std::recursive_timed_mutex,
                               std::shared_mutex, std::shared_timed_mutex>;
TYPED_TEST_SUITE(StdMutex, Mutexes);

TYPED_TEST(StdMutex, ExcludesEvenWhenTheHolderYields) {
  TypeParam mutex;
  long count = 0;
  in_threads(8, [&](int) {
    for (int j = 0; j < 300; ++j) {
      std::lock_guard lock(mutex);
      long seen = count;
      if (j % 30 == 0) std::this_thread::yield();
      count = seen + 1;
    }
  });
  EXPECT_EQ(count, 2400);
}

TYPED_TEST(StdMutex, TryLockOfAHeldOneFails) {
  TypeParam mutex;
  std::lock_guard lock(mutex);
  in_threads(1, [&](int) { EXPECT_FALSE(mutex.try_lock()); });
}

template <typename Mutex>
class StdTimedMutex : public testing::Test {};
using TimedMutexes = testing::Types<std::timed_mutex, std::recursive_timed_mutex, std::shared_timed_mutex>;
TYPED_TEST_SUITE(StdTimedMutex, TimedMutexes);

TYPED_TEST(StdTimedMutex, TryLockForTimesOutAndNotBefore) {
  TypeParam mutex;
  std::lock_guard lock(mutex);
  in_threads(1, [&](int) {
    auto start = steady::now();
    EXPECT_FALSE(mutex.try_lock_for(20ms));
    EXPECT_GE(steady::now() - start, 20ms);
    EXPECT_FALSE(mutex.try_lock_until(std::chrono::system_clock::now() + 10ms));
    EXPECT_FALSE(mutex.try_lock_until(steady::now() - 10ms));
  });
}

TYPED_TEST(StdTimedMutex, TryLockForGetsItInTime) {
  TypeParam mutex;
  mutex.lock();
  std::atomic<bool> coming = false;
  std::jthread waiter([&] {
    coming = true;
    EXPECT_TRUE(mutex.try_lock_for(20s));
    mutex.unlock();
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  mutex.unlock();
}

TEST(SharedTimedMutex, ReadersShareAndWaitForTheWriter) {
  std::shared_timed_mutex mutex;
  std::latch inside(5);
  in_threads(5, [&](int) {
    std::shared_lock lock(mutex);
    inside.arrive_and_wait();
  });
  mutex.lock();
  in_threads(2, [&](int) {
    EXPECT_FALSE(mutex.try_lock_shared());
    EXPECT_FALSE(mutex.try_lock_shared_for(10ms));
  });
  mutex.unlock();
}

TEST(ScopedLock, OfManyMutexesInAnyOrderDoesNotDeadlock) {
  std::mutex first, second, third;
  long count = 0;
  in_threads(6, [&](int i) {
    for (int j = 0; j < 200; ++j) {
      if (i % 3 == 0) std::scoped_lock(first, second, third), ++count;
      if (i % 3 == 1) std::scoped_lock(third, first, second), std::this_thread::yield();
      std::scoped_lock lock(second, third, first);
      ++count;
    }
  });
  EXPECT_GE(count, 1200);
}

template <typename Condition>
class StdCondition : public testing::Test {};
using Conditions = testing::Types<std::condition_variable, std::condition_variable_any>;
TYPED_TEST_SUITE(StdCondition, Conditions);

TYPED_TEST(StdCondition, WakesOneAndAll) {
  TypeParam condition;
  std::mutex mutex;
  int turns = 0, waiting = 0;
  std::vector<std::jthread> waiters;
  for (int i = 0; i < 10; ++i) {
    waiters.emplace_back([&] {
      std::unique_lock lock(mutex);
      ++waiting;
      condition.wait(lock, [&] { return turns > 0; });
      --turns;
    });
  }
  auto locked = [&](auto function) { return std::lock_guard(mutex), function(); };
  EXPECT_TRUE(eventually([&] { return locked([&] { return waiting == 10; }); }));
  locked([&] { return turns = 1; });
  condition.notify_one();
  EXPECT_TRUE(eventually([&] { return locked([&] { return turns == 0; }); }));
  locked([&] { return turns = 9; });
  condition.notify_all();
}

TYPED_TEST(StdCondition, WaitForAndWaitUntilTimeOutAndNotBefore) {
  TypeParam condition;
  std::mutex mutex;
  std::unique_lock lock(mutex);
  auto start = steady::now();
  EXPECT_FALSE(condition.wait_for(lock, 20ms, [] { return false; }));
  EXPECT_GE(steady::now() - start, 20ms);
  auto moment = std::chrono::system_clock::now() + 20ms;
  EXPECT_FALSE(condition.wait_until(lock, moment, [] { return false; }));
  EXPECT_GE(std::chrono::system_clock::now(), moment);
  EXPECT_EQ(condition.wait_until(lock, steady::now() - 1s), std::cv_status::timeout);
}

TEST(ConditionVariableAny, WaitEndsWhenAStopIsRequested) {
  std::condition_variable_any condition;
  std::mutex mutex;
  std::atomic<bool> waits = false;
  std::jthread waiter([&](std::stop_token stop) {
    std::unique_lock lock(mutex);
    waits = true;
    EXPECT_FALSE(condition.wait(lock, stop, [] { return false; }));
  });
  EXPECT_TRUE(eventually(waits));
  waiter.request_stop();
}

TEST(NotifyAllAtThreadExit, WakesAfterTheLastDestructor) {
  std::mutex mutex;
  std::condition_variable condition;
  bool done = false;
  std::thread thread([&] {
    std::unique_lock lock(mutex);
    done = true;
    std::notify_all_at_thread_exit(condition, std::move(lock));
  });
  std::unique_lock lock(mutex);
  condition.wait(lock, [&] { return done; });
  thread.join();  // it notifies after it has let go of the lock
}

TEST(CountingSemaphore, CountsAndTimesOut) {
  std::counting_semaphore<> semaphore(0);
  EXPECT_FALSE(semaphore.try_acquire());
  auto start = steady::now();
  EXPECT_FALSE(semaphore.try_acquire_for(20ms));
  EXPECT_GE(steady::now() - start, 20ms);
  std::atomic<int> acquired = 0;
  std::jthread producer([&] {
    for (int i = 0; i < 1000; ++i) semaphore.release();
  });
  in_threads(10, [&](int) {
    for (int j = 0; j < 100; ++j) semaphore.acquire(), ++acquired;
  });
  EXPECT_EQ(acquired, 1000);
  EXPECT_FALSE(semaphore.try_acquire());
}

TEST(Latch, HoldsEverybodyUntilTheLastArrives) {
  std::latch latch(11);
  std::atomic<int> passed = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 10; ++i) threads.emplace_back([&] { latch.arrive_and_wait(), ++passed; });
  let_others_run();
  EXPECT_EQ(passed, 0);
  EXPECT_FALSE(latch.try_wait());
  latch.count_down();
  latch.wait();
  threads.clear();
  EXPECT_EQ(passed, 10);
}

TEST(StdBarrier, RunsItsCompletionOncePerRound) {
  int rounds = 0;
  auto complete = [&]() noexcept { ++rounds; };
  std::barrier barrier(5, complete);
  in_threads(5, [&](int) {
    for (int j = 1; j <= 200; ++j) {
      barrier.arrive_and_wait();
      EXPECT_GE(rounds, j);
      barrier.arrive_and_wait();
    }
  });
  EXPECT_EQ(rounds, 400);
}

TEST(AtomicWait, ReturnsWhenTheValueChanged) {
  std::atomic<int> value = 0;
  std::atomic<bool> coming = false;
  std::jthread waiter([&] {
    coming = true;
    value.wait(0);
    EXPECT_EQ(value, 4711);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  value = 4711;
  value.notify_one();
}

TEST(AtomicWait, PassesABallBetweenTwoThreads) {
  std::atomic<long> ball = 0;  // eight bytes: libstdc++ waits on a word of its own
  auto play = [&](long me) {
    for (long i = me; i < 4000; i += 2) {
      for (long seen = ball; seen != i; seen = ball) ball.wait(seen);
      ball = i + 1;
      ball.notify_all();
    }
  };
  in_threads(2, play);
  EXPECT_EQ(ball, 4000);
}

TEST(AtomicFlag, WaitAndNotify) {
  std::atomic_flag flag;
  std::jthread waiter([&] { flag.wait(false); });
  let_others_run();
  flag.test_and_set();
  flag.notify_all();
}

TEST(Async, RunsInAnotherThreadAndDeliversResultAndException) {
  std::vector<std::future<int>> futures;
  for (int i = 0; i < 50; ++i) {
    futures.push_back(std::async(std::launch::async, [i] { return std::this_thread::sleep_for(1ms), i; }));
  }
  int sum = 0;
  for (auto& future : futures) sum += future.get();
  EXPECT_EQ(sum, 50 * 49 / 2);
  auto failing = std::async(std::launch::async, []() -> int { throw std::runtime_error("on purpose"); });
  EXPECT_THROW(failing.get(), std::runtime_error);
}

TEST(Future, WaitForTimesOutUntilThePromiseIsKept) {
  std::promise<int> promise;
  auto future = promise.get_future();
  EXPECT_EQ(future.wait_for(10ms), std::future_status::timeout);
  std::jthread keeper([&] { promise.set_value(4711); });
  EXPECT_EQ(future.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(future.get(), 4711);
}

TEST(Jthread, JoinsOnDestructionAndStopsWhenAsked) {
  std::atomic<bool> stopped = false;
  {
    std::jthread thread([&](std::stop_token stop) { stopped = eventually([&] { return stop.stop_requested(); }); });
  }
  EXPECT_TRUE(stopped);
}

TEST(SleepFor, SleepsAtLeastAsLongAsAsked) {
  auto start = steady::now();
  std::this_thread::sleep_for(15ms);
  EXPECT_GE(steady::now() - start, 15ms);
  std::this_thread::sleep_until(std::chrono::system_clock::now() + 5ms);
}

}  // namespace
