// Thread-specific data: keys, values, destructors.
#include <gtest/gtest.h>
#include <limits.h>
#include <pthread.h>

#include <atomic>
#include <string>
#include <vector>

#include "threads.h"

namespace {

TEST(Key, ValueIsNullUntilItIsSetAndEachThreadsOwn) {
  pthread_key_t key;
  ASSERT_EQ(keeping_errno([&] { return pthread_key_create(&key, nullptr); }), 0);
  EXPECT_EQ(pthread_getspecific(key), nullptr);
  EXPECT_EQ(keeping_errno([&] { return pthread_setspecific(key, word(1)); }), 0);
  join(start_thread([&] {
    EXPECT_EQ(pthread_getspecific(key), nullptr);
    EXPECT_EQ(pthread_setspecific(key, word(2)), 0);
    sched_yield();
    EXPECT_EQ(pthread_getspecific(key), word(2));
    return nullptr;
  }));
  EXPECT_EQ(keeping_errno([&] { return pthread_getspecific(key); }), word(1));
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, ValuesStayApartAcrossWaits) {
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, nullptr), 0);
  std::vector<pthread_t> threads;
  for (int i = 1; i <= 50; ++i) {
    threads.push_back(start_thread([=] {
      bool same = true;
      for (int j = 0; j < 50; ++j) {
        pthread_setspecific(key, word(i * 1000 + j));
        if (j % 10 == 0) {
          timespec moment = milliseconds(1);
          nanosleep(&moment, nullptr);
        }
        sched_yield();
        same = same && pthread_getspecific(key) == word(i * 1000 + j);
      }
      return word(same);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, DestructorGetsTheValueAfterTheKeyWasSetToNull) {
  static pthread_key_t key;
  static std::atomic<void*> destroyed, seen;
  destroyed = nullptr;
  seen = word(1);
  auto destroy = [](void* value) {
    destroyed = value;
    seen = pthread_getspecific(key);
  };
  ASSERT_EQ(pthread_key_create(&key, destroy), 0);
  join(start_thread([] { return pthread_setspecific(key, word(4711)), nullptr; }));
  EXPECT_EQ(destroyed, word(4711));
  EXPECT_EQ(seen, nullptr);
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, DestructorRunsOnPthreadExitAndOnceForEachThread) {
  static std::atomic<int> destroyed;
  destroyed = 0;
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, [](void*) { ++destroyed; }), 0);
  std::vector<pthread_t> threads;
  for (int i = 0; i < 20; ++i) {
    threads.push_back(start_thread([=]() -> void* {
      pthread_setspecific(key, word(1));
      pthread_exit(nullptr);
    }));
  }
  for (pthread_t thread : threads) join(thread);
  EXPECT_EQ(destroyed, 20);
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, DestructorDoesNotRunForNull) {
  static std::atomic<int> destroyed;
  destroyed = 0;
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, [](void*) { ++destroyed; }), 0);
  join(start_thread([&] {
    pthread_setspecific(key, word(1));
    pthread_setspecific(key, nullptr);
    return nullptr;
  }));
  EXPECT_EQ(destroyed, 0);
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, DestructorThatSetsItAgainIsCalledAsOftenAsTheLimitSays) {
  static pthread_key_t key;
  static std::atomic<int> calls;
  calls = 0;
  auto destroy = [](void* value) {
    ++calls;
    pthread_setspecific(key, value);
  };
  ASSERT_EQ(pthread_key_create(&key, destroy), 0);
  join(start_thread([] { return pthread_setspecific(key, word(1)), nullptr; }));
  EXPECT_EQ(calls, PTHREAD_DESTRUCTOR_ITERATIONS);
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, DestructorMaySetAnotherKeyWhoseDestructorThenRuns) {
  static pthread_key_t first, second;
  static std::atomic<int> calls;
  calls = 0;
  ASSERT_EQ(pthread_key_create(&first, [](void*) { pthread_setspecific(second, word(1)); }), 0);
  ASSERT_EQ(pthread_key_create(&second, [](void*) { ++calls; }), 0);
  join(start_thread([] { return pthread_setspecific(first, word(1)), nullptr; }));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(pthread_key_delete(first), 0);
  EXPECT_EQ(pthread_key_delete(second), 0);
}

