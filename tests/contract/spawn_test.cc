// posix_spawn in a program with threads: attributes, file actions, errors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "child.h"
#include "connection.h"
#include "signals.h"
#include "threads.h"

namespace {

// One command under construction.
struct Spawn {
  Spawn() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
  }
  ~Spawn() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }

  int run(const char* program, std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), program);
    arguments.push_back(nullptr);
    return posix_spawnp(&child, program, &actions, &attributes, const_cast<char**>(arguments.data()), environ);
  }

  // What a program says that succeeds.
  std::string said_by(const char* program, std::vector<const char*> arguments) {
    Connection output = pipe_connection(O_CLOEXEC);
    EXPECT_EQ(posix_spawn_file_actions_adddup2(&actions, output.far, STDOUT_FILENO), 0);
    int error = run(program, arguments);
    EXPECT_EQ(error, 0);
    output.far.reset();
    std::string said = read_all(output.near);
    EXPECT_EQ(error == 0 ? end_of(child) : 0, 0);
    return said;
  }
  std::string said_by(const char* script) { return said_by("sh", {"-c", script}); }
  std::string field_of_its_status(const char* name) { return said_by("grep", {name, "/proc/self/status"}); }

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  pid_t child = -1;
};

// Each test runs in main and in another thread.
class SpawnTest : public testing::TestWithParam<bool> {
 protected:
  void here_or_in_a_thread(std::function<void()> work) {
    if (!GetParam()) return work();
    join(start_thread([&] { return work(), nullptr; }));
  }
};
INSTANTIATE_TEST_SUITE_P(PosixSpawn, SpawnTest, testing::Bool(),
                         [](auto& thread) { return thread.param ? "FromAThread" : "FromMain"; });

TEST_P(SpawnTest, GivesThePidOfTheChildAndItsParentIsTheProcess) {
  here_or_in_a_thread([] {
    Spawn spawn;
    std::string said = spawn.said_by("echo $$ $PPID");
    EXPECT_EQ(said, std::to_string(spawn.child) + " " + std::to_string(getpid()) + "\n");
  });
}

TEST_P(SpawnTest, ReturnsTheErrorOfTheExecAndLeavesNoChild) {
  here_or_in_a_thread([] {
    Spawn spawn;
    EXPECT_EQ(spawn.run("/does/not/exist", {}), ENOENT);
    EXPECT_EQ(spawn.run("/", {}), EACCES);
    EXPECT_EQ(spawn.run("unblock-no-such-program", {}), ENOENT);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  });
}

TEST_P(SpawnTest, ChildInheritsTheMaskOfTheCaller) {
  here_or_in_a_thread([] {
    Blocked blocked({SIGUSR1, SIGTERM});
    EXPECT_EQ(Spawn().field_of_its_status("SigBlk"), "SigBlk:\t0000000000004200\n");
  });
}

TEST_P(SpawnTest, MaskOnRequest) {
  here_or_in_a_thread([] {
    Spawn spawn;
    sigset_t set = set_of({SIGUSR2});
    posix_spawnattr_setsigmask(&spawn.attributes, &set);
    posix_spawnattr_setflags(&spawn.attributes, POSIX_SPAWN_SETSIGMASK);
    EXPECT_EQ(spawn.field_of_its_status("SigBlk"), "SigBlk:\t0000000000000800\n");
    EXPECT_FALSE(blocks(SIGUSR2));
  });
}

TEST_P(SpawnTest, IgnoredSignalsStayIgnoredUnlessAskedFor) {
  here_or_in_a_thread([] {
    Handler ignored(SIGUSR1, SIG_IGN), ignored_too(SIGUSR2, SIG_IGN);
    Spawn spawn;
    sigset_t set = set_of({SIGUSR2});
    posix_spawnattr_setsigdefault(&spawn.attributes, &set);
    posix_spawnattr_setflags(&spawn.attributes, POSIX_SPAWN_SETSIGDEF);
    std::string said = spawn.field_of_its_status("SigIgn");
    unsigned long mask = std::stoul(said.substr(8), nullptr, 16);
    EXPECT_TRUE(mask & 1ul << (SIGUSR1 - 1));
    EXPECT_FALSE(mask & 1ul << (SIGUSR2 - 1));
  });
}

TEST_P(SpawnTest, HandledSignalsAreDefaultInTheChild) {
  here_or_in_a_thread([] {
    Handler handler(SIGUSR1, [](int) {});
    Spawn spawn;
    EXPECT_EQ(spawn.run("sh", {"-c", "kill -USR1 $$; exit 3"}), 0);
    EXPECT_EQ(end_of(spawn.child), -SIGUSR1);
  });
}

TEST_P(SpawnTest, GroupAndSessionOnRequest) {
  here_or_in_a_thread([] {
    Spawn group;
    posix_spawnattr_setpgroup(&group.attributes, 0);
    posix_spawnattr_setflags(&group.attributes, POSIX_SPAWN_SETPGROUP);
    std::string said = group.said_by("cut -d' ' -f5 /proc/$$/stat");
    EXPECT_EQ(said, std::to_string(group.child) + "\n");
    Spawn session;
    posix_spawnattr_setflags(&session.attributes, POSIX_SPAWN_SETSID);
    said = session.said_by("cut -d' ' -f6 /proc/$$/stat");
    EXPECT_EQ(said, std::to_string(session.child) + "\n");
  });
}

