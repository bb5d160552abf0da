// What fork(2) says the child gets and what it does not get, in a program with threads.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "child.h"
#include "connection.h"
#include "signals.h"
#include "threads.h"

namespace {

// Each test forks from main and from another thread.
class ForkInheritance : public testing::TestWithParam<bool> {
 protected:
  // What the child's work returns.
  int in_a_child_of_here(std::function<int()> work) {
    if (!GetParam()) return end_of_child(work);
    return static_cast<int>(reinterpret_cast<long>(join(start_thread([&] { return word(end_of_child(work)); }))));
  }
};
INSTANTIATE_TEST_SUITE_P(Fork, ForkInheritance, testing::Bool(),
                         [](auto& thread) { return thread.param ? "OfAThread" : "OfMain"; });

TEST_P(ForkInheritance, IntervalTimersAreNotInherited) {
  Handler handler(SIGALRM, [](int) {});
  itimerval far = {{}, {1000, 0}}, none = {};
  ASSERT_EQ(setitimer(ITIMER_REAL, &far, nullptr), 0);
  EXPECT_EQ(in_a_child_of_here([] {
              itimerval left;
              if (getitimer(ITIMER_REAL, &left) != 0) return 1;
              return left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0 && alarm(0) == 0 ? 0 : 2;
            }),
            0);
  setitimer(ITIMER_REAL, &none, &far);
  EXPECT_GT(far.it_value.tv_sec, 900);
}

TEST_P(ForkInheritance, TimersOfTheProcessAreNotInherited) {
  timer_t timer;
  sigevent nothing = {};
  nothing.sigev_notify = SIGEV_NONE;
  ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &nothing, &timer), 0);
  EXPECT_EQ(in_a_child_of_here([&] {
              itimerspec left;
              return timer_gettime(timer, &left) == -1 && errno == EINVAL ? 0 : 1;
            }),
            0);
  EXPECT_EQ(timer_delete(timer), 0);
}

TEST_P(ForkInheritance, RecordLocksAreNotInherited) {
  Descriptor file = memfd_create("locked", 0);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(fcntl(file, F_SETLK, &lock), 0);
  EXPECT_EQ(in_a_child_of_here([&] {
              struct flock again = {};
              again.l_type = F_WRLCK;
              return fcntl(file, F_SETLK, &again) == -1 && (errno == EAGAIN || errno == EACCES) ? 0 : 1;
            }),
            0);
}

TEST_P(ForkInheritance, LocksOfTheMemoryAreNotInherited) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mlock(page, 4096) != 0) GTEST_SKIP() << "no memory may be locked";
  EXPECT_EQ(in_a_child_of_here([] {
              FILE* status = fopen("/proc/self/status", "r");
              char line[256];
              long kilobytes = -1;
              while (fgets(line, sizeof line, status)) sscanf(line, "VmLck: %ld", &kilobytes);
              fclose(status);
              return static_cast<int>(kilobytes);
            }),
            0);
  munmap(page, 4096);
}

TEST_P(ForkInheritance, UsedTimeBeginsAtZero) {
  clock_t ends = clock() + CLOCKS_PER_SEC / 20;
  while (clock() < ends) continue;
  EXPECT_EQ(in_a_child_of_here([] {
              rusage usage;
              getrusage(RUSAGE_SELF, &usage);
              tms ticks;
              times(&ticks);
              return usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec < 40'000 && ticks.tms_cutime == 0 ? 0 : 1;
            }),
            0);
}

TEST_P(ForkInheritance, DeathSignalIsNotInherited) {
  ASSERT_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
  EXPECT_EQ(in_a_child_of_here([] {
              int signal = -1;
              return prctl(PR_GET_PDEATHSIG, &signal) == 0 ? signal : -1;
            }),
            0);
  ASSERT_EQ(prctl(PR_SET_PDEATHSIG, 0), 0);
}

TEST_P(ForkInheritance, OffsetOfAFileIsShared) {
  Descriptor file = memfd_create("shared", 0);
  send_text(file, "0123456789");
  lseek(file, 2, SEEK_SET);
  EXPECT_EQ(in_a_child_of_here([&] { return read_text(file, 3) == "234" ? 0 : 1; }), 0);
  EXPECT_EQ(read_text(file, 3), "567");
}

