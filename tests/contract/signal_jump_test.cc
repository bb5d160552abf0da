// Handlers that leave a wait by siglongjmp: the wait is over, and nobody looks at its frame again. Calls whose mask and
// wait are one step. Faults. Contexts.
#include <errno.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>

#include "child.h"
#include "connection.h"
#include "signals.h"
#include "threads.h"

// What longjmp is in programs that are built with checks.
extern "C" [[noreturn]] void __longjmp_chk(sigjmp_buf, int);

namespace {

thread_local sigjmp_buf back;
thread_local volatile sig_atomic_t may_jump;

void jump(int) {
  if (may_jump) siglongjmp(back, 1);
}

// A thread whose wait a handler leaves by a jump, many times; then what it waited for comes for nobody. `wait` is the bare
// call: a jump out of an allocation, say, would leave libc's own lock held.
void expect_waits_can_be_left(std::function<void()> wait, std::function<void()> wake) {
  Handler handler(SIGUSR1, jump);
  constexpr int rounds = 20;
  std::atomic<int> left = 0;
  pthread_t thread = start_thread([&] {
    for (volatile int i = 0; i < rounds; i = i + 1) {
      if (sigsetjmp(back, 1) == 0) {
        may_jump = 1;
        wait();
        may_jump = 0;
        ADD_FAILURE() << "the wait ended";
      }
      may_jump = 0;
      EXPECT_FALSE(blocks(SIGUSR1));
      ++left;
    }
    char frames_that_were[4096];
    memset(frames_that_were, 0xff, sizeof frames_that_were);
    asm volatile("" ::"r"(frames_that_were) : "memory");
    return nullptr;
  });
  EXPECT_TRUE(eventually([&] { return pthread_kill(thread, SIGUSR1), left.load() == rounds; }));
  wake();
  join(thread);
}

TEST(Siglongjmp, LeavesARead) {
  Connection pipe = pipe_connection();
  expect_waits_can_be_left(
      [&] {
        char byte;
        (void)!read(pipe.near, &byte, 1);
      },
      [&] { send_text(pipe.far, "x"); });
  EXPECT_EQ(read_text(pipe.near), "x");
}

TEST(Siglongjmp, LeavesARecv) {
  Connection tcp = connection(Kind::tcp);
  expect_waits_can_be_left(
      [&] {
        char byte;
        recv(tcp.near, &byte, 1, 0);
      },
      [&] { send_text(tcp.far, "x"); });
  EXPECT_EQ(read_text(tcp.near), "x");
}

TEST(Siglongjmp, LeavesAPoll) {
  Connection one = pipe_connection(), two = pipe_connection();
  expect_waits_can_be_left(
      [&] {
        pollfd both[2] = {{one.near, POLLIN, 0}, {two.near, POLLIN, 0}};
        poll(both, 2, -1);
      },
      [&] { send_text(one.far, "x"), send_text(two.far, "y"); });
  EXPECT_EQ(read_text(two.near), "y");
}

TEST(Siglongjmp, LeavesASemWait) {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  expect_waits_can_be_left([&] { sem_wait(&semaphore); }, [&] { sem_post(&semaphore); });
  EXPECT_EQ(sem_trywait(&semaphore), 0);
  sem_destroy(&semaphore);
}

TEST(Siglongjmp, LeavesASleep) {
  timespec long_time = {1000, 0};
  expect_waits_can_be_left([&] { nanosleep(&long_time, nullptr); }, [] {});
}

TEST(Siglongjmp, LeavesSigsuspendPauseAndSigwait) {
  expect_waits_can_be_left([] { pause(); }, [] {});
  expect_waits_can_be_left(
      [] {
        sigset_t none = set_of({});
        sigsuspend(&none);
      },
      [] {});
  expect_waits_can_be_left(
      [] {
        sigset_t other = set_of({SIGUSR2});
        int signal;
        sigwait(&other, &signal);
      },
      [] {});
}

// longjmp by each of its names, out of a handler.
class Jump : public testing::TestWithParam<void (*)()> {};
INSTANTIATE_TEST_SUITE_P(Names, Jump,
                         testing::Values([] { longjmp(back, 1); }, [] { _longjmp(back, 1); },
                                         [] { __longjmp_chk(back, 1); }));

TEST_P(Jump, OutOfAHandlerPutsTheMaskBack) {
  static thread_local void (*leave)();
  Handler handler(SIGUSR1, [](int) { leave(); });
  join(start_thread([] {
    leave = GetParam();
    if (sigsetjmp(back, 1) == 0) {
      raise(SIGUSR1);
      ADD_FAILURE() << "the handler came back";
    }
    EXPECT_FALSE(blocks(SIGUSR1));
    return nullptr;
  }));
}

// --- the mask and the wait are one step ------------------------------------------------------------------------------

std::atomic<int> handled;

TEST(Ppoll, EndsForASignalThatIsPendingAlready) {
  Handler handler(SIGUSR1, [](int) { ++handled; });
  Blocked blocked({SIGUSR1});
  sigset_t none = set_of({});
  for (int directed = 0; directed < 2; ++directed) {
    handled = 0;
    directed ? pthread_kill(pthread_self(), SIGUSR1) : kill(getpid(), SIGUSR1);
    EXPECT_EQ(ppoll(nullptr, 0, nullptr, &none), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_EQ(handled, 1);
    EXPECT_TRUE(blocks(SIGUSR1));
  }
}

TEST(Pselect, EndsForASignalThatIsPendingAlready) {
  Handler handler(SIGUSR1, [](int) { ++handled; });
  Blocked blocked({SIGUSR1});
  sigset_t none = set_of({});
  for (int directed = 0; directed < 2; ++directed) {
    handled = 0;
    directed ? pthread_kill(pthread_self(), SIGUSR1) : kill(getpid(), SIGUSR1);
    EXPECT_EQ(pselect(0, nullptr, nullptr, nullptr, nullptr, &none), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_EQ(handled, 1);
  }
}

TEST(Sigsuspend, EndsForASignalThatIsPendingAlready) {
  Handler handler(SIGUSR1, [](int) { ++handled; });
  Blocked blocked({SIGUSR1});
  sigset_t none = set_of({});
  for (int directed = 0; directed < 2; ++directed) {
    handled = 0;
    directed ? pthread_kill(pthread_self(), SIGUSR1) : kill(getpid(), SIGUSR1);
    EXPECT_EQ(sigsuspend(&none), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_EQ(handled, 1);
    EXPECT_TRUE(blocks(SIGUSR1));
  }
}

// --- faults ----------------------------------------------------------------------------------------------------------

TEST(Fault, ReachesTheThreadThatMadeItAndCanBeLeft) {
  Handler handler(SIGSEGV, [](int) { siglongjmp(back, 1); });
  auto* nobodys = static_cast<volatile char*>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::atomic<int> caught = 0;
  auto touch = [&](volatile char* byte) {
    for (volatile int i = 0; i < 10; i = i + 1) {
      if (sigsetjmp(back, 1) == 0) {
        *byte = 1;
        ADD_FAILURE() << "no fault";
      }
      ++caught;
      sched_yield();
    }
    return nullptr;
  };
  pthread_t one = start_thread([&] { return touch(nobodys); }), two = start_thread([&] { return touch(nobodys + 8); });
  join(one);
  join(two);
  EXPECT_EQ(caught, 20);
  munmap(const_cast<char*>(nobodys), 4096);
}

TEST(Fault, TellsTheAddressAndCanBeRepaired) {
  static void* faulted;
  static char* page;
  page = static_cast<char*>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  Handler handler(SIGSEGV, [](int, siginfo_t* info, void*) {
    faulted = info->si_addr;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
  });
  pthread_t thread = start_thread([] {
    *const_cast<volatile char*>(page + 17) = 1;
    return nullptr;
  });
  join(thread);
  EXPECT_EQ(faulted, page + 17);
  EXPECT_EQ(page[17], 1);
  munmap(page, 4096);
}

TEST(Fault, OneThatIsBlockedEndsTheProcess) {
  int ended = end_of_child([] {
    std::thread([] {
      sigset_t set = set_of({SIGSEGV});
      pthread_sigmask(SIG_BLOCK, &set, nullptr);
      signal(SIGSEGV, [](int) { _exit(1); });
      auto* nobodys = static_cast<volatile char*>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      *nobodys = 1;
    }).join();
    return 2;
  });
  EXPECT_EQ(ended, -SIGSEGV);
}

TEST(Sigpipe, ReachesTheThreadThatWrote) {
  static thread_local int mine;
  static std::atomic<int> elsewhere;
  elsewhere = 0;
  Handler handler(SIGPIPE, [](int) { ++mine; });
  for (Kind kind : {Kind::pipe, Kind::unix_pair, Kind::tcp}) {
    pthread_t thread = start_thread([kind] {
      Connection pair = connection(kind);
      pair.near.reset();
      mine = 0;
      int written = 1;
      for (int i = 0; i < 1000 && written == 1; ++i) written = (int)write(pair.far, "x", 1);
      EXPECT_EQ(written, -1) << name_of(kind);
      EXPECT_EQ(errno, EPIPE) << name_of(kind);
      EXPECT_EQ(mine, 1) << name_of(kind);
      return nullptr;
    });
    join(thread);
  }
}

// --- contexts --------------------------------------------------------------------------------------------------------

ucontext_t caller, callee;

TEST(Swapcontext, TakesTheMaskAlong) {
  static std::atomic<bool> there;
  static char stack[65536];
  ASSERT_EQ(getcontext(&callee), 0);
  callee.uc_stack.ss_sp = stack;
  callee.uc_stack.ss_size = sizeof stack;
  callee.uc_link = &caller;
  sigaddset(&callee.uc_sigmask, SIGUSR2);
  void (*look)() = [] {
    there = blocks(SIGUSR2);
    sched_yield();
    there = there && blocks(SIGUSR2);
  };
  makecontext(&callee, look, 0);
  EXPECT_FALSE(blocks(SIGUSR2));
  ASSERT_EQ(swapcontext(&caller, &callee), 0);
  EXPECT_TRUE(there);
  EXPECT_FALSE(blocks(SIGUSR2));
}

TEST(Setcontext, PutsTheMaskBack) {
  volatile int rounds = 0;
  ASSERT_EQ(getcontext(&caller), 0);
  rounds = rounds + 1;
  EXPECT_FALSE(blocks(SIGUSR2));
  if (rounds == 1) {
    sigset_t set = set_of({SIGUSR2});
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    setcontext(&caller);
  }
  EXPECT_EQ(rounds, 2);
}

}  // namespace
