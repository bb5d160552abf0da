// Message-preserving sockets: UDP, AF_UNIX datagrams and sequenced packets.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

class Message : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  char buffer[64] = {};
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Datagram, Message,
                         testing::Values(Kind::udp, Kind::udp6, Kind::unix_datagram, Kind::seqpacket), kind_of);

TEST_P(Message, RecvWaitsForAMessage) {
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); });
  send_text(ends.far, "hello");
  EXPECT_EQ(reader.answer(), done(5));
}

TEST_P(Message, EachRecvTakesOneMessage) {
  send_text(ends.far, "one");
  send_text(ends.far, "three");
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(3));
  EXPECT_EQ(attempt(read, ends.near, buffer, sizeof buffer), done(5));
}

TEST_P(Message, WhatDoesNotFitIsLost) {
  send_text(ends.far, "too long");
  send_text(ends.far, "next");
  EXPECT_EQ(attempt(recv, ends.near, buffer, 3, 0), done(3));
  EXPECT_EQ(read_text(ends.near), "next");
}

TEST_P(Message, TruncTellsTheRealLength) {
  send_text(ends.far, "too long");
  EXPECT_EQ(attempt(recv, ends.near, buffer, 3, MSG_TRUNC | MSG_PEEK), done(8));
  EXPECT_EQ(attempt(recv, ends.near, buffer, 3, MSG_TRUNC), done(8));
}

TEST_P(Message, ZeroLengthRecvEatsOne) {
  send_text(ends.far, "eaten");
  send_text(ends.far, "kept");
  EXPECT_EQ(attempt(recv, ends.near, buffer, 0, 0), done(0));
  EXPECT_EQ(read_text(ends.near), "kept");
}

TEST_P(Message, ZeroLengthRecvWaitsForAMessage) {
  Event sent;
  Background reader([&] {
    Outcome outcome = attempt(recv, ends.near, buffer, 0, 0);
    EXPECT_TRUE(sent.happened());
    return outcome;
  });
  sent.happen();
  send_text(ends.far, "eaten");
  EXPECT_EQ(reader.answer(), done(0));
}

TEST_P(Message, ZeroLengthReadEatsNoneAndDoesNotWait) {
  EXPECT_EQ(attempt(read, ends.near, buffer, 0), done(0));
  send_text(ends.far, "kept");
  EXPECT_EQ(attempt(read, ends.near, buffer, 0), done(0));
  EXPECT_EQ(read_text(ends.near), "kept");
}

TEST_P(Message, EmptyMessageIsAMessage) {
  EXPECT_EQ(attempt(send, ends.far, buffer, 0, 0), done(0));
  send_text(ends.far, "after");
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(0));
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, 0), done(5));
}

TEST_P(Message, WaitAllStillTakesOneMessage) {
  send_text(ends.far, "one");
  send_text(ends.far, "two");
  EXPECT_EQ(attempt(recv, ends.near, buffer, sizeof buffer, MSG_WAITALL), done(3));
}

TEST_P(Message, TooLongAMessageIsRefused) {
  std::string huge(16 << 20, 'x');
  EXPECT_EQ(attempt(send, ends.far, huge.data(), huge.size(), 0), failed(EMSGSIZE));
}

TEST_P(Message, ManyReadersGetEachMessageOnce) {
  constexpr int readers = 4, messages = 2000;
  std::mutex mutex;
  std::multiset<int> received;
  auto receive = [&] {
    for (;;) {
      int number = -1;
      if (attempt(recv, ends.near, &number, sizeof number, 0) != done(sizeof number)) return -1;
      if (number == -1) return 0;
      std::lock_guard lock(mutex);
      received.insert(number);
    }
  };
  Background a(receive), b(receive), c(receive), d(receive);
  // UDP drops what does not fit, so no more than a few messages are under way at a time.
  for (int i = 0; i < messages; ++i) {
    ASSERT_EQ(attempt(send, ends.far, &i, sizeof i, 0), done(sizeof i));
    while (i % 64 == 63 && [&] {
      std::lock_guard lock(mutex);
      return received.size() < size_t(i + 1);
    }()) {
      std::this_thread::yield();
    }
  }
  const int stop = -1;
  for (int i = 0; i < readers; ++i) send(ends.far, &stop, sizeof stop, 0);
  for (auto* each : {&a, &b, &c, &d}) EXPECT_EQ(each->answer(), 0);
  EXPECT_EQ(received.size(), size_t(messages));
  EXPECT_EQ(std::set<int>(received.begin(), received.end()).size(), size_t(messages));
}

