// Policy, affinity and niceness: each thread's own on Linux, and nobody else's.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "old_names.h"
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

// What another thread says of a thread holds whether that one runs or waits.
TEST(Policy, AndAffinityOfAnotherThreadCanBeSet) {
  for (bool runs : {false, true}) {
    std::atomic<bool> coming = false, told = false;
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    pthread_t thread = start_thread([&] {
      coming = true;
      if (runs) {
        while (!told) continue;
      } else {
        EXPECT_TRUE(eventually([&] { return usleep(1000), told.load(); }));
      }
      cpu_set_t mine;
      EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
      EXPECT_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
      EXPECT_TRUE(CPU_EQUAL(&mine, &one));
      return nullptr;
    });
    EXPECT_TRUE(eventually(coming));
    sched_param none{};
    int policy = -1;
    cpu_set_t its;
    EXPECT_EQ(pthread_setschedparam(thread, SCHED_BATCH, &none), 0);
    EXPECT_EQ(pthread_setaffinity_np(thread, sizeof one, &one), 0);
    EXPECT_EQ(pthread_getschedparam(thread, &policy, &none), 0);
    EXPECT_EQ(policy, SCHED_BATCH);
    EXPECT_EQ(pthread_getaffinity_np(thread, sizeof its, &its), 0);
    EXPECT_TRUE(CPU_EQUAL(&its, &one));
    EXPECT_EQ(pthread_setschedparam(thread, 4711, &none), EINVAL);
    told = true;
    join(thread);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  }
}

TEST(Policy, AndAffinityComeFromTheAttributes) {
  ThreadAttributes attributes;
  sched_param none{};
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  EXPECT_EQ(pthread_attr_setinheritsched(attributes.get(), PTHREAD_EXPLICIT_SCHED), 0);
  EXPECT_EQ(pthread_attr_setschedpolicy(attributes.get(), SCHED_OTHER), 0);
  EXPECT_EQ(pthread_attr_setschedparam(attributes.get(), &none), 0);
  EXPECT_EQ(pthread_attr_setaffinity_np(attributes.get(), sizeof one, &one), 0);
  join(start_thread(
      [&] {
        cpu_set_t mine;
        EXPECT_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
        EXPECT_TRUE(CPU_EQUAL(&mine, &one));
        return nullptr;
      },
      attributes.get()));
  CPU_ZERO(&one);
  EXPECT_EQ(pthread_attr_setaffinity_np(attributes.get(), sizeof one, &one), 0);
  pthread_t thread;
  EXPECT_EQ(pthread_create(
                &thread, attributes.get(), [](void*) -> void* { return nullptr; }, nullptr),
            EINVAL);
}

// What a thread is by its own account, and by the kernel's.
struct Schedule {
  int policy = -1, priority = -1;
  cpu_set_t affinity;

  Schedule() {
    sched_param parameters{};
    EXPECT_EQ(pthread_getschedparam(pthread_self(), &policy, &parameters), 0);
    priority = parameters.sched_priority;
    EXPECT_EQ(sched_getscheduler(0), policy);
    EXPECT_EQ(sched_getparam(gettid(), &parameters), 0);
    EXPECT_EQ(parameters.sched_priority, priority);
    EXPECT_EQ(sched_getaffinity(0, sizeof affinity, &affinity), 0);
  }
};

class Inheritance : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs the right to real-time priorities";
  }
  // The creator's own thread, for it ends with what it has become.
  template <class Work>
  static void in_a_thread_of(int policy, int priority, Work work) {
    join(start_thread([&] {
      sched_param parameters = {.sched_priority = priority};
      EXPECT_EQ(pthread_setschedparam(pthread_self(), policy, &parameters), 0);
      work();
      return nullptr;
    }));
  }
  static void expect_child(int policy, int priority, const pthread_attr_t* attributes = nullptr) {
    join(start_thread(
        [=] {
          Schedule mine;
          EXPECT_EQ(mine.policy, policy);
          EXPECT_EQ(mine.priority, priority);
          return nullptr;
        },
        attributes));
  }
};

TEST_F(Inheritance, OfPolicyAndPriorityIsTheDefault) {
  for (int policy : {SCHED_FIFO, SCHED_RR}) {
    in_a_thread_of(policy, 12, [&] {
      expect_child(policy, 12);
      ThreadAttributes attributes;
      sched_param ignored = {.sched_priority = 5};
      pthread_attr_setschedpolicy(attributes.get(), SCHED_FIFO);
      pthread_attr_setschedparam(attributes.get(), &ignored);
      expect_child(policy, 12, attributes.get());
    });
  }
  expect_child(SCHED_OTHER, 0);
}

TEST_F(Inheritance, GoesOnToGrandchildrenAndFollowsChanges) {
  in_a_thread_of(SCHED_RR, 7, [] {
    join(start_thread([] {
      expect_child(SCHED_RR, 7);
      return nullptr;
    }));
    EXPECT_EQ(pthread_setschedprio(pthread_self(), 9), 0);
    expect_child(SCHED_RR, 9);
    sched_param none{};
    EXPECT_EQ(pthread_setschedparam(pthread_self(), SCHED_OTHER, &none), 0);
    expect_child(SCHED_OTHER, 0);
  });
}

