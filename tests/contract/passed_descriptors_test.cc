// Descriptors that travel through an AF_UNIX socket (SCM_RIGHTS), and what they do to the stream that carries them.
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

Outcome send_with(int fd, const std::string& text, std::vector<int> passed) {
  iovec piece = {const_cast<char*>(text.data()), text.size()};
  std::vector<char> space(CMSG_SPACE(passed.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(passed.size() * sizeof(int));
  memcpy(CMSG_DATA(header), passed.data(), passed.size() * sizeof(int));
  return attempt(sendmsg, fd, &message, 0);
}

struct Received {
  std::string text;
  std::vector<Descriptor> passed;
  int flags = 0;
};

Received receive_with(int fd, int flags = 0, size_t space_for = 8) {
  Received result;
  result.text.resize(64);
  iovec piece = {result.text.data(), result.text.size()};
  std::vector<char> space(CMSG_SPACE(space_for * sizeof(int)));
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space_for ? space.size() : 0;
  result.text.resize(checked(recvmsg(fd, &message, flags), "recvmsg"));
  result.flags = message.msg_flags;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  for (; header; header = CMSG_NXTHDR(&message, header)) {
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number;
      memcpy(&number, CMSG_DATA(header) + i * sizeof number, sizeof number);
      result.passed.push_back(number);
    }
  }
  return result;
}

class Carrier : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
};

INSTANTIATE_TEST_SUITE_P(PassedDescriptors, Carrier,
                         testing::Values(Kind::unix_named, Kind::unix_pair, Kind::unix_datagram, Kind::seqpacket),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Carrier, ReceiverWaitsForADescriptor) {
  Connection gift = connection(Kind::tcp);
  Background receiver([&] { return receive_with(ends.near); });
  EXPECT_EQ(send_with(ends.far, "take", {gift.near}), done(4));
  Received received = receiver.answer();
  EXPECT_EQ(received.text, "take");
  EXPECT_EQ(received.passed.size(), 1u);
}

TEST_P(Carrier, PassedDescriptorsWait) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair, Kind::pipe, Kind::udp}) {
    Connection gift = connection(kind);
    ASSERT_EQ(send_with(ends.far, "take", {gift.near}), done(4));
    Received received = receive_with(ends.near);
    ASSERT_EQ(received.passed.size(), 1u);
    gift.near.reset();
    Background reader([&] { return read_text(received.passed[0]); });
    send_text(gift.far, "through the gift");
    EXPECT_EQ(reader.answer(), "through the gift");
  }
}

TEST_P(Carrier, PassedListenerAccepts) {
  Descriptor listening = listener();
  Background first([&] { return read_text(Descriptor(accept(listening, nullptr, nullptr))); });
  send_text(connected_to(listening), "before");
  EXPECT_EQ(first.answer(), "before");
  ASSERT_EQ(send_with(ends.far, "take", {listening}), done(4));
  Received received = receive_with(ends.near);
  ASSERT_EQ(received.passed.size(), 1u);
  EXPECT_EQ(fcntl(received.passed[0], F_GETFL), O_RDWR);
  EXPECT_EQ(fcntl(listening, F_GETFL), O_RDWR);
  Background second([&] { return read_text(Descriptor(accept(received.passed[0], nullptr, nullptr))); });
  send_text(connected_to(listening), "after");
  EXPECT_EQ(second.answer(), "after");
}

