// pthread_mutex_timedlock and pthread_mutex_clocklock.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>
#include <vector>

#include "mutexes.h"

namespace {

using TimedLock = int (*)(pthread_mutex_t*, const timespec*);
struct Form {
  const char* name;
  clockid_t clock;
  TimedLock lock;
};

class TimedMutex : public testing::TestWithParam<Form> {
 protected:
  int lock(const timespec& deadline) { return GetParam().lock(mutex(), &deadline); }
  timespec in(long count) { return in_milliseconds(count, GetParam().clock); }
  pthread_mutex_t* mutex() { return mutex_.get(); }
  OwnedMutex mutex_;
};

const Form forms[] = {
    {"timedlock", CLOCK_REALTIME, [](auto* mutex, auto* at) { return pthread_mutex_timedlock(mutex, at); }},
    {"clocklock_realtime", CLOCK_REALTIME,
     [](auto* mutex, auto* at) { return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, at); }},
    {"clocklock_monotonic", CLOCK_MONOTONIC,
     [](auto* mutex, auto* at) { return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, at); }},
};
INSTANTIATE_TEST_SUITE_P(Forms, TimedMutex, testing::ValuesIn(forms), [](auto& form) { return form.param.name; });

TEST_P(TimedMutex, TakesAFreeOneWithoutLookingAtTheTime) {
  for (timespec deadline : {in(1000), in(-1000), impossible_moment(GetParam().clock), timespec{-1, -1}}) {
    EXPECT_EQ(keeping_errno([&] { return lock(deadline); }), 0);
    EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  }
}

TEST_P(TimedMutex, TimesOutAtTheDeadlineAndNotBefore) {
  Holder holder(mutex());
  timespec deadline = in(40);
  EXPECT_EQ(keeping_errno([&] { return lock(deadline); }), ETIMEDOUT);
  EXPECT_TRUE(is_over(deadline, GetParam().clock));
}

TEST_P(TimedMutex, DeadlineInThePastTimesOutAtOnce) {
  Holder holder(mutex());
  Stopwatch watch;
  EXPECT_EQ(lock(in(-1)), ETIMEDOUT);
  EXPECT_EQ(lock({0, 0}), ETIMEDOUT);
  EXPECT_EQ(lock({-1, 0}), ETIMEDOUT);
  EXPECT_LT(watch.milliseconds(), 5000);
}

TEST_P(TimedMutex, NanosecondsOutOfRangeAreEinvalWhenItMustWait) {
  Holder holder(mutex());
  timespec late = in(1000);
  for (long wrong : {-1L, 1'000'000'000L}) {
    late.tv_nsec = wrong;
    EXPECT_EQ(keeping_errno([&] { return lock(late); }), EINVAL);
  }
}

TEST_P(TimedMutex, GetsItWhenTheHolderUnlocksInTime) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    timespec deadline = in(20'000);
    coming = true;
    EXPECT_EQ(keeping_errno([&] { return lock(deadline); }), 0);
    EXPECT_FALSE(is_over(deadline, GetParam().clock));
    EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  waiter.join();
}

TEST_P(TimedMutex, OneThatTimesOutLeavesTheLockToTheOthers) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  std::atomic<int> got = 0, coming = 0;
  std::vector<std::thread> patient;
  for (int i = 0; i < 3; ++i) {
    patient.emplace_back([&] {
      ++coming;
      EXPECT_EQ(pthread_mutex_lock(mutex()), 0);
      ++got;
      EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
    });
  }
  EXPECT_TRUE(eventually([&] { return coming == 3; }));
  EXPECT_EQ(in_another_thread([&] { return lock(in(20)); }), ETIMEDOUT);
  EXPECT_EQ(got, 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  for (auto& thread : patient) thread.join();
  EXPECT_EQ(got, 3);
}

TEST_P(TimedMutex, KindsAnswerAsTheyDoWithoutTime) {
  OwnedMutex checking({.kind = PTHREAD_MUTEX_ERRORCHECK});
  OwnedMutex recursive({.kind = PTHREAD_MUTEX_RECURSIVE});
  timespec deadline = in(1000);
  ASSERT_EQ(GetParam().lock(checking.get(), &deadline), 0);
  EXPECT_EQ(GetParam().lock(checking.get(), &deadline), EDEADLK);
  EXPECT_EQ(pthread_mutex_unlock(checking.get()), 0);
  ASSERT_EQ(GetParam().lock(recursive.get(), &deadline), 0);
  EXPECT_EQ(GetParam().lock(recursive.get(), &deadline), 0);
  EXPECT_EQ(pthread_mutex_unlock(recursive.get()), 0);
  EXPECT_EQ(pthread_mutex_unlock(recursive.get()), 0);
}

TEST_P(TimedMutex, OneThatChecksErrorsKnowsItsHolderWhateverTheTime) {
  OwnedMutex checking({.kind = PTHREAD_MUTEX_ERRORCHECK});
  ASSERT_EQ(pthread_mutex_lock(checking.get()), 0);
  for (timespec deadline : {in(1000), in(-1000), timespec{0, -1}, timespec{0, 1'000'000'000}}) {
    EXPECT_EQ(GetParam().lock(checking.get(), &deadline), EDEADLK);
  }
  EXPECT_EQ(pthread_mutex_unlock(checking.get()), 0);
}

TEST_P(TimedMutex, NormalOneHeldByTheCallerTimesOut) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  EXPECT_EQ(lock(in(10)), ETIMEDOUT);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST(MutexClocklock, RefusesClocksThatNobodyCanWaitOn) {
  OwnedMutex mutex;
  timespec deadline = in_milliseconds(1000);
  EXPECT_EQ(pthread_mutex_clocklock(mutex.get(), CLOCK_PROCESS_CPUTIME_ID, &deadline), EINVAL);
  EXPECT_EQ(pthread_mutex_clocklock(mutex.get(), 4711, &deadline), EINVAL);
  EXPECT_EQ(pthread_mutex_trylock(mutex.get()), 0);
  EXPECT_EQ(pthread_mutex_clocklock(mutex.get(), CLOCK_PROCESS_CPUTIME_ID, &deadline), EINVAL);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
}

}  // namespace
