// exec from a program with threads: what the new program finds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "child.h"
#include "signals.h"
#include "threads.h"

namespace {

using Arguments = std::vector<const char*>;

// What a program says that a child execs, from a thread of its own so that the child has threads when it does.
std::string said_by(Arguments arguments, void (*before)(), char* const* environment) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  arguments.push_back(nullptr);
  pid_t child = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    pthread_t thread = start_thread([&]() -> void* {
      before();
      execve(arguments[0], const_cast<char**>(arguments.data()), environment);
      _exit(127);
    });
    join(thread);
    return 126;
  });
  close(ends[1]);
  std::string said;
  char buffer[256];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) said.append(buffer, size);
  close(ends[0]);
  EXPECT_EQ(end_of(child), 0);
  return said;
}

std::string said_by_shell(
    const char* script, void (*before)() = [] {}, char* const* environment = environ) {
  return said_by({"/bin/sh", "-c", script, "zero", "one two", ""}, before, environment);
}

TEST(Exec, NewProgramGetsItsArguments) { EXPECT_EQ(said_by_shell("printf '%s|' \"$0\" \"$@\""), "zero|one two||"); }

TEST(Exec, NewProgramGetsItsEnvironment) {
  char one[] = "ONE=first", two[] = "TWO=second value", path[] = "PATH=/usr/bin:/bin";
  char* environment[] = {one, two, path, nullptr};
  EXPECT_EQ(said_by_shell(
                "printf '%s|%s' \"$ONE\" \"$TWO\"", [] {}, environment),
            "first|second value");
}

TEST(Exec, NewProgramGetsTheMaskOfTheThreadThatCalled) {
  auto block = [] {
    sigset_t set = set_of({SIGUSR1, SIGTERM});
    pthread_sigmask(SIG_SETMASK, &set, nullptr);
  };
  std::string said = said_by({"/bin/grep", "SigBlk", "/proc/self/status"}, block, environ);
  EXPECT_EQ(said, "SigBlk:\t0000000000004200\n");
}

TEST(Exec, NewProgramFindsHandlersReset) {
  static Handler handler(SIGUSR1, [](int) {});
  std::string said = said_by_shell("grep SigCgt /proc/$$/status");
  ASSERT_EQ(said.substr(0, 8), "SigCgt:\t");
  EXPECT_EQ(std::stoul(said.substr(8), nullptr, 16) >> (SIGUSR1 - 1) & 1, 0u);
}

TEST(Exec, NewProgramGetsTheDescriptorsThatAreNotCloseOnExec) {
  std::string said = said_by_shell("cat <&8; if (: <&9) 2>/dev/null; then echo leaked; fi", [] {
    int kept[2], closed[2];
    if (pipe(kept) != 0 || pipe2(closed, O_CLOEXEC) != 0) abort();
    dup2(kept[0], 8);
    dup3(closed[0], 9, O_CLOEXEC);
    if (write(kept[1], "kept", 4) != 4) abort();
    close(kept[1]);
  });
  EXPECT_EQ(said, "kept");
}

TEST(Exec, NewProgramFindsNoDescriptorThatTheCallerDidNotOpen) {
  std::string expected = said_by_shell("ls /proc/$$/fd | tr '\\n' ' '", [] {
    for (int fd = 3; fd < 1024; ++fd) close(fd);
  });
  EXPECT_EQ(expected.substr(0, 6), "0 1 2 ");
  for (size_t at = 6; at < expected.size(); at = expected.find(' ', at) + 1) {
    EXPECT_LE(std::stoi(expected.substr(at)), 20) << expected;  // the shell's own at most
  }
}

TEST(Exec, NewProgramFindsSocketsBlocking) {
  std::string said = said_by_shell("grep flags /proc/self/fdinfo/50", [] {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) abort();
    // A transfer that waits, so that whoever waits for us has done whatever it does.
    pthread_t writer = start_thread([&] {
      usleep(1000);
      return word(write(pair[1], "x", 1));
    });
    char byte;
    if (read(pair[0], &byte, 1) != 1) abort();
    join(writer);
    dup2(pair[0], 50);
  });
  EXPECT_EQ(said, "flags:\t02\n");
}

TEST(Exec, NewProgramKeepsWhatIsIgnored) {
  static Handler ignored(SIGUSR2, SIG_IGN);
  std::string said = said_by(
      {"/bin/grep", "SigIgn", "/proc/self/status"}, [] {}, environ);
  EXPECT_TRUE(std::stoul(said.substr(8), nullptr, 16) >> (SIGUSR2 - 1) & 1) << said;
}

TEST(Exec, NewProgramKeepsThePendingSignalsOfTheProcess) {
  auto send = [] {
    sigset_t set = set_of({SIGUSR1, SIGUSR2});
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    kill(getpid(), SIGUSR1);
  };
  // Every thread of the child must block it: its main is the one that waits for the caller.
  Blocked blocked({SIGUSR1, SIGUSR2});
  EXPECT_EQ(said_by({"/bin/grep", "ShdPnd", "/proc/self/status"}, send, environ), "ShdPnd:\t0000000000000200\n");
}

TEST(Exec, NewProgramKeepsThePendingSignalsOfTheThreadThatCalled) {
  auto send = [] {
    sigset_t set = set_of({SIGUSR1, SIGUSR2});
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    pthread_kill(pthread_self(), SIGUSR2);
  };
  EXPECT_EQ(said_by({"/bin/grep", "SigPnd", "/proc/self/status"}, send, environ), "SigPnd:\t0000000000000800\n");
}

