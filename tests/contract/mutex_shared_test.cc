// Process-shared mutexes, in memory that a child shares with its parent.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "child.h"
#include "mutexes.h"

namespace {

struct Account {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  std::atomic<bool> held = false;
  std::atomic<bool> released = false;
  long balance = 0;
};

class EverySharedMutex : public testing::TestWithParam<MutexTraits> {};
INSTANTIATE_TEST_SUITE_P(
    Kinds, EverySharedMutex,
    testing::Values(MutexTraits{.sharing = PTHREAD_PROCESS_SHARED},
                    MutexTraits{.robustness = PTHREAD_MUTEX_ROBUST, .sharing = PTHREAD_PROCESS_SHARED},
                    MutexTraits{.protocol = PTHREAD_PRIO_INHERIT, .sharing = PTHREAD_PROCESS_SHARED}));

// Holders yield, and sleep now and then, so that threads of one process contend too.
TEST_P(EverySharedMutex, ExcludesBetweenThreadsAndProcesses) {
  Shared<Account> account;
  init_mutex(&account->mutex, GetParam());
  auto deposit = [&] {
    for (int i = 0; i < 300; ++i) {
      if (pthread_mutex_lock(&account->mutex) != 0) return 1;
      long seen = account->balance;
      if (i % 20 == 0) sched_yield();
      if (i % 100 == 0) usleep(500);
      account->balance = seen + 1;
      if (pthread_mutex_unlock(&account->mutex) != 0) return 1;
    }
    return 0;
  };
  pid_t first = start_child(deposit), second = start_child(deposit);
  std::thread thread([&] { EXPECT_EQ(deposit(), 0); }), another([&] { EXPECT_EQ(deposit(), 0); });
  EXPECT_EQ(deposit(), 0);
  thread.join();
  another.join();
  EXPECT_EQ(end_of(first), 0);
  EXPECT_EQ(end_of(second), 0);
  EXPECT_EQ(account->balance, 1500);
}

TEST_P(EverySharedMutex, IsEbusyForTheOtherThreadsOfTheHoldersProcess) {
  Shared<Account> account;
  init_mutex(&account->mutex, GetParam());
  EXPECT_EQ(pthread_mutex_trylock(&account->mutex), 0);
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(&account->mutex); }), EBUSY);
  EXPECT_EQ(in_another_thread([&] {
              timespec deadline = in_milliseconds(10);
              return pthread_mutex_timedlock(&account->mutex, &deadline);
            }),
            ETIMEDOUT);
  usleep(1000);
  EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
}

TEST(SharedMutex, WaitsForAnotherProcessToUnlock) {
  Shared<Account> account;
  init_mutex(&account->mutex, {.sharing = PTHREAD_PROCESS_SHARED});
  pid_t child = start_child([&] {
    if (pthread_mutex_lock(&account->mutex) != 0) return 1;
    account->held = true;
    if (!eventually(account->released)) return 2;
    let_others_run();
    account->balance = 4711;
    return pthread_mutex_unlock(&account->mutex);
  });
  ASSERT_TRUE(eventually(account->held));
  EXPECT_EQ(pthread_mutex_trylock(&account->mutex), EBUSY);
  account->released = true;
  EXPECT_EQ(pthread_mutex_lock(&account->mutex), 0);
  EXPECT_EQ(account->balance, 4711);
  EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
  EXPECT_EQ(end_of(child), 0);
}

TEST(SharedMutex, TimedlockOfAMutexThatAnotherProcessHoldsTimesOut) {
  Shared<Account> account;
  init_mutex(&account->mutex, {.sharing = PTHREAD_PROCESS_SHARED});
  pid_t child = start_child([&] {
    if (pthread_mutex_lock(&account->mutex) != 0) return 1;
    account->held = true;
    if (!eventually(account->released)) return 2;
    return pthread_mutex_unlock(&account->mutex);
  });
  ASSERT_TRUE(eventually(account->held));
  timespec deadline = in_milliseconds(20);
  EXPECT_EQ(pthread_mutex_timedlock(&account->mutex, &deadline), ETIMEDOUT);
  EXPECT_TRUE(is_over(deadline));
  account->released = true;
  EXPECT_EQ(end_of(child), 0);
}

