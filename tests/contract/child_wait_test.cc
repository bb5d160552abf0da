// Waiting for children: wait, waitpid, wait4, waitid.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <vector>

#include "child.h"
#include "signals.h"
#include "threads.h"

namespace {

// Children that end when they are told to, with a code of their own.
class Children {
 public:
  explicit Children(int count) {
    for (int i = 0; i < count; ++i) {
      all_.push_back(start_child([&, i] { return eventually([&] { return told_->load() > i; }) ? 10 + i : 1; }));
    }
  }
  pid_t operator[](int i) const { return all_[i]; }
  // The first `count` end.
  void end(int count) { told_->store(count); }
  int code_of(pid_t pid) const {
    for (size_t i = 0; i < all_.size(); ++i) {
      if (all_[i] == pid) return 10 + (int)i;
    }
    return -1;
  }

 private:
  Shared<std::atomic<int>> told_;
  std::vector<pid_t> all_;
};

TEST(Waitpid, ManyThreadsEachWaitForTheirOwn) {
  constexpr int count = 20;
  Children children(count);
  std::vector<pthread_t> threads;
  std::atomic<int> coming = 0;
  for (int i = 0; i < count; ++i) {
    threads.push_back(start_thread([&, i] {
      int status = 0;
      ++coming;
      EXPECT_EQ(waitpid(children[i], &status, 0), children[i]);
      EXPECT_TRUE(WIFEXITED(status));
      EXPECT_EQ(WEXITSTATUS(status), 10 + i);
      return nullptr;
    }));
  }
  EXPECT_TRUE(eventually([&] { return coming == count; }));
  let_others_run();
  children.end(count);
  for (pthread_t thread : threads) join(thread);
  EXPECT_EQ(waitpid(children[0], nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Wait, ManyThreadsShareTheChildrenAndEachIsReapedOnce) {
  constexpr int count = 12;
  Children children(count);
  std::vector<pthread_t> threads;
  std::atomic<int> coming = 0;
  for (int i = 0; i < count; ++i) {
    threads.push_back(start_thread([&] {
      int status = 0;
      ++coming;
      pid_t child = wait(&status);
      EXPECT_EQ(WEXITSTATUS(status), children.code_of(child));
      return word(child);
    }));
  }
  EXPECT_TRUE(eventually([&] { return coming == count; }));
  let_others_run();
  for (int i = 1; i <= count; ++i) {
    children.end(i);
    let_others_run();
  }
  std::set<void*> reaped;
  for (pthread_t thread : threads) reaped.insert(join(thread));
  EXPECT_EQ(reaped.size(), (size_t)count);
  EXPECT_EQ(wait(nullptr), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Wait, TheLastOnesHearThatNoChildIsLeft) {
  Children children(1);
  std::vector<pthread_t> threads;
  std::atomic<int> coming = 0, none = 0;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(start_thread([&] {
      ++coming;
      if (wait(nullptr) == -1 && errno == ECHILD) ++none;
      return nullptr;
    }));
  }
  EXPECT_TRUE(eventually([&] { return coming == 4; }));
  let_others_run();
  children.end(1);
  for (pthread_t thread : threads) join(thread);
  EXPECT_EQ(none, 3);
}

TEST(Wait, AChildThatIsBornMeanwhileCounts) {
  Children first(1);
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    coming = true;
    return word(wait(nullptr));
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  pid_t second = start_child([] { return 3; });
  EXPECT_EQ(join(thread), word(second));
  first.end(1);
  EXPECT_EQ(end_of(first[0]), 10);
}

TEST(Wait, AnEndedChildOfSomebodyElseEndsNoWaitOfAnother) {
  Children children(2);
  std::atomic<bool> coming = false, back = false;
  pthread_t thread = start_thread([&] {
    coming = true;
    EXPECT_EQ(waitpid(children[1], nullptr, 0), children[1]);
    back = true;
    return nullptr;
  });
  EXPECT_TRUE(eventually(coming));
  children.end(1);
  siginfo_t info{};
  EXPECT_EQ(waitid(P_PID, children[0], &info, WEXITED | WNOWAIT), 0);
  let_others_run();
  EXPECT_FALSE(back);
  children.end(2);
  join(thread);
  EXPECT_EQ(end_of(children[0]), 10);
}

TEST(Waitid, WnowaitLeavesTheChild) {
  Children children(1);
  children.end(1);
  for (int i = 0; i < 2; ++i) {
    siginfo_t info{};
    EXPECT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(info.si_pid, children[0]);
    EXPECT_EQ(info.si_code, CLD_EXITED);
    EXPECT_EQ(info.si_status, 10);
    EXPECT_EQ(info.si_signo, SIGCHLD);
    EXPECT_EQ(info.si_uid, getuid());
  }
  EXPECT_EQ(end_of(children[0]), 10);
}

TEST(Waitid, WnohangTellsNobody) {
  Children children(1);
  siginfo_t info{};
  info.si_pid = 1;
  EXPECT_EQ(waitid(P_PID, children[0], &info, WEXITED | WNOHANG), 0);
  EXPECT_EQ(info.si_pid, 0);
  EXPECT_EQ(waitpid(children[0], nullptr, WNOHANG), 0);
  children.end(1);
  EXPECT_EQ(end_of(children[0]), 10);
}

TEST(Waitpid, TellsOfSignalsStopsAndContinues) {
  pid_t child = start_child([] {
    for (;;) pause();
    return 0;
  });
  int status = 0;
  kill(child, SIGSTOP);
  EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status));
  kill(child, SIGCONT);
  EXPECT_EQ(waitpid(child, &status, WCONTINUED), child);
  EXPECT_TRUE(WIFCONTINUED(status));
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(Waitpid, OfAStrangerIsEchild) {
  EXPECT_EQ(waitpid(1, nullptr, 0), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(waitpid(getpid(), nullptr, 0), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(waitpid(-1, nullptr, 0x7000), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Wait4, TellsWhatTheChildUsed) {
  pid_t child = start_child([] {
    timespec until = in_milliseconds(20, CLOCK_PROCESS_CPUTIME_ID);
    while (!is_over(until, CLOCK_PROCESS_CPUTIME_ID)) continue;
    return 0;
  });
  rusage usage{};
  EXPECT_EQ(wait4(child, nullptr, 0, &usage), child);
  EXPECT_GT(usage.ru_utime.tv_sec * 1'000'000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec, 15'000);
}

TEST(Waitpid, AHandlerEndsItUnlessItAsksForARestart) {
  static std::atomic<int> handled;
  for (bool restart : {false, true}) {
    handled = 0;
    Handler handler(
        SIGUSR1, [](int) { ++handled; }, restart ? SA_RESTART : 0);
    Children children(1);
    for (pid_t which : {children[0], (pid_t)-1}) {
      std::atomic<bool> coming = false, back = false;
      pthread_t thread = start_thread([&] {
        coming = true;
        pid_t found = waitpid(which, nullptr, 0);
        back = true;
        EXPECT_EQ(found, restart ? children[0] : -1);
        return nullptr;
      });
      EXPECT_TRUE(eventually(coming));
      let_others_run();
      if (restart) {
        EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
        EXPECT_TRUE(eventually([] { return handled == 1; }));
        children.end(1);
        join(thread);
        break;
      }
      EXPECT_TRUE(eventually([&] { return pthread_kill(thread, SIGUSR1), back.load(); }));
      join(thread);
    }
    if (!restart) {
      children.end(1);
      EXPECT_EQ(end_of(children[0]), 10);
    }
  }
}

TEST(Waitpid, TakesNoDescriptorOfTheProgram) {
  Children children(1);
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    coming = true;
    return word(end_of(children[0]));
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  int one = open("/dev/null", O_RDONLY);
  close(one);
  int two = open("/dev/null", O_RDONLY);
  EXPECT_EQ(one, two);
  EXPECT_LT(one, 64);
  closefrom(two);  // what the library keeps open is not the program's to close
  children.end(1);
  EXPECT_EQ(join(thread), word(10));
}

TEST(Wait, IgnoredChildrenLeaveNothing) {
  struct sigaction ignore {
  }, before;
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGCHLD, &ignore, &before);
  Children children(1);
  children.end(1);
  EXPECT_EQ(wait(nullptr), -1);
  EXPECT_EQ(errno, ECHILD);
  sigaction(SIGCHLD, &before, nullptr);
}

}  // namespace
