// poll(2) and ppoll(2).
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

class Pollable : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Poll, Pollable,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::seqpacket,
                                         Kind::udp, Kind::unix_datagram, Kind::pipe),
                         kind_of);

TEST_P(Pollable, WaitsUntilDataArrives) {
  Event sent;
  pollfd set = {ends.near, POLLIN, 0};
  Background poller([&] {
    Outcome outcome = attempt(poll, &set, 1, -1);
    EXPECT_TRUE(sent.happened());
    return outcome;
  });
  sent.happen();
  send_text(ends.far, "x");
  EXPECT_EQ(poller.answer(), done(1));
  EXPECT_EQ(set.revents, POLLIN);
}

TEST_P(Pollable, DataStaysReadyUntilRead) {
  send_text(ends.far, "x");
  pollfd set = {ends.near, POLLIN, 0};
  for (int i = 0; i < 3; ++i) {
    set.revents = 0;
    EXPECT_EQ(attempt(poll, &set, 1, i - 1), done(1));
    EXPECT_EQ(set.revents, POLLIN);
  }
  read_text(ends.near);
  EXPECT_EQ(attempt(poll, &set, 1, 0), done(0));
  EXPECT_EQ(set.revents, 0);
}

TEST_P(Pollable, TimesOutNotBeforeTheTimeout) {
  pollfd set = {ends.near, POLLIN, -1};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(poll, &set, 1, 30), done(0));
  EXPECT_GE(stopwatch.microseconds(), 30000);
  EXPECT_EQ(set.revents, 0);
}

TEST_P(Pollable, PpollTimesOutNotBeforeTheTimeout) {
  pollfd set = {ends.near, POLLIN, -1};
  timespec timeout = {0, 20000000};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(ppoll, &set, 1, &timeout, nullptr), done(0));
  EXPECT_GE(stopwatch.microseconds(), 20000);
  EXPECT_EQ(timeout.tv_nsec, 20000000) << "libc does not change the timeout";
}

TEST_P(Pollable, FreshConnectionCanBeWritten) {
  pollfd set = {ends.far, POLLOUT, 0};
  EXPECT_EQ(attempt(poll, &set, 1, -1), done(1));
  EXPECT_EQ(set.revents, POLLOUT);
}

TEST_P(Pollable, OnePollMayWatchManyAndReportSome) {
  Connection other = connection(GetParam());
  pollfd set[] = {{ends.near, POLLIN, 0}, {other.near, POLLIN, 0}, {ends.far, POLLOUT, 0}};
  send_text(other.far, "x");
  EXPECT_EQ(attempt(poll, set, 3, -1), done(2));
  EXPECT_EQ(set[0].revents, 0);
  EXPECT_EQ(set[1].revents, POLLIN);
  EXPECT_EQ(set[2].revents, POLLOUT);
}

TEST_P(Pollable, SameDescriptorTwiceIsReportedTwice) {
  pollfd set[] = {{ends.near, POLLIN, 0}, {ends.near, POLLIN, 0}, {ends.near, 0, 0}};
  Background poller([&] { return attempt(poll, set, 3, -1); });
  send_text(ends.far, "x");
  EXPECT_EQ(poller.answer(), done(2));
  EXPECT_EQ(set[0].revents, POLLIN);
  EXPECT_EQ(set[1].revents, POLLIN);
  EXPECT_EQ(set[2].revents, 0);
}

TEST_P(Pollable, TwoPollersOfOneDescriptorAreBothWoken) {
  pollfd first = {ends.near, POLLIN, 0}, second = first;
  Background a([&] { return attempt(poll, &first, 1, -1); });
  Background b([&] { return attempt(poll, &second, 1, -1); });
  send_text(ends.far, "x");
  EXPECT_EQ(a.answer(), done(1));
  EXPECT_EQ(b.answer(), done(1));
}

TEST_P(Pollable, PollThenReadManyTimes) {
  Background writer([&] {
    for (int i = 0; i < 500; ++i) {
      send_text(ends.far, std::to_string(i));
      if (GetParam() == Kind::pipe) continue;
      read_text(ends.far);
    }
    return 0;
  });
  std::string expected, received;
  for (int i = 0; i < 500; ++i) expected += std::to_string(i);
  pollfd set = {ends.near, POLLIN, 0};
  while (received.size() < expected.size()) {
    ASSERT_EQ(attempt(poll, &set, 1, -1), done(1));
    received += read_text(ends.near);
    if (GetParam() != Kind::pipe) send_text(ends.near, "next");
  }
  EXPECT_EQ(received, expected);
}

TEST(Poll, ClosedPeerHangsUp) {
  Connection pipe = connection(Kind::pipe), pair = connection(Kind::unix_pair), tcp = connection(Kind::tcp);
  pollfd set[] = {{pipe.near, POLLIN, 0}, {pair.near, POLLIN | POLLRDHUP, 0}, {tcp.near, POLLIN | POLLRDHUP, 0}};
  Background poller([&] {
    short seen[3] = {};
    for (int over = 0; over < 3;) {
      EXPECT_GT(poll(set, 3, -1), 0);
      for (int i = 0; i < 3; ++i) {
        seen[i] |= set[i].revents;
        // TCP may tell of the last byte, the FIN, before it tells of the end.
        if (set[i].revents & (POLLHUP | POLLRDHUP)) set[i].fd = -1, ++over;
      }
    }
    EXPECT_EQ(seen[0], POLLHUP);
    EXPECT_EQ(seen[1], POLLIN | POLLHUP | POLLRDHUP);
    EXPECT_EQ(seen[2], POLLIN | POLLRDHUP);
    return 0;
  });
  pipe.far.reset();
  pair.far.reset();
  tcp.far.reset();
  EXPECT_EQ(poller.answer(), 0);
}

