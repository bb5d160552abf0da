// pthread_join and its timed forms, pthread_detach.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <thread>

#include "threads.h"

namespace {

// A thread that runs until it is told to end. Nothing waits for a detached one, so what it looks at is its own, too.
class Runner {
 public:
  Runner() : thread_(start_thread([end = end_] { return eventually(*end) ? word(4711) : nullptr; })) {}
  pthread_t get() const { return thread_; }
  void end() { *end_ = true; }

 private:
  std::shared_ptr<std::atomic<bool>> end_ = std::make_shared<std::atomic<bool>>(false);
  pthread_t thread_;
};

TEST(Join, GivesTheResultOfTheRoutine) {
  EXPECT_EQ(join(start_thread([] { return word(4711); })), word(4711));
}

TEST(Join, GivesTheResultOfPthreadExit) {
  EXPECT_EQ(join(start_thread([]() -> void* { pthread_exit(word(4712)); })), word(4712));
}

TEST(Join, ResultMayBeIgnored) {
  EXPECT_EQ(pthread_join(start_thread([] { return word(1); }), nullptr), 0);
}

TEST(Join, WaitsForTheEndOfTheThread) {
  std::atomic<bool> coming = false, joined = false;
  Runner runner;
  std::thread joiner([&] {
    coming = true;
    EXPECT_EQ(join(runner.get()), word(4711));
    joined = true;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(joined);
  runner.end();
  joiner.join();
}

TEST(Join, OfAThreadThatEndedLongAgoReturnsAtOnce) {
  std::atomic<bool> done = false;
  pthread_t thread = start_thread([&] { return done = true, word(3); });
  EXPECT_TRUE(eventually(done));
  let_others_run();
  EXPECT_EQ(join(thread), word(3));
}

TEST(Join, WhatTheThreadWroteIsSeenByTheJoiner) {
  for (int i = 0; i < 200; ++i) {
    int plain = 0;
    join(start_thread([&] { return plain = i, nullptr; }));
    EXPECT_EQ(plain, i);
  }
}

TEST(Join, OfOneselfIsEdeadlk) {
  EXPECT_EQ(keeping_errno([] { return pthread_join(pthread_self(), nullptr); }), EDEADLK);
  EXPECT_EQ(join(start_thread([] { return word(pthread_join(pthread_self(), nullptr)); })), word(EDEADLK));
}

TEST(Join, OfADetachedThreadIsEinval) {
  Runner runner;
  EXPECT_EQ(keeping_errno([&] { return pthread_detach(runner.get()); }), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_join(runner.get(), nullptr); }), EINVAL);
  EXPECT_EQ(keeping_errno([&] { return pthread_detach(runner.get()); }), EINVAL);
  runner.end();
  let_others_run();
}

TEST(TryJoin, IsEbusyWhileTheThreadLives) {
  Runner runner;
  void* result = word(1);
  EXPECT_EQ(keeping_errno([&] { return pthread_tryjoin_np(runner.get(), &result); }), EBUSY);
  EXPECT_EQ(result, word(1));
  runner.end();
  EXPECT_TRUE(eventually([&] { return pthread_tryjoin_np(runner.get(), &result) == 0; }));
  EXPECT_EQ(result, word(4711));
}

TEST(TryJoin, OfOneselfIsEbusy) { EXPECT_EQ(pthread_tryjoin_np(pthread_self(), nullptr), EBUSY); }

struct Form {
  const char* name;
  clockid_t clock;
  int (*join)(pthread_t, void**, const timespec*);
};
class TimedJoin : public testing::TestWithParam<Form> {
 protected:
  timespec in(long count) { return in_milliseconds(count, GetParam().clock); }
  int join_until(pthread_t thread, void** result, timespec at) { return GetParam().join(thread, result, &at); }
};
const Form forms[] = {
    {"timedjoin", CLOCK_REALTIME, [](auto id, auto** to, auto* at) { return pthread_timedjoin_np(id, to, at); }},
    {"clockjoin_realtime", CLOCK_REALTIME,
     [](auto id, auto** to, auto* at) { return pthread_clockjoin_np(id, to, CLOCK_REALTIME, at); }},
    {"clockjoin_monotonic", CLOCK_MONOTONIC,
     [](auto id, auto** to, auto* at) { return pthread_clockjoin_np(id, to, CLOCK_MONOTONIC, at); }},
};
INSTANTIATE_TEST_SUITE_P(Forms, TimedJoin, testing::ValuesIn(forms), [](auto& form) { return form.param.name; });

TEST_P(TimedJoin, TimesOutAtTheDeadlineAndTheThreadCanStillBeJoined) {
  Runner runner;
  timespec deadline = in(30);
  void* result = word(1);
  EXPECT_EQ(keeping_errno([&] { return join_until(runner.get(), &result, deadline); }), ETIMEDOUT);
  EXPECT_TRUE(is_over(deadline, GetParam().clock));
  EXPECT_EQ(result, word(1));
  EXPECT_EQ(join_until(runner.get(), &result, in(-1)), ETIMEDOUT);
  runner.end();
  EXPECT_EQ(keeping_errno([&] { return join_until(runner.get(), &result, in(20'000)); }), 0);
  EXPECT_EQ(result, word(4711));
}

TEST_P(TimedJoin, OfAThreadThatEndedDoesNotLookAtTheTime) {
  std::atomic<bool> done = false;
  pthread_t thread = start_thread([&] { return done = true, word(5); });
  void* result = nullptr;
  EXPECT_TRUE(eventually(done));
  EXPECT_TRUE(eventually([&] { return join_until(thread, &result, in(-1)) == 0; }));
  EXPECT_EQ(result, word(5));
}

TEST_P(TimedJoin, OfOneselfIsEdeadlk) { EXPECT_EQ(join_until(pthread_self(), nullptr, in(1000)), EDEADLK); }

TEST(ClockJoin, RefusesClocksThatNobodyCanWaitOn) {
  Runner runner;
  timespec deadline = in_milliseconds(1000);
  EXPECT_EQ(pthread_clockjoin_np(runner.get(), nullptr, CLOCK_PROCESS_CPUTIME_ID, &deadline), EINVAL);
  runner.end();
  join(runner.get());
}

TEST(Detach, ThreadRunsOnAndEndsByItself) {
  std::atomic<bool> go = false, done = false;
  pthread_t thread = start_thread([&] { return eventually(go), done = true, nullptr; });
  EXPECT_EQ(pthread_detach(thread), 0);
  go = true;
  EXPECT_TRUE(eventually(done));
}

TEST(Detach, ChangesNothingWhileSomebodyJoins) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> joins = false, detach = false;
    int answer = -1;
    pthread_t thread = start_thread([&] {
      EXPECT_TRUE(eventually(detach));
      answer = pthread_detach(pthread_self());
      return word(4711);
    });
    pthread_t joiner = start_thread([&] { return joins = true, join(thread); });
    EXPECT_TRUE(eventually(joins));
    let_others_run();
    detach = true;
    EXPECT_EQ(join(joiner), word(4711));
    EXPECT_EQ(answer, 0);
  }
}

TEST(Detach, ThreadMayDetachItself) {
  std::atomic<int> answer = -1;
  start_thread([&] { return answer = pthread_detach(pthread_self()), nullptr; });
  EXPECT_TRUE(eventually([&] { return answer == 0; }));
}

TEST(Detach, OfAThreadThatHasEndedFreesIt) {
  std::atomic<bool> done = false;
  pthread_t thread = start_thread([&] { return done = true, nullptr; });
  EXPECT_TRUE(eventually(done));
  let_others_run();
  EXPECT_EQ(pthread_detach(thread), 0);
}

// libc asks for the deadline only where the kernel has to wait, and then tries until the thread has ended.
TEST(JoinOfAFinishedThread, DoesNotLookAtTheNanoseconds) {
  timespec bad = {0, 2'000'000'000};
  void* result = nullptr;
  EXPECT_EQ(pthread_timedjoin_np(start_thread([] { return word(7); }), &result, &bad), 0);
  EXPECT_EQ(result, word(7));
  EXPECT_EQ(pthread_clockjoin_np(start_thread([] { return word(8); }), &result, CLOCK_MONOTONIC, &bad), 0);
  EXPECT_EQ(result, word(8));
}

}  // namespace
