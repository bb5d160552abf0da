// nanosleep, clock_nanosleep, usleep, sleep: how long, on which clock, and what a signal does to them.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "patience.h"

namespace {

TEST(Nanosleep, SleepsAtLeastAsLongAsAsked) {
  for (long count : {1L, 20L, 60L}) {
    Stopwatch watch;
    timespec duration = milliseconds(count);
    EXPECT_EQ(keeping_errno([&] { return nanosleep(&duration, nullptr); }), 0);
    EXPECT_GE(watch.milliseconds(), count);
  }
}

TEST(Nanosleep, LeavesTheRemainderAloneWhenNothingInterrupts) {
  timespec duration = milliseconds(5), remainder = {47, 11};
  EXPECT_EQ(nanosleep(&duration, &remainder), 0);
  EXPECT_EQ(remainder.tv_sec, 47);
  EXPECT_EQ(remainder.tv_nsec, 11);
}

TEST(Nanosleep, OfNothingReturnsAtOnce) {
  timespec nothing = {0, 0};
  EXPECT_EQ(nanosleep(&nothing, nullptr), 0);
}

TEST(Nanosleep, RefusesImpossibleDurations) {
  for (timespec wrong : {timespec{0, -1}, timespec{0, 1'000'000'000}, timespec{-1, 0}, timespec{0, 4'000'000'000}}) {
    errno = 0;
    EXPECT_EQ(nanosleep(&wrong, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
  }
}

TEST(Nanosleep, DurationMayBeNearlyEndlessAndIsStillInterrupted) {
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> done = false;
  std::thread sleeper([&] {
    timespec duration = {INT64_MAX, 999'999'999};
    EXPECT_EQ(nanosleep(&duration, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
    done = true;
  });
  EXPECT_TRUE(eventually([&] { return pthread_kill(sleeper.native_handle(), SIGUSR1), done.load(); }));
  sleeper.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST(ClockNanosleep, RelativeSleepsAtLeastAsLongAsAskedOnEachClock) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI}) {
    Stopwatch watch;
    timespec duration = milliseconds(20);
    EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(clock, 0, &duration, nullptr); }), 0) << clock;
    EXPECT_GE(watch.milliseconds(), 20);
  }
}

TEST(ClockNanosleep, AbsoluteSleepsUntilTheMomentAndNotLess) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME}) {
    timespec moment = in_milliseconds(25, clock);
    EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(clock, TIMER_ABSTIME, &moment, nullptr); }), 0) << clock;
    EXPECT_TRUE(is_over(moment, clock));
  }
}

TEST(ClockNanosleep, AbsoluteMomentThatIsOverReturnsAtOnce) {
  Stopwatch watch;
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
    timespec moment = in_milliseconds(-1000, clock), zero = {0, 0};
    EXPECT_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &moment, nullptr), 0);
    EXPECT_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &zero, nullptr), 0);
  }
  EXPECT_LT(watch.milliseconds(), 5000);
}

TEST(ClockNanosleep, ReturnsErrorsAndLeavesErrno) {
  timespec wrong = {0, 1'000'000'000}, negative = {-1, 0}, fine = milliseconds(1);
  EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, nullptr); }), EINVAL);
  EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &wrong, nullptr); }), EINVAL);
  EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(CLOCK_MONOTONIC, 0, &negative, nullptr); }), EINVAL);
  EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(4711, 0, &fine, nullptr); }), EINVAL);
  EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &fine, nullptr); }), EINVAL);
}

