// pthread_attr_*: what is stored, what is refused, and what pthread_getattr_np says of a living thread.
#include <errno.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "threads.h"

namespace {

TEST(ThreadAttributes, StartWithTheDefaults) {
  ThreadAttributes attributes;
  int value = -1;
  size_t size = 0;
  EXPECT_EQ(pthread_attr_getdetachstate(attributes.get(), &value), 0);
  EXPECT_EQ(value, PTHREAD_CREATE_JOINABLE);
  EXPECT_EQ(pthread_attr_getscope(attributes.get(), &value), 0);
  EXPECT_EQ(value, PTHREAD_SCOPE_SYSTEM);
  EXPECT_EQ(pthread_attr_getinheritsched(attributes.get(), &value), 0);
  EXPECT_EQ(value, PTHREAD_INHERIT_SCHED);
  EXPECT_EQ(pthread_attr_getguardsize(attributes.get(), &size), 0);
  EXPECT_EQ(size, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

TEST(ThreadAttributes, KeepWhatIsSet) {
  ThreadAttributes attributes;
  int value = -1;
  size_t size = 0;
  EXPECT_EQ(pthread_attr_setdetachstate(attributes.get(), PTHREAD_CREATE_DETACHED), 0);
  EXPECT_EQ(pthread_attr_getdetachstate(attributes.get(), &value), 0);
  EXPECT_EQ(value, PTHREAD_CREATE_DETACHED);
  EXPECT_EQ(pthread_attr_setstacksize(attributes.get(), 12345678), 0);
  EXPECT_EQ(pthread_attr_getstacksize(attributes.get(), &size), 0);
  EXPECT_EQ(size, 12345678u);
  EXPECT_EQ(pthread_attr_setguardsize(attributes.get(), 3 << 16), 0);
  EXPECT_EQ(pthread_attr_getguardsize(attributes.get(), &size), 0);
  EXPECT_EQ(size, size_t{3} << 16);
}

TEST(ThreadAttributes, RefuseNonsense) {
  ThreadAttributes attributes;
  EXPECT_EQ(pthread_attr_setdetachstate(attributes.get(), 4711), EINVAL);
  EXPECT_EQ(pthread_attr_setstacksize(attributes.get(), PTHREAD_STACK_MIN - 1), EINVAL);
  EXPECT_EQ(pthread_attr_setinheritsched(attributes.get(), 4711), EINVAL);
  EXPECT_EQ(pthread_attr_setschedpolicy(attributes.get(), 4711), EINVAL);
  EXPECT_EQ(pthread_attr_setscope(attributes.get(), PTHREAD_SCOPE_PROCESS), ENOTSUP);
}

// Reads the attributes of the calling thread into plain values.
struct Living {
  Living() {
    pthread_attr_t attributes;
    EXPECT_EQ(keeping_errno([&] { return pthread_getattr_np(pthread_self(), &attributes); }), 0);
    EXPECT_EQ(pthread_attr_getstack(&attributes, &stack, &stack_size), 0);
    EXPECT_EQ(pthread_attr_getguardsize(&attributes, &guard_size), 0);
    EXPECT_EQ(pthread_attr_getdetachstate(&attributes, &detach_state), 0);
    EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
  }
  bool contains(const void* address) const {
    return address >= stack && address < static_cast<char*>(stack) + stack_size;
  }
  void* stack = nullptr;
  size_t stack_size = 0, guard_size = 0;
  int detach_state = -1;
};

TEST(GetattrNp, StackBoundsContainALocalVariable) {
  EXPECT_EQ(join(start_thread([] {
              Living living;
              int here;
              return word(living.contains(&here));
            })),
            word(1));
}

TEST(GetattrNp, StackBoundsOfTheMainThreadContainALocalVariable) {
  Living living;
  int here;
  EXPECT_TRUE(living.contains(&here));
}

TEST(GetattrNp, LowestByteOfTheStackCanBeWritten) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setstacksize(attributes.get(), 256 << 10), 0);
  join(start_thread(
      [] {
        Living living;
        char here;
        EXPECT_GE(living.stack_size, size_t{200} << 10);
        // Touch every page between here and the end, downwards as a growing stack would.
        for (char* page = &here; page > living.stack; page -= 4096) *static_cast<volatile char*>(page) = 1;
        *static_cast<volatile char*>(living.stack) = 1;
        return nullptr;
      },
      attributes.get()));
}

TEST(GetattrNp, TellsStackAndGuardSizeThatWereAskedFor) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setstacksize(attributes.get(), 1 << 20), 0);
  ASSERT_EQ(pthread_attr_setguardsize(attributes.get(), 16 << 10), 0);
  join(start_thread(
      [] {
        Living living;
        EXPECT_GE(living.stack_size + living.guard_size, size_t{1} << 20);
        EXPECT_LE(living.stack_size, (size_t{1} << 20) + (64 << 10));
        EXPECT_EQ(living.guard_size, size_t{16} << 10);
        EXPECT_EQ(living.detach_state, PTHREAD_CREATE_JOINABLE);
        return nullptr;
      },
      attributes.get()));
}

