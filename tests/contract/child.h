// Child processes for tests: run a piece of work in a fork of this process, and learn how it ended.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <string>

// Forks; the child does `work` and exits with what it returns. Nothing else runs there: no test harness, no exit
// handlers. Returns the child's pid.
template <typename Work>
pid_t start_child(Work work) {
  fflush(nullptr);
  pid_t pid = fork();
  if (pid == -1) {
    perror("fork");
    abort();
  }
  if (pid == 0) _exit(work());
  return pid;
}

// Waits for a child and says how it ended: its exit code, or minus the signal that killed it.
inline int end_of(pid_t pid) {
  int status;
  while (waitpid(pid, &status, 0) == -1) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

template <typename Work>
int end_of_child(Work work) {
  return end_of(start_child(work));
}

// An object in memory that children share.
template <typename T>
class Shared {
 public:
  Shared() : memory_(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) {
      perror("mmap");
      abort();
    }
    new (memory_) T;
  }
  ~Shared() { munmap(memory_, sizeof(T)); }
  Shared(const Shared&) = delete;
  T* operator->() { return static_cast<T*>(memory_); }

 private:
  void* memory_;
};
