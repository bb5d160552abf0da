// Signals sent to one thread: pthread_kill, tgkill, raise, pthread_sigqueue.
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "mutexes.h"
#include "signals.h"
#include "threads.h"

namespace {

std::atomic<int> handled;
std::atomic<pthread_t> handler_thread;
void note(int) {
  handler_thread = pthread_self();
  ++handled;
}

class DirectedSignal : public testing::Test {
 protected:
  DirectedSignal() { handled = 0, handler_thread = 0; }

  // Sends once to a thread that waits in its own way, and expects that the handler runs there.
  template <typename Wait, typename End>
  void expect_handler_in_waiting_thread(Wait wait, End end) {
    std::atomic<bool> coming = false;
    pthread_t thread = start_thread([&] { return coming = true, wait(), nullptr; });
    EXPECT_TRUE(eventually(coming));
    let_others_run();
    EXPECT_EQ(keeping_errno([&] { return pthread_kill(thread, SIGUSR1); }), 0);
    EXPECT_TRUE(eventually([] { return handled == 1; }));
    EXPECT_EQ(handler_thread, thread);
    end();
    join(thread);
  }

  Handler handler_{SIGUSR1, note, SA_RESTART};
};

TEST_F(DirectedSignal, RunsItsHandlerInTheThreadThatWaitsForAMutex) {
  OwnedMutex mutex;
  ASSERT_EQ(pthread_mutex_lock(mutex.get()), 0);
  expect_handler_in_waiting_thread(
      [&] {
        EXPECT_EQ(pthread_mutex_lock(mutex.get()), 0);
        EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0);
      },
      [&] { EXPECT_EQ(pthread_mutex_unlock(mutex.get()), 0); });
}

TEST_F(DirectedSignal, RunsItsHandlerInTheThreadThatWaitsForACondition) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  bool done = false;
  expect_handler_in_waiting_thread(
      [&] {
        pthread_mutex_lock(&mutex);
        while (!done) EXPECT_EQ(pthread_cond_wait(&condition, &mutex), 0);
        pthread_mutex_unlock(&mutex);
      },
      [&] {
        pthread_mutex_lock(&mutex);
        done = true;
        pthread_cond_signal(&condition);
        pthread_mutex_unlock(&mutex);
      });
}

TEST_F(DirectedSignal, RunsItsHandlerInTheThreadThatJoins) {
  std::atomic<bool> go = false;
  pthread_t other = start_thread([&] { return eventually(go) ? nullptr : word(1); });
  expect_handler_in_waiting_thread([&] { EXPECT_EQ(join(other), nullptr); }, [&] { go = true; });
}

TEST_F(DirectedSignal, RunsItsHandlerInTheThreadThatReads) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  expect_handler_in_waiting_thread(
      [&] {
        char byte = 0;
        EXPECT_EQ(read(ends[0], &byte, 1), 1);
        EXPECT_EQ(byte, 'x');
      },
      [&] { EXPECT_EQ(write(ends[1], "x", 1), 1); });
  close(ends[0]);
  close(ends[1]);
}

TEST_F(DirectedSignal, RunsItsHandlerInTheThreadThatComputes) {
  std::atomic<bool> go = false;
  expect_handler_in_waiting_thread(
      [&] {
        while (!go) continue;
      },
      [&] { go = true; });
}

TEST_F(DirectedSignal, RunsItsHandlerInTheThreadThatYields) {
  std::atomic<bool> go = false;
  expect_handler_in_waiting_thread([&] { eventually(go); }, [&] { go = true; });
}

