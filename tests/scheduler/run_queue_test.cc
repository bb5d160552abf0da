#include "scheduler/run_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

using namespace unblock;

namespace {

std::unique_ptr<GreenThread[]> some_threads(size_t count) {
  return std::unique_ptr<GreenThread[]>(new GreenThread[count]());
}

void expect_same(RunQueue& queue, std::deque<GreenThread*>& model) {
  EXPECT_EQ(queue.length(), model.size());
  EXPECT_EQ(queue.empty(), model.empty());
}

}  // namespace

TEST(RunQueue, GivesBackInOrderOfArrival) {
  auto threads = some_threads(3);
  RunQueue queue;
  for (int i = 0; i < 3; ++i) queue.push_back(threads[i]);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(queue.pop_front(), &threads[i]);
  EXPECT_EQ(queue.pop_front(), nullptr);
}

TEST(RunQueue, WorksAgainAfterItWasEmpty) {
  auto threads = some_threads(2);
  RunQueue queue;
  for (int round = 0; round < 3; ++round) {
    queue.push_back(threads[0]);
    queue.push_back(threads[1]);
    EXPECT_EQ(queue.pop_front(), &threads[0]);
    EXPECT_EQ(queue.pop_front(), &threads[1]);
    EXPECT_TRUE(queue.empty());
  }
}

TEST(RunQueue, AppendEmptiesTheOther) {
  auto threads = some_threads(4);
  RunQueue first, second;
  first.push_back(threads[0]);
  second.push_back(threads[1]);
  second.push_back(threads[2]);
  first.append(second);
  EXPECT_TRUE(second.empty());
  second.push_back(threads[3]);
  first.append(second);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(first.pop_front(), &threads[i]);
}

TEST(RunQueue, TheOlderHalfIsTakenRoundedUp) {
  auto threads = some_threads(5);
  RunQueue victim, thief;
  for (int i = 0; i < 5; ++i) victim.push_back(threads[i]);
  thief.take_half_of(victim);
  EXPECT_EQ(thief.length(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(thief.pop_front(), &threads[i]);
  for (int i = 3; i < 5; ++i) EXPECT_EQ(victim.pop_front(), &threads[i]);
}

TEST(RunQueue, TheOnlyThreadIsTaken) {
  auto threads = some_threads(1);
  RunQueue victim, thief;
  victim.push_back(threads[0]);
  thief.take_half_of(victim);
  EXPECT_TRUE(victim.empty());
  EXPECT_EQ(thief.pop_front(), &threads[0]);
}

TEST(RunQueue, HalfOfNothingIsNothing) {
  RunQueue victim, thief;
  thief.take_half_of(victim);
  EXPECT_TRUE(thief.empty());
}

TEST(RunQueue, BehavesAsADequeUnderRandomUse) {
  constexpr size_t count = 64;
  auto threads = some_threads(count);
  std::deque<GreenThread*> idle, models[2];
  for (size_t i = 0; i < count; ++i) idle.push_back(&threads[i]);
  RunQueue queues[2];
  std::mt19937 random(1);
  for (int step = 0; step < 100'000; ++step) {
    size_t which = random() % 2;
    RunQueue& queue = queues[which];
    auto& model = models[which];
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        if (idle.empty()) break;
        queue.push_back(*idle.front());
        model.push_back(idle.front());
        idle.pop_front();
        break;
      case 3:
      case 4:
      case 5: {
        GreenThread* expected = model.empty() ? nullptr : model.front();
        ASSERT_EQ(queue.pop_front(), expected);
        if (expected == nullptr) break;
        model.pop_front();
        idle.push_back(expected);
        break;
      }
      case 6:
        queue.append(queues[1 - which]);
        model.insert(model.end(), models[1 - which].begin(), models[1 - which].end());
        models[1 - which].clear();
        break;
      case 7: {
        queue.take_half_of(queues[1 - which]);
        auto& other = models[1 - which];
        for (size_t n = (other.size() + 1) / 2; n > 0; --n) {
          model.push_back(other.front());
          other.pop_front();
        }
        break;
      }
    }
    expect_same(queues[0], models[0]);
    expect_same(queues[1], models[1]);
  }
}
