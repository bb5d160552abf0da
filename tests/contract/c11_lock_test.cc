// C11 mutexes and condition variables: mtx_*, cnd_*.
#include <gtest/gtest.h>
#include <threads.h>

#include <atomic>
#include <thread>
#include <vector>

#include "patience.h"

namespace {

int elsewhere(auto call) {
  int result = -1;
  std::thread([&] { result = call(); }).join();
  return result;
}

class EveryMtx : public testing::TestWithParam<int> {
 protected:
  EveryMtx() { EXPECT_EQ(mtx_init(&mutex_, GetParam()), thrd_success); }
  ~EveryMtx() override { mtx_destroy(&mutex_); }
  mtx_t mutex_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryMtx,
                         testing::Values(int{mtx_plain}, int{mtx_timed}, mtx_plain | mtx_recursive,
                                         mtx_timed | mtx_recursive));

TEST_P(EveryMtx, TrylockOfAHeldOneIsBusy) {
  ASSERT_EQ(mtx_lock(&mutex_), thrd_success);
  EXPECT_EQ(elsewhere([&] { return mtx_trylock(&mutex_); }), thrd_busy);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  EXPECT_EQ(mtx_trylock(&mutex_), thrd_success);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
}

TEST_P(EveryMtx, LockWaitsForTheHolder) {
  ASSERT_EQ(mtx_lock(&mutex_), thrd_success);
  std::atomic<bool> coming = false, got = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(mtx_lock(&mutex_), thrd_success);
    got = true;
    EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(got);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  waiter.join();
}

TEST_P(EveryMtx, ExcludesEvenWhenTheHolderYields) {
  long count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 200; ++j) {
        EXPECT_EQ(mtx_lock(&mutex_), thrd_success);
        long seen = count;
        if (j % 20 == 0) thrd_yield();
        count = seen + 1;
        EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 1600);
}

TEST_P(EveryMtx, RecursiveKindsCanBeLockedAgain) {
  if ((GetParam() & mtx_recursive) == 0) GTEST_SKIP() << "not a recursive kind";
  ASSERT_EQ(mtx_lock(&mutex_), thrd_success);
  EXPECT_EQ(mtx_lock(&mutex_), thrd_success);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  EXPECT_EQ(elsewhere([&] { return mtx_trylock(&mutex_); }), thrd_busy);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
}

TEST_P(EveryMtx, TimedlockTimesOutOrGetsIt) {
  if ((GetParam() & mtx_timed) == 0) GTEST_SKIP() << "not a timed kind";
  ASSERT_EQ(mtx_lock(&mutex_), thrd_success);
  timespec deadline = in_milliseconds(30);
  EXPECT_EQ(elsewhere([&] { return mtx_timedlock(&mutex_, &deadline); }), thrd_timedout);
  EXPECT_TRUE(is_over(deadline));
  timespec wrong = impossible_moment();
  EXPECT_EQ(elsewhere([&] { return mtx_timedlock(&mutex_, &wrong); }), thrd_error);
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    timespec later = in_milliseconds(20'000);
    coming = true;
    EXPECT_EQ(mtx_timedlock(&mutex_, &later), thrd_success);
    EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  waiter.join();
}

class Cnd : public testing::Test {
 protected:
  Cnd() {
    EXPECT_EQ(mtx_init(&mutex_, mtx_timed), thrd_success);
    EXPECT_EQ(cnd_init(&condition_), thrd_success);
  }
  ~Cnd() override {
    cnd_destroy(&condition_);
    mtx_destroy(&mutex_);
  }

  void start(int count) {
    for (int i = 0; i < count; ++i) {
      waiters_.emplace_back([this] {
        EXPECT_EQ(mtx_lock(&mutex_), thrd_success);
        ++waiting_;
        while (turns_ == 0) EXPECT_EQ(cnd_wait(&condition_, &mutex_), thrd_success);
        --turns_;
        EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
      });
    }
    EXPECT_TRUE(eventually([&] {
      mtx_lock(&mutex_);
      bool all = waiting_ == count;
      mtx_unlock(&mutex_);
      return all;
    }));
  }
  void allow(int count) {
    mtx_lock(&mutex_);
    turns_ += count;
    mtx_unlock(&mutex_);
  }
  void join() {
    for (auto& waiter : waiters_) waiter.join();
  }

  mtx_t mutex_;
  cnd_t condition_;
  int waiting_ = 0, turns_ = 0;
  std::vector<std::thread> waiters_;
};

TEST_F(Cnd, EachSignalWakesAWaiter) {
  start(5);
  allow(5);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(cnd_signal(&condition_), thrd_success);
  join();
}

TEST_F(Cnd, BroadcastWakesAll) {
  start(10);
  allow(10);
  EXPECT_EQ(cnd_broadcast(&condition_), thrd_success);
  join();
}

TEST_F(Cnd, TimedwaitTimesOutAndHoldsTheMutex) {
  EXPECT_EQ(mtx_lock(&mutex_), thrd_success);
  timespec deadline = in_milliseconds(30);
  int result;
  do {
    result = cnd_timedwait(&condition_, &mutex_, &deadline);
  } while (result == thrd_success);
  EXPECT_EQ(result, thrd_timedout);
  EXPECT_TRUE(is_over(deadline));
  EXPECT_EQ(elsewhere([&] { return mtx_trylock(&mutex_); }), thrd_busy);
  timespec wrong = impossible_moment();
  EXPECT_EQ(cnd_timedwait(&condition_, &mutex_, &wrong), thrd_error);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
}

TEST_F(Cnd, TimedwaitIsWokenInTime) {
  EXPECT_EQ(mtx_lock(&mutex_), thrd_success);
  std::atomic<bool> done = false;
  std::thread signaller([&] {
    mtx_lock(&mutex_);
    done = true;
    EXPECT_EQ(cnd_signal(&condition_), thrd_success);
    mtx_unlock(&mutex_);
  });
  timespec deadline = in_milliseconds(20'000);
  while (!done) EXPECT_EQ(cnd_timedwait(&condition_, &mutex_, &deadline), thrd_success);
  EXPECT_EQ(mtx_unlock(&mutex_), thrd_success);
  signaller.join();
}

}  // namespace
