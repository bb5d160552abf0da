// poll, select and epoll let others run while they wait.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "alive.h"

namespace {

class Polling : public testing::TestWithParam<Kind> {
 protected:
  Polling() {
    FD_ZERO(&readers);
    FD_SET(ends.near, &readers);
    event.events = EPOLLIN;
    checked(epoll_ctl(poller, EPOLL_CTL_ADD, ends.near, &event), "epoll_ctl");
  }
  Outcome until_sent(std::function<Outcome()> call) {
    return alive(call, [this] { send_text(ends.far, "sent"); });
  }
  Connection ends = connection(GetParam());
  pollfd set = {ends.near, POLLIN, 0};
  fd_set readers;
  Descriptor poller = epoll_create1(0);
  epoll_event event{};
  timespec long_while = {1000, 0};
};

INSTANTIATE_TEST_SUITE_P(Poll, Polling,
                         testing::Values(Kind::tcp, Kind::unix_pair, Kind::seqpacket, Kind::udp, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Polling, Poll) {
  EXPECT_EQ(until_sent([&] { return attempt(poll, &set, 1, -1); }), done(1));
}

TEST_P(Polling, PollWithATimeout) {
  EXPECT_EQ(until_sent([&] { return attempt(poll, &set, 1, 1000000); }), done(1));
}

TEST_P(Polling, PollOfSeveral) {
  Connection other = connection(GetParam());
  pollfd both[] = {{other.near, POLLIN, 0}, set, {-1, 0, 0}, set};
  EXPECT_EQ(until_sent([&] { return attempt(poll, both, 4, -1); }), done(2));
}

TEST_P(Polling, Ppoll) {
  EXPECT_EQ(until_sent([&] { return attempt(ppoll, &set, 1, nullptr, nullptr); }), done(1));
}

TEST_P(Polling, PpollWithMaskAndTimeout) {
  sigset_t mask;
  sigemptyset(&mask);
  EXPECT_EQ(until_sent([&] { return attempt(ppoll, &set, 1, &long_while, &mask); }), done(1));
}

TEST_P(Polling, Select) {
  EXPECT_EQ(until_sent([&] { return attempt(select, ends.near + 1, &readers, nullptr, nullptr, nullptr); }), done(1));
}

TEST_P(Polling, SelectWithATimeout) {
  timeval timeout = {1000, 0};
  EXPECT_EQ(until_sent([&] { return attempt(select, ends.near + 1, &readers, nullptr, nullptr, &timeout); }), done(1));
}

TEST_P(Polling, Pselect) {
  sigset_t mask;
  sigemptyset(&mask);
  EXPECT_EQ(until_sent([&] { return attempt(pselect, ends.near + 1, &readers, nullptr, nullptr, &long_while, &mask); }),
            done(1));
}

TEST_P(Polling, EpollWait) {
  EXPECT_EQ(until_sent([&] { return attempt(epoll_wait, poller, &event, 1, -1); }), done(1));
}

TEST_P(Polling, EpollPwait) {
  sigset_t mask;
  sigemptyset(&mask);
  EXPECT_EQ(until_sent([&] { return attempt(epoll_pwait, poller, &event, 1, 1000000, &mask); }), done(1));
}

TEST_P(Polling, EpollPwait2) {
  EXPECT_EQ(until_sent([&] { return attempt(epoll_pwait2, poller, &event, 1, &long_while, nullptr); }), done(1));
}

TEST_P(Polling, PollOfAnEpoll) {
  pollfd nested = {poller, POLLIN, 0};
  EXPECT_EQ(until_sent([&] { return attempt(poll, &nested, 1, -1); }), done(1));
}

// Ten sleep at once, so all of them together take the time of one.
template <typename Sleep>
void expect_to_sleep_side_by_side(Sleep sleep) {
  Stopwatch stopwatch;
  { Background a(sleep), b(sleep), c(sleep), d(sleep), e(sleep), f(sleep), g(sleep), h(sleep), i(sleep), j(sleep); }
  EXPECT_GE(stopwatch.microseconds(), 100000);
  EXPECT_LT(stopwatch.microseconds(), 900000);
}

TEST(Sleeping, InPoll) {
  expect_to_sleep_side_by_side([] { return poll(nullptr, 0, 100); });
}

TEST(Sleeping, InPpoll) {
  timespec duration = {0, 100000000};
  expect_to_sleep_side_by_side([=] { return ppoll(nullptr, 0, &duration, nullptr); });
}

TEST(Sleeping, InSelect) {
  expect_to_sleep_side_by_side([] {
    timeval duration = {0, 100000};
    return select(0, nullptr, nullptr, nullptr, &duration);
  });
}

TEST(Sleeping, InPselect) {
  timespec duration = {0, 100000000};
  expect_to_sleep_side_by_side([=] { return pselect(0, nullptr, nullptr, nullptr, &duration, nullptr); });
}

TEST(Sleeping, InEpollWait) {
  Descriptor poller = epoll_create1(0);
  expect_to_sleep_side_by_side([&] {
    epoll_event event;
    return epoll_wait(poller, &event, 1, 100);
  });
}

TEST(Sleeping, InAReadWithATimeout) {
  Connection ends = connection(Kind::tcp);
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, timeval{0, 110000});
  expect_to_sleep_side_by_side([&] {
    char byte;
    return read(ends.near, &byte, 1);
  });
}

}  // namespace
