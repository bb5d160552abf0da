// Which numbers descriptors get, and what dup(2), close(2) and close_range(2) do with them.
#include <errno.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

int lowest_free() {
  int lowest = checked(dup(STDERR_FILENO), "dup");
  close(lowest);
  return lowest;
}

TEST(Numbers, EachBirthGetsTheLowestFreeOne) {
  std::vector<Descriptor> taken;
  auto expect_lowest = [&](auto birth) {
    int expected = lowest_free();
    taken.push_back(birth());
    EXPECT_EQ(taken.back(), expected);
  };
  expect_lowest([] { return socket(AF_INET, SOCK_STREAM, 0); });
  expect_lowest([] { return open("/dev/null", O_RDONLY); });
  expect_lowest([] { return eventfd(0, 0); });
  expect_lowest([] { return epoll_create1(0); });
  taken[1].reset();
  expect_lowest([] { return dup(STDERR_FILENO); });
}

TEST(Numbers, PairGetsTheTwoLowestFreeOnes) {
  for (Kind kind : {Kind::pipe, Kind::unix_pair}) {
    Descriptor first = lowest_free();
    ASSERT_EQ(dup2(STDERR_FILENO, first), first);
    int second = lowest_free(), expected = first;
    first.reset();
    Connection ends = connection(kind);
    EXPECT_EQ(ends.near, expected);
    EXPECT_EQ(ends.far, second);
  }
}

TEST(Numbers, AcceptGetsTheLowestFreeOne) {
  Descriptor listening = listener();
  Descriptor client = connected_to(listening);
  int next = lowest_free();
  EXPECT_EQ(static_cast<int>(Descriptor(accept(listening, nullptr, nullptr))), next);
}

TEST(Numbers, WaitingTakesNone) {
  Connection ends = connection(Kind::tcp);
  int next = lowest_free();
  Background reader([&] { return read_text(ends.near); });
  EXPECT_EQ(lowest_free(), next);
  send_text(ends.far, "x");
  EXPECT_EQ(reader.answer(), "x");
  EXPECT_EQ(lowest_free(), next);
}

// A thread that blocks in the kernel again and again, which somebody may want to look into meanwhile.
TEST(Numbers, NobodyElseTakesOneForAMoment) {
  std::atomic<bool> done = false;
  std::thread blocks([&] {
    timespec longer_than_two_looks = {0, 11'000'000};
    while (!done) {
      syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &longer_than_two_looks, nullptr);
      usleep(500);
    }
  });
  int expected = lowest_free(), others = 0;
  auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  while (std::chrono::steady_clock::now() < until) {
    Descriptor born = checked(open("/dev/null", O_RDONLY), "open");
    if (born != expected) ++others;
    born.reset();
    Descriptor copy = checked(dup2(STDERR_FILENO, expected), "dup2");  // the kernel's EBUSY, if somebody is opening
  }
  done = true;
  blocks.join();
  EXPECT_EQ(others, 0);
}

TEST(Numbers, LimitIsToldByEveryBirth) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = lowest_free() + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  Descriptor last = dup(STDERR_FILENO);
  int ends[2] = {-7, -7};
  Outcome outcomes[] = {attempt(socket, AF_INET, SOCK_STREAM, 0),
                        attempt(pipe, ends),
                        attempt(socketpair, AF_UNIX, SOCK_STREAM, 0, ends),
                        attempt(dup, last),
                        attempt(open, "/dev/null", O_RDONLY),
                        attempt(eventfd, 0, 0),
                        attempt(fcntl, last, F_DUPFD, 0)};
  Outcome beyond = attempt(dup2, last, 1 << 20);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GE(last, 0);
  for (const Outcome& each : outcomes) EXPECT_EQ(each, failed(EMFILE));
  EXPECT_EQ(beyond, failed(EBADF));
  EXPECT_EQ(ends[0], -7);
  EXPECT_GE(Descriptor(dup(STDERR_FILENO)), 0);
}

TEST(Numbers, AllOfALowLimitCanBeUsed) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<Descriptor> all;
  for (int fd; (fd = dup(STDERR_FILENO)) >= 0;) all.push_back(fd);
  int reason = errno;
  int highest = all.empty() ? -1 : static_cast<int>(all.back());
  all.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(reason, EMFILE);
  EXPECT_EQ(highest, 63);
}

