// epoll(7) as a program uses it for itself.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <set>
#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

class Poller {
 public:
  Poller() : fd_(checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {}
  Outcome control(int operation, int fd, unsigned events = 0) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<uint64_t>(fd) << 32 | 7;
    return attempt(epoll_ctl, fd_, operation, fd, &event);
  }
  void watch(int fd, unsigned events) { EXPECT_EQ(control(EPOLL_CTL_ADD, fd, events), done(0)); }
  // Waits for one event: its number and what happened, or {-1, 0} after the timeout.
  std::pair<int, unsigned> wait(int timeout = -1) {
    epoll_event event;
    int count = checked(epoll_wait(fd_, &event, 1, timeout), "epoll_wait");
    if (count == 0) return {-1, 0};
    EXPECT_EQ(event.data.u64 & 0xffffffff, 7u);
    return {static_cast<int>(event.data.u64 >> 32), unsigned{event.events}};
  }
  operator int() const { return fd_; }

 private:
  Descriptor fd_;
};

using Events = std::pair<int, unsigned>;
const Events nothing = {-1, 0};

class Watched : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  Poller poller;
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Epoll, Watched,
                         testing::Values(Kind::tcp, Kind::unix_named, Kind::seqpacket, Kind::udp, Kind::pipe), kind_of);

TEST_P(Watched, WaitEndsWhenDataArrives) {
  poller.watch(ends.near, EPOLLIN);
  Event sent;
  Background waiter([&] {
    Events events = poller.wait();
    EXPECT_TRUE(sent.happened());
    return events;
  });
  sent.happen();
  send_text(ends.far, "x");
  EXPECT_EQ(waiter.answer(), Events(ends.near, EPOLLIN));
}

TEST_P(Watched, LevelTriggeredTellsUntilRead) {
  poller.watch(ends.near, EPOLLIN);
  send_text(ends.far, "x");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(poller.wait(), Events(ends.near, EPOLLIN));
  read_text(ends.near);
  EXPECT_EQ(poller.wait(0), nothing);
}

TEST_P(Watched, EdgeTriggeredTellsOnce) {
  poller.watch(ends.near, EPOLLIN | EPOLLET);
  send_text(ends.far, "x");
  EXPECT_EQ(poller.wait(), Events(ends.near, EPOLLIN));
  EXPECT_EQ(poller.wait(0), nothing);
  send_text(ends.far, "y");
  EXPECT_EQ(poller.wait(), Events(ends.near, EPOLLIN));
  EXPECT_EQ(poller.wait(0), nothing);
}

TEST_P(Watched, OneshotIsSilentUntilRearmed) {
  poller.watch(ends.near, EPOLLIN | EPOLLONESHOT);
  send_text(ends.far, "x");
  EXPECT_EQ(poller.wait(), Events(ends.near, EPOLLIN));
  send_text(ends.far, "y");
  EXPECT_EQ(poller.wait(0), nothing);
  EXPECT_EQ(poller.control(EPOLL_CTL_MOD, ends.near, EPOLLIN | EPOLLONESHOT), done(0));
  EXPECT_EQ(poller.wait(), Events(ends.near, EPOLLIN));
}

TEST_P(Watched, TimesOutNotBeforeTheTimeout) {
  poller.watch(ends.near, EPOLLIN);
  Stopwatch stopwatch;
  EXPECT_EQ(poller.wait(30), nothing);
  EXPECT_GE(stopwatch.microseconds(), 30000);
}

TEST_P(Watched, ForgottenDescriptorIsSilent) {
  poller.watch(ends.near, EPOLLIN);
  EXPECT_EQ(poller.control(EPOLL_CTL_DEL, ends.near), done(0));
  send_text(ends.far, "x");
  EXPECT_EQ(poller.wait(0), nothing);
  EXPECT_EQ(poller.control(EPOLL_CTL_DEL, ends.near), failed(ENOENT));
  EXPECT_EQ(poller.control(EPOLL_CTL_MOD, ends.near, EPOLLIN), failed(ENOENT));
}

TEST_P(Watched, ClosedDescriptorLeavesTheSet) {
  poller.watch(ends.near, EPOLLIN);
  send_text(ends.far, "x");
  ends.near.reset();
  EXPECT_EQ(poller.wait(0), nothing);
}

TEST_P(Watched, DescriptorMayBeReadByOneThreadAndWatchedByAnother) {
  poller.watch(ends.near, EPOLLIN);
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "x");
  EXPECT_EQ(reader.answer(), "x");
  EXPECT_EQ(poller.wait(0), nothing);
  send_text(ends.far, "y");
  EXPECT_EQ(poller.wait(), Events(ends.near, EPOLLIN));
}

TEST_P(Watched, WatchingTwiceIsRefused) {
  poller.watch(ends.near, EPOLLIN);
  EXPECT_EQ(poller.control(EPOLL_CTL_ADD, ends.near, EPOLLIN), failed(EEXIST));
}

