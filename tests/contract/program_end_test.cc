// How a program with threads ends: return from main, exit, _exit, quick_exit, abort, pthread_exit, exec.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "child.h"

namespace {

struct End {
  int code;
  std::string said;
  bool operator==(const End&) const = default;
};
void PrintTo(const End& end, std::ostream* stream) { *stream << end.code << ' ' << end.said; }

// Runs programs/endings with this argument. Its output is a pipe, so what it says is buffered until it flushes.
End run(const char* ending) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(ENDINGS_PROGRAM, ENDINGS_PROGRAM, ending, nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, size);
  close(ends[0]);
  return {end_of(child), said};
}

TEST(ProgramEnd, ReturnFromMainEndsTheOtherThreadsAndRunsExitHandlers) {
  EXPECT_EQ(run("main_returns"), (End{48, "atexit\nglobal\n"}));
}

TEST(ProgramEnd, PthreadExitOfMainLetsTheOthersFinish) {
  EXPECT_EQ(run("main_exits"), (End{0, "local\nthread\natexit\nglobal\n"}));
}

TEST(ProgramEnd, LastThreadToLeaveEndsTheProcessWithZero) {
  EXPECT_EQ(run("last_thread_exits"), (End{0, "atexit\nglobal\n"}));
}

TEST(ProgramEnd, ExitOfAThreadRunsExitHandlersAndFlushes) {
  EXPECT_EQ(run("thread_exits"), (End{47, "atexit\nglobal\n"}));
}

TEST(ProgramEnd, QuickExitRunsItsOwnHandlersOnly) { EXPECT_EQ(run("thread_quick_exits"), (End{49, "quick\n"})); }

TEST(ProgramEnd, UnderscoreExitOfAThreadRunsNothing) { EXPECT_EQ(run("thread_leaves_at_once"), (End{50, ""})); }

TEST(ProgramEnd, AbortOfAThreadEndsTheProcessBySigabrt) { EXPECT_EQ(run("thread_aborts"), (End{-SIGABRT, ""})); }

TEST(ProgramEnd, ExitHandlerMayWaitForAThread) {
  EXPECT_EQ(run("exit_handler_joins"), (End{51, "thread\njoined\natexit\nglobal\n"}));
}

TEST(ProgramEnd, ExecOfAThreadReplacesTheWholeProcess) {
  EXPECT_EQ(run("exec_from_thread"), (End{52, "shell one two\n"}));
}

}  // namespace