TEST(Exec, NewProgramHasThePidOfTheProcess) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    join(start_thread([]() -> void* { return word(execl("/bin/sh", "sh", "-c", "echo $$", nullptr)); }));
    return 1;
  });
  close(ends[1]);
  char said[32] = {};
  EXPECT_GT(read(ends[0], said, sizeof said - 1), 0);
  EXPECT_EQ(std::stoi(said), child);
  EXPECT_EQ(end_of(child), 0);
  close(ends[0]);
}

TEST(Exec, NewProgramKeepsTheAlarm) {
  pid_t child = start_child([] {
    join(start_thread([]() -> void* {
      itimerval soon = {{}, {0, 20'000}};
      setitimer(ITIMER_REAL, &soon, nullptr);
      return word(execl("/bin/sleep", "sleep", "1000", nullptr));
    }));
    return 1;
  });
  EXPECT_EQ(end_of(child), -SIGALRM);
}

TEST(Exec, NewProgramFindsTheFlagsThatTheProgramHasSet) {
  std::string said = said_by_shell("grep flags /proc/self/fdinfo/50", [] {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) abort();
    dup2(pair[0], 50);
  });
  EXPECT_EQ(said, "flags:\t04002\n");
}

// Each form of exec, from a thread.
int end_of_exec(std::function<int()> exec) {
  return end_of_child([&] {
    join(start_thread([&]() -> void* {
      exec();
      _exit(errno);
    }));
    return 1;
  });
}

TEST(Exec, EveryFormFindsItsProgram) {
  char shell[] = "sh", option[] = "-c", script[] = "exit ${CODE:-71}", code[] = "CODE=72";
  char *arguments[] = {shell, option, script, nullptr}, *variables[] = {code, nullptr};
  EXPECT_EQ(end_of_exec([&] { return execv("/bin/sh", arguments); }), 71);
  EXPECT_EQ(end_of_exec([&] { return execve("/bin/sh", arguments, variables); }), 72);
  EXPECT_EQ(end_of_exec([&] { return execvp("sh", arguments); }), 71);
  EXPECT_EQ(end_of_exec([&] { return execvpe("sh", arguments, variables); }), 72);
  EXPECT_EQ(end_of_exec([&] { return execl("/bin/sh", shell, option, script, nullptr); }), 71);
  EXPECT_EQ(end_of_exec([&] { return execlp("sh", shell, option, script, nullptr); }), 71);
  EXPECT_EQ(end_of_exec([&] { return execle("/bin/sh", shell, option, script, nullptr, variables); }), 72);
  EXPECT_EQ(end_of_exec([&] { return fexecve(open("/bin/sh", O_RDONLY | O_CLOEXEC), arguments, variables); }), 72);
  EXPECT_EQ(end_of_exec([&] { return execveat(open("/bin", O_PATH), "sh", arguments, variables, 0); }), 72);
}

TEST(Exec, EveryFormTellsItsErrors) {
  char name[] = "x";
  char *arguments[] = {name, nullptr}, *none[] = {nullptr};
  EXPECT_EQ(end_of_exec([&] { return execv("/does/not/exist", arguments); }), ENOENT);
  EXPECT_EQ(end_of_exec([&] { return execve("/", arguments, none); }), EACCES);
  EXPECT_EQ(end_of_exec([&] { return execvp("unblock-no-such-program", arguments); }), ENOENT);
  EXPECT_EQ(end_of_exec([&] { return execvp("", arguments); }), ENOENT);
  EXPECT_EQ(end_of_exec([&] { return execlp("/proc/self/status/x", "x", nullptr); }), ENOTDIR);
  EXPECT_EQ(end_of_exec([&] { return fexecve(-1, arguments, none); }), EINVAL);
  EXPECT_EQ(end_of_exec([&] { return fexecve(999, arguments, none); }), EBADF);
}

TEST(Exec, SearchingFormsRunAScriptWithoutAFirstLine) {
  char path[] = "/tmp/unblock-exec-XXXXXX";
  int file = mkstemp(path);
  ASSERT_GE(file, 0);
  ASSERT_EQ(write(file, "exit 73\n", 8), 8);
  fchmod(file, 0700);
  close(file);
  char name[] = "x";
  char* arguments[] = {name, nullptr};
  EXPECT_EQ(end_of_exec([&] { return execvp(path, arguments); }), 73);
  EXPECT_EQ(end_of_exec([&] { return execv(path, arguments); }), ENOEXEC);
  unlink(path);
}

TEST(Exec, FailureLeavesTheProcessAsItWas) {
  EXPECT_EQ(execl("/does/not/exist", "x", nullptr), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(join(start_thread([] {
              usleep(1000);
              return word(execl("/", "x", nullptr));
            })),
            word(-1));
}

TEST(PosixSpawn, RunsAProgramFromAThread) {
  EXPECT_EQ(join(start_thread([] {
              pid_t child = -1;
              char shell[] = "sh", flag[] = "-c", script[] = "exit 47";
              char* arguments[] = {shell, flag, script, nullptr};
              EXPECT_EQ(posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ), 0);
              return word(end_of(child));
            })),
            word(47));
}

}  // namespace
