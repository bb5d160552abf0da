// O_NONBLOCK and its relatives: the program reads back what it set, whoever else uses the descriptor.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "attempt.h"
#include "connection.h"

namespace {

int flags_of(int fd) { return fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE | O_APPEND); }

void set_nonblocking(int fd, int on) { checked(ioctl(fd, FIONBIO, &on), "ioctl"); }

// One read that waits, and the data that ends it.
void use(Connection& ends) {
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "used");
  EXPECT_EQ(reader.answer(), "used");
}

class Flagged : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  char byte;
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Flags, Flagged,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::seqpacket,
                                         Kind::udp, Kind::unix_datagram, Kind::pipe),
                         kind_of);

TEST_P(Flagged, FreshDescriptorBlocks) {
  EXPECT_EQ(flags_of(ends.near) & O_NONBLOCK, 0);
  EXPECT_EQ(flags_of(ends.far) & O_NONBLOCK, 0);
}

TEST_P(Flagged, UseChangesNothing) {
  use(ends);
  EXPECT_EQ(flags_of(ends.near) & O_NONBLOCK, 0);
  EXPECT_EQ(flags_of(ends.far) & O_NONBLOCK, 0);
}

TEST_P(Flagged, FcntlIsReadBack) {
  int before = fcntl(ends.near, F_GETFL);
  EXPECT_EQ(attempt(fcntl, ends.near, F_SETFL, before | O_NONBLOCK), done(0));
  EXPECT_EQ(fcntl(ends.near, F_GETFL), before | O_NONBLOCK);
  EXPECT_EQ(attempt(read, ends.near, &byte, 1), failed(EAGAIN));
  EXPECT_EQ(attempt(fcntl, ends.near, F_SETFL, before), done(0));
  EXPECT_EQ(fcntl(ends.near, F_GETFL), before);
  use(ends);
}

TEST_P(Flagged, FionbioIsReadBack) {
  set_nonblocking(ends.near, 1);
  EXPECT_TRUE(flags_of(ends.near) & O_NONBLOCK);
  EXPECT_EQ(attempt(read, ends.near, &byte, 1), failed(EAGAIN));
  set_nonblocking(ends.near, 7);
  EXPECT_TRUE(flags_of(ends.near) & O_NONBLOCK);
  set_nonblocking(ends.near, 0);
  EXPECT_FALSE(flags_of(ends.near) & O_NONBLOCK);
  use(ends);
}

TEST_P(Flagged, FlagBelongsToTheDescriptionAndNotToTheNumber) {
  Descriptor copy = dup(ends.near);
  Descriptor third = fcntl(copy, F_DUPFD_CLOEXEC, 100);
  set_nonblocking(copy, 1);
  EXPECT_TRUE(flags_of(ends.near) & O_NONBLOCK);
  EXPECT_TRUE(flags_of(third) & O_NONBLOCK);
  EXPECT_EQ(attempt(read, ends.near, &byte, 1), failed(EAGAIN));
  EXPECT_EQ(fcntl(third, F_SETFL, 0), 0);
  EXPECT_FALSE(flags_of(ends.near) & O_NONBLOCK);
  use(ends);
}

TEST_P(Flagged, EndsHaveFlagsOfTheirOwn) {
  set_nonblocking(ends.far, 1);
  EXPECT_FALSE(flags_of(ends.near) & O_NONBLOCK);
  use(ends);
}

TEST_P(Flagged, ReusedNumberStartsAfresh) {
  set_nonblocking(ends.near, 1);
  Connection other = connection(GetParam());
  ASSERT_EQ(dup2(other.near, ends.near), static_cast<int>(ends.near));
  EXPECT_FALSE(flags_of(ends.near) & O_NONBLOCK);
  Background reader([&] { return read_text(ends.near); });
  send_text(other.far, "waited for");
  EXPECT_EQ(reader.answer(), "waited for");
}

