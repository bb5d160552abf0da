// Signal masks and pending signals: each thread's own.
#include <gtest/gtest.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "signals.h"
#include "threads.h"

namespace {

std::atomic<int> handled;
std::atomic<pthread_t> handler_thread;
void count(int) {
  handler_thread = pthread_self();
  ++handled;
}

TEST(SignalMask, IsEachThreadsOwn) {
  join(start_thread([] {
    Blocked blocked({SIGUSR1});
    EXPECT_TRUE(blocks(SIGUSR1));
    join(start_thread([] {
      sigset_t none = set_of({});
      EXPECT_EQ(pthread_sigmask(SIG_SETMASK, &none, nullptr), 0);
      EXPECT_FALSE(blocks(SIGUSR1));
      return nullptr;
    }));
    EXPECT_TRUE(blocks(SIGUSR1));
    return nullptr;
  }));
  EXPECT_FALSE(blocks(SIGUSR1));
}

TEST(SignalMask, IsKeptAcrossWaits) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 20; ++i) {
    threads.push_back(start_thread([i] {
      int mine = i % 2 == 0 ? SIGUSR1 : SIGUSR2, other = i % 2 == 0 ? SIGUSR2 : SIGUSR1;
      Blocked blocked({mine});
      bool same = true;
      for (int j = 0; j < 20; ++j) {
        if (j % 5 == 0) usleep(1000);
        sched_yield();
        same = same && blocks(mine) && !blocks(other);
      }
      return word(same);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(SignalMask, BlockAddsUnblockRemovesAndTheOldOneIsTold) {
  join(start_thread([] {
    sigset_t first = set_of({SIGUSR1}), second = set_of({SIGUSR2}), old;
    EXPECT_EQ(keeping_errno([&] { return pthread_sigmask(SIG_SETMASK, &first, nullptr); }), 0);
    EXPECT_EQ(pthread_sigmask(SIG_BLOCK, &second, &old), 0);
    EXPECT_EQ(sigismember(&old, SIGUSR1), 1);
    EXPECT_EQ(sigismember(&old, SIGUSR2), 0);
    EXPECT_TRUE(blocks(SIGUSR1) && blocks(SIGUSR2));
    EXPECT_EQ(pthread_sigmask(SIG_UNBLOCK, &first, &old), 0);
    EXPECT_EQ(sigismember(&old, SIGUSR1) + sigismember(&old, SIGUSR2), 2);
    EXPECT_FALSE(blocks(SIGUSR1));
    EXPECT_TRUE(blocks(SIGUSR2));
    return nullptr;
  }));
}

TEST(SignalMask, UnknownWayIsEinval) {
  sigset_t set = set_of({SIGUSR1});
  EXPECT_EQ(keeping_errno([&] { return pthread_sigmask(4711, &set, nullptr); }), EINVAL);
  EXPECT_EQ(sigprocmask(4711, &set, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(SignalMask, SigprocmaskIsTheMaskOfTheThreadToo) {
  join(start_thread([] {
    sigset_t set = set_of({SIGUSR1});
    EXPECT_EQ(sigprocmask(SIG_BLOCK, &set, nullptr), 0);
    EXPECT_TRUE(blocks(SIGUSR1));
    return nullptr;
  }));
  EXPECT_FALSE(blocks(SIGUSR1));
}

TEST(SignalMask, KillAndStopCannotBeBlocked) {
  Blocked blocked({SIGKILL, SIGSTOP, SIGUSR1});
  EXPECT_FALSE(blocks(SIGKILL));
  EXPECT_FALSE(blocks(SIGSTOP));
}

// One signal that the thread sends to itself, and one that the kernel sends.
TEST(SignalMask, HandlerBlocksItsOwnSignalAndThoseOfItsActionAndWhatItBlocksItselfEndsWithIt) {
  static std::atomic<int> seen, after;
  struct sigaction action {
  }, before[2];
  action.sa_mask = set_of({SIGUSR2});
  action.sa_handler = [](int own) {
    seen = blocks(own) + 2 * blocks(SIGUSR2);
    sigset_t more = set_of({SIGTERM});
    pthread_sigmask(SIG_BLOCK, &more, nullptr);
    after = blocks(own) + 2 * blocks(SIGUSR2) + 4 * blocks(SIGTERM);
  };
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before[0]), 0);
  ASSERT_EQ(sigaction(SIGPIPE, &action, &before[1]), 0);
  auto raise_one = [] { EXPECT_EQ(raise(SIGUSR1), 0); };
  auto break_a_pipe = [] {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    close(ends[0]);
    EXPECT_EQ(write(ends[1], "x", 1), -1);
    close(ends[1]);
  };
  for (auto send : {+raise_one, +break_a_pipe}) {
    seen = after = 0;
    join(start_thread([=] {
      send();
      EXPECT_FALSE(blocks(SIGUSR1) || blocks(SIGUSR2) || blocks(SIGTERM) || blocks(SIGPIPE));
      usleep(1000);
      EXPECT_FALSE(blocks(SIGUSR1) || blocks(SIGUSR2) || blocks(SIGTERM) || blocks(SIGPIPE));
      return nullptr;
    }));
    EXPECT_EQ(seen, 3);
    EXPECT_EQ(after, 7);
  }
  EXPECT_EQ(sigaction(SIGUSR1, &before[0], nullptr), 0);
  EXPECT_EQ(sigaction(SIGPIPE, &before[1], nullptr), 0);
}

TEST(SignalMask, SiglongjmpOutOfAHandlerPutsItBack) {
  static sigjmp_buf back;
  Handler handler(SIGUSR1, [](int) { siglongjmp(back, 1); });
  join(start_thread([] {
    for (volatile int i = 0; i < 3; i = i + 1) {
      if (sigsetjmp(back, 1) == 0) raise(SIGUSR1);
      EXPECT_FALSE(blocks(SIGUSR1));
    }
    usleep(1000);
    EXPECT_FALSE(blocks(SIGUSR1));
    return nullptr;
  }));
}

TEST(PendingSignal, IsDeliveredWhenItIsUnblocked) {
  Handler handler(SIGUSR1, count);
  handled = 0;
  join(start_thread([] {
    {
      Blocked blocked({SIGUSR1});
      EXPECT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
      EXPECT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
      EXPECT_TRUE(is_pending(SIGUSR1));
      usleep(1000);
      EXPECT_EQ(handled, 0);
    }
    EXPECT_EQ(handled, 1);  // ordinary signals do not queue
    EXPECT_EQ(handler_thread, pthread_self());
    EXPECT_FALSE(is_pending(SIGUSR1));
    return nullptr;
  }));
}

TEST(PendingSignal, OfOneThreadIsNotSeenByAnother) {
  std::atomic<bool> sent = false, looked = false;
  Handler handler(SIGUSR1, count);
  pthread_t thread = start_thread([&] {
    Blocked blocked({SIGUSR1});
    EXPECT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    sent = true;
    EXPECT_TRUE(eventually(looked));
    EXPECT_TRUE(is_pending(SIGUSR1));
    return nullptr;
  });
  EXPECT_TRUE(eventually(sent));
  {
    Blocked blocked({SIGUSR1});
    EXPECT_FALSE(is_pending(SIGUSR1));
  }
  looked = true;
  join(thread);
}

TEST(PendingSignal, ThatAThreadRaisesIsItsOwn) {
  std::atomic<bool> sent = false, looked = false;
  Handler handler(SIGUSR1, count);
  handled = 0;
  pthread_t thread = start_thread([&] {
    Blocked blocked({SIGUSR1});
    EXPECT_EQ(raise(SIGUSR1), 0);
    sent = true;
    EXPECT_TRUE(eventually(looked));
    EXPECT_TRUE(is_pending(SIGUSR1));
    return nullptr;
  });
  EXPECT_TRUE(eventually(sent));
  let_others_run();
  EXPECT_EQ(handled, 0);
  looked = true;
  join(thread);
  EXPECT_EQ(handled, 1);
}

TEST(PendingSignal, OfTheProcessIsSeenByEveryThreadAndTakenByWhoeverUnblocksFirst) {
  Handler handler(SIGUSR1, count);
  handled = 0;
  Blocked blocked({SIGUSR1});
  EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
  EXPECT_TRUE(is_pending(SIGUSR1));
  pthread_t thread = start_thread([] {
    EXPECT_TRUE(is_pending(SIGUSR1));
    EXPECT_EQ(handled, 0);
    sigset_t set = set_of({SIGUSR1});
    EXPECT_EQ(pthread_sigmask(SIG_UNBLOCK, &set, nullptr), 0);
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(handler_thread, pthread_self());
    return nullptr;
  });
  join(thread);
  EXPECT_FALSE(is_pending(SIGUSR1));
}

}  // namespace