TEST(GetattrNp, TellsTheGuardInWholePages) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setguardsize(attributes.get(), 10000), 0);
  join(start_thread(
      [] {
        EXPECT_EQ(Living().guard_size, 12288u);
        return nullptr;
      },
      attributes.get()));
}

// How a thread is scheduled, in the words of attributes.
struct ScheduleInAttributes {
  explicit ScheduleInAttributes(pthread_t thread) {
    pthread_attr_t attributes;
    EXPECT_EQ(pthread_getattr_np(thread, &attributes), 0);
    EXPECT_EQ(pthread_attr_getschedpolicy(&attributes, &policy), 0);
    EXPECT_EQ(pthread_attr_getschedparam(&attributes, &parameters), 0);
    EXPECT_EQ(pthread_attr_getinheritsched(&attributes, &inherit), 0);
    EXPECT_EQ(pthread_attr_getaffinity_np(&attributes, sizeof affinity, &affinity), 0);
    EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
  }
  int policy = -1, inherit = -1;
  sched_param parameters{};
  cpu_set_t affinity;
};

TEST(GetattrNp, TellsPolicyPriorityAndWhereTheyCameFrom) {
  if (geteuid() != 0) GTEST_SKIP() << "needs the right to real-time priorities";
  ThreadAttributes attributes;
  sched_param parameters = {.sched_priority = 4};
  pthread_attr_setinheritsched(attributes.get(), PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(attributes.get(), SCHED_RR);
  pthread_attr_setschedparam(attributes.get(), &parameters);
  join(start_thread(
      [] {
        ScheduleInAttributes mine(pthread_self());
        EXPECT_EQ(mine.policy, SCHED_RR);
        EXPECT_EQ(mine.parameters.sched_priority, 4);
        EXPECT_EQ(mine.inherit, PTHREAD_EXPLICIT_SCHED);
        return nullptr;
      },
      attributes.get()));
  ScheduleInAttributes mine(pthread_self());
  EXPECT_EQ(mine.policy, SCHED_OTHER);
  EXPECT_EQ(mine.parameters.sched_priority, 0);
  EXPECT_EQ(mine.inherit, PTHREAD_INHERIT_SCHED);
}

TEST(GetattrNp, TellsTheAffinityOfTheThread) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  join(start_thread([&] {
    EXPECT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    ScheduleInAttributes mine(pthread_self());
    EXPECT_TRUE(CPU_EQUAL(&mine.affinity, &one));
    return nullptr;
  }));
  ScheduleInAttributes mine(pthread_self());
  EXPECT_TRUE(CPU_EQUAL(&mine.affinity, &all));
}

TEST(GetattrNp, TellsTheStackThatTheUserSupplied) {
  static char memory[1 << 20] __attribute__((aligned(4096)));
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setstack(attributes.get(), memory, sizeof memory), 0);
  join(start_thread(
      [] {
        Living living;
        EXPECT_EQ(living.stack, memory);
        EXPECT_EQ(living.stack_size, sizeof memory);
        return nullptr;
      },
      attributes.get()));
}