TEST(Key, DestructorMayWaitAndUseOtherKeys) {
  static pthread_key_t waits, other;
  static std::atomic<bool> done;
  done = false;
  auto wait = [](void*) {
    timespec moment = milliseconds(3);
    nanosleep(&moment, nullptr);
    sched_yield();
    done = pthread_equal(pthread_self(), reinterpret_cast<pthread_t>(pthread_getspecific(other))) != 0;
  };
  ASSERT_EQ(pthread_key_create(&waits, wait), 0);
  ASSERT_EQ(pthread_key_create(&other, nullptr), 0);
  join(start_thread([] {
    pthread_setspecific(waits, word(1));
    pthread_setspecific(other, reinterpret_cast<void*>(pthread_self()));
    return nullptr;
  }));
  EXPECT_TRUE(done);
  EXPECT_EQ(pthread_key_delete(waits), 0);
  EXPECT_EQ(pthread_key_delete(other), 0);
}

TEST(Key, DeletedOneHasNoDestructorAndNoValue) {
  static std::atomic<int> destroyed;
  destroyed = 0;
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, [](void*) { ++destroyed; }), 0);
  std::atomic<bool> set = false, deleted = false;
  pthread_t thread = start_thread([&] {
    pthread_setspecific(key, word(1));
    set = true;
    EXPECT_TRUE(eventually(deleted));
    return nullptr;
  });
  EXPECT_TRUE(eventually(set));
  EXPECT_EQ(pthread_key_delete(key), 0);
  deleted = true;
  join(thread);
  EXPECT_EQ(destroyed, 0);
  EXPECT_EQ(pthread_key_delete(key), EINVAL);
  EXPECT_EQ(pthread_setspecific(key, word(1)), EINVAL);
  EXPECT_EQ(pthread_getspecific(key), nullptr);
}

TEST(Key, NewKeyOfAReusedNumberIsNullInEveryThread) {
  pthread_key_t first, second;
  ASSERT_EQ(pthread_key_create(&first, nullptr), 0);
  ASSERT_EQ(pthread_setspecific(first, word(1)), 0);
  ASSERT_EQ(pthread_key_delete(first), 0);
  ASSERT_EQ(pthread_key_create(&second, nullptr), 0);
  EXPECT_EQ(pthread_getspecific(second), nullptr);
  ASSERT_EQ(pthread_key_delete(second), 0);
}

TEST(Key, ThereAreAsManyAsTheLimitAndThenEagain) {
  std::vector<pthread_key_t> keys;
  int result = 0;
  for (;;) {
    pthread_key_t key;
    result = keeping_errno([&] { return pthread_key_create(&key, nullptr); });
    if (result != 0) break;
    keys.push_back(key);
    ASSERT_LE(keys.size(), static_cast<size_t>(PTHREAD_KEYS_MAX));
  }
  EXPECT_EQ(result, EAGAIN);
  EXPECT_GE(keys.size(), static_cast<size_t>(PTHREAD_KEYS_MAX) - 64);  // libraries hold a few
  join(start_thread([&] {
    for (pthread_key_t key : keys) EXPECT_EQ(pthread_setspecific(key, word(key + 1)), 0);
    sched_yield();
    for (pthread_key_t key : keys) EXPECT_EQ(pthread_getspecific(key), word(key + 1));
    return nullptr;
  }));
  for (pthread_key_t key : keys) EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(Key, NumberThatWasNeverMadeIsEinval) {
  EXPECT_EQ(pthread_setspecific(PTHREAD_KEYS_MAX, word(1)), EINVAL);
  EXPECT_EQ(pthread_key_delete(PTHREAD_KEYS_MAX), EINVAL);
  EXPECT_EQ(pthread_getspecific(PTHREAD_KEYS_MAX), nullptr);
}

}  // namespace
