// pthread_mutex_lock, trylock, unlock, init, destroy: every kind. Timed forms and robustness have files of their own.
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "mutexes.h"

namespace {

class EveryMutex : public testing::TestWithParam<int> {
 protected:
  OwnedMutex mutex_{{.kind = GetParam()}};
  pthread_mutex_t* mutex() { return mutex_.get(); }
};
INSTANTIATE_TEST_SUITE_P(Kinds, EveryMutex,
                         testing::Values(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                         PTHREAD_MUTEX_ADAPTIVE_NP));

TEST_P(EveryMutex, LocksAndUnlocksWithoutTouchingErrno) {
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_lock(mutex()); }), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_unlock(mutex()); }), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_trylock(mutex()); }), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_unlock(mutex()); }), 0);
}

TEST_P(EveryMutex, TrylockOfAHeldOneIsEbusyAndLeavesErrno) {
  Holder holder(mutex());
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_trylock(mutex()); }), EBUSY);
}

TEST_P(EveryMutex, LockWaitsUntilTheHolderUnlocks) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  std::atomic<bool> coming = false, got = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(keeping_errno([&] { return pthread_mutex_lock(mutex()); }), 0);
    got = true;
    EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(got);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_unlock(mutex()); }), 0);
  waiter.join();
  EXPECT_TRUE(got);
}

TEST_P(EveryMutex, EveryWaiterGetsItsTurn) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  std::atomic<int> coming = 0, got = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 20; ++i) {
    waiters.emplace_back([&] {
      ++coming;
      EXPECT_EQ(pthread_mutex_lock(mutex()), 0);
      ++got;
      EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
    });
  }
  EXPECT_TRUE(eventually([&] { return coming == 20; }));
  let_others_run();
  EXPECT_EQ(got, 0);
  EXPECT_EQ(pthread_mutex_unlock(mutex()), 0);
  for (auto& waiter : waiters) waiter.join();
  EXPECT_EQ(got, 20);
}

TEST_P(EveryMutex, ExcludesOthersEvenWhenTheHolderYields) {
  long count = 0;  // guarded by the mutex, and by nothing else
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 500; ++j) {
        ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
        long seen = count;
        if (j % 50 == 0) sched_yield();
        count = seen + 1;
        ASSERT_EQ(pthread_mutex_unlock(mutex()), 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

TEST_P(EveryMutex, DestroyWhileLockedIsEbusy) {
  ASSERT_EQ(pthread_mutex_lock(mutex()), 0);
  EXPECT_EQ(pthread_mutex_destroy(mutex()), EBUSY);
  ASSERT_EQ(pthread_mutex_unlock(mutex()), 0);
}

TEST(Mutex, ErrorCheckingRelockIsEdeadlk) {
  OwnedMutex mutex({.kind = PTHREAD_MUTEX_ERRORCHECK});
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  EXPECT_EQ(keeping_errno([&] { return pthread_mutex_lock(mutex.get()); }), EDEADLK);
  EXPECT_EQ(pthread_mutex_trylock(mutex.get()), EBUSY);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
}

TEST(Mutex, ErrorCheckingUnlockByAStrangerIsEperm) {
  OwnedMutex mutex({.kind = PTHREAD_MUTEX_ERRORCHECK});
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), EPERM);
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_unlock(mutex.get()); }), EPERM);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(mutex.get()); }), EBUSY);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
}

TEST(Mutex, RecursiveOneIsFreeAfterAsManyUnlocksAsLocks) {
  OwnedMutex mutex({.kind = PTHREAD_MUTEX_RECURSIVE});
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  ASSERT_EQ(pthread_mutex_trylock(mutex.get()), 0);
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(mutex.get()); }), EBUSY);
    EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
  }
  EXPECT_EQ(in_another_thread([&] {
              int result = pthread_mutex_trylock(mutex.get());
              pthread_mutex_unlock(mutex.get());
              return result;
            }),
            0);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), EPERM);
}

TEST(Mutex, RecursiveUnlockByAStrangerIsEperm) {
  OwnedMutex mutex({.kind = PTHREAD_MUTEX_RECURSIVE});
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_unlock(mutex.get()); }), EPERM);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
}