TEST(GetattrNp, TellsThatAThreadDetachedItself) {
  join(start_thread([] {
    std::atomic<bool> done = false;
    start_thread([&] {
      pthread_detach(pthread_self());
      EXPECT_EQ(Living().detach_state, PTHREAD_CREATE_DETACHED);
      done = true;
      return nullptr;
    });
    EXPECT_TRUE(eventually(done));
    return nullptr;
  }));
}

TEST(GetattrNp, DescribesAnotherLivingThread) {
  std::atomic<bool> go = false;
  std::atomic<char*> local = nullptr;
  pthread_t thread = start_thread([&] {
    char here;
    local = &here;
    EXPECT_TRUE(eventually(go));
    return nullptr;
  });
  EXPECT_TRUE(eventually([&] { return local != nullptr; }));
  pthread_attr_t attributes;
  void* stack = nullptr;
  size_t size = 0;
  EXPECT_EQ(pthread_getattr_np(thread, &attributes), 0);
  EXPECT_EQ(pthread_attr_getstack(&attributes, &stack, &size), 0);
  EXPECT_EQ(pthread_attr_destroy(&attributes), 0);
  EXPECT_GE(local.load(), stack);
  EXPECT_LT(local.load(), static_cast<char*>(stack) + size);
  go = true;
  join(thread);
}

TEST(GuardSize, OverflowIsASegmentationFaultInsideTheGuard) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setguardsize(attributes.get(), 64 << 10), 0);
  static char alternate[64 << 10];
  static std::atomic<char*> fault;
  static sigjmp_buf back;
  struct sigaction action {
  }, before;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    fault = static_cast<char*>(info->si_addr);
    siglongjmp(back, 1);
  };
  ASSERT_EQ(sigaction(SIGSEGV, &action, &before), 0);
  join(start_thread(
      [] {
        stack_t stack{.ss_sp = alternate, .ss_flags = 0, .ss_size = sizeof alternate};
        EXPECT_EQ(sigaltstack(&stack, nullptr), 0);
        Living living;
        auto* below = static_cast<volatile char*>(living.stack) - 1024;
        if (sigsetjmp(back, 1) == 0) *below = 1;
        EXPECT_EQ(fault.load(), below);
        stack.ss_flags = SS_DISABLE;
        EXPECT_EQ(sigaltstack(&stack, nullptr), 0);
        return nullptr;
      },
      attributes.get()));
  EXPECT_EQ(sigaction(SIGSEGV, &before, nullptr), 0);
}

__thread char much_for_each_thread[20 << 10];

void* touch(void*) {
  much_for_each_thread[0] = 1;
  return much_for_each_thread;
}

TEST(Sizes, WhoseSumOverflowsAreRefused) {
  ThreadAttributes huge_stack, huge_guard, huge_both;
  ASSERT_EQ(pthread_attr_setstacksize(huge_stack.get(), SIZE_MAX - 100), 0);
  ASSERT_EQ(pthread_attr_setguardsize(huge_guard.get(), SIZE_MAX - 100), 0);
  ASSERT_EQ(pthread_attr_setstacksize(huge_both.get(), 8 << 20), 0);
  ASSERT_EQ(pthread_attr_setguardsize(huge_both.get(), SIZE_MAX - (8 << 20)), 0);
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, huge_stack.get(), touch, nullptr), EINVAL);
  EXPECT_EQ(pthread_create(&thread, huge_guard.get(), touch, nullptr), EINVAL);
  EXPECT_EQ(pthread_create(&thread, huge_both.get(), touch, nullptr), EINVAL);
}

TEST(Sizes, ThatNoAddressSpaceHasAreNotThere) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setstacksize(attributes.get(), SIZE_MAX / 2), 0);
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, attributes.get(), touch, nullptr), EAGAIN);
}

TEST(Sizes, StackOfTheUsersWithoutRoomForThreadLocalVariablesIsRefused) {
  constexpr size_t small = 16 << 10, around = 256 << 10;
  std::vector<char> memory(2 * around, 0x5a);
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setstack(attributes.get(), &memory[around], small), 0);
  pthread_t thread;
  EXPECT_EQ(pthread_create(&thread, attributes.get(), touch, nullptr), EINVAL);
  EXPECT_EQ(std::count(memory.begin(), memory.end(), 0x5a), (ptrdiff_t)memory.size());
}

}  // namespace
