// fork in a program with threads: one thread in the child, the state of everything else as it was.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "signals.h"
#include "threads.h"

namespace {

int threads_of_this_process() {
  FILE* status = fopen("/proc/self/status", "r");
  int count = -1;
  char line[256];
  while (fgets(line, sizeof line, status)) sscanf(line, "Threads: %d", &count);
  fclose(status);
  return count;
}

// What a child can do that works: threads, locks, sockets, sleeps. Returns 0, or which of them failed.
int child_is_a_whole_process() {
  std::atomic<int> ended = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 5; ++i) {
    threads.emplace_back([&] {
      usleep(1000);
      ++ended;
    });
  }
  for (auto& thread : threads) thread.join();
  if (ended != 5) return 1;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 2;
  std::thread writer([&] {
    usleep(1000);
    if (write(pair[1], "x", 1) != 1) abort();
  });
  char byte = 0;
  if (read(pair[0], &byte, 1) != 1 || byte != 'x') return 3;
  writer.join();
  std::mutex mutex;
  std::condition_variable condition;
  bool done = false;
  std::thread signaller([&] {
    std::lock_guard lock(mutex);
    done = true;
    condition.notify_one();
  });
  std::unique_lock lock(mutex);
  condition.wait(lock, [&] { return done; });
  lock.unlock();
  signaller.join();
  return 0;
}

TEST(Fork, ChildHasOneThreadWhichIsTheOneThatForked) {
  pthread_t self = pthread_self();
  EXPECT_EQ(end_of_child([&] {
              if (!pthread_equal(self, pthread_self())) return 1;
              if (gettid() != getpid()) return 2;
              return syscall(SYS_gettid) == getpid() ? 0 : 3;
            }),
            0);
}

TEST(Fork, ChildOfAThreadEndsWhenThatThreadEnds) {
  pid_t child = -1;
  std::thread forks([&] {
    free(realpath("/", nullptr));  // the thread has an arena of its own
    child = fork();
    if (child == 0) pthread_exit(nullptr);
  });
  forks.join();
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Fork, ChildStartsWithOneOsThread) {
  EXPECT_EQ(end_of_child([] { return threads_of_this_process(); }), 1);
}

