// Descriptors that are neither sockets nor pipes: FIFOs, terminals, events, timers, files and what /proc offers.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "attempt.h"
#include "connection.h"
#include "patience.h"
#include "signals.h"
#include "threads.h"

namespace {

// A folder that goes with all that a test left in it.
class Folder {
 public:
  Folder() { checked(mkdtemp(path_) ? 0 : -1, "mkdtemp"); }
  ~Folder() {
    unlink(in("file").c_str());
    rmdir(path_);
  }
  std::string in(const char* name) const { return std::string(path_) + "/" + name; }
  const char* path() const { return path_; }

 private:
  char path_[40] = "/tmp/unblock-kinds-XXXXXX";
};

TEST(Fifo, ReadWaitsForAWriter) {
  Folder folder;
  ASSERT_EQ(mkfifo(folder.in("file").c_str(), 0600), 0);
  Descriptor keeper = open(folder.in("file").c_str(), O_RDWR);
  Background reader([&] { return read_text(Descriptor(open(folder.in("file").c_str(), O_RDONLY))); });
  send_text(keeper, "through a FIFO");
  EXPECT_EQ(reader.answer(), "through a FIFO");
}

TEST(Fifo, OpenWaitsForTheOtherSide) {
  Folder folder;
  ASSERT_EQ(mkfifo(folder.in("file").c_str(), 0600), 0);
  Background reader([&] { return read_all(Descriptor(open(folder.in("file").c_str(), O_RDONLY))); });
  Descriptor writer = open(folder.in("file").c_str(), O_WRONLY);
  send_text(writer, "both here");
  writer.reset();
  EXPECT_EQ(reader.answer(), "both here");
}

TEST(Fifo, OpenWithoutAReaderIsRefusedIfItMayNotWait) {
  Folder folder;
  ASSERT_EQ(mkfifo(folder.in("file").c_str(), 0600), 0);
  EXPECT_EQ(attempt(open, folder.in("file").c_str(), O_WRONLY | O_NONBLOCK), failed(ENXIO));
  Descriptor reader = open(folder.in("file").c_str(), O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(read_text(reader), "");
}

TEST(Fifo, BigWritesAreWhole) {
  Folder folder;
  ASSERT_EQ(mkfifo(folder.in("file").c_str(), 0600), 0);
  Descriptor near = open(folder.in("file").c_str(), O_RDWR), far = open(folder.in("file").c_str(), O_RDWR);
  const std::string big = pattern(2 << 20);
  Background writer([&] { return attempt(write, far, big.data(), big.size()); });
  EXPECT_EQ(read_all(near, big.size()), big);
  EXPECT_EQ(writer.answer(), done(big.size()));
}

class Terminal : public testing::Test {
 protected:
  Terminal() {
    int ends[2];
    checked(openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), "openpty");
    master = ends[0];
    slave = ends[1];
  }
  Descriptor master, slave;
};

TEST_F(Terminal, ReadWaitsForALine) {
  Event complete;
  Background reader([&] {
    std::string line = read_text(slave);
    EXPECT_TRUE(complete.happened());
    return line;
  });
  send_text(master, "a line");
  complete.happen();
  send_text(master, "\n");
  EXPECT_EQ(reader.answer(), "a line\n");
}

TEST_F(Terminal, MasterReadWaitsForOutput) {
  Background reader([&] { return read_text(master); });
  send_text(slave, "output");
  EXPECT_EQ(reader.answer(), "output");
}

TEST_F(Terminal, RawReadHonoursMinimumAndTime) {
  termios mode;
  ASSERT_EQ(tcgetattr(slave, &mode), 0);
  cfmakeraw(&mode);
  mode.c_cc[VMIN] = 3;
  ASSERT_EQ(tcsetattr(slave, TCSANOW, &mode), 0);
  Background reader([&] { return read_text(slave); });
  send_text(master, "a");
  send_text(master, "bc");
  EXPECT_EQ(reader.answer(), "abc");
  mode.c_cc[VMIN] = 0;
  mode.c_cc[VTIME] = 1;
  ASSERT_EQ(tcsetattr(slave, TCSANOW, &mode), 0);
  EXPECT_EQ(read_text(slave), "") << "after a tenth of a second without a byte";
}

TEST_F(Terminal, ClosedSlaveIsAnErrorOfTheMaster) {
  char byte;
  Background reader([&] { return attempt(read, master, &byte, 1); });
  slave.reset();
  EXPECT_EQ(reader.answer(), failed(EIO));
}

TEST_F(Terminal, FlagsAreUntouched) {
  int before = fcntl(slave, F_GETFL);
  Background reader([&] { return read_text(slave); });
  send_text(master, "x\n");
  reader.answer();
  EXPECT_EQ(fcntl(slave, F_GETFL), before);
  EXPECT_EQ(before & O_NONBLOCK, 0);
}

TEST(Eventfd, ReadWaitsForACount) {
  Descriptor event = eventfd(0, 0);
  uint64_t value = 0, three = 3;
  Background reader([&] { return attempt(read, event, &value, sizeof value); });
  ASSERT_EQ(write(event, &three, sizeof three), 8);
  EXPECT_EQ(reader.answer(), done(8));
  EXPECT_EQ(value, 3u);
}

TEST(Eventfd, WriteWaitsForRoom) {
  uint64_t most = UINT64_MAX - 1, one = 1, value = 0;
  Descriptor event = eventfd(0, 0);
  ASSERT_EQ(write(event, &most, sizeof most), 8);
  Background writer([&] { return attempt(write, event, &one, sizeof one); });
  ASSERT_EQ(read(event, &value, sizeof value), 8);
  EXPECT_EQ(value, most);
  EXPECT_EQ(writer.answer(), done(8));
  EXPECT_EQ(attempt(read, event, &value, 4), failed(EINVAL));
}

TEST(Eventfd, SemaphoreCountsDownByOne) {
  Descriptor event = eventfd(2, EFD_SEMAPHORE);
  auto take = [&] {
    uint64_t value = 0;
    return attempt(read, event, &value, sizeof value);
  };
  Background a(take), b(take), c(take);
  uint64_t one = 1;
  ASSERT_EQ(write(event, &one, sizeof one), 8);
  for (auto* each : {&a, &b, &c}) EXPECT_EQ(each->answer(), done(8));
}

TEST(Timerfd, ReadWaitsForTheTimer) {
  Descriptor timer = timerfd_create(CLOCK_MONOTONIC, 0);
  itimerspec soon = {{0, 0}, {0, 20000000}};
  Stopwatch stopwatch;
  ASSERT_EQ(timerfd_settime(timer, 0, &soon, nullptr), 0);
  uint64_t count = 0;
  EXPECT_EQ(attempt(read, timer, &count, sizeof count), done(8));
  EXPECT_EQ(count, 1u);
  EXPECT_GE(stopwatch.microseconds(), 20000);
}

TEST(Timerfd, ReadWaitsForATimerSetLater) {
  Descriptor timer = timerfd_create(CLOCK_MONOTONIC, 0);
  uint64_t count = 0;
  Background reader([&] { return attempt(read, timer, &count, sizeof count); });
  itimerspec soon = {{0, 0}, {0, 1000000}};
  ASSERT_EQ(timerfd_settime(timer, 0, &soon, nullptr), 0);
  EXPECT_EQ(reader.answer(), done(8));
}

TEST(Signalfd, ReadWaitsForASignal) {
  sigset_t user, before;
  sigemptyset(&user);
  sigaddset(&user, SIGUSR2);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &user, &before), 0);
  Descriptor signals = signalfd(-1, &user, 0);
  signalfd_siginfo info{};
  Background reader([&] { return attempt(read, signals, &info, sizeof info); });
  kill(getpid(), SIGUSR2);
  EXPECT_EQ(reader.answer(), done(sizeof info));
  EXPECT_EQ(info.ssi_signo, unsigned(SIGUSR2));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Signals that are directed at the thread which reads, with what came with them; in the kernel's order.
