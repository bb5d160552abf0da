// SO_RCVTIMEO and SO_SNDTIMEO, as socket(7) has them: how long a blocking call waits before it gives up.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "attempt.h"
#include "connection.h"

namespace {

constexpr timeval short_while = {0, 30000};
constexpr timeval for_ever = {0, 0};
constexpr timeval long_while = {1000, 0};

class Stream : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  char buffer[64] = {};
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Timeouts, Stream, testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair),
                         kind_of);

// A kernel counts timeouts in ticks, so it may give up to one tick less than was asked for.
void expect_short_while(const Stopwatch& stopwatch) { EXPECT_GE(stopwatch.microseconds(), 20000); }

TEST_P(Stream, EveryKindOfReadGivesUp) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  iovec piece = {buffer, sizeof buffer};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  mmsghdr messages[1] = {{message, 0}};
  for (int call = 0; call < 6; ++call) {
    Stopwatch stopwatch;
    Outcome outcome = call == 0   ? attempt(recv, ends.near, buffer, sizeof buffer, 0)
                      : call == 1 ? attempt(read, ends.near, buffer, sizeof buffer)
                      : call == 2 ? attempt(recvfrom, ends.near, buffer, sizeof buffer, 0, nullptr, nullptr)
                      : call == 3 ? attempt(readv, ends.near, &piece, 1)
                      : call == 4 ? attempt(recvmsg, ends.near, &message, 0)
                                  : attempt(recvmmsg, ends.near, messages, 1, 0, nullptr);
    EXPECT_EQ(outcome, failed(EAGAIN)) << "call " << call;
    expect_short_while(stopwatch);
  }
}

TEST_P(Stream, DataBeforeTheTimeoutIsReceived) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, long_while);
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "in time");
  EXPECT_EQ(reader.answer(), "in time");
}

TEST_P(Stream, ZeroIsForEver) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, for_ever);
  Event sent;
  Background reader([&] {
    std::string text = read_text(ends.near);
    EXPECT_TRUE(sent.happened());
    return text;
  });
  // Another connection's timeout passes meanwhile.
  Connection other = connection(GetParam());
  set_option(other.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  EXPECT_EQ(attempt(recv, other.near, buffer, 1, 0), failed(EAGAIN));
  sent.happen();
  send_text(ends.far, "late");
  EXPECT_EQ(reader.answer(), "late");
}

TEST_P(Stream, TimeoutIsReadBack) {
  timeval value = {-1, -1};
  socklen_t size = sizeof value;
  for (int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    EXPECT_EQ(attempt(getsockopt, ends.near, SOL_SOCKET, option, &value, &size), done(0));
    EXPECT_EQ(value.tv_sec, 0);
    EXPECT_EQ(value.tv_usec, 0);
    set_option(ends.near, SOL_SOCKET, option, timeval{7, 500000});
    EXPECT_EQ(attempt(getsockopt, ends.near, SOL_SOCKET, option, &value, &size), done(0));
    EXPECT_EQ(value.tv_sec, 7);
    EXPECT_EQ(value.tv_usec, 500000);
    EXPECT_EQ(size, sizeof value);
  }
}

TEST_P(Stream, TimeoutIsSharedByCopiesOfTheDescriptor) {
  Descriptor copy = dup(ends.near);
  set_option(copy, SOL_SOCKET, SO_RCVTIMEO, short_while);
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), failed(EAGAIN));
}

TEST_P(Stream, NewNumberHasNoOldTimeout) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  int number = ends.near;
  ends.near.reset();
  Connection fresh = connection(GetParam());
  bool moved = fresh.near != number;
  ASSERT_EQ(moved ? dup2(fresh.near, number) : number, number);
  Background reader([&] { return read_text(number); });
  Stopwatch stopwatch;
  while (stopwatch.microseconds() < 50000) std::this_thread::yield();
  send_text(fresh.far, "patience");
  EXPECT_EQ(reader.answer(), "patience");
  if (moved) close(number);
}

TEST_P(Stream, WaitAllGivesWhatCameInTime) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  send_text(ends.far, "part");
  EXPECT_EQ(attempt(recv, ends.near, buffer, 10, MSG_WAITALL), done(4));
  EXPECT_EQ(attempt(recv, ends.near, buffer, 10, MSG_WAITALL), failed(EAGAIN));
}

TEST_P(Stream, ReadAfterATimeoutLosesNothing) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), failed(EAGAIN));
  send_text(ends.far, "still here");
  EXPECT_EQ(read_text(ends.near), "still here");
}

