#include "scheduler/readiness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

namespace {

// Two connected stream sockets, known to the scheduler as the program's own.
class Pair {
 public:
  explicit Pair(bool trusted = true) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_), 0);
    for (int fd : ends_) open_descriptor(fd, trusted);
  }
  ~Pair() {
    for (int fd : ends_) close_end(fd);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  int near() const { return ends_[0]; }
  int far() const { return ends_[1]; }
  void send(char byte = 'x') { EXPECT_EQ(write(far(), &byte, 1), 1); }
  // 1, 0 at the end of the stream, -1 when nothing is there.
  int receive() {
    char byte;
    return (int)read(near(), &byte, 1);
  }
  void close_far() {
    close_end(ends_[1]);
    ends_[1] = -1;
  }
  // The caller has closed it in its own way.
  void forget_near() { ends_[0] = -1; }

 private:
  static void close_end(int fd) {
    if (fd < 0) return;
    close_descriptor(fd, false);
    close(fd);
  }
  int ends_[2] = {-1, -1};
};

Wakeup await_input(int fd, Deadline deadline = Deadline::never()) {
  return wait_for_descriptor(fd, Direction::in, deadline);
}

Deadline soon() { return Deadline::after(2'000'000); }

// What every read is: clear the mark, try, wait, try again. False at the end of the stream.
bool receive_when_ready(Pair& pair) {
  for (;;) {
    begin_try(pair.near(), Direction::in);
    int received = pair.receive();
    if (received == 0) return false;
    if (received > 0) {
      set_mark(pair.near(), Direction::in);
      return true;
    }
    if (await_input(pair.near()) != Wakeup::ready) return false;
  }
}

// The same of a write.
void send_when_ready(Pair& pair) {
  char byte = 0;
  for (;;) {
    begin_try(pair.far(), Direction::out);
    if (write(pair.far(), &byte, 1) == 1) return set_mark(pair.far(), Direction::out);
    EXPECT_EQ(wait_for_descriptor(pair.far(), Direction::out), Wakeup::ready);
  }
}

}  // namespace

TEST(Readiness, WhatIsThereIsReady) {
  Pair pair;
  pair.send();
  EXPECT_EQ(await_input(pair.near()), Wakeup::ready);
  EXPECT_EQ(wait_for_descriptor(pair.near(), Direction::out), Wakeup::ready);
}

TEST(Readiness, AByteWakesTheReader) {
  Pair pair;
  Wakeup result = Wakeup::closed;
  test::Thread reader([&] { result = await_input(pair.near()); });
  EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  pair.send();
  reader.join();
  EXPECT_EQ(result, Wakeup::ready);
}

TEST(Readiness, AByteFromAnotherOsThreadWakesAnIdleProcess) {
  Pair pair;
  std::atomic<bool> about_to_wait{false};
  std::thread writer([&] {
    about_to_wait.wait(false);
    pair.send();
  });
  about_to_wait = true;
  about_to_wait.notify_one();
  EXPECT_EQ(await_input(pair.near()), Wakeup::ready);
  writer.join();
}

TEST(Readiness, RoomWakesTheWriter) {
  Pair pair;
  char bytes[4096] = {};
  do {
    begin_try(pair.near(), Direction::out);
  } while (write(pair.near(), bytes, sizeof bytes) > 0);
  test::Thread writer([&] { EXPECT_EQ(wait_for_descriptor(pair.near(), Direction::out), Wakeup::ready); });
  EXPECT_TRUE(eventually([&] { return writer.is_parked(); }));
  while (read(pair.far(), bytes, sizeof bytes) > 0) continue;
  writer.join();
  EXPECT_GT(write(pair.near(), bytes, 1), 0);
}

TEST(Readiness, ADeadlineEndsTheWait) {
  Pair pair;
  EXPECT_EQ(await_input(pair.near(), Deadline::passed()), Wakeup::timed_out);
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
}

TEST(Readiness, ASignalEndsTheWait) {
  Pair pair;
  Wakeup result = Wakeup::ready;
  test::Thread reader([&] { result = await_input(pair.near()); });
  EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  EXPECT_TRUE(wake_thread(reader.green(), Wakeup::interrupted));
  reader.join();
  EXPECT_EQ(result, Wakeup::interrupted);
}

TEST(Readiness, AClearedMarkIsNotWorthATry) {
  Pair pair;
  EXPECT_TRUE(worth_trying(pair.near(), Direction::in)) << "nothing is known of it yet";
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  EXPECT_FALSE(worth_trying(pair.near(), Direction::in));
  set_mark(pair.near(), Direction::in);
  EXPECT_TRUE(worth_trying(pair.near(), Direction::in));
  EXPECT_TRUE(begin_try(pair.near(), Direction::in) & (uint8_t)Direction::in);
  EXPECT_FALSE(worth_trying(pair.near(), Direction::in));
}

