// pthread_create and its attributes, and what a new thread inherits.
#include <fenv.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <set>
#include <vector>

#include "threads.h"

namespace {

constexpr size_t mebibyte = 1 << 20;

// Uses so many bytes of stack, each page of them, and gives back what it read there.
__attribute__((noinline)) long use_stack(size_t bytes) {
  volatile char* page = static_cast<volatile char*>(__builtin_alloca(bytes));
  long sum = 0;
  for (size_t i = 0; i < bytes; i += 1024) page[i] = 1;
  for (size_t i = 0; i < bytes; i += 1024) sum += page[i];
  return sum;
}

TEST(ThreadCreate, RunsTheRoutineWithItsArgument) {
  pthread_t thread;
  int seen = 0;
  auto routine = [](void* argument) -> void* {
    *static_cast<int*>(argument) = 4711;
    return argument;
  };
  EXPECT_EQ(keeping_errno([&] { return pthread_create(&thread, nullptr, routine, &seen); }), 0);
  EXPECT_EQ(join(thread), &seen);
  EXPECT_EQ(seen, 4711);
}

TEST(ThreadCreate, StoresTheIdBeforeItReturns) {
  pthread_t thread = start_thread([] { return reinterpret_cast<void*>(pthread_self()); });
  EXPECT_EQ(join(thread), reinterpret_cast<void*>(thread));
}

TEST(ThreadCreate, LivingThreadsHaveDifferentIds) {
  std::atomic<bool> go = false;
  std::set<pthread_t> ids{pthread_self()};
  std::vector<pthread_t> threads;
  for (int i = 0; i < 100; ++i) threads.push_back(start_thread([&] { return eventually(go) ? nullptr : word(1); }));
  ids.insert(threads.begin(), threads.end());
  EXPECT_EQ(ids.size(), 101u);
  go = true;
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), nullptr);
}

TEST(ThreadCreate, ThreadsMayMakeThreads) {
  std::atomic<int> leaves = 0;
  std::function<void*(int)> grow = [&](int depth) -> void* {
    if (depth == 0) return ++leaves, nullptr;
    pthread_t left = start_thread([&, depth] { return grow(depth - 1); });
    pthread_t right = start_thread([&, depth] { return grow(depth - 1); });
    join(left);
    return join(right);
  };
  grow(6);
  EXPECT_EQ(leaves, 64);
}

TEST(ThreadCreate, DefaultStackIsAsLargeAsTheAttributesSay) {
  ThreadAttributes attributes;
  size_t size = 0;
  ASSERT_EQ(pthread_getattr_default_np(attributes.get()), 0);
  ASSERT_EQ(pthread_attr_getstacksize(attributes.get(), &size), 0);
  ASSERT_GE(size, 2 * mebibyte);
  EXPECT_EQ(join(start_thread([&] { return word(use_stack(size - mebibyte)); })), word((size - mebibyte) / 1024));
}

TEST(ThreadCreate, StackSizeOfTheAttributesCanBeUsed) {
  for (size_t size : {size_t{256} << 10, 16 * mebibyte, 64 * mebibyte}) {
    ThreadAttributes attributes;
    ASSERT_EQ(pthread_attr_setstacksize(attributes.get(), size), 0);
    size_t used = size - (64 << 10);
    EXPECT_EQ(join(start_thread([&] { return word(use_stack(used)); }, attributes.get())), word(used / 1024));
  }
}

TEST(ThreadCreate, SmallestStackIsEnoughForASmallThread) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setstacksize(attributes.get(), PTHREAD_STACK_MIN), 0);
  EXPECT_EQ(join(start_thread([] { return word(4711); }, attributes.get())), word(4711));
}

TEST(ThreadCreate, RunsOnTheStackThatTheUserSupplies) {
  size_t size = mebibyte;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  for (int i = 0; i < 3; ++i) {  // the stack belongs to us again once the thread is joined
    ThreadAttributes attributes;
    ASSERT_EQ(pthread_attr_setstack(attributes.get(), memory, size), 0);
    join(start_thread(
        [&] {
          char here;
          EXPECT_GE(&here, memory);
          EXPECT_LT(&here, static_cast<char*>(memory) + size);
          use_stack(size / 2);
          return nullptr;
        },
        attributes.get()));
  }
  EXPECT_EQ(munmap(memory, size), 0);
}

