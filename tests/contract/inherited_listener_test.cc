// A listener that threads have waited on: however a child or a new program comes by it, it finds it as it was made. A
// flag that somebody set on it meanwhile would be everybody's.
#include <gtest/gtest.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"
#include "child.h"
#include "connection.h"
#include "old_names.h"
#include "threads.h"

namespace {

constexpr int listener_number = 50, result_number = 51;
char shell[] = "sh", option[] = "-c", script[] = "grep flags /proc/self/fdinfo/50 >/proc/self/fd/51";
char* arguments[] = {shell, option, script, nullptr};

// A thread waits for a connection once.
void wait_on_a_listener() {
  Descriptor listening = listener();
  checked(dup2(listening, listener_number), "dup2");
  Background server([] { return Descriptor(accept(listener_number, nullptr, nullptr)) >= 0; });
  Descriptor client = connected_to(listener_number);
  EXPECT_TRUE(server.answer());
}

// Runs something that starts the script; tells what that said.
template <typename Start>
std::string said_by(Start start) {
  Connection result = pipe_connection(O_CLOEXEC);
  checked(dup2(result.far, result_number), "dup2");
  result.far.reset();
  start();
  close(result_number);
  close(listener_number);
  return read_all(result.near);
}

struct Way {
  const char* name;
  void (*start)();
};

void spawn(decltype(&posix_spawn) call, const char* file) {
  pid_t child = -1;
  ASSERT_EQ(call(&child, file, nullptr, nullptr, arguments, environ), 0);
  EXPECT_EQ(end_of(child), 0);
}

// The child looks itself, so that no exec does for it what the fork should have done.
template <typename Fork>
void look_after(Fork fork) {
  pid_t child = fork();
  if (child == 0) {
    Descriptor facts = open("/proc/self/fdinfo/50", O_RDONLY);
    std::string text = read_all(facts);
    size_t line = text.find("flags");
    send_text(result_number, text.substr(line, text.find('\n', line) + 1 - line));
    _exit(0);
  }
  EXPECT_EQ(end_of(child), 0);
}

class Children : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(Every, Children,
                         testing::Values(Way{"fork", [] { look_after(fork); }},
                                         Way{"OldFork", [] { look_after(__fork); }},
                                         Way{"posix_spawn", [] { spawn(posix_spawn, "/bin/sh"); }},
                                         Way{"posix_spawnp", [] { spawn(posix_spawnp, "sh"); }},
                                         Way{"system", [] { EXPECT_EQ(system(script), 0); }},
                                         Way{"popen", [] { EXPECT_EQ(pclose(popen(script, "r")), 0); }}),
                         [](auto& way) { return way.param.name; });

TEST_P(Children, FindAListenerAsItWasMade) {
  wait_on_a_listener();
  EXPECT_EQ(said_by(GetParam().start), "flags:\t02\n");
}

class Exec : public testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(
    Every, Exec,
    testing::Values(Way{"execve", [] { execve("/bin/sh", arguments, environ); }},
                    Way{"execv", [] { execv("/bin/sh", arguments); }}, Way{"execvp", [] { execvp("sh", arguments); }},
                    Way{"execvpe", [] { execvpe("sh", arguments, environ); }},
                    Way{"fexecve", [] { fexecve(open("/bin/sh", O_RDONLY | O_CLOEXEC), arguments, environ); }},
                    Way{"execveat", [] { execveat(AT_FDCWD, "/bin/sh", arguments, environ, 0); }},
                    Way{"execl", [] { execl("/bin/sh", shell, option, script, nullptr); }},
                    Way{"execlp", [] { execlp("sh", shell, option, script, nullptr); }},
                    Way{"execle", [] { execle("/bin/sh", shell, option, script, nullptr, environ); }}),
    [](auto& way) { return way.param.name; });

// The child waits on a listener of its own before it becomes another program.
TEST_P(Exec, FindsAListenerAsItWasMade) {
  auto become = [] {
    pid_t child = start_child([] {
      wait_on_a_listener();
      GetParam().start();
      return 127;
    });
    EXPECT_EQ(end_of(child), 0);
  };
  EXPECT_EQ(said_by(become), "flags:\t02\n");
}

}  // namespace