TEST(Datagram, RecvfromNamesTheSender) {
  Connection ends = connection(Kind::udp);
  char buffer[8];
  Address sender;
  Background reader([&] { return attempt(recvfrom, ends.near, buffer, sizeof buffer, 0, sender.raw(), &sender.size); });
  send_text(ends.far, "hi");
  EXPECT_EQ(reader.answer(), done(2));
  Address expected = name_of_socket(ends.far);
  ASSERT_EQ(sender.size, expected.size);
  EXPECT_EQ(memcmp(&sender.storage, &expected.storage, sender.size), 0);
}

TEST(Datagram, SendtoReachesTheNamedSocket) {
  for (int family : {AF_INET, AF_INET6, AF_UNIX}) {
    Descriptor receiver = bound_socket(family, SOCK_DGRAM);
    Descriptor sender = socket(family, SOCK_DGRAM, 0);
    Address name = name_of_socket(receiver);
    Background reader([&] { return read_text(receiver); });
    EXPECT_EQ(attempt(sendto, sender, "abc", 3, 0, name.raw(), name.size), done(3));
    EXPECT_EQ(reader.answer(), "abc");
  }
}

TEST(Datagram, RefusedUdpIsToldToTheWaitingReader) {
  Descriptor gone = bound_socket(AF_INET, SOCK_DGRAM);
  Address name = name_of_socket(gone);
  Descriptor near = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_EQ(connect(near, name.raw(), name.size), 0);
  gone.reset();
  char buffer[8];
  Background reader([&] { return attempt(recv, near, buffer, sizeof buffer, 0); });
  while (send(near, "x", 1, 0) == -1) continue;
  EXPECT_EQ(reader.answer(), failed(ECONNREFUSED));
}

TEST(Datagram, FullUnixReceiverMakesTheSenderWait) {
  Connection ends = connection(Kind::unix_datagram);
  int queued = 0;
  while (send(ends.far, "x", 1, MSG_DONTWAIT) == 1) ++queued;
  ASSERT_EQ(errno, EAGAIN);
  Background sender([&] { return attempt(send, ends.far, "last", 4, 0); });
  for (int i = 0; i < queued; ++i) EXPECT_EQ(read_text(ends.near), "x");
  EXPECT_EQ(sender.answer(), done(4));
  EXPECT_EQ(read_text(ends.near), "last");
}

TEST(Datagram, FullUnixReceiverMakesAnUnconnectedSenderWait) {
  Descriptor receiver = bound_socket(AF_UNIX, SOCK_DGRAM);
  Descriptor sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  Address name = name_of_socket(receiver);
  int queued = 0;
  while (sendto(sender, "x", 1, MSG_DONTWAIT, name.raw(), name.size) == 1) ++queued;
  ASSERT_EQ(errno, EAGAIN);
  Background late([&] { return attempt(sendto, sender, "last", 4, 0, name.raw(), name.size); });
  for (int i = 0; i < queued; ++i) EXPECT_EQ(read_text(receiver), "x");
  EXPECT_EQ(late.answer(), done(4));
  EXPECT_EQ(read_text(receiver), "last");
}

TEST(Datagram, SendNeedsADestination) {
  Descriptor inet = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(attempt(send, inet, "x", 1, 0), failed(EDESTADDRREQ));
  EXPECT_EQ(attempt(send, local, "x", 1, 0), failed(ENOTCONN));
}

TEST(Seqpacket, PeersCloseEndsTheStream) {
  Connection ends = connection(Kind::seqpacket);
  char buffer[8];
  Background reader([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); });
  ends.far.reset();
  EXPECT_EQ(reader.answer(), done(0));
}

TEST(Seqpacket, ListensAndAccepts) {
  Descriptor listening = listener(AF_UNIX, 4, SOCK_SEQPACKET);
  Background server([&] { return read_text(Descriptor(accept(listening, nullptr, nullptr))); });
  Descriptor client = connected_to(listening, SOCK_SEQPACKET);
  send_text(client, "packet");
  EXPECT_EQ(server.answer(), "packet");
}

}  // namespace
