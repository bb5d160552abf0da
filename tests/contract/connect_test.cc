// connect(2): blocking, non-blocking, refused, repeated, and to a full backlog.
#include <gtest/gtest.h>
#include <poll.h>

#include "attempt.h"
#include "connection.h"

namespace {

class Family : public testing::TestWithParam<int> {
 protected:
  Outcome connect_to(int fd, int listening) {
    Address name = name_of_socket(listening);
    return attempt(connect, fd, name.raw(), name.size);
  }
  Descriptor listening = listener(GetParam());
  Descriptor near = socket(GetParam(), SOCK_STREAM, 0);
};

INSTANTIATE_TEST_SUITE_P(Connect, Family, testing::Values(AF_INET, AF_INET6, AF_UNIX), [](const auto& info) {
  return std::string(info.param == AF_INET ? "Inet" : info.param == AF_INET6 ? "Inet6" : "Unix");
});

int pending_error(int fd) {
  int error = -1;
  socklen_t size = sizeof error;
  checked(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt");
  return error;
}

TEST_P(Family, SucceedsBeforeAnybodyAccepts) {
  EXPECT_EQ(connect_to(near, listening), done(0));
  send_text(near, "early");
  EXPECT_EQ(read_text(Descriptor(accept(listening, nullptr, nullptr))), "early");
}

TEST_P(Family, LeavesTheSocketBlocking) {
  ASSERT_EQ(connect_to(near, listening), done(0));
  EXPECT_EQ(fcntl(near, F_GETFL), O_RDWR);
  Descriptor far = accept(listening, nullptr, nullptr);
  Background reader([&] { return read_text(near); });
  send_text(far, "waited for");
  EXPECT_EQ(reader.answer(), "waited for");
}

TEST_P(Family, SecondConnectIsRefused) {
  ASSERT_EQ(connect_to(near, listening), done(0));
  EXPECT_EQ(connect_to(near, listening), failed(EISCONN));
}

TEST_P(Family, NobodyListensIsRefused) {
  Descriptor deaf = bound_socket(GetParam(), SOCK_STREAM);
  EXPECT_EQ(connect_to(near, deaf), failed(ECONNREFUSED));
  EXPECT_EQ(fcntl(near, F_GETFL), O_RDWR);
}

TEST_P(Family, SocketMayConnectAfterARefusal) {
  Descriptor deaf = bound_socket(GetParam(), SOCK_STREAM);
  ASSERT_EQ(connect_to(near, deaf), failed(ECONNREFUSED));
  EXPECT_EQ(connect_to(near, listening), done(0));
}

TEST_P(Family, ListenerOfAnotherProcessorsThreadIsReached) {
  Background server([&] { return read_text(Descriptor(accept(listening, nullptr, nullptr))); });
  Background client([&] {
    Outcome outcome = connect_to(near, listening);
    send_text(near, "across");
    return outcome;
  });
  EXPECT_EQ(server.answer(), "across");
  EXPECT_EQ(client.answer(), done(0));
}

TEST_P(Family, BadArgumentsAreTheKernelsToRefuse) {
  Address name = name_of_socket(listening);
  Connection pipe = connection(Kind::pipe);
  EXPECT_EQ(attempt(connect, -1, name.raw(), name.size), failed(EBADF));
  EXPECT_EQ(attempt(connect, pipe.near, name.raw(), name.size), failed(ENOTSOCK));
  EXPECT_EQ(attempt(connect, near, name.raw(), 1), failed(EINVAL));
  EXPECT_EQ(attempt(connect, near, reinterpret_cast<sockaddr*>(8), name.size), failed(EFAULT));
}

class Internet : public Family {};

INSTANTIATE_TEST_SUITE_P(Connect, Internet, testing::Values(AF_INET, AF_INET6),
                         [](const auto& info) { return std::string(info.param == AF_INET ? "Inet" : "Inet6"); });

TEST_P(Internet, NonBlockingConnectIsUnderWay) {
  ASSERT_EQ(fcntl(near, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(connect_to(near, listening), failed(EINPROGRESS));
  pollfd writable = {near, POLLOUT, 0};
  EXPECT_EQ(attempt(poll, &writable, 1, -1), done(1));
  EXPECT_EQ(writable.revents, POLLOUT);
  EXPECT_EQ(pending_error(near), 0);
  EXPECT_EQ(fcntl(near, F_GETFL), O_RDWR | O_NONBLOCK);
}

TEST_P(Internet, NonBlockingRefusalIsLeftInSoError) {
  Descriptor deaf = bound_socket(GetParam(), SOCK_STREAM);
  ASSERT_EQ(fcntl(near, F_SETFL, O_NONBLOCK), 0);
  ASSERT_EQ(connect_to(near, deaf), failed(EINPROGRESS));
  pollfd writable = {near, POLLOUT, 0};
  EXPECT_EQ(attempt(poll, &writable, 1, -1), done(1));
  EXPECT_EQ(writable.revents, POLLOUT | POLLERR | POLLHUP);
  EXPECT_EQ(pending_error(near), ECONNREFUSED);
  EXPECT_EQ(pending_error(near), 0);
}

// A listener whose backlog is full leaves the next connection under way until somebody accepts.
class FullBacklog : public testing::Test {
 protected:
  FullBacklog() {
    for (int i = 0; i < 2; ++i) queued[i] = connected_to(listening);
  }
  Descriptor listening = listener(AF_INET, 1);
  Address name = name_of_socket(listening);
  Descriptor queued[2];
  Descriptor near = socket(AF_INET, SOCK_STREAM, 0);
};

TEST_F(FullBacklog, ConnectUnderWayIsTold) {
  ASSERT_EQ(fcntl(near, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EINPROGRESS));
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EALREADY));
  pollfd writable = {near, POLLOUT, 0};
  EXPECT_EQ(attempt(poll, &writable, 1, 0), done(0));
}

TEST_F(FullBacklog, BlockingConnectWaitsForAnAccept) {
  Background client([&] { return attempt(connect, near, name.raw(), name.size); });
  for (int i = 0; i < 3; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
  EXPECT_EQ(client.answer(), done(0));
}

TEST_F(FullBacklog, BlockingConnectJoinsOneUnderWay) {
  ASSERT_EQ(fcntl(near, F_SETFL, O_NONBLOCK), 0);
  ASSERT_EQ(attempt(connect, near, name.raw(), name.size), failed(EINPROGRESS));
  ASSERT_EQ(fcntl(near, F_SETFL, 0), 0);
  Background client([&] { return attempt(connect, near, name.raw(), name.size); });
  for (int i = 0; i < 3; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
  EXPECT_EQ(client.answer(), done(0));
}

TEST(ConnectUnix, FullBacklogMakesOneWait) {
  Descriptor listening = listener(AF_UNIX, 0);
  Address name = name_of_socket(listening);
  Descriptor queued = connected_to(listening);
  Descriptor near = socket(AF_UNIX, SOCK_STREAM, 0);
  Background client([&] { return attempt(connect, near, name.raw(), name.size); });
  for (int i = 0; i < 2; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
  EXPECT_EQ(client.answer(), done(0));
}

TEST(ConnectUnix, ManyWaitForAFullBacklog) {
  Descriptor listening = listener(AF_UNIX, 0);
  auto client = [&] {
    send_text(connected_to(listening), "in");
    return 0;
  };
  Background a(client), b(client), c(client), d(client), e(client);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(read_text(Descriptor(accept(listening, nullptr, nullptr))), "in");
}

TEST(ConnectUnix, FullBacklogIsToldToTheNonBlocking) {
  Descriptor listening = listener(AF_UNIX, 0);
  Address name = name_of_socket(listening);
  Descriptor queued = connected_to(listening);
  Descriptor near = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EAGAIN));
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(EAGAIN));
}

TEST(ConnectUnix, ClosedListenerRefusesWhoWaits) {
  Descriptor listening = listener(AF_UNIX, 0);
  Address name = name_of_socket(listening);
  Descriptor queued = connected_to(listening);
  Descriptor near = socket(AF_UNIX, SOCK_STREAM, 0);
  Background client([&] { return attempt(connect, near, name.raw(), name.size); });
  listening.reset();
  EXPECT_EQ(client.answer(), failed(ECONNREFUSED));
}

TEST(ConnectUnix, NamedFileIsReached) {
  char folder[] = "/tmp/unblock-connect-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  sockaddr_un name{AF_UNIX, {}};
  snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", folder);
  Descriptor missing = socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(attempt(connect, missing, reinterpret_cast<sockaddr*>(&name), sizeof name), failed(ENOENT));
  Descriptor listening = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(listen(listening, 1), 0);
  EXPECT_EQ(attempt(connect, missing, reinterpret_cast<sockaddr*>(&name), sizeof name), done(0));
  unlink(name.sun_path);
  rmdir(folder);
}

TEST(ConnectUnix, AbstractNameOfAnotherTypeIsNobody) {
  Descriptor listening = listener(AF_UNIX);
  Address name = name_of_socket(listening);
  Descriptor near = socket(AF_UNIX, SOCK_DGRAM, 0);
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), failed(ECONNREFUSED));
}

TEST(ConnectUdp, SetsReplacesAndDissolvesThePeer) {
  Descriptor first = bound_socket(AF_INET, SOCK_DGRAM), second = bound_socket(AF_INET, SOCK_DGRAM);
  Descriptor near = socket(AF_INET, SOCK_DGRAM, 0);
  Address name = name_of_socket(first);
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), done(0));
  send_text(near, "one");
  EXPECT_EQ(read_text(first), "one");
  name = name_of_socket(second);
  EXPECT_EQ(attempt(connect, near, name.raw(), name.size), done(0));
  send_text(near, "two");
  EXPECT_EQ(read_text(second), "two");
  sockaddr nobody{AF_UNSPEC, {}};
  EXPECT_EQ(attempt(connect, near, &nobody, sizeof nobody), done(0));
  EXPECT_EQ(attempt(send, near, "x", 1, 0), failed(EDESTADDRREQ));
}

}  // namespace
