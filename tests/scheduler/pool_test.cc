#include "scheduler/pool.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

using namespace unblock;

namespace {

struct Object {
  int value = 42;
  std::atomic<int> users{0};
  char bulk[1000];
};

}  // namespace

TEST(Pool, ConstructsWhatItMakes) {
  Pool<Object> pool;
  Object* object = pool.take();
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->value, 42);
  EXPECT_EQ(object->bulk[999], 0);
}

TEST(Pool, RecyclesWithTheContentsOfTheLastUse) {
  Pool<Object> pool;
  Object* object = pool.take();
  object->value = 7;
  pool.give_back(object);
  EXPECT_EQ(pool.take(), object);
  EXPECT_EQ(object->value, 7);
}

TEST(Pool, WhatWasGivenBackCanStillBeLookedAt) {
  constexpr int count = 2'000;  // several chunks
  Pool<Object> pool;
  std::vector<Object*> objects;
  for (int i = 0; i < count; ++i) {
    objects.push_back(pool.take());
    objects.back()->value = i;
  }
  EXPECT_EQ(std::set<Object*>(objects.begin(), objects.end()).size(), (size_t)count);
  for (Object* object : objects) pool.give_back(object);
  for (int i = 0; i < count; ++i) ASSERT_EQ(objects[i]->value, i);
}

TEST(Pool, MakesNothingNewWhileSomethingIsFree) {
  Pool<Object> pool;
  std::set<Object*> seen;
  for (int round = 0; round < 10; ++round) {
    std::vector<Object*> objects;
    for (int i = 0; i < 500; ++i) objects.push_back(pool.take());
    seen.insert(objects.begin(), objects.end());
    for (Object* object : objects) pool.give_back(object);
  }
  EXPECT_EQ(seen.size(), 500u);
}

TEST(Pool, VisitsExactlyWhatIsTaken) {
  Pool<Object> pool;
  std::vector<Object*> objects;
  for (int i = 0; i < 1'000; ++i) objects.push_back(pool.take());
  std::set<Object*> taken;
  for (int i = 0; i < 1'000; ++i) {
    if (i % 3 == 0) {
      pool.give_back(objects[i]);
    } else {
      taken.insert(objects[i]);
    }
  }
  std::multiset<Object*> visited;
  pool.for_each([&](Object& object) { visited.insert(&object); });
  EXPECT_EQ(std::set<Object*>(visited.begin(), visited.end()), taken);
  EXPECT_EQ(visited.size(), taken.size());
  EXPECT_EQ(pool.taken(), taken.size());
}

TEST(Pool, NeverGivesOneObjectToTwo) {
  Pool<Object> pool;
  std::atomic<int> shared{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5'000; ++round) {
        Object* objects[4];
        for (Object*& object : objects) {
          object = pool.take();
          shared += object->users.fetch_add(1) != 0;
        }
        for (Object* object : objects) {
          object->users.fetch_sub(1);
          pool.give_back(object);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 0);
  EXPECT_EQ(pool.taken(), 0u);
}
