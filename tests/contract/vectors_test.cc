// readv(2), writev(2) and their positioned forms.
#include <gtest/gtest.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include <vector>

#include "attempt.h"
#include "connection.h"

namespace {

class Vectored : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  char first[4] = {}, second[8] = {};
  iovec pieces[2] = {{first, 3}, {second, 7}};
};

std::string kind_of(const testing::TestParamInfo<Kind>& info) { return name_of(info.param); }

INSTANTIATE_TEST_SUITE_P(Vectors, Vectored,
                         testing::Values(Kind::tcp, Kind::tcp6, Kind::unix_named, Kind::seqpacket, Kind::udp,
                                         Kind::unix_datagram, Kind::pipe),
                         kind_of);

TEST_P(Vectored, ReadvWaitsAndScatters) {
  Background reader([&] { return attempt(readv, ends.near, pieces, 2); });
  send_text(ends.far, "abcdef");
  EXPECT_EQ(reader.answer(), done(6));
  EXPECT_STREQ(first, "abc");
  EXPECT_STREQ(second, "def");
}

TEST_P(Vectored, VectorThatIsNowhereIsEfault) {
  auto* nowhere = reinterpret_cast<iovec*>(8);
  EXPECT_EQ(attempt(readv, ends.near, nowhere, 2), failed(EFAULT));
  EXPECT_EQ(attempt(writev, ends.far, nowhere, 2), failed(EFAULT));
}

TEST_P(Vectored, WritevGathers) {
  iovec out[] = {{const_cast<char*>("ab"), 2}, {nullptr, 0}, {const_cast<char*>("cd"), 2}};
  Background reader([&] { return read_text(ends.near); });
  EXPECT_EQ(attempt(writev, ends.far, out, 3), done(4));
  EXPECT_EQ(reader.answer(), "abcd");
}

TEST_P(Vectored, NonBlockingReadvAnswersAtOnce) {
  ASSERT_EQ(fcntl(ends.near, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(attempt(readv, ends.near, pieces, 2), failed(EAGAIN));
}

TEST_P(Vectored, TooManyPiecesAreRefused) {
  std::vector<iovec> many(IOV_MAX + 1, iovec{first, 0});
  EXPECT_EQ(attempt(readv, ends.near, many.data(), IOV_MAX + 1), failed(EINVAL));
  EXPECT_EQ(attempt(writev, ends.far, many.data(), IOV_MAX + 1), failed(EINVAL));
  EXPECT_EQ(attempt(readv, ends.near, many.data(), -1), failed(EINVAL));
}

TEST_P(Vectored, PieceBeyondTheLargestResultIsRefused) {
  iovec huge[] = {{first, 1}, {second, SIZE_MAX}};
  EXPECT_EQ(attempt(writev, ends.far, huge, 2), failed(EINVAL));
  EXPECT_EQ(attempt(readv, ends.near, huge, 2), failed(EINVAL));
}

TEST_P(Vectored, MostPiecesAllowedAreMoved) {
  std::string text = pattern(IOV_MAX), received(IOV_MAX, '\0');
  std::vector<iovec> out, in;
  for (int i = 0; i < IOV_MAX; ++i) {
    out.push_back({&text[i], 1});
    in.push_back({&received[i], 1});
  }
  Background reader([&] { return attempt(readv, ends.near, in.data(), IOV_MAX); });
  EXPECT_EQ(attempt(writev, ends.far, out.data(), IOV_MAX), done(IOV_MAX));
  EXPECT_EQ(reader.answer(), done(IOV_MAX));
  EXPECT_EQ(received, text);
}

TEST_P(Vectored, PositionIsRefusedWhereThereIsNone) {
  EXPECT_EQ(attempt(preadv, ends.near, pieces, 2, 0), failed(ESPIPE));
  EXPECT_EQ(attempt(pwritev, ends.far, pieces, 2, 0), failed(ESPIPE));
}

TEST_P(Vectored, Preadv2WithoutAPositionWaits) {
  Background reader([&] { return attempt(preadv2, ends.near, pieces, 2, -1, 0); });
  send_text(ends.far, "abcd");
  EXPECT_EQ(reader.answer(), done(4));
  EXPECT_STREQ(first, "abc");
  EXPECT_STREQ(second, "d");
}

TEST_P(Vectored, Preadv2AskedNotToWaitDoesNot) {
  EXPECT_EQ(attempt(preadv2, ends.near, pieces, 2, -1, RWF_NOWAIT), failed(EAGAIN));
}

TEST_P(Vectored, Pwritev2WithoutAPositionWrites) {
  iovec out = {const_cast<char*>("abcd"), 4};
  EXPECT_EQ(attempt(pwritev2, ends.far, &out, 1, -1, 0), done(4));
  EXPECT_EQ(read_text(ends.near), "abcd");
}

TEST(Vectors, PipeWritevWritesEverything) {
  Connection pipe = connection(Kind::pipe);
  std::string text = pattern(4 << 20);
  iovec out[] = {{text.data(), 1000}, {text.data() + 1000, 1 << 20}, {text.data() + 1000 + (1 << 20), 0}};
  out[2].iov_len = text.size() - 1000 - (1 << 20);
  Background writer([&] { return attempt(writev, pipe.far, out, 3); });
  EXPECT_EQ(read_all(pipe.near, text.size()), text);
  EXPECT_EQ(writer.answer(), done(text.size()));
}

TEST(Vectors, Pwritev2WritesEverything) {
  for (Kind kind : {Kind::pipe, Kind::tcp, Kind::unix_pair}) {
    Connection ends = connection(kind);
    std::string text = pattern(6 << 20);
    iovec out = {text.data(), text.size()};
    Background writer([&] { return attempt(pwritev2, ends.far, &out, 1, -1, 0); });
    EXPECT_EQ(read_all(ends.near, text.size()), text);
    EXPECT_EQ(writer.answer(), done(text.size()));
  }
}

TEST(Vectors, FilesKeepPositions) {
  Descriptor file = memfd_create("vectors", 0);
  std::string text = "0123456789";
  iovec out[] = {{text.data(), 4}, {text.data() + 4, 6}};
  EXPECT_EQ(attempt(writev, file, out, 2), done(10));
  char a[3], b[3];
  iovec in[] = {{a, 3}, {b, 3}};
  EXPECT_EQ(attempt(preadv, file, in, 2, 2), done(6));
  EXPECT_EQ(std::string(a, 3) + std::string(b, 3), "234567");
  EXPECT_EQ(attempt(readv, file, in, 2), done(0));
  EXPECT_EQ(attempt(pwritev, file, out, 1, 8), done(4));
  EXPECT_EQ(attempt(preadv2, file, in, 2, 6, 0), done(6));
  EXPECT_EQ(std::string(a, 3) + std::string(b, 3), "670123");
  EXPECT_EQ(attempt(preadv2, file, in, 2, 0, 1 << 30), failed(EOPNOTSUPP));
}

}  // namespace
