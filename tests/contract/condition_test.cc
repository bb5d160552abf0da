// Condition variables: wait, signal, broadcast. Timed forms have a file of their own.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>
#include <vector>

#include "mutexes.h"

namespace {

// A condition with its mutex, and what the waiters say of themselves (guarded by the mutex).
class Condition : public testing::Test {
 protected:
  ~Condition() override {
    EXPECT_EQ(pthread_cond_destroy(&condition_), 0);
    EXPECT_EQ(pthread_mutex_destroy(&mutex_), 0);
  }

  template <typename Function>
  auto guarded(Function function) {
    EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
    auto result = function();
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
    return result;
  }

  void wait_for_turn() {
    ASSERT_EQ(pthread_mutex_lock(&mutex_), 0);
    ++waiting_;
    while (turns_ == 0) ASSERT_EQ(keeping_errno([&] { return pthread_cond_wait(&condition_, &mutex_); }), 0);
    --turns_;
    ++woken_;
    ASSERT_EQ(pthread_mutex_unlock(&mutex_), 0);
  }

  void start_waiters(int count) {
    for (int i = 0; i < count; ++i) waiters_.emplace_back([this] { wait_for_turn(); });
    // Who has counted himself under the mutex is waiting by the time we get the mutex.
    EXPECT_TRUE(eventually([&] { return guarded([&] { return waiting_ == count; }); }));
  }

  void join_waiters() {
    for (auto& waiter : waiters_) waiter.join();
  }

  int woken() {
    return guarded([&] { return woken_; });
  }

  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  int waiting_ = 0, turns_ = 0, woken_ = 0;
  std::vector<std::thread> waiters_;
};

TEST_F(Condition, SignalWakesAWaiter) {
  start_waiters(1);
  guarded([&] { return ++turns_; });
  EXPECT_EQ(keeping_errno([&] { return pthread_cond_signal(&condition_); }), 0);
  join_waiters();
  EXPECT_EQ(woken_, 1);
}

TEST_F(Condition, EachSignalWakesAtLeastOne) {
  start_waiters(10);
  for (int i = 1; i <= 10; ++i) {
    guarded([&] { return ++turns_; });
    EXPECT_EQ(pthread_cond_signal(&condition_), 0);
    EXPECT_TRUE(eventually([&] { return woken() == i; }));
  }
  join_waiters();
}

TEST_F(Condition, SignalsInARowWakeAsManyWaiters) {
  start_waiters(10);
  guarded([&] { return turns_ = 10; });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pthread_cond_signal(&condition_), 0);
  join_waiters();
  EXPECT_EQ(woken_, 10);
}

TEST_F(Condition, BroadcastWakesAll) {
  start_waiters(20);
  guarded([&] { return turns_ = 20; });
  EXPECT_EQ(keeping_errno([&] { return pthread_cond_broadcast(&condition_); }), 0);
  join_waiters();
  EXPECT_EQ(woken_, 20);
}

TEST_F(Condition, SignalMayBeSentWhileHoldingTheMutex) {
  start_waiters(3);
  EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
  turns_ = 3;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pthread_cond_signal(&condition_), 0);
  let_others_run();
  EXPECT_EQ(woken_, 0);
  EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
  join_waiters();
}

TEST_F(Condition, SignalWithoutWaitersIsNotKept) {
  EXPECT_EQ(pthread_cond_signal(&condition_), 0);
  EXPECT_EQ(pthread_cond_broadcast(&condition_), 0);
  timespec deadline = in_milliseconds(20);
  ASSERT_EQ(pthread_mutex_lock(&mutex_), 0);
  EXPECT_EQ(pthread_cond_timedwait(&condition_, &mutex_, &deadline), ETIMEDOUT);
  EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
}

TEST_F(Condition, BroadcastIsForThoseWhoWaitedBeforeIt) {
  start_waiters(2);
  guarded([&] { return turns_ = 2; });
  EXPECT_EQ(pthread_cond_broadcast(&condition_), 0);
  join_waiters();
  waiters_.clear();
  waiting_ = 0;
  start_waiters(2);
  let_others_run();
  EXPECT_EQ(woken(), 2);
  guarded([&] { return turns_ = 2; });
  EXPECT_EQ(pthread_cond_broadcast(&condition_), 0);
  join_waiters();
  EXPECT_EQ(woken_, 4);
}

