#pragma once
// A pipe whose reader blocks in the kernel, unseen by the scheduler.

#include <gtest/gtest.h>
#include <unistd.h>

#include "scheduler/kernel.h"

namespace unblock::test {

class RawPipe {
 public:
  RawPipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~RawPipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void read_one() {
    char byte;
    EXPECT_EQ(kernel::invoke(SYS_read, ends_[0], &byte, 1), 1);
  }
  void write_one() { EXPECT_EQ(kernel::invoke(SYS_write, ends_[1], "x", 1), 1); }

 private:
  int ends_[2];
};

}  // namespace unblock::test
