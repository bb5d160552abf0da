// select(2) and pselect(2).
#include <gtest/gtest.h>
#include <sys/select.h>

#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

// A set of any size: select(2) takes as many bits as its first argument says.
class Set {
 public:
  explicit Set(int numbers = FD_SETSIZE) : words_(numbers / bits + 1) {}
  void add(int fd) { words_[fd / bits] |= 1ul << fd % bits; }
  void remove(int fd) { words_[fd / bits] &= ~(1ul << fd % bits); }
  bool has(int fd) const { return words_[fd / bits] >> fd % bits & 1; }
  fd_set* raw() { return reinterpret_cast<fd_set*>(words_.data()); }

 private:
  static constexpr int bits = 8 * sizeof(unsigned long);
  std::vector<unsigned long> words_;
};

class Selectable : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  Set readers, writers;
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Select, Selectable,
                         testing::Values(Kind::tcp, Kind::unix_named, Kind::seqpacket, Kind::udp, Kind::pipe), kind_of);

TEST_P(Selectable, WaitsUntilDataArrives) {
  Event sent;
  readers.add(ends.near);
  Background selecter([&] {
    Outcome outcome = attempt(select, ends.near + 1, readers.raw(), nullptr, nullptr, nullptr);
    EXPECT_TRUE(sent.happened());
    return outcome;
  });
  sent.happen();
  send_text(ends.far, "x");
  EXPECT_EQ(selecter.answer(), done(1));
  EXPECT_TRUE(readers.has(ends.near));
}

TEST_P(Selectable, TimesOutAndEmptiesTheSets) {
  readers.add(ends.near);
  timeval timeout = {0, 30000};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(select, ends.near + 1, readers.raw(), nullptr, nullptr, &timeout), done(0));
  EXPECT_GE(stopwatch.microseconds(), 30000);
  EXPECT_FALSE(readers.has(ends.near));
  EXPECT_EQ(timeout.tv_sec, 0) << "Linux says how much time was left";
  EXPECT_EQ(timeout.tv_usec, 0);
}

TEST_P(Selectable, TellsHowMuchTimeWasLeft) {
  readers.add(ends.near);
  timeval timeout = {100, 0};
  Background selecter([&] { return attempt(select, ends.near + 1, readers.raw(), nullptr, nullptr, &timeout); });
  send_text(ends.far, "x");
  EXPECT_EQ(selecter.answer(), done(1));
  EXPECT_LT(timeout.tv_sec, 100);
  EXPECT_GT(timeout.tv_sec, 30);
}

TEST_P(Selectable, PselectLeavesTheTimeoutAlone) {
  readers.add(ends.near);
  timespec timeout = {0, 20000000};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(pselect, ends.near + 1, readers.raw(), nullptr, nullptr, &timeout, nullptr), done(0));
  EXPECT_GE(stopwatch.microseconds(), 20000);
  EXPECT_EQ(timeout.tv_nsec, 20000000);
}

TEST_P(Selectable, ZeroTimeoutOnlyLooks) {
  readers.add(ends.near);
  timeval timeout = {0, 0};
  EXPECT_EQ(attempt(select, ends.near + 1, readers.raw(), nullptr, nullptr, &timeout), done(0));
  send_text(ends.far, "x");
  readers.add(ends.near);
  EXPECT_EQ(attempt(select, ends.near + 1, readers.raw(), nullptr, nullptr, &timeout), done(1));
}

TEST_P(Selectable, CountsEachReadySetBit) {
  Descriptor file = open("/proc/self/exe", O_RDONLY);
  readers.add(file);
  readers.add(ends.near);
  writers.add(ends.far);
  writers.add(file);
  int most = std::max<int>({file, ends.near, ends.far}) + 1;
  EXPECT_EQ(attempt(select, most, readers.raw(), writers.raw(), nullptr, nullptr), done(3));
  EXPECT_TRUE(readers.has(file));
  EXPECT_FALSE(readers.has(ends.near));
  EXPECT_TRUE(writers.has(file));
  EXPECT_TRUE(writers.has(ends.far));
}

TEST_P(Selectable, NumbersPastTheUsualLimitWork) {
  constexpr int number = 3000;
  Descriptor high = fcntl(ends.near, F_DUPFD, number);
  ASSERT_EQ(high, number);
  Set many(4096);
  many.add(high);
  many.add(ends.near);
  Background selecter([&] { return attempt(select, number + 1, many.raw(), nullptr, nullptr, nullptr); });
  send_text(ends.far, "x");
  EXPECT_GE(selecter.answer().result, 1);
  EXPECT_TRUE(many.has(high) || many.has(ends.near));
  many.add(high);
  many.add(ends.near);
  EXPECT_EQ(attempt(select, number + 1, many.raw(), nullptr, nullptr, nullptr), done(2));
  EXPECT_TRUE(many.has(high));
  EXPECT_TRUE(many.has(ends.near));
}

