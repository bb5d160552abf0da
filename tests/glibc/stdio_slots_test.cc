// Every FILE reads, writes and closes through the functions that were put into its table.
#include "shim/glibc/stdio_slots.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

#include <memory>

namespace glibc = unblock::glibc;

namespace {

int reads, writes, closes;

ssize_t counted_read(FILE* file, void* data, ssize_t size) {
  reads++;
  return glibc::original_read(file, data, size);
}

ssize_t counted_write(FILE* file, const void* data, ssize_t size) {
  writes++;
  return glibc::write_whole(file, data, size, ::write);
}

int counted_close(FILE* file) {
  closes++;
  return glibc::original_close(file);
}

// Three functions put where nothing was yet; the tests of this binary share them.
class StdioSlots : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const char* failure = glibc::patch_stdio_slots(counted_read, counted_write, counted_close);
    ASSERT_STREQ(failure, nullptr);
  }

  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    reads = writes = closes = 0;
  }

  int ends[2];
};

}  // namespace

TEST_F(StdioSlots, ALineWrittenAndReadPassesThrough) {
  FILE* out = fdopen(ends[0], "w");
  FILE* in = fdopen(ends[1], "r");
  fprintf(out, "hello %d\n", 7);
  fflush(out);
  char line[100];
  ASSERT_NE(fgets(line, sizeof line, in), nullptr);
  EXPECT_STREQ(line, "hello 7\n");
  EXPECT_EQ(writes, 1);
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(fileno(in), ends[1]);
  fclose(out);
  EXPECT_EQ(closes, 1);
  EXPECT_EQ(fgetc(in), EOF);
  EXPECT_TRUE(feof(in));
  EXPECT_FALSE(ferror(in));
  fclose(in);
  EXPECT_EQ(closes, 2);
  EXPECT_EQ(fcntl(ends[0], F_GETFD), -1) << "closing still closes";
}

TEST_F(StdioSlots, WideFilesPassThrough) {
  FILE* out = fdopen(ends[0], "w");
  FILE* in = fdopen(ends[1], "r");
  fwprintf(out, L"wide\n");
  fflush(out);
  EXPECT_EQ(fgetwc(in), static_cast<wint_t>(L'w'));
  EXPECT_GE(writes, 1);
  EXPECT_GE(reads, 1);
  fclose(out);
  fclose(in);
}

TEST_F(StdioSlots, UnbufferedWritesPassThroughAtOnce) {
  FILE* out = fdopen(ends[0], "w");
  setvbuf(out, nullptr, _IONBF, 0);
  fputs("x", out);
  EXPECT_EQ(writes, 1);
  fclose(out);
  close(ends[1]);
}

TEST_F(StdioSlots, PipesOfPopenPassThrough) {
  FILE* pipe = popen("echo from a child", "r");
  char line[100];
  ASSERT_NE(fgets(line, sizeof line, pipe), nullptr);
  EXPECT_STREQ(line, "from a child\n");
  EXPECT_GE(reads, 1);
  EXPECT_EQ(pclose(pipe), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(StdioSlots, FilesOfLibcItselfPassThrough) {
  FILE* users = fopen("/etc/passwd", "re");
  ASSERT_NE(users, nullptr);
  EXPECT_NE(fgetpwent(users), nullptr);
  EXPECT_GE(reads, 1);
  fclose(users);
  EXPECT_EQ(closes, 1);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(StdioSlots, AnErrorIsMarkedInTheFile) {
  close(ends[1]);
  signal(SIGPIPE, SIG_IGN);
  FILE* out = fdopen(ends[0], "w");
  fputs("nobody reads this", out);
  EXPECT_EQ(fflush(out), EOF);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_TRUE(ferror(out));
  fclose(out);
}

TEST_F(StdioSlots, PositionsStayRight) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(tmpfile(), fclose);
  fputs("0123456789", file.get());
  EXPECT_EQ(ftell(file.get()), 10);
  fseek(file.get(), 3, SEEK_SET);
  fputs("abc", file.get());
  fflush(file.get());
  EXPECT_EQ(ftell(file.get()), 6);
  rewind(file.get());
  char line[20];
  ASSERT_NE(fgets(line, sizeof line, file.get()), nullptr);
  EXPECT_STREQ(line, "012abc6789");
  close(ends[0]);
  close(ends[1]);
}

TEST_F(StdioSlots, ModeCIsSeen) {
  FILE* plain = fopen("/etc/passwd", "r");
  FILE* uncancellable = fopen("/etc/passwd", "rc");
  EXPECT_FALSE(glibc::is_uncancellable(plain));
  EXPECT_TRUE(glibc::is_uncancellable(uncancellable));
  fclose(plain);
  fclose(uncancellable);
  close(ends[0]);
  close(ends[1]);
}
