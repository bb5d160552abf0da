// Conditions, semaphores, barriers, once, futexes, joins: whoever waits lets the one that wakes it run.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include <barrier>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <string>

#include "witness.h"

namespace {

class Condition : public testing::Test {
 protected:
  void expect_signaller_runs_during(std::function<int()> wait) {
    done_ = false;
    auto wait_until_done = [&] {
      pthread_mutex_lock(&mutex_);
      while (!done_) EXPECT_EQ(wait(), 0);
      pthread_mutex_unlock(&mutex_);
    };
    auto signal = [&] {
      pthread_mutex_lock(&mutex_);
      done_ = true;
      pthread_cond_signal(&condition_);
      pthread_mutex_unlock(&mutex_);
    };
    expect_others_run_during(wait_until_done, signal);
  }
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition_ = PTHREAD_COND_INITIALIZER;
  bool done_ = false;
};

TEST_F(Condition, Wait) {
  expect_signaller_runs_during([&] { return pthread_cond_wait(&condition_, &mutex_); });
}

TEST_F(Condition, Timedwait) {
  timespec deadline = far_away();
  expect_signaller_runs_during([&] { return pthread_cond_timedwait(&condition_, &mutex_, &deadline); });
}

TEST_F(Condition, Clockwait) {
  timespec deadline = far_away(CLOCK_MONOTONIC);
  expect_signaller_runs_during(
      [&] { return pthread_cond_clockwait(&condition_, &mutex_, CLOCK_MONOTONIC, &deadline); });
}

TEST(Cnd, WaitAndTimedwait) {
  mtx_t mutex;
  cnd_t condition;
  timespec deadline = far_away();
  ASSERT_EQ(mtx_init(&mutex, mtx_plain), thrd_success);
  ASSERT_EQ(cnd_init(&condition), thrd_success);
  for (bool timed : {false, true}) {
    bool done = false;
    auto wait = [&] {
      mtx_lock(&mutex);
      while (!done) timed ? cnd_timedwait(&condition, &mutex, &deadline) : cnd_wait(&condition, &mutex);
      mtx_unlock(&mutex);
    };
    auto signal = [&] {
      mtx_lock(&mutex);
      done = true;
      cnd_signal(&condition);
      mtx_unlock(&mutex);
    };
    expect_others_run_during(wait, signal);
  }
}

TEST(StdCondition, WaitAndWaitFor) {
  std::mutex mutex;
  std::condition_variable condition;
  for (bool timed : {false, true}) {
    bool done = false;
    auto wait = [&] {
      std::unique_lock lock(mutex);
      auto is_done = [&] { return done; };
      timed ? (void)condition.wait_for(lock, std::chrono::hours(1), is_done) : condition.wait(lock, is_done);
    };
    auto signal = [&] {
      std::lock_guard lock(mutex);
      done = true;
      condition.notify_all();
    };
    expect_others_run_during(wait, signal);
  }
}

class Semaphore : public testing::Test {
 protected:
  Semaphore() { EXPECT_EQ(sem_init(&semaphore_, 0, 0), 0); }
  void expect_poster_runs_during(std::function<int()> wait) {
    expect_others_run_during([&] { EXPECT_EQ(wait(), 0); }, [&] { EXPECT_EQ(sem_post(&semaphore_), 0); });
  }
  sem_t semaphore_;
};

TEST_F(Semaphore, Wait) {
  expect_poster_runs_during([&] { return sem_wait(&semaphore_); });
}

TEST_F(Semaphore, Timedwait) {
  timespec deadline = far_away();
  expect_poster_runs_during([&] { return sem_timedwait(&semaphore_, &deadline); });
}

TEST_F(Semaphore, Clockwait) {
  timespec deadline = far_away(CLOCK_MONOTONIC);
  expect_poster_runs_during([&] { return sem_clockwait(&semaphore_, CLOCK_MONOTONIC, &deadline); });
}

TEST(Barrier, Wait) {
  pthread_barrier_t barrier;
  ASSERT_EQ(pthread_barrier_init(&barrier, nullptr, 2), 0);
  auto pass = [&] { pthread_barrier_wait(&barrier); };
  expect_others_run_during(pass, pass);
}

// An initialiser waits for us, and a second thread waits for the initialiser.
void expect_others_run_during_once(std::function<void(void (*)())> once) {
  static std::atomic<bool> begun, may_finish;
  begun = may_finish = false;
  auto initialise = [] {
    begun = true;
    EXPECT_TRUE(eventually(may_finish));
  };
  std::thread first([&] { once(initialise); });
  EXPECT_TRUE(eventually(begun));
  expect_others_run_during([&] { once(initialise); }, [&] { may_finish = true; });
  first.join();
}

TEST(Once, PthreadOnce) {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  expect_others_run_during_once([](auto initialise) { pthread_once(&control, initialise); });
}

TEST(Once, C11CallOnce) {
  static once_flag control = ONCE_FLAG_INIT;
  expect_others_run_during_once([](auto initialise) { call_once(&control, initialise); });
}

TEST(Once, StdCallOnce) {
  static std::once_flag control;
  expect_others_run_during_once([](auto initialise) { std::call_once(control, initialise); });
}

TEST(Once, StaticLocal) {
  expect_others_run_during_once([](auto initialise) {
    static int value = (initialise(), 4711);
    EXPECT_EQ(value, 4711);
  });
}

TEST(Futex, WaitAndWaitBitset) {
  std::atomic<int> word = 0;
  timespec long_time = {1000, 0}, deadline = far_away(CLOCK_MONOTONIC);
  auto wake = [&] {
    word = 1;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX);
  };
  for (timespec* timeout : {static_cast<timespec*>(nullptr), &long_time}) {
    word = 0;
    expect_others_run_during(
        [&] {
          while (word == 0) syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, timeout);
        },
        wake);
  }
  word = 0;
  expect_others_run_during(
      [&] {
        while (word == 0) syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, &deadline, nullptr, 1);
      },
      wake);
}

