// Signals of the process: who gets them, and the ones that the kernel sends.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "child.h"
#include "signals.h"
#include "threads.h"

namespace {

std::atomic<int> handled;
std::atomic<pthread_t> handler_thread;
void note(int) {
  handler_thread = pthread_self();
  ++handled;
}

class ProcessSignal : public testing::Test {
 protected:
  ProcessSignal() { handled = 0, handler_thread = 0; }
};

TEST_F(ProcessSignal, KillOfOneselfIsHandledByTheCallerBeforeItReturns) {
  Handler handler(SIGUSR1, note);
  EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(handler_thread, pthread_self());
}

// Threads that are always running somewhere.
class Busy {
 public:
  explicit Busy(int count) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        while (!done_) sched_yield();
      });
    }
  }
  ~Busy() {
    done_ = true;
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> done_ = false;
  std::vector<std::thread> threads_;
};

TEST_F(ProcessSignal, KillByMainIsHandledBeforeItReturnsWhateverOthersDo) {
  Handler handler(SIGUSR1, note);
  Busy busy(3);
  for (int i = 1; i <= 200; ++i) {
    usleep(10);
    EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
    EXPECT_EQ(handled, i);
    EXPECT_EQ(handler_thread, pthread_self());
  }
}

// The kernel prefers main, but may choose another thread while one signal is on its way to main already.
TEST_F(ProcessSignal, InterruptsMainWhileAnotherThreadComputes) {
  Handler handler(SIGALRM, [](int) { ++handled; });
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Busy busy(3);
  itimerval every{.it_interval = {0, 2'000}, .it_value = {0, 2'000}}, off{};
  ASSERT_EQ(setitimer(ITIMER_REAL, &every, nullptr), 0);
  for (int i = 0; i < 20; ++i) {
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), -1);
    EXPECT_EQ(errno, EINTR);
  }
  EXPECT_EQ(setitimer(ITIMER_REAL, &off, nullptr), 0);
  EXPECT_GE(handled, 20);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(ProcessSignal, RunsInAThreadThatDoesNotBlockIt) {
  Handler handler(SIGUSR1, note);
  std::atomic<bool> ready = false;
  pthread_t willing;
  {
    Blocked blocked({SIGUSR1});
    std::atomic<bool> go = false;
    willing = start_thread([&] {
      sigset_t set = set_of({SIGUSR1});
      pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
      ready = true;
      while (!go) usleep(1000);
      return nullptr;
    });
    EXPECT_TRUE(eventually(ready));
    EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
    EXPECT_TRUE(eventually([] { return handled == 1; }));
    EXPECT_EQ(handler_thread, willing);
    go = true;
    join(willing);
  }
  EXPECT_EQ(handled, 1);
}

// The pattern of a server: the workers block all, and one thread that waits is there for the signals.
TEST_F(ProcessSignal, ReachesAWaitingThreadWhileOthersThatBlockItRun) {
  Handler handler(SIGUSR1, note);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<bool> ready = false;
  Blocked blocked({SIGUSR1});
  pthread_t willing = start_thread([&] {
    sigset_t set = set_of({SIGUSR1});
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    ready = true;
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), -1);
    EXPECT_EQ(errno, EINTR);
    return nullptr;
  });
  EXPECT_TRUE(eventually(ready));
  let_others_run();
  {
    Busy busy(4);
    pid_t parent = getpid();
    EXPECT_EQ(end_of_child([&] { return kill(parent, SIGUSR1); }), 0);
    EXPECT_TRUE(eventually([] { return handled == 1; }));
    join(willing);
  }
  EXPECT_EQ(handler_thread, willing);
  close(ends[0]);
  close(ends[1]);
}

// The child sends again and again, because the first one may come before the read.
TEST_F(ProcessSignal, OfAnotherProcessEndsAWaitOfMain) {
  Handler handler(SIGUSR1, note);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t parent = getpid();
  Shared<std::atomic<bool>> done;
  pid_t child = start_child([&] { return eventually([&] { return kill(parent, SIGUSR1), done->load(); }) ? 0 : 1; });
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), -1);
  EXPECT_EQ(errno, EINTR);
  *done.operator->() = true;
  EXPECT_EQ(end_of(child), 0);
  EXPECT_GE(handled, 1);
  EXPECT_EQ(handler_thread, pthread_self());
  close(ends[0]);
  close(ends[1]);
}