TEST(ThreadCreate, DetachedByAttributeCannotBeJoined) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setdetachstate(attributes.get(), PTHREAD_CREATE_DETACHED), 0);
  std::atomic<bool> go = false, done = false;
  pthread_t thread = start_thread([&] { return eventually(go), done = true, nullptr; }, attributes.get());
  EXPECT_EQ(pthread_join(thread, nullptr), EINVAL);
  EXPECT_EQ(pthread_detach(thread), EINVAL);
  go = true;
  EXPECT_TRUE(eventually(done));
}

TEST(ThreadCreate, InheritsTheSignalMaskOfItsCreator) {
  sigset_t mine, before;
  sigemptyset(&mine);
  sigaddset(&mine, SIGUSR1);
  sigaddset(&mine, SIGRTMIN + 3);
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &mine, &before), 0);
  sigset_t inherited;
  pthread_t thread = start_thread([&] { return word(pthread_sigmask(SIG_SETMASK, nullptr, &inherited)); });
  EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  EXPECT_EQ(join(thread), nullptr);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal == 32 || signal == 33) continue;  // libc's own
    EXPECT_EQ(sigismember(&inherited, signal), sigismember(&mine, signal)) << signal;
  }
}

TEST(ThreadCreate, SignalMaskOfTheAttributesWins) {
  ThreadAttributes attributes;
  sigset_t wanted, inherited;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR2);
  ASSERT_EQ(pthread_attr_setsigmask_np(attributes.get(), &wanted), 0);
  EXPECT_EQ(
      join(start_thread([&] { return word(pthread_sigmask(SIG_SETMASK, nullptr, &inherited)); }, attributes.get())),
      nullptr);
  EXPECT_EQ(sigismember(&inherited, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&inherited, SIGUSR1), 0);
}

TEST(ThreadCreate, PendingSignalsAreNotInherited) {
  sigset_t blocked, before, pending;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
  EXPECT_EQ(join(start_thread([&] { return word(sigpending(&pending)); })), nullptr);
  EXPECT_EQ(sigismember(&pending, SIGUSR1), 0);
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGUSR1), 1);
  int taken = 0;
  EXPECT_EQ(sigwait(&blocked, &taken), 0);
  EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

TEST(ThreadCreate, InheritsTheRoundingModeOfItsCreator) {
  for (int mode : {FE_UPWARD, FE_TOWARDZERO, FE_TONEAREST}) {
    ASSERT_EQ(fesetround(mode), 0);
    pthread_t thread = start_thread([] { return word(fegetround()); });
    EXPECT_EQ(join(thread), word(mode));
  }
}

TEST(ThreadCreate, RoundingModeIsEachThreadsOwnAcrossSwitches) {
  std::atomic<int> ready = 0;
  auto keep = [&](int mode) {
    return [&, mode]() -> void* {
      fesetround(mode);
      ++ready;
      eventually([&] { return ready == 2; });
      let_others_run();
      volatile double tenth = 10.0, one = 1.0;
      double quotient = one / tenth;
      return word(fegetround() == mode && (quotient > 0.1) == (mode == FE_UPWARD && quotient != 0.1));
    };
  };
  pthread_t up = start_thread(keep(FE_UPWARD)), down = start_thread(keep(FE_DOWNWARD));
  EXPECT_EQ(join(up), word(1));
  EXPECT_EQ(join(down), word(1));
  EXPECT_EQ(fegetround(), FE_TONEAREST);
}

TEST(ThreadCreate, UsesTheGlobalLocaleWhateverItsCreatorUses) {
  locale_t own = newlocale(LC_ALL_MASK, "C", nullptr);
  locale_t before = uselocale(own);
  EXPECT_EQ(join(start_thread([] { return uselocale(nullptr); })), LC_GLOBAL_LOCALE);
  EXPECT_EQ(uselocale(nullptr), own);
  uselocale(before);
  freelocale(own);
}

TEST(ThreadCreate, StartsCancelableAndDeferred) {
  EXPECT_EQ(join(start_thread([] {
              int state = -1, type = -1;
              pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
              pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
              return word(state == PTHREAD_CANCEL_ENABLE && type == PTHREAD_CANCEL_DEFERRED);
            })),
            word(1));
}

}  // namespace