TEST_F(DirectedSignal, ReachesEachOfManyThreads) {
  static std::atomic<int> hits;
  hits = 0;
  static thread_local int mine;
  Handler own(SIGUSR2, [](int) { ++mine, ++hits; });
  std::atomic<bool> go = false;
  std::atomic<int> ready = 0;
  std::vector<pthread_t> threads;
  for (int i = 0; i < 30; ++i) {
    threads.push_back(start_thread([&] {
      mine = 0;  // made before a handler uses it
      ++ready;
      while (!go) usleep(1000);
      return word(mine);
    }));
  }
  EXPECT_TRUE(eventually([&] { return ready == 30; }));
  for (pthread_t thread : threads) EXPECT_EQ(pthread_kill(thread, SIGUSR2), 0);
  EXPECT_TRUE(eventually([&] { return hits == 30; }));
  go = true;
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST_F(DirectedSignal, ToOneselfIsHandledBeforeTheCallReturns) {
  join(start_thread([] {
    for (int i = 1; i <= 3; ++i) {
      EXPECT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
      EXPECT_EQ(handled, i);
      EXPECT_EQ(handler_thread, pthread_self());
    }
    EXPECT_EQ(raise(SIGUSR1), 0);
    EXPECT_EQ(handled, 4);
    Blocked blocked({SIGUSR1});
    EXPECT_EQ(gsignal(SIGUSR1), 0);  // raise by its other name
    sigset_t set = set_of({SIGUSR1});
    int taken = 0;
    EXPECT_TRUE(is_pending(SIGUSR1));
    EXPECT_EQ(sigwait(&set, &taken), 0);
    EXPECT_EQ(taken, SIGUSR1);
    return nullptr;
  }));
}

TEST_F(DirectedSignal, TgkillWithGettidReachesTheThread) {
  join(start_thread([] {
    EXPECT_EQ(tgkill(getpid(), gettid(), SIGUSR1), 0);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(handler_thread, pthread_self());
    EXPECT_EQ(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1), 0);
    EXPECT_EQ(handled, 2);
    return nullptr;
  }));
}

TEST_F(DirectedSignal, InterruptedThreadKeepsItsErrnoWhenTheHandlerKeepsIt) {
  std::atomic<bool> go = false, ready = false;
  pthread_t thread = start_thread([&] {
    errno = 4711;
    ready = true;
    while (!go) sched_yield();
    return word(errno);
  });
  EXPECT_TRUE(eventually(ready));
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  EXPECT_TRUE(eventually([] { return handled == 1; }));
  go = true;
  EXPECT_EQ(join(thread), word(4711));
}

TEST_F(DirectedSignal, ZeroOnlyAsksWhetherTheThreadIsThere) {
  std::atomic<bool> go = false;
  pthread_t thread = start_thread([&] { return eventually(go) ? nullptr : word(1); });
  EXPECT_EQ(keeping_errno([&] { return pthread_kill(thread, 0); }), 0);
  EXPECT_EQ(pthread_kill(pthread_self(), 0), 0);
  go = true;
  join(thread);
  EXPECT_EQ(handled, 0);
}

TEST_F(DirectedSignal, ToAThreadThatHasEndedIsHarmlessUntilItIsJoined) {
  std::atomic<bool> done = false;
  pthread_t thread = start_thread([&] { return done = true, nullptr; });
  EXPECT_TRUE(eventually(done));
  let_others_run();
  EXPECT_EQ(pthread_kill(thread, 0), 0);
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  join(thread);
}

TEST_F(DirectedSignal, ImpossibleNumberIsEinval) {
  EXPECT_EQ(keeping_errno([] { return pthread_kill(pthread_self(), 4711); }), EINVAL);
  EXPECT_EQ(pthread_kill(pthread_self(), -1), EINVAL);
}

TEST_F(DirectedSignal, StaysPendingInAThreadThatBlocksIt) {
  std::atomic<bool> ready = false, sent = false;
  pthread_t thread = start_thread([&] {
    {
      Blocked blocked({SIGUSR1});
      ready = true;
      EXPECT_TRUE(eventually(sent));
      EXPECT_TRUE(eventually([] { return is_pending(SIGUSR1); }));
      EXPECT_EQ(handled, 0);
    }
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(handler_thread, pthread_self());
    return nullptr;
  });
  EXPECT_TRUE(eventually(ready));
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  sent = true;
  join(thread);
}

TEST_F(DirectedSignal, SigqueueCarriesAValueToTheThread) {
  static std::atomic<int> value, code;
  static std::atomic<pid_t> sender;
  value = code = sender = 0;
  Handler own(SIGRTMIN, [](int, siginfo_t* info, void*) {
    value = info->si_value.sival_int;
    sender = info->si_pid;
    code = info->si_code;
    note(0);
  });
  std::atomic<bool> go = false;
  pthread_t thread = start_thread([&] { return eventually(go) ? nullptr : word(1); });
  EXPECT_EQ(pthread_sigqueue(thread, SIGRTMIN, {.sival_int = 4711}), 0);
  EXPECT_TRUE(eventually([] { return handled == 1; }));
  EXPECT_EQ(handler_thread, thread);
  EXPECT_EQ(value, 4711);
  EXPECT_EQ(code, SI_QUEUE);
  EXPECT_EQ(sender, getpid());
  go = true;
  join(thread);
}

}  // namespace