TEST(Signalfd, GivesAThreadItsOwnSignals) {
  sigset_t two = set_of({SIGUSR2, SIGRTMIN + 1});
  Blocked blocked({SIGUSR2, SIGRTMIN + 1});
  Descriptor signals = signalfd(-1, &two, SFD_NONBLOCK);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR2), 0);
  ASSERT_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, {.sival_int = 7}), 0);
  ASSERT_EQ(raise(SIGUSR2), 0);
  pollfd entry = {signals, POLLIN, 0};
  EXPECT_EQ(attempt(poll, &entry, 1, 0), done(1));
  signalfd_siginfo found[3] = {};
  EXPECT_EQ(attempt(read, signals, &found[0], sizeof found), done(2 * sizeof found[0]));
  EXPECT_EQ(found[0].ssi_signo, unsigned(SIGUSR2));
  EXPECT_EQ(found[0].ssi_pid, unsigned(getpid()));
  EXPECT_EQ(found[1].ssi_signo, unsigned(SIGRTMIN + 1));
  EXPECT_EQ(found[1].ssi_int, 7);
  EXPECT_FALSE(is_pending(SIGUSR2));
}

TEST(Signalfd, WakesTheThreadThatASignalIsDirectedAt) {
  Blocked blocked({SIGUSR2});
  sigset_t user = set_of({SIGUSR2});
  Descriptor signals = signalfd(-1, &user, 0);
  signalfd_siginfo info{};
  std::atomic<bool> waits = false;
  pthread_t reader = start_thread([&] {
    waits = true;
    return word(read(signals, &info, sizeof info));
  });
  EXPECT_TRUE(eventually(waits));
  let_others_run();
  EXPECT_EQ(pthread_kill(reader, SIGUSR2), 0);
  EXPECT_EQ(join(reader), word(sizeof info));
  EXPECT_EQ(info.ssi_signo, unsigned(SIGUSR2));
}

