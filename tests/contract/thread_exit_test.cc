// How threads end: pthread_exit, cleanup handlers, destructors, detached ends.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "threads.h"

namespace {

// Appends a letter when it is destroyed.
struct Farewell {
  std::string* log;
  char letter;
  ~Farewell() { log->push_back(letter); }
};

void append_x(void* log) { static_cast<std::string*>(log)->push_back('x'); }
void append_y(void* log) { static_cast<std::string*>(log)->push_back('y'); }

TEST(PthreadExit, DestroysTheObjectsOfEveryFrameFromTheInside) {
  std::string log;
  auto inner = [&] {
    Farewell first{&log, '1'};
    pthread_exit(word(7));
  };
  EXPECT_EQ(join(start_thread([&]() -> void* {
              Farewell third{&log, '3'}, second{&log, '2'};
              inner();
              return nullptr;
            })),
            word(7));
  EXPECT_EQ(log, "123");
}

TEST(PthreadExit, RunsCleanupHandlersLastPushedFirst) {
  std::string log;
  EXPECT_EQ(join(start_thread([&]() -> void* {
              pthread_cleanup_push(append_x, &log);
              pthread_cleanup_push(append_y, &log);
              pthread_exit(word(8));
              pthread_cleanup_pop(0);
              pthread_cleanup_pop(0);
              return nullptr;
            })),
            word(8));
  EXPECT_EQ(log, "yx");
}

TEST(PthreadExit, RunsHandlersAndDestructorsInOneOrder) {
  std::string log;
  join(start_thread([&]() -> void* {
    Farewell outer{&log, 'o'};
    pthread_cleanup_push(append_x, &log);
    Farewell inner{&log, 'i'};
    pthread_exit(nullptr);
    pthread_cleanup_pop(0);
    return nullptr;
  }));
  EXPECT_EQ(log, "ixo");
}

TEST(PthreadExit, CanBeSeenByCatchAllThatThrowsOn) {
  bool seen = false;
  EXPECT_EQ(join(start_thread([&]() -> void* {
              try {
                pthread_exit(word(9));
              } catch (...) {
                seen = true;
                throw;
              }
            })),
            word(9));
  EXPECT_TRUE(seen);
}

TEST(PthreadExit, WorksAfterTheThreadHasWaited) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 50; ++i) {
    threads.push_back(start_thread([i]() -> void* {
      timespec duration = milliseconds(2);
      nanosleep(&duration, nullptr);
      sched_yield();
      pthread_exit(word(i));
    }));
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(join(threads[i]), word(i));
}

TEST(CleanupHandlers, ArePoppedWithOrWithoutBeingRun) {
  std::string log;
  pthread_cleanup_push(append_x, &log);
  pthread_cleanup_push(append_y, &log);
  pthread_cleanup_pop(0);
  pthread_cleanup_pop(1);
  EXPECT_EQ(log, "x");
}

TEST(CleanupHandlers, MayWait) {
  std::string log;
  auto wait = [](void* log) {
    timespec duration = milliseconds(5);
    nanosleep(&duration, nullptr);
    append_x(log);
  };
  join(start_thread([&]() -> void* {
    pthread_cleanup_push(wait, &log);
    pthread_exit(nullptr);
    pthread_cleanup_pop(0);
    return nullptr;
  }));
  EXPECT_EQ(log, "x");
}

TEST(ThreadEnd, DestructorsOfThreadDataRunBeforeJoinReturns) {
  static pthread_key_t key;
  static std::atomic<int> destroyed;
  destroyed = 0;
  ASSERT_EQ(pthread_key_create(&key, [](void*) { ++destroyed; }), 0);
  for (int i = 1; i <= 50; ++i) {
    join(start_thread([] { return pthread_setspecific(key, word(1)), nullptr; }));
    EXPECT_EQ(destroyed, i);
  }
  EXPECT_EQ(pthread_key_delete(key), 0);
}

TEST(ThreadEnd, TenThousandShortLivesInARow) {
  long sum = 0;
  for (long i = 0; i < 10'000; ++i) sum += reinterpret_cast<long>(join(start_thread([i] { return word(i); })));
  EXPECT_EQ(sum, 10'000L * 9'999 / 2);
}

TEST(ThreadEnd, AThousandDetachedLives) {
  ThreadAttributes attributes;
  ASSERT_EQ(pthread_attr_setdetachstate(attributes.get(), PTHREAD_CREATE_DETACHED), 0);
  std::atomic<int> ended = 0;
  for (int i = 0; i < 1000; ++i) start_thread([&] { return ++ended, nullptr; }, attributes.get());
  EXPECT_TRUE(eventually([&] { return ended == 1000; }));
}

TEST(RawExit, EndsTheCallingThreadAlone) {
  for (int i = 0; i < 4; ++i) {
    pthread_t thread = start_thread([]() -> void* {
      syscall(SYS_exit, 0);
      return word(1);
    });
    EXPECT_EQ(join(thread), nullptr);
  }
}

}  // namespace