TEST_F(Inheritance, EndsWithResetOnFork) {
  in_a_thread_of(SCHED_RR | SCHED_RESET_ON_FORK, 7, [] {
    EXPECT_EQ(sched_getscheduler(0), SCHED_RR | SCHED_RESET_ON_FORK);
    EXPECT_EQ(join(start_thread([] { return word(sched_getscheduler(0)); })), word(SCHED_OTHER));
  });
}

TEST_F(Inheritance, IsNotForWhoWantsASchedulingOfHisOwn) {
  in_a_thread_of(SCHED_RR, 7, [] {
    ThreadAttributes attributes;
    pthread_attr_setinheritsched(attributes.get(), PTHREAD_EXPLICIT_SCHED);
    expect_child(SCHED_RR, 7, attributes.get());  // the attributes do not say which
    pthread_attr_setschedpolicy(attributes.get(), SCHED_FIFO);
    expect_child(SCHED_FIFO, 7, attributes.get());  // nor the priority
    sched_param none{};
    pthread_attr_setschedpolicy(attributes.get(), SCHED_OTHER);
    pthread_attr_setschedparam(attributes.get(), &none);
    expect_child(SCHED_OTHER, 0, attributes.get());
  });
}

TEST(Affinity, IsInherited) {
  cpu_set_t all = affinity(), one = first_of(all);
  join(start_thread([&] {
    EXPECT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    join(start_thread([&] {
      expect_equal(one, affinity());
      join(start_thread([&] { return expect_equal(one, affinity()), nullptr; }));
      return nullptr;
    }));
    ThreadAttributes attributes;
    EXPECT_EQ(pthread_attr_setaffinity_np(attributes.get(), sizeof all, &all), 0);
    join(start_thread([&] { return expect_equal(all, affinity()), nullptr; }, attributes.get()));
    EXPECT_EQ(pthread_attr_setaffinity_np(attributes.get(), sizeof one, &one), 0);
    join(start_thread([&] { return expect_equal(one, affinity()), nullptr; }, attributes.get()));
    return nullptr;
  }));
  join(start_thread([&] { return expect_equal(all, affinity()), nullptr; }));
}

TEST(Policy, AndPriorityAtAnAddressThatIsNowhereAreEfault) {
  auto* nowhere = reinterpret_cast<sched_param*>(8);
  join(start_thread([&] {
    EXPECT_EQ(sched_getparam(0, nowhere), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(sched_setparam(0, nowhere), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(sched_setscheduler(0, SCHED_OTHER, nowhere), -1);
    EXPECT_EQ(errno, EFAULT);
    return nullptr;
  }));
}

TEST(RoundRobinInterval, OfAThreadIsToldByItsNumber) {
  timespec interval{-1, -1};
  EXPECT_EQ(join(start_thread([&] { return word(sched_rr_get_interval(gettid(), &interval)); })), word(0));
  EXPECT_GE(interval.tv_sec, 0);
  EXPECT_EQ(sched_rr_get_interval(-1, &interval), -1);
  EXPECT_EQ(errno, EINVAL);
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

// Changes its own niceness by one way alone, and nobody else's.
void expect_niceness_is_the_threads_own(int (*change)(int before)) {
  int before = getpriority(PRIO_PROCESS, 0);
  join(start_thread([&] {
    EXPECT_EQ(change(before), 0);
    usleep(1000);
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before + 2);
    return nullptr;
  }));
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), before);
  EXPECT_EQ(join(start_thread([] { return word(getpriority(PRIO_PROCESS, 0)); })), word(before));
}

TEST(Niceness, ByAnyWayIsTheThreadsOwn) {
  expect_niceness_is_the_threads_own([](int before) { return nice(2) == before + 2 ? 0 : -1; });
  expect_niceness_is_the_threads_own([](int before) { return setpriority(PRIO_PROCESS, 0, before + 2); });
  expect_niceness_is_the_threads_own([](int before) { return setpriority(PRIO_PROCESS, gettid(), before + 2); });
}

// Each call by itself knows the number that gettid says.
TEST(Policy, OfTheThreadsNumberIsItsOwn) {
  auto expect = [](int expected, std::function<int(const sched_param*, sched_param*)> call) {
    sched_param none{}, found;
    EXPECT_EQ(join(start_thread([&] { return word(call(&none, &found)); })), word(expected));
  };
  expect(0, [](auto none, auto) { return sched_setscheduler(gettid(), SCHED_BATCH, none); });
  expect(0, [](auto none, auto) { return __sched_setscheduler(gettid(), SCHED_BATCH, none); });
  expect(0, [](auto none, auto) { return sched_setparam(gettid(), none); });
  expect(0, [](auto, auto found) { return sched_getparam(gettid(), found); });
  expect(0, [](auto, auto found) { return __sched_getparam(gettid(), found); });
  expect(SCHED_OTHER, [](auto, auto) { return sched_getscheduler(gettid()); });
  expect(SCHED_OTHER, [](auto, auto) { return __sched_getscheduler(gettid()); });
  expect(0, [](auto, auto) { return pthread_setschedprio(pthread_self(), 0); });
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
