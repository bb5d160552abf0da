// How many OS threads there are: no more than somebody needs, also where a new one is long in coming.
#include <gtest/gtest.h>

#include "scheduler/idle.h"
#include "scheduler/region.h"
#include "tests/scheduler/raw_pipe.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

TEST(Carriers, AnyNumberOfWantsStartsOneWhileItIsOnItsWay) {
  test::start_threads(1, [](int) {}).clear();  // with the first thread come a carrier and the monitor
  test::hold_os_threads_back(true);
  unsigned started_before = test::os_threads_started();
  test::RawPipe raw;
  test::Thread in_the_kernel([&] {
    LongRegion region;  // takes up a carrier, and there must be a spare behind it
    raw.read_one();
  });
  EXPECT_TRUE(eventually([&] { return test::os_threads_started() == started_before + 1; }));
  for (int i = 0; i < 100; ++i) {
    scheduler::wake_help();  // there are idle processors and no spare
    EXPECT_TRUE(eventually([] { return !scheduler::carrier_wanted(); }));
  }
  EXPECT_EQ(test::os_threads_started(), started_before + 1);
  test::hold_os_threads_back(false);
  raw.write_one();
}
