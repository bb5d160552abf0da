// What _FORTIFY_SOURCE makes of the calls: the checked twins wait as the plain ones do, and an overflow ends the
// program. Sizes come through a volatile, so that the compiler must leave the check to libc.
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 2
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

#include <functional>

#include "attempt.h"
#include "child.h"
#include "connection.h"

namespace {

char buffer[16];
pollfd polled[2];
volatile size_t unknown_size;

size_t of(size_t size) {
  unknown_size = size;
  return unknown_size;
}

class Fortified : public testing::Test {
 protected:
  // The answer of a call that waits until "hello" comes.
  Outcome waited(Connection& ends, std::function<long()> call) {
    Event sent;
    Background reader([&] {
      Outcome outcome = attempt(call);
      EXPECT_TRUE(sent.happened());
      return outcome;
    });
    sent.happen();
    send_text(ends.far, "hello");
    return reader.answer();
  }
  Connection tcp = connection(Kind::tcp), pipe = connection(Kind::pipe), udp = connection(Kind::udp);
};

TEST_F(Fortified, ReadWaits) {
  EXPECT_EQ(waited(tcp, [&] { return read(tcp.near, buffer, of(sizeof buffer)); }), done(5));
  EXPECT_EQ(waited(pipe, [&] { return read(pipe.near, buffer, of(sizeof buffer)); }), done(5));
}

TEST_F(Fortified, RecvWaits) {
  EXPECT_EQ(waited(tcp, [&] { return recv(tcp.near, buffer, of(sizeof buffer), 0); }), done(5));
  EXPECT_EQ(waited(udp, [&] { return recvfrom(udp.near, buffer, of(sizeof buffer), 0, nullptr, nullptr); }), done(5));
}

TEST_F(Fortified, PollWaits) {
  polled[0] = {tcp.near, POLLIN, 0};
  EXPECT_EQ(waited(tcp, [&] { return poll(polled, of(1), -1); }), done(1));
  polled[0] = {pipe.near, POLLIN, 0};
  EXPECT_EQ(waited(pipe, [&] { return ppoll(polled, of(1), nullptr, nullptr); }), done(1));
}

TEST_F(Fortified, SelectWaits) {
  fd_set readers;
  FD_ZERO(&readers);
  FD_SET(of(pipe.near), &readers);
  EXPECT_EQ(waited(pipe, [&] { return select(pipe.near + 1, &readers, nullptr, nullptr, nullptr); }), done(1));
  EXPECT_TRUE(FD_ISSET(of(pipe.near), &readers));
}

TEST_F(Fortified, StdioWaits) {
  FILE* file = fdopen(dup(tcp.near), "r+");
  Background line([&] { return std::string(fgets(buffer, of(sizeof buffer), file)); });
  send_text(tcp.far, "a line\n");
  EXPECT_EQ(line.answer(), "a line\n");
  EXPECT_EQ(waited(tcp, [&] { return static_cast<long>(fread(buffer, 1, of(5), file)); }), done(5));
  EXPECT_GT(fprintf(file, "%.5s %zu\n", buffer, of(3)), 0);
  EXPECT_EQ(fflush(file), 0);
  EXPECT_EQ(read_text(tcp.far), "hello 3\n");
  fclose(file);
}

TEST_F(Fortified, FileReadsAnswer) {
  Descriptor file = open("/proc/self/exe", O_RDONLY);
  EXPECT_EQ(attempt([&] { return pread(file, buffer, of(4), 0); }), done(4));
  EXPECT_EQ(std::string(buffer, 4), "\177ELF");
}

// Has a child overflow the buffer: libc ends it.
void expect_overflow(std::function<void()> call) {
  EXPECT_EQ(end_of_child([&] {
              rlimit no_core = {0, 0};
              setrlimit(RLIMIT_CORE, &no_core);
              signal(SIGABRT, SIG_DFL);
              dup2(checked(open("/dev/null", O_WRONLY), "open"), STDERR_FILENO);
              call();
              return 0;
            }),
            -SIGABRT);
}

TEST_F(Fortified, OverflowEndsTheProgram) {
  for (Connection* ends : {&tcp, &pipe}) {
    send_text(ends->far, "hello");
    expect_overflow([&] { (void)!read(ends->near, buffer, of(17)); });
  }
  expect_overflow([&] { recv(tcp.near, buffer, of(17), 0); });
  expect_overflow([&] { recvfrom(tcp.near, buffer, of(17), 0, nullptr, nullptr); });
  expect_overflow([&] { (void)!pread(tcp.near, buffer, of(17), 0); });
  expect_overflow([&] { poll(polled, of(3), 0); });
  expect_overflow([&] { (void)!ppoll(polled, of(3), nullptr, nullptr); });
}

TEST_F(Fortified, OverflowIsFoundBeforeWaiting) {
  expect_overflow([&] { (void)!read(tcp.near, buffer, of(17)); });
  expect_overflow([&] { (void)!poll(polled, of(3), -1); });
}

TEST_F(Fortified, NumberPastTheSetEndsTheProgram) {
  expect_overflow([] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(of(FD_SETSIZE), &set);
  });
}

TEST_F(Fortified, StdioOverflowEndsTheProgram) {
  FILE* file = fopen("/proc/self/exe", "r");
  expect_overflow([&] { (void)!fgets(buffer, of(17), file); });
  expect_overflow([&] { (void)!fread(buffer, 1, of(17), file); });
  fclose(file);
}

}  // namespace