TEST(Readiness, WhatComesBetweenTheTryAndTheWaitIsSeen) {
  Pair pair;
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  begin_try(pair.near(), Direction::in);
  EXPECT_EQ(pair.receive(), -1);
  pair.send();
  EXPECT_EQ(await_input(pair.near()), Wakeup::ready);
  EXPECT_EQ(pair.receive(), 1);
}

TEST(Readiness, AnEndThatThePeerClosedStaysWorthATry) {
  Pair pair;
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  pair.close_far();
  EXPECT_EQ(await_input(pair.near()), Wakeup::ready);
  uint8_t marks = begin_try(pair.near(), Direction::in);
  EXPECT_TRUE(worth_trying(pair.near(), Direction::in)) << "the end of a stream can be read again and again";
  EXPECT_TRUE(try_failed(pair.near(), Direction::in, marks)) << "unless a try has proven otherwise";
  EXPECT_FALSE(worth_trying(pair.near(), Direction::in));
}

TEST(Readiness, TheEndOfOneDirectionLeavesTheOtherAlone) {
  Pair pair;
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  EXPECT_EQ(shutdown(pair.far(), SHUT_WR), 0);
  EXPECT_EQ(await_input(pair.near()), Wakeup::ready);
  begin_try(pair.near(), Direction::in);
  begin_try(pair.near(), Direction::out);
  EXPECT_TRUE(worth_trying(pair.near(), Direction::in));
  EXPECT_FALSE(worth_trying(pair.near(), Direction::out));
}

TEST(Readiness, AFailedTryWithoutAStickyMarkProvesNothing) {
  Pair pair;
  EXPECT_FALSE(try_failed(pair.near(), Direction::in, (uint8_t)Direction::in));
}

TEST(Readiness, CloseEndsItsWaiters) {
  Pair pair;
  Wakeup results[3];
  auto readers = test::start_threads(3, [&](int i) { results[i] = await_input(pair.near()); });
  for (test::Thread& reader : readers) EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  close_descriptor(pair.near(), false);
  close(pair.near());
  pair.forget_near();
  readers.clear();
  for (Wakeup result : results) EXPECT_EQ(result, Wakeup::closed);
}

TEST(Readiness, ANumberThatIsBornAgainEndsOlderWaits) {
  Pair pair;
  Wakeup result = Wakeup::ready;
  test::Thread reader([&] { result = await_input(pair.near()); });
  EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  open_descriptor(pair.near(), true);
  reader.join();
  EXPECT_EQ(result, Wakeup::closed);
}

TEST(Readiness, AReusedNumberGetsNoEventOfTheOldOne) {
  Pair old, fresh;
  EXPECT_EQ(await_input(old.near(), soon()), Wakeup::timed_out);
  int number = old.near();
  int kept = dup(number);  // the description, and with it the old registration, lives on
  close_descriptor(number, false);
  EXPECT_EQ(dup2(fresh.near(), number), number);
  open_descriptor(number, true);
  EXPECT_EQ(await_input(number, soon()), Wakeup::timed_out);
  old.send();
  EXPECT_EQ(await_input(number, soon()), Wakeup::timed_out);
  EXPECT_FALSE(worth_trying(number, Direction::in));
  fresh.send();
  EXPECT_EQ(await_input(number), Wakeup::ready);
  close(kept);
}

TEST(Readiness, EventsOfAnOlderGenerationAreDropped) {
  Pair pair;
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  for (uint32_t generation : {0u, 1'000'000u, ~0u}) descriptor_event(pair.near(), generation, EPOLLIN);
  EXPECT_FALSE(worth_trying(pair.near(), Direction::in));
}

TEST(Readiness, ASharedDescriptionLosesItsRegistrationWithTheNumber) {
  Pair pair;
  int number = dup(pair.near());
  open_descriptor(number, true);
  EXPECT_EQ(await_input(number, soon()), Wakeup::timed_out);
  close_descriptor(number, true);
  EXPECT_EQ(dup2(pair.near(), number), number);
  open_descriptor(number, true);
  pair.send();
  EXPECT_EQ(await_input(number), Wakeup::ready) << "it could not be registered anew";
  close_descriptor(number, true);
  close(number);
}

TEST(Readiness, ACloseThatNobodySawIsFoundOut) {
  Pair pair(false);
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  int number = pair.near();
  Pair other;
  EXPECT_EQ(dup2(other.near(), number), number);  // behind our back
  other.send();
  EXPECT_EQ(await_input(number), Wakeup::ready);
}

TEST(Readiness, ASuccessIsPassedOn) {
  constexpr int count = 4;
  Pair pair;
  std::atomic<int> received{0};
  auto readers = test::start_threads(count, [&](int) {
    received += receive_when_ready(pair);
    pass_on(pair.near(), Direction::in);
  });
  for (test::Thread& reader : readers) EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  char bytes[count] = {};
  EXPECT_EQ(write(pair.far(), bytes, count), count);  // one edge for all of them
  readers.clear();
  EXPECT_EQ(received, count);
}

