// Signal handlers and masks for tests, put back with their scope.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <initializer_list>

inline sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  return set;
}

// A handler of the process for a while.
class Handler {
 public:
  Handler(int signal, void (*function)(int), int flags = 0) : signal_(signal) {
    struct sigaction action {};
    action.sa_handler = function;
    action.sa_flags = flags;
    EXPECT_EQ(sigaction(signal_, &action, &before_), 0);
  }
  Handler(int signal, void (*function)(int, siginfo_t*, void*), int flags = 0) : signal_(signal) {
    struct sigaction action {};
    action.sa_sigaction = function;
    action.sa_flags = flags | SA_SIGINFO;
    EXPECT_EQ(sigaction(signal_, &action, &before_), 0);
  }
  ~Handler() { EXPECT_EQ(sigaction(signal_, &before_, nullptr), 0); }
  Handler(const Handler&) = delete;

 private:
  int signal_;
  struct sigaction before_;
};

// Signals that the calling thread blocks for a while.
class Blocked {
 public:
  explicit Blocked(std::initializer_list<int> signals) {
    sigset_t set = set_of(signals);
    EXPECT_EQ(pthread_sigmask(SIG_BLOCK, &set, &before_), 0);
  }
  ~Blocked() { EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &before_, nullptr), 0); }
  Blocked(const Blocked&) = delete;

 private:
  sigset_t before_;
};

inline bool blocks(int signal) {
  sigset_t mask;
  EXPECT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &mask), 0);
  return sigismember(&mask, signal) == 1;
}

inline bool is_pending(int signal) {
  sigset_t pending;
  EXPECT_EQ(sigpending(&pending), 0);
  return sigismember(&pending, signal) == 1;
}
