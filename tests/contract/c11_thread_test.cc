// C11 threads: thrd_*, tss_*.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <threads.h>

#include <atomic>
#include <string>

#include "patience.h"

namespace {

thrd_t start(thrd_start_t function, void* argument = nullptr) {
  thrd_t thread;
  EXPECT_EQ(thrd_create(&thread, function, argument), thrd_success);
  return thread;
}

int join(thrd_t thread) {
  int result = -1;
  EXPECT_EQ(thrd_join(thread, &result), thrd_success);
  return result;
}

TEST(Thrd, RunsAndReturnsAnInt) {
  int value = 4711;
  EXPECT_EQ(join(start([](void* argument) { return -*static_cast<int*>(argument); }, &value)), -4711);
}

TEST(Thrd, ResultMayBeIgnored) {
  EXPECT_EQ(thrd_join(start([](void*) { return 1; }), nullptr), thrd_success);
}

TEST(Thrd, ExitGivesTheResultAndDestroysTheFrames) {
  static std::atomic<bool> destroyed;
  destroyed = false;
  struct Guard {
    ~Guard() { destroyed = true; }
  };
  EXPECT_EQ(join(start([](void*) -> int {
              Guard guard;
              thrd_exit(INT_MIN);
            })),
            INT_MIN);
  EXPECT_TRUE(destroyed);
}

TEST(Thrd, JoinWaitsForTheEnd) {
  static std::atomic<bool> done;
  done = false;
  auto late = [](void*) {
    timespec duration = milliseconds(10);
    thrd_sleep(&duration, nullptr);
    done = true;
    return 0;
  };
  join(start(late));
  EXPECT_TRUE(done);
}

TEST(Thrd, CurrentIsEqualToWhatCreateGave) {
  static std::atomic<thrd_t> self;
  thrd_t thread = start([](void*) {
    self = thrd_current();
    return 0;
  });
  join(thread);
  EXPECT_NE(thrd_equal(thread, self), 0);
  EXPECT_EQ(thrd_equal(thread, thrd_current()), 0);
  EXPECT_NE(thrd_equal(thrd_current(), thrd_current()), 0);
}

TEST(Thrd, DetachedOneEndsByItself) {
  static std::atomic<bool> go, done;
  go = done = false;
  thrd_t thread = start([](void*) {
    eventually(go);
    done = true;
    return 0;
  });
  EXPECT_EQ(thrd_detach(thread), thrd_success);
  go = true;
  EXPECT_TRUE(eventually(done));
}

TEST(Thrd, DetachedOneCannotBeJoined) {
  static std::atomic<bool> go;
  go = false;
  thrd_t thread = start([](void*) { return eventually(go) ? 0 : 1; });
  EXPECT_EQ(thrd_detach(thread), thrd_success);
  timespec past = {1, 0};
  EXPECT_EQ(pthread_timedjoin_np(thread, nullptr, &past), EINVAL);
  go = true;
}

TEST(Thrd, YieldLetsOthersRun) {
  static std::atomic<bool> ran;
  ran = false;
  thrd_t thread = start([](void*) {
    ran = true;
    return 0;
  });
  EXPECT_TRUE(eventually([] { return thrd_yield(), ran.load(); }));
  join(thread);
}

TEST(ThrdSleep, SleepsAtLeastAsLongAsAsked) {
  Stopwatch watch;
  timespec duration = milliseconds(20);
  EXPECT_EQ(keeping_errno([&] { return thrd_sleep(&duration, nullptr); }), 0);
  EXPECT_GE(watch.milliseconds(), 20);
}

TEST(ThrdSleep, ImpossibleDurationIsANegativeOtherThanMinusOne) {
  timespec wrong = {0, 1'000'000'000};
  EXPECT_LT(thrd_sleep(&wrong, nullptr), -1);
}

TEST(ThrdSleep, SignalEndsItWithMinusOneAndTheRemainder) {
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  static std::atomic<bool> coming, done;
  coming = done = false;
  thrd_t thread = start([](void*) {
    timespec duration = {1000, 0}, remainder = {0, 0};
    coming = true;
    EXPECT_EQ(thrd_sleep(&duration, &remainder), -1);
    EXPECT_GE(remainder.tv_sec, 900);
    EXPECT_LT(nanoseconds(remainder), nanoseconds(duration));
    done = true;
    return 0;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_TRUE(eventually([&] { return pthread_kill(thread, SIGUSR1), done.load(); }));
  join(thread);
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST(Tss, ValuesAreEachThreadsOwnAndDestroyedAtItsEnd) {
  static tss_t key;
  static std::atomic<void*> destroyed;
  static int first, second;
  destroyed = nullptr;
  ASSERT_EQ(tss_create(&key, [](void* value) { destroyed = value; }), thrd_success);
  EXPECT_EQ(tss_get(key), nullptr);
  EXPECT_EQ(tss_set(key, &first), thrd_success);
  join(start([](void*) {
    EXPECT_EQ(tss_get(key), nullptr);
    EXPECT_EQ(tss_set(key, &second), thrd_success);
    thrd_yield();
    EXPECT_EQ(tss_get(key), &second);
    return 0;
  }));
  EXPECT_EQ(destroyed, &second);
  EXPECT_EQ(tss_get(key), &first);
  tss_delete(key);
}

}  // namespace
