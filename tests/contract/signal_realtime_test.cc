// Queued signals that are directed at a thread: each is kept, with its value, in its order.
#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "child.h"
#include "signals.h"
#include "threads.h"

namespace {

struct Seen {
  int signal, value, code;
  bool operator==(const Seen&) const = default;
};

std::vector<Seen> seen;  // by one thread at a time

void note(int signal, siginfo_t* info, void*) { seen.push_back({signal, info->si_value.sival_int, info->si_code}); }

// Handlers for all signals of a list, which block each other or not.
class Notes {
 public:
  Notes(std::initializer_list<int> signals, bool block_each_other) {
    seen.clear();
    seen.reserve(64);
    for (int signal : signals) {
      struct sigaction action {};
      action.sa_sigaction = note;
      action.sa_flags = SA_SIGINFO;
      if (block_each_other) action.sa_mask = set_of(signals);
      before_.emplace_back(signal, (struct sigaction){});
      EXPECT_EQ(sigaction(signal, &action, &before_.back().second), 0);
    }
  }
  ~Notes() {
    for (auto& [signal, action] : before_) sigaction(signal, &action, nullptr);
  }

 private:
  std::vector<std::pair<int, struct sigaction>> before_;
};

int low() { return SIGRTMIN + 1; }
int high() { return SIGRTMIN + 3; }

std::atomic<int> runs;

TEST(DirectedQueue, RunsAHandlerOnceForEachAlsoWhileTheThreadRuns) {
  constexpr int count = 3000;
  runs = 0;
  Handler handler(high(), [](int) { ++runs; });
  pthread_t main_thread = pthread_self();
  std::atomic<bool> is_sent = false;
  pthread_t sender = start_thread([&] {
    for (int i = 0; i < count;) {
      int error = i % 2 ? pthread_sigqueue(main_thread, high(), {}) : sigqueue(getpid(), high(), {}) == 0 ? 0 : errno;
      if (error == EAGAIN) sched_yield();
      i += error == 0;
    }
    is_sent = true;
    return nullptr;
  });
  while (!is_sent) sched_yield();
  join(sender);
  EXPECT_TRUE(eventually([] { return runs >= count; }));
  let_others_run();
  EXPECT_EQ(runs, count);
}

TEST(DirectedQueue, KeepsEveryValueAndItsOrder) {
  Blocked blocked({low()});
  std::atomic<bool> sent = false;
  pthread_t thread = start_thread([&] {
    EXPECT_TRUE(eventually(sent));
    sigset_t set = set_of({low()});
    for (int i = 0; i < 20; ++i) {
      siginfo_t info{};
      EXPECT_TRUE(is_pending(low()));
      EXPECT_EQ(sigwaitinfo(&set, &info), low());
      EXPECT_EQ(info.si_value.sival_int, i);
      EXPECT_EQ(info.si_code, SI_QUEUE);
      EXPECT_EQ(info.si_pid, getpid());
      EXPECT_EQ(info.si_uid, getuid());
    }
    EXPECT_FALSE(is_pending(low()));
    return nullptr;
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pthread_sigqueue(thread, low(), {.sival_int = i}), 0);
  sent = true;
  join(thread);
}

TEST(DirectedQueue, LowestNumberIsTakenFirst) {
  Blocked blocked({low(), high(), SIGUSR1});
  pthread_t me = pthread_self();
  EXPECT_EQ(pthread_sigqueue(me, high(), {.sival_int = 1}), 0);
  EXPECT_EQ(pthread_sigqueue(me, low(), {.sival_int = 2}), 0);
  EXPECT_EQ(pthread_sigqueue(me, high(), {.sival_int = 3}), 0);
  EXPECT_EQ(pthread_kill(me, SIGUSR1), 0);
  EXPECT_EQ(pthread_sigqueue(me, low(), {.sival_int = 4}), 0);
  sigset_t set = set_of({low(), high(), SIGUSR1});
  std::vector<Seen> taken;
  for (int i = 0; i < 5; ++i) {
    siginfo_t info{};
    timespec no_time = {0, 0};
    EXPECT_GT(sigtimedwait(&set, &info, &no_time), 0);
    taken.push_back({info.si_signo, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0, info.si_code});
  }
  std::vector<Seen> expected = {
      {SIGUSR1, 0, SI_USER}, {low(), 2, SI_QUEUE}, {low(), 4, SI_QUEUE}, {high(), 1, SI_QUEUE}, {high(), 3, SI_QUEUE}};
  EXPECT_EQ(taken, expected);
}

TEST(DirectedQueue, TheThreadsOwnComeBeforeTheProcesss) {
  Blocked blocked({low(), high()});
  EXPECT_EQ(sigqueue(getpid(), low(), {.sival_int = 1}), 0);
  EXPECT_EQ(pthread_sigqueue(pthread_self(), high(), {.sival_int = 2}), 0);
  sigset_t set = set_of({low(), high()});
  EXPECT_EQ(sigwaitinfo(&set, nullptr), high());
  EXPECT_EQ(sigwaitinfo(&set, nullptr), low());
}

TEST(DirectedQueue, AStandardSignalIsKeptOnceWithTheFirstValue) {
  Blocked blocked({SIGUSR1});
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(pthread_sigqueue(pthread_self(), SIGUSR1, {.sival_int = i}), 0);
  sigset_t set = set_of({SIGUSR1});
  timespec no_time = {0, 0};
  siginfo_t info{};
  EXPECT_EQ(sigtimedwait(&set, &info, &no_time), SIGUSR1);
  EXPECT_EQ(info.si_value.sival_int, 1);
  EXPECT_EQ(sigtimedwait(&set, &info, &no_time), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(DirectedQueue, HandlersSeeEveryValueInOrder) {
  Notes notes({low(), high()}, true);
  {
    Blocked blocked({low(), high()});
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(pthread_sigqueue(pthread_self(), high(), {.sival_int = 10 + i}), 0);
      EXPECT_EQ(pthread_sigqueue(pthread_self(), low(), {.sival_int = i}), 0);
    }
    EXPECT_TRUE(seen.empty());
  }
  std::vector<Seen> expected;
  for (int i = 0; i < 5; ++i) expected.push_back({low(), i, SI_QUEUE});
  for (int i = 0; i < 5; ++i) expected.push_back({high(), 10 + i, SI_QUEUE});
  EXPECT_EQ(seen, expected);
}

// The kernel lays the frame of the next over that of the first when the first's mask does not block it.
TEST(DirectedQueue, HandlersThatDoNotBlockEachOtherNest) {
  Notes notes({SIGUSR1, SIGUSR2}, false);
  {
    Blocked blocked({SIGUSR1, SIGUSR2});
    EXPECT_EQ(raise(SIGUSR1), 0);
    EXPECT_EQ(raise(SIGUSR2), 0);
  }
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].signal, SIGUSR2);
  EXPECT_EQ(seen[1].signal, SIGUSR1);
}

TEST(DirectedQueue, AFullQueueIsEagain) {
  int ended = end_of_child([] {
    std::thread([] {
      rlimit few = {3, 3};
      if (setrlimit(RLIMIT_SIGPENDING, &few) != 0) _exit(2);
      sigset_t set = set_of({low()});
      pthread_sigmask(SIG_BLOCK, &set, nullptr);
      int error = 0, queued = 0;
      for (; queued < 10 && error == 0; ++queued) {
        error = pthread_sigqueue(pthread_self(), low(), {.sival_int = queued});
      }
      _exit(error == EAGAIN && queued >= 1 ? 47 : 1);
    }).join();
    return 3;
  });
  EXPECT_EQ(ended, 47);
}

TEST(DirectedQueue, TgkillBySyscallTellsSiTkill) {
  Notes notes({SIGUSR1}, true);
  pid_t tid = (pid_t)syscall(SYS_gettid);
  EXPECT_EQ(syscall(SYS_tgkill, getpid(), tid, SIGUSR1), 0);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].code, SI_TKILL);
  EXPECT_EQ(syscall(SYS_tkill, tid, SIGUSR1), 0);
  EXPECT_EQ(seen.size(), 2u);
}

