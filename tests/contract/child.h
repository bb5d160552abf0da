#pragma once
// A child process that runs one piece of work and ends with its result.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

// Forks; the child does `work` and exits with what it returns. Returns the child's pid.
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