TEST(Epoll, WatchesTheDescriptorsItIsGiven) {
  Poller poller;
  Descriptor file = open("/proc/self/exe", O_RDONLY);
  EXPECT_EQ(poller.control(EPOLL_CTL_ADD, file, EPOLLIN), failed(EPERM));
  EXPECT_EQ(poller.control(EPOLL_CTL_ADD, poller, EPOLLIN), failed(EINVAL));
  EXPECT_EQ(poller.control(EPOLL_CTL_ADD, -1, EPOLLIN), failed(EBADF));
}

TEST(Epoll, BadArgumentsAreTheKernelsToRefuse) {
  Poller poller;
  epoll_event event;
  Connection pipe = connection(Kind::pipe);
  EXPECT_EQ(attempt(epoll_wait, poller, &event, 0, 0), failed(EINVAL));
  EXPECT_EQ(attempt(epoll_wait, -1, &event, 1, 0), failed(EBADF));
  EXPECT_EQ(attempt(epoll_wait, pipe.near, &event, 1, 0), failed(EINVAL));
  EXPECT_EQ(attempt(epoll_create, 0), failed(EINVAL));
  EXPECT_EQ(attempt(epoll_create1, 1), failed(EINVAL));
}

TEST(Epoll, EventsOfManyDescriptorsComeTogether) {
  Poller poller;
  std::vector<Connection> pipes;
  for (int i = 0; i < 50; ++i) {
    pipes.push_back(connection(Kind::pipe));
    poller.watch(pipes.back().near, EPOLLIN);
    send_text(pipes.back().far, "x");
  }
  std::vector<epoll_event> events(100);
  EXPECT_EQ(attempt(epoll_wait, poller, events.data(), 100, -1), done(50));
  EXPECT_EQ(attempt(epoll_wait, poller, events.data(), 20, -1), done(20));
}

TEST(Epoll, InsideAnotherEpollTellsThatItIsReady) {
  Poller inner, outer;
  Connection pipe = connection(Kind::pipe);
  inner.watch(pipe.near, EPOLLIN);
  outer.watch(inner, EPOLLIN);
  Background waiter([&] { return outer.wait(); });
  send_text(pipe.far, "x");
  EXPECT_EQ(waiter.answer(), Events(inner, EPOLLIN));
  EXPECT_EQ(inner.wait(0), Events(pipe.near, EPOLLIN));
  read_text(pipe.near);
  EXPECT_EQ(outer.wait(0), nothing);
}

TEST(Epoll, DescriptorAddedMeanwhileWakesWhoWaits) {
  Poller poller;
  Connection pipe = connection(Kind::pipe);
  send_text(pipe.far, "x");
  Background waiter([&] { return poller.wait(); });
  poller.watch(pipe.near, EPOLLIN);
  EXPECT_EQ(waiter.answer(), Events(pipe.near, EPOLLIN));
}

TEST(Epoll, SharedByThreadsGivesEachEdgeToOne) {
  constexpr int rounds = 1000;
  Poller poller;
  Descriptor event = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK), stop = eventfd(0, 0);
  poller.watch(event, EPOLLIN | EPOLLET);
  poller.watch(stop, EPOLLIN);
  std::atomic<int> taken = 0;
  auto take = [&] {
    for (;;) {
      if (poller.wait().first == stop) return 0;
      uint64_t value;
      while (read(event, &value, sizeof value) == sizeof value) ++taken;
    }
  };
  Background a(take), b(take), c(take);
  uint64_t one = 1;
  for (int i = 0; i < rounds; ++i) EXPECT_EQ(attempt(write, event, &one, sizeof one), done(8));
  while (taken < rounds) std::this_thread::yield();
  EXPECT_EQ(attempt(write, stop, &one, sizeof one), done(8));
  for (auto* each : {&a, &b, &c}) each->answer();
  EXPECT_EQ(taken, rounds);
}

TEST(Epoll, PwaitTakesTimeoutsOfBothKinds) {
  Poller poller;
  epoll_event event;
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(epoll_pwait, poller, &event, 1, 20, nullptr), done(0));
  EXPECT_GE(stopwatch.microseconds(), 20000);
  timespec timeout = {0, 20000000}, impossible = {0, 2000000000};
  Stopwatch second;
  EXPECT_EQ(attempt(epoll_pwait2, poller, &event, 1, &timeout, nullptr), done(0));
  EXPECT_GE(second.microseconds(), 20000);
  EXPECT_EQ(attempt(epoll_pwait2, poller, &event, 1, &impossible, nullptr), failed(EINVAL));
}

TEST(Epoll, HangUpIsReportedUnasked) {
  Poller poller;
  Connection pair = connection(Kind::unix_pair);
  poller.watch(pair.near, EPOLLRDHUP);
  Background waiter([&] { return poller.wait(); });
  pair.far.reset();
  EXPECT_EQ(waiter.answer(), Events(pair.near, EPOLLHUP | EPOLLRDHUP));
}

TEST(Epoll, CopiesAreWatchedApart) {
  Poller poller;
  Connection pipe = connection(Kind::pipe);
  Descriptor copy = dup(pipe.near);
  poller.watch(pipe.near, EPOLLIN);
  poller.watch(copy, EPOLLIN);
  send_text(pipe.far, "x");
  epoll_event events[4];
  EXPECT_EQ(attempt(epoll_wait, poller, events, 4, -1), done(2));
}

}  // namespace
