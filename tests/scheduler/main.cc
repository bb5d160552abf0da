// The main of tests on a running scheduler: the tests run on its first green thread.
//   --processors=N  --no-monitor
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "tests/scheduler/test_thread.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  unsigned processors = 1;
  bool monitor = true;
  for (int i = 1; i < argc; ++i) {
    if (strncmp(argv[i], "--processors=", 13) == 0) processors = (unsigned)atoi(argv[i] + 13);
    if (strcmp(argv[i], "--no-monitor") == 0) monitor = false;
  }
  unblock::test::start_scheduler(processors, monitor);
  return RUN_ALL_TESTS();
}
