// recvmsg(2), sendmsg(2) and their many-at-once forms.
#include <gtest/gtest.h>
#include <sys/uio.h>

#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

// A message of one piece, as the calls want it.
class OnePiece {
 public:
  explicit OnePiece(std::string& text) : piece_{text.data(), text.size()} {
    header.msg_iov = &piece_;
    header.msg_iovlen = 1;
  }
  msghdr header{};

 private:
  iovec piece_;
};

class Messages : public testing::TestWithParam<Kind> {
 protected:
  // Messages that receive up to 16 bytes each.
  void prepare(int count) {
    texts.assign(count, std::string(16, '\0'));
    pieces.clear();
    messages.assign(count, mmsghdr{});
    for (auto& text : texts) pieces.push_back({text.data(), text.size()});
    for (int i = 0; i < count; ++i) {
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::string received(int i) { return texts[i].substr(0, messages[i].msg_len); }
  Connection ends = connection(GetParam());
  std::vector<std::string> texts;
  std::vector<iovec> pieces;
  std::vector<mmsghdr> messages;
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Messages, Messages,
                         testing::Values(Kind::udp, Kind::udp6, Kind::unix_datagram, Kind::seqpacket), kind_of);

TEST_P(Messages, RecvmsgWaits) {
  prepare(1);
  Background reader([&] { return attempt(recvmsg, ends.near, &messages[0].msg_hdr, 0); });
  send_text(ends.far, "hello");
  EXPECT_EQ(reader.answer(), done(5));
  EXPECT_EQ(texts[0].substr(0, 5), "hello");
}

TEST_P(Messages, TruncationIsFlagged) {
  prepare(1);
  send_text(ends.far, "more than sixteen bytes");
  EXPECT_EQ(attempt(recvmsg, ends.near, &messages[0].msg_hdr, 0), done(16));
  EXPECT_EQ(messages[0].msg_hdr.msg_flags & MSG_TRUNC, MSG_TRUNC);
}

TEST_P(Messages, RecvmmsgWaitsForAllOfThem) {
  prepare(3);
  Background reader([&] { return attempt(recvmmsg, ends.near, messages.data(), 3, 0, nullptr); });
  for (const char* text : {"one", "two", "three"}) send_text(ends.far, text);
  EXPECT_EQ(reader.answer(), done(3));
  EXPECT_EQ(received(0), "one");
  EXPECT_EQ(received(1), "two");
  EXPECT_EQ(received(2), "three");
}

TEST_P(Messages, WaitForOneTakesWhatIsThere) {
  prepare(4);
  send_text(ends.far, "one");
  send_text(ends.far, "two");
  EXPECT_EQ(attempt(recvmmsg, ends.near, messages.data(), 4, MSG_WAITFORONE, nullptr), done(2));
  EXPECT_EQ(received(1), "two");
  Background reader([&] { return attempt(recvmmsg, ends.near, messages.data(), 4, MSG_WAITFORONE, nullptr); });
  send_text(ends.far, "late");
  EXPECT_EQ(reader.answer(), done(1));
  EXPECT_EQ(received(0), "late");
}

TEST_P(Messages, RecvmmsgWithoutWaiting) {
  prepare(2);
  EXPECT_EQ(attempt(recvmmsg, ends.near, messages.data(), 2, MSG_DONTWAIT, nullptr), failed(EAGAIN));
  send_text(ends.far, "one");
  EXPECT_EQ(attempt(recvmmsg, ends.near, messages.data(), 2, MSG_DONTWAIT, nullptr), done(1));
}

// The timeout is looked at after each message only: so says recvmmsg(2) under BUGS.
TEST_P(Messages, TimeoutIsLookedAtAfterEachMessage) {
  prepare(4);
  timespec none = {0, 0}, impossible = {0, 2000000000};
  EXPECT_EQ(attempt(recvmmsg, ends.near, messages.data(), 4, 0, &impossible), failed(EINVAL));
  Event sent;
  Background reader([&] {
    Outcome outcome = attempt(recvmmsg, ends.near, messages.data(), 4, 0, &none);
    EXPECT_TRUE(sent.happened());
    return outcome;
  });
  sent.happen();
  send_text(ends.far, "one");
  EXPECT_EQ(reader.answer(), done(1));
  EXPECT_EQ(received(0), "one");
}

TEST_P(Messages, TimeoutLeftIsWrittenBack) {
  prepare(2);
  timespec timeout = {100, 0};
  send_text(ends.far, "one");
  send_text(ends.far, "two");
  EXPECT_EQ(attempt(recvmmsg, ends.near, messages.data(), 2, 0, &timeout), done(2));
  EXPECT_LT(timeout.tv_sec, 100);
  EXPECT_GT(timeout.tv_sec, 30);
}

TEST_P(Messages, SendmmsgSendsAll) {
  prepare(3);
  Background reader([&] {
    std::string all;
    for (int i = 0; i < 3; ++i) all += read_text(ends.near);
    return all;
  });
  for (int i = 0; i < 3; ++i) {
    texts[i] = std::string(i + 1, 'a' + i);
    pieces[i] = {texts[i].data(), texts[i].size()};
  }
  EXPECT_EQ(attempt(sendmmsg, ends.far, messages.data(), 3, 0), done(3));
  EXPECT_EQ(reader.answer(), "abbccc");
  EXPECT_EQ(messages[2].msg_len, 3u);
}

TEST(Messages, SendmmsgWaitsForRoom) {
  Connection ends = connection(Kind::unix_datagram);
  constexpr int count = 100;
  std::string text = "message";
  OnePiece message(text);
  std::vector<mmsghdr> messages(count, mmsghdr{message.header, 0});
  Background sender([&] { return attempt(sendmmsg, ends.far, messages.data(), count, 0); });
  for (int i = 0; i < count; ++i) EXPECT_EQ(read_text(ends.near), text);
  EXPECT_EQ(sender.answer(), done(count));
}

TEST(Messages, SendmmsgOnAStreamSendsEachWhole) {
  Connection ends = connection(Kind::tcp);
  std::string text = pattern(3 << 20);
  OnePiece message(text);
  std::vector<mmsghdr> messages(3, mmsghdr{message.header, 0});
  Background sender([&] { return attempt(sendmmsg, ends.far, messages.data(), 3, 0); });
  EXPECT_EQ(read_all(ends.near, 9 << 20), text + text + text);
  EXPECT_EQ(sender.answer(), done(3));
  for (const mmsghdr& each : messages) EXPECT_EQ(each.msg_len, text.size());
}

TEST(Messages, RecvmsgNamesTheSender) {
  Connection ends = connection(Kind::udp);
  std::string text(16, '\0');
  OnePiece message(text);
  Address sender, expected = name_of_socket(ends.far);
  message.header.msg_name = &sender.storage;
  message.header.msg_namelen = sizeof sender.storage;
  Background reader([&] { return attempt(recvmsg, ends.near, &message.header, 0); });
  send_text(ends.far, "hi");
  EXPECT_EQ(reader.answer(), done(2));
  ASSERT_EQ(message.header.msg_namelen, expected.size);
  EXPECT_EQ(memcmp(&sender.storage, &expected.storage, expected.size), 0);
}

TEST(Messages, RecvmsgOnAStreamWaitsForAll) {
  for (Kind kind : {Kind::tcp, Kind::unix_pair}) {
    Connection ends = connection(kind);
    std::string text(11, '\0');
    OnePiece message(text);
    Background reader([&] { return attempt(recvmsg, ends.near, &message.header, MSG_WAITALL); });
    for (const char* piece : {"four", "five", "six"}) send_text(ends.far, piece);
    EXPECT_EQ(reader.answer(), done(11));
  }
}

TEST(Messages, BadArgumentsAreTheKernelsToRefuse) {
  Connection ends = connection(Kind::tcp);
  std::string text(16, '\0');
  OnePiece message(text);
  EXPECT_EQ(attempt(recvmsg, -1, &message.header, 0), failed(EBADF));
  if (!kernel_looks_first) return;
  EXPECT_EQ(attempt(recvmsg, ends.near, reinterpret_cast<msghdr*>(8), 0), failed(EFAULT));
  message.header.msg_iovlen = 5000;
  EXPECT_EQ(attempt(recvmsg, ends.near, &message.header, 0), failed(EMSGSIZE));
  EXPECT_EQ(attempt(sendmsg, ends.near, &message.header, 0), failed(EMSGSIZE));
}

}  // namespace
