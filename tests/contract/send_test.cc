// send(2), sendto(2) and write(2) on sockets: all of it, or the reason why not.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>

#include "attempt.h"
#include "connection.h"

namespace {

class Stream : public testing::TestWithParam<Kind> {
 protected:
  // Fills what the connection holds, so that the next send must wait. Returns how much that is.
  size_t fill() {
    static const std::string block(65536, 'f');
    size_t filled = 0;
    for (int quiet = 0; quiet < 3; ++quiet) {
      ssize_t sent;
      while ((sent = send(ends.far, block.data(), block.size(), MSG_DONTWAIT)) > 0) filled += sent, quiet = 0;
    }
    return filled;
  }
  Connection ends = connection(GetParam());
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Send, Stream, testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair),
                         kind_of);

const std::string big = pattern(12 << 20);

TEST_P(Stream, SendSendsEverything) {
  Background sender([&] { return attempt(send, ends.far, big.data(), big.size(), 0); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), done(big.size()));
}

TEST_P(Stream, WriteWritesEverything) {
  Background sender([&] { return attempt(write, ends.far, big.data(), big.size()); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), done(big.size()));
}

TEST_P(Stream, SendtoWithoutAnAddressSendsEverything) {
  Background sender([&] { return attempt(sendto, ends.far, big.data(), big.size(), 0, nullptr, 0); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), done(big.size()));
}

TEST_P(Stream, WritevWritesEverythingInOrder) {
  char* data = const_cast<char*>(big.data());
  iovec pieces[] = {{data, 1}, {data + 1, 0}, {data + 1, 5000000}, {data + 5000001, big.size() - 5000001}};
  Background sender([&] { return attempt(writev, ends.far, pieces, 4); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), done(big.size()));
  EXPECT_EQ(pieces[3].iov_len, big.size() - 5000001) << "the program's vector is not ours to change";
}

TEST_P(Stream, SendmsgSendsEverythingInOrder) {
  char* data = const_cast<char*>(big.data());
  iovec pieces[] = {{data, 3000000}, {data + 3000000, big.size() - 3000000}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  Background sender([&] { return attempt(sendmsg, ends.far, &message, 0); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), done(big.size()));
}

TEST_P(Stream, DontWaitSendsWhatFits) {
  Outcome outcome = attempt(send, ends.far, big.data(), big.size(), MSG_DONTWAIT);
  ASSERT_GT(outcome.result, 0);
  ASSERT_LT(outcome.result, static_cast<long>(big.size()));
  fill();
  EXPECT_EQ(attempt(send, ends.far, "x", 1, MSG_DONTWAIT), failed(EAGAIN));
  EXPECT_EQ(read_all(ends.near, outcome.result), big.substr(0, outcome.result));
}

TEST_P(Stream, NonBlockingDescriptorSendsWhatFits) {
  ASSERT_EQ(fcntl(ends.far, F_SETFL, O_NONBLOCK), 0);
  Outcome outcome = attempt(write, ends.far, big.data(), big.size());
  EXPECT_GT(outcome.result, 0);
  EXPECT_LT(outcome.result, static_cast<long>(big.size()));
  fill();
  EXPECT_EQ(attempt(write, ends.far, "x", 1), failed(EAGAIN));
}

TEST_P(Stream, SenderOfAFullConnectionWaitsForTheReader) {
  size_t filled = fill();
  Event reading;
  Background sender([&] {
    Outcome outcome = attempt(send, ends.far, big.data(), big.size(), 0);
    EXPECT_TRUE(reading.happened());
    return outcome;
  });
  reading.happen();
  read_all(ends.near, filled);
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), done(big.size()));
}

TEST_P(Stream, ZeroLengthSendSendsNothing) {
  EXPECT_EQ(attempt(send, ends.far, nullptr, 0, 0), done(0));
  EXPECT_EQ(attempt(write, ends.far, nullptr, 0), done(0));
  fill();
  EXPECT_EQ(attempt(send, ends.far, nullptr, 0, 0), done(0));
}

