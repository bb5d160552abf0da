// Fifty threads do random things to each kind of lock at once; the counts must come out right, and nobody may hang.
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include <atomic>
#include <thread>
#include <vector>

#include "dice.h"
#include "mutexes.h"

namespace {

constexpr int threads = 50, steps = 300;

// Runs steps of random work in fifty threads. The seed of each is fixed; how they interleave is not.
template <typename Step>
void stress(Step step) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      Dice dice(i);
      for (int j = 0; j < steps; ++j) step(dice);
    });
  }
  for (auto& thread : running) thread.join();
}

// What a holder does while it holds: nothing, a yield, or a short sleep.
void dawdle(Dice& dice) {
  unsigned side = dice.below(40);
  if (side < 8) sched_yield();
  if (side == 39) {
    timespec moment = {0, 50'000};
    nanosleep(&moment, nullptr);
  }
}

timespec soon(Dice& dice, clockid_t clock) { return to_timespec(now(clock) + dice.below(2'000'000)); }

int lock_somehow(Dice& dice, pthread_mutex_t* mutex) {
  timespec real = soon(dice, CLOCK_REALTIME), monotonic = soon(dice, CLOCK_MONOTONIC);
  switch (dice.below(4)) {
    case 0: return pthread_mutex_lock(mutex);
    case 1: return pthread_mutex_trylock(mutex);
    case 2: return pthread_mutex_timedlock(mutex, &real);
    default: return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &monotonic);
  }
}

class MutexStress : public testing::TestWithParam<MutexTraits> {};
INSTANTIATE_TEST_SUITE_P(Kinds, MutexStress,
                         testing::Values(MutexTraits{}, MutexTraits{.kind = PTHREAD_MUTEX_RECURSIVE},
                                         MutexTraits{.kind = PTHREAD_MUTEX_ERRORCHECK},
                                         MutexTraits{.kind = PTHREAD_MUTEX_ADAPTIVE_NP},
                                         MutexTraits{.robustness = PTHREAD_MUTEX_ROBUST}));

TEST_P(MutexStress, CountsWhatItGuards) {
  OwnedMutex mutex(GetParam());
  long guarded = 0;
  std::atomic<long> taken = 0;
  stress([&](Dice& dice) {
    int result = lock_somehow(dice, mutex.get());
    if (result == 0) {
      long seen = guarded;
      dawdle(dice);
      guarded = seen + 1;
      ++taken;
      EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
    } else {
      EXPECT_TRUE(result == EBUSY || result == ETIMEDOUT) << result;
    }
  });
  EXPECT_EQ(guarded, taken);
  EXPECT_GT(taken, threads);
}

TEST_P(MutexStress, KeepsNobodyOut) {
  constexpr int eager = 4, turns = 2'000;
  OwnedMutex mutex(GetParam());
  long guarded = 0, of_each[eager] = {};
  std::atomic<int> satisfied = 0;
  std::vector<std::thread> running;
  for (long& mine : of_each) {
    running.emplace_back([&] {
      while (satisfied < eager) {
        ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
        ++guarded;
        satisfied += ++mine == turns;
        ASSERT_EQ(pthread_mutex_unlock(mutex.get()), 0);
      }
    });
  }
  for (auto& thread : running) thread.join();
  EXPECT_EQ(guarded, of_each[0] + of_each[1] + of_each[2] + of_each[3]);
}

TEST(RobustMutexStress, SurvivesOwnersThatDie) {
  OwnedMutex mutex({.robustness = PTHREAD_MUTEX_ROBUST});
  std::atomic<int> deaths = 0, inherited = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) {
      running.emplace_back([&, i] {
        Dice dice(round * threads + i);
        int result = pthread_mutex_lock(mutex.get());
        if (result == EOWNERDEAD) {
          ++inherited;
          EXPECT_EQ(pthread_mutex_consistent(mutex.get()), 0);
        } else {
          EXPECT_EQ(result, 0);
        }
        dawdle(dice);
        if (dice.below(5) == 0) {
          ++deaths;
          return;
        }
        EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
      });
    }
    for (auto& thread : running) thread.join();
  }
  int last = pthread_mutex_lock(mutex.get());
  if (last == EOWNERDEAD) ++inherited, pthread_mutex_consistent(mutex.get());
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
  EXPECT_EQ(deaths, inherited);
}