TEST_P(Flagged, DescriptorFlagsAreTheirOwnMatter) {
  EXPECT_EQ(fcntl(ends.near, F_GETFD), 0);
  EXPECT_EQ(attempt(fcntl, ends.near, F_SETFD, FD_CLOEXEC), done(0));
  EXPECT_EQ(fcntl(ends.near, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(attempt(ioctl, ends.near, FIONCLEX), done(0));
  EXPECT_EQ(fcntl(ends.near, F_GETFD), 0);
  EXPECT_EQ(attempt(ioctl, ends.near, FIOCLEX), done(0));
  EXPECT_EQ(fcntl(ends.near, F_GETFD), FD_CLOEXEC);
}

TEST_P(Flagged, FlagSetWhileOneWaitsConcernsTheNextCall) {
  Background reader([&] { return attempt(read, ends.near, &byte, 1).result >= -1; });
  set_nonblocking(ends.near, 1);
  send_text(ends.far, "x");
  EXPECT_TRUE(reader.answer());
  EXPECT_TRUE(flags_of(ends.near) & O_NONBLOCK);
}

TEST(Flags, AskedForAtBirthAreReadBack) {
  Descriptor plain = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(fcntl(plain, F_GETFL), O_RDWR);
  EXPECT_EQ(fcntl(plain, F_GETFD), 0);
  Descriptor born = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  EXPECT_EQ(fcntl(born, F_GETFL), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(fcntl(born, F_GETFD), FD_CLOEXEC);
  Connection pair = socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
  Connection pipe = pipe_connection(O_NONBLOCK | O_CLOEXEC);
  EXPECT_EQ(fcntl(pipe.near, F_GETFL), O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(fcntl(pipe.far, F_GETFL), O_WRONLY | O_NONBLOCK);
  EXPECT_EQ(fcntl(pipe.far, F_GETFD), FD_CLOEXEC);
  char byte;
  for (Descriptor* each : {&pair.near, &pair.far}) {
    EXPECT_EQ(flags_of(*each), O_RDWR | O_NONBLOCK);
    EXPECT_EQ(attempt(read, *each, &byte, 1), failed(EAGAIN));
  }
  Descriptor event = eventfd(0, EFD_NONBLOCK), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  uint64_t value;
  EXPECT_EQ(attempt(read, event, &value, 8), failed(EAGAIN));
  EXPECT_EQ(attempt(read, timer, &value, 8), failed(EAGAIN));
}

TEST(Flags, ListenerThatWaitedStillShowsThatItBlocks) {
  for (int family : {AF_INET, AF_UNIX}) {
    Descriptor listening = listener(family);
    Descriptor early_copy = dup(listening);
    Background server([&] { return static_cast<int>(Descriptor(accept(listening, nullptr, nullptr))) >= 0; });
    Descriptor client = connected_to(listening);
    EXPECT_TRUE(server.answer());
    Descriptor late_copy = dup(listening);
    EXPECT_EQ(fcntl(listening, F_GETFL), O_RDWR);
    EXPECT_EQ(fcntl(early_copy, F_GETFL), O_RDWR);
    EXPECT_EQ(fcntl(late_copy, F_GETFL), O_RDWR);
    set_nonblocking(late_copy, 1);
    EXPECT_EQ(attempt(accept, early_copy, nullptr, nullptr), failed(EAGAIN));
    set_nonblocking(early_copy, 0);
    Background again([&] { return static_cast<int>(Descriptor(accept(late_copy, nullptr, nullptr))) >= 0; });
    Descriptor second = connected_to(listening);
    EXPECT_TRUE(again.answer());
  }
}

TEST(Flags, SetflKeepsWhatElseItCanSet) {
  Connection ends = connection(Kind::tcp);
  ASSERT_EQ(fcntl(ends.near, F_SETFL, O_NONBLOCK | O_ASYNC), 0);
  EXPECT_EQ(fcntl(ends.near, F_GETFL), O_RDWR | O_NONBLOCK | O_ASYNC);
  ASSERT_EQ(fcntl(ends.near, F_SETFL, O_ASYNC), 0);
  EXPECT_EQ(fcntl(ends.near, F_GETFL), O_RDWR | O_ASYNC);
  ASSERT_EQ(fcntl(ends.near, F_SETFL, 0), 0);
}

TEST(Flags, BadArgumentsAreTheKernelsToRefuse) {
  Connection ends = connection(Kind::tcp);
  EXPECT_EQ(attempt(fcntl, -1, F_GETFL), failed(EBADF));
  EXPECT_EQ(attempt(fcntl, -1, F_SETFL, O_NONBLOCK), failed(EBADF));
  EXPECT_EQ(attempt(fcntl, ends.near, 0x7ffff), failed(EINVAL));
  EXPECT_EQ(attempt(ioctl, ends.near, 0x7ffff), failed(ENOTTY));
  EXPECT_EQ(attempt(ioctl, ends.near, FIONBIO, nullptr), failed(EFAULT));
  int on = 1;
  EXPECT_EQ(attempt(ioctl, -1, FIONBIO, &on), failed(EBADF));
}

TEST(Flags, UnknownCommandsPassThrough) {
  Connection ends = connection(Kind::pipe);
  EXPECT_EQ(fcntl(ends.far, F_SETPIPE_SZ, 8192), 8192);
  EXPECT_EQ(fcntl(ends.far, F_GETPIPE_SZ), 8192);
  EXPECT_EQ(attempt(fcntl, ends.far, F_SETOWN, getpid()), done(0));
  EXPECT_EQ(fcntl(ends.far, F_GETOWN), getpid());
}

}  // namespace
