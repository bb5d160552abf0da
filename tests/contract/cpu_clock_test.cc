// The CPU time of a thread: its own clock, its share of RUSAGE_THREAD, its timers.
#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "signals.h"
#include "threads.h"

namespace {

// Computes for so long by the calling thread's own clock.
void compute(long count) {
  timespec until = to_timespec(now(CLOCK_THREAD_CPUTIME_ID) + count * 1'000'000LL);
  while (!is_over(until, CLOCK_THREAD_CPUTIME_ID)) continue;
}

double in_milliseconds_of(long long count) { return count / 1e6; }

TEST(ThreadCpuClock, CountsComputingAndNotWaiting) {
  pthread_t thread = start_thread([] {
    long long before = now(CLOCK_THREAD_CPUTIME_ID);
    timespec pause = milliseconds(40);
    nanosleep(&pause, nullptr);
    EXPECT_LT(in_milliseconds_of(now(CLOCK_THREAD_CPUTIME_ID) - before), 20);
    compute(30);
    EXPECT_GE(in_milliseconds_of(now(CLOCK_THREAD_CPUTIME_ID) - before), 30);
    return nullptr;
  });
  join(thread);
}

TEST(ThreadCpuClock, IsTheThreadsOwn) {
  std::atomic<bool> end = false;
  pthread_t busy = start_thread([&] {
    while (!end) compute(1), sched_yield();
    return word(now(CLOCK_THREAD_CPUTIME_ID) / 1'000'000);
  });
  long long before = now(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < 20; ++i) {
    timespec pause = milliseconds(3);
    nanosleep(&pause, nullptr);
  }
  EXPECT_LT(in_milliseconds_of(now(CLOCK_THREAD_CPUTIME_ID) - before), 15);
  end = true;
  EXPECT_GT((long)join(busy), 10);
}

TEST(ThreadCpuClock, OfAnotherThreadIsRead) {
  std::atomic<bool> done = false, end = false;
  pthread_t other = start_thread([&] {
    compute(20);
    done = true;
    EXPECT_TRUE(eventually(end));
    return nullptr;
  });
  clockid_t clock, own;
  EXPECT_EQ(pthread_getcpuclockid(other, &clock), 0);
  EXPECT_EQ(pthread_getcpuclockid(pthread_self(), &own), 0);
  EXPECT_NE(clock, own);
  EXPECT_TRUE(eventually(done));
  EXPECT_GE(in_milliseconds_of(now(clock)), 20);
  timespec resolution;
  EXPECT_EQ(clock_getres(clock, &resolution), 0);
  EXPECT_EQ(resolution.tv_nsec, 1);
  timespec mine;
  EXPECT_EQ(clock_gettime(own, &mine), 0);
  EXPECT_NEAR(in_milliseconds_of(nanoseconds(mine)), in_milliseconds_of(now(CLOCK_THREAD_CPUTIME_ID)), 20);
  end = true;
  join(other);
}

TEST(ThreadCpuClock, NeverGoesBack) {
  std::atomic<bool> end = false;
  pthread_t noise = start_thread([&] {
    while (!end) sched_yield();
    return nullptr;
  });
  long long last = 0;
  for (int i = 0; i < 2000; ++i) {
    long long next = now(CLOCK_THREAD_CPUTIME_ID);
    EXPECT_GE(next, last);
    last = next;
    sched_yield();
  }
  end = true;
  join(noise);
}

TEST(ThreadCpuClock, SleepingOnOnesOwnIsEinval) {
  timespec some = milliseconds(1);
  clockid_t own;
  EXPECT_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &some, nullptr), EINVAL);
  EXPECT_EQ(pthread_getcpuclockid(pthread_self(), &own), 0);
  EXPECT_EQ(clock_nanosleep(own, 0, &some, nullptr), EINVAL);
}

TEST(ThreadCpuClock, AnothersCanBeSleptOn) {
  std::atomic<bool> end = false;
  pthread_t other = start_thread([&] {
    while (!end) compute(1), sched_yield();
    return nullptr;
  });
  clockid_t clock;
  EXPECT_EQ(pthread_getcpuclockid(other, &clock), 0);
  timespec until = to_timespec(now(clock) + 20'000'000);
  EXPECT_EQ(clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr), 0);
  EXPECT_TRUE(is_over(until, clock));
  end = true;
  join(other);
}

