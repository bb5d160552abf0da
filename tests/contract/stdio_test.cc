// FILE streams over sockets and pipes: whoever reads them waits, and their locks keep threads apart.
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <wchar.h>

#include <memory>

#include "attempt.h"
#include "connection.h"

namespace {

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

File stream(Descriptor& fd, const char* mode) {
  File file(fdopen(fd, mode));
  checked(file ? 0 : -1, "fdopen");
  fd.release();
  return file;
}

class Stream : public testing::TestWithParam<Kind> {
 protected:
  // What `read` makes of text that comes while it waits.
  template <typename Read>
  auto reading(const std::string& text, Read read) {
    Event sent;
    Background reader([&] {
      auto result = read();
      EXPECT_TRUE(sent.happened());
      return result;
    });
    sent.happen();
    send_text(far, text);
    return reader.answer();
  }
  Connection ends = connection(GetParam());
  Descriptor far = std::move(ends.far);
  File file = stream(ends.near, "r");
  char buffer[64] = {};
};

INSTANTIATE_TEST_SUITE_P(Stdio, Stream, testing::Values(Kind::tcp, Kind::unix_named, Kind::unix_pair, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Stream, FgetsWaitsForALine) {
  EXPECT_EQ(reading("one line\n", [&] { return std::string(fgets(buffer, sizeof buffer, file.get())); }), "one line\n");
}

TEST_P(Stream, LineInPiecesIsPutTogether) {
  Background reader([&] { return std::string(fgets(buffer, sizeof buffer, file.get())); });
  for (const char* piece : {"one ", "line in ", "pieces\n"}) send_text(far, piece);
  EXPECT_EQ(reader.answer(), "one line in pieces\n");
}

TEST_P(Stream, GetlineAndGetdelimWait) {
  char* line = nullptr;
  size_t size = 0;
  EXPECT_EQ(reading("a line\n", [&] { return getline(&line, &size, file.get()); }), 7);
  EXPECT_STREQ(line, "a line\n");
  EXPECT_EQ(reading("a;", [&] { return getdelim(&line, &size, ';', file.get()); }), 2);
  free(line);
}

TEST_P(Stream, FgetcAndGetcWait) {
  EXPECT_EQ(reading("a", [&] { return fgetc(file.get()); }), 'a');
  EXPECT_EQ(reading("b", [&] { return getc(file.get()); }), 'b');
  EXPECT_EQ(reading("c", [&] { return getc_unlocked(file.get()); }), 'c');
}

TEST_P(Stream, FreadWaitsForAllOfIt) {
  Background reader([&] { return fread(buffer, 1, 10, file.get()); });
  send_text(far, "01234");
  send_text(far, "56789");
  EXPECT_EQ(reader.answer(), 10u);
  EXPECT_STREQ(buffer, "0123456789");
}

TEST_P(Stream, FscanfWaitsForWhatItReads) {
  int number = 0;
  char word[16] = {};
  EXPECT_EQ(reading("42 words ", [&] { return fscanf(file.get(), "%d %15s", &number, word); }), 2);
  EXPECT_EQ(number, 42);
  EXPECT_STREQ(word, "words");
}

TEST_P(Stream, EndOfTheStreamEndsTheWait) {
  Background reader([&] { return fgets(buffer, sizeof buffer, file.get()) == nullptr; });
  far.reset();
  EXPECT_TRUE(reader.answer());
  EXPECT_TRUE(feof(file.get()));
  EXPECT_FALSE(ferror(file.get()));
}

TEST_P(Stream, WideFormsWait) {
  EXPECT_EQ(reading("w", [&] { return fgetwc(file.get()); }), wint_t(L'w'));
  wchar_t line[32];
  EXPECT_EQ(reading("wide\n", [&] { return std::wstring(fgetws(line, 32, file.get())); }), L"wide\n");
  int number = 0;
  EXPECT_EQ(reading("7 ", [&] { return fwscanf(file.get(), L"%d", &number); }), 1);
  EXPECT_EQ(number, 7);
}

TEST_P(Stream, UnbufferedReadsWait) {
  setvbuf(file.get(), nullptr, _IONBF, 0);
  EXPECT_EQ(reading("x\n", [&] { return std::string(fgets(buffer, sizeof buffer, file.get())); }), "x\n");
}

TEST_P(Stream, NonBlockingDescriptorGivesAnError) {
  ASSERT_EQ(fcntl(fileno(file.get()), F_SETFL, O_NONBLOCK), 0);
  errno = 0;
  EXPECT_EQ(fgets(buffer, sizeof buffer, file.get()), nullptr);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_TRUE(ferror(file.get()));
  clearerr(file.get());
  send_text(far, "now\n");
  EXPECT_STREQ(fgets(buffer, sizeof buffer, file.get()), "now\n");
}

TEST_P(Stream, ReadByReadAndByStreamMayBeMixed) {
  setvbuf(file.get(), nullptr, _IONBF, 0);
  EXPECT_EQ(reading("a", [&] { return read_text(fileno(file.get())); }), "a");
  EXPECT_EQ(reading("b", [&] { return fgetc(file.get()); }), 'b');
  EXPECT_EQ(reading("c", [&] { return read_text(fileno(file.get())); }), "c");
}

// The thread that waits for data holds the lock of the stream; others wait for the lock.
TEST_P(Stream, LockIsHeldByTheThreadThatWaits) {
  Event locked;
  Background first([&] {
    flockfile(file.get());
    locked.happen();
    std::string line = fgets(buffer, sizeof buffer, file.get());
    funlockfile(file.get());
    return line;
  });
  locked.wait();
  EXPECT_NE(ftrylockfile(file.get()), 0);
  Background second([&] {
    char own[64];
    return std::string(fgets(own, sizeof own, file.get()));
  });
  send_text(far, "first\n");
  EXPECT_EQ(first.answer(), "first\n");
  send_text(far, "second\n");
  EXPECT_EQ(second.answer(), "second\n");
  ASSERT_EQ(ftrylockfile(file.get()), 0);
  funlockfile(file.get());
}

TEST_P(Stream, LinesReadByManyThreadsAreWhole) {
  constexpr int lines = 600;
  auto count = [&] {
    int whole = 0;
    char line[64];
    while (fgets(line, sizeof line, file.get())) whole += std::string(line) == "a line of text\n";
    return whole;
  };
  Background a(count), b(count), c(count);
  for (int i = 0; i < lines; ++i) send_text(far, "a line of text\n");
  far.reset();
  EXPECT_EQ(a.answer() + b.answer() + c.answer(), lines);
}

class Writer : public testing::TestWithParam<Kind> {
 protected:
  Connection ends = connection(GetParam());
  Descriptor near = std::move(ends.near);
  File file = stream(ends.far, "w");
};

INSTANTIATE_TEST_SUITE_P(Stdio, Writer, testing::Values(Kind::tcp, Kind::unix_pair, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Writer, FprintfIsSentWhenFlushed) {
  Background reader([&] { return read_text(near); });
  EXPECT_EQ(fprintf(file.get(), "%s %d", "answer", 42), 9);
  EXPECT_EQ(fflush(file.get()), 0);
  EXPECT_EQ(reader.answer(), "answer 42");
}

TEST_P(Writer, FwriteOfManyMebibytesIsSentWhole) {
  const std::string big = pattern(10 << 20);
  Background writer([&] {
    size_t written = fwrite(big.data(), 1, big.size(), file.get());
    return fflush(file.get()) == 0 ? written : 0;
  });
  EXPECT_EQ(read_all(near, big.size()), big);
  EXPECT_EQ(writer.answer(), big.size());
}

TEST_P(Writer, FcloseSendsWhatIsLeftAndCloses) {
  fputs("the rest", file.get());
  Background reader([&] { return read_all(near); });
  file.reset();
  EXPECT_EQ(reader.answer(), "the rest");
}

TEST_P(Writer, WideAndUnbufferedOutputIsSent) {
  setvbuf(file.get(), nullptr, _IONBF, 0);
  EXPECT_EQ(fwprintf(file.get(), L"%ls", L"wide"), 4);
  EXPECT_EQ(read_all(near, 4), "wide");
  EXPECT_EQ(fputwc(L'!', file.get()), wint_t(L'!'));
  EXPECT_EQ(read_text(near), "!");
}

TEST_P(Writer, DprintfWritesAtOnce) {
  Background reader([&] { return read_text(near); });
  EXPECT_EQ(dprintf(fileno(file.get()), "%d-%s", 7, "seven"), 7);
  EXPECT_EQ(reader.answer(), "7-seven");
}

TEST_P(Writer, LinesOfManyThreadsAreWhole) {
  auto print = [&](char mark) {
    for (int i = 0; i < 1000; ++i) fprintf(file.get(), "%s\n", std::string(30, mark).c_str());
    return 0;
  };
  Background reader([&] { return read_all(near); });
  {
    Background a([&] { return print('a'); });
    Background b([&] { return print('b'); });
  }
  file.reset();
  std::string text = reader.answer();
  ASSERT_EQ(text.size(), 2u * 1000 * 31);
  for (size_t at = 0; at < text.size(); at += 31) ASSERT_EQ(text.substr(at, 31), std::string(30, text[at]) + "\n");
}

}  // namespace