TEST_P(Stream, SendGivesUpWhenNobodyReads) {
  set_option(ends.far, SOL_SOCKET, SO_SNDTIMEO, short_while);
  const std::string big = pattern(16 << 20);
  Stopwatch stopwatch;
  Outcome outcome = attempt(send, ends.far, big.data(), big.size(), 0);
  expect_short_while(stopwatch);
  EXPECT_GT(outcome.result, 0) << "what was sent in time is counted";
  EXPECT_LT(outcome.result, static_cast<long>(big.size()));
  Outcome next = outcome;
  for (int i = 0; i < 100 && next.result > 0; ++i) next = attempt(write, ends.far, big.data(), big.size());
  EXPECT_EQ(next, failed(EAGAIN));
}

TEST_P(Stream, DontWaitIgnoresTheTimeout) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, long_while);
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, MSG_DONTWAIT), failed(EAGAIN));
}

TEST_P(Stream, ImpossibleTimeoutIsRefused) {
  timeval impossible = {1, 2000000};
  EXPECT_EQ(attempt(setsockopt, ends.near, SOL_SOCKET, SO_RCVTIMEO, &impossible, sizeof impossible), failed(EDOM));
  timeval wait = short_while;
  EXPECT_EQ(attempt(setsockopt, ends.near, SOL_SOCKET, SO_RCVTIMEO, &wait, 1), failed(EINVAL));
}

TEST_P(Stream, TimeoutChangedMeanwhileConcernsTheNextCall) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  EXPECT_EQ(attempt(recv, ends.near, buffer, 1, 0), failed(EAGAIN));
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, long_while);
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "now");
  EXPECT_EQ(reader.answer(), "now");
}

TEST(Timeouts, DatagramReadGivesUp) {
  for (Kind kind : {Kind::udp, Kind::unix_datagram, Kind::seqpacket}) {
    Connection ends = connection(kind);
    char buffer[8];
    set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
    Stopwatch stopwatch;
    EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), failed(EAGAIN));
    expect_short_while(stopwatch);
  }
}

TEST(Timeouts, AcceptGivesUp) {
  for (int family : {AF_INET, AF_INET6, AF_UNIX}) {
    Descriptor listening = listener(family);
    set_option(listening, SOL_SOCKET, SO_RCVTIMEO, short_while);
    Stopwatch stopwatch;
    EXPECT_EQ(attempt(accept, listening, nullptr, nullptr), failed(EAGAIN));
    expect_short_while(stopwatch);
    Descriptor client = connected_to(listening);
    EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
  }
}

TEST(Timeouts, AcceptedConnectionsKeepTheirOwnPatience) {
  Descriptor listening = listener();
  Descriptor client = connected_to(listening);
  Descriptor served = accept(listening, nullptr, nullptr);
  timeval value = {-1, -1};
  socklen_t size = sizeof value;
  ASSERT_EQ(getsockopt(served, SOL_SOCKET, SO_RCVTIMEO, &value, &size), 0);
  EXPECT_EQ(value.tv_sec, 0);
  EXPECT_EQ(value.tv_usec, 0);
}

TEST(Timeouts, ConnectGivesUpAndStaysUnderWay) {
  Descriptor listening = listener(AF_INET, 1);
  Address name = name_of_socket(listening);
  Descriptor queued[] = {connected_to(listening), connected_to(listening)};
  Descriptor near = socket(AF_INET, SOCK_STREAM, 0);
  set_option(near, SOL_SOCKET, SO_SNDTIMEO, short_while);
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EINPROGRESS));
  expect_short_while(stopwatch);
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EALREADY));
  EXPECT_EQ(fcntl(near, F_GETFL), O_RDWR);
}

TEST(Timeouts, UnixConnectGivesUp) {
  Descriptor listening = listener(AF_UNIX, 0);
  Address name = name_of_socket(listening);
  Descriptor queued = connected_to(listening);
  Descriptor near = socket(AF_UNIX, SOCK_STREAM, 0);
  set_option(near, SOL_SOCKET, SO_SNDTIMEO, short_while);
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EAGAIN));
  expect_short_while(stopwatch);
}

TEST(Timeouts, DoNotConcernPoll) {
  Connection ends = connection(Kind::tcp);
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, timeval{0, 1000});
  pollfd readable = {ends.near, POLLIN, 0};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(poll, &readable, 1, 60), done(0));
  EXPECT_GE(stopwatch.microseconds(), 60000);
}

TEST(Timeouts, BufferIsNotLookedAtBeforeDataComes) {
  Connection ends = connection(Kind::tcp);
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, short_while);
  EXPECT_EQ(attempt(recv, ends.near, nullptr, 1, 0), failed(EAGAIN));
}

}  // namespace
