// read(2) and write(2) on pipes, and what all kinds of descriptors have in common.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "attempt.h"
#include "connection.h"

namespace {

class Readable : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  char buffer[64] = {};
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Read, Readable,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::seqpacket,
                                         Kind::pipe),
                         kind_of);

TEST_P(Readable, ReadWaitsUntilDataArrives) {
  Event written;
  Background reader([&] {
    Outcome outcome = attempt(read, ends.near, buffer, sizeof buffer);
    EXPECT_TRUE(written.happened());
    return outcome;
  });
  written.happen();
  EXPECT_EQ(attempt(write, ends.far, "hello", 5), done(5));
  EXPECT_EQ(reader.answer(), done(5));
  EXPECT_STREQ(buffer, "hello");
}

TEST_P(Readable, ReadWaitsUntilTheOtherEndCloses) {
  Background reader([&] { return attempt(read, ends.near, buffer, sizeof buffer); });
  ends.far.reset();
  EXPECT_EQ(reader.answer(), done(0));
  EXPECT_EQ(attempt(read, ends.near, buffer, sizeof buffer), done(0));
}

TEST_P(Readable, LastCopyOfTheOtherEndCounts) {
  Descriptor copy = dup(ends.far);
  ends.far.reset();
  Background reader([&] { return read_all(ends.near); });
  send_text(copy, "from the copy");
  copy.reset();
  EXPECT_EQ(reader.answer(), "from the copy");
}

TEST_P(Readable, NonBlockingReadAnswersAtOnce) {
  ASSERT_EQ(fcntl(ends.near, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(attempt(read, ends.near, buffer, sizeof buffer), failed(EAGAIN));
  send_text(ends.far, "x");
  EXPECT_EQ(attempt(read, ends.near, buffer, sizeof buffer), done(1));
  EXPECT_EQ(attempt(read, ends.near, buffer, sizeof buffer), failed(EAGAIN));
}

TEST_P(Readable, ZeroLengthReadDoesNotWait) {
  EXPECT_EQ(attempt(read, ends.near, buffer, 0), done(0));
  EXPECT_EQ(attempt(read, ends.near, nullptr, 0), done(0));
  send_text(ends.far, "kept");
  EXPECT_EQ(attempt(read, ends.near, buffer, 0), done(0));
  EXPECT_EQ(read_text(ends.near), "kept");
}

TEST_P(Readable, FionreadCountsWhatIsThere) {
  int count = -1;
  EXPECT_EQ(attempt(ioctl, ends.near, FIONREAD, &count), done(0));
  EXPECT_EQ(count, 0);
  send_text(ends.far, "four");
  EXPECT_EQ(attempt(ioctl, ends.near, FIONREAD, &count), done(0));
  EXPECT_EQ(count, 4);
}

TEST(Read, BadBufferIsRefusedAndNothingIsLost) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair, Kind::pipe}) {
    Connection ends = connection(kind);
    send_text(ends.far, "kept");
    EXPECT_EQ(attempt(read, ends.near, reinterpret_cast<char*>(8), 4), failed(EFAULT));
    EXPECT_EQ(read_text(ends.near), "kept");
  }
}

TEST_P(Readable, ReadsOfTwoConnectionsDoNotDisturbEachOther) {
  Connection other = connection(GetParam());
  Background first([&] { return read_text(ends.near); });
  Background second([&] { return read_text(other.near); });
  send_text(other.far, "second");
  EXPECT_EQ(second.answer(), "second");
  send_text(ends.far, "first");
  EXPECT_EQ(first.answer(), "first");
}

class Pipe : public testing::Test {
 protected:
  size_t fill() {
    size_t filled = 0;
    EXPECT_EQ(fcntl(ends.far, F_SETFL, O_NONBLOCK), 0);
    std::string page(4096, 'f');
    while (write(ends.far, page.data(), page.size()) == 4096) filled += 4096;
    EXPECT_EQ(fcntl(ends.far, F_SETFL, 0), 0);
    return filled;
  }
  Connection ends = connection(Kind::pipe);
};

