// On one processor and without the monitor threads run in the order in which they became runnable.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "scheduler/wait.h"
#include "tests/scheduler/test_thread.h"

using namespace unblock;

TEST(Order, ThreadsRunInTheOrderInWhichTheyBegan) {
  std::vector<int> order;
  test::start_threads(10, [&](int i) { order.push_back(i); }).clear();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Order, WhoYieldsGoesToTheEndOfTheQueue) {
  std::vector<int> order;
  test::start_threads(3, [&](int i) {
    for (int turn = 0; turn < 3; ++turn) {
      order.push_back(i);
      yield();
    }
  }).clear();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 0, 1, 2, 0, 1, 2}));
}

TEST(Order, SleepersWakeInTheOrderOfTheirDeadlines) {
  constexpr int count = 200;
  std::vector<int> order, places(count);
  for (int i = 0; i < count; ++i) places[i] = i;
  std::shuffle(places.begin(), places.end(), std::mt19937(1));
  Deadline base = Deadline::after(20'000'000);
  test::start_threads(count, [&](int i) {
    Waiter waiter(WaitKind::sleep);
    waiter.wait({base.at + places[i] * 1'000});
    order.push_back(places[i]);
  }).clear();
  EXPECT_EQ((int)order.size(), count);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}
