// Streams let others run while they wait, and while they wait for each other's locks.
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#include "alive.h"

namespace {

class Stream : public testing::TestWithParam<Kind> {
 protected:
  ~Stream() { fclose(file); }
  template <typename Read>
  auto until_sent(Read read) {
    return alive(read, [this] { send_text(ends.far, "7 sent\n"); });
  }
  Connection ends = connection(GetParam());
  FILE* file = fdopen(ends.near.release(), "r");
  char buffer[64];
};

INSTANTIATE_TEST_SUITE_P(Stdio, Stream, testing::Values(Kind::tcp, Kind::unix_pair, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Stream, Fgets) {
  EXPECT_STREQ(until_sent([&] { return fgets(buffer, sizeof buffer, file); }), "7 sent\n");
}

TEST_P(Stream, Fgetc) {
  EXPECT_EQ(until_sent([&] { return fgetc(file); }), '7');
}

TEST_P(Stream, Fread) {
  EXPECT_EQ(until_sent([&] { return fread(buffer, 1, 7, file); }), 7u);
}

TEST_P(Stream, Getline) {
  char* line = nullptr;
  size_t size = 0;
  EXPECT_EQ(until_sent([&] { return getline(&line, &size, file); }), 7);
  free(line);
}

TEST_P(Stream, Fscanf) {
  int number = 0;
  EXPECT_EQ(until_sent([&] { return fscanf(file, "%d %63s", &number, buffer); }), 2);
}

TEST_P(Stream, Fgetwc) {
  EXPECT_EQ(until_sent([&] { return fgetwc(file); }), wint_t(L'7'));
}

TEST_P(Stream, Unbuffered) {
  setvbuf(file, nullptr, _IONBF, 0);
  EXPECT_STREQ(until_sent([&] { return fgets(buffer, sizeof buffer, file); }), "7 sent\n");
}

TEST_P(Stream, ReopenedOverAnother) {
  FILE* other = fopen("/dev/null", "r");
  ASSERT_EQ(dup2(fileno(file), fileno(other)), fileno(other));
  EXPECT_STREQ(until_sent([&] { return fgets(buffer, sizeof buffer, other); }), "7 sent\n");
  fclose(other);
}

class Output : public testing::TestWithParam<Kind> {
 protected:
  template <typename Write>
  auto until_read(Write write) {
    return alive(write, [this] { EXPECT_EQ(read_all(ends.near, big.size()), big); });
  }
  Connection ends = connection(GetParam());
  FILE* file = fdopen(ends.far.release(), "w");
  std::string big = pattern(8 << 20, 1);
};

INSTANTIATE_TEST_SUITE_P(Stdio, Output, testing::Values(Kind::tcp, Kind::unix_pair, Kind::pipe),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(Output, FwriteAndFflush) {
  EXPECT_EQ(until_read([&] { return fwrite(big.data(), 1, big.size(), file) == big.size() ? fflush(file) : -1; }), 0);
  fclose(file);
}

TEST_P(Output, Fclose) {
  std::string room(16 << 20, '\0');
  setvbuf(file, room.data(), _IOFBF, room.size());
  ASSERT_EQ(fwrite(big.data(), 1, big.size(), file), big.size());
  EXPECT_EQ(until_read([&] { return fclose(file); }), 0);
}

TEST_P(Output, Fprintf) {
  big.assign(4 << 20, 'p');
  EXPECT_EQ(until_read([&] { return fprintf(file, "%s", big.c_str()) + fflush(file); }), 4 << 20);
  fclose(file);
}

TEST_P(Output, Dprintf) {
  big.assign(4 << 20, 'p');
  EXPECT_EQ(until_read([&] { return dprintf(fileno(file), "%s", big.c_str()); }), 4 << 20);
  fclose(file);
}

TEST(Commands, PopenLetsOthersFeedTheCommand) {
  Connection gate = connection(Kind::pipe);
  std::string command = "read line <&" + std::to_string(gate.near) + "; echo got $line";
  EXPECT_EQ(alive(
                [&] {
                  char line[64] = {};
                  FILE* output = popen(command.c_str(), "r");
                  std::string text = fgets(line, sizeof line, output) ? line : "nothing";
                  EXPECT_EQ(pclose(output), 0);
                  return text;
                },
                [&] { send_text(gate.far, "fed\n"); }),
            "got fed\n");
}

}  // namespace