TEST(Mutex, StaticInitialisersKeepTheirKinds) {
  static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER;
  static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  static pthread_mutex_t checking = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
  static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
  for (auto* mutex : {&normal, &recursive, &checking, &adaptive}) ASSERT_EQ(pthread_mutex_lock(mutex), 0);
  EXPECT_EQ(pthread_mutex_trylock(&normal), EBUSY);
  EXPECT_EQ(pthread_mutex_lock(&recursive), 0);
  EXPECT_EQ(pthread_mutex_lock(&checking), EDEADLK);
  EXPECT_EQ(pthread_mutex_trylock(&adaptive), EBUSY);
  EXPECT_EQ(pthread_mutex_unlock(&recursive), 0);
  for (auto* mutex : {&normal, &recursive, &checking, &adaptive}) EXPECT_EQ(pthread_mutex_unlock(mutex), 0);
  for (auto* mutex : {&normal, &recursive, &checking, &adaptive}) EXPECT_EQ(pthread_mutex_destroy(mutex), 0);
}

TEST(Mutex, AttributesAnswerWhatWasSetAndRefuseNonsense) {
  pthread_mutexattr_t attributes;
  ASSERT_EQ(pthread_mutexattr_init(&attributes), 0);
  int value = -1;
  EXPECT_EQ(pthread_mutexattr_gettype(&attributes, &value), 0);
  EXPECT_EQ(value, PTHREAD_MUTEX_DEFAULT);
  EXPECT_EQ(pthread_mutexattr_settype(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_mutexattr_setrobust(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_mutexattr_setpshared(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_mutexattr_setprotocol(&attributes, 4711), EINVAL);
  EXPECT_EQ(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE), 0);
  EXPECT_EQ(pthread_mutexattr_gettype(&attributes, &value), 0);
  EXPECT_EQ(value, PTHREAD_MUTEX_RECURSIVE);
  EXPECT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
  EXPECT_EQ(pthread_mutexattr_getprotocol(&attributes, &value), 0);
  EXPECT_EQ(value, PTHREAD_PRIO_INHERIT);
  EXPECT_EQ(pthread_mutexattr_destroy(&attributes), 0);
}

TEST(Mutex, HasTheCeilingOfItsAttributesUntilAnotherIsSet) {
  for (int kind : {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK}) {
    pthread_mutexattr_t attributes;
    pthread_mutex_t mutex;
    pthread_mutexattr_init(&attributes);
    ASSERT_EQ(pthread_mutexattr_settype(&attributes, kind), 0);
    ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT), 0);
    ASSERT_EQ(pthread_mutexattr_setprioceiling(&attributes, 17), 0);
    ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
    int ceiling = 0, before = 0;
    EXPECT_EQ(pthread_mutex_getprioceiling(&mutex, &ceiling), 0);
    EXPECT_EQ(ceiling, 17);
    EXPECT_EQ(pthread_mutex_setprioceiling(&mutex, 23, &before), 0);
    EXPECT_EQ(before, 17);
    EXPECT_EQ(pthread_mutex_getprioceiling(&mutex, &ceiling), 0);
    EXPECT_EQ(ceiling, 23);
    EXPECT_EQ(pthread_mutex_setprioceiling(&mutex, 0, &before), EINVAL);
    EXPECT_EQ(pthread_mutex_setprioceiling(&mutex, 100, &before), EINVAL);
    EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
    pthread_mutexattr_destroy(&attributes);
  }
}

// Who wants to lock one must run under a real-time policy, so most of them here just carry their ceiling about.
void set_protect(pthread_mutexattr_t* attributes, int sharing, int robustness) {
  pthread_mutexattr_init(attributes);
  pthread_mutexattr_setprotocol(attributes, PTHREAD_PRIO_PROTECT);
  pthread_mutexattr_setpshared(attributes, sharing);
  pthread_mutexattr_setrobust(attributes, robustness);
}