TEST(Dup, SharesTheDescription) {
  Connection ends = connection(Kind::tcp);
  Descriptor copy = dup(ends.near);
  send_text(ends.far, "abcd");
  EXPECT_EQ(read_text(copy, 2), "ab");
  EXPECT_EQ(read_text(ends.near, 2), "cd");
  ends.near.reset();
  Background reader([&] { return read_text(copy); });
  send_text(ends.far, "alive");
  EXPECT_EQ(reader.answer(), "alive");
}

TEST(Dup, Dup2TakesTheNumberAskedFor) {
  Connection first = connection(Kind::tcp), second = connection(Kind::tcp);
  EXPECT_EQ(attempt(dup2, second.near, first.near), done(first.near));
  EXPECT_EQ(read_text(first.far), "") << "the old connection is closed";
  send_text(second.far, "second");
  EXPECT_EQ(read_text(first.near), "second");
}

TEST(Dup, Dup2OfItselfDoesNothing) {
  Connection ends = connection(Kind::tcp);
  ASSERT_EQ(fcntl(ends.near, F_SETFD, FD_CLOEXEC), 0);
  EXPECT_EQ(attempt(dup2, ends.near, ends.near), done(ends.near));
  EXPECT_EQ(fcntl(ends.near, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(attempt(dup3, ends.near, ends.near, 0), failed(EINVAL));
}

TEST(Dup, Dup2OfAClosedOneLeavesTheTargetAlone) {
  Connection ends = connection(Kind::tcp);
  EXPECT_EQ(attempt(dup2, -1, ends.near), failed(EBADF));
  EXPECT_EQ(attempt(dup2, lowest_free(), ends.near), failed(EBADF));
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "still there");
  EXPECT_EQ(reader.answer(), "still there");
}

TEST(Dup, Dup3SetsCloseOnExec) {
  Connection ends = connection(Kind::pipe);
  int target = lowest_free();
  EXPECT_EQ(attempt(dup3, ends.near, target, O_CLOEXEC), done(target));
  EXPECT_EQ(fcntl(target, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(attempt(dup3, ends.near, target, 1), failed(EINVAL));
  close(target);
}

TEST(Dup, FcntlTakesTheLowestFromTheBoundUp) {
  Connection ends = connection(Kind::pipe);
  Descriptor high = fcntl(ends.near, F_DUPFD, 500), higher = fcntl(ends.near, F_DUPFD_CLOEXEC, 500);
  EXPECT_EQ(high, 500);
  EXPECT_EQ(higher, 501);
  EXPECT_EQ(fcntl(higher, F_GETFD), FD_CLOEXEC);
  Background reader([&] { return read_text(high); });
  send_text(ends.far, "high");
  EXPECT_EQ(reader.answer(), "high");
  EXPECT_EQ(attempt(fcntl, ends.near, F_DUPFD, -1), failed(EINVAL));
}

TEST(Close, TellsWhatIsNotOpen) {
  int number = dup(STDERR_FILENO);
  EXPECT_EQ(attempt(close, number), done(0));
  EXPECT_EQ(attempt(close, number), failed(EBADF));
  EXPECT_EQ(attempt(close, -1), failed(EBADF));
}

TEST(Close, OfACopyLeavesWhoWaitsAlone) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair, Kind::udp, Kind::pipe}) {
    Connection ends = connection(kind);
    Descriptor copy = dup(ends.near), target = dup(ends.near);
    Background reader([&] { return read_text(ends.near); });
    copy.reset();
    ASSERT_EQ(dup2(STDERR_FILENO, target), target);
    send_text(ends.far, "undisturbed");
    EXPECT_EQ(reader.answer(), "undisturbed");
  }
}

TEST(Close, ReusedNumberNeverGetsAnOldEvent) {
  for (int i = 0; i < 200; ++i) {
    Connection old = connection(Kind::unix_pair);
    int number = old.near;
    Background reader([&] { return read_text(number); });
    send_text(old.far, "old");
    EXPECT_EQ(reader.answer(), "old");
    send_text(old.far, "never read");
    old.near.reset();
    Connection fresh = connection(Kind::unix_pair);
    ASSERT_EQ(fresh.near, number);
    Event sent;
    Background second([&] {
      std::string text = read_text(number);
      EXPECT_TRUE(sent.happened());
      return text;
    });
    sent.happen();
    send_text(fresh.far, "fresh");
    EXPECT_EQ(second.answer(), "fresh");
  }
}