TEST(Fork, GivesTheParentThePidOfTheChild) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t parent = getpid();
  pid_t child = start_child([&] {
    pid_t ids[2] = {getpid(), getppid()};
    return write(ends[1], ids, sizeof ids) == sizeof ids ? 0 : 1;
  });
  pid_t ids[2] = {};
  EXPECT_EQ(read(ends[0], ids, sizeof ids), static_cast<ssize_t>(sizeof ids));
  EXPECT_EQ(ids[0], child);
  EXPECT_EQ(ids[1], parent);
  EXPECT_EQ(end_of(child), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(Fork, ChildCanUseThreadsLocksAndSocketsAgain) { EXPECT_EQ(end_of_child(child_is_a_whole_process), 0); }

TEST(Fork, FromAnotherThreadWorksAsFromMain) {
  join(start_thread([] {
    pthread_t self = pthread_self();
    EXPECT_EQ(end_of_child([&] {
                if (!pthread_equal(self, pthread_self()) || gettid() != getpid()) return 40;
                if (threads_of_this_process() != 1) return 41;
                return child_is_a_whole_process();
              }),
              0);
    return nullptr;
  }));
}

TEST(Fork, ChildOfAChildWorksToo) {
  EXPECT_EQ(end_of_child([] { return end_of_child(child_is_a_whole_process); }), 0);
}

TEST(Fork, ParentGoesOnUnaffected) {
  std::atomic<bool> stop = false;
  std::atomic<long> turns = 0;
  std::vector<std::thread> busy;
  for (int i = 0; i < 10; ++i) {
    busy.emplace_back([&] {
      while (!stop) {
        usleep(500);
        ++turns;
      }
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(end_of_child([&] { return i; }), i);
  long before = turns;
  EXPECT_TRUE(eventually([&] { return turns >= before + 10; }));
  stop = true;
  for (auto& thread : busy) thread.join();
}

TEST(Fork, WorksFromManyThreadsAtOnce) {
  std::vector<std::thread> forkers;
  for (int i = 0; i < 8; ++i) {
    forkers.emplace_back([i] {
      for (int j = 0; j < 5; ++j) EXPECT_EQ(end_of_child([&] { return i * 5 + j; }), i * 5 + j);
    });
  }
  for (auto& forker : forkers) forker.join();
}

TEST(Fork, MutexesAreInTheChildAsTheyWere) {
  pthread_mutex_t free_one = PTHREAD_MUTEX_INITIALIZER, held = PTHREAD_MUTEX_INITIALIZER;
  ASSERT_EQ(pthread_mutex_lock(&held), 0);
  EXPECT_EQ(end_of_child([&] {
              if (pthread_mutex_trylock(&free_one) != 0) return 1;
              if (pthread_mutex_trylock(&held) != EBUSY) return 2;
              if (pthread_mutex_unlock(&held) != 0) return 3;
              return pthread_mutex_lock(&held);
            }),
            0);
  EXPECT_EQ(pthread_mutex_unlock(&held), 0);
}

TEST(Fork, MallocWorksInTheChildWhileTheParentsThreadsAllocate) {
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  for (int i = 0; i < 4; ++i) {
    busy.emplace_back([&] {
      while (!stop) {
        std::string text(1000, 'x');
        sched_yield();
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(end_of_child([] {
                std::vector<std::string> texts(100, std::string(500, 'y'));
                return texts[99].size() == 500 ? 0 : 1;
              }),
              0);
  }
  stop = true;
  for (auto& thread : busy) thread.join();
}

TEST(Fork, ThreadDataAndErrnoOfTheForkerAreKept) {
  static thread_local std::string text;
  text = "kept";
  errno = 4711;
  pid_t child = fork();
  if (child == 0) _exit(errno == 4711 && text == "kept" ? 0 : 1);
  EXPECT_EQ(end_of(child), 0);
}

TEST(Fork, ChildInheritsTheMaskOfTheForkerAndNoPendingSignals) {
  Blocked blocked({SIGUSR1, SIGUSR2});
  ASSERT_EQ(raise(SIGUSR1), 0);
  EXPECT_EQ(end_of_child([] {
              if (!blocks(SIGUSR1) || !blocks(SIGUSR2) || blocks(SIGTERM)) return 1;
              return is_pending(SIGUSR1) ? 2 : 0;
            }),
            0);
  sigset_t set = set_of({SIGUSR1});
  int taken = 0;
  EXPECT_EQ(sigwait(&set, &taken), 0);
}

TEST(Fork, ChildGetsSignalsThatAreSentToItsPid) {
  static std::atomic<int> handled;
  handled = 0;
  Handler handler(SIGUSR1, [](int) { ++handled; });
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Shared<std::atomic<bool>> done;
  pid_t child = start_child([&] {
    char byte;
    long result = read(ends[0], &byte, 1);
    *done.operator->() = true;
    return result == -1 && errno == EINTR && handled > 0 ? 0 : 1;
  });
  EXPECT_TRUE(eventually([&] { return kill(child, SIGUSR1), done->load(); }));
  EXPECT_EQ(end_of(child), 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(Fork, ChildEndsByASignalThatItUnblocks) {
  for (bool directed : {false, true}) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    Blocked blocked({SIGTERM, SIGUSR1});
    pid_t child = start_child([&] {
      char byte;
      if (read(ends[0], &byte, 1) != 1) return 1;
      if (directed) pthread_kill(pthread_self(), SIGTERM);
      sigset_t all = set_of({SIGTERM, SIGUSR1});
      pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
      return 2;
    });
    EXPECT_EQ(directed ? 0 : kill(child, SIGTERM), 0);
    EXPECT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_EQ(end_of(child), -SIGTERM) << directed;
    close(ends[0]);
    close(ends[1]);
  }
}

TEST(Fork, BothSidesMayUseADescriptorAfterwards) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  std::atomic<bool> coming = false;
  std::thread reader([&] {
    char byte = 0;
    coming = true;
    EXPECT_EQ(read(pair[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'c');
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_EQ(end_of_child([&] { return write(pair[1], "c", 1) == 1 ? 0 : 1; }), 0);
  reader.join();
  pid_t child = start_child([&] {
    char byte = 0;
    return read(pair[1], &byte, 1) == 1 && byte == 'p' ? 0 : 1;
  });
  EXPECT_EQ(write(pair[0], "p", 1), 1);
  EXPECT_EQ(end_of(child), 0);
  close(pair[0]);
  close(pair[1]);
}

TEST(Wait, OfAThreadDoesNotHoldUpTheOthersAndTellsTheExitCode) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = start_child([&] {
    char byte = 0;
    return read(ends[0], &byte, 1) == 1 ? byte : 1;
  });
  std::thread waiter([&] { EXPECT_EQ(end_of(child), 'w'); });
  let_others_run();
  EXPECT_EQ(write(ends[1], "w", 1), 1);
  waiter.join();
  close(ends[0]);
  close(ends[1]);
}

// What the child of a thread of libc's own could do; -1: not known yet.
std::atomic<int> end_of_timers_child = -1;

TEST(Fork, FromAThreadOfLibcsOwnGivesAWholeProcess) {
  std::thread([] {}).join();
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) {
    end_of_timers_child = end_of_child([] {
      int failed = child_is_a_whole_process();
      return failed != 0 ? failed : 100;  // not what a process ends with by itself
    });
  };
  timer_t timer;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
  itimerspec soon = {{0, 0}, {0, 10'000'000}};
  ASSERT_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
  EXPECT_TRUE(eventually([] { return end_of_timers_child != -1; }));
  EXPECT_EQ(end_of_timers_child, 100);
  timer_delete(timer);
}

// Two threads that need each other and a sleep, and no descriptor.
int threads_meet() {
  std::mutex mutex;
  std::condition_variable changed;
  int turn = 0;
  auto wait_for = [&](int value, std::unique_lock<std::mutex>& lock) {
    changed.wait(lock, [&] { return turn == value; });
  };
  std::thread first([&] {
    std::unique_lock lock(mutex);
    wait_for(1, lock);
    turn = 2;
    changed.notify_all();
  });
  std::thread second([&] {
    timespec length = {0, 100'000'000};
    syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &length, nullptr);
    std::unique_lock lock(mutex);
    turn = 1;
    changed.notify_all();
    wait_for(2, lock);
  });
  first.join();
  second.join();
  usleep(1000);
  return 0;
}

TEST(Fork, ChildWithoutAFreeDescriptorHasThreads) {
  std::thread([] {}).join();
  EXPECT_EQ(end_of_child([] {
              alarm(20);
              rlimit few = {64, 64};
              if (setrlimit(RLIMIT_NOFILE, &few) != 0) return 1;
              while (dup(STDERR_FILENO) >= 0) continue;
              return threads_meet();
            }),
            0);
}

// As filters of containers do with calls that they have not heard of.
bool refuse_epoll_pwait2() {
#ifndef SYS_epoll_pwait2
  constexpr int SYS_epoll_pwait2 = 441;
#endif
  sock_filter program[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog filter = {sizeof program / sizeof *program, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(Fork, ChildThatMayNotCallEverythingIsIdleWhileItSleeps) {
  EXPECT_EQ(end_of_child([] {
              alarm(20);
              if (!refuse_epoll_pwait2()) return 1;
              std::thread([] { usleep(400'000); }).join();
              rusage used;
              getrusage(RUSAGE_SELF, &used);
              bool busy = used.ru_utime.tv_sec + used.ru_stime.tv_sec > 0 ||
                          used.ru_utime.tv_usec + used.ru_stime.tv_usec > 200'000;
              return busy ? 2 : 0;
            }),
            0);
}

}  // namespace
