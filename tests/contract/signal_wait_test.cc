// Calls that wait for signals: sigwait, sigwaitinfo, sigtimedwait, sigsuspend, pause.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <vector>

#include "signals.h"
#include "threads.h"

namespace {

TEST(Sigwait, TakesADirectedSignal) {
  Blocked blocked({SIGUSR1});
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    sigset_t set = set_of({SIGUSR1, SIGUSR2});
    int signal = 0;
    coming = true;
    EXPECT_EQ(keeping_errno([&] { return sigwait(&set, &signal); }), 0);
    EXPECT_FALSE(is_pending(SIGUSR1));
    return word(signal);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  EXPECT_EQ(join(thread), word(SIGUSR1));
}

TEST(Sigwait, TakesADirectedSignalOnce) {
  Blocked blocked({SIGUSR1});
  std::atomic<bool> running = false, sent = false;
  pthread_t thread = start_thread([&] {
    sigset_t set = set_of({SIGUSR1});
    int signal = 0;
    running = true;
    while (!sent) sched_yield();
    EXPECT_EQ(sigwait(&set, &signal), 0);
    timespec no_time = {0, 0};
    EXPECT_EQ(sigtimedwait(&set, nullptr, &no_time), -1);
    return word(signal);
  });
  EXPECT_TRUE(eventually(running));
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  sent = true;
  EXPECT_EQ(join(thread), word(SIGUSR1));
}

TEST(Sigwait, TakesASignalOfTheProcess) {
  Blocked blocked({SIGUSR1});
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    sigset_t set = set_of({SIGUSR1});
    int signal = 0;
    coming = true;
    EXPECT_EQ(sigwait(&set, &signal), 0);
    return word(signal);
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
  EXPECT_EQ(join(thread), word(SIGUSR1));
}

TEST(Sigwait, TakesOneThatIsPendingAlreadyLowestFirst) {
  Blocked blocked({SIGUSR1, SIGUSR2});
  sigset_t set = set_of({SIGUSR1, SIGUSR2});
  int signal = 0;
  EXPECT_EQ(raise(SIGUSR2), 0);
  EXPECT_EQ(raise(SIGUSR1), 0);
  EXPECT_EQ(sigwait(&set, &signal), 0);
  EXPECT_EQ(signal, SIGUSR1);
  EXPECT_EQ(sigwait(&set, &signal), 0);
  EXPECT_EQ(signal, SIGUSR2);
}

TEST(Sigwait, OneSignalEndsOneOfManyWaits) {
  Blocked blocked({SIGUSR1});
  std::atomic<int> taken = 0, coming = 0;
  std::vector<pthread_t> threads;
  for (int i = 0; i < 5; ++i) {
    threads.push_back(start_thread([&] {
      sigset_t set = set_of({SIGUSR1});
      int signal = 0;
      ++coming;
      EXPECT_EQ(sigwait(&set, &signal), 0);
      ++taken;
      return nullptr;
    }));
  }
  EXPECT_TRUE(eventually([&] { return coming == 5; }));
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
    EXPECT_TRUE(eventually([&] { return taken == i; }));
    let_others_run();
    EXPECT_EQ(taken, i);
  }
  for (pthread_t thread : threads) join(thread);
}

TEST(Sigwait, LeavesTheHandlerAlone) {
  static std::atomic<int> handled;
  handled = 0;
  Handler handler(SIGUSR1, [](int) { ++handled; });
  Blocked blocked({SIGUSR1});
  sigset_t set = set_of({SIGUSR1});
  int signal = 0;
  raise(SIGUSR1);
  EXPECT_EQ(sigwait(&set, &signal), 0);
  EXPECT_EQ(handled, 0);
}

TEST(Sigwaitinfo, TellsWhoSentIt) {
  Blocked blocked({SIGUSR1});
  sigset_t set = set_of({SIGUSR1});
  siginfo_t info{};
  EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
  EXPECT_EQ(sigwaitinfo(&set, &info), SIGUSR1);
  EXPECT_EQ(info.si_signo, SIGUSR1);
  EXPECT_EQ(info.si_code, SI_USER);
  EXPECT_EQ(info.si_pid, getpid());
  EXPECT_EQ(info.si_uid, getuid());
}

TEST(Sigtimedwait, TimesOutWithEagainAndNotBefore) {
  Blocked blocked({SIGUSR1});
  sigset_t set = set_of({SIGUSR1});
  timespec timeout = milliseconds(30), nothing = {0, 0};
  Stopwatch watch;
  EXPECT_EQ(sigtimedwait(&set, nullptr, &timeout), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_GE(watch.milliseconds(), 30);
  EXPECT_EQ(sigtimedwait(&set, nullptr, &nothing), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(Sigtimedwait, ImpossibleTimeIsEinval) {
  sigset_t set = set_of({SIGUSR1});
  timespec wrong = {0, 1'000'000'000};
  EXPECT_EQ(sigtimedwait(&set, nullptr, &wrong), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Sigtimedwait, TakesASignalInTime) {
  Blocked blocked({SIGUSR1});
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    sigset_t set = set_of({SIGUSR1});
    timespec timeout = milliseconds(20'000);
    coming = true;
    return word(sigtimedwait(&set, nullptr, &timeout));
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  EXPECT_EQ(join(thread), word(SIGUSR1));
}

TEST(Sigsuspend, RunsTheHandlerUnderItsMaskAndPutsTheOldOneBack) {
  static std::atomic<bool> handled, other_was_blocked;
  handled = other_was_blocked = false;
  Handler handler(SIGUSR1, [](int) { other_was_blocked = blocks(SIGUSR2), handled = true; });
  Blocked blocked({SIGUSR1});
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    sigset_t set = set_of({SIGUSR2});
    coming = true;
    EXPECT_EQ(sigsuspend(&set), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_TRUE(handled);
    EXPECT_TRUE(other_was_blocked);
    EXPECT_TRUE(blocks(SIGUSR1));
    EXPECT_FALSE(blocks(SIGUSR2));
    return nullptr;
  });
  EXPECT_TRUE(eventually(coming));
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);  // never lost, since it is blocked until sigsuspend waits
  join(thread);
}

TEST(Pause, ReturnsAfterAHandlerRan) {
  static std::atomic<int> handled;
  handled = 0;
  Handler handler(SIGUSR1, [](int) { ++handled; });
  std::atomic<bool> done = false;
  pthread_t thread = start_thread([&] {
    EXPECT_EQ(pause(), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_GE(handled, 1);
    done = true;
    return nullptr;
  });
  EXPECT_TRUE(eventually([&] { return pthread_kill(thread, SIGUSR1), done.load(); }));
  join(thread);
}

TEST(SignalWait, ForASetOrATimeThatIsNowhereIsEfault) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  int (*volatile wait)(const sigset_t*, siginfo_t*, const timespec*) = sigtimedwait;  // the compiler would object
  timespec no_time{};
  EXPECT_EQ(wait(reinterpret_cast<sigset_t*>(8), nullptr, &no_time), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(wait(&set, nullptr, reinterpret_cast<timespec*>(8)), -1);
  EXPECT_EQ(errno, EFAULT);
}

}  // namespace