// A system call of its own, as runtimes make them: nobody between the program and the kernel can see it.
void close_out_of_sight(int fd) {
  long result = SYS_close;
  __asm__ volatile("syscall" : "+a"(result) : "D"(static_cast<long>(fd)) : "rcx", "r11", "memory");
  ASSERT_EQ(result, 0);
}

TEST(Close, OutOfSightLeavesNothingToTheNextOfItsNumber) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  for (int end : ends) close_out_of_sight(end);
  Descriptor event = eventfd(0, EFD_NONBLOCK);
  ASSERT_EQ(event, ends[0]);
  uint64_t value;
  EXPECT_EQ(attempt(read, event, &value, sizeof value), failed(EAGAIN));
}

TEST(CloseRange, ClosesWhatIsInTheRange) {
  Connection ends = connection(Kind::tcp);
  Descriptor kept = fcntl(ends.near, F_DUPFD, 300), gone = fcntl(ends.near, F_DUPFD, 301);
  EXPECT_EQ(attempt(close_range, 301, 310, 0), done(0));
  EXPECT_EQ(attempt(fcntl, gone, F_GETFD), failed(EBADF));
  gone.release();
  EXPECT_EQ(attempt(close_range, 300, 299, 0), failed(EINVAL));
  Background reader([&] { return read_text(kept); });
  send_text(ends.far, "kept");
  EXPECT_EQ(reader.answer(), "kept");
  EXPECT_EQ(attempt(close_range, 300, 310, CLOSE_RANGE_CLOEXEC), done(0));
  EXPECT_EQ(fcntl(kept, F_GETFD), FD_CLOEXEC);
}

// Programs that become servers close whatever they may have inherited.
void expect_that_waiting_still_works() {
  Connection ends = connection(Kind::tcp);
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "works");
  EXPECT_EQ(reader.answer(), "works");
}

TEST(CloseRange, ClosingEverythingDoesNotBreakWaiting) {
  int first = fcntl(STDERR_FILENO, F_DUPFD, 700);
  EXPECT_EQ(attempt(close_range, 700, ~0u, 0), done(0));
  EXPECT_EQ(attempt(fcntl, first, F_GETFD), failed(EBADF));
  expect_that_waiting_still_works();
}

TEST(CloseRange, ClosefromDoesNotBreakWaiting) {
  int first = fcntl(STDERR_FILENO, F_DUPFD, 700);
  closefrom(700);
  EXPECT_EQ(attempt(fcntl, first, F_GETFD), failed(EBADF));
  expect_that_waiting_still_works();
}

TEST(CloseRange, LoopOverEveryNumberDoesNotBreakWaiting) {
  long limit = sysconf(_SC_OPEN_MAX);
  for (long fd = 700; fd < limit; ++fd) close(fd);
  expect_that_waiting_still_works();
}

TEST(RawCalls, Dup3OverANumberThatWasWaitedOnIsSeen) {
  Connection before = connection(Kind::unix_pair), after = connection(Kind::unix_pair);
  std::thread waiter([&] { EXPECT_EQ(read_text(before.near), "x"); });
  send_text(before.far, "x");
  waiter.join();
  int number = before.near;
  ASSERT_EQ(syscall(SYS_dup3, static_cast<int>(after.near), number, 0), number);
  Background reader([&] { return read_text(number); });
  usleep(20'000);
  send_text(after.far, "y");
  EXPECT_EQ(reader.answer(), "y");
}

// As nobody sees who does not look into the program's code.
long close_range_inline(unsigned first, unsigned last) {
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(SYS_close_range), "D"((long)first), "S"((long)last), "d"(0l)
                   : "rcx", "r11", "memory");
  return result;
}

TEST(RawCalls, EverythingAboveOnesOwnMayBeClosed) {
  Connection ends = connection(Kind::pipe);
  Background reader([&] { return read_text(ends.near); });
  usleep(20'000);
  unsigned above = lowest_free();
  while (fcntl((int)above, F_GETFD) != -1) ++above;
  if (long result = close_range_inline(above, ~0u); result == -ENOSYS) GTEST_SKIP() << "no close_range";
  rusage used_before, used_after;
  getrusage(RUSAGE_SELF, &used_before);
  usleep(300'000);
  getrusage(RUSAGE_SELF, &used_after);
  auto milliseconds = [](const rusage& used) {
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
  };
  EXPECT_LT(milliseconds(used_after) - milliseconds(used_before), 150);
  send_text(ends.far, "x");
  EXPECT_EQ(reader.answer(), "x");
}

}  // namespace
