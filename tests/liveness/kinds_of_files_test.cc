// Reads of terminals, FIFOs, events and timers let others run while they wait.
#include <pty.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "alive.h"

namespace {

TEST(Fifo, ReadAndWrite) {
  char folder[] = "/tmp/unblock-alive-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  std::string path = std::string(folder) + "/fifo";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  Descriptor near = open(path.c_str(), O_RDWR), far = open(path.c_str(), O_RDWR);
  EXPECT_EQ(alive([&] { return read_text(near); }, [&] { send_text(far, "x"); }), "x");
  const std::string big = pattern(1 << 20);
  EXPECT_EQ(alive([&] { return attempt(write, far, big.data(), big.size()); },
                  [&] { EXPECT_EQ(read_all(near, big.size()), big); }),
            done(big.size()));
  unlink(path.c_str());
  rmdir(folder);
}

TEST(Terminal, ReadsOfBothEnds) {
  int ends[2];
  ASSERT_EQ(openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
  Descriptor master = ends[0], slave = ends[1];
  EXPECT_EQ(alive([&] { return read_text(slave); }, [&] { send_text(master, "line\n"); }), "line\n");
  EXPECT_EQ(read_text(master), "line\r\n") << "the echo";
  EXPECT_EQ(alive([&] { return read_text(master); }, [&] { send_text(slave, "x"); }), "x");
}

TEST(Eventfd, ReadAndWrite) {
  Descriptor event = eventfd(0, 0);
  uint64_t value = 0, one = 1, most = UINT64_MAX - 1;
  EXPECT_EQ(alive([&] { return attempt(read, event, &value, 8); }, [&] { EXPECT_EQ(write(event, &most, 8), 8); }),
            done(8));
  EXPECT_EQ(write(event, &most, 8), 8);
  EXPECT_EQ(alive([&] { return attempt(write, event, &one, 8); }, [&] { EXPECT_EQ(read(event, &value, 8), 8); }),
            done(8));
}

TEST(Timerfd, Read) {
  Descriptor timer = timerfd_create(CLOCK_MONOTONIC, 0);
  uint64_t count = 0;
  itimerspec soon = {{0, 0}, {0, 1000000}};
  EXPECT_EQ(alive([&] { return attempt(read, timer, &count, 8); },
                  [&] { EXPECT_EQ(timerfd_settime(timer, 0, &soon, nullptr), 0); }),
            done(8));
}

TEST(Signalfd, Read) {
  sigset_t user, before;
  sigemptyset(&user);
  sigaddset(&user, SIGUSR2);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &user, &before), 0);
  Descriptor signals = signalfd(-1, &user, 0);
  signalfd_siginfo info;
  EXPECT_EQ(alive([&] { return attempt(read, signals, &info, sizeof info); }, [&] { kill(getpid(), SIGUSR2); }),
            done(sizeof info));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(Inotify, Read) {
  char folder[] = "/tmp/unblock-alive-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  Descriptor watcher = inotify_init1(0);
  ASSERT_GE(inotify_add_watch(watcher, folder, IN_DELETE_SELF), 0);
  char buffer[512];
  EXPECT_GT(alive([&] { return attempt(read, watcher, buffer, sizeof buffer); }, [&] { rmdir(folder); }).result, 0);
}

}  // namespace
