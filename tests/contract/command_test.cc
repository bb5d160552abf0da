// system, popen and pclose in a program with threads: what their manual pages promise.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "child.h"
#include "connection.h"
#include "signals.h"
#include "threads.h"

namespace {

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : -1; }
int ending_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : -1; }

std::string rest_of(FILE* stream) {
  std::string text;
  for (int c; (c = getc(stream)) != EOF;) text.push_back(static_cast<char>(c));
  return text;
}

bool ignores(int signal) {
  struct sigaction action;
  EXPECT_EQ(sigaction(signal, nullptr, &action), 0);
  return action.sa_handler == SIG_IGN;
}

TEST(System, OfNothingSaysThatThereIsAShell) { EXPECT_NE(system(nullptr), 0); }

TEST(System, TellsHowTheCommandEnded) {
  EXPECT_EQ(exit_code(system("exit 0")), 0);
  EXPECT_EQ(exit_code(system("exit 47")), 47);
  EXPECT_EQ(ending_signal(system("kill -9 $$")), SIGKILL);
  EXPECT_EQ(exit_code(system("/does/not/exist 2>/dev/null")), 127);
}

TEST(System, WorksFromManyThreadsAtOnce) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(start_thread([i] {
      bool right = true;
      for (int j = 0; j < 3; ++j)
        right = right && exit_code(system(("exit " + std::to_string(10 * j + i)).c_str())) == 10 * j + i;
      return word(right);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(System, CommandHasTheMaskAndTheActionsOfItsCaller) {
  EXPECT_EQ(join(start_thread([] {
              Blocked blocked({SIGUSR1, SIGTERM});
              return word(system("test \"$(grep SigBlk /proc/self/status | cut -f2)\" = 0000000000004200"));
            })),
            word(0));
  EXPECT_EQ(ending_signal(system("kill -INT $$")), SIGINT);  // system ignores it, the command does not
}

TEST(System, InterruptsAreIgnoredWhileTheCommandRunsAndActionsReturnAfterwards) {
  Handler handler(SIGINT, [](int) { FAIL() << "the handler ran"; });
  Connection ready = pipe_connection(), gate = pipe_connection();
  pthread_t caller = start_thread([&] {
    std::string command = "echo >&" + std::to_string(ready.far) + "; read line <&" + std::to_string(gate.near);
    return word(system(command.c_str()));
  });
  EXPECT_EQ(read_text(ready.near), "\n");
  EXPECT_TRUE(ignores(SIGINT));
  EXPECT_TRUE(ignores(SIGQUIT));
  EXPECT_EQ(kill(getpid(), SIGINT), 0);
  send_text(gate.far, "go\n");
  EXPECT_EQ(join(caller), word(0));
  EXPECT_FALSE(ignores(SIGINT));
  EXPECT_FALSE(ignores(SIGQUIT));
}

TEST(System, LeavesOtherChildrenToThoseWhoWaitForThem) {
  pid_t child = start_child([] { return 21; });
  EXPECT_EQ(exit_code(system("exit 5")), 5);
  EXPECT_EQ(end_of(child), 21);
}

TEST(System, ChildSignalIsPendingForTheCallerOnlyWhileItIsBlocked) {
  static std::atomic<int> handled;
  handled = 0;
  Handler handler(SIGCHLD, [](int) { ++handled; });
  EXPECT_EQ(system("exit 0"), 0);
  EXPECT_FALSE(blocks(SIGCHLD));
}

TEST(System, CancellationEndsTheCommandAndLeavesNoChild) {
  Connection ready = pipe_connection();
  pthread_t caller = start_thread([&] {
    std::string command = "echo $$ >&" + std::to_string(ready.far) + "; exec sleep 1000";
    return word(system(command.c_str()));
  });
  pid_t shell = std::stoi(read_text(ready.near));
  EXPECT_EQ(pthread_cancel(caller), 0);
  EXPECT_EQ(join(caller), PTHREAD_CANCELED);
  EXPECT_EQ(kill(shell, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  EXPECT_FALSE(ignores(SIGINT));
}

TEST(Popen, ReadsWhatTheCommandSays) {
  FILE* stream = popen("echo one; echo two", "r");
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(rest_of(stream), "one\ntwo\n");
  EXPECT_EQ(pclose(stream), 0);
}

TEST(Popen, FeedsTheCommandAndPcloseWaitsForIt) {
  Connection answer = pipe_connection();
  FILE* stream = popen(("read line; echo \"got $line\" >&" + std::to_string(answer.far)).c_str(), "w");
  ASSERT_NE(stream, nullptr);
  EXPECT_GT(fputs("something\n", stream), 0);
  EXPECT_EQ(pclose(stream), 0);
  EXPECT_EQ(read_text(answer.near), "got something\n");
}

TEST(Popen, PcloseTellsHowTheCommandEnded) {
  EXPECT_EQ(exit_code(pclose(popen("exit 48", "r"))), 48);
  EXPECT_EQ(ending_signal(pclose(popen("kill -TERM $$", "r"))), SIGTERM);
  EXPECT_EQ(exit_code(pclose(popen("/does/not/exist 2>/dev/null", "r"))), 127);
}

TEST(Popen, PcloseFailsWhenTheStatusIsGone) {
  FILE* stream = popen("exit 0", "r");
  ASSERT_NE(stream, nullptr);
  EXPECT_GT(wait(nullptr), 0);
  EXPECT_EQ(pclose(stream), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Popen, RefusesAModeThatIsNone) {
  errno = 0;
  EXPECT_EQ(popen("exit 0", "x"), nullptr);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Popen, DescriptorIsCloseOnExecOnRequest) {
  FILE* kept = popen("exit 0", "r");
  FILE* closed = popen("exit 0", "re");
  EXPECT_EQ(fcntl(fileno(kept), F_GETFD), 0);
  EXPECT_EQ(fcntl(fileno(closed), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(fileno(kept), F_GETFL) & O_NONBLOCK, 0);
  pclose(kept);
  pclose(closed);
}

TEST(Popen, EarlierStreamsAreClosedInTheNextCommand) {
  // Were the first command's input open in the second, it would not see the end of it.
  FILE* first = popen("cat >/dev/null; exit 3", "w");
  Connection gate = pipe_connection(O_CLOEXEC);
  FILE* second = popen("cat", "w");
  EXPECT_EQ(exit_code(pclose(first)), 3);
  EXPECT_EQ(pclose(second), 0);
}

TEST(Popen, CommandsOfManyThreadsDoNotMix) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(start_thread([i] {
      std::string number = std::to_string(i);
      FILE* stream = popen(("echo " + number + "; read never <&-; echo " + number + number).c_str(), "r");
      bool right = rest_of(stream) == number + "\n" + number + number + "\n";
      return word(right && pclose(stream) == 0);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(Popen, ThreadThatReadsFromACommandLetsOthersFeedIt) {
  Connection gate = pipe_connection();
  FILE* stream = popen(("read line <&" + std::to_string(gate.near) + "; echo $line").c_str(), "r");
  pthread_t reader = start_thread([&] { return word(rest_of(stream) == "fed\n"); });
  let_others_run();
  send_text(gate.far, "fed\n");
  EXPECT_EQ(join(reader), word(1));
  EXPECT_EQ(pclose(stream), 0);
}

}  // namespace
