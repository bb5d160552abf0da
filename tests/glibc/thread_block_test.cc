// libc's own functions on a block that libc did not make.
#include "shim/glibc/thread_block.h"

#include <ctype.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <resolv.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/glibc/green.h"

namespace glibc = unblock::glibc;

namespace {

thread_local int number = 42;
thread_local std::string text = "initial";

// Not inlined, so that each use finds its variable anew.
__attribute__((noinline)) int& own_number() { return number; }
__attribute__((noinline)) std::string& own_text() { return text; }

size_t resident_bytes() {
  size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * 4096;
}

struct Counted {
  explicit Counted(int& count) : count(count) {}
  ~Counted() { count++; }
  int& count;
};

}  // namespace

TEST(ThreadBlock, HasAnIdentityOfItsOwn) {
  pthread_t seen = pthread_self();
  Green green([&] {
    seen = pthread_self();
    return nullptr;
  });
  green.finish();
  EXPECT_EQ(reinterpret_cast<void*>(seen), green.block());
  EXPECT_NE(seen, pthread_self());
  EXPECT_TRUE(glibc::is_green_block(green.block()));
  EXPECT_FALSE(glibc::is_green_block(unblock::thread_pointer()));
}

TEST(ThreadBlock, ReturnsWhatItsFunctionReturned) {
  Green green([] { return reinterpret_cast<void*>(7); });
  green.finish();
  EXPECT_EQ(green.result(), reinterpret_cast<void*>(7));
  EXPECT_FALSE(green.exited());
}

TEST(ThreadBlock, ErrnoIsItsOwn) {
  errno = ENOENT;
  on_green([] {
    EXPECT_EQ(errno, 0);
    EXPECT_EQ(close(-1), -1);
    EXPECT_EQ(errno, EBADF);
  });
  EXPECT_EQ(errno, ENOENT);
}

TEST(ThreadBlock, ThreadLocalVariablesBeginAfresh) {
  own_number() = 1;
  own_text() = "mine";
  Green green([] {
    EXPECT_EQ(own_number(), 42);
    EXPECT_EQ(own_text(), "initial");
    own_number() = 2;
    own_text() = "a text that is too long for the object itself";
    Green::leave();
    EXPECT_EQ(own_number(), 2);
    EXPECT_EQ(own_text(), "a text that is too long for the object itself");
    return nullptr;
  });
  EXPECT_TRUE(green.resume());
  EXPECT_EQ(own_number(), 1);
  EXPECT_EQ(own_text(), "mine");
  EXPECT_EQ(*glibc::own_local(green.block(), &own_number()), 2);
  EXPECT_FALSE(green.resume());
}

TEST(ThreadBlock, DirtyMemoryDoesNotShow) {
  std::vector<char> memory(glibc::block_size() + glibc::block_alignment(), 0x5a);
  auto address = reinterpret_cast<uintptr_t>(memory.data());
  address += glibc::block_alignment() - address % glibc::block_alignment();
  void* block = glibc::make_block(reinterpret_cast<void*>(address), 1 << 23, memory.data(), memory.size(), 0);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(*glibc::own_local(block, &own_number()), 42);
  EXPECT_EQ(glibc::tid(block), 1 << 23);
  EXPECT_FALSE(glibc::cancellation_pending(block));
  glibc::destroy_block(block);
}

TEST(ThreadBlock, CharacterClassesAndMessagesWork) {
  on_green([] {
    EXPECT_TRUE(isalpha('x'));
    EXPECT_EQ(toupper('x'), 'X');
    EXPECT_STREQ(strerror(ENOENT), "No such file or directory");
    EXPECT_NE(strstr(strerror(12345), "12345"), nullptr);
    EXPECT_EQ(std::to_string(1.5), "1.500000");
  });
}

TEST(ThreadBlock, ResolverStateIsItsOwn) {
  void* mine = &_res;
  on_green([&] { EXPECT_NE(static_cast<void*>(&_res), mine); });
}

TEST(ThreadBlock, MallocWorksAcrossBlocks) {
  void* from_green = nullptr;
  void* from_here = malloc(1000);
  on_green([&] {
    free(from_here);
    from_green = malloc(1000);
    memset(from_green, 1, 1000);
  });
  free(from_green);
}

TEST(ThreadBlock, ExceptionsInFlightDoNotMix) {
  auto body = [](const char* message) {
    return [=]() -> void* {
      try {
        throw std::runtime_error(message);
      } catch (const std::runtime_error& error) {
        Green::leave();
        EXPECT_STREQ(error.what(), message);
        try {
          throw;
        } catch (const std::exception& again) {
          Green::leave();
          EXPECT_STREQ(again.what(), message);
        }
      }
      EXPECT_EQ(std::current_exception(), nullptr);
      return nullptr;
    };
  };
  Green a(body("first")), b(body("second"));
  while (a.resume() | b.resume()) {
  }
}

