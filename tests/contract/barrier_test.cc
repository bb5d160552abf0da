// Barriers and spin locks.
#include <gtest/gtest.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>
#include <vector>

#include "child.h"
#include "patience.h"
#include "signals.h"
#include "threads.h"

namespace {

TEST(Barrier, ReleasesAllWhenTheLastArrivesAndNamesOneOfThem) {
  constexpr int count = 10;
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, count), 0);
  std::atomic<int> arrived = 0, serial = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      ++arrived;
      int result = keeping_errno([&] { return pthread_barrier_wait(&barrier); });
      EXPECT_EQ(arrived, count);
      EXPECT_TRUE(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
      if (result == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(serial, 1);
  EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
}

TEST(Barrier, NobodyPassesBeforeTheLastArrives) {
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, 3), 0);
  std::atomic<int> passed = 0;
  auto pass = [&] {
    pthread_barrier_wait(&barrier);
    ++passed;
  };
  std::thread first(pass), second(pass);
  let_others_run();
  EXPECT_EQ(passed, 0);
  pass();
  first.join();
  second.join();
  EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
}

TEST(Barrier, CanBeUsedRoundAfterRound) {
  constexpr int count = 5, rounds = 500;
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, count), 0);
  std::atomic<int> serial = 0;
  std::atomic<int> round[count] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 1; j <= rounds; ++j) {
        round[i] = j;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
        for (auto& other : round) EXPECT_TRUE(other == j || other == j + 1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(serial, rounds);
  EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
}

TEST(Barrier, OfOneNeverWaits) {
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, 1), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pthread_barrier_wait(&barrier), PTHREAD_BARRIER_SERIAL_THREAD);
  EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
}

TEST(Barrier, OfNobodyIsEinval) {
  pthread_barrier_t barrier;
  EXPECT_EQ(pthread_barrier_init(&barrier, nullptr, 0), EINVAL);
}

// glibc lets whoever passed destroy it at once; destroy waits until the others have left.
TEST(Barrier, MayBeDestroyedByWhoeverPassedIt) {
  for (int i = 0; i < 200; ++i) {
    auto* barrier = new pthread_barrier_t;
    ASSERT_EQ(pthread_barrier_init(barrier, nullptr, 2), 0);
    auto pass = [=] {
      if (pthread_barrier_wait(barrier) != PTHREAD_BARRIER_SERIAL_THREAD) return;
      EXPECT_EQ(pthread_barrier_destroy(barrier), 0);
      memset(barrier, 0xa5, sizeof *barrier);
      delete barrier;
    };
    std::thread other(pass);
    pass();
    other.join();
  }
}

// The same while a signal wakes the other again and again: it may look at the barrier until it has left.
TEST(Barrier, MayBeDestroyedWhileASignalInterruptsWhoLeaves) {
  Handler handler(
      SIGUSR1, [](int) {}, SA_RESTART);
  std::atomic<pthread_barrier_t*> next = nullptr;
  std::atomic<bool> is_over = false;
  pthread_t other = start_thread([&] {
    while (!is_over) {
      if (pthread_barrier_t* barrier = next.exchange(nullptr)) pthread_barrier_wait(barrier);
      sched_yield();
    }
    return nullptr;
  });
  std::thread sender([&] {
    Blocked blocked({SIGUSR1});
    while (!is_over) {
      pthread_kill(other, SIGUSR1);
      sched_yield();
    }
  });
  int yields = 0;
  for (int i = 0; i < 3000; ++i) {
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    auto* barrier = static_cast<pthread_barrier_t*>(page);
    ASSERT_EQ(pthread_barrier_init(barrier, nullptr, 2), 0);
    next = barrier;
    while (next != nullptr || i % 20 > yields++ % 20) sched_yield();  // the other is there first, mostly
    pthread_barrier_wait(barrier);
    EXPECT_EQ(pthread_barrier_destroy(barrier), 0);
    munmap(page, 4096);
  }
  is_over = true;
  sender.join();
  join(other);
}

TEST(SharedBarrier, HoldsProcessesTogether) {
  Shared<pthread_barrier_t> barrier;
  pthread_barrierattr_t attributes;
  ASSERT_EQ(pthread_barrierattr_init(&attributes), 0);
  ASSERT_EQ(pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
  ASSERT_EQ(pthread_barrier_init(barrier.operator->(), &attributes, 2), 0);
  auto pass = [&] {
    int serial = 0;
    for (int i = 0; i < 50; ++i) {
      if (pthread_barrier_wait(barrier.operator->()) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
    }
    return serial;
  };
  pid_t child = start_child(pass);
  int serial = pass();
  EXPECT_EQ(serial + end_of(child), 50);
}

TEST(SpinLock, ExcludesEvenWhenTheHolderYields) {
  pthread_spinlock_t lock;
  ASSERT_EQ(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE), 0);
  long count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 500; ++j) {
        ASSERT_EQ(pthread_spin_lock(&lock), 0);
        long seen = count;
        if (j % 100 == 0) sched_yield();
        count = seen + 1;
        ASSERT_EQ(pthread_spin_unlock(&lock), 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 2000);
  EXPECT_EQ(pthread_spin_destroy(&lock), 0);
}

TEST(SpinLock, TrylockOfAHeldOneIsEbusy) {
  pthread_spinlock_t lock;
  ASSERT_EQ(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_spin_trylock(&lock); }), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_spin_trylock(&lock); }), EBUSY);
  EXPECT_EQ(keeping_errno([&] { return pthread_spin_unlock(&lock); }), 0);
  EXPECT_EQ(pthread_spin_destroy(&lock), 0);
}

TEST(SpinLock, IsGrantedWhenTheHolderUnlocks) {
  pthread_spinlock_t lock;
  ASSERT_EQ(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE), 0);
  ASSERT_EQ(pthread_spin_lock(&lock), 0);
  std::atomic<bool> coming = false, got = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(pthread_spin_lock(&lock), 0);
    got = true;
    EXPECT_EQ(pthread_spin_unlock(&lock), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(got);
  EXPECT_EQ(pthread_spin_unlock(&lock), 0);
  waiter.join();
}

}  // namespace