TEST(DirectedQueue, SyscallsThatQueueReachTheThread) {
  Notes notes({low()}, true);
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 7;
  EXPECT_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), low(), &info), 0);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].value, 7);
}

// No other thread lets it in: the sender has it before the call returns.
TEST(SentToOnesOwnProcess, IsHandledBeforeTheCallReturns) {
  Notes notes({SIGUSR1, low()}, true);
  auto send = [] {
    for (int i = 0; i < 100; ++i) {
      seen.clear();
      EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
      EXPECT_EQ(sigqueue(getpid(), low(), {.sival_int = i}), 0);
      ASSERT_EQ(seen.size(), 2u);
      EXPECT_EQ(seen[0].code, SI_USER);
      EXPECT_EQ(seen[1], (Seen{low(), i, SI_QUEUE}));
      sched_yield();
    }
  };
  send();
  Blocked blocked({SIGUSR1, low()});
  pthread_t thread = start_thread([&] {
    sigset_t set = set_of({SIGUSR1, low()});
    EXPECT_EQ(pthread_sigmask(SIG_UNBLOCK, &set, nullptr), 0);
    send();
    return nullptr;
  });
  join(thread);
}

// --- what a handler is told, and what it may change ------------------------------------------------------------------

TEST(Handler, SeesWhereItInterrupted) {
  static std::atomic<uintptr_t> stack_pointer;
  stack_pointer = 0;
  Handler handler(SIGUSR1, [](int, siginfo_t*, void* context) {
    stack_pointer = (uintptr_t) static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RSP];
  });
  char here_on_the_stack;
  {
    Blocked blocked({SIGUSR1});
    raise(SIGUSR1);
  }
  auto here_now = reinterpret_cast<uintptr_t>(&here_on_the_stack);
  EXPECT_GT(stack_pointer, here_now - 65536);
  EXPECT_LT(stack_pointer, here_now + 65536);
}