TEST(AtomicWait, OfBothWidths) {
  std::atomic<int> narrow = 0;
  std::atomic<long> wide = 0;
  expect_others_run_during([&] { narrow.wait(0); }, [&] { narrow = 1, narrow.notify_all(); });
  expect_others_run_during([&] { wide.wait(0); }, [&] { wide = 1, wide.notify_all(); });
}

TEST(StdLatchAndBarrierAndSemaphore, Wait) {
  std::latch latch(1);
  expect_others_run_during([&] { latch.wait(); }, [&] { latch.count_down(); });
  std::barrier barrier(2);
  expect_others_run_during([&] { barrier.arrive_and_wait(); }, [&] { barrier.arrive_and_wait(); });
  std::counting_semaphore<> semaphore(0);
  expect_others_run_during([&] { semaphore.acquire(); }, [&] { semaphore.release(); });
}

TEST(Future, Get) {
  std::promise<int> promise;
  auto future = promise.get_future();
  expect_others_run_during([&] { EXPECT_EQ(future.get(), 4711); }, [&] { promise.set_value(4711); });
}

// A third thread ends when we say so, and the second one joins it.
void expect_others_run_during_join(std::function<int(pthread_t)> join) {
  static std::atomic<bool> may_end;
  may_end = false;
  pthread_t third;
  auto run = [](void*) -> void* { return eventually(may_end) ? nullptr : &may_end; };
  ASSERT_EQ(pthread_create(&third, nullptr, run, nullptr), 0);
  expect_others_run_during([&] { EXPECT_EQ(join(third), 0); }, [&] { may_end = true; });
}

TEST(Join, PthreadJoin) {
  expect_others_run_during_join([](pthread_t thread) { return pthread_join(thread, nullptr); });
}

TEST(Join, Timedjoin) {
  timespec deadline = far_away();
  expect_others_run_during_join([&](pthread_t thread) { return pthread_timedjoin_np(thread, nullptr, &deadline); });
}

TEST(Join, Clockjoin) {
  timespec deadline = far_away(CLOCK_MONOTONIC);
  expect_others_run_during_join(
      [&](pthread_t thread) { return pthread_clockjoin_np(thread, nullptr, CLOCK_MONOTONIC, &deadline); });
}

TEST(Join, ThrdJoin) {
  static std::atomic<bool> may_end;
  may_end = false;
  thrd_t third;
  ASSERT_EQ(thrd_create(
                &third, [](void*) { return eventually(may_end) ? 0 : 1; }, nullptr),
            thrd_success);
  expect_others_run_during([&] { EXPECT_EQ(thrd_join(third, nullptr), thrd_success); }, [&] { may_end = true; });
}

TEST(Yield, LetsOthersRun) {
  for (auto yield : {+[] { sched_yield(); }, +[] { thrd_yield(); }, +[] { std::this_thread::yield(); }}) {
    std::atomic<bool> ran = false;
    std::thread other([&] { ran = true; });
    while (!ran) yield();
    other.join();
  }
}

}  // namespace
