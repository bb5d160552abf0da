// The room is prepared once for the process, as the library does before its first green thread.
#include <gtest/gtest.h>

#include <cstdio>

#include "shim/glibc/thread_block.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (const char* failure = unblock::glibc::prepare()) {
    fprintf(stderr, "this libc cannot be used: %s\n", failure);
    return 1;
  }
  return RUN_ALL_TESTS();
}