TEST(ThreadBlock, ErrorCheckingMutexKnowsItsOwner) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  Green green([&] {
    EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_lock(&mutex), EDEADLK);
    Green::leave();
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
    return nullptr;
  });
  green.resume();
  EXPECT_EQ(pthread_mutex_trylock(&mutex), EBUSY);
  EXPECT_EQ(pthread_mutex_unlock(&mutex), EPERM);
  green.finish();
  EXPECT_EQ(pthread_mutex_trylock(&mutex), 0);
  pthread_mutex_unlock(&mutex);
  pthread_mutex_destroy(&mutex);
}

TEST(ThreadBlock, FileLockBelongsToIt) {
  std::unique_ptr<FILE, int (*)(FILE*)> file(tmpfile(), fclose);
  Green green([&] {
    flockfile(file.get());
    flockfile(file.get());
    Green::leave();
    funlockfile(file.get());
    funlockfile(file.get());
    return nullptr;
  });
  green.resume();
  EXPECT_NE(ftrylockfile(file.get()), 0);
  green.finish();
  EXPECT_EQ(ftrylockfile(file.get()), 0);
  funlockfile(file.get());
}

TEST(ThreadBlock, AnswersWithTheProcessorItRunsOn) {
  cpu_set_t before, last;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  int highest = 0;
  for (int i = 0; i < CPU_SETSIZE; i++) {
    if (CPU_ISSET(i, &before)) highest = i;
  }
  CPU_ZERO(&last);
  CPU_SET(highest, &last);
  ASSERT_EQ(sched_setaffinity(0, sizeof last, &last), 0);
  on_green([&] { EXPECT_EQ(sched_getcpu(), highest); });
  sched_setaffinity(0, sizeof before, &before);
}

TEST(ThreadBlock, MovesBetweenOsThreadsAtEachSwitch) {
  constexpr int count = 20, rounds = 200;
  std::vector<std::unique_ptr<Green>> greens;
  std::atomic<int> wrong{0}, moves{0};
  for (int i = 0; i < count; i++) {
    greens.push_back(std::make_unique<Green>([&, i]() -> void* {
      const std::string name = "green thread number " + std::to_string(i);
      own_text() = name;
      long last_os_thread = 0;
      for (int round = 0; round < rounds; round++) {
        errno = i + 1;
        try {
          throw i;
        } catch (int caught) {
          Green::leave();
          if (caught != i) wrong++;
        }
        if (errno != i + 1 || own_text() != name) wrong++;
        const long os_thread = syscall(SYS_gettid);
        if (os_thread != last_os_thread) moves++;
        last_os_thread = os_thread;
      }
      return nullptr;
    }));
  }
  // Each green thread is on the other OS thread in each round.
  std::barrier<> next_round(2);
  auto carry = [&](int os_thread) {
    for (int round = 0; round <= rounds; round++) {
      for (int i = 0; i < count; i++) {
        if ((i + round) % 2 == os_thread) greens[i]->resume();
      }
      next_round.arrive_and_wait();
    }
  };
  std::thread a(carry, 0), b(carry, 1);
  a.join();
  b.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(moves, count * rounds);
}

// --- the end of a thread --------------------------------------------------------------------------------------------

TEST(EndOfThread, RunsKeyDestructors) {
  static int calls;
  calls = 0;
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, [](void* value) { calls += value == &calls; }), 0);
  on_green([&] { EXPECT_EQ(pthread_setspecific(key, &calls), 0); });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(pthread_getspecific(key), nullptr);
  pthread_key_delete(key);
}

TEST(EndOfThread, RunsThreadLocalDestructorsBeforeKeyDestructors) {
  static std::string order;
  order.clear();
  struct Last {
    ~Last() { order += "thread_local "; }
    void touch() {}
  };
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, [](void*) { order += "key "; }), 0);
  on_green([&] {
    static thread_local Last last;
    pthread_setspecific(key, &order);
    last.touch();
  });
  EXPECT_EQ(order, "thread_local key ");
  pthread_key_delete(key);
}

TEST(EndOfThread, PthreadExitRunsDestructorsOfAllFrames) {
  int destroyed = 0;
  Green green([&]() -> void* {
    Counted outer(destroyed);
    [&] {
      Counted inner(destroyed);
      Green::leave();
      pthread_exit(nullptr);
    }();
    return nullptr;
  });
  green.finish();
  EXPECT_TRUE(green.exited());
  EXPECT_EQ(destroyed, 2);
}

TEST(EndOfThread, PthreadExitInADestructorStillEndsTheThread) {
  static int calls;
  calls = 0;
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key,
                               [](void*) {
                                 calls++;
                                 pthread_exit(nullptr);
                               }),
            0);
  on_green([&] { pthread_setspecific(key, &calls); });
  EXPECT_EQ(calls, 1);
  pthread_key_delete(key);
}

