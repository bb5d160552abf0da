// Calls that move bytes let others run while they wait.
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "alive.h"

namespace {

class Reading : public testing::TestWithParam<Kind> {
 protected:
  Outcome until_sent(std::function<Outcome()> call) {
    return alive(call, [this] { send_text(ends.far, "sent"); });
  }
  Connection ends = connection(GetParam());
  char buffer[16];
  iovec piece = {buffer, sizeof buffer};
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Transfers, Reading,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::seqpacket,
                                         Kind::udp, Kind::udp6, Kind::unix_datagram, Kind::pipe),
                         kind_of);

TEST_P(Reading, Read) {
  EXPECT_EQ(until_sent([&] { return attempt(read, ends.near, buffer, sizeof buffer); }), done(4));
}

TEST_P(Reading, Readv) {
  EXPECT_EQ(until_sent([&] { return attempt(readv, ends.near, &piece, 1); }), done(4));
}

TEST_P(Reading, Preadv2) {
  EXPECT_EQ(until_sent([&] { return attempt(preadv2, ends.near, &piece, 1, -1, 0); }), done(4));
}

class Receiving : public Reading {
 protected:
  Receiving() {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
  }
  msghdr message{};
};

INSTANTIATE_TEST_SUITE_P(Transfers, Receiving,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::seqpacket,
                                         Kind::udp, Kind::udp6, Kind::unix_datagram),
                         kind_of);

TEST_P(Receiving, Recv) {
  EXPECT_EQ(until_sent([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); }), done(4));
}

TEST_P(Receiving, RecvPeek) {
  EXPECT_EQ(until_sent([&] { return attempt(recv, ends.near, buffer, sizeof buffer, MSG_PEEK); }), done(4));
}

TEST_P(Receiving, RecvWaitAll) {
  EXPECT_EQ(until_sent([&] { return attempt(recv, ends.near, buffer, 4, MSG_WAITALL); }), done(4));
}

TEST_P(Receiving, RecvWithATimeout) {
  set_option(ends.near, SOL_SOCKET, SO_RCVTIMEO, timeval{1000, 0});
  EXPECT_EQ(until_sent([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); }), done(4));
}

TEST_P(Receiving, Recvfrom) {
  EXPECT_EQ(until_sent([&] { return attempt(recvfrom, ends.near, buffer, sizeof buffer, 0, nullptr, nullptr); }),
            done(4));
}

TEST_P(Receiving, Recvmsg) {
  EXPECT_EQ(until_sent([&] { return attempt(recvmsg, ends.near, &message, 0); }), done(4));
}

TEST_P(Receiving, Recvmmsg) {
  mmsghdr messages = {message, 0};
  EXPECT_EQ(until_sent([&] { return attempt(recvmmsg, ends.near, &messages, 1, 0, nullptr); }), done(1));
}

TEST_P(Receiving, ShutdownOfTheSocketItself) {
  if (GetParam() == Kind::udp || GetParam() == Kind::udp6) return;
  EXPECT_EQ(alive([&] { return attempt(recv, ends.near, buffer, sizeof buffer, 0); },
                  [&] { shutdown(ends.near, SHUT_RDWR); }),
            done(0));
}

class Writing : public testing::TestWithParam<Kind> {
 protected:
  Outcome until_read(std::function<Outcome()> call) {
    return alive(call, [this] { EXPECT_EQ(read_all(ends.near, big.size()), big); });
  }
  Connection ends = connection(GetParam());
  std::string big = pattern(12 << 20);
  iovec piece = {big.data(), big.size()};
};

INSTANTIATE_TEST_SUITE_P(Transfers, Writing,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair, Kind::pipe),
                         kind_of);

TEST_P(Writing, Write) {
  EXPECT_EQ(until_read([&] { return attempt(write, ends.far, big.data(), big.size()); }), done(big.size()));
}

TEST_P(Writing, Writev) {
  EXPECT_EQ(until_read([&] { return attempt(writev, ends.far, &piece, 1); }), done(big.size()));
}

TEST_P(Writing, Pwritev2) {
  EXPECT_EQ(until_read([&] { return attempt(pwritev2, ends.far, &piece, 1, -1, 0); }), done(big.size()));
}

TEST_P(Writing, Sendfile) {
  Descriptor file = checked(open("/tmp", O_TMPFILE | O_RDWR, 0600), "open");
  send_text(file, big);
  EXPECT_EQ(until_read([&] {
              off_t offset = 0;
              while (offset < off_t(big.size()) && sendfile(ends.far, file, &offset, big.size() - offset) > 0) continue;
              return done(offset);
            }),
            done(big.size()));
}

class Sending : public Writing {};

INSTANTIATE_TEST_SUITE_P(Transfers, Sending, testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::unix_pair),
                         kind_of);

TEST_P(Sending, Send) {
  EXPECT_EQ(until_read([&] { return attempt(send, ends.far, big.data(), big.size(), 0); }), done(big.size()));
}

TEST_P(Sending, Sendto) {
  EXPECT_EQ(until_read([&] { return attempt(sendto, ends.far, big.data(), big.size(), 0, nullptr, 0); }),
            done(big.size()));
}

TEST_P(Sending, Sendmsg) {
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  EXPECT_EQ(until_read([&] { return attempt(sendmsg, ends.far, &message, 0); }), done(big.size()));
}

TEST_P(Sending, Sendmmsg) {
  mmsghdr message{};
  message.msg_hdr.msg_iov = &piece;
  message.msg_hdr.msg_iovlen = 1;
  EXPECT_EQ(until_read([&] { return attempt(sendmmsg, ends.far, &message, 1, 0); }), done(1));
}

TEST(Datagrams, SendToAFullReceiver) {
  Connection ends = connection(Kind::unix_datagram);
  int queued = 0;
  while (send(ends.far, "x", 1, MSG_DONTWAIT) == 1) ++queued;
  EXPECT_EQ(alive([&] { return attempt(send, ends.far, "last", 4, 0); },
                  [&] {
                    for (int i = 0; i < queued; ++i) EXPECT_EQ(read_text(ends.near), "x");
                    EXPECT_EQ(read_text(ends.near), "last");
                  }),
            done(4));
}

TEST(Pipes, SpliceAndTee) {
  Connection source = connection(Kind::pipe), target = connection(Kind::pipe);
  EXPECT_EQ(alive([&] { return attempt(tee, source.near, target.far, 10, 0u); }, [&] { send_text(source.far, "x"); }),
            done(1));
  EXPECT_EQ(read_text(source.near), "x");
  EXPECT_EQ(alive([&] { return attempt(splice, source.near, nullptr, target.far, nullptr, 10, 0u); },
                  [&] { send_text(source.far, "x"); }),
            done(1));
  EXPECT_EQ(alive([&] { return read_text(source.near); }, [&] { send_text(source.far, "after splice"); }),
            "after splice");
}

}  // namespace