TEST(RusageThread, TimesAreTheThreadsOwn) {
  auto used = [] {
    rusage usage{};
    EXPECT_EQ(getrusage(RUSAGE_THREAD, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000.0 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000.0;
  };
  pthread_t thread = start_thread([&] {
    EXPECT_LT(used(), 20);
    compute(40);
    EXPECT_GT(used(), 30);
    return nullptr;
  });
  join(thread);
}

// --- timers ----------------------------------------------------------------------------------------------------------

TEST(Timer, SignalsTheProcessWithItsValue) {
  static std::atomic<int> value, code;
  value = code = 0;
  Handler handler(SIGUSR1, [](int, siginfo_t* info, void*) { value = info->si_value.sival_int, code = info->si_code; });
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 47;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  itimerspec soon = {{0, 0}, milliseconds(5)};
  EXPECT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  EXPECT_TRUE(eventually([] { return value == 47; }));
  EXPECT_EQ(code, SI_TIMER);
  EXPECT_EQ(timer_delete(timer), 0);
}

TEST(Timer, SignalsOneThread) {
  static std::atomic<pid_t> hit;
  hit = 0;
  Handler handler(SIGUSR1, [](int) { hit = gettid(); });
  std::atomic<pid_t> tid = 0;
  std::atomic<bool> interrupted = false;
  pthread_t thread = start_thread([&] {
    tid = gettid();
    timespec long_time = {1000, 0};
    EXPECT_EQ(nanosleep(&long_time, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
    interrupted = true;
    return nullptr;
  });
  EXPECT_TRUE(eventually([&] { return tid != 0; }));
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGUSR1;
  event._sigev_un._tid = tid;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  itimerspec often = {milliseconds(5), milliseconds(5)};
  EXPECT_EQ(timer_settime(timer, 0, &often, nullptr), 0);
  EXPECT_TRUE(eventually(interrupted));
  EXPECT_EQ(timer_delete(timer), 0);
  EXPECT_EQ(hit, tid);
  join(thread);
}

TEST(Timer, RunsAFunctionOnAThread) {
  static std::atomic<int> value;
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  value = 0;
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval given) {
    pthread_mutex_lock(&mutex);
    value = given.sival_int;
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
  };
  event.sigev_value.sival_int = 47;
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_REALTIME, &event, &timer), 0);
  itimerspec soon = {{0, 0}, milliseconds(5)};
  EXPECT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  pthread_mutex_lock(&mutex);
  while (value == 0) pthread_cond_wait(&condition, &mutex);
  pthread_mutex_unlock(&mutex);
  EXPECT_EQ(value, 47);
  EXPECT_EQ(timer_delete(timer), 0);
}

TEST(Timer, OnTheThreadsOwnCpuClock) {
  static std::atomic<int> hits;
  hits = 0;
  Handler handler(SIGUSR1, [](int) { ++hits; });
  pthread_t thread = start_thread([] {
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    timer_t timer;
    EXPECT_EQ(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer), 0);
    itimerspec soon = {{0, 0}, milliseconds(10)};
    EXPECT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
    compute(40);
    EXPECT_TRUE(eventually([] { return hits == 1; }));
    EXPECT_EQ(timer_delete(timer), 0);
    return nullptr;
  });
  join(thread);
}

TEST(Itimer, OfTheProcesssCpuTimeHits) {
  static std::atomic<int> hits;
  for (auto [which, signal] : {std::pair{ITIMER_PROF, SIGPROF}, std::pair{ITIMER_VIRTUAL, SIGVTALRM}}) {
    hits = 0;
    Handler handler(
        signal, [](int) { ++hits; }, SA_RESTART);
    itimerval often = {{0, 10'000}, {0, 10'000}}, off = {};
    EXPECT_EQ(setitimer(which, &often, nullptr), 0);
    EXPECT_TRUE(eventually([] { return hits > 2; }));
    EXPECT_EQ(setitimer(which, &off, nullptr), 0);
  }
}

TEST(Alarm, EndsAWaitOfMain) {
  Handler handler(SIGALRM, [](int) {});
  itimerval soon = {{0, 0}, {0, 20'000}};
  EXPECT_EQ(setitimer(ITIMER_REAL, &soon, nullptr), 0);
  EXPECT_EQ(pause(), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(alarm(0), 0u);
}

}  // namespace