TEST_P(Carrier, FlagsTravelWithTheDescription) {
  Connection gift = connection(Kind::tcp);
  ASSERT_EQ(send_with(ends.far, "take", {gift.near}), done(4));
  Received received = receive_with(ends.near);
  ASSERT_EQ(received.passed.size(), 1u);
  ASSERT_EQ(fcntl(received.passed[0], F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(fcntl(gift.near, F_GETFL), O_RDWR | O_NONBLOCK);
  char byte;
  EXPECT_EQ(attempt(read, gift.near, &byte, 1), failed(EAGAIN));
}

TEST_P(Carrier, CloseOnExecIsSetWhenAskedFor) {
  Connection gift = connection(Kind::pipe);
  ASSERT_EQ(send_with(ends.far, "take", {gift.near, gift.far}), done(4));
  Received received = receive_with(ends.near, MSG_CMSG_CLOEXEC);
  ASSERT_EQ(received.passed.size(), 2u);
  for (auto& each : received.passed) EXPECT_EQ(fcntl(each, F_GETFD), FD_CLOEXEC);
}

TEST_P(Carrier, TooLittleSpaceIsFlagged) {
  Connection gift = connection(Kind::pipe);
  ASSERT_EQ(send_with(ends.far, "take", {gift.near}), done(4));
  Received received = receive_with(ends.near, 0, 0);
  EXPECT_EQ(received.text, "take");
  EXPECT_EQ(received.flags & MSG_CTRUNC, MSG_CTRUNC);
  EXPECT_TRUE(received.passed.empty());
}

// A read stops where descriptors were passed, with more behind it and no further edge to tell of it.
TEST(PassedDescriptors, ReadThatStopsAtThemIsFollowedByTheRest) {
  for (Kind kind : {Kind::unix_named, Kind::unix_pair}) {
    Connection ends = connection(kind), gift = connection(Kind::pipe);
    for (int round = 0; round < 3; ++round) {
      send_text(ends.far, "before");
      ASSERT_EQ(send_with(ends.far, "with", {gift.near}), done(4));
      send_text(ends.far, "behind");
      std::string text = read_text(ends.near);
      while (text.size() < 16) text += read_text(ends.near);
      EXPECT_EQ(text, "beforewithbehind");
    }
  }
}

TEST(PassedDescriptors, ReaderThatWaitedGetsAllThatFollows) {
  Connection ends = connection(Kind::unix_pair), gift = connection(Kind::pipe);
  for (int round = 0; round < 50; ++round) {
    Background reader([&] {
      std::string text;
      while (text.size() < 20) text += receive_with(ends.near).text;
      return text;
    });
    ASSERT_EQ(send_with(ends.far, "0123456789", {gift.near}), done(10));
    ASSERT_EQ(send_with(ends.far, "abcdefghij", {gift.far}), done(10));
    EXPECT_EQ(reader.answer(), "0123456789abcdefghij");
  }
}

TEST(PassedDescriptors, SocketMayCarryItself) {
  Connection ends = connection(Kind::unix_pair);
  ASSERT_EQ(send_with(ends.far, "self", {ends.far}), done(4));
  ends.far.reset();
  Received received = receive_with(ends.near);
  ASSERT_EQ(received.passed.size(), 1u);
  Background reader([&] { return read_text(ends.near); });
  send_text(received.passed[0], "from myself");
  EXPECT_EQ(reader.answer(), "from myself");
}

TEST(PassedDescriptors, RecvmmsgReceivesThemToo) {
  Connection ends = connection(Kind::unix_datagram), gift = connection(Kind::pipe);
  char text[16];
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
  iovec piece = {text, sizeof text};
  mmsghdr message{};
  message.msg_hdr.msg_iov = &piece;
  message.msg_hdr.msg_iovlen = 1;
  message.msg_hdr.msg_control = space;
  message.msg_hdr.msg_controllen = sizeof space;
  Background receiver([&] { return attempt(recvmmsg, ends.near, &message, 1, 0, nullptr); });
  ASSERT_EQ(send_with(ends.far, "take", {gift.near}), done(4));
  EXPECT_EQ(receiver.answer(), done(1));
  int number;
  memcpy(&number, CMSG_DATA(CMSG_FIRSTHDR(&message.msg_hdr)), sizeof number);
  Descriptor passed = number;
  Background reader([&] { return read_text(passed); });
  send_text(gift.far, "waited for");
  EXPECT_EQ(reader.answer(), "waited for");
}

}  // namespace
