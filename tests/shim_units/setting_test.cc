// The numbers that an operator may write.

#include "shim/setting.h"

#include <gtest/gtest.h>

namespace {

using namespace unblock::configuration;

TEST(Setting, AcceptsPossibleProcessors) {
  EXPECT_EQ(processors_of("1"), 1u);
  EXPECT_EQ(processors_of("1024"), 1024u);
  EXPECT_EQ(processors_of("008"), 8u);
}

TEST(Setting, RefusesImpossibleProcessors) {
  for (const char* text :
       {"", "0", "-1", "1025", "4294967297", "18446744073709551617", "2x", " 2", "2 ", "+2", "two"}) {
    EXPECT_EQ(processors_of(text), 0u) << text;
  }
}

TEST(Setting, AcceptsPossibleStacks) {
  EXPECT_EQ(stack_bytes_of("131072"), 128u << 10);
  EXPECT_EQ(stack_bytes_of("256K"), 256u << 10);
  EXPECT_EQ(stack_bytes_of("8m"), 8u << 20);
  EXPECT_EQ(stack_bytes_of("1024G"), most_stack_bytes);
  EXPECT_EQ(stack_bytes_of(std::to_string(least_stack_bytes).c_str()), least_stack_bytes);
}

TEST(Setting, RefusesImpossibleStacks) {
  for (const char* text : {"", "0", "0G", "K", "-1", "1025G", "17179869184G", "18446744073709551615",
                           "18446744073709551616K", "64KB", "64 K", "1T", "1.5M", "64Kx"}) {
    EXPECT_EQ(stack_bytes_of(text), 0u) << text;
  }
  EXPECT_EQ(stack_bytes_of(std::to_string(least_stack_bytes - 1).c_str()), 0u);
  EXPECT_EQ(stack_bytes_of(std::to_string(most_stack_bytes + 1).c_str()), 0u);
}

// The texts that are shown to the operator name the limits.
TEST(Setting, SaysWhatItAccepts) {
  EXPECT_NE(std::string(accepted_processors).find("1 to " + std::to_string(most_processors)), std::string::npos);
  std::string stacks = std::to_string(least_stack_bytes >> 10) + "K to " + std::to_string(most_stack_bytes >> 30) + "G";
  EXPECT_NE(std::string(accepted_stack).find(stacks), std::string::npos);
}

}  // namespace