TEST(SharedRobustMutex, OtherProcessLearnsThatTheOwnerDied) {
  Shared<Account> account;
  init_mutex(&account->mutex, {.robustness = PTHREAD_MUTEX_ROBUST, .sharing = PTHREAD_PROCESS_SHARED});
  EXPECT_EQ(end_of_child([&] { return pthread_mutex_lock(&account->mutex); }), 0);
  EXPECT_EQ(pthread_mutex_lock(&account->mutex), EOWNERDEAD);
  EXPECT_EQ(pthread_mutex_consistent(&account->mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
}

TEST(SharedRobustMutex, BelongsToWhoMadeItConsistent) {
  Shared<Account> account;
  init_mutex(&account->mutex,
             {.kind = PTHREAD_MUTEX_RECURSIVE, .robustness = PTHREAD_MUTEX_ROBUST, .sharing = PTHREAD_PROCESS_SHARED});
  EXPECT_EQ(end_of_child([&] { return pthread_mutex_lock(&account->mutex); }), 0);
  std::thread([&] {
    EXPECT_EQ(pthread_mutex_lock(&account->mutex), EOWNERDEAD);
    EXPECT_EQ(pthread_mutex_consistent(&account->mutex), 0);
    EXPECT_EQ(pthread_mutex_trylock(&account->mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
  }).join();
  EXPECT_EQ(in_another_thread([&] { return pthread_mutex_trylock(&account->mutex); }), 0);
}

TEST(SharedRobustMutex, WaiterIsWokenWhenTheOwnerIsKilled) {
  Shared<Account> account;
  init_mutex(&account->mutex, {.robustness = PTHREAD_MUTEX_ROBUST, .sharing = PTHREAD_PROCESS_SHARED});
  pid_t child = start_child([&] {
    if (pthread_mutex_lock(&account->mutex) != 0) return 1;
    account->held = true;
    return eventually([] { return false; }) ? 0 : 2;
  });
  ASSERT_TRUE(eventually(account->held));
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(pthread_mutex_lock(&account->mutex), EOWNERDEAD);
    EXPECT_EQ(pthread_mutex_consistent(&account->mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(kill(child, SIGKILL), 0);
  EXPECT_EQ(end_of(child), -SIGKILL);
  waiter.join();
}

TEST(SharedRobustMutex, ChildLearnsThatAThreadOfTheParentDied) {
  Shared<Account> account;
  init_mutex(&account->mutex, {.robustness = PTHREAD_MUTEX_ROBUST, .sharing = PTHREAD_PROCESS_SHARED});
  std::thread([&] { EXPECT_EQ(pthread_mutex_lock(&account->mutex), 0); }).join();
  EXPECT_EQ(end_of_child([&] {
              if (pthread_mutex_lock(&account->mutex) != EOWNERDEAD) return 1;
              if (pthread_mutex_consistent(&account->mutex) != 0) return 2;
              return pthread_mutex_unlock(&account->mutex);
            }),
            0);
}

TEST(SharedRobustMutex, ChildLearnsThatAThreadOfTheParentDiedWhosePriorityWasInherited) {
  Shared<Account> account;
  init_mutex(&account->mutex,
             {.robustness = PTHREAD_MUTEX_ROBUST, .protocol = PTHREAD_PRIO_INHERIT, .sharing = PTHREAD_PROCESS_SHARED});
  std::thread([&] { EXPECT_EQ(pthread_mutex_lock(&account->mutex), 0); }).join();
  EXPECT_EQ(end_of_child([&] {
              alarm(20);  // where nobody says that the owner is gone, the lock waits for ever
              if (pthread_mutex_lock(&account->mutex) != EOWNERDEAD) return 1;
              if (pthread_mutex_consistent(&account->mutex) != 0) return 2;
              return pthread_mutex_unlock(&account->mutex);
            }),
            0);
}

// Waits until it is cancelled, and keeps what it had then.
void wait_for_ever(Account& account, bool timed) {
  if (pthread_mutex_lock(&account.mutex) != 0) return;
  auto let_go = [](void* mutex) { EXPECT_EQ(pthread_mutex_unlock(static_cast<pthread_mutex_t*>(mutex)), 0); };
  pthread_cleanup_push(let_go, &account.mutex);
  timespec deadline = in_milliseconds(100'000);
  account.held = true;
  for (;;) {
    timed ? pthread_cond_timedwait(&account.changed, &account.mutex, &deadline)
          : pthread_cond_wait(&account.changed, &account.mutex);
  }
  pthread_cleanup_pop(1);
}

TEST_P(EverySharedMutex, IsTheWaitersWhenItIsCancelledInASharedCondition) {
  for (bool timed : {false, true}) {
    for (bool at_once : {false, true}) {
      Shared<Account> account;
      init_mutex(&account->mutex, GetParam());
      pthread_condattr_t attributes;
      pthread_condattr_init(&attributes);
      ASSERT_EQ(pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
      ASSERT_EQ(pthread_cond_init(&account->changed, &attributes), 0);
      std::thread waiter([&] { wait_for_ever(*account.operator->(), timed); });
      ASSERT_TRUE(eventually(account->held));
      if (!at_once) {
        // It waits, once it has given the mutex away.
        EXPECT_EQ(pthread_mutex_lock(&account->mutex), 0);
        EXPECT_EQ(pthread_cond_broadcast(&account->changed), 0);
        EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
        let_others_run();
      }
      EXPECT_EQ(pthread_cancel(waiter.native_handle()), 0);
      waiter.join();
      EXPECT_EQ(pthread_mutex_trylock(&account->mutex), 0);
      EXPECT_EQ(pthread_mutex_unlock(&account->mutex), 0);
    }
  }
}

TEST_P(EverySharedMutex, GoesWithASharedCondition) {
  Shared<Account> account;
  init_mutex(&account->mutex, GetParam());
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  ASSERT_EQ(pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
  ASSERT_EQ(pthread_cond_init(&account->changed, &attributes), 0);
  pid_t child = start_child([&] {
    pthread_mutex_lock(&account->mutex);
    account->held = true;
    while (account->balance == 0) {
      if (pthread_cond_wait(&account->changed, &account->mutex) != 0) return 1;
    }
    account->balance = 2;
    pthread_cond_signal(&account->changed);
    return pthread_mutex_unlock(&account->mutex);
  });
  ASSERT_TRUE(eventually(account->held));
  pthread_mutex_lock(&account->mutex);
  account->balance = 1;
  EXPECT_EQ(pthread_cond_signal(&account->changed), 0);
  while (account->balance != 2) ASSERT_EQ(pthread_cond_wait(&account->changed, &account->mutex), 0);
  pthread_mutex_unlock(&account->mutex);
  EXPECT_EQ(end_of(child), 0);
}

}  // namespace
