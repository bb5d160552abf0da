// What other processes see of a descriptor that they share with us: after fork, across exec, and what they change.
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>

#include "attempt.h"
#include "child.h"
#include "connection.h"

namespace {

// The flags of `fd` as a program started by exec finds them: what /proc says of its descriptor of that number.
int flags_across_exec(int fd) {
  Connection output = connection(Kind::pipe);
  std::string path = "/proc/self/fdinfo/" + std::to_string(fd);
  pid_t pid = start_child([&] {
    dup2(output.far, STDOUT_FILENO);
    execl("/bin/cat", "cat", path.c_str(), nullptr);
    return 127;
  });
  output.far.reset();
  std::string told = read_all(output.near);
  EXPECT_EQ(end_of(pid), 0);
  size_t at = told.find("flags:");
  return at == std::string::npos ? -1 : strtol(told.c_str() + at + 6, nullptr, 8) & (O_NONBLOCK | O_ACCMODE);
}

bool one_accept(int listening) {
  Background server([&] { return read_text(Descriptor(accept(listening, nullptr, nullptr))) == "in"; });
  send_text(connected_to(listening), "in");
  return server.answer();
}

TEST(SharedListener, StillBlocksInAForkedChild) {
  for (int family : {AF_INET, AF_UNIX}) {
    Descriptor listening = listener(family);
    ASSERT_TRUE(one_accept(listening));
    pid_t pid = start_child([&] {
      if (fcntl(listening, F_GETFL) != O_RDWR) return 1;
      return read_text(Descriptor(accept(listening, nullptr, nullptr))) == "to the child" ? 0 : 2;
    });
    send_text(connected_to(listening), "to the child");
    EXPECT_EQ(end_of(pid), 0);
    EXPECT_TRUE(one_accept(listening));
  }
}

TEST(SharedListener, StillBlocksAcrossExec) {
  for (int family : {AF_INET, AF_UNIX}) {
    Descriptor listening = listener(family);
    ASSERT_TRUE(one_accept(listening));
    EXPECT_EQ(flags_across_exec(listening), O_RDWR);
    EXPECT_EQ(fcntl(listening, F_GETFL), O_RDWR);
    EXPECT_TRUE(one_accept(listening));
  }
}

TEST(SharedListener, StillBlocksInASpawnedProgram) {
  Descriptor listening = listener();
  ASSERT_TRUE(one_accept(listening));
  Connection output = connection(Kind::pipe);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output.far, STDOUT_FILENO);
  std::string path = "/proc/self/fdinfo/" + std::to_string(listening);
  char* const arguments[] = {const_cast<char*>("cat"), path.data(), nullptr};
  pid_t pid;
  ASSERT_EQ(posix_spawn(&pid, "/bin/cat", &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  output.far.reset();
  std::string told = read_all(output.near);
  EXPECT_EQ(end_of(pid), 0);
  size_t at = told.find("flags:");
  ASSERT_NE(at, std::string::npos) << told;
  EXPECT_EQ(strtol(told.c_str() + at + 6, nullptr, 8) & O_NONBLOCK, 0);
  EXPECT_TRUE(one_accept(listening));
}

TEST(SharedListener, NonBlockingAskedForGoesAcrossExec) {
  Descriptor listening = listener();
  ASSERT_TRUE(one_accept(listening));
  int on = 1;
  ASSERT_EQ(ioctl(listening, FIONBIO, &on), 0);
  EXPECT_EQ(flags_across_exec(listening), O_RDWR | O_NONBLOCK);
}

TEST(SharedSocket, IsBlockingAcrossExecThoughAThreadWaitsOnIt) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair, Kind::pipe}) {
    Connection ends = connection(kind);
    Background reader([&] { return read_text(ends.near); });
    EXPECT_EQ(flags_across_exec(ends.near) & O_NONBLOCK, 0);
    send_text(ends.far, "x");
    EXPECT_EQ(reader.answer(), "x");
    EXPECT_EQ(flags_across_exec(ends.near) & O_NONBLOCK, 0);
  }
}

TEST(SharedSocket, ConnectedOneIsBlockingAcrossExec) {
  Descriptor listening = listener();
  Descriptor near = connected_to(listening);
  EXPECT_EQ(flags_across_exec(near), O_RDWR);
}

TEST(SharedSocket, FlagSetByAChildIsSeen) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair, Kind::pipe}) {
    Connection ends = connection(kind);
    EXPECT_EQ(end_of_child([&] {
                int on = 1;
                return ioctl(ends.near, FIONBIO, &on);
              }),
              0);
    EXPECT_TRUE(fcntl(ends.near, F_GETFL) & O_NONBLOCK);
    char byte;
    EXPECT_EQ(attempt(read, ends.near, &byte, 1), failed(EAGAIN));
  }
}

