// Semaphores: unnamed, named, shared between processes, timed, and posted from a signal handler.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "patience.h"

namespace {

class Semaphore : public testing::Test {
 protected:
  void init(unsigned value) { ASSERT_EQ(sem_init(&semaphore_, 0, value), 0); }
  int value() {
    int result = -1;
    EXPECT_EQ(sem_getvalue(&semaphore_, &result), 0);
    return result;
  }
  sem_t* get() { return &semaphore_; }
  sem_t semaphore_;
};

TEST_F(Semaphore, CountsDownAndUpWithoutTouchingErrno) {
  init(2);
  EXPECT_EQ(value(), 2);
  EXPECT_EQ(keeping_errno([&] { return sem_wait(get()); }), 0);
  EXPECT_EQ(keeping_errno([&] { return sem_trywait(get()); }), 0);
  EXPECT_EQ(value(), 0);
  EXPECT_EQ(keeping_errno([&] { return sem_post(get()); }), 0);
  EXPECT_EQ(value(), 1);
  EXPECT_EQ(sem_destroy(get()), 0);
}

TEST_F(Semaphore, TrywaitOfAnEmptyOneIsEagain) {
  init(0);
  errno = 0;
  EXPECT_EQ(sem_trywait(get()), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(Semaphore, InitialValueAboveTheLimitIsEinval) {
  EXPECT_EQ(sem_init(get(), 0, static_cast<unsigned>(SEM_VALUE_MAX) + 1), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST_F(Semaphore, PostAboveTheLimitIsEoverflow) {
  init(SEM_VALUE_MAX);
  EXPECT_EQ(sem_post(get()), -1);
  EXPECT_EQ(errno, EOVERFLOW);
  EXPECT_EQ(value(), SEM_VALUE_MAX);
}

TEST_F(Semaphore, PostWakesAWaiter) {
  init(0);
  std::atomic<bool> coming = false, woken = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(keeping_errno([&] { return sem_wait(get()); }), 0);
    woken = true;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_FALSE(woken);
  EXPECT_EQ(value(), 0);  // glibc never shows waiters as a negative value
  EXPECT_EQ(keeping_errno([&] { return sem_post(get()); }), 0);
  waiter.join();
}

TEST_F(Semaphore, EachPostWakesOneWaiter) {
  init(0);
  std::atomic<int> woken = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 10; ++i) {
    waiters.emplace_back([&] {
      EXPECT_EQ(sem_wait(get()), 0);
      ++woken;
    });
  }
  for (int i = 1; i <= 10; ++i) {
    let_others_run();
    EXPECT_EQ(woken, i - 1);
    EXPECT_EQ(sem_post(get()), 0);
    EXPECT_TRUE(eventually([&] { return woken == i; }));
  }
  for (auto& waiter : waiters) waiter.join();
}

TEST_F(Semaphore, NoPostIsLostBetweenManyThreads) {
  init(0);
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 2000; ++j) EXPECT_EQ(sem_post(get()), 0);
    });
    threads.emplace_back([&] {
      for (int j = 0; j < 2000; ++j) {
        EXPECT_EQ(sem_wait(get()), 0);
        ++taken;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(taken, 20'000);
  EXPECT_EQ(value(), 0);
}

// The waiter may destroy it at once: the post must not touch it after it has let him go.
TEST_F(Semaphore, MayBeFreedByWhoeverItLetGo) {
  for (int i = 0; i < 300; ++i) {
    auto* semaphore = new sem_t;
    ASSERT_EQ(sem_init(semaphore, 0, 0), 0);
    std::thread poster([=] { sem_post(semaphore); });
    EXPECT_EQ(sem_wait(semaphore), 0);
    EXPECT_EQ(sem_destroy(semaphore), 0);
    memset(semaphore, 0xa5, sizeof *semaphore);
    delete semaphore;
    poster.join();
  }
}

TEST_F(Semaphore, PostFromASignalHandlerWakesAWaiter) {
  static sem_t semaphore;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) { sem_post(&semaphore); };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
    coming = true;
    EXPECT_EQ(sem_wait(&semaphore), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(raise(SIGUSR1), 0);
  waiter.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

struct Form {
  const char* name;
  clockid_t clock;
  int (*wait)(sem_t*, const timespec*);
};
class TimedSemaphore : public testing::TestWithParam<Form> {
 protected:
  TimedSemaphore() { EXPECT_EQ(sem_init(&semaphore_, 0, 0), 0); }
  int wait(timespec deadline) { return GetParam().wait(&semaphore_, &deadline); }
  timespec in(long count) { return in_milliseconds(count, GetParam().clock); }
  sem_t semaphore_;
};
const Form forms[] = {
    {"timedwait", CLOCK_REALTIME, [](auto* semaphore, auto* at) { return sem_timedwait(semaphore, at); }},
    {"clockwait_realtime", CLOCK_REALTIME,
     [](auto* semaphore, auto* at) { return sem_clockwait(semaphore, CLOCK_REALTIME, at); }},
    {"clockwait_monotonic", CLOCK_MONOTONIC,
     [](auto* semaphore, auto* at) { return sem_clockwait(semaphore, CLOCK_MONOTONIC, at); }},
};
INSTANTIATE_TEST_SUITE_P(Forms, TimedSemaphore, testing::ValuesIn(forms), [](auto& form) { return form.param.name; });

TEST_P(TimedSemaphore, TimesOutAtTheDeadlineAndNotBefore) {
  timespec deadline = in(30);
  EXPECT_EQ(wait(deadline), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  EXPECT_TRUE(is_over(deadline, GetParam().clock));
  for (timespec past : {in(-1), timespec{0, 0}}) {
    EXPECT_EQ(wait(past), -1);
    EXPECT_EQ(errno, ETIMEDOUT);
  }
}

TEST_P(TimedSemaphore, PositiveValueIsTakenWhateverTheMoment) {
  for (timespec moment : {in(1000), in(-1000), timespec{0, 0}}) {
    ASSERT_EQ(sem_post(&semaphore_), 0);
    EXPECT_EQ(keeping_errno([&] { return wait(moment); }), 0);
  }
}

// glibc looks at the nanoseconds first, also when it need not wait.
TEST_P(TimedSemaphore, NanosecondsOutOfRangeAreEinval) {
  for (long wrong : {-1L, 1'000'000'000L}) {
    timespec moment = in(1000);
    moment.tv_nsec = wrong;
    EXPECT_EQ(wait(moment), -1);
    EXPECT_EQ(errno, EINVAL);
    ASSERT_EQ(sem_post(&semaphore_), 0);
    EXPECT_EQ(wait(moment), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(sem_trywait(&semaphore_), 0);
  }
}

TEST_P(TimedSemaphore, PostInTimeWakesIt) {
  std::atomic<bool> coming = false;
  std::thread waiter([&] {
    coming = true;
    EXPECT_EQ(keeping_errno([&] { return wait(in(20'000)); }), 0);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(sem_post(&semaphore_), 0);
  waiter.join();
}

TEST(SharedSemaphore, PassesTurnsBetweenProcesses) {
  struct Table {
    sem_t ping, pong;
  };
  Shared<Table> table;
  ASSERT_EQ(sem_init(&table->ping, 1, 0), 0);
  ASSERT_EQ(sem_init(&table->pong, 1, 0), 0);
  pid_t child = start_child([&] {
    for (int i = 0; i < 200; ++i) {
      if (sem_wait(&table->ping) != 0 || sem_post(&table->pong) != 0) return 1;
    }
    return 0;
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(sem_post(&table->ping), 0);
    EXPECT_EQ(sem_wait(&table->pong), 0);
  }
  EXPECT_EQ(end_of(child), 0);
}

class NamedSemaphore : public testing::Test {
 protected:
  ~NamedSemaphore() override { sem_unlink(name_.c_str()); }
  std::string name_ = "/contract-semaphore-" + std::to_string(getpid());
};

TEST_F(NamedSemaphore, IsTheSameObjectForEveryOpen) {
  sem_t* first = sem_open(name_.c_str(), O_CREAT | O_EXCL, 0600, 1);
  ASSERT_NE(first, SEM_FAILED);
  sem_t* second = sem_open(name_.c_str(), 0);
  EXPECT_EQ(first, second);
  EXPECT_EQ(sem_wait(second), 0);
  EXPECT_EQ(sem_trywait(first), -1);
  EXPECT_EQ(sem_close(first), 0);
  EXPECT_EQ(sem_close(second), 0);
}

TEST_F(NamedSemaphore, WakesAWaiterInAnotherThreadAndInAnotherProcess) {
  sem_t* semaphore = sem_open(name_.c_str(), O_CREAT, 0600, 0);
  ASSERT_NE(semaphore, SEM_FAILED);
  std::thread thread([&] { EXPECT_EQ(sem_wait(semaphore), 0); });
  pid_t child = start_child([&] { return sem_wait(semaphore); });
  let_others_run();
  EXPECT_EQ(sem_post(semaphore), 0);
  EXPECT_EQ(sem_post(semaphore), 0);
  thread.join();
  EXPECT_EQ(end_of(child), 0);
  EXPECT_EQ(sem_close(semaphore), 0);
}

TEST_F(NamedSemaphore, ErrorsAreThoseOfOpen) {
  EXPECT_EQ(sem_open(name_.c_str(), 0), SEM_FAILED);
  EXPECT_EQ(errno, ENOENT);
  sem_t* semaphore = sem_open(name_.c_str(), O_CREAT, 0600, 0);
  EXPECT_EQ(sem_open(name_.c_str(), O_CREAT | O_EXCL, 0600, 0), SEM_FAILED);
  EXPECT_EQ(errno, EEXIST);
  EXPECT_EQ(sem_unlink(name_.c_str()), 0);
  EXPECT_EQ(sem_unlink(name_.c_str()), -1);
  EXPECT_EQ(errno, ENOENT);
  EXPECT_EQ(sem_close(semaphore), 0);
}

}  // namespace
