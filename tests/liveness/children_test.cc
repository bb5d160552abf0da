// Waiting for the end of a command lets others run, since they may be what the command waits for.
#include <stdio.h>
#include <stdlib.h>

#include "../contract/child.h"
#include "alive.h"

namespace {

std::string reading_from(int fd) { return "read line <&" + std::to_string(fd); }

TEST(System, LetsOthersFeedTheCommand) {
  Connection gate = connection(Kind::pipe);
  EXPECT_EQ(alive([&] { return system(reading_from(gate.near).c_str()); }, [&] { send_text(gate.far, "fed\n"); }), 0);
}

TEST(Pclose, LetsOthersFeedTheCommand) {
  Connection gate = connection(Kind::pipe);
  FILE* input = popen(reading_from(gate.near).c_str(), "w");
  ASSERT_NE(input, nullptr);
  EXPECT_EQ(alive([&] { return pclose(input); }, [&] { send_text(gate.far, "fed\n"); }), 0);
}

TEST(Waitpid, LetsOthersFeedTheChild) {
  Connection gate = connection(Kind::pipe);
  pid_t pid = start_child([&] { return read_text(gate.near) == "fed" ? 0 : 1; });
  EXPECT_EQ(alive([&] { return end_of(pid); }, [&] { send_text(gate.far, "fed"); }), 0);
}

}  // namespace