TEST(EndOfThread, TwentyThousandLeaveNothingBehind) {
  pthread_key_t key;
  ASSERT_EQ(pthread_key_create(&key, free), 0);
  auto live = [&] {
    on_green([&] {
      own_text() = std::string(100, 'x');
      pthread_setspecific(key, malloc(50));
      for (size_t size = 16; size < 1024; size += 16) {  // fills malloc's cache
        void* blocks[7];
        for (void*& block : blocks) block = malloc(size);
        for (void* block : blocks) free(block);
      }
      char* message = strerror(54321);  // kept by libc in an allocation of the thread
      EXPECT_NE(message, nullptr);
    });
  };
  for (int i = 0; i < 1000; i++) live();
#ifdef __SANITIZE_ADDRESS__
  constexpr size_t noise = 4 << 20;  // AddressSanitizer keeps a record of each allocation's origin
#else
  constexpr size_t noise = 256 << 10;
#endif
  const size_t before = resident_bytes();
  for (int i = 0; i < 20000; i++) live();
  EXPECT_LE(resident_bytes(), before + noise);
  pthread_key_delete(key);
}

TEST(EndOfThread, OwnersOfRobustMutexesAreReportedDead) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t held[2];
  for (auto& mutex : held) pthread_mutex_init(&mutex, &attributes);
  std::vector<void*> woken;
  Green green([&] {
    for (auto& mutex : held) EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    return nullptr;
  });
  green.on_abandoned_mutex([&](void* word) { woken.push_back(word); });
  green.resume();
  EXPECT_EQ(woken.size(), 2u);
  for (auto& mutex : held) {
    EXPECT_NE(std::find(woken.begin(), woken.end(), static_cast<void*>(&mutex)), woken.end());
    EXPECT_EQ(pthread_mutex_trylock(&mutex), EOWNERDEAD);
    EXPECT_EQ(pthread_mutex_consistent(&mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
    pthread_mutex_destroy(&mutex);
  }
}

TEST(EndOfThread, AnOsThreadThatWaitsForARobustMutexIsWoken) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  Green green([&] {
    EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    Green::leave();
    return nullptr;
  });
  green.resume();
  int answer = 0;
  std::thread waiter([&] { answer = pthread_mutex_lock(&mutex); });
  // The waiter announces itself in the lock word before it sleeps.
  while (!(__atomic_load_n(&mutex.__data.__lock, __ATOMIC_ACQUIRE) & 0x80000000)) sched_yield();
  green.finish();
  waiter.join();
  EXPECT_EQ(answer, EOWNERDEAD);
}

// --- cancellation ---------------------------------------------------------------------------------------------------

TEST(Cancellation, ActsAtTheNextCancellationPoint) {
  int destroyed = 0;
  Green green([&]() -> void* {
    Counted counted(destroyed);
    Green::leave();
    pthread_testcancel();
    return &destroyed;
  });
  green.resume();
  EXPECT_FALSE(glibc::cancellation_pending(green.block()));
  glibc::cancel(green.block());
  EXPECT_TRUE(glibc::cancellation_pending(green.block()));
  green.finish();
  EXPECT_TRUE(green.exited());
  EXPECT_EQ(green.result(), nullptr);
  EXPECT_EQ(destroyed, 1);
  EXPECT_FALSE(glibc::cancellation_pending(green.block()));
}

TEST(Cancellation, ActsInLibcsOwnSystemCalls) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  Green green([&]() -> void* {
    char byte;
    Green::leave();
    EXPECT_EQ(read(ends[0], &byte, 1), -1) << "read is a cancellation point";
    return nullptr;
  });
  green.resume();
  glibc::cancel(green.block());
  green.finish();
  EXPECT_TRUE(green.exited());
  close(ends[0]);
  close(ends[1]);
}

TEST(Cancellation, WaitsWhileDisabled) {
  Green green([&]() -> void* {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    Green::leave();
    pthread_testcancel();
    Green::leave();
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    Green::leave();
    pthread_testcancel();
    return Green::running();
  });
  green.resume();
  glibc::cancel(green.block());
  EXPECT_FALSE(glibc::cancellation_pending(green.block()));
  EXPECT_TRUE(green.resume());
  EXPECT_TRUE(green.resume());
  EXPECT_TRUE(glibc::cancellation_pending(green.block()));
  EXPECT_FALSE(green.resume());
  EXPECT_TRUE(green.exited());
}

TEST(Cancellation, InADestructorStillEndsTheThread) {
  static pthread_key_t key;
  static int calls;
  calls = 0;
  ASSERT_EQ(pthread_key_create(&key,
                               [](void*) {
                                 calls++;
                                 pthread_testcancel();
                                 calls += 100;
                               }),
            0);
  Green green([&]() -> void* {
    pthread_setspecific(key, &calls);
    Green::leave();
    return nullptr;
  });
  green.resume();
  glibc::cancel(green.block());
  green.finish();
  EXPECT_EQ(calls, 1);
  pthread_key_delete(key);
}
