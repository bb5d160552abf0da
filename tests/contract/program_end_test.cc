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

// Runs a program with this argument. Its output is a pipe, so what it says is buffered until it flushes.
End run(const char* ending, const char* program = ENDINGS_PROGRAM) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(program, program, ending, nullptr);
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

TEST(ProgramEnd, ExitDestroysTheThreadDataOfItsCallerAndOfNobodyElse) {
  EXPECT_EQ(run("exit_destroys_only_the_callers_thread_data"), (End{53, "thread_local\natexit\nglobal\n"}));
}

TEST(ProgramEnd, ExitHandlerMayStartThreads) {
  EXPECT_EQ(run("exit_handler_starts_threads"), (End{54, "joined\njoined\njoined\natexit\nglobal\n"}));
}

TEST(ProgramEnd, ExitHandlersRunLastRegisteredFirstAndMayRegisterMore) {
  EXPECT_EQ(run("exit_handlers_run_last_registered_first"),
            (End{55, "first\nsecond\nlate\non_exit 55\natexit\nglobal\n"}));
}

TEST(ProgramEnd, ExitOfAnExitHandlerChangesTheCode) {
  EXPECT_EQ(run("exit_handler_exits"), (End{56, "atexit\nglobal\n"}));
}

TEST(ProgramEnd, UnderscoreExitOfAnExitHandlerEndsIt) { EXPECT_EQ(run("exit_handler_leaves_at_once"), (End{57, ""})); }

TEST(ProgramEnd, ExitOfAThreadWhileMainJoinsIt) {
  EXPECT_EQ(run("thread_exits_while_main_joins"), (End{58, "atexit\nglobal\n"}));
}

TEST(ProgramEnd, ExitOfAThreadAfterMainHasLeft) {
  EXPECT_EQ(run("thread_exits_after_main_has"), (End{59, "atexit\nglobal\n"}));
}

TEST(ProgramEnd, MainMayBeCancelledAndJoined) {
  EXPECT_EQ(run("main_is_cancelled"), (End{0, "cancelled\natexit\nglobal\n"}));
}

// Main's thread_local objects are destroyed only if the process ends with it.
TEST(ProgramEnd, PthreadExitOfMainCleansUpAndDetachedThreadsFinish) {
  EXPECT_EQ(run("main_exits_with_cleanup"), (End{0, "cleanup\nkey\ndetached\natexit\nglobal\n"}));
}

TEST(ProgramEnd, CleanupHandlersOfAMainInCRunWhenItExitsOrIsCancelled) {
  EXPECT_EQ(run("exit", CLEANUP_PROGRAM), (End{0, "inner\nouter\nresult\n"}));
  EXPECT_EQ(run("cancel", CLEANUP_PROGRAM), (End{0, "inner\nouter\ncancelled\n"}));
}

TEST(ProgramEnd, AbortEndsTheProcessAfterItsHandler) {
  EXPECT_EQ(run("abort_after_a_handler"), (End{-SIGABRT, "handler\n"}));
}

TEST(ProgramEnd, AbortEndsTheProcessAlthoughItsSignalIsBlockedAndIgnored) {
  EXPECT_EQ(run("abort_although_blocked_and_ignored"), (End{-SIGABRT, ""}));
}

TEST(ProgramEnd, FaultOfAThreadEndsTheProcess) { EXPECT_EQ(run("thread_faults"), (End{-SIGSEGV, ""})); }

TEST(ProgramEnd, FatalSignalOfAThreadEndsTheProcess) { EXPECT_EQ(run("thread_is_killed"), (End{-SIGTERM, ""})); }

TEST(ProgramEnd, UnderscoreExitOfAHandler) { EXPECT_EQ(run("handler_leaves"), (End{60, ""})); }

TEST(ProgramEnd, QuickExitHandlersRunLastRegisteredFirst) {
  EXPECT_EQ(run("quick_exit_handlers_run_last_registered_first"), (End{61, "first\nsecond\n"}));
}

TEST(ProgramEnd, ExceptionThatNobodyCatchesEndsTheProcess) {
  EXPECT_EQ(run("terminate_of_a_thread"), (End{-SIGABRT, ""}));
}

TEST(ProgramEnd, ExecOfAThreadReplacesTheWholeProcess) {
  EXPECT_EQ(run("exec_from_thread"), (End{52, "shell one two\n"}));
}

}  // namespace