TEST(SharedSocket, FlagClearedByAChildIsSeen) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair, Kind::pipe}) {
    Connection ends = connection(kind);
    int on = 1;
    ASSERT_EQ(ioctl(ends.near, FIONBIO, &on), 0);
    EXPECT_EQ(end_of_child([&] {
                int off = 0;
                return ioctl(ends.near, FIONBIO, &off);
              }),
              0);
    EXPECT_FALSE(fcntl(ends.near, F_GETFL) & O_NONBLOCK);
    Background reader([&] { return read_text(ends.near); });
    send_text(ends.far, "waited for");
    EXPECT_EQ(reader.answer(), "waited for");
  }
}

TEST(SharedSocket, FlagSetAfterTheForkIsSeenByTheChild) {
  Connection ends = connection(Kind::tcp), go = connection(Kind::pipe);
  pid_t pid = start_child([&] {
    read_text(go.near);
    char byte;
    if (!(fcntl(ends.near, F_GETFL) & O_NONBLOCK)) return 1;
    return attempt(read, ends.near, &byte, 1) == failed(EAGAIN) ? 0 : 2;
  });
  int on = 1;
  ASSERT_EQ(ioctl(ends.near, FIONBIO, &on), 0);
  send_text(go.far, "go");
  EXPECT_EQ(end_of(pid), 0);
}

TEST(SharedSocket, FlagOfAListenerSetByAChildIsSeen) {
  Descriptor listening = listener();
  ASSERT_TRUE(one_accept(listening));
  EXPECT_EQ(end_of_child([&] {
              int on = 1;
              return ioctl(listening, FIONBIO, &on);
            }),
            0);
  EXPECT_EQ(fcntl(listening, F_GETFL), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(attempt(accept, listening, nullptr, nullptr), failed(EAGAIN));
}

TEST(ForkedChild, WaitsOnWhatItInherits) {
  for (Kind kind : {Kind::tcp, Kind::tcp6, Kind::unix_pair, Kind::seqpacket, Kind::pipe}) {
    Connection ends = connection(kind);
    pid_t pid = start_child([&] { return read_text(ends.near) == "inherited" ? 0 : 1; });
    send_text(ends.far, "inherited");
    EXPECT_EQ(end_of(pid), 0);
  }
}

TEST(ForkedChild, TakesNothingFromTheParentsWaits) {
  Connection parents = connection(Kind::tcp);
  Background reader([&] { return read_text(parents.near); });
  EXPECT_EQ(end_of_child([&] {
              parents.near.reset();
              parents.far.reset();
              Connection own = connection(Kind::tcp);
              send_text(own.far, "own");
              return read_text(own.near) == "own" ? 0 : 1;
            }),
            0);
  send_text(parents.far, "parents");
  EXPECT_EQ(reader.answer(), "parents");
}

TEST(ForkedChild, PollsAndAcceptsWithThreadsOfItsOwn) {
  Descriptor listening = listener();
  pid_t pid = start_child([&] {
    Background server([&] {
      Descriptor served = accept(listening, nullptr, nullptr);
      pollfd readable = {served, POLLIN, 0};
      return poll(&readable, 1, -1) == 1 && read_text(served) == "hello";
    });
    return server.answer() ? 0 : 1;
  });
  send_text(connected_to(listening), "hello");
  EXPECT_EQ(end_of(pid), 0);
}

TEST(ForkedChild, EndsTheStreamWhenItEnds) {
  Connection ends = connection(Kind::pipe);
  pid_t pid = start_child([&] {
    send_text(ends.far, "from the child");
    return 0;
  });
  ends.far.reset();
  EXPECT_EQ(read_all(ends.near), "from the child");
  EXPECT_EQ(end_of(pid), 0);
}

TEST(StandardInput, InheritedPipeIsReadByAProgram) {
  Connection input = connection(Kind::pipe), output = connection(Kind::pipe);
  pid_t pid = start_child([&] {
    dup2(input.near, STDIN_FILENO);
    dup2(output.far, STDOUT_FILENO);
    input.far.reset();
    execl("/bin/cat", "cat", nullptr);
    return 127;
  });
  output.far.reset();
  send_text(input.far, "through cat");
  EXPECT_EQ(read_text(output.near), "through cat");
  input.far.reset();
  EXPECT_EQ(read_text(output.near), "");
  EXPECT_EQ(end_of(pid), 0);
}

}  // namespace
