// Policy, affinity and niceness: each thread's own on Linux, and nobody else's.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"

namespace {

cpu_set_t affinity() {
  cpu_set_t set;
  EXPECT_EQ(keeping_errno([&] { return pthread_getaffinity_np(pthread_self(), sizeof set, &set); }), 0);
  return set;
}

cpu_set_t first_of(const cpu_set_t& all) {
  cpu_set_t one;
  CPU_ZERO(&one);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &all)) ++cpu;
  CPU_SET(cpu, &one);
  return one;
}

void expect_equal(const cpu_set_t& expected, const cpu_set_t& found) { EXPECT_TRUE(CPU_EQUAL(&expected, &found)); }

TEST(Affinity, OfAThreadCanBeSetAndStaysItsOwn) {
  cpu_set_t all = affinity(), one = first_of(all);
  join(start_thread([&] {
    EXPECT_EQ(keeping_errno([&] { return pthread_setaffinity_np(pthread_self(), sizeof one, &one); }), 0);
    expect_equal(one, affinity());
    usleep(1000);
    expect_equal(one, affinity());
    EXPECT_TRUE(CPU_ISSET(sched_getcpu(), &one));
    return nullptr;
  }));
  expect_equal(all, affinity());
  join(start_thread([&] { return expect_equal(all, affinity()), nullptr; }));
}

TEST(Affinity, ZeroAndTheThreadsNumberMeanTheCaller) {
  cpu_set_t all = affinity(), one = first_of(all), found;
  join(start_thread([&] {
    EXPECT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(sched_getaffinity(0, sizeof found, &found), 0);
    expect_equal(one, found);
    EXPECT_EQ(sched_setaffinity(gettid(), sizeof all, &all), 0);
    EXPECT_EQ(sched_getaffinity(gettid(), sizeof found, &found), 0);
    expect_equal(all, found);
    return nullptr;
  }));
  expect_equal(all, affinity());
}

TEST(Affinity, OfNoProcessorIsEinval) {
  join(start_thread([] {
    cpu_set_t none;
    CPU_ZERO(&none);
    EXPECT_EQ(pthread_setaffinity_np(pthread_self(), sizeof none, &none), EINVAL);
    return nullptr;
  }));
}

TEST(Policy, OfAThreadCanBeSetAndStaysItsOwn) {
  sched_param none{};
  int policy = -1;
  join(start_thread([&] {
    EXPECT_EQ(keeping_errno([&] { return pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); }), 0);
    usleep(1000);
    EXPECT_EQ(pthread_getschedparam(pthread_self(), &policy, &none), 0);
    EXPECT_EQ(policy, SCHED_BATCH);
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
    return nullptr;
  }));
  EXPECT_EQ(pthread_getschedparam(pthread_self(), &policy, &none), 0);
  EXPECT_EQ(policy, SCHED_OTHER);
  EXPECT_EQ(join(start_thread([] { return word(sched_getscheduler(gettid())); })), word(SCHED_OTHER));
}

TEST(Policy, ImpossibleOneIsEinval) {
  sched_param none{};
  EXPECT_EQ(join(start_thread([&] { return word(pthread_setschedparam(pthread_self(), 4711, &none)); })), word(EINVAL));
}

TEST(Niceness, OfAThreadCanBeSetAndStaysItsOwn) {
  int before = getpriority(PRIO_PROCESS, 0);
  join(start_thread([&] {
    EXPECT_EQ(setpriority(PRIO_PROCESS, 0, before + 3), 0);
    usleep(1000);
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before + 3);
    EXPECT_EQ(nice(2), before + 5);
    return nullptr;
  }));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
  EXPECT_EQ(join(start_thread([] { return word(getpriority(PRIO_PROCESS, gettid())); })), word(before));
}

TEST(CpuClock, OfAThreadRunsWhileItWorks) {
  join(start_thread([] {
    clockid_t clock;
    EXPECT_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
    long long before = now(clock);
    EXPECT_TRUE(eventually([&] { return now(clock) > before; }));
    return nullptr;
  }));
}

}  // namespace