TEST_F(Condition, WaitReleasesTheMutexAndHoldsItAgainAfterwards) {
  std::atomic<bool> returned = false;
  std::thread waiter([&] {
    ASSERT_EQ(pthread_mutex_lock(&mutex_), 0);
    waiting_ = 1;
    while (turns_ == 0) EXPECT_EQ(pthread_cond_wait(&condition_, &mutex_), 0);
    returned = true;
    EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(&mutex_); }), EBUSY);
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
  });
  EXPECT_TRUE(eventually([&] { return guarded([&] { return waiting_ == 1; }); }));
  EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
  turns_ = 1;
  EXPECT_EQ(pthread_cond_signal(&condition_), 0);
  let_others_run();
  EXPECT_FALSE(returned);
  EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
  waiter.join();
}

TEST_F(Condition, MayBeDestroyedAndFreedRightAfterTheBroadcastThatEndsItsUse) {
  for (int i = 0; i < 100; ++i) {
    auto* condition = new pthread_cond_t;
    ASSERT_EQ(pthread_cond_init(condition, nullptr), 0);
    bool waits = false, done = false;
    std::thread waiter([&] {
      EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
      waits = true;
      while (!done) EXPECT_EQ(pthread_cond_wait(condition, &mutex_), 0);
      EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
    });
    EXPECT_TRUE(eventually([&] { return guarded([&] { return waits; }); }));
    EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
    done = true;
    EXPECT_EQ(pthread_cond_broadcast(condition), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
    EXPECT_EQ(pthread_cond_destroy(condition), 0);
    memset(condition, 0xa5, sizeof *condition);
    delete condition;
    waiter.join();
  }
}

TEST_F(Condition, NoWakeIsLostBetweenManyProducersAndConsumers) {
  constexpr int threads = 8, each = 1000;
  int items = 0;
  std::atomic<long> taken = 0;
  for (int i = 0; i < threads; ++i) {
    waiters_.emplace_back([&] {
      for (int j = 0; j < each; ++j) {
        EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
        while (items == 0) EXPECT_EQ(pthread_cond_wait(&condition_, &mutex_), 0);
        --items;
        EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
        ++taken;
      }
    });
    waiters_.emplace_back([&, i] {
      for (int j = 0; j < each; ++j) {
        EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
        ++items;
        bool while_holding = i % 2 == 0;
        if (while_holding) pthread_cond_signal(&condition_);
        EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
        if (!while_holding) pthread_cond_signal(&condition_);
      }
    });
  }
  join_waiters();
  EXPECT_EQ(taken, threads * each);
  EXPECT_EQ(items, 0);
}

TEST_F(Condition, TwoThreadsCanPassABallThousandsOfTimes) {
  int side = 0;
  auto play = [&](int me) {
    for (int i = 0; i < 5000; ++i) {
      EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
      while (side != me) EXPECT_EQ(pthread_cond_wait(&condition_, &mutex_), 0);
      side = 1 - me;
      EXPECT_EQ(pthread_cond_signal(&condition_), 0);
      EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
}

TEST(ConditionWithKindsOfMutex, WaitAndReturnHoldingEach) {
  for (int kind : {PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ADAPTIVE_NP}) {
    OwnedMutex mutex({.kind = kind});
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    bool waits = false, done = false;
    std::thread waiter([&] {
      EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
      waits = true;
      while (!done) EXPECT_EQ(pthread_cond_wait(&condition, mutex.get()), 0);
      EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
    });
    for (bool seen = false; !seen; sched_yield()) {
      EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
      seen = waits;
      EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
    }
    EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
    done = true;
    EXPECT_EQ(pthread_cond_signal(&condition), 0);
    EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
    waiter.join();
    EXPECT_EQ(pthread_cond_destroy(&condition), 0);
  }
}

TEST(ConditionWithErrorCheckingMutex, WaitWithoutHoldingItIsEperm) {
  OwnedMutex mutex({.kind = PTHREAD_MUTEX_ERRORCHECK});
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  EXPECT_EQ(pthread_cond_wait(&condition, mutex.get()), EPERM);
  EXPECT_EQ(pthread_cond_destroy(&condition), 0);
}

TEST(ConditionWithRobustMutex, WaiterLearnsThatTheOwnerDied) {
  OwnedMutex mutex({.robustness = PTHREAD_MUTEX_ROBUST});
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  std::atomic<bool> waits = false;
  int result = -1;
  std::thread waiter([&] {
    EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
    waits = true;
    while (result != EOWNERDEAD && result <= 0) result = pthread_cond_wait(&condition, mutex.get());
    EXPECT_EQ(pthread_mutex_consistent(mutex.get()), 0);
    EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
  });
  EXPECT_TRUE(eventually(waits));
  std::thread([&] {
    EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
    EXPECT_EQ(pthread_cond_signal(&condition), 0);
  }).join();
  waiter.join();
  EXPECT_EQ(result, EOWNERDEAD);
  EXPECT_EQ(pthread_cond_destroy(&condition), 0);
}

}  // namespace
