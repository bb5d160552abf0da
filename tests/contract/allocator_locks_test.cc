// A program whose allocator locks mutexes, and gives way while it holds them: threads come and go all the same.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "patience.h"

extern "C" {
void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER, inner = PTHREAD_MUTEX_INITIALIZER;
unsigned calls;  // guarded(outer)

struct Locked {
  Locked() {
    pthread_mutex_lock(&outer);
    pthread_mutex_lock(&inner);
    if (++calls % 64 == 0) sched_yield();
    pthread_mutex_unlock(&inner);
  }
  ~Locked() { pthread_mutex_unlock(&outer); }
};

// Large blocks want the inner one alone, so that holders of the outer one wait.
struct LockedInside {
  LockedInside() { pthread_mutex_lock(&inner); }
  ~LockedInside() { pthread_mutex_unlock(&inner); }
};

}  // namespace

extern "C" {
void* malloc(size_t size) {
  if (size > 64 && size < 256) {
    LockedInside locked;
    return __libc_malloc(size);
  }
  Locked locked;
  return __libc_malloc(size);
}
void free(void* block) {
  Locked locked;
  __libc_free(block);
}
void* calloc(size_t count, size_t size) {
  Locked locked;
  return __libc_calloc(count, size);
}
void* realloc(void* block, size_t size) {
  Locked locked;
  return __libc_realloc(block, size);
}
void* memalign(size_t alignment, size_t size) {
  Locked locked;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** block, size_t alignment, size_t size) {
  *block = memalign(alignment, size);
  return 0;
}
}

namespace {

// Allocates and frees a little.
void use_the_allocator() {
  for (size_t i = 0; i < 20; ++i) free(malloc(i * 10));
}

TEST(AllocatorWithLocks, DetachedThreadsEnd) {
  constexpr int makers = 4, threads_of_each = 400;
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < makers; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < threads_of_each; ++k) {
        std::thread([&] {
          use_the_allocator();
          ++ended;
        }).detach();
        use_the_allocator();
        if (k % 50 == 0) usleep(100);
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_TRUE(eventually([&] { return ended == makers * threads_of_each; }));
}

constexpr timespec twenty_milliseconds = {0, 20'000'000};

TEST(AllocatorWithLocks, ThreadsThatBlockInTheKernelKeepNobodyFromAllocating) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 5; ++k) {
        std::thread(use_the_allocator).detach();
        syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &twenty_milliseconds, nullptr);
        use_the_allocator();
      }
    });
  }
  for (std::thread& each : threads) each.join();
}

}  // namespace
