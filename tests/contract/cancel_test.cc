// Deferred cancellation in calls that wait: the thread ends there, its handlers run, its result is PTHREAD_CANCELED.
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>

#include "mutexes.h"
#include "threads.h"

namespace {

void set(void* flag) { *static_cast<std::atomic<bool>*>(flag) = true; }

// Cancels a thread that waits, or is about to, in the call; expects that it ends there and that handlers and
// destructors run.
void expect_cancellable(std::function<void()> call) {
  std::atomic<bool> coming = false, handled = false, destroyed = false;
  struct Guard {
    std::atomic<bool>* flag;
    ~Guard() { *flag = true; }
  };
  pthread_t thread = start_thread([&]() -> void* {
    Guard guard{&destroyed};
    pthread_cleanup_push(set, &handled);
    coming = true;
    call();
    pthread_cleanup_pop(0);
    return nullptr;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(keeping_errno([&] { return pthread_cancel(thread); }), 0);
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
  EXPECT_TRUE(handled);
  EXPECT_TRUE(destroyed);
}

TEST(Cancel, EndsSleep) {
  expect_cancellable([] { sleep(1000); });
}

TEST(Cancel, EndsNanosleep) {
  expect_cancellable([] {
    timespec duration = {1000, 0};
    nanosleep(&duration, nullptr);
  });
}

TEST(Cancel, EndsClockNanosleep) {
  expect_cancellable([] {
    timespec moment = in_milliseconds(1000'000, CLOCK_MONOTONIC);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nullptr);
  });
}

TEST(Cancel, EndsPause) {
  expect_cancellable([] { pause(); });
}

TEST(Cancel, EndsReadOfAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  expect_cancellable([&] {
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 4711);
  });
  close(ends[0]);
  close(ends[1]);
}

TEST(Cancel, EndsSemaphoreWaitsAndTakesNothing) {
  sem_t semaphore;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  expect_cancellable([&] { sem_wait(&semaphore); });
  expect_cancellable([&] {
    timespec deadline = in_milliseconds(1000'000);
    sem_timedwait(&semaphore, &deadline);
  });
  EXPECT_EQ(sem_post(&semaphore), 0);
  EXPECT_EQ(sem_trywait(&semaphore), 0);
}

TEST(Cancel, EndsConditionWaitsAndHandlersFindTheMutexHeld) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  static std::atomic<int> held;
  held = 0;
  auto release = [](void*) {
    if (in_another_thread([] { return pthread_mutex_trylock(&mutex); }) == EBUSY) ++held;
    pthread_mutex_unlock(&mutex);
  };
  auto wait = [&](bool timed) {
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(release, nullptr);
    timespec deadline = in_milliseconds(1000'000);
    for (;;) timed ? pthread_cond_timedwait(&condition, &mutex, &deadline) : pthread_cond_wait(&condition, &mutex);
    pthread_cleanup_pop(0);
  };
  expect_cancellable([&] { wait(false); });
  expect_cancellable([&] { wait(true); });
  EXPECT_EQ(held, 2);
  EXPECT_EQ(pthread_mutex_trylock(&mutex), 0);
  EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
}

TEST(Cancel, EndsJoinAndTheOtherThreadCanStillBeJoined) {
  std::atomic<bool> go = false;
  pthread_t other = start_thread([&] { return eventually(go) ? word(4711) : nullptr; });
  expect_cancellable([&] { pthread_join(other, nullptr); });
  go = true;
  EXPECT_EQ(join(other), word(4711));
}

TEST(Cancel, ActsAtTestcancel) {
  expect_cancellable([] {
    for (;;) pthread_testcancel(), sched_yield();
  });
}

TEST(Cancel, DoesNotEndAMutexLock) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  ASSERT_EQ(pthread_mutex_lock(&mutex), 0);
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    coming = true;
    EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
    EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
    return word(4711);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_cancel(thread), 0);
  EXPECT_EQ(pthread_mutex_unlock(&mutex), 0);
  EXPECT_EQ(join(thread), word(4711));
}

TEST(Cancel, IsHeldBackWhileDisabled) {
  std::atomic<bool> disabled = false, cancelled = false;
  std::atomic<bool> survived = false;
  pthread_t thread = start_thread([&]() -> void* {
    int before = -1;
    EXPECT_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before), 0);
    EXPECT_EQ(before, PTHREAD_CANCEL_ENABLE);
    disabled = true;
    EXPECT_TRUE(eventually(cancelled));
    usleep(1000);
    pthread_testcancel();
    survived = true;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
    pthread_testcancel();
    return nullptr;
  });
  EXPECT_TRUE(eventually(disabled));
  EXPECT_EQ(pthread_cancel(thread), 0);
  cancelled = true;
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
  EXPECT_TRUE(survived);
}

TEST(Cancel, BeforeTheWaitEndsItAtItsBeginning) {
  std::atomic<bool> cancelled = false;
  pthread_t thread = start_thread([&]() -> void* {
    EXPECT_TRUE(eventually(cancelled));
    sleep(1000);
    return nullptr;
  });
  EXPECT_EQ(pthread_cancel(thread), 0);
  cancelled = true;
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
}

TEST(Cancel, OfOneselfActsAtTheNextCancellationPoint) {
  bool passed = false;
  EXPECT_EQ(join(start_thread([&]() -> void* {
              EXPECT_EQ(pthread_cancel(pthread_self()), 0);
              passed = true;
              usleep(1);
              return nullptr;
            })),
            PTHREAD_CANCELED);
  EXPECT_TRUE(passed);
}

TEST(Cancel, OfAThreadThatHasEndedIsHarmless) {
  std::atomic<bool> done = false;
  pthread_t thread = start_thread([&] { return done = true, word(4711); });
  EXPECT_TRUE(eventually(done));
  let_others_run();
  EXPECT_EQ(pthread_cancel(thread), 0);
  EXPECT_EQ(join(thread), word(4711));
}

TEST(Cancel, StateAndTypeRefuseNonsense) {
  EXPECT_EQ(pthread_setcancelstate(4711, nullptr), EINVAL);
  EXPECT_EQ(pthread_setcanceltype(4711, nullptr), EINVAL);
}

TEST(Cancel, DestroysThreadLocalsAndKeys) {
  static pthread_key_t key;
  static std::atomic<int> destroyed;
  destroyed = 0;
  struct Counted {
    ~Counted() { ++destroyed; }
  };
  ASSERT_EQ(pthread_key_create(&key, [](void*) { ++destroyed; }), 0);
  expect_cancellable([] {
    thread_local Counted counted;
    (void)&counted;
    pthread_setspecific(key, word(1));
    pause();
  });
  EXPECT_EQ(destroyed, 2);
  EXPECT_EQ(pthread_key_delete(key), 0);
}

}  // namespace