TEST(Poll, HangUpIsReportedUnasked) {
  Connection pipe = connection(Kind::pipe);
  pollfd reader = {pipe.near, 0, 0};
  Background poller([&] { return attempt(poll, &reader, 1, -1); });
  pipe.far.reset();
  EXPECT_EQ(poller.answer(), done(1));
  EXPECT_EQ(reader.revents, POLLHUP);
}

TEST(Poll, ReaderlessPipeIsAnError) {
  Connection pipe = connection(Kind::pipe);
  pipe.near.reset();
  pollfd writer = {pipe.far, POLLOUT, 0};
  EXPECT_EQ(attempt(poll, &writer, 1, -1), done(1));
  EXPECT_EQ(writer.revents, POLLOUT | POLLERR);
}

TEST(Poll, FullPipeIsNotWritableUntilRead) {
  Connection pipe = connection(Kind::pipe);
  std::string all(fcntl(pipe.far, F_GETPIPE_SZ), 'f');
  send_text(pipe.far, all);
  pollfd writer = {pipe.far, POLLOUT, 0};
  EXPECT_EQ(attempt(poll, &writer, 1, 0), done(0));
  Background poller([&] { return attempt(poll, &writer, 1, -1); });
  EXPECT_EQ(read_all(pipe.near, all.size()), all);
  EXPECT_EQ(poller.answer(), done(1));
  EXPECT_EQ(writer.revents, POLLOUT);
}

TEST(Poll, ClosedNumbersAreInvalidAndNegativeOnesIgnored) {
  Connection pipe = connection(Kind::pipe);
  int closed = dup(pipe.near);
  close(closed);
  pollfd set[] = {{closed, POLLIN, 0}, {-1, POLLIN, 77}, {pipe.near, POLLIN, 0}, {-closed, POLLIN, 77}};
  EXPECT_EQ(attempt(poll, set, 4, -1), done(1));
  EXPECT_EQ(set[0].revents, POLLNVAL);
  EXPECT_EQ(set[1].revents, 0);
  EXPECT_EQ(set[2].revents, 0);
  EXPECT_EQ(set[3].revents, 0);
}

TEST(Poll, EmptySetIsASleep) {
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(poll, nullptr, 0, 20), done(0));
  EXPECT_GE(stopwatch.microseconds(), 20000);
  EXPECT_EQ(attempt(poll, nullptr, 0, 0), done(0));
}

TEST(Poll, RegularFileIsAlwaysReady) {
  Descriptor file = open("/proc/self/exe", O_RDONLY), null = open("/dev/null", O_RDWR);
  pollfd set[] = {{file, POLLIN | POLLOUT, 0}, {null, POLLIN | POLLOUT, 0}};
  EXPECT_EQ(attempt(poll, set, 2, -1), done(2));
  EXPECT_EQ(set[0].revents, POLLIN | POLLOUT);
  EXPECT_EQ(set[1].revents, POLLIN | POLLOUT);
}

TEST(Poll, FileBesideAnIdleSocketDoesNotWait) {
  Connection ends = connection(Kind::tcp);
  Descriptor file = open("/proc/self/exe", O_RDONLY);
  pollfd set[] = {{ends.near, POLLIN, 0}, {file, POLLIN, 0}};
  EXPECT_EQ(attempt(poll, set, 2, -1), done(1));
}

TEST(Poll, ListenerIsReadyWhenSomebodyConnects) {
  Descriptor listening = listener();
  pollfd set = {listening, POLLIN, 0};
  Background poller([&] { return attempt(poll, &set, 1, -1); });
  Descriptor client = connected_to(listening);
  EXPECT_EQ(poller.answer(), done(1));
  EXPECT_EQ(set.revents, POLLIN);
}

TEST(Poll, ManyDescriptorsAreWatchedAtOnce) {
  std::vector<Connection> pipes;
  std::vector<pollfd> set;
  for (int i = 0; i < 300; ++i) {
    pipes.push_back(connection(Kind::pipe));
    set.push_back({pipes.back().near, POLLIN, 0});
  }
  for (int i : {299, 0, 150}) {
    Background poller([&] { return attempt(poll, set.data(), set.size(), -1); });
    send_text(pipes[i].far, "x");
    EXPECT_EQ(poller.answer(), done(1));
    EXPECT_EQ(set[i].revents, POLLIN);
    read_text(pipes[i].near);
  }
}

TEST(Poll, BadArgumentsAreTheKernelsToRefuse) {
  pollfd set = {0, 0, 0};
  timespec impossible = {0, 2000000000};
  EXPECT_EQ(attempt(ppoll, &set, 1, &impossible, nullptr), failed(EINVAL));
  if (!kernel_looks_first) return;
  EXPECT_EQ(attempt(poll, reinterpret_cast<pollfd*>(8), 1, 0), failed(EFAULT));
  EXPECT_EQ(attempt(poll, reinterpret_cast<pollfd*>(8), 1, -1), failed(EFAULT));
  EXPECT_EQ(attempt(poll, &set, 1 << 30, 0), failed(EINVAL));
}

TEST(Ppoll, WithAMaskThatIsNowhereIsEfault) {
  pollfd none{-1, 0, 0};
  timespec no_time{};
  EXPECT_EQ(ppoll(&none, 1, &no_time, reinterpret_cast<sigset_t*>(8)), -1);
  EXPECT_EQ(errno, EFAULT);
}

}  // namespace
