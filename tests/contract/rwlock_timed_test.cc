// pthread_rwlock_timedrdlock, timedwrlock, clockrdlock, clockwrlock.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>

#include "mutexes.h"

namespace {

struct Form {
  const char* name;
  clockid_t clock;
  int (*lock)(pthread_rwlock_t*, const timespec*);
};

template <clockid_t clock>
int clockrdlock(pthread_rwlock_t* lock, const timespec* at) {
  return pthread_rwlock_clockrdlock(lock, clock, at);
}
template <clockid_t clock>
int clockwrlock(pthread_rwlock_t* lock, const timespec* at) {
  return pthread_rwlock_clockwrlock(lock, clock, at);
}

const Form forms[] = {
    {"timedrdlock", CLOCK_REALTIME, [](auto* lock, auto* at) { return pthread_rwlock_timedrdlock(lock, at); }},
    {"timedwrlock", CLOCK_REALTIME, [](auto* lock, auto* at) { return pthread_rwlock_timedwrlock(lock, at); }},
    {"clockrdlock_realtime", CLOCK_REALTIME, clockrdlock<CLOCK_REALTIME>},
    {"clockrdlock_monotonic", CLOCK_MONOTONIC, clockrdlock<CLOCK_MONOTONIC>},
    {"clockwrlock_realtime", CLOCK_REALTIME, clockwrlock<CLOCK_REALTIME>},
    {"clockwrlock_monotonic", CLOCK_MONOTONIC, clockwrlock<CLOCK_MONOTONIC>},
};

class TimedRwLock : public testing::TestWithParam<Form> {
 protected:
  ~TimedRwLock() override { EXPECT_EQ(pthread_rwlock_destroy(&lock_), 0); }
  int take(timespec deadline) {
    return keeping_errno([&] { return GetParam().lock(&lock_, &deadline); });
  }
  int take_elsewhere(timespec deadline) {
    return in_another_thread([&] { return take(deadline); });
  }
  timespec in(long count) { return in_milliseconds(count, GetParam().clock); }
  pthread_rwlock_t lock_ = PTHREAD_RWLOCK_INITIALIZER;
};
INSTANTIATE_TEST_SUITE_P(Forms, TimedRwLock, testing::ValuesIn(forms), [](auto& form) { return form.param.name; });

TEST_P(TimedRwLock, TakesAFreeOneWhateverTheMoment) {
  for (timespec moment : {in(1000), in(-1000), timespec{0, 0}}) {
    EXPECT_EQ(take(moment), 0);
    EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
  }
}

TEST_P(TimedRwLock, TimesOutAtTheDeadlineAndNotBefore) {
  ASSERT_EQ(pthread_rwlock_wrlock(&lock_), 0);
  timespec deadline = in(30);
  EXPECT_EQ(take_elsewhere(deadline), ETIMEDOUT);
  EXPECT_TRUE(is_over(deadline, GetParam().clock));
  EXPECT_EQ(take_elsewhere(in(-1)), ETIMEDOUT);
  EXPECT_EQ(take_elsewhere({0, 0}), ETIMEDOUT);
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
}

// glibc looks at the nanoseconds before it looks at the lock, here and only here.
TEST_P(TimedRwLock, NanosecondsOutOfRangeAreEinvalEvenWhenItIsFree) {
  EXPECT_EQ(take(impossible_moment(GetParam().clock)), EINVAL);
  EXPECT_EQ(take({0, -1}), EINVAL);
  ASSERT_EQ(pthread_rwlock_wrlock(&lock_), 0);
  EXPECT_EQ(take_elsewhere(impossible_moment(GetParam().clock)), EINVAL);
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
}

TEST_P(TimedRwLock, GetsItWhenItIsUnlockedInTime) {
  ASSERT_EQ(pthread_rwlock_wrlock(&lock_), 0);
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(take(in(20'000)), 0);
    EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
  waiter.join();
}

TEST_P(TimedRwLock, OneThatTimesOutLeavesNothingBehind) {
  ASSERT_EQ(pthread_rwlock_wrlock(&lock_), 0);
  EXPECT_EQ(take_elsewhere(in(10)), ETIMEDOUT);
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
  EXPECT_EQ(pthread_rwlock_trywrlock(&lock_), 0);
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
  EXPECT_EQ(pthread_rwlock_tryrdlock(&lock_), 0);
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
}

TEST_P(TimedRwLock, WriterThatLocksAgainIsEdeadlk) {
  ASSERT_EQ(pthread_rwlock_wrlock(&lock_), 0);
  EXPECT_EQ(take(in(1000)), EDEADLK);
  EXPECT_EQ(pthread_rwlock_unlock(&lock_), 0);
}

TEST(TimedWriter, ThatTimesOutLetsTheReadersItHeldUpGoOn) {
  pthread_rwlockattr_t attributes;
  pthread_rwlock_t lock;
  ASSERT_EQ(pthread_rwlockattr_init(&attributes), 0);
  ASSERT_EQ(pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP), 0);
  ASSERT_EQ(pthread_rwlock_init(&lock, &attributes), 0);
  ASSERT_EQ(pthread_rwlock_rdlock(&lock), 0);
  std::thread writer([&] {
    timespec deadline = in_milliseconds(50);
    EXPECT_EQ(pthread_rwlock_timedwrlock(&lock, &deadline), ETIMEDOUT);
  });
  std::thread reader([&] {
    EXPECT_EQ(pthread_rwlock_rdlock(&lock), 0);
    EXPECT_EQ(pthread_rwlock_unlock(&lock), 0);
  });
  reader.join();  // we hold our own read lock all the time
  writer.join();
  EXPECT_EQ(pthread_rwlock_unlock(&lock), 0);
  EXPECT_EQ(pthread_rwlock_destroy(&lock), 0);
}

TEST(ClockRwLock, RefusesClocksThatNobodyCanWaitOn) {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  timespec deadline = in_milliseconds(1000);
  EXPECT_EQ(pthread_rwlock_clockrdlock(&lock, CLOCK_PROCESS_CPUTIME_ID, &deadline), EINVAL);
  EXPECT_EQ(pthread_rwlock_clockwrlock(&lock, CLOCK_PROCESS_CPUTIME_ID, &deadline), EINVAL);
}

}  // namespace
