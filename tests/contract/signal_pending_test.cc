// Several pending signals at once: none is lost when the mask opens, whichever call opens it; and what makes a pending
// one vanish.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "child.h"
#include "signals.h"
#include "threads.h"

namespace {

constexpr std::array wanted = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, 40};
std::array<std::atomic<int>, 65> runs;
void count(int signal) { ++runs[signal]; }

// Handlers for some signals, all of them blocked.
class Pending : public testing::Test {
 protected:
  Pending() {
    for (int signal : wanted) {
      runs[signal] = 0;
      struct sigaction action {};
      action.sa_handler = count;
      sigaction(signal, &action, &before_[signal]);
      sigaddset(&set_, signal);
    }
    pthread_sigmask(SIG_BLOCK, &set_, &open_);
  }
  ~Pending() {
    pthread_sigmask(SIG_SETMASK, &open_, nullptr);
    for (int signal : wanted) sigaction(signal, &before_[signal], nullptr);
  }
  void expect_all_handled(int times) {
    for (int signal : wanted) EXPECT_EQ(runs[signal], times) << strsignal(signal);
  }
  // Each way of opening the mask, with all of them pending.
  void expect_none_lost(void (*send)(int)) {
    int times = 0;
    for (auto open : std::initializer_list<void (*)(const sigset_t&)>{
             [](const sigset_t& mask) { pthread_sigmask(SIG_SETMASK, &mask, nullptr); },
             [](const sigset_t& mask) { sigsuspend(&mask); },
             [](const sigset_t& mask) {
               timespec moment = {1, 0};
               ppoll(nullptr, 0, &moment, &mask);
             },
         }) {
      for (int signal : wanted) send(signal);
      open(open_);
      pthread_sigmask(SIG_SETMASK, &set_, nullptr);
      expect_all_handled(++times);
    }
  }

  sigset_t set_ = set_of({}), open_;
  std::array<struct sigaction, 65> before_;
};

TEST_F(Pending, NoneOfTheProcessIsLostWhenTheMaskOpens) {
  expect_none_lost([](int signal) { kill(getpid(), signal); });
}

TEST_F(Pending, NoneOfTheThreadIsLostWhenTheMaskOpens) {
  expect_none_lost([](int signal) { pthread_kill(pthread_self(), signal); });
}

TEST_F(Pending, NoneIsLostThatCameTogetherToAThreadThatRuns) {
  pthread_sigmask(SIG_SETMASK, &open_, nullptr);
  for (int round = 1; round <= 20; ++round) {
    pid_t self = getpid();
    pid_t child = start_child([&] {
      for (int signal : wanted) kill(self, signal);
      return 0;
    });
    auto all_came = [&] {
      for (int signal : wanted) {
        if (runs[signal] < round) return false;
      }
      return true;
    };
    EXPECT_TRUE(eventually(all_came));
    EXPECT_EQ(end_of(child), 0);
    expect_all_handled(round);
  }
}

TEST_F(Pending, OneThatIsIgnoredFromThenOnVanishes) {
  for (int target : {0, 1}) {
    target ? raise(SIGUSR1) : kill(getpid(), SIGUSR1);
    EXPECT_TRUE(is_pending(SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    EXPECT_FALSE(is_pending(SIGUSR1));
    signal(SIGUSR1, count);
    pthread_sigmask(SIG_SETMASK, &open_, nullptr);
    EXPECT_EQ(runs[SIGUSR1], 0);
    pthread_sigmask(SIG_SETMASK, &set_, nullptr);
  }
}

TEST_F(Pending, StopAndContinueTakeEachOtherBack) {
  Blocked blocked({SIGTSTP, SIGCONT});
  raise(SIGTSTP);
  EXPECT_TRUE(is_pending(SIGTSTP));
  raise(SIGCONT);
  EXPECT_FALSE(is_pending(SIGTSTP));
  EXPECT_TRUE(is_pending(SIGCONT));
  raise(SIGTSTP);
  EXPECT_FALSE(is_pending(SIGCONT));
  signal(SIGTSTP, SIG_IGN);
  signal(SIGTSTP, SIG_DFL);
}

TEST_F(Pending, WhatComesWithOneIsWhatItsSenderSaid) {
  siginfo_t said{}, found{};
  said.si_code = SI_QUEUE;
  said.si_pid = 4711;
  said.si_uid = 12;
  said.si_value.sival_int = 8;
  EXPECT_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGUSR1, &said), 0);
  EXPECT_EQ(sigwaitinfo(&set_, &found), SIGUSR1);
  EXPECT_EQ(found.si_code, SI_QUEUE);
  EXPECT_EQ(found.si_pid, 4711);
  EXPECT_EQ(found.si_uid, 12u);
  EXPECT_EQ(found.si_value.sival_int, 8);
}

TEST(Sigaction, ReadsBackWhatTheKernelKeeps) {
  Handler handler(SIGUSR1, count);
  struct sigaction action {
  }, found;
  action.sa_handler = count;
  action.sa_flags = SA_RESTART | 0x400 | 0x10000000;  // the last two mean nothing
  action.sa_mask = set_of({SIGUSR2, SIGKILL, SIGSTOP});
  EXPECT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  EXPECT_EQ(sigaction(SIGUSR1, nullptr, &found), 0);
  EXPECT_EQ(found.sa_flags & ~0x04000000, SA_RESTART);  // libc's own bit
  EXPECT_TRUE(sigismember(&found.sa_mask, SIGUSR2));
  EXPECT_FALSE(sigismember(&found.sa_mask, SIGKILL));
  EXPECT_FALSE(sigismember(&found.sa_mask, SIGSTOP));
}

}  // namespace