TEST_P(Stream, PeerThatLeavesEndsAWaitingSendWithItsPartialCount) {
  signal(SIGPIPE, SIG_IGN);
  Background sender([&] { return attempt(send, ends.far, big.data(), big.size(), 0); });
  EXPECT_EQ(read_all(ends.near, 1 << 20), big.substr(0, 1 << 20));
  ends.near.reset();
  Outcome outcome = sender.answer();
  EXPECT_GE(outcome.result, 1 << 20);
  EXPECT_LT(outcome.result, static_cast<long>(big.size()));
  Outcome next = attempt(send, ends.far, "x", 1, 0);
  EXPECT_TRUE(next == failed(EPIPE) || next == failed(ECONNRESET)) << next;
  EXPECT_EQ(attempt(send, ends.far, "x", 1, 0), failed(EPIPE));
  signal(SIGPIPE, SIG_DFL);
}

TEST_P(Stream, OwnShutdownBreaksThePipe) {
  shutdown(ends.far, SHUT_WR);
  EXPECT_EQ(attempt(send, ends.far, "x", 1, MSG_NOSIGNAL), failed(EPIPE));
}

TEST_P(Stream, OwnShutdownWakesAWaitingSender) {
  fill();
  Background sender([&] { return attempt(send, ends.far, big.data(), big.size(), MSG_NOSIGNAL); });
  shutdown(ends.far, SHUT_WR);
  Outcome outcome = sender.answer();
  EXPECT_TRUE(outcome == failed(EPIPE) || outcome.result > 0) << outcome;
}

volatile sig_atomic_t broken_pipes;

TEST_P(Stream, BrokenPipeSignalsUnlessAskedNotTo) {
  broken_pipes = 0;
  signal(SIGPIPE, [](int) { broken_pipes = broken_pipes + 1; });
  shutdown(ends.far, SHUT_WR);
  EXPECT_EQ(attempt(send, ends.far, "x", 1, MSG_NOSIGNAL), failed(EPIPE));
  EXPECT_EQ(broken_pipes, 0);
  EXPECT_EQ(attempt(send, ends.far, "x", 1, 0), failed(EPIPE));
  EXPECT_EQ(broken_pipes, 1);
  EXPECT_EQ(attempt(write, ends.far, "x", 1), failed(EPIPE));
  EXPECT_EQ(broken_pipes, 2);
  iovec piece = {const_cast<char*>("x"), 1};
  EXPECT_EQ(attempt(writev, ends.far, &piece, 1), failed(EPIPE));
  EXPECT_EQ(broken_pipes, 3);
  signal(SIGPIPE, SIG_DFL);
}

TEST(Send, BadArgumentsAreTheKernelsToRefuse) {
  Descriptor unconnected = socket(AF_INET, SOCK_STREAM, 0);
  Connection pipe = connection(Kind::pipe);
  Connection ends = connection(Kind::tcp);
  EXPECT_EQ(attempt(send, -1, "x", 1, 0), failed(EBADF));
  EXPECT_EQ(attempt(send, pipe.far, "x", 1, 0), failed(ENOTSOCK));
  EXPECT_EQ(attempt(send, unconnected, "x", 1, MSG_NOSIGNAL), failed(EPIPE));
  EXPECT_EQ(attempt(send, ends.far, nullptr, 1, 0), failed(EFAULT));
}

TEST(Send, SendtoOnAConnectedUnixStreamIsRefused) {
  Connection ends = connection(Kind::unix_pair);
  Address name = fresh_address(AF_UNIX);
  EXPECT_EQ(attempt(sendto, ends.far, "x", 1, 0, name.raw(), name.size), failed(EISCONN));
}

TEST(Send, TwoSendersLoseNothing) {
  Connection ends = connection(Kind::tcp);
  constexpr int records = 5000, size = 100;
  auto send_records = [&](char mark) {
    std::string record(size, mark);
    for (int i = 0; i < records; ++i) send_text(ends.far, record);
    return 0;
  };
  Background a([&] { return send_records('a'); });
  Background b([&] { return send_records('b'); });
  std::string received = read_all(ends.near, 2 * records * size);
  EXPECT_EQ(std::count(received.begin(), received.end(), 'a'), records * size);
  EXPECT_EQ(std::count(received.begin(), received.end(), 'b'), records * size);
}

}  // namespace
