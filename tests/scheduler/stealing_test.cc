// Several processors, and more to do than one gets through.
#include <gtest/gtest.h>

#include <set>

#include "scheduler/wait.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;
using test::eventually;

TEST(Stealing, AnotherProcessorTakesFromALongQueue) {
  uint64_t before = scheduler::statistics().steals;
  std::set<Carrier*> carriers;
  Lock lock;
  // The queue stays long until somebody steals.
  test::start_threads(50, [&](int) {
    EXPECT_TRUE(eventually([&] {
      Held held(lock);
      carriers.insert(this_carrier());
      return scheduler::statistics().steals > before && carriers.size() > 1;
    }));
  }).clear();
  EXPECT_GT(scheduler::statistics().steals, before);
}