TEST(Usleep, SleepsAtLeastAsLongAsAsked) {
  Stopwatch watch;
  EXPECT_EQ(keeping_errno([] { return usleep(15'000); }), 0);
  EXPECT_GE(watch.milliseconds(), 15);
  EXPECT_EQ(usleep(0), 0);
}

TEST(Nanosleep, OfATimeThatIsNowhereIsEfault) {
  auto* nowhere = reinterpret_cast<timespec*>(8);
  EXPECT_EQ(nanosleep(nowhere, nullptr), -1);
  EXPECT_EQ(errno, EFAULT);
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
    EXPECT_EQ(clock_nanosleep(clock, 0, nowhere, nullptr), EFAULT);
    EXPECT_EQ(clock_nanosleep(clock, TIMER_ABSTIME, nowhere, nullptr), EFAULT);
  }
}

TEST(Sleep, OfNothingReturnsAtOnce) {
  EXPECT_EQ(keeping_errno([] { return sleep(0); }), 0u);
}

TEST(Sleep, SleepsASecondAndLeavesNothingOver) {
  Stopwatch watch;
  EXPECT_EQ(keeping_errno([] { return sleep(1); }), 0u);
  EXPECT_GE(watch.milliseconds(), 1000);
}

TEST(Sleepers, NoneWakesBeforeItsMoment) {
  timespec moments[] = {in_milliseconds(150, CLOCK_MONOTONIC), in_milliseconds(50, CLOCK_MONOTONIC),
                        in_milliseconds(100, CLOCK_MONOTONIC)};
  std::vector<std::thread> sleepers;
  for (auto& moment : moments) {
    sleepers.emplace_back([&] {
      EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nullptr), 0);
      EXPECT_TRUE(is_over(moment, CLOCK_MONOTONIC));
    });
  }
  for (auto& sleeper : sleepers) sleeper.join();
}

TEST(Sleepers, AThousandSleepTogetherAndNotOneAfterTheOther) {
  Stopwatch watch;
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 1000; ++i) {
    sleepers.emplace_back([] {
      timespec duration = milliseconds(50);
      EXPECT_EQ(nanosleep(&duration, nullptr), 0);
    });
  }
  for (auto& sleeper : sleepers) sleeper.join();
  EXPECT_GE(watch.milliseconds(), 50);
  EXPECT_LT(watch.milliseconds(), 25'000);  // half of what they would take in turn
}

// Signals are sent until the sleeper says that it is awake: the first may come before it sleeps.
class InterruptedSleep : public testing::Test {
 protected:
  InterruptedSleep() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;  // no sleep is ever restarted
    EXPECT_EQ(sigaction(SIGUSR1, &action, &before_), 0);
  }
  ~InterruptedSleep() override { EXPECT_EQ(sigaction(SIGUSR1, &before_, nullptr), 0); }

  template <typename Sleep>
  void interrupt(Sleep sleep) {
    std::atomic<bool> coming = false, awake = false;
    std::thread sleeper([&] {
      coming = true;
      sleep();
      awake = true;
    });
    EXPECT_TRUE(eventually(coming));
    let_others_run();
    EXPECT_TRUE(eventually([&] { return pthread_kill(sleeper.native_handle(), SIGUSR1), awake.load(); }));
    sleeper.join();
  }

 private:
  struct sigaction before_;
};

TEST_F(InterruptedSleep, NanosleepGivesEintrAndTheRemainder) {
  interrupt([] {
    timespec duration = {1000, 0}, remainder = {0, 0};
    EXPECT_EQ(nanosleep(&duration, &remainder), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_GE(remainder.tv_sec, 900);
    EXPECT_LT(nanoseconds(remainder), nanoseconds(duration));
  });
}

TEST_F(InterruptedSleep, SleepLeavesTheWholeSecondsOver) {
  interrupt([] {
    unsigned left = sleep(1000);
    EXPECT_LT(left, 1000u);
    EXPECT_GE(left, 900u);
  });
}

TEST_F(InterruptedSleep, NanosleepMayKeepTheRemainderInItsArgument) {
  interrupt([] {
    timespec duration = {1000, 0};
    EXPECT_EQ(nanosleep(&duration, &duration), -1);
    EXPECT_LT(nanoseconds(duration), 1000'000'000'000LL);
    EXPECT_GE(duration.tv_sec, 900);
  });
}

TEST_F(InterruptedSleep, ClockNanosleepReturnsEintrAndTheRemainder) {
  for (clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
    interrupt([&] {
      timespec duration = {1000, 0}, remainder = {0, 0};
      EXPECT_EQ(keeping_errno([&] { return clock_nanosleep(clock, 0, &duration, &remainder); }), EINTR);
      EXPECT_GE(remainder.tv_sec, 900);
      EXPECT_LT(nanoseconds(remainder), nanoseconds(duration));
    });
  }
}

TEST_F(InterruptedSleep, AbsoluteClockNanosleepReturnsEintrAndNoRemainder) {
  interrupt([] {
    timespec moment = in_milliseconds(1000'000, CLOCK_MONOTONIC), remainder = {47, 11};
    EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, &remainder), EINTR);
    EXPECT_EQ(remainder.tv_sec, 47);
    EXPECT_EQ(remainder.tv_nsec, 11);
  });
}

TEST_F(InterruptedSleep, SleepReturnsTheSecondsThatAreLeft) {
  interrupt([] {
    unsigned left = sleep(1000);
    EXPECT_GE(left, 900u);
    EXPECT_LE(left, 1000u);
  });
}

TEST_F(InterruptedSleep, UsleepGivesEintr) {
  interrupt([] {
    EXPECT_EQ(usleep(1000'000'000), -1);
    EXPECT_EQ(errno, EINTR);
  });
}

}  // namespace
