// Streams that libc opens itself: popen, system, and a program's stdin and stdout.
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "attempt.h"
#include "child.h"
#include "connection.h"

namespace {

std::string output_of(const char* command, int* status = nullptr) {
  FILE* output = popen(command, "r");
  if (!output) return "popen failed";
  std::string text;
  for (int c; (c = fgetc(output)) != EOF;) text += static_cast<char>(c);
  int end = pclose(output);
  if (status) *status = end;
  return text;
}

TEST(Popen, GivesOutputAndStatus) {
  int status = -1;
  EXPECT_EQ(output_of("echo hello; exit 3", &status), "hello\n");
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3);
}

TEST(Popen, WaitsForASlowCommandBesideOtherThreads) {
  Connection gate = connection(Kind::pipe);
  std::string command = "read line <&" + std::to_string(gate.near) + "; echo got $line";
  Background reader([&] { return output_of(command.c_str()); });
  send_text(gate.far, "through\n");
  EXPECT_EQ(reader.answer(), "got through\n");
}

TEST(Popen, PcloseWaitsForTheCommandsEnd) {
  Connection gate = connection(Kind::pipe);
  std::string command = "cat >/dev/null; read line <&" + std::to_string(gate.near) + "; exit 5";
  FILE* input = popen(command.c_str(), "w");
  ASSERT_NE(input, nullptr);
  fputs("ignored", input);
  Event released;
  Background closer([&] {
    int status = pclose(input);
    EXPECT_TRUE(released.happened());
    return status;
  });
  released.happen();
  send_text(gate.far, "go\n");
  int status = closer.answer();
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 5);
}

TEST(Popen, SeveralAtOnceDoNotMixUp) {
  Background a([] { return output_of("echo a; echo aa"); });
  Background b([] { return output_of("echo b; echo bb"); });
  Background c([] { return output_of("echo c; echo cc"); });
  EXPECT_EQ(a.answer(), "a\naa\n");
  EXPECT_EQ(b.answer(), "b\nbb\n");
  EXPECT_EQ(c.answer(), "c\ncc\n");
}

TEST(System, GivesTheStatus) {
  EXPECT_EQ(system("exit 7"), 7 << 8);
  EXPECT_NE(system(nullptr), 0);
  Background other([] { return system("exit 1"); });
  EXPECT_EQ(system("exit 2"), 2 << 8);
  EXPECT_EQ(other.answer(), 1 << 8);
}

TEST(System, WaitsForTheCommand) {
  Connection gate = connection(Kind::pipe);
  std::string command = "read line <&" + std::to_string(gate.near);
  Event released;
  Background runner([&] {
    int status = system(command.c_str());
    EXPECT_TRUE(released.happened());
    return status;
  });
  released.happen();
  send_text(gate.far, "go\n");
  EXPECT_EQ(runner.answer(), 0);
}

// Runs `work` in a child whose standard input and output are pipes to us.
class Filter {
 public:
  template <typename Work>
  explicit Filter(Work work) {
    Connection in = connection(Kind::pipe), out = connection(Kind::pipe);
    pid_ = start_child([&] {
      dup2(in.near, STDIN_FILENO);
      dup2(out.far, STDOUT_FILENO);
      in.far.reset();
      int result = work();
      fflush(stdout);
      return result;
    });
    input = std::move(in.far);
    output = std::move(out.near);
  }
  int end() { return end_of(pid_); }
  Descriptor input, output;

 private:
  pid_t pid_;
};

TEST(StandardStreams, LinesAreReadAsTheyCome) {
  Filter filter([] {
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
      printf("got %s", line);
      fflush(stdout);
    }
    return ferror(stdin) ? 1 : 0;
  });
  for (const char* line : {"one\n", "two\n", "three\n"}) {
    send_text(filter.input, line);
    EXPECT_EQ(read_text(filter.output), std::string("got ") + line);
  }
  filter.input.reset();
  EXPECT_EQ(filter.end(), 0);
}

TEST(StandardStreams, ScanfAndPutsAnswer) {
  Filter filter([] {
    int a = 0, b = 0;
    if (scanf("%d %d", &a, &b) != 2) return 1;
    puts(std::to_string(a + b).c_str());
    fflush(stdout);
    return 0;
  });
  send_text(filter.input, "40 ");
  send_text(filter.input, "2\n");
  EXPECT_EQ(read_text(filter.output), "42\n");
  EXPECT_EQ(filter.end(), 0);
}

TEST(StandardStreams, ExitFlushesWhatIsBuffered) {
  Connection out = connection(Kind::pipe);
  pid_t pid = start_child([&] {
    dup2(out.far, STDOUT_FILENO);
    printf("buffered until exit");
    exit(4);
    return 0;
  });
  out.far.reset();
  EXPECT_EQ(read_all(out.near), "buffered until exit");
  EXPECT_EQ(end_of(pid), 4);
}

TEST(StandardStreams, FreopenMovesAStreamToAFile) {
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  std::string path = "/proc/self/fd/" + std::to_string(fileno(file));
  FILE* stream = fopen("/dev/null", "w");
  stream = freopen(path.c_str(), "w", stream);
  ASSERT_NE(stream, nullptr);
  fputs("moved", stream);
  fclose(stream);
  char text[16] = {};
  EXPECT_STREQ(fgets(text, sizeof text, file), "moved");
  fclose(file);
}

}  // namespace
