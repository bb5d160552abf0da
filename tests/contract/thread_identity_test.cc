// Who a thread is: pthread_self, equal, names, ids, sched_yield, scheduling questions.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "threads.h"

namespace {

TEST(Self, StaysTheSameAcrossYieldsAndSleeps) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 20; ++i) {
    threads.push_back(start_thread([] {
      pthread_t self = pthread_self();
      bool same = true;
      for (int j = 0; j < 50; ++j) {
        if (j % 10 == 0) usleep(1000);
        sched_yield();
        same = same && pthread_equal(self, pthread_self());
      }
      return word(same);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(Equal, IsTrueForOneselfOnly) {
  pthread_t other = start_thread([] { return nullptr; });
  EXPECT_NE(pthread_equal(pthread_self(), pthread_self()), 0);
  EXPECT_EQ(pthread_equal(pthread_self(), other), 0);
  join(other);
}

TEST(Gettid, IsThePidForMainAndAnotherForEachThread) {
  EXPECT_EQ(gettid(), getpid());
  std::atomic<int> ready = 0;
  auto report = [&] {
    pid_t tid = gettid();
    ++ready;
    EXPECT_TRUE(eventually([&] { return ready == 10; }));
    EXPECT_EQ(gettid(), tid);
    EXPECT_EQ(syscall(SYS_gettid), tid);
    return word(tid);
  };
  std::vector<pthread_t> threads;
  std::set<void*> ids{word(getpid())};
  for (int i = 0; i < 10; ++i) threads.push_back(start_thread(report));
  for (pthread_t thread : threads) ids.insert(join(thread));
  EXPECT_EQ(ids.size(), 11u);
  EXPECT_GT(*ids.begin(), word(0));
}

TEST(Gettid, IsGoodForTheGroupAndTheSessionOfTheProcess) {
  join(start_thread([] {
    EXPECT_EQ(getpgid(gettid()), getpgrp());
    EXPECT_EQ(getsid(gettid()), getsid(0));
    return nullptr;
  }));
  EXPECT_EQ(getpgid(1 << 30), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(SchedYield, ReturnsZeroAndLeavesErrno) {
  EXPECT_EQ(keeping_errno([] { return sched_yield(); }), 0);
}

TEST(SchedYield, LetsAnotherThreadRunHoweverOften) {
  std::atomic<long> turns = 0;
  pthread_t other = start_thread([&] {
    for (int i = 0; i < 1000; ++i) ++turns, sched_yield();
    return nullptr;
  });
  EXPECT_TRUE(eventually([&] { return turns == 1000; }));
  join(other);
}

TEST(Name, IsInheritedAndCanBeChangedForEachThreadAlone) {
  char before[16], name[16];
  ASSERT_EQ(pthread_getname_np(pthread_self(), before, sizeof before), 0);
  ASSERT_EQ(keeping_errno([] { return pthread_setname_np(pthread_self(), "the first"); }), 0);
  std::atomic<bool> go = false;
  pthread_t other = start_thread([&] {
    char own[16];
    EXPECT_EQ(pthread_getname_np(pthread_self(), own, sizeof own), 0);
    EXPECT_STREQ(own, "the first");
    EXPECT_EQ(pthread_setname_np(pthread_self(), "fifteen letters"), 0);
    go = true;
    EXPECT_TRUE(eventually([&] { return !go; }));
    EXPECT_EQ(pthread_getname_np(pthread_self(), own, sizeof own), 0);
    EXPECT_STREQ(own, "renamed");
    return nullptr;
  });
  EXPECT_TRUE(eventually(go));
  EXPECT_EQ(pthread_getname_np(other, name, sizeof name), 0);
  EXPECT_STREQ(name, "fifteen letters");
  EXPECT_EQ(pthread_setname_np(other, "renamed"), 0);
  EXPECT_EQ(pthread_getname_np(other, name, sizeof name), 0);
  EXPECT_STREQ(name, "renamed");
  go = false;
  join(other);
  EXPECT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
  EXPECT_STREQ(name, "the first");
  EXPECT_EQ(pthread_setname_np(pthread_self(), before), 0);
}

TEST(Name, LongerThanFifteenLettersIsErange) {
  EXPECT_EQ(keeping_errno([] { return pthread_setname_np(pthread_self(), "sixteen letters!"); }), ERANGE);
}

TEST(Name, BufferBelowSixteenBytesIsErange) {
  char small[15];
  EXPECT_EQ(pthread_getname_np(pthread_self(), small, sizeof small), ERANGE);
}

TEST(Name, EmptyOneIsAllowed) {
  join(start_thread([] {
    char name[16] = "?";
    EXPECT_EQ(pthread_setname_np(pthread_self(), ""), 0);
    EXPECT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "");
    return nullptr;
  }));
}

TEST(Scheduling, ThreadsAreOfTheOrdinaryPolicy) {
  join(start_thread([] {
    int policy = -1;
    sched_param parameters{};
    EXPECT_EQ(pthread_getschedparam(pthread_self(), &policy, &parameters), 0);
    EXPECT_EQ(policy, SCHED_OTHER);
    EXPECT_EQ(parameters.sched_priority, 0);
    return nullptr;
  }));
}

TEST(Scheduling, AffinityOfAThreadIsThatOfTheProcess) {
  cpu_set_t process;
  ASSERT_EQ(sched_getaffinity(getpid(), sizeof process, &process), 0);
  join(start_thread([&] {
    cpu_set_t own;
    EXPECT_EQ(pthread_getaffinity_np(pthread_self(), sizeof own, &own), 0);
    EXPECT_TRUE(CPU_EQUAL(&process, &own));
    EXPECT_TRUE(CPU_ISSET(sched_getcpu(), &process));
    return nullptr;
  }));
}

TEST(CpuClock, OfAThreadRunsWhileItWorks) {
  join(start_thread([] {
    clockid_t clock;
    timespec time{};
    EXPECT_EQ(pthread_getcpuclockid(pthread_self(), &clock), 0);
    EXPECT_EQ(clock_gettime(clock, &time), 0);
    return nullptr;
  }));
}

}  // namespace