TEST(Handler, MayChangeTheMaskItReturnsTo) {
  Handler handler(SIGUSR1, [](int, siginfo_t*, void* context) {
    sigaddset(&static_cast<ucontext_t*>(context)->uc_sigmask, SIGUSR2);
  });
  EXPECT_FALSE(blocks(SIGUSR2));
  raise(SIGUSR1);
  EXPECT_TRUE(blocks(SIGUSR2));
  sigset_t set = set_of({SIGUSR2});
  EXPECT_EQ(pthread_sigmask(SIG_UNBLOCK, &set, nullptr), 0);
}

TEST(Handler, ResethandRunsOnceAndIsNotBlocked) {
  static std::atomic<int> runs;
  runs = 0;
  struct sigaction now {};
  Handler handler(
      SIGURG, [](int) { ++runs; }, SA_RESETHAND);
  EXPECT_EQ(raise(SIGURG), 0);
  EXPECT_EQ(sigaction(SIGURG, nullptr, &now), 0);
  EXPECT_EQ(now.sa_handler, SIG_DFL);
  EXPECT_EQ(raise(SIGURG), 0);  // ignored by default
  EXPECT_EQ(runs, 1);
}

TEST(Handler, NodeferLetsItselfIn) {
  static std::atomic<int> depth, deepest;
  depth = deepest = 0;
  Handler handler(
      SIGUSR1,
      [](int) {
        if (++depth < 3) raise(SIGUSR1);
        if (depth > deepest) deepest = depth.load();
        --depth;
      },
      SA_NODEFER);
  raise(SIGUSR1);
  EXPECT_EQ(deepest, 3);
}

TEST(Handler, WithoutNodeferWaitsForItsOwnEnd) {
  static std::atomic<int> depth, deepest, runs;
  depth = deepest = runs = 0;
  Handler handler(SIGUSR1, [](int) {
    ++depth;
    if (++runs == 1) raise(SIGUSR1);
    if (depth > deepest) deepest = depth.load();
    --depth;
  });
  raise(SIGUSR1);
  EXPECT_EQ(deepest, 1);
  EXPECT_EQ(runs, 2);
}

TEST(Handler, RunsUnderItsMaskAndTheThreads) {
  static std::atomic<bool> itself, masked, other;
  itself = masked = other = false;
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) { itself = blocks(SIGUSR1), masked = blocks(SIGUSR2), other = blocks(SIGHUP); };
  action.sa_mask = set_of({SIGUSR2});
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  {
    Blocked blocked({SIGHUP});
    raise(SIGUSR1);
    EXPECT_FALSE(blocks(SIGUSR1));
    EXPECT_FALSE(blocks(SIGUSR2));
  }
  EXPECT_TRUE(itself);
  EXPECT_TRUE(masked);
  EXPECT_TRUE(other);
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