TEST_P(Selectable, HighNumberAloneWaits) {
  constexpr int number = 2000;
  Descriptor high = fcntl(ends.near, F_DUPFD, number);
  Set many(4096);
  many.add(high);
  Background selecter([&] { return attempt(select, number + 1, many.raw(), nullptr, nullptr, nullptr); });
  send_text(ends.far, "x");
  EXPECT_EQ(selecter.answer(), done(1));
  EXPECT_TRUE(many.has(high));
}

TEST(Select, BitsPastTheCountAreNotLookedAt) {
  Connection a = connection(Kind::pipe), b = connection(Kind::pipe);
  Set readers;
  int lower = std::min<int>(a.near, b.near), higher = std::max<int>(a.near, b.near);
  readers.add(lower);
  readers.add(higher);
  send_text(a.far, "x");
  send_text(b.far, "x");
  EXPECT_EQ(attempt(select, lower + 1, readers.raw(), nullptr, nullptr, nullptr), done(1));
  EXPECT_TRUE(readers.has(lower));
}

TEST(Select, ClosedWriterMakesAPipeReadable) {
  Connection pipe = connection(Kind::pipe);
  Set readers;
  readers.add(pipe.near);
  Background selecter([&] { return attempt(select, pipe.near + 1, readers.raw(), nullptr, nullptr, nullptr); });
  pipe.far.reset();
  EXPECT_EQ(selecter.answer(), done(1));
  EXPECT_EQ(read_text(pipe.near), "");
}

TEST(Select, UrgentDataIsExceptional) {
  Connection tcp = connection(Kind::tcp);
  Set exceptions;
  exceptions.add(tcp.near);
  Background selecter([&] { return attempt(select, tcp.near + 1, nullptr, nullptr, exceptions.raw(), nullptr); });
  ASSERT_EQ(send(tcp.far, "!", 1, MSG_OOB), 1);
  EXPECT_EQ(selecter.answer(), done(1));
  EXPECT_TRUE(exceptions.has(tcp.near));
}

TEST(Select, WaitsForRoomToWrite) {
  Connection pipe = connection(Kind::pipe);
  std::string all(fcntl(pipe.far, F_GETPIPE_SZ), 'f');
  send_text(pipe.far, all);
  Set writers;
  writers.add(pipe.far);
  Background selecter([&] { return attempt(select, pipe.far + 1, nullptr, writers.raw(), nullptr, nullptr); });
  EXPECT_EQ(read_all(pipe.near, all.size()), all);
  EXPECT_EQ(selecter.answer(), done(1));
}

TEST(Select, NoSetsIsASleep) {
  timeval timeout = {0, 20000};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(select, 0, nullptr, nullptr, nullptr, &timeout), done(0));
  EXPECT_GE(stopwatch.microseconds(), 20000);
}

TEST(Select, ClosedNumberIsRefusedAndTheSetsKept) {
  int closed = dup(STDERR_FILENO);
  close(closed);
  Set readers;
  readers.add(closed);
  EXPECT_EQ(attempt(select, closed + 1, readers.raw(), nullptr, nullptr, nullptr), failed(EBADF));
  EXPECT_TRUE(readers.has(closed));
}

TEST(Select, BadArgumentsAreTheKernelsToRefuse) {
  Set readers;
  timeval negative = {-1, 0};
  timespec impossible = {0, 2000000000};
  EXPECT_EQ(attempt(select, -1, nullptr, nullptr, nullptr, nullptr), failed(EINVAL));
  EXPECT_EQ(attempt(select, 0, nullptr, nullptr, nullptr, &negative), failed(EINVAL));
  EXPECT_EQ(attempt(pselect, 0, nullptr, nullptr, nullptr, &impossible, nullptr), failed(EINVAL));
  if (!kernel_looks_first) return;
  EXPECT_EQ(attempt(select, 64, reinterpret_cast<fd_set*>(8), nullptr, nullptr, nullptr), failed(EFAULT));
}

TEST(Select, FractionsOfASecondMayExceedOne) {
  timeval timeout = {0, 1010000};
  Stopwatch stopwatch;
  EXPECT_EQ(attempt(select, 0, nullptr, nullptr, nullptr, &timeout), done(0));
  EXPECT_GE(stopwatch.microseconds(), 1010000);
}

}  // namespace