TEST(Mutex, CeilingBeforeNeedNotBeTold) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  set_protect(&attributes, PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_STALLED);
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  int (*volatile set)(pthread_mutex_t*, int, int*) = pthread_mutex_setprioceiling;
  EXPECT_EQ(set(&mutex, 9, nullptr), 0);
  int ceiling = 0;
  EXPECT_EQ(pthread_mutex_getprioceiling(&mutex, &ceiling), 0);
  EXPECT_EQ(ceiling, 9);
  EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
}

TEST(Mutex, RobustOneWithACeilingIsEnotsup) {
  for (int sharing : {PTHREAD_PROCESS_PRIVATE, PTHREAD_PROCESS_SHARED}) {
    pthread_mutexattr_t attributes;
    pthread_mutex_t mutex;
    set_protect(&attributes, sharing, PTHREAD_MUTEX_ROBUST);
    EXPECT_EQ(pthread_mutex_init(&mutex, &attributes), ENOTSUP);
  }
}

// Root may run under a real-time policy; others may not, and then libc refuses to raise them.
TEST(Mutex, SharedOneWithACeilingExcludesThreadsOfARealTimePolicy) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  set_protect(&attributes, PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_STALLED);
  pthread_mutexattr_setprioceiling(&attributes, 20);
  ASSERT_EQ(pthread_mutex_init(&mutex, &attributes), 0);
  if (geteuid() != 0) GTEST_SKIP() << "needs the right to real-time priorities";
  int sum = 0;
  auto count = [&] {
    sched_param parameters = {.sched_priority = 10};
    ASSERT_EQ(pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters), 0);
    for (int i = 0; i < 500; ++i) {
      ASSERT_EQ(pthread_mutex_lock(&mutex), 0);
      int before = sum;
      if (i % 50 == 0) sched_yield();
      sum = before + 1;
      ASSERT_EQ(pthread_mutex_unlock(&mutex), 0);
    }
  };
  std::thread one(count), another(count);
  one.join();
  another.join();
  EXPECT_EQ(sum, 1000);
  EXPECT_EQ(pthread_mutex_destroy(&mutex), 0);
}

TEST(Mutex, WithoutACeilingIsAskedForOneInVain) {
  for (int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    OwnedMutex mutex({.protocol = protocol});
    int ceiling = 0;
    EXPECT_EQ(pthread_mutex_getprioceiling(mutex.get(), &ceiling), EINVAL);
    EXPECT_EQ(pthread_mutex_setprioceiling(mutex.get(), 17, &ceiling), EINVAL);
  }
}

TEST(Mutex, PriorityInheritingOneExcludesAndWakes) {
  OwnedMutex mutex({.protocol = PTHREAD_PRIO_INHERIT});
  long count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j) {
        ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
        long seen = count;
        if (j % 10 == 0) sched_yield();
        count = seen + 1;
        ASSERT_EQ(pthread_mutex_unlock(mutex.get()), 0);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 800);
}

TEST(Mutex, PriorityInheritingErrorCheckingRelockIsEdeadlk) {
  OwnedMutex mutex({.kind = PTHREAD_MUTEX_ERRORCHECK, .protocol = PTHREAD_PRIO_INHERIT});
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  EXPECT_EQ(pthread_mutex_lock(mutex.get()), EDEADLK);
  EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
}

// POSIX lets whoever takes the mutex last destroy it at once; the unlock before must not touch it any more.
TEST(Mutex, MayBeFreedByWhoeverLocksItAfterTheLastUnlock) {
  struct Shared {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int references = 2;
  };
  auto leave = [](Shared* shared) {
    EXPECT_EQ(pthread_mutex_lock(&shared->mutex), 0);
    bool last = --shared->references == 0;
    EXPECT_EQ(pthread_mutex_unlock(&shared->mutex), 0);
    if (!last) return;
    EXPECT_EQ(pthread_mutex_destroy(&shared->mutex), 0);
    memset(static_cast<void*>(shared), 0xa5, sizeof *shared);
    delete shared;
  };
  for (int i = 0; i < 500; ++i) {
    auto* shared = new Shared;
    std::thread other([&] { leave(shared); });
    leave(shared);
    other.join();
  }
}

}  // namespace
