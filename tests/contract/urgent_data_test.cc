// TCP's urgent byte (MSG_OOB): reads stop at it, with more behind it.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "attempt.h"
#include "connection.h"

namespace {

class Urgent : public testing::TestWithParam<Kind> {
 protected:
  void send_urgent(char byte) { ASSERT_EQ(attempt(send, ends.far, &byte, 1, MSG_OOB), done(1)); }
  char receive_urgent() {
    char byte = 0;
    EXPECT_EQ(attempt(recv, ends.near, &byte, 1, MSG_OOB), done(1));
    return byte;
  }
  Connection ends = connection(GetParam());
  char byte;
};

INSTANTIATE_TEST_SUITE_P(UrgentData, Urgent, testing::Values(Kind::tcp, Kind::tcp6),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Urgent, IsReadOutOfBand) {
  send_text(ends.far, "before");
  send_urgent('!');
  send_text(ends.far, "behind");
  EXPECT_EQ(receive_urgent(), '!');
  EXPECT_EQ(read_text(ends.near), "before");
  EXPECT_EQ(read_text(ends.near), "behind");
}

TEST_P(Urgent, ReadStopsAtItAndTheNextOneGoesOn) {
  for (int round = 0; round < 20; ++round) {
    Background reader([&] {
      std::string text;
      while (text.size() < 12) text += read_text(ends.near);
      return text;
    });
    send_text(ends.far, "before");
    send_urgent('!');
    send_text(ends.far, "behind");
    EXPECT_EQ(reader.answer(), "beforebehind");
  }
}

TEST_P(Urgent, ReadStopsAtItThoughAllIsThere) {
  send_text(ends.far, "before");
  send_urgent('!');
  send_text(ends.far, "behind");
  pollfd urgent = {ends.near, POLLPRI, 0};
  ASSERT_EQ(poll(&urgent, 1, -1), 1);
  EXPECT_EQ(read_text(ends.near), "before");
  EXPECT_EQ(attempt(sockatmark, ends.near), done(1));
  EXPECT_EQ(read_text(ends.near), "behind");
  EXPECT_EQ(attempt(sockatmark, ends.near), done(0));
}

TEST_P(Urgent, InlineItIsAByteOfTheStream) {
  set_option(ends.near, SOL_SOCKET, SO_OOBINLINE, 1);
  Background reader([&] { return read_all(ends.near, 13); });
  send_text(ends.far, "before");
  send_urgent('!');
  send_text(ends.far, "behind");
  EXPECT_EQ(reader.answer(), "before!behind");
  EXPECT_EQ(attempt(recv, ends.near, &byte, 1, MSG_OOB), failed(EINVAL));
}

TEST_P(Urgent, RecvOutOfBandNeverWaits) {
  EXPECT_EQ(attempt(recv, ends.near, &byte, 1, MSG_OOB), failed(EINVAL));
  send_text(ends.far, "plain");
  EXPECT_EQ(attempt(recv, ends.near, &byte, 1, MSG_OOB), failed(EINVAL));
  EXPECT_EQ(read_text(ends.near), "plain");
}

TEST_P(Urgent, IsReadOnlyOnce) {
  send_urgent('!');
  EXPECT_EQ(receive_urgent(), '!');
  EXPECT_EQ(attempt(recv, ends.near, &byte, 1, MSG_OOB), failed(EINVAL));
}

TEST_P(Urgent, WakesAPollForIt) {
  pollfd urgent = {ends.near, POLLPRI, 0};
  Background poller([&] { return attempt(poll, &urgent, 1, -1); });
  send_urgent('!');
  EXPECT_EQ(poller.answer(), done(1));
  EXPECT_EQ(urgent.revents, POLLPRI);
}

TEST_P(Urgent, WakesAnEpollForIt) {
  Descriptor poller = epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLPRI;
  ASSERT_EQ(epoll_ctl(poller, EPOLL_CTL_ADD, ends.near, &event), 0);
  Background waiter([&] { return attempt(epoll_wait, poller, &event, 1, -1); });
  send_urgent('!');
  EXPECT_EQ(waiter.answer(), done(1));
  EXPECT_EQ(event.events, unsigned(EPOLLPRI));
}

TEST_P(Urgent, DoesNotSatisfyAReader) {
  Event behind;
  Background reader([&] {
    std::string text = read_text(ends.near);
    EXPECT_TRUE(behind.happened());
    return text;
  });
  send_urgent('!');
  behind.happen();
  send_text(ends.far, "behind");
  EXPECT_EQ(reader.answer(), "behind");
}

volatile sig_atomic_t urgent_signals;

TEST_P(Urgent, SignalsTheOwner) {
  urgent_signals = 0;
  signal(SIGURG, [](int) { urgent_signals = urgent_signals + 1; });
  ASSERT_EQ(fcntl(ends.near, F_SETOWN, getpid()), 0);
  send_urgent('!');
  pollfd urgent = {ends.near, POLLPRI, 0};
  while (poll(&urgent, 1, -1) == -1) continue;
  Stopwatch stopwatch;
  while (!urgent_signals && stopwatch.microseconds() < 10000000) std::this_thread::yield();
  EXPECT_EQ(urgent_signals, 1);
  signal(SIGURG, SIG_DFL);
}

}  // namespace