// Without SA_RESTART, so the read ends. The timer repeats, because the first one may come before the read.
TEST_F(ProcessSignal, TimerInterruptsABlockingRead) {
  Handler handler(SIGALRM, note);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  itimerval every{.it_interval = {0, 10'000}, .it_value = {0, 10'000}}, off{};
  ASSERT_EQ(setitimer(ITIMER_REAL, &every, nullptr), 0);
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(setitimer(ITIMER_REAL, &off, nullptr), 0);
  EXPECT_GE(handled, 1);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(ProcessSignal, AlarmInterruptsABlockingRecv) {
  Handler handler(SIGALRM, note);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  EXPECT_EQ(alarm(1), 0u);
  char byte;
  EXPECT_EQ(recv(pair[0], &byte, 1, 0), -1);
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(handled, 1);
  EXPECT_EQ(alarm(0), 0u);
  close(pair[0]);
  close(pair[1]);
}

TEST_F(ProcessSignal, AlarmTellsWhatWasLeftOfTheOneBefore) {
  Handler handler(SIGALRM, note);
  EXPECT_EQ(alarm(1000), 0u);
  unsigned left = alarm(0);
  EXPECT_GE(left, 999u);
  EXPECT_LE(left, 1000u);
}

TEST_F(ProcessSignal, PosixTimerRunsItsHandler) {
  Handler handler(SIGRTMIN + 1, note);
  timer_t timer;
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMIN + 1;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  itimerspec once{.it_interval = {0, 0}, .it_value = milliseconds(5)};
  EXPECT_EQ(timer_settime(timer, 0, &once, nullptr), 0);
  EXPECT_TRUE(eventually([] { return handled == 1; }));
  EXPECT_EQ(timer_delete(timer), 0);
}

TEST_F(ProcessSignal, SigpipeGoesToTheThreadThatWrites) {
  Handler handler(SIGPIPE, note);
  int ends[2], pair[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  close(ends[0]);
  close(pair[1]);
  join(start_thread([&] {
    EXPECT_EQ(write(ends[1], "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(handler_thread, pthread_self());
    EXPECT_EQ(send(pair[0], "x", 1, 0), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_EQ(handled, 2);
    EXPECT_EQ(send(pair[0], "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_EQ(handled, 2);
    return nullptr;
  }));
  close(ends[1]);
  close(pair[0]);
}

TEST_F(ProcessSignal, SegmentationFaultIsHandledInTheFaultingThreadWithItsAddress) {
  static std::atomic<void*> address;
  static thread_local sigjmp_buf back;
  address = nullptr;
  void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  Handler handler(SIGSEGV, [](int, siginfo_t* info, void*) {
    address = info->si_addr;
    handler_thread = pthread_self();
    siglongjmp(back, 1);
  });
  for (int i = 0; i < 3; ++i) {
    join(start_thread([&] {
      if (sigsetjmp(back, 1) == 0) *static_cast<volatile char*>(page) = 1;
      EXPECT_EQ(address, page);
      EXPECT_EQ(handler_thread, pthread_self());
      return nullptr;
    }));
  }
  munmap(page, 4096);
}

TEST_F(ProcessSignal, HandlerMayRepairTheFaultAndReturn) {
  static void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  Handler handler(SIGSEGV, [](int, siginfo_t*, void*) { mprotect(page, 4096, PROT_READ | PROT_WRITE); });
  join(start_thread([] {
    *static_cast<volatile char*>(page) = 47;
    EXPECT_EQ(*static_cast<volatile char*>(page), 47);
    return nullptr;
  }));
  munmap(page, 4096);
}

TEST_F(ProcessSignal, DefaultActionEndsTheProcessWithThatSignal) {
  EXPECT_EQ(end_of_child([] { return raise(SIGTERM); }), -SIGTERM);
  EXPECT_EQ(end_of_child([] {
              pthread_t thread;
              pthread_create(
                  &thread, nullptr, [](void*) -> void* { return word(pthread_kill(pthread_self(), SIGUSR1)); },
                  nullptr);
              pthread_join(thread, nullptr);
              return 1;
            }),
            -SIGUSR1);
}

TEST_F(ProcessSignal, IgnoredOneInterruptsNothing) {
  struct sigaction action {
  }, before;
  action.sa_handler = SIG_IGN;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> coming = false;
  std::thread sleeper([&] {
    coming = true;
    timespec duration = milliseconds(30);
    EXPECT_EQ(nanosleep(&duration, nullptr), 0);
  });
  EXPECT_TRUE(eventually(coming));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(pthread_kill(sleeper.native_handle(), SIGUSR1), 0);
    EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
  }
  sleeper.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST_F(ProcessSignal, SigactionTellsTheHandlerAndFlagsThatWereSet) {
  struct sigaction action {
  }, told, before;
  action.sa_handler = note;
  action.sa_flags = SA_RESTART | SA_NODEFER;
  action.sa_mask = set_of({SIGUSR2});
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  ASSERT_EQ(sigaction(SIGUSR1, nullptr, &told), 0);
  EXPECT_EQ(told.sa_handler, &note);
  EXPECT_EQ(told.sa_flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO | SA_ONSTACK), SA_RESTART | SA_NODEFER);
  EXPECT_EQ(sigismember(&told.sa_mask, SIGUSR2), 1);
  ASSERT_EQ(sigaction(SIGUSR1, &before, &told), 0);
  EXPECT_EQ(told.sa_handler, &note);
  ASSERT_EQ(sigaction(SIGUSR1, nullptr, &told), 0);
  EXPECT_EQ(told.sa_handler, before.sa_handler);
}

TEST_F(ProcessSignal, ResethandHandlerRunsOnce) {
  Handler handler(SIGURG, note, static_cast<int>(SA_RESETHAND));  // ignored by default
  EXPECT_EQ(raise(SIGURG), 0);
  EXPECT_EQ(raise(SIGURG), 0);
  EXPECT_EQ(handled, 1);
}

// On Linux a process answers to the numbers of all its threads.
TEST(NumberOfAThread, MeansItsProcessForKillAndSigqueue) {
  static std::atomic<int> handled;
  handled = 0;
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) { ++handled; };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<pid_t> number = 0;
  std::atomic<bool> go = false;
  std::thread thread([&] {
    number = gettid();
    EXPECT_TRUE(eventually(go));
  });
  EXPECT_TRUE(eventually([&] { return number != 0; }));
  EXPECT_EQ(kill(number, 0), 0);
  EXPECT_EQ(kill(number, SIGUSR1), 0);
  EXPECT_TRUE(eventually([&] { return handled == 1; }));
  EXPECT_EQ(sigqueue(number, 0, {}), 0);
  EXPECT_EQ(sigqueue(number, SIGUSR1, {}), 0);
  EXPECT_TRUE(eventually([&] { return handled == 2; }));
  go = true;
  thread.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

}  // namespace