TEST_F(Pipe, WriteWritesEverything) {
  const std::string big = pattern(10 << 20);
  Background writer([&] { return attempt(write, ends.far, big.data(), big.size()); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(writer.answer(), done(big.size()));
}

TEST_F(Pipe, WriterOfAFullPipeWaits) {
  size_t filled = fill();
  Event reading;
  Background writer([&] {
    Outcome outcome = attempt(write, ends.far, "last", 4);
    EXPECT_TRUE(reading.happened());
    return outcome;
  });
  reading.happen();
  EXPECT_EQ(read_all(ends.near, filled), std::string(filled, 'f'));
  EXPECT_EQ(writer.answer(), done(4));
  EXPECT_EQ(read_text(ends.near), "last");
}

TEST_F(Pipe, NonBlockingWriteWritesWhatFits) {
  const std::string big = pattern(1 << 20);
  ASSERT_EQ(fcntl(ends.far, F_SETFL, O_NONBLOCK), 0);
  Outcome outcome = attempt(write, ends.far, big.data(), big.size());
  EXPECT_EQ(outcome, done(fcntl(ends.far, F_GETPIPE_SZ)));
  EXPECT_EQ(attempt(write, ends.far, "x", 1), failed(EAGAIN));
}

TEST_F(Pipe, SmallWritesAreWhole) {
  constexpr size_t record = 1000, records = 2000;
  auto write_records = [&](char mark) {
    std::string text(record, mark);
    for (size_t i = 0; i < records; ++i) EXPECT_EQ(attempt(write, ends.far, text.data(), record), done(record));
    return 0;
  };
  Background a([&] { return write_records('a'); });
  Background b([&] { return write_records('b'); });
  for (size_t i = 0; i < 2 * records; ++i) {
    std::string text = read_all(ends.near, record);
    ASSERT_EQ(text, std::string(record, text[0]));
  }
}

volatile sig_atomic_t broken_pipes;

TEST_F(Pipe, WriteWithoutReadersBreaks) {
  broken_pipes = 0;
  signal(SIGPIPE, [](int) { broken_pipes = broken_pipes + 1; });
  ends.near.reset();
  EXPECT_EQ(attempt(write, ends.far, "x", 1), failed(EPIPE));
  EXPECT_EQ(broken_pipes, 1);
  signal(SIGPIPE, SIG_DFL);
}

TEST_F(Pipe, LastReaderThatLeavesEndsAWaitingWrite) {
  signal(SIGPIPE, SIG_IGN);
  const std::string big = pattern(1 << 20);
  Background writer([&] { return attempt(write, ends.far, big.data(), big.size()); });
  EXPECT_EQ(read_all(ends.near, 100000), big.substr(0, 100000));
  ends.near.reset();
  Outcome outcome = writer.answer();
  EXPECT_GE(outcome.result, 100000);
  EXPECT_LT(outcome.result, static_cast<long>(big.size()));
  EXPECT_EQ(attempt(write, ends.far, "x", 1), failed(EPIPE));
  signal(SIGPIPE, SIG_DFL);
}

TEST_F(Pipe, EndsAreOneWay) {
  char byte;
  EXPECT_EQ(attempt(read, ends.far, &byte, 1), failed(EBADF));
  EXPECT_EQ(attempt(write, ends.near, "x", 1), failed(EBADF));
}

TEST_F(Pipe, HasNoPosition) {
  char byte;
  EXPECT_EQ(attempt(lseek, ends.near, 0, SEEK_CUR), failed(ESPIPE));
  EXPECT_EQ(attempt(pread, ends.near, &byte, 1, 0), failed(ESPIPE));
  EXPECT_EQ(attempt(pwrite, ends.far, "x", 1, 0), failed(ESPIPE));
}

TEST_F(Pipe, SeveralReadersShareTheStream) {
  auto count = [&] {
    size_t bytes = 0;
    while (!read_text(ends.near, 1).empty()) ++bytes;
    return bytes;
  };
  Background a(count), b(count), c(count);
  for (int i = 0; i < 300; ++i) send_text(ends.far, "0123456789");
  ends.far.reset();
  EXPECT_EQ(a.answer() + b.answer() + c.answer(), 3000u);
}

TEST_F(Pipe, PacketModeKeepsMessagesApart) {
  Connection packets = pipe_connection(O_DIRECT);
  Background reader([&] {
    std::string first = read_text(packets.near);
    return first + "|" + read_text(packets.near);
  });
  send_text(packets.far, "one");
  send_text(packets.far, "two");
  EXPECT_EQ(reader.answer(), "one|two");
}

TEST(Socket, HasNoPosition) {
  Connection ends = connection(Kind::tcp);
  char byte;
  EXPECT_EQ(attempt(pread, ends.near, &byte, 1, 0), failed(ESPIPE));
  EXPECT_EQ(attempt(pwrite, ends.far, "x", 1, 0), failed(ESPIPE));
}

TEST(Descriptors, ThatAreNotOpenAreRefused) {
  char byte;
  EXPECT_EQ(attempt(read, -1, &byte, 1), failed(EBADF));
  EXPECT_EQ(attempt(write, -1, "x", 1), failed(EBADF));
  EXPECT_EQ(attempt(read, 1 << 30, &byte, 1), failed(EBADF));
  Descriptor path = open("/tmp", O_PATH);
  EXPECT_EQ(attempt(read, path, &byte, 1), failed(EBADF));
}

}  // namespace
