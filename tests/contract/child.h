// Child processes for tests: run a function in a fork of this process, and learn how it ended.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

// Forks and runs the function in the child, whose exit code is the function's result. Nothing else runs there: no test
// harness, no atexit handlers.
template <typename Function>
pid_t start_child(Function function) {
  pid_t pid = fork();
  if (pid == 0) _exit(function());
  EXPECT_NE(pid, -1);
  return pid;
}

// The exit code of a child, or minus the signal that ended it.
inline int end_of(pid_t pid) {
  int status = 0;
  pid_t ended;
  do {
    ended = waitpid(pid, &status, 0);
  } while (ended == -1 && errno == EINTR);
  EXPECT_EQ(ended, pid);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

template <typename Function>
int in_child(Function function) {
  return end_of(start_child(function));
}

// An object in memory that children share.
template <typename T>
class Shared {
 public:
  Shared() : memory_(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    EXPECT_NE(memory_, MAP_FAILED);
    new (memory_) T;
  }
  ~Shared() { munmap(memory_, sizeof(T)); }
  Shared(const Shared&) = delete;
  T* operator->() { return static_cast<T*>(memory_); }

 private:
  void* memory_;
};
