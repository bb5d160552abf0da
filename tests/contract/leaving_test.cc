// A program that leaves by LEAVE, which runs none of its destructors: who watches it learns all the same how it went.
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include "threads.h"

namespace {

// The program leaves from here, with what its main would have returned.
class Leaving : public testing::Environment {
 public:
  void TearDown() override {
    fflush(nullptr);
    LEAVE(testing::UnitTest::GetInstance()->Failed() ? 1 : 0);
  }
};

[[maybe_unused]] testing::Environment* leaving = testing::AddGlobalTestEnvironment(new Leaving);

TEST(Thread, RunsBeforeTheProgramLeaves) {
  EXPECT_EQ(join(start_thread([] { return word(47); })), word(47));
}

}  // namespace
