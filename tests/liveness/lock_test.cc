// Mutexes, rwlocks, spin locks: whoever waits lets the holder run.
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

#include <functional>
#include <mutex>
#include <shared_mutex>

#include "witness.h"

namespace {

// Another thread takes what we hold by `lock`, and gets it because we can still run to let it go.
void expect_holder_runs(std::function<int()> lock, std::function<int()> unlock, std::function<int()> own_lock) {
  ASSERT_EQ(own_lock(), 0);
  auto take = [&] {
    EXPECT_EQ(lock(), 0);
    EXPECT_EQ(unlock(), 0);
  };
  expect_others_run_during(take, [&] { EXPECT_EQ(unlock(), 0); });
}

class MutexOfKind : public testing::TestWithParam<int> {
 protected:
  MutexOfKind() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    EXPECT_EQ(pthread_mutexattr_settype(&attributes, GetParam()), 0);
    EXPECT_EQ(pthread_mutex_init(&mutex_, &attributes), 0);
  }
  void expect_holder_runs_during(std::function<int()> lock) {
    expect_holder_runs(
        lock, [&] { return pthread_mutex_unlock(&mutex_); }, [&] { return pthread_mutex_lock(&mutex_); });
  }
  pthread_mutex_t mutex_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, MutexOfKind,
                         testing::Values(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                         PTHREAD_MUTEX_ADAPTIVE_NP));

TEST_P(MutexOfKind, Lock) {
  expect_holder_runs_during([&] { return pthread_mutex_lock(&mutex_); });
}

TEST_P(MutexOfKind, Timedlock) {
  timespec deadline = far_away();
  expect_holder_runs_during([&] { return pthread_mutex_timedlock(&mutex_, &deadline); });
}

TEST_P(MutexOfKind, Clocklock) {
  timespec deadline = far_away(CLOCK_MONOTONIC);
  expect_holder_runs_during([&] { return pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &deadline); });
}

// This thread never waits but for the mutex, which is free when it asks.
TEST_P(MutexOfKind, IsNotKeptByWhoTakesItAgainAtOnce) {
  ASSERT_EQ(pthread_mutex_lock(&mutex_), 0);
  std::atomic<bool> coming = false, had_it = false;
  std::thread other([&] {
    coming = true;
    EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
    had_it = true;
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  while (!had_it) {
    ASSERT_EQ(pthread_mutex_unlock(&mutex_), 0);
    ASSERT_EQ(pthread_mutex_lock(&mutex_), 0);
  }
  ASSERT_EQ(pthread_mutex_unlock(&mutex_), 0);
  other.join();
}

TEST(RobustMutex, LockWaitsForTheOwnersDeath) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  ASSERT_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  std::atomic<bool> holds = false, may_die = false;
  std::thread owner([&] {
    EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    holds = true;
    EXPECT_TRUE(eventually(may_die));
  });
  EXPECT_TRUE(eventually(holds));
  expect_others_run_during([&] { EXPECT_EQ(pthread_mutex_lock(&mutex), EOWNERDEAD); }, [&] { may_die = true; });
  owner.join();
}

TEST(PriorityInheritingMutex, Lock) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  auto lock = [&] { return pthread_mutex_lock(&mutex); };
  expect_holder_runs(
      lock, [&] { return pthread_mutex_unlock(&mutex); }, lock);
}

TEST(PriorityProtectingMutex, SetprioceilingWaitsForTheMutex) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT), 0);
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  int error = pthread_mutex_lock(&mutex);
  if (error == EINVAL) GTEST_SKIP() << "this libc lets only real-time threads lock such a mutex";
  ASSERT_EQ(error, 0);
  int before;
  expect_others_run_during([&] { EXPECT_EQ(pthread_mutex_setprioceiling(&mutex, 5, &before), 0); },
                           [&] { EXPECT_EQ(pthread_mutex_unlock(&mutex), 0); });
}

class RwLock : public testing::Test {
 protected:
  void expect_writer_runs_during(std::function<int()> lock) {
    expect_holder_runs(lock, unlock_, [&] { return pthread_rwlock_wrlock(&lock_); });
  }
  void expect_reader_runs_during(std::function<int()> lock) {
    expect_holder_runs(lock, unlock_, [&] { return pthread_rwlock_rdlock(&lock_); });
  }
  pthread_rwlock_t lock_ = PTHREAD_RWLOCK_INITIALIZER;
  std::function<int()> unlock_ = [this] { return pthread_rwlock_unlock(&lock_); };
  timespec deadline_ = far_away();
  timespec monotonic_ = far_away(CLOCK_MONOTONIC);
};

