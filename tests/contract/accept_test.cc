// accept(2), accept4(2) and what they say of the listener and the connection.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <set>
#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

class Family : public testing::TestWithParam<int> {
 protected:
  Descriptor listening = listener(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Accept, Family, testing::Values(AF_INET, AF_INET6, AF_UNIX), [](const auto& info) {
  return std::string(info.param == AF_INET ? "Inet" : info.param == AF_INET6 ? "Inet6" : "Unix");
});

TEST_P(Family, WakesWhenAPeerConnects) {
  Event connecting;
  Background server([&] {
    Descriptor served = accept(listening, nullptr, nullptr);
    EXPECT_TRUE(connecting.happened());
    return read_text(served);
  });
  connecting.happen();
  Descriptor client = connected_to(listening);
  send_text(client, "hello");
  EXPECT_EQ(server.answer(), "hello");
}

TEST_P(Family, TakesAConnectionThatWaits) {
  Descriptor client = connected_to(listening);
  Descriptor served = accept(listening, nullptr, nullptr);
  ASSERT_GE(served, 0);
  send_text(served, "hi");
  EXPECT_EQ(read_text(client), "hi");
}

TEST_P(Family, NonBlockingListenerAnswersAtOnce) {
  ASSERT_EQ(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(attempt(accept, listening, nullptr, nullptr), failed(EAGAIN));
  EXPECT_EQ(attempt(accept4, listening, nullptr, nullptr, 0), failed(EAGAIN));
  Descriptor client = connected_to(listening);
  Descriptor served = accept(listening, nullptr, nullptr);
  EXPECT_GE(served, 0);
  EXPECT_EQ(attempt(accept, listening, nullptr, nullptr), failed(EAGAIN));
}

TEST_P(Family, ConnectionDoesNotInheritNonBlocking) {
  ASSERT_EQ(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
  Descriptor client = connected_to(listening);
  Descriptor served = accept(listening, nullptr, nullptr);
  EXPECT_EQ(fcntl(served, F_GETFL), O_RDWR);
  Background reader([&] { return read_text(served); });
  send_text(client, "waited for");
  EXPECT_EQ(reader.answer(), "waited for");
}

TEST_P(Family, Accept4SetsTheFlagsAskedFor) {
  Descriptor first = connected_to(listening), second = connected_to(listening), third = connected_to(listening);
  Descriptor plain = accept4(listening, nullptr, nullptr, 0);
  EXPECT_EQ(fcntl(plain, F_GETFL), O_RDWR);
  EXPECT_EQ(fcntl(plain, F_GETFD), 0);
  Descriptor both = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  EXPECT_EQ(fcntl(both, F_GETFL), O_RDWR | O_NONBLOCK);
  EXPECT_EQ(fcntl(both, F_GETFD), FD_CLOEXEC);
  char byte;
  EXPECT_EQ(attempt(read, both, &byte, 1), failed(EAGAIN));
  EXPECT_EQ(attempt(accept4, listening, nullptr, nullptr, 1), failed(EINVAL));
  EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
}

TEST_P(Family, NamesThePeer) {
  Address peer, expected;
  Descriptor client;
  Background server([&] { return Descriptor(accept(listening, peer.raw(), &peer.size)) >= 0; });
  if (GetParam() == AF_UNIX) {
    client = bound_socket(AF_UNIX, SOCK_STREAM);
    Address name = name_of_socket(listening);
    ASSERT_EQ(connect(client, name.raw(), name.size), 0);
  } else {
    client = connected_to(listening);
  }
  EXPECT_TRUE(server.answer());
  expected = name_of_socket(client);
  ASSERT_EQ(peer.size, expected.size);
  EXPECT_EQ(memcmp(&peer.storage, &expected.storage, peer.size), 0);
}

TEST_P(Family, TruncatesTheNameToTheSpaceGiven) {
  Descriptor client = connected_to(listening);
  sa_family_t family = 0;
  socklen_t size = sizeof family;
  EXPECT_GE(Descriptor(accept(listening, reinterpret_cast<sockaddr*>(&family), &size)), 0);
  EXPECT_EQ(family, GetParam());
  EXPECT_GE(size, sizeof family);
}

TEST_P(Family, ShutdownOfTheListenerEndsTheWait) {
  Background server([&] { return attempt(accept, listening, nullptr, nullptr); });
  shutdown(listening, SHUT_RDWR);
  EXPECT_EQ(server.answer(), failed(EINVAL));
}

TEST_P(Family, ManyAcceptersGetEachConnectionOnce) {
  constexpr int accepters = 4, connections = 400;
  std::mutex mutex;
  std::multiset<std::string> served;
  auto serve = [&] {
    for (;;) {
      Descriptor client = accept(listening, nullptr, nullptr);
      std::string word = read_text(client);
      if (word == "stop") return 0;
      std::lock_guard lock(mutex);
      served.insert(word);
    }
  };
  Background a(serve), b(serve), c(serve), d(serve);
  for (int i = 0; i < connections; ++i) send_text(connected_to(listening), std::to_string(i));
  for (int i = 0; i < accepters; ++i) send_text(connected_to(listening), "stop");
  for (auto* each : {&a, &b, &c, &d}) each->answer();
  EXPECT_EQ(served.size(), size_t(connections));
  EXPECT_EQ(std::set<std::string>(served.begin(), served.end()).size(), size_t(connections));
}

TEST_P(Family, BurstOfConnectionsIsServedToTheLast) {
  constexpr int connections = 100;
  std::vector<Descriptor> clients;
  for (int i = 0; i < connections; ++i) clients.push_back(connected_to(listening));
  for (int i = 0; i < connections; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
  ASSERT_EQ(fcntl(listening, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(attempt(accept, listening, nullptr, nullptr), failed(EAGAIN));
}

TEST(Accept, RefusesWhatDoesNotListen) {
  Descriptor idle = bound_socket(AF_INET, SOCK_STREAM), datagram = bound_socket(AF_INET, SOCK_DGRAM);
  Connection pipe = connection(Kind::pipe);
  EXPECT_EQ(attempt(accept, idle, nullptr, nullptr), failed(EINVAL));
  EXPECT_EQ(attempt(accept, datagram, nullptr, nullptr), failed(EOPNOTSUPP));
  EXPECT_EQ(attempt(accept, pipe.near, nullptr, nullptr), failed(ENOTSOCK));
  EXPECT_EQ(attempt(accept, -1, nullptr, nullptr), failed(EBADF));
}

TEST(Accept, ListenerMayListenAfterAFailedAccept) {
  Descriptor late = bound_socket(AF_INET, SOCK_STREAM);
  EXPECT_EQ(attempt(accept, late, nullptr, nullptr), failed(EINVAL));
  ASSERT_EQ(listen(late, 4), 0);
  Background server([&] { return read_text(Descriptor(accept(late, nullptr, nullptr))); });
  send_text(connected_to(late), "late");
  EXPECT_EQ(server.answer(), "late");
}

TEST(Accept, FullDescriptorTableIsToldAndTheConnectionKept) {
  Descriptor listening = listener();
  Descriptor client = connected_to(listening);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = client + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  Outcome outcome = attempt(accept, listening, nullptr, nullptr);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(outcome, failed(EMFILE));
  EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
}

TEST(Accept, TwoListenersDoNotDisturbEachOther) {
  Descriptor first = listener(), second = listener(AF_UNIX);
  Background on_first([&] { return read_text(Descriptor(accept(first, nullptr, nullptr))); });
  Background on_second([&] { return read_text(Descriptor(accept(second, nullptr, nullptr))); });
  send_text(connected_to(second), "second");
  EXPECT_EQ(on_second.answer(), "second");
  send_text(connected_to(first), "first");
  EXPECT_EQ(on_first.answer(), "first");
}

}  // namespace
