#include "scheduler/timer.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <vector>

#include "scheduler/wait.h"

using namespace unblock;

namespace {

// Timers of one OS thread's waits, which nobody sleeps in.
class Timers : public testing::Test {
 protected:
  struct Wait {
    Waiter waiter{WaitKind::sleep};
    Timer timer{};
  };

  Wait& insert(int64_t at) {
    waits.push_back(std::make_unique<Wait>());
    Wait& wait = *waits.back();
    wait.timer.at = at;
    wait.timer.waiter = &wait.waiter;
    heap.insert(wait.timer);
    return wait;
  }

  static bool has_fired(Wait& wait) { return wait.timer.heap == nullptr && !wait.waiter.wake(Wakeup::ready); }

  TimerHeap heap;
  std::vector<std::unique_ptr<Wait>> waits;
};

}  // namespace

TEST_F(Timers, NothingIsDueInAnEmptyHeap) {
  EXPECT_EQ(heap.earliest(), INT64_MAX);
  EXPECT_EQ(heap.fire(INT64_MAX), 0);
}

TEST_F(Timers, TheEarliestIsKnown) {
  insert(30);
  EXPECT_EQ(heap.earliest(), 30);
  insert(10);
  EXPECT_EQ(heap.earliest(), 10);
  insert(20);
  EXPECT_EQ(heap.earliest(), 10);
}

TEST_F(Timers, OnlyThoseThatAreDueFire) {
  Wait& soon = insert(10);
  Wait& now = insert(20);
  Wait& later = insert(21);
  EXPECT_EQ(heap.fire(9), 0);
  EXPECT_EQ(heap.fire(20), 2);
  EXPECT_TRUE(has_fired(soon));
  EXPECT_TRUE(has_fired(now));
  EXPECT_EQ(later.timer.heap, &heap);
  EXPECT_EQ(heap.earliest(), 21);
}

TEST_F(Timers, ADeadlineInThePastFiresAtOnce) {
  Wait& past = insert(Deadline::passed().at);
  EXPECT_EQ(heap.fire(kernel::now()), 1);
  EXPECT_TRUE(has_fired(past));
}

TEST_F(Timers, OneThatWasRemovedNeverFires) {
  Wait& removed = insert(10);
  Wait& other = insert(20);
  heap.remove(removed.timer);
  EXPECT_EQ(removed.timer.heap, nullptr);
  EXPECT_EQ(heap.earliest(), 20);
  EXPECT_EQ(heap.fire(30), 1);
  EXPECT_TRUE(removed.waiter.wake(Wakeup::ready));
  EXPECT_TRUE(has_fired(other));
}

TEST_F(Timers, RemovingOneThatHasFiredDoesNothing) {
  Wait& fired = insert(10);
  insert(20);
  EXPECT_EQ(heap.fire(10), 1);
  heap.remove(fired.timer);
  EXPECT_EQ(heap.earliest(), 20);
}

TEST_F(Timers, AWaitThatEndedOtherwiseStillCountsAsFired) {
  Wait& wait = insert(10);
  EXPECT_TRUE(wait.waiter.wake(Wakeup::ready));
  EXPECT_EQ(heap.fire(10), 1);
  EXPECT_EQ(wait.waiter.wait(), Wakeup::ready);
}

TEST_F(Timers, AFiredWaitHasTimedOut) {
  Wait& wait = insert(10);
  heap.fire(10);
  EXPECT_EQ(wait.waiter.wait(), Wakeup::timed_out);
}

TEST_F(Timers, BehaveAsAMultimapUnderRandomUse) {
  std::multimap<int64_t, Wait*> model;
  std::vector<Wait*> linked;
  std::mt19937 random(1);
  int64_t now = 0;
  for (int step = 0; step < 50'000; ++step) {
    switch (random() % 4) {
      case 0:
      case 1: {
        Wait& wait = insert(now + random() % 500);
        model.emplace(wait.timer.at, &wait);
        linked.push_back(&wait);
        break;
      }
      case 2: {
        if (linked.empty()) break;
        size_t chosen = random() % linked.size();
        Wait* wait = linked[chosen];
        linked[chosen] = linked.back();
        linked.pop_back();
        heap.remove(wait->timer);  // may have fired long ago
        auto [first, last] = model.equal_range(wait->timer.at);
        for (auto each = first; each != last; ++each) {
          if (each->second != wait) continue;
          model.erase(each);
          break;
        }
        break;
      }
      case 3: {
        now += random() % 20;
        int due = 0;
        for (; !model.empty() && model.begin()->first <= now; model.erase(model.begin())) {
          ASSERT_EQ(model.begin()->second->timer.heap, &heap);
          ++due;
        }
        ASSERT_EQ(heap.fire(now), due);
        break;
      }
    }
    ASSERT_EQ(heap.earliest(), model.empty() ? INT64_MAX : model.begin()->first);
  }
  for (auto& [at, wait] : model) ASSERT_EQ(wait->timer.heap, &heap) << at;
}

TEST_F(Timers, HundredThousandFireInOrder) {
  constexpr int count = 100'000;
  Waiter waiter(WaitKind::sleep);
  std::vector<Timer> timers(count);
  std::multimap<int64_t, Timer*> model;
  std::mt19937_64 random(1);
  for (Timer& timer : timers) {
    timer.at = (int64_t)(random() % 1'000'000);
    timer.waiter = &waiter;
    heap.insert(timer);
    model.emplace(timer.at, &timer);
  }
  while (!model.empty()) {
    int64_t at = model.begin()->first;
    ASSERT_EQ(heap.earliest(), at);
    ASSERT_EQ(heap.fire(at), (int)model.count(at));
    for (auto [each, last] = model.equal_range(at); each != last; ++each) ASSERT_EQ(each->second->heap, nullptr);
    model.erase(at);
  }
  EXPECT_EQ(heap.earliest(), INT64_MAX);
}

TEST(Deadline, NeverStaysNever) {
  EXPECT_TRUE(Deadline::never().is_never());
  EXPECT_TRUE(Deadline::after(INT64_MAX).is_never());
  EXPECT_FALSE(Deadline::after(kernel::nanoseconds_per_second).is_never());
  EXPECT_FALSE(Deadline::passed().is_never());
}

TEST(Deadline, LiesAheadByWhatWasAskedFor) {
  int64_t before = kernel::now();
  Deadline deadline = Deadline::after(1'000'000);
  int64_t after = kernel::now();
  EXPECT_GE(deadline.at, before + 1'000'000);
  EXPECT_LE(deadline.at, after + 1'000'000);
}