TEST(Readiness, OneEventWakesOneTransferAndEveryPoller) {
  Pair pair;
  EXPECT_EQ(await_input(pair.near(), soon()), Wakeup::timed_out);
  std::atomic<int> polled{0}, transfers{0};
  auto poll = [&] {
    Waiter waiter(WaitKind::poll);
    Interest interest = {&waiter, (uint8_t)Direction::in, true, nullptr, nullptr, nullptr};
    EXPECT_TRUE(watch(pair.near(), interest));
    polled += waiter.wait() == Wakeup::ready;
    unwatch(interest);
  };
  auto transfer = [&] { transfers += await_input(pair.near()) == Wakeup::ready; };
  std::vector<test::Thread> threads;
  for (bool polls : {true, false, true, false, true}) {  // pollers before, between and behind the transfers
    threads.emplace_back(polls ? std::function<void()>(poll) : transfer);
    EXPECT_TRUE(eventually([&] { return threads.back().is_parked(); }));
  }
  pair.send();
  EXPECT_TRUE(eventually([&] { return polled == 3 && transfers == 1; }));
  pass_on(pair.near(), Direction::in);
  threads.clear();
  EXPECT_EQ(transfers, 2);
}

TEST(Readiness, OneWaitMayWatchManyDescriptors) {
  Pair pairs[5];
  test::Thread poller([&] {
    Waiter waiter(WaitKind::poll);
    Interest interests[5];
    for (int i = 0; i < 5; ++i) {
      interests[i] = {&waiter, (uint8_t)Direction::in, true, nullptr, nullptr, nullptr};
      EXPECT_TRUE(watch(pairs[i].near(), interests[i]));
    }
    EXPECT_EQ(waiter.wait(), Wakeup::ready);
    for (Interest& interest : interests) unwatch(interest);
  });
  EXPECT_TRUE(eventually([&] { return poller.is_parked(); }));
  pairs[3].send();
}

TEST(Readiness, StirringWakesEverybody) {
  Pair pair;
  auto readers = test::start_threads(3, [&](int) { EXPECT_EQ(await_input(pair.near()), Wakeup::ready); });
  for (test::Thread& reader : readers) EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  stir_descriptor(pair.near());
}

TEST(Readiness, ARegularFileIsAlwaysReadyAndNeverWatched) {
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  open_descriptor(file, true);
  EXPECT_EQ(await_input(file), Wakeup::ready);
  Waiter waiter(WaitKind::poll);
  Interest interest = {&waiter, (uint8_t)Direction::in, true, nullptr, nullptr, nullptr};
  EXPECT_FALSE(watch(file, interest));
  unwatch(interest);
  waiter.cancel();
  close_descriptor(file, false);
  close(file);
}

TEST(Readiness, NumbersThatNoKernelGivesAreHarmless) {
  for (int fd : {-1, INT32_MAX}) {
    EXPECT_EQ(begin_try(fd, Direction::in), 0);
    EXPECT_TRUE(worth_trying(fd, Direction::in));
    set_mark(fd, Direction::in);
    pass_on(fd, Direction::in);
    stir_descriptor(fd);
    open_descriptor(fd, true);
    close_descriptor(fd, true);
    descriptor_event(fd, 0, EPOLLIN);
  }
}

TEST(Readiness, AnOsThreadWaitsToo) {
  Pair pair;
  Wakeup result = Wakeup::closed;
  std::thread reader([&] { result = await_input(pair.near()); });
  pair.send();
  reader.join();
  EXPECT_EQ(result, Wakeup::ready);
}

TEST(Readiness, ThreadsThatComputeDoNotStarveTheLoop) {
  Pair pair;
  std::atomic<bool> received{false};
  test::Thread reader([&] { received = receive_when_ready(pair); });
  EXPECT_TRUE(eventually([&] { return reader.is_parked(); }));
  auto busy = test::start_threads(3, [&](int) { EXPECT_TRUE(eventually([&] { return received.load(); })); });
  pair.send();
  busy.clear();
  EXPECT_TRUE(received);
}

// Every byte that is sent is received, whoever waits where, and everybody sees the end.
TEST(Readiness, NoEdgeIsLostBetweenSendersAndReceivers) {
  constexpr int pairs = 4, receivers_of_each = 2, bytes_of_each = 4'000;
  std::vector<std::unique_ptr<Pair>> all;
  for (int i = 0; i < pairs; ++i) all.push_back(std::make_unique<Pair>());
  std::vector<std::atomic<int>> received(pairs);
  auto receivers = test::start_threads(pairs * receivers_of_each, [&](int i) {
    Pair& pair = *all[i % pairs];
    while (receive_when_ready(pair)) {
      pass_on(pair.near(), Direction::in);
      ++received[i % pairs];
    }
    pass_on(pair.near(), Direction::in);
  });
  auto senders = test::start_threads(pairs, [&](int i) {
    for (int sent = 0; sent < bytes_of_each; ++sent) {
      send_when_ready(*all[i]);
      if (sent % 8 == 0) yield();
    }
    shutdown(all[i]->far(), SHUT_WR);
  });
  senders.clear();
  receivers.clear();
  for (auto& each : received) EXPECT_EQ(each, bytes_of_each);
}
