// Robust mutexes: what the others learn when a thread ends while it holds one.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>

#include "mutexes.h"

namespace {

class RobustMutex : public testing::TestWithParam<int> {
 protected:
  void abandon() {
    std::thread([this] { EXPECT_EQ(pthread_mutex_lock(mutex()), 0); }).join();
  }
  pthread_mutex_t* mutex() { return mutex_.get(); }
  OwnedMutex mutex_{{.kind = GetParam(), .robustness = PTHREAD_MUTEX_ROBUST}};
};
INSTANTIATE_TEST_SUITE_P(Kinds, RobustMutex,
                         testing::Values(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK));

TEST_P(RobustMutex, WorksAsAnyOtherWhileNobodyDies) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(mutex()); }), EBUSY);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, LockAfterItsOwnerDiedIsEownerdeadAndHolds) {
  abandon();
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_lock(mutex()); }), EOWNERDEAD);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(mutex()); }), EBUSY);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_consistent(mutex()); }), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  EXPECT_EQ(pthread_mutex_lock(mutex()), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, TrylockAfterItsOwnerDiedIsEownerdead) {
  abandon();
  EXPECT_EQ(pthread_mutex_trylock(mutex()), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(mutex()), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, TimedlockAfterItsOwnerDiedIsEownerdead) {
  abandon();
  timespec deadline = in_milliseconds(10'000);
  EXPECT_EQ(pthread_mutex_timedlock(mutex(), &deadline), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(mutex()), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, DeathOfTheOwnerWakesWhoeverWaits) {
  std::atomic<bool> holds = false, coming = false;
  std::thread owner([&] {
    EXPECT_EQ(pthread_mutex_lock(mutex()), 0);
    holds = true;
    EXPECT_TRUE(eventually(coming));
    let_others_run();
  });
  EXPECT_TRUE(eventually(holds));
  coming = true;
  EXPECT_EQ(pthread_mutex_lock(mutex()), EOWNERDEAD);
  owner.join();
  EXPECT_EQ(pthread_mutex_consistent(mutex()), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, PthreadExitWhileHoldingCountsAsDeath) {
  std::thread([this] {
    EXPECT_EQ(pthread_mutex_lock(mutex()), 0);
    pthread_exit(nullptr);
  }).join();
  EXPECT_EQ(pthread_mutex_lock(mutex()), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(mutex()), 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, UnlockWithoutRepairMakesItNotRecoverable) {
  abandon();
  EXPECT_EQ(pthread_mutex_lock(mutex()), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_lock(mutex()); }), ENOTRECOVERABLE);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_lock(mutex()); }), ENOTRECOVERABLE);
  timespec deadline = in_milliseconds(10'000);
  EXPECT_EQ(pthread_mutex_timedlock(mutex(), &deadline), ENOTRECOVERABLE);
  // Last, because glibc's trylock keeps the lock word of a mutex that it reports as not recoverable.
  EXPECT_EQ(pthread_mutex_trylock(mutex()), ENOTRECOVERABLE);
}

// One waiter only: glibc's own unlock wakes no second one here.
TEST_P(RobustMutex, BecomingNotRecoverableWakesTheWaiter) {
  abandon();
  ASSERT_EQ(pthread_mutex_lock(mutex()), EOWNERDEAD);
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(pthread_mutex_lock(mutex()), ENOTRECOVERABLE);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  waiter.join();
}

TEST_P(RobustMutex, ConsistentIsEinvalWhileNothingIsWrong) {
  EXPECT_EQ(pthread_mutex_consistent(mutex()), EINVAL);
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  EXPECT_EQ(pthread_mutex_consistent(mutex()), EINVAL);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST_P(RobustMutex, UnlockByAStrangerIsEperm) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_unlock(mutex()); }), EPERM);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST(RobustMutexes, AllThatOneThreadHeldAreAbandoned) {
  OwnedMutex first({.robustness = PTHREAD_MUTEX_ROBUST}), second({.robustness = PTHREAD_MUTEX_ROBUST}),
      third({.robustness = PTHREAD_MUTEX_ROBUST});
  std::thread([&] {
    for (auto* mutex : {&first, &second, &third}) EXPECT_EQ(pthread_mutex_lock(mutex->get()), 0);
    EXPECT_EQ(pthread_mutex_unlock(second.get()), 0);
  }).join();
  EXPECT_EQ(pthread_mutex_lock(first.get()), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_lock(second.get()), 0);
  EXPECT_EQ(pthread_mutex_lock(third.get()), EOWNERDEAD);
  for (auto* mutex : {&first, &third}) EXPECT_EQ(pthread_mutex_consistent(mutex->get()), 0);
  for (auto* mutex : {&first, &second, &third}) EXPECT_EQ(pthread_mutex_unlock(mutex->get()), 0);
}

TEST(StalledMutex, ConsistentIsEinval) {
  OwnedMutex mutex;
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  EXPECT_EQ(pthread_mutex_consistent(mutex.get()), EINVAL);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
}

}  // namespace