TEST(Inotify, ReadWaitsForAChange) {
  Folder folder;
  Descriptor watcher = inotify_init1(0);
  ASSERT_GE(inotify_add_watch(watcher, folder.path(), IN_CREATE), 0);
  alignas(inotify_event) char buffer[512];
  Background reader([&] { return attempt(read, watcher, buffer, sizeof buffer).result > 0; });
  Descriptor file = open(folder.in("file").c_str(), O_CREAT | O_RDWR, 0600);
  EXPECT_TRUE(reader.answer());
  EXPECT_STREQ(reinterpret_cast<inotify_event*>(buffer)->name, "file");
}

TEST(RegularFile, ReadsWritesAndSeeks) {
  Folder folder;
  const std::string big = pattern(5 << 20);
  Descriptor file = open(folder.in("file").c_str(), O_CREAT | O_RDWR, 0600);
  EXPECT_EQ(attempt(write, file, big.data(), big.size()), done(big.size()));
  EXPECT_EQ(lseek(file, 0, SEEK_SET), 0);
  EXPECT_EQ(read_all(file), big);
  char piece[10];
  EXPECT_EQ(attempt(pread, file, piece, 10, 1000), done(10));
  EXPECT_EQ(std::string(piece, 10), big.substr(1000, 10));
  EXPECT_EQ(attempt(pwrite, file, "new", 3, big.size()), done(3));
  EXPECT_EQ(attempt(pread, file, piece, 10, big.size()), done(3));
  EXPECT_EQ(attempt(fsync, file), done(0));
  EXPECT_EQ(attempt(fdatasync, file), done(0));
}

TEST(RegularFile, NonBlockingMeansNothing) {
  Descriptor file = memfd_create("file", 0);
  ASSERT_EQ(fcntl(file, F_SETFL, O_NONBLOCK), 0);
  EXPECT_TRUE(fcntl(file, F_GETFL) & O_NONBLOCK);
  send_text(file, "content");
  EXPECT_EQ(lseek(file, 0, SEEK_SET), 0);
  EXPECT_EQ(read_text(file), "content");
  EXPECT_EQ(read_text(file), "");
}

TEST(RegularFile, AppendingThreadsLoseNothing) {
  Folder folder;
  auto append = [&](char mark) {
    Descriptor file = open(folder.in("file").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    for (int i = 0; i < 500; ++i) send_text(file, std::string(10, mark));
    return 0;
  };
  Background a([&] { return append('a'); });
  Background b([&] { return append('b'); });
  a.answer(), b.answer();
  EXPECT_EQ(read_all(Descriptor(open(folder.in("file").c_str(), O_RDONLY))).size(), 10000u);
}

TEST(Devices, NullZeroAndRandomAnswerAtOnce) {
  Descriptor null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR),
             random = open("/dev/urandom", O_RDONLY);
  EXPECT_EQ(read_text(null), "");
  EXPECT_EQ(attempt(write, null, "gone", 4), done(4));
  EXPECT_EQ(read_text(zero, 4), std::string(4, '\0'));
  EXPECT_EQ(read_text(random, 16).size(), 16u);
}

TEST(Proc, FilesAndFoldersAreReadToTheirEnd) {
  EXPECT_NE(read_all(Descriptor(open("/proc/self/maps", O_RDONLY))).find("stack"), std::string::npos);
  EXPECT_NE(read_all(Descriptor(open("/proc/self/status", O_RDONLY))).find("Threads"), std::string::npos);
  char byte;
  EXPECT_EQ(attempt(read, Descriptor(open("/proc", O_RDONLY)), &byte, 1), failed(EISDIR));
}

TEST(Devices, AreReadBesideWaitingThreads) {
  Connection ends = connection(Kind::tcp);
  Background reader([&] { return read_text(ends.near); });
  for (int i = 0; i < 1000; ++i) {
    Descriptor null = open("/dev/null", O_RDWR);
    EXPECT_EQ(read_text(null), "");
  }
  send_text(ends.far, "meanwhile");
  EXPECT_EQ(reader.answer(), "meanwhile");
}

}  // namespace