TEST_P(SpawnTest, PolicyOnRequest) {
  here_or_in_a_thread([] {
    Spawn spawn;
    sched_param lowest = {};
    lowest.sched_priority = sched_get_priority_min(SCHED_FIFO);
    posix_spawnattr_setschedpolicy(&spawn.attributes, SCHED_FIFO);
    posix_spawnattr_setschedparam(&spawn.attributes, &lowest);
    posix_spawnattr_setflags(&spawn.attributes, POSIX_SPAWN_SETSCHEDULER);
    int error = spawn.run("sh", {"-c", "test `cut -d' ' -f41 /proc/$$/stat` = 1"});
    if (error == EPERM) GTEST_SKIP() << "needs CAP_SYS_NICE";
    EXPECT_EQ(error, 0);
    EXPECT_EQ(end_of(spawn.child), 0);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  });
}

TEST_P(SpawnTest, FileActionsAreDoneInTheirOrder) {
  here_or_in_a_thread([] {
    Connection input = pipe_connection(O_CLOEXEC);
    send_text(input.far, "input\n");
    Spawn spawn;
    posix_spawn_file_actions_adddup2(&spawn.actions, input.near, 60);
    posix_spawn_file_actions_addopen(&spawn.actions, 61, "/proc/self/comm", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&spawn.actions, 62, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addclose(&spawn.actions, 62);
    posix_spawn_file_actions_addchdir_np(&spawn.actions, "/proc");
    EXPECT_EQ(spawn.said_by("head -n 1 /proc/self/fd/60; test -e /proc/self/fd/61 && echo opened;"
                            "test -e /proc/self/fd/62 || echo closed; pwd"),
              "input\nopened\nclosed\n/proc\n");
  });
}

TEST_P(SpawnTest, Dup2OntoItselfClearsCloseOnExec) {
  here_or_in_a_thread([] {
    Connection input = pipe_connection(O_CLOEXEC);
    send_text(input.far, "kept\n");
    Spawn spawn;
    posix_spawn_file_actions_adddup2(&spawn.actions, input.near, input.near);
    std::string script = "read line <&" + std::to_string(input.near) + "; echo $line";
    EXPECT_EQ(spawn.said_by(script.c_str()), "kept\n");
    EXPECT_EQ(fcntl(input.near, F_GETFD), FD_CLOEXEC);
  });
}

TEST_P(SpawnTest, CloseFromLeavesTheLowerOnes) {
  here_or_in_a_thread([] {
    Connection input = pipe_connection();
    Spawn spawn;
    posix_spawn_file_actions_adddup2(&spawn.actions, input.near, 50);
    posix_spawn_file_actions_adddup2(&spawn.actions, input.near, 60);
    posix_spawn_file_actions_addclosefrom_np(&spawn.actions, 55);
    EXPECT_EQ(spawn.said_by("test -e /proc/$$/fd/50 && echo kept; test -e /proc/$$/fd/60 || echo closed"),
              "kept\nclosed\n");
  });
}

TEST_P(SpawnTest, FailedFileActionIsItsError) {
  here_or_in_a_thread([] {
    Spawn spawn;
    posix_spawn_file_actions_addopen(&spawn.actions, 6, "/does/not/exist", O_RDONLY, 0);
    EXPECT_EQ(spawn.run("true", {}), ENOENT);
    Spawn closed;
    posix_spawn_file_actions_adddup2(&closed.actions, 999, 6);
    EXPECT_EQ(closed.run("true", {}), EBADF);
  });
}

TEST_P(SpawnTest, SocketsAreAsTheProgramLeftThem) {
  here_or_in_a_thread([] {
    Descriptor listening = listener();
    pthread_t client = start_thread([&] { return word(connected_to(listening).release()); });
    Descriptor server = accept(listening, nullptr, nullptr);  // waits, so that whoever waits for us has set its flags
    Descriptor other = static_cast<int>(reinterpret_cast<long>(join(client)));
    Spawn spawn;
    posix_spawn_file_actions_adddup2(&spawn.actions, listening, 60);
    posix_spawn_file_actions_adddup2(&spawn.actions, server, 61);
    EXPECT_EQ(spawn.said_by("grep -h flags /proc/self/fdinfo/60 /proc/self/fdinfo/61"), "flags:\t02\nflags:\t02\n");
  });
}

TEST(PosixSpawnLoad, ManyThreadsSpawnWhileOthersCompute) {
  std::atomic<bool> stop = false;
  pthread_t busy = start_thread([&] {
    while (!stop) sched_yield();
    return nullptr;
  });
  std::vector<pthread_t> threads;
  for (int i = 0; i < 8; ++i) {
    threads.push_back(start_thread([i] {
      bool right = true;
      for (int j = 0; j < 5; ++j) {
        Spawn spawn;
        std::string script = "exit " + std::to_string(10 * i + j);
        right = right && spawn.run("sh", {"-c", script.c_str()}) == 0 && end_of(spawn.child) == 10 * i + j;
      }
      return word(right);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
  stop = true;
  join(busy);
}

}  // namespace
