// pthread_cond_timedwait and pthread_cond_clockwait, over both clocks.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>

#include "mutexes.h"

namespace {

struct Form {
  const char* name;
  clockid_t attribute;  // the clock that the condition was made with
  clockid_t clock;      // the clock that its deadlines are on
  int (*wait)(pthread_cond_t*, pthread_mutex_t*, const timespec*);
};

int timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* at) {
  return pthread_cond_timedwait(condition, mutex, at);
}
template <clockid_t clock>
int clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* at) {
  return pthread_cond_clockwait(condition, mutex, clock, at);
}

const Form forms[] = {
    {"timedwait_realtime", CLOCK_REALTIME, CLOCK_REALTIME, timedwait},
    {"timedwait_monotonic", CLOCK_MONOTONIC, CLOCK_MONOTONIC, timedwait},
    {"clockwait_realtime", CLOCK_REALTIME, CLOCK_REALTIME, clockwait<CLOCK_REALTIME>},
    {"clockwait_monotonic", CLOCK_REALTIME, CLOCK_MONOTONIC, clockwait<CLOCK_MONOTONIC>},
    {"clockwait_overrules_the_attribute", CLOCK_MONOTONIC, CLOCK_REALTIME, clockwait<CLOCK_REALTIME>},
};

class TimedCondition : public testing::TestWithParam<Form> {
 protected:
  TimedCondition() {
    pthread_condattr_t attributes;
    EXPECT_EQ(pthread_condattr_init(&attributes), 0);
    EXPECT_EQ(pthread_condattr_setclock(&attributes, GetParam().attribute), 0);
    EXPECT_EQ(pthread_cond_init(&condition_, &attributes), 0);
    EXPECT_EQ(pthread_condattr_destroy(&attributes), 0);
    EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
  }
  ~TimedCondition() override {
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
    EXPECT_EQ(pthread_cond_destroy(&condition_), 0);
  }
  int wait(const timespec& deadline) { return GetParam().wait(&condition_, &mutex_, &deadline); }
  timespec in(long count) { return in_milliseconds(count, GetParam().clock); }

  pthread_cond_t condition_;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};
INSTANTIATE_TEST_SUITE_P(Forms, TimedCondition, testing::ValuesIn(forms), [](auto& form) { return form.param.name; });

TEST_P(TimedCondition, TimesOutAtTheDeadlineAndHoldsTheMutex) {
  timespec deadline = in(40);
  int result;
  do {
    result = keeping_errno([&] { return wait(deadline); });
  } while (result == 0);
  EXPECT_EQ(result, ETIMEDOUT);
  EXPECT_TRUE(is_over(deadline, GetParam().clock));
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(&mutex_); }), EBUSY);
}

TEST_P(TimedCondition, DeadlineInThePastTimesOutAtOnce) {
  Stopwatch watch;
  EXPECT_EQ(wait(in(-1000)), ETIMEDOUT);
  EXPECT_EQ(wait({0, 0}), ETIMEDOUT);
  EXPECT_EQ(wait({-1, 0}), ETIMEDOUT);
  EXPECT_LT(watch.milliseconds(), 5000);
}

// Unlike a lock, a condition always has to wait, so it always looks at the time.
TEST_P(TimedCondition, NanosecondsOutOfRangeAreEinvalAndTheMutexStaysHeld) {
  timespec deadline = in(1000);
  for (long wrong : {-1L, 1'000'000'000L}) {
    deadline.tv_nsec = wrong;
    EXPECT_EQ(keeping_errno([&] { return wait(deadline); }), EINVAL);
    EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(&mutex_); }), EBUSY);
  }
}

TEST_P(TimedCondition, SignalInTimeIsAnsweredWithZero) {
  std::atomic<bool> done = false;
  std::thread signaller([&] {
    EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);  // granted when the wait has begun
    done = true;
    EXPECT_EQ(pthread_cond_signal(&condition_), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
  });
  timespec deadline = in(20'000);
  while (!done) ASSERT_EQ(keeping_errno([&] { return wait(deadline); }), 0);
  EXPECT_FALSE(is_over(deadline, GetParam().clock));
  signaller.join();
}

TEST_P(TimedCondition, OneThatTimedOutTakesNoSignalFromTheOthers) {
  bool woken = false;
  int waiting = 0;
  std::thread patient([&] {
    EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
    ++waiting;
    while (!woken) EXPECT_EQ(pthread_cond_wait(&condition_, &mutex_), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
  });
  for (int i = 0; i < 3 || waiting == 0; ++i) EXPECT_EQ(wait(in(5)), ETIMEDOUT);
  woken = true;
  EXPECT_EQ(pthread_cond_signal(&condition_), 0);
  pthread_mutex_unlock(&mutex_);
  patient.join();
  pthread_mutex_lock(&mutex_);
}

TEST_P(TimedCondition, SignalsAndTimeoutsTogetherLoseNothing) {
  pthread_mutex_unlock(&mutex_);
  int items = 0;
  std::thread producer([&] {
    for (int i = 0; i < 500; ++i) {
      EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
      ++items;
      EXPECT_EQ(pthread_cond_signal(&condition_), 0);
      EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
      if (i % 10 == 0) sched_yield();
    }
  });
  auto consume = [&] {
    for (int taken = 0; taken < 250;) {
      EXPECT_EQ(pthread_mutex_lock(&mutex_), 0);
      if (items == 0) wait(in(1));
      if (items > 0) --items, ++taken;
      EXPECT_EQ(pthread_mutex_unlock(&mutex_), 0);
    }
  };
  std::thread first(consume), second(consume);
  producer.join();
  first.join();
  second.join();
  EXPECT_EQ(items, 0);
  pthread_mutex_lock(&mutex_);
}

TEST(ConditionAttributes, KnowTwoClocksAndBothSharings) {
  pthread_condattr_t attributes;
  ASSERT_EQ(pthread_condattr_init(&attributes), 0);
  clockid_t clock = -1;
  int sharing = -1;
  EXPECT_EQ(pthread_condattr_getclock(&attributes, &clock), 0);
  EXPECT_EQ(clock, CLOCK_REALTIME);
  EXPECT_EQ(pthread_condattr_setclock(&attributes, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
  EXPECT_EQ(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), 0);
  EXPECT_EQ(pthread_condattr_getclock(&attributes, &clock), 0);
  EXPECT_EQ(clock, CLOCK_MONOTONIC);
  EXPECT_EQ(pthread_condattr_getpshared(&attributes, &sharing), 0);
  EXPECT_EQ(sharing, PTHREAD_PROCESS_PRIVATE);
  EXPECT_EQ(pthread_condattr_setpshared(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_condattr_destroy(&attributes), 0);
}

TEST(ConditionClockwait, RefusesClocksThatNobodyCanWaitOn) {
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  OwnedMutex mutex;
  timespec deadline = in_milliseconds(1000);
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  EXPECT_EQ(pthread_cond_clockwait(&condition, mutex.get(), CLOCK_PROCESS_CPUTIME_ID, &deadline), EINVAL);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
  EXPECT_EQ(pthread_cond_destroy(&condition), 0);
}

}  // namespace
