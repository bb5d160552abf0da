// sendfile(2), splice(2), tee(2), vmsplice(2) and copy_file_range(2).
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "attempt.h"
#include "connection.h"

namespace {

Descriptor file_of(const std::string& content) {
  Descriptor file = checked(memfd_create("content", 0), "memfd_create");
  send_text(file, content);
  checked(lseek(file, 0, SEEK_SET), "lseek");
  return file;
}

class Target : public testing::TestWithParam<Kind> {
 protected:
  // Sends the whole file by repeated calls, as a program does: one call may send less than it was asked to.
  size_t send_file(int file, size_t size) {
    size_t sent = 0;
    while (sent < size) {
      ssize_t piece = sendfile(ends.far, file, nullptr, size - sent);
      if (piece <= 0) break;
      sent += piece;
    }
    return sent;
  }
  Connection ends = connection(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Splice, Target, testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_pair, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Target, SendfileSendsTheFile) {
  Descriptor file = file_of("content of a file");
  EXPECT_EQ(attempt(sendfile, ends.far, file, nullptr, 100), done(17));
  EXPECT_EQ(read_text(ends.near), "content of a file");
  EXPECT_EQ(attempt(sendfile, ends.far, file, nullptr, 100), done(0));
}

TEST_P(Target, SendfileWithAnOffsetLeavesThePositionAlone) {
  Descriptor file = file_of("0123456789");
  off_t offset = 4;
  EXPECT_EQ(attempt(sendfile, ends.far, file, &offset, 3), done(3));
  EXPECT_EQ(offset, 7);
  EXPECT_EQ(lseek(file, 0, SEEK_CUR), 0);
  EXPECT_EQ(read_text(ends.near), "456");
}

TEST_P(Target, SendfileWaitsForTheReader) {
  const std::string big = pattern(12 << 20);
  Descriptor file = file_of(big);
  Background sender([&] { return send_file(file, big.size()); });
  EXPECT_EQ(read_all(ends.near, big.size()), big);
  EXPECT_EQ(sender.answer(), big.size());
}

TEST_P(Target, SendfileLeavesTheTargetBlocking) {
  int before = fcntl(ends.far, F_GETFL);
  Descriptor file = file_of("content");
  ASSERT_EQ(sendfile(ends.far, file, nullptr, 7), 7);
  EXPECT_EQ(fcntl(ends.far, F_GETFL), before);
  EXPECT_EQ(read_text(ends.near), "content");
  Background reader([&] { return read_text(ends.near); });
  send_text(ends.far, "waited for");
  EXPECT_EQ(reader.answer(), "waited for");
}

TEST_P(Target, NonBlockingSendfileSendsWhatFits) {
  const std::string big = pattern(12 << 20);
  Descriptor file = file_of(big);
  ASSERT_EQ(fcntl(ends.far, F_SETFL, O_NONBLOCK), 0);
  size_t sent = send_file(file, big.size());
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GT(sent, 0u);
  EXPECT_LT(sent, big.size());
  EXPECT_EQ(read_all(ends.near, sent), big.substr(0, sent));
}

TEST_P(Target, SpliceMovesFromAPipe) {
  Connection pipe = connection(Kind::pipe);
  Background splicer([&] { return attempt(splice, pipe.near, nullptr, ends.far, nullptr, 100, 0u); });
  send_text(pipe.far, "spliced");
  EXPECT_EQ(splicer.answer(), done(7));
  EXPECT_EQ(read_text(ends.near), "spliced");
}

TEST_P(Target, SpliceMovesIntoAPipe) {
  Connection pipe = connection(Kind::pipe);
  Background splicer([&] { return attempt(splice, ends.near, nullptr, pipe.far, nullptr, 100, 0u); });
  send_text(ends.far, "spliced");
  EXPECT_EQ(splicer.answer(), done(7));
  EXPECT_EQ(read_text(pipe.near), "spliced");
}

TEST_P(Target, SpliceAskedNotToWaitDoesNot) {
  Connection pipe = connection(Kind::pipe);
  EXPECT_EQ(attempt(splice, pipe.near, nullptr, ends.far, nullptr, 100, unsigned(SPLICE_F_NONBLOCK)), failed(EAGAIN));
}

// A pipe that was spliced from loses the kernel's per-call way of not waiting.
TEST(Splice, PipeWaitsAfterItWasSplicedFrom) {
  Connection source = connection(Kind::pipe), target = connection(Kind::pipe);
  send_text(source.far, "x");
  ASSERT_EQ(splice(source.near, nullptr, target.far, nullptr, 100, 0), 1);
  EXPECT_EQ(read_text(target.near), "x");
  for (Connection* each : {&source, &target}) {
    Background reader([&] { return read_text(each->near); });
    send_text(each->far, "waited for");
    EXPECT_EQ(reader.answer(), "waited for");
    const std::string big = pattern(1 << 20);
    Background writer([&] { return attempt(write, each->far, big.data(), big.size()); });
    EXPECT_EQ(read_all(each->near, big.size()), big);
    EXPECT_EQ(writer.answer(), done(big.size()));
  }
}

TEST(Splice, EndOfAPipeEndsIt) {
  Connection source = connection(Kind::pipe), target = connection(Kind::pipe);
  Background splicer([&] { return attempt(splice, source.near, nullptr, target.far, nullptr, 100, 0u); });
  source.far.reset();
  EXPECT_EQ(splicer.answer(), done(0));
}

TEST(Splice, NeedsAPipe) {
  Connection tcp = connection(Kind::tcp), other = connection(Kind::tcp);
  EXPECT_EQ(attempt(splice, tcp.near, nullptr, other.far, nullptr, 10, 0u), failed(EINVAL));
}

TEST(Tee, CopiesAndLeavesTheData) {
  Connection source = connection(Kind::pipe), target = connection(Kind::pipe);
  Background copier([&] { return attempt(tee, source.near, target.far, 100, 0u); });
  send_text(source.far, "twice");
  EXPECT_EQ(copier.answer(), done(5));
  EXPECT_EQ(read_text(target.near), "twice");
  EXPECT_EQ(read_text(source.near), "twice");
}

TEST(Vmsplice, WaitsForRoom) {
  Connection pipe = connection(Kind::pipe);
  std::string text = pattern(1 << 20);
  Background writer([&] {
    size_t sent = 0;
    while (sent < text.size()) {
      iovec piece = {text.data() + sent, text.size() - sent};
      ssize_t count = vmsplice(pipe.far, &piece, 1, 0);
      if (count <= 0) break;
      sent += count;
    }
    return sent;
  });
  EXPECT_EQ(read_all(pipe.near, text.size()), text);
  EXPECT_EQ(writer.answer(), text.size());
}

TEST(CopyFileRange, CopiesBetweenFiles) {
  Descriptor from = file_of("copied text"), to = file_of("");
  EXPECT_EQ(attempt(copy_file_range, from, nullptr, to, nullptr, 100, 0u), done(11));
  EXPECT_EQ(lseek(to, 0, SEEK_SET), 0);
  EXPECT_EQ(read_text(to), "copied text");
}

}  // namespace
