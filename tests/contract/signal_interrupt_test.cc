// What a handler does to the call that it interrupts: EINTR, or on again, as signal(7) says.
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "child.h"
#include "patience.h"
#include "signals.h"

namespace {

std::atomic<int> handled;
void note(int) { ++handled; }

// Calls in another thread, and sends that thread signals until it has returned; the first may come before the call.
void interrupt(std::function<void()> call) {
  std::atomic<bool> coming = false, done = false;
  std::thread caller([&] {
    coming = true;
    call();
    done = true;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  EXPECT_TRUE(eventually([&] { return pthread_kill(caller.native_handle(), SIGUSR1), done.load(); }));
  caller.join();
}

// Calls in another thread, lets handlers interrupt it a few times, and then lets the call succeed.
void interrupt_and_let_go(std::function<void()> call, std::function<void()> let_go) {
  std::atomic<bool> coming = false, done = false;
  handled = 0;
  std::thread caller([&] {
    coming = true;
    call();
    done = true;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(pthread_kill(caller.native_handle(), SIGUSR1), 0);
    EXPECT_TRUE(eventually([&] { return handled >= i; }));
    let_others_run();
    EXPECT_FALSE(done);
  }
  let_go();
  caller.join();
}

void expect_eintr(std::function<long()> call) {
  interrupt([&] {
    errno = 0;
    EXPECT_EQ(call(), -1);
    EXPECT_EQ(errno, EINTR);
  });
}

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close(ends_[0]);
    close_in();
  }
  void close_in() {
    if (ends_[1] != -1) close(ends_[1]);
    ends_[1] = -1;
  }
  int out() const { return ends_[0]; }
  int in() const { return ends_[1]; }

 private:
  int ends_[2];
};

// Calls that end with EINTR, with or without SA_RESTART.
class NeverRestarted : public testing::TestWithParam<int> {
 protected:
  Handler handler_{SIGUSR1, note, GetParam()};
  Pipe pipe_;
};
INSTANTIATE_TEST_SUITE_P(Flags, NeverRestarted, testing::Values(0, SA_RESTART),
                         [](auto& flags) { return flags.param ? "restart" : "plain"; });

TEST_P(NeverRestarted, Poll) {
  pollfd entry{.fd = pipe_.out(), .events = POLLIN, .revents = 0};
  expect_eintr([&] { return poll(&entry, 1, -1); });
  expect_eintr([&] { return ppoll(&entry, 1, nullptr, nullptr); });
  expect_eintr([&] { return poll(nullptr, 0, 1000'000); });
}

TEST_P(NeverRestarted, Select) {
  auto wait = [&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_.out(), &set);
    return select(pipe_.out() + 1, &set, nullptr, nullptr, nullptr);
  };
  expect_eintr(wait);
  expect_eintr([] { return pselect(0, nullptr, nullptr, nullptr, nullptr, nullptr); });
}

TEST_P(NeverRestarted, EpollWait) {
  int set = epoll_create1(0);
  ASSERT_NE(set, -1);
  epoll_event event;
  expect_eintr([&] { return epoll_wait(set, &event, 1, -1); });
  expect_eintr([&] { return epoll_pwait(set, &event, 1, -1, nullptr); });
  close(set);
}

TEST_P(NeverRestarted, Sleeps) {
  timespec duration = {1000, 0};
  expect_eintr([&] { return nanosleep(&duration, nullptr); });
  expect_eintr([] { return usleep(1000'000'000); });
  interrupt([&] { EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr), EINTR); });
  interrupt([] { EXPECT_GT(sleep(1000), 0u); });
}

TEST_P(NeverRestarted, PauseAndSigsuspend) {
  expect_eintr([] { return pause(); });
  sigset_t none = set_of({});
  expect_eintr([&] { return sigsuspend(&none); });
}

TEST_P(NeverRestarted, SignalWaits) {
  sigset_t set = set_of({SIGUSR2});
  timespec long_time = {1000, 0};
  expect_eintr([&] { return sigtimedwait(&set, nullptr, &long_time); });
  expect_eintr([&] { return sigwaitinfo(&set, nullptr); });
}

TEST_P(NeverRestarted, SocketCallsWithATimeout) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  timeval timeout = {1000, 0};
  ASSERT_EQ(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
  char byte;
  expect_eintr([&] { return recv(pair[0], &byte, 1, 0); });
  expect_eintr([&] { return read(pair[0], &byte, 1); });
  close(pair[0]);
  close(pair[1]);
}

TEST_P(NeverRestarted, TimedSemaphoreAndFutexWaits) {
  sem_t semaphore;
  std::atomic<int> word = 0;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  timespec real = in_milliseconds(1000'000), monotonic = in_milliseconds(1000'000, CLOCK_MONOTONIC);
  timespec long_time = {1000, 0};
  expect_eintr([&] { return sem_timedwait(&semaphore, &real); });
  expect_eintr([&] { return sem_clockwait(&semaphore, CLOCK_MONOTONIC, &monotonic); });
  expect_eintr([&] { return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &long_time, nullptr, 0); });
}

// What is done of a transfer when a handler comes is its result.
TEST_P(NeverRestarted, TransfersOfWhichAPartIsDone) {
  static char many[1 << 20];
  interrupt([&] { EXPECT_EQ(write(pipe_.in(), many, sizeof many), 65536); });
  iovec parts[2] = {{many, 10}, {many, sizeof many}};
  Pipe other;
  interrupt([&] { EXPECT_EQ(writev(other.in(), parts, 2), 65536); });
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  interrupt([&] {
    long sent = send(pair[0], many, sizeof many, 0);
    EXPECT_GT(sent, 0);
    EXPECT_LT(sent, (long)sizeof many);
  });
  EXPECT_EQ(send(pair[1], "abc", 3, 0), 3);
  interrupt([&] { EXPECT_EQ(recv(pair[0], many, 10, MSG_WAITALL), 3); });
  close(pair[0]);
  close(pair[1]);
}

TEST(WithoutRestart, ReadAndRecvEndWithEintr) {
  Handler handler(SIGUSR1, note);
  Pipe pipe;
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  char byte;
  expect_eintr([&] { return read(pipe.out(), &byte, 1); });
  expect_eintr([&] { return recv(pair[0], &byte, 1, 0); });
  expect_eintr([&] { return recv(pair[0], &byte, 1, MSG_WAITALL); });
  close(pair[0]);
  close(pair[1]);
}

TEST(WithoutRestart, WriteToAFullPipeEndsWithEintrOrWhatWasWritten) {
  Handler handler(SIGUSR1, note);
  Pipe pipe;
  static char page[4096];
  for (int i = 0; i < 16; ++i) ASSERT_EQ(write(pipe.in(), page, sizeof page), 4096);
  expect_eintr([&] { return write(pipe.in(), page, sizeof page); });
}

TEST(WithoutRestart, SemaphoreWaitsEndWithEintr) {
  Handler handler(SIGUSR1, note);
  sem_t semaphore;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  expect_eintr([&] { return sem_wait(&semaphore); });
}

TEST(WithoutRestart, WaitpidEndsWithEintr) {
  Handler handler(SIGUSR1, note);
  Pipe pipe;
  pid_t child = start_child([&] {
    char byte;
    pipe.close_in();
    return static_cast<int>(read(pipe.out(), &byte, 1));
  });
  expect_eintr([&] { return waitpid(child, nullptr, 0); });
  pipe.close_in();
  EXPECT_EQ(end_of(child), 0);
}

class Restarted : public testing::Test {
 protected:
  Handler handler_{SIGUSR1, note, SA_RESTART};
};

TEST_F(Restarted, ReadGoesOn) {
  Pipe pipe;
  interrupt_and_let_go(
      [&] {
        char byte = 0;
        EXPECT_EQ(keeping_errno([&] { return read(pipe.out(), &byte, 1); }), 1);
        EXPECT_EQ(byte, 'x');
      },
      [&] { EXPECT_EQ(write(pipe.in(), "x", 1), 1); });
}

TEST_F(Restarted, RecvAndAcceptGoOn) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  interrupt_and_let_go(
      [&] {
        char byte = 0;
        EXPECT_EQ(recv(pair[0], &byte, 1, 0), 1);
      },
      [&] { EXPECT_EQ(send(pair[1], "x", 1, 0), 1); });
  close(pair[0]);
  close(pair[1]);
}

TEST_F(Restarted, SemaphoreWaitsGoOn) {
  sem_t semaphore;
  ASSERT_EQ(sem_init(&semaphore, 0, 0), 0);
  interrupt_and_let_go([&] { EXPECT_EQ(keeping_errno([&] { return sem_wait(&semaphore); }), 0); },
                       [&] { EXPECT_EQ(sem_post(&semaphore), 0); });
}

TEST_F(Restarted, WaitpidGoesOn) {
  Pipe pipe;
  pid_t child = start_child([&] {
    char byte;
    pipe.close_in();
    return static_cast<int>(read(pipe.out(), &byte, 1)) + 47;
  });
  interrupt_and_let_go([&] { EXPECT_EQ(end_of(child), 47); }, [&] { pipe.close_in(); });
}

TEST_F(Restarted, FutexWaitGoesOn) {
  std::atomic<int> word = 0;
  interrupt_and_let_go(
      [&] { EXPECT_EQ(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, nullptr, nullptr, 0), 0); },
      [&] { EXPECT_TRUE(eventually([&] { return syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1) == 1; })); });
}

}  // namespace
