// vfork, _Fork, forkpty and daemon in a program with threads.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "attempt.h"
#include "child.h"
#include "connection.h"
#include "old_names.h"
#include "signals.h"
#include "threads.h"

namespace {

// The child may do nothing but end or exec.
int end_of_vfork(int code, bool by_old_name = false) {
  pid_t child = by_old_name ? __vfork() : vfork();
  if (child == 0) _exit(code);
  return child > 0 ? end_of(child) : -1;
}

int end_of_vfork_and_exec(const char* script) {
  pid_t child = vfork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", script, nullptr);
    _exit(127);
  }
  return child > 0 ? end_of(child) : -1;
}

TEST(Vfork, ChildEndsOrExecs) {
  EXPECT_EQ(end_of_vfork(41), 41);
  EXPECT_EQ(end_of_vfork_and_exec("exit 42"), 42);
  EXPECT_EQ(end_of_vfork(45, true), 45);
}

// The descriptors of the child are its own, though it has its parent's memory.
void expect_closing_disturbs_nobody(int (*end_of_child_that_closes)(int)) {
  Connection ends = pipe_connection();
  Background reader([&] { return read_text(ends.near); });
  let_others_run();
  EXPECT_EQ(end_of_child_that_closes(ends.near), 0);
  send_text(ends.far, "still there");
  EXPECT_EQ(reader.answer(), "still there");
}

TEST(Vfork, ChildThatClosesDisturbsNobodyWhoWaits) {
  expect_closing_disturbs_nobody([](int fd) {
    pid_t child = vfork();
    if (child == 0) _exit(close(fd));
    return end_of(child);
  });
  expect_closing_disturbs_nobody([](int fd) {
    pid_t child = __vfork();
    if (child == 0) _exit(close(fd));
    return end_of(child);
  });
}

TEST(Vfork, OfAThreadWorksAsOfMain) {
  EXPECT_EQ(join(start_thread([] { return word(end_of_vfork(43)); })), word(43));
  EXPECT_EQ(join(start_thread([] { return word(end_of_vfork_and_exec("exit 44")); })), word(44));
}

TEST(Vfork, ChildInheritsTheMask) {
  Blocked blocked({SIGUSR1});
  EXPECT_EQ(end_of_vfork_and_exec("test \"$(grep SigBlk /proc/self/status | cut -f2)\" = 0000000000000200"), 0);
}

TEST(Vfork, WorksAgainAndAgainFromManyThreads) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 6; ++i) {
    threads.push_back(start_thread([i] {
      bool right = true;
      for (int j = 0; j < 10; ++j) right = right && end_of_vfork(10 * i + j) == 10 * i + j;
      return word(right);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

// What a child must be able to do: threads, waits, and a pid that is its thread's.
int work_of_a_child() {
  if (gettid() != getpid()) return 1;
  Connection pair = pipe_connection();
  pthread_t writer = start_thread([&] { return usleep(1000), send_text(pair.far, "x"), nullptr; });
  if (read_text(pair.near) != "x") return 2;
  join(writer);
  return 45;
}

bool handler_ran;

int end_of_underscore_fork() {
  pid_t child = _Fork();
  if (child == 0) _exit(handler_ran ? 3 : work_of_a_child());
  return child > 0 ? end_of(child) : -1;
}

TEST(UnderscoreFork, ChildIsAWholeProcessAndNoHandlersOfTheProgramRun) {
  ASSERT_EQ(pthread_atfork([] { handler_ran = true; }, nullptr, nullptr), 0);
  handler_ran = false;
  EXPECT_EQ(end_of_underscore_fork(), 45);
  EXPECT_EQ(join(start_thread([] { return word(end_of_underscore_fork()); })), word(45));
  EXPECT_FALSE(handler_ran);
}

int end_of_forkpty() {
  int terminal = -1;
  pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    if (!isatty(STDIN_FILENO) || getsid(0) != getpid()) _exit(4);
    if (write(STDOUT_FILENO, "tty", 3) != 3) _exit(5);
    _exit(work_of_a_child());
  }
  Descriptor closed = terminal;
  EXPECT_EQ(read_text(terminal), "tty");
  return child > 0 ? end_of(child) : -1;
}

TEST(Forkpty, ChildIsAWholeProcessOnATerminal) {
  EXPECT_EQ(end_of_forkpty(), 45);
  EXPECT_EQ(join(start_thread([] { return word(end_of_forkpty()); })), word(45));
}

// daemon(3) forks and ends the parent: so it is called in a child, and what it became says over a pipe what it is.
std::string daemon_says(int no_chdir, int no_close, bool in_a_thread) {
  Connection output = pipe_connection(O_CLOEXEC);
  pid_t child = start_child([&] {
    auto become = [&]() -> void* {
      if (daemon(no_chdir, no_close) != 0) _exit(99);
      char directory[4096], said[256], target[64] = "";
      getcwd(directory, sizeof directory);
      ssize_t size = readlink("/proc/self/fd/1", target, sizeof target - 1);
      target[size > 0 ? size : 0] = 0;
      // A thread and a wait, which the child of a fork can do again.
      long sum = reinterpret_cast<long>(join(start_thread([] { return usleep(1000), word(20); })));
      int length =
          snprintf(said, sizeof said, "session %d parent %d root %d null %d thread %ld", getsid(0) == getpgrp(),
                   getppid() != getpid(), directory[1] == 0, std::string(target) == "/dev/null", sum);
      if (write(output.far, said, length) != length) _exit(1);
      _exit(0);
    };
    if (in_a_thread) join(start_thread(become));
    become();
    return 98;
  });
  output.far.reset();
  EXPECT_EQ(end_of(child), 0);
  return read_all(output.near);
}

TEST(Daemon, HasASessionOfItsOwnAndGoesToTheRoot) {
  EXPECT_EQ(daemon_says(0, 0, false), "session 1 parent 1 root 1 null 1 thread 20");
  EXPECT_EQ(daemon_says(0, 0, true), "session 1 parent 1 root 1 null 1 thread 20");
}

TEST(Daemon, KeepsDirectoryAndStreamsOnRequest) {
  EXPECT_EQ(daemon_says(1, 1, false).substr(0, 25), "session 1 parent 1 root 0");
  EXPECT_EQ(daemon_says(1, 1, true).substr(0, 25), "session 1 parent 1 root 0");
}

}  // namespace
