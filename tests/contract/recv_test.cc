// recv(2) and recvfrom(2) on stream and datagram sockets.
#include <gtest/gtest.h>
#include <sys/ioctl.h>

#include "attempt.h"
#include "connection.h"

namespace {

class Stream : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  char buffer[64] = {};
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Recv, Stream, testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair),
                         kind_of);

TEST_P(Stream, RecvWaitsUntilDataArrives) {
  Event sent;
  Background reader([&] {
    Outcome outcome = attempt(recv, ends.near, buffer, sizeof buffer, 0);
    EXPECT_TRUE(sent.happened());
    return outcome;
  });
  sent.happen();
  send_text(ends.far, "hello");
  EXPECT_EQ(reader.answer(), done(5));
  EXPECT_STREQ(buffer, "hello");
}

TEST_P(Stream, RecvWaitsUntilThePeerCloses) {
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); });
  ends.far.reset();
  EXPECT_EQ(reader.answer(), done(0));
}

TEST_P(Stream, EndOfStreamIsToldAgainAndAgain) {
  shutdown(ends.far, SHUT_WR);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(0));
}

TEST_P(Stream, DataBeforeTheEndIsReadFirst) {
  send_text(ends.far, "last words");
  ends.far.reset();
  EXPECT_EQ(attempt(recv, ends.near, buffer, 4, 0), done(4));
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(6));
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(0));
}

TEST_P(Stream, RecvTakesNoMoreThanThereIs) {
  send_text(ends.far, "abc");
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(3));
}

TEST_P(Stream, DontWaitAnswersAtOnce) {
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, MSG_DONTWAIT), failed(EAGAIN));
  send_text(ends.far, "x");
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, MSG_DONTWAIT), done(1));
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, MSG_DONTWAIT), failed(EAGAIN));
}

TEST_P(Stream, NonBlockingDescriptorAnswersAtOnce) {
  ASSERT_EQ(fcntl(ends.near, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), failed(EAGAIN));
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, MSG_WAITALL), failed(EAGAIN));
}

TEST_P(Stream, PeekWaitsAndLeavesTheData) {
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, MSG_PEEK); });
  send_text(ends.far, "peek");
  EXPECT_EQ(reader.answer(), done(4));
  EXPECT_EQ(attempt(recv, ends.near, buffer, 2, MSG_PEEK), done(2));
  EXPECT_EQ(read_text(ends.near), "peek");
}

TEST_P(Stream, WaitAllWaitsForAllOfIt) {
  Background reader([&] { return attempt(recv, ends.near, buffer, 12, MSG_WAITALL); });
  for (const char* piece : {"one ", "two ", "and three"}) send_text(ends.far, piece);
  EXPECT_EQ(reader.answer(), done(12));
  EXPECT_STREQ(buffer, "one two and ");
  EXPECT_EQ(read_text(ends.near), "three");
}

TEST_P(Stream, WaitAllGivesWhatCameBeforeTheEnd) {
  Background reader([&] { return attempt(recv, ends.near, buffer, 12, MSG_WAITALL); });
  send_text(ends.far, "short");
  ends.far.reset();
  EXPECT_EQ(reader.answer(), done(5));
  EXPECT_EQ(attempt(recv, ends.near, buffer, 12, MSG_WAITALL), done(0));
}

TEST_P(Stream, WaitAllReceivesMoreThanTheSocketHolds) {
  const std::string sent = pattern(8 << 20);
  std::string received(sent.size(), '\0');
  Background reader([&] { return attempt(recv, ends.near, received.data(), received.size(), MSG_WAITALL); });
  for (size_t at = 0; at < sent.size(); at += 1 << 20) send_text(ends.far, sent.substr(at, 1 << 20));
  EXPECT_EQ(reader.answer(), done(sent.size()));
  EXPECT_EQ(received, sent);
}

TEST_P(Stream, DontWaitOverridesWaitAll) {
  send_text(ends.far, "some");
  EXPECT_EQ(attempt(recv, ends.near, buffer, 12, MSG_WAITALL | MSG_DONTWAIT), done(4));
}

TEST_P(Stream, ZeroLengthRecvEatsNothing) {
  send_text(ends.far, "x");
  EXPECT_EQ(attempt(recv, ends.near, buffer, 0, 0), done(0));
  EXPECT_EQ(read_text(ends.near), "x");
}

TEST_P(Stream, ShutdownOfTheSameSocketWakesItsReader) {
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); });
  shutdown(ends.near, SHUT_RD);
  EXPECT_EQ(reader.answer(), done(0));
}

TEST_P(Stream, BytesArriveOneAtATimeInOrder) {
  Background writer([&] {
    for (char c = 'a'; c <= 'z'; ++c) send_text(ends.far, std::string(1, c));
    return 0;
  });
  EXPECT_EQ(read_all(ends.near, 26), "abcdefghijklmnopqrstuvwxyz");
}

TEST_P(Stream, ManyRoundTripsBetweenTwoThreads) {
  Background echo([&] {
    for (int i = 0; i < 2000; ++i) send_text(ends.far, read_text(ends.far));
    return 0;
  });
  for (int i = 0; i < 2000; ++i) {
    send_text(ends.near, std::to_string(i));
    ASSERT_EQ(read_text(ends.near), std::to_string(i));
  }
}

TEST(Recv, ResetByThePeerIsTold) {
  Connection ends = connection(Kind::tcp);
  char buffer[8];
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); });
  set_option(ends.far, SOL_SOCKET, SO_LINGER, linger{1, 0});
  ends.far.reset();
  EXPECT_EQ(reader.answer(), failed(ECONNRESET));
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(0));
}

TEST(Recv, UnixPeerThatLeftUnreadDataResets) {
  Connection ends = connection(Kind::unix_pair);
  char buffer[8];
  send_text(ends.near, "unread");
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); });
  ends.far.reset();
  EXPECT_EQ(reader.answer(), failed(ECONNRESET));
}

TEST(Recv, BadArgumentsAreTheKernelsToRefuse) {
  char buffer[8];
  Connection pipe = connection(Kind::pipe);
  Connection ends = connection(Kind::tcp);
  Descriptor unconnected = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(attempt(recv, -1, buffer, sizeof buffer, 0), failed(EBADF));
  EXPECT_EQ(attempt(recv, pipe.near, buffer, sizeof buffer, 0), failed(ENOTSOCK));
  EXPECT_EQ(attempt(recv, unconnected, buffer, sizeof buffer, 0), failed(ENOTCONN));
  send_text(ends.far, "x");
  EXPECT_EQ(attempt(recv, ends.near, nullptr, sizeof buffer, 0), failed(EFAULT));
  EXPECT_EQ(read_text(ends.near), "x");
}

TEST(Recv, ErrnoIsUntouchedBySuccess) {
  Connection ends = connection(Kind::tcp);
  char buffer[8];
  Background writer([&] {
    send_text(ends.far, "x");
    return 0;
  });
  errno = ELIBBAD;
  EXPECT_EQ(recv(ends.near, buffer, sizeof buffer, 0), 1);
  EXPECT_EQ(errno, ELIBBAD);
}

}  // namespace