TEST_F(RwLock, Rdlock) {
  expect_writer_runs_during([&] { return pthread_rwlock_rdlock(&lock_); });
}

TEST_F(RwLock, Wrlock) {
  expect_writer_runs_during([&] { return pthread_rwlock_wrlock(&lock_); });
  expect_reader_runs_during([&] { return pthread_rwlock_wrlock(&lock_); });
}

TEST_F(RwLock, Timedrdlock) {
  expect_writer_runs_during([&] { return pthread_rwlock_timedrdlock(&lock_, &deadline_); });
}

TEST_F(RwLock, Timedwrlock) {
  expect_writer_runs_during([&] { return pthread_rwlock_timedwrlock(&lock_, &deadline_); });
  expect_reader_runs_during([&] { return pthread_rwlock_timedwrlock(&lock_, &deadline_); });
}

TEST_F(RwLock, Clockrdlock) {
  expect_writer_runs_during([&] { return pthread_rwlock_clockrdlock(&lock_, CLOCK_MONOTONIC, &monotonic_); });
}

TEST_F(RwLock, Clockwrlock) {
  expect_reader_runs_during([&] { return pthread_rwlock_clockwrlock(&lock_, CLOCK_MONOTONIC, &monotonic_); });
}

TEST(SpinLock, Lock) {
  pthread_spinlock_t spin;
  ASSERT_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
  auto lock = [&] { return pthread_spin_lock(&spin); };
  expect_holder_runs(
      lock, [&] { return pthread_spin_unlock(&spin); }, lock);
}

TEST(Mtx, Lock) {
  mtx_t mutex;
  ASSERT_EQ(mtx_init(&mutex, mtx_plain), thrd_success);
  auto lock = [&] { return mtx_lock(&mutex); };
  expect_holder_runs(
      lock, [&] { return mtx_unlock(&mutex); }, lock);
}

TEST(Mtx, Timedlock) {
  mtx_t mutex;
  timespec deadline = far_away();
  ASSERT_EQ(mtx_init(&mutex, mtx_timed), thrd_success);
  expect_holder_runs([&] { return mtx_timedlock(&mutex, &deadline); }, [&] { return mtx_unlock(&mutex); },
                     [&] { return mtx_lock(&mutex); });
}

template <typename Mutex>
class StdMutex : public testing::Test {};
using Mutexes = testing::Types<std::mutex, std::recursive_mutex, std::timed_mutex, std::shared_mutex>;
TYPED_TEST_SUITE(StdMutex, Mutexes);

TYPED_TEST(StdMutex, Lock) {
  TypeParam mutex;
  auto lock = [&] { return mutex.lock(), 0; };
  expect_holder_runs(
      lock, [&] { return mutex.unlock(), 0; }, lock);
}

TEST(StdTimedMutex, TryLockFor) {
  std::timed_mutex mutex;
  expect_holder_runs([&] { return mutex.try_lock_for(std::chrono::hours(1)) ? 0 : 1; },
                     [&] { return mutex.unlock(), 0; }, [&] { return mutex.lock(), 0; });
}

// Used as a lock: this thread never waits but for the semaphore, which has a unit when it asks.
TEST(Semaphore, IsNotKeptByWhoTakesItAgainAtOnce) {
  sem_t semaphore;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  std::atomic<bool> coming = false, had_it = false;
  std::thread other([&] {
    coming = true;
    EXPECT_EQ(sem_wait(&semaphore), 0);
    had_it = true;
    EXPECT_EQ(sem_post(&semaphore), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  while (!had_it) {
    ASSERT_EQ(sem_post(&semaphore), 0);
    ASSERT_EQ(sem_wait(&semaphore), 0);
  }
  ASSERT_EQ(sem_post(&semaphore), 0);
  other.join();
  EXPECT_EQ(sem_trywait(&semaphore), 0);
  EXPECT_EQ(sem_trywait(&semaphore), -1);
}

}  // namespace
