// EINTR, SA_RESTART and partial counts, as signal(7) has them for each call that waits.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include <atomic>
#include <functional>

#include "attempt.h"
#include "connection.h"

namespace {

std::atomic<int> handled;

void handle_user_signal(int flags) {
  struct sigaction action {};
  action.sa_handler = [](int) { ++handled; };
  action.sa_flags = flags;
  checked(sigaction(SIGUSR1, &action, nullptr), "sigaction");
  handled = 0;
}

// Signals the thread until it has answered, since one signal may come before the thread waits.
template <typename Work>
auto answer_after_signals(Background<Work>& background, Event& answered) {
  while (!answered.happened()) {
    pthread_kill(background.handle(), SIGUSR1);
    usleep(1000);
  }
  return background.answer();
}

Outcome interrupted(std::function<Outcome()> call) {
  Event answered;
  Background waiter([&] {
    Outcome outcome = call();
    answered.happen();
    return outcome;
  });
  return answer_after_signals(waiter, answered);
}

class Interrupted : public testing::Test {
 protected:
  Interrupted() { handle_user_signal(0); }
  ~Interrupted() { signal(SIGUSR1, SIG_DFL); }
  Connection tcp = connection(Kind::tcp), local = connection(Kind::unix_pair), udp = connection(Kind::udp),
             pipe = connection(Kind::pipe);
  char byte;
};

TEST_F(Interrupted, ReadsTellIt) {
  for (int fd : {int(tcp.near), int(local.near), int(udp.near)}) {
    EXPECT_EQ(interrupted([&] { return attempt(recv, fd, &byte, 1, 0); }), failed(EINTR));
    EXPECT_EQ(interrupted([&] { return attempt(read, fd, &byte, 1); }), failed(EINTR));
    EXPECT_EQ(interrupted([&] { return attempt(recvfrom, fd, &byte, 1, 0, nullptr, nullptr); }), failed(EINTR));
  }
  EXPECT_EQ(interrupted([&] { return attempt(read, pipe.near, &byte, 1); }), failed(EINTR));
}

TEST_F(Interrupted, VectorAndMessageReadsTellIt) {
  iovec piece = {&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  mmsghdr messages = {message, 0};
  EXPECT_EQ(interrupted([&] { return attempt(readv, tcp.near, &piece, 1); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(recvmsg, tcp.near, &message, 0); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(recvmmsg, udp.near, &messages, 1, 0, nullptr); }), failed(EINTR));
}

TEST_F(Interrupted, AcceptTellsIt) {
  for (int family : {AF_INET, AF_UNIX}) {
    Descriptor listening = listener(family);
    EXPECT_EQ(interrupted([&] { return attempt(accept, listening, nullptr, nullptr); }), failed(EINTR));
    EXPECT_EQ(interrupted([&] { return attempt(accept4, listening, nullptr, nullptr, 0); }), failed(EINTR));
  }
}

TEST_F(Interrupted, ConnectTellsItAndGoesOn) {
  Descriptor listening = listener(AF_INET, 1);
  Address name = name_of_socket(listening);
  Descriptor queued[] = {connected_to(listening), connected_to(listening)};
  Descriptor near = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(interrupted([&] { return attempt(connect, near, name.raw(), name.size); }), failed(EINTR));
  for (int i = 0; i < 3; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
  pollfd writable = {near, POLLOUT, 0};
  while (poll(&writable, 1, -1) == -1) continue;
  EXPECT_EQ(attempt(send, near, "x", 1, 0), done(1));
}

TEST_F(Interrupted, PollsTellIt) {
  pollfd set = {tcp.near, POLLIN, 0};
  fd_set readers;
  FD_ZERO(&readers);
  EXPECT_EQ(interrupted([&] { return attempt(poll, &set, 1, -1); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(poll, &set, 1, 100000); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(ppoll, &set, 1, nullptr, nullptr); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(select, 0, &readers, nullptr, nullptr, nullptr); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(pselect, 0, &readers, nullptr, nullptr, nullptr, nullptr); }),
            failed(EINTR));
}

TEST_F(Interrupted, PollsAreNeverRestarted) {
  handle_user_signal(SA_RESTART);
  pollfd set = {tcp.near, POLLIN, 0};
  Descriptor poller = epoll_create1(0);
  epoll_event event;
  EXPECT_EQ(interrupted([&] { return attempt(poll, &set, 1, -1); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(ppoll, &set, 1, nullptr, nullptr); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(select, 0, nullptr, nullptr, nullptr, nullptr); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(epoll_wait, poller, &event, 1, -1); }), failed(EINTR));
  EXPECT_EQ(interrupted([&] { return attempt(epoll_pwait, poller, &event, 1, -1, nullptr); }), failed(EINTR));
}

TEST_F(Interrupted, CallsWithATimeoutOfTheirSocketAreNeverRestarted) {
  handle_user_signal(SA_RESTART);
  set_option(tcp.near, SOL_SOCKET, SO_RCVTIMEO, timeval{1000, 0});
  EXPECT_EQ(interrupted([&] { return attempt(recv, tcp.near, &byte, 1, 0); }), failed(EINTR));
  Descriptor listening = listener();
  set_option(listening, SOL_SOCKET, SO_RCVTIMEO, timeval{1000, 0});
  EXPECT_EQ(interrupted([&] { return attempt(accept, listening, nullptr, nullptr); }), failed(EINTR));
}

// Has the handler run while the call waits, then lets the call end by `finish`.
Outcome restarted(std::function<Outcome()> call, std::function<void()> finish) {
  handle_user_signal(SA_RESTART);
  Background waiter([&] { return call(); });
  for (int before = handled; handled < before + 20;) {
    pthread_kill(waiter.handle(), SIGUSR1);
    usleep(500);
  }
  finish();
  return waiter.answer();
}

TEST_F(Interrupted, ReadsAreRestartedIfAsked) {
  EXPECT_EQ(restarted([&] { return attempt(recv, tcp.near, &byte, 1, 0); }, [&] { send_text(tcp.far, "x"); }), done(1));
  EXPECT_EQ(restarted([&] { return attempt(read, pipe.near, &byte, 1); }, [&] { send_text(pipe.far, "x"); }), done(1));
  EXPECT_EQ(restarted([&] { return attempt(read, local.near, &byte, 1); }, [&] { send_text(local.far, "x"); }),
            done(1));
}

TEST_F(Interrupted, AcceptIsRestartedIfAsked) {
  Descriptor listening = listener(), client;
  auto wait = [&] { return done(static_cast<int>(Descriptor(accept(listening, nullptr, nullptr))) >= 0); };
  EXPECT_EQ(restarted(wait, [&] { client = connected_to(listening); }), done(1));
}

TEST_F(Interrupted, WriteTellsWhatWasWritten) {
  const std::string big = pattern(16 << 20);
  for (Connection* ends : {&tcp, &local, &pipe}) {
    Outcome outcome = interrupted([&] { return attempt(write, ends->far, big.data(), big.size()); });
    EXPECT_GT(outcome.result, 0);
    EXPECT_LT(outcome.result, static_cast<long>(big.size()));
    EXPECT_EQ(read_all(ends->near, outcome.result), big.substr(0, outcome.result));
  }
}

TEST_F(Interrupted, WriteOfNothingSoFarTellsIt) {
  const std::string page(4096, 'f');
  ASSERT_EQ(fcntl(pipe.far, F_SETFL, O_NONBLOCK), 0);
  while (write(pipe.far, page.data(), page.size()) > 0) continue;
  ASSERT_EQ(fcntl(pipe.far, F_SETFL, 0), 0);
  EXPECT_EQ(interrupted([&] { return attempt(write, pipe.far, "x", 1); }), failed(EINTR));
}

TEST_F(Interrupted, WaitAllGivesWhatCameBefore) {
  char buffer[16];
  for (Connection* ends : {&tcp, &local}) {
    send_text(ends->far, "part");
    EXPECT_EQ(interrupted([&] { return attempt(recv, ends->near, buffer, 16, MSG_WAITALL); }), done(4));
  }
}

TEST_F(Interrupted, IgnoredSignalsInterruptNothing) {
  signal(SIGUSR1, SIG_IGN);
  Background reader([&] { return attempt(recv, tcp.near, &byte, 1, 0); });
  for (int i = 0; i < 20; ++i) {
    pthread_kill(reader.handle(), SIGUSR1);
    usleep(200);
  }
  send_text(tcp.far, "x");
  EXPECT_EQ(reader.answer(), done(1));
}

TEST_F(Interrupted, PpollMaskLetsASignalInOnlyWhileItWaits) {
  sigset_t blocked, open;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigemptyset(&open);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &blocked, nullptr), 0);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
  EXPECT_EQ(handled, 0);
  pollfd set = {tcp.near, POLLIN, 0};
  EXPECT_EQ(attempt(ppoll, &set, 1, nullptr, &open), failed(EINTR));
  EXPECT_EQ(handled, 1);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
  EXPECT_EQ(attempt(pselect, 0, nullptr, nullptr, nullptr, nullptr, &open), failed(EINTR));
  EXPECT_EQ(handled, 2);
  Descriptor poller = epoll_create1(0);
  epoll_event event;
  ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
  EXPECT_EQ(attempt(epoll_pwait, poller, &event, 1, -1, &open), failed(EINTR));
  EXPECT_EQ(handled, 3);
  sigset_t after;
  pthread_sigmask(SIG_UNBLOCK, &blocked, &after);
  EXPECT_TRUE(sigismember(&after, SIGUSR1)) << "the mask is the thread's own again";
}

TEST_F(Interrupted, PpollMaskKeepsASignalOutWhileItWaits) {
  sigset_t shut;
  sigemptyset(&shut);
  sigaddset(&shut, SIGUSR1);
  pollfd set = {tcp.near, POLLIN, 0};
  Event blocked;
  Background poller([&] {
    pthread_sigmask(SIG_BLOCK, &shut, nullptr);
    blocked.happen();
    Outcome outcome = attempt(ppoll, &set, 1, nullptr, &shut);
    EXPECT_EQ(handled, 0);
    pthread_sigmask(SIG_UNBLOCK, &shut, nullptr);
    EXPECT_EQ(handled, 1);
    return outcome;
  });
  blocked.wait();
  pthread_kill(poller.handle(), SIGUSR1);
  send_text(tcp.far, "x");
  EXPECT_EQ(poller.answer(), done(1));
}

}  // namespace