TEST(RwLockStress, WritersAreAloneAndReadersAmongThemselves) {
  for (int kind : {PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP}) {
    pthread_rwlockattr_t attributes;
    pthread_rwlock_t lock;
    pthread_rwlockattr_init(&attributes);
    ASSERT_EQ(pthread_rwlockattr_setkind_np(&attributes, kind), 0);
    ASSERT_EQ(pthread_rwlock_init(&lock, &attributes), 0);
    std::atomic<int> readers = 0, writers = 0;
    stress([&](Dice& dice) {
      timespec real = soon(dice, CLOCK_REALTIME), monotonic = soon(dice, CLOCK_MONOTONIC);
      unsigned way = dice.below(8);
      int result = way == 0   ? pthread_rwlock_wrlock(&lock)
                   : way == 1 ? pthread_rwlock_trywrlock(&lock)
                   : way == 2 ? pthread_rwlock_timedwrlock(&lock, &real)
                   : way == 3 ? pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &monotonic)
                   : way == 4 ? pthread_rwlock_tryrdlock(&lock)
                   : way == 5 ? pthread_rwlock_timedrdlock(&lock, &real)
                   : way == 6 ? pthread_rwlock_clockrdlock(&lock, CLOCK_MONOTONIC, &monotonic)
                              : pthread_rwlock_rdlock(&lock);
      if (result != 0) {
        EXPECT_TRUE(result == EBUSY || result == ETIMEDOUT) << result;
        return;
      }
      auto& mine = way < 4 ? writers : readers;
      ++mine;
      EXPECT_TRUE(way < 4 ? writers == 1 && readers == 0 : writers == 0);
      dawdle(dice);
      EXPECT_TRUE(way < 4 ? writers == 1 && readers == 0 : writers == 0);
      --mine;
      EXPECT_EQ(pthread_rwlock_unlock(&lock), 0);
    });
    EXPECT_EQ(pthread_rwlock_destroy(&lock), 0);
  }
}

TEST(SemaphoreStress, PostsEqualTakesAndRest) {
  sem_t semaphore;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  std::atomic<long> posted = 0, taken = 0;
  stress([&](Dice& dice) {
    timespec real = soon(dice, CLOCK_REALTIME), monotonic = soon(dice, CLOCK_MONOTONIC);
    unsigned way = dice.below(8);
    if (way < 4) {
      ++posted;
      EXPECT_EQ(sem_post(&semaphore), 0);
      return;
    }
    int result = way == 4   ? sem_trywait(&semaphore)
                 : way == 5 ? sem_clockwait(&semaphore, CLOCK_MONOTONIC, &monotonic)
                            : sem_timedwait(&semaphore, &real);
    if (result == 0) ++taken;
  });
  int rest = -1;
  EXPECT_EQ(sem_getvalue(&semaphore, &rest), 0);
  EXPECT_EQ(posted, taken + rest);
}

TEST(ConditionStress, QueueWithTimeoutsAndBroadcastsLosesNothing) {
  OwnedMutex mutex;
  pthread_cond_t filled = PTHREAD_COND_INITIALIZER, drained = PTHREAD_COND_INITIALIZER;
  constexpr int limit = 5;
  int items = 0;
  std::atomic<long> added = 0, removed = 0;
  auto wait = [&](Dice& dice, pthread_cond_t* condition) {
    timespec real = soon(dice, CLOCK_REALTIME), monotonic = soon(dice, CLOCK_MONOTONIC);
    unsigned way = dice.below(3);
    int result = way == 0   ? pthread_cond_timedwait(condition, mutex.get(), &real)
                 : way == 1 ? pthread_cond_clockwait(condition, mutex.get(), CLOCK_MONOTONIC, &monotonic)
                            : pthread_cond_wait(condition, mutex.get());
    EXPECT_TRUE(result == 0 || result == ETIMEDOUT) << result;
  };
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      Dice dice(i);
      bool adds = i % 2 == 0;
      for (int j = 0; j < steps; ++j) {
        EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
        while (adds ? items == limit : items == 0) wait(dice, adds ? &drained : &filled);
        items += adds ? 1 : -1;
        ++(adds ? added : removed);
        auto* other = adds ? &filled : &drained;
        bool all = dice.below(10) == 0;
        EXPECT_EQ(all ? pthread_cond_broadcast(other) : pthread_cond_signal(other), 0);
        EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
      }
    });
  }
  for (auto& thread : running) thread.join();
  EXPECT_EQ(items, 0);
  EXPECT_EQ(added, removed);
  EXPECT_EQ(pthread_cond_destroy(&filled), 0);
  EXPECT_EQ(pthread_cond_destroy(&drained), 0);
}

TEST(SpinLockStress, CountsWhatItGuards) {
  pthread_spinlock_t lock;
  ASSERT_EQ(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE), 0);
  long guarded = 0;
  std::atomic<long> taken = 0;
  stress([&](Dice& dice) {
    if ((dice.below(2) ? pthread_spin_lock(&lock) : pthread_spin_trylock(&lock)) != 0) return;
    long seen = guarded;
    if (dice.below(5000) == 0) sched_yield();  // rare, since the others burn their turns meanwhile
    guarded = seen + 1;
    ++taken;
    EXPECT_EQ(pthread_spin_unlock(&lock), 0);
  });
  EXPECT_EQ(guarded, taken);
}

TEST(BarrierStress, FiftyThreadsStayTogether) {
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, threads), 0);
  std::atomic<long> passed = 0, serial = 0;
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      Dice dice(i);
      for (long round = 1; round <= 50; ++round) {
        dawdle(dice);
        ++passed;
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) ++serial;
        EXPECT_GE(passed, round * threads);
      }
    });
  }
  for (auto& thread : running) thread.join();
  EXPECT_EQ(serial, 50);
  EXPECT_EQ(pthread_barrier_destroy(&barrier), 0);
}

}  // namespace