TEST_P(ForkInheritance, DescriptorFlagsAreCopiedAndStatusFlagsShared) {
  Connection pair = socket_pair(SOCK_STREAM);
  fcntl(pair.near, F_SETFD, FD_CLOEXEC);
  fcntl(pair.near, F_SETFL, O_RDWR | O_NONBLOCK);
  EXPECT_EQ(in_a_child_of_here([&] {
              if (fcntl(pair.near, F_GETFD) != FD_CLOEXEC) return 1;
              if (!(fcntl(pair.near, F_GETFL) & O_NONBLOCK)) return 2;
              fcntl(pair.near, F_SETFD, 0);
              fcntl(pair.near, F_SETFL, O_RDWR);
              return 0;
            }),
            0);
  EXPECT_EQ(fcntl(pair.near, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(pair.near, F_GETFL) & O_NONBLOCK, 0);
}

TEST_P(ForkInheritance, FlagThatTheChildSetsIsSeenByTheParentsCalls) {
  Connection pair = socket_pair(SOCK_STREAM);
  EXPECT_EQ(in_a_child_of_here([&] { return fcntl(pair.near, F_SETFL, O_RDWR | O_NONBLOCK); }), 0);
  char byte;
  EXPECT_EQ(recv(pair.near, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_P(ForkInheritance, MemoryIsACopyAndSharedMappingsAreShared) {
  static int copied;
  copied = 1;
  Shared<int> shared;
  *shared.operator->() = 1;
  EXPECT_EQ(in_a_child_of_here([&] {
              copied = 2;
              *shared.operator->() = 2;
              return 0;
            }),
            0);
  EXPECT_EQ(copied, 1);
  EXPECT_EQ(*shared.operator->(), 2);
}

TEST_P(ForkInheritance, MappingsThatSayDontForkAreNotInherited) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_EQ(madvise(page, 4096, MADV_DONTFORK), 0);
  EXPECT_EQ(in_a_child_of_here([&] {
              unsigned char there;
              return mincore(page, 4096, &there) == -1 && errno == ENOMEM ? 0 : 1;
            }),
            0);
  munmap(page, 4096);
}

TEST_P(ForkInheritance, ActionsGroupSessionAndDirectoryAreInherited) {
  Handler handler(SIGUSR2, [](int) {});
  Handler ignored(SIGUSR1, SIG_IGN);
  pid_t group = getpgrp(), session = getsid(0);
  char directory[4096];
  ASSERT_NE(getcwd(directory, sizeof directory), nullptr);
  EXPECT_EQ(in_a_child_of_here([&] {
              struct sigaction action;
              sigaction(SIGUSR2, nullptr, &action);
              if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) return 1;
              sigaction(SIGUSR1, nullptr, &action);
              if (action.sa_handler != SIG_IGN) return 2;
              char here[4096];
              return getpgrp() == group && getsid(0) == session && std::string(getcwd(here, sizeof here)) == directory
                         ? 0
                         : 3;
            }),
            0);
}

TEST_P(ForkInheritance, BufferedOutputIsCopiedToo) {
  Connection output = pipe_connection();
  FILE* stream = fdopen(dup(output.far), "w");
  fputs("twice ", stream);
  pid_t child = -1;
  auto forks = [&] {
    child = fork();
    if (child == 0) {
      fclose(stream);
      _exit(0);
    }
    return nullptr;
  };
  if (GetParam()) {
    join(start_thread(forks));
  } else {
    forks();
  }
  EXPECT_EQ(end_of(child), 0);
  fclose(stream);
  output.far.reset();
  EXPECT_EQ(read_all(output.near), "twice twice ");
}

TEST_P(ForkInheritance, ThreadDataOfTheOthersIsNotRunDown) {
  // Keys have destructors; those of the threads that are not in the child never run there.
  static pthread_key_t key;
  static Shared<std::atomic<int>> destroyed;
  destroyed->store(0);
  pthread_key_create(&key, [](void*) { ++*destroyed.operator->(); });
  Connection gate = pipe_connection();
  std::atomic<bool> set = false;
  pthread_t other = start_thread([&] {
    pthread_setspecific(key, &gate);
    set = true;
    return word(read_text(gate.near).size());
  });
  EXPECT_TRUE(eventually(set));
  EXPECT_EQ(in_a_child_of_here([] {
              join(start_thread([]() -> void* { return nullptr; }));
              return destroyed->load();
            }),
            0);
  send_text(gate.far, "x");
  EXPECT_EQ(join(other), word(1));
  EXPECT_EQ(destroyed->load(), 1);
  pthread_key_delete(key);
}

}  // namespace
