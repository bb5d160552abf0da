// Every cancellation point of POSIX that can wait: a request ends a thread that waits in it, and one that comes to it
// with the request made; cleanup handlers run, the result is PTHREAD_CANCELED, and what it waited for is as before.
// Then the asynchronous type, which needs no cancellation point.
#include <aio.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "child.h"
#include "connection.h"
#include "signals.h"
#include "threads.h"

namespace {

struct Cleanup {
  static void run(void* flag) { *static_cast<std::atomic<int>*>(flag) += 1; }
};

// A thread inside the call is cancelled; so is one that comes to the call after the request.
void expect_point(std::function<void()> call) {
  for (bool before : {false, true}) {
    std::atomic<int> cleaned = 0;
    std::atomic<bool> coming = false, asked = false, came_back = false;
    pthread_t thread = start_thread([&] {
      pthread_cleanup_push(Cleanup::run, &cleaned);
      coming = true;
      if (before) {
        while (!asked) sched_yield();
      }
      call();
      came_back = true;
      pthread_cleanup_pop(0);
      return nullptr;
    });
    EXPECT_TRUE(eventually(coming));
    if (!before) let_others_run();
    EXPECT_EQ(pthread_cancel(thread), 0);
    asked = true;
    EXPECT_EQ(join(thread), PTHREAD_CANCELED) << (before ? "asked before" : "asked inside");
    EXPECT_EQ(cleaned, 1);
    EXPECT_FALSE(came_back);
  }
}

const timespec long_time = {1000, 0};

TEST(CancelPoint, Reads) {
  Connection pipe = pipe_connection(), tcp = connection(Kind::tcp);
  char byte;
  iovec part = {&byte, 1};
  expect_point([&] { (void)!read(pipe.near, &byte, 1); });
  expect_point([&] { (void)!readv(pipe.near, &part, 1); });
  expect_point([&] { (void)!read(tcp.near, &byte, 1); });
  expect_point([&] { recv(tcp.near, &byte, 1, 0); });
  expect_point([&] { recvfrom(tcp.near, &byte, 1, 0, nullptr, nullptr); });
  expect_point([&] {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    recvmsg(tcp.near, &message, 0);
  });
  send_text(tcp.far, "x");
  EXPECT_EQ(read_text(tcp.near), "x");
  send_text(pipe.far, "y");
  EXPECT_EQ(read_text(pipe.near), "y");
}

TEST(CancelPoint, Writes) {
  Connection pipe = pipe_connection();
  std::string much(1 << 20, 'x');
  iovec part = {much.data(), much.size()};
  fcntl(pipe.far, F_SETFL, O_NONBLOCK);
  while (write(pipe.far, much.data(), much.size()) > 0) continue;
  fcntl(pipe.far, F_SETFL, 0);
  expect_point([&] { (void)!write(pipe.far, much.data(), much.size()); });
  expect_point([&] { (void)!writev(pipe.far, &part, 1); });
  Connection pair = connection(Kind::unix_pair);
  while (send(pair.far, much.data(), 4096, MSG_DONTWAIT) > 0) continue;
  expect_point([&] { send(pair.far, much.data(), much.size(), 0); });
  expect_point([&] { sendto(pair.far, much.data(), much.size(), 0, nullptr, 0); });
  expect_point([&] {
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    sendmsg(pair.far, &message, 0);
  });
}

TEST(CancelPoint, AcceptLeavesTheListenerAlone) {
  Descriptor listening = listener();
  expect_point([&] { accept(listening, nullptr, nullptr); });
  expect_point([&] { accept4(listening, nullptr, nullptr, 0); });
  EXPECT_EQ(fcntl(listening, F_GETFL) & O_NONBLOCK, 0);
  Descriptor one = connected_to(listening);
  Descriptor other = accept(listening, nullptr, nullptr);
  EXPECT_GE(other, 0);
}

TEST(CancelPoint, Polls) {
  Connection pipe = pipe_connection();
  pollfd one = {pipe.near, POLLIN, 0};
  sigset_t none = set_of({});
  expect_point([&] { poll(&one, 1, -1); });
  expect_point([&] { ppoll(&one, 1, nullptr, &none); });
  expect_point([&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe.near, &set);
    select(pipe.near + 1, &set, nullptr, nullptr, nullptr);
  });
  expect_point([&] {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe.near, &set);
    pselect(pipe.near + 1, &set, nullptr, nullptr, nullptr, &none);
  });
  expect_point([&] { select(0, nullptr, nullptr, nullptr, nullptr); });
  Descriptor epoll = checked(epoll_create1(0), "epoll_create1");
  epoll_event event{};
  expect_point([&] { epoll_wait(epoll, &event, 1, -1); });
  expect_point([&] { epoll_pwait(epoll, &event, 1, -1, &none); });
}

TEST(CancelPoint, Sleeps) {
  expect_point([] { sleep(1000); });
  expect_point([] { usleep(999'999'999); });
  expect_point([] { nanosleep(&long_time, nullptr); });
  expect_point([] { clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, nullptr); });
}

TEST(CancelPoint, SignalWaits) {
  Blocked blocked({SIGUSR2});
  sigset_t set = set_of({SIGUSR2});
  int signal;
  expect_point([] { pause(); });
  expect_point([&] { sigsuspend(&set); });
  expect_point([&] { sigwait(&set, &signal); });
  expect_point([&] { sigwaitinfo(&set, nullptr); });
  expect_point([&] { sigtimedwait(&set, nullptr, &long_time); });
  raise(SIGUSR2);  // nobody waits for it any more
  EXPECT_TRUE(is_pending(SIGUSR2));
  EXPECT_EQ(sigwaitinfo(&set, nullptr), SIGUSR2);
}

TEST(CancelPoint, ChildWaitsLeaveTheChildToBeReaped) {
  Shared<std::atomic<bool>> may_end;
  pid_t child = start_child([&] { return eventually([&] { return may_end->load(); }) ? 47 : 1; });
  expect_point([] { wait(nullptr); });
  expect_point([&] { waitpid(child, nullptr, 0); });
  expect_point([] { waitpid(-1, nullptr, 0); });
  expect_point([&] { wait4(child, nullptr, 0, nullptr); });
  expect_point([&] {
    siginfo_t info;
    waitid(P_PID, child, &info, WEXITED);
  });
  *may_end.operator->() = true;
  EXPECT_EQ(end_of(child), 47);
}

TEST(CancelPoint, Locks) {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  timespec late = in_milliseconds(1'000'000);
  expect_point([&] { sem_wait(&semaphore); });
  expect_point([&] { sem_timedwait(&semaphore, &late); });
  expect_point([&] { sem_clockwait(&semaphore, CLOCK_REALTIME, &late); });
  sem_post(&semaphore);
  EXPECT_EQ(sem_trywait(&semaphore), 0);
  sem_destroy(&semaphore);
}

TEST(CancelPoint, ConditionWaitsTakeTheMutexFirst) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  timespec late = in_milliseconds(1'000'000);
  auto under_mutex = [&](std::function<void()> wait) {
    expect_point([&, wait] {
      pthread_mutex_lock(&mutex);
      pthread_cleanup_push([](void* given) { EXPECT_EQ(pthread_mutex_unlock((pthread_mutex_t*)given), 0); }, &mutex);
      wait();
      pthread_cleanup_pop(1);
    });
  };
  under_mutex([&] {
    for (;;) pthread_cond_wait(&condition, &mutex);
  });
  under_mutex([&] {
    for (;;) pthread_cond_timedwait(&condition, &mutex, &late);
  });
  EXPECT_EQ(pthread_mutex_trylock(&mutex), 0);
  pthread_mutex_unlock(&mutex);
}

TEST(CancelPoint, MessageQueues) {
  int queue = checked(msgget(IPC_PRIVATE, 0600), "msgget");
  struct {
    long type;
    char text[512];
  } message = {1, {}};
  expect_point([&] { msgrcv(queue, &message, sizeof message.text, 0, 0); });
  while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0) continue;
  expect_point([&] { msgsnd(queue, &message, sizeof message.text, 0); });
  msgctl(queue, IPC_RMID, nullptr);

  char name[64];
  snprintf(name, sizeof name, "/unblock-test-%d", getpid());
  mq_attr few = {};
  few.mq_maxmsg = 1;
  few.mq_msgsize = 16;
  mqd_t posix = mq_open(name, O_CREAT | O_RDWR | O_EXCL, 0600, &few);
  if (posix == (mqd_t)-1) GTEST_SKIP() << "no POSIX message queues here";
  mq_unlink(name);
  char text[16];
  timespec late = in_milliseconds(1'000'000);
  expect_point([&] { mq_receive(posix, text, sizeof text, nullptr); });
  expect_point([&] { mq_timedreceive(posix, text, sizeof text, nullptr, &late); });
  mq_send(posix, "x", 1, 0);
  expect_point([&] { mq_send(posix, "x", 1, 0); });
  expect_point([&] { mq_timedsend(posix, "x", 1, 0, &late); });
  mq_close(posix);
}

TEST(CancelPoint, FileLocks) {
  char name[] = "/tmp/unblock-test-XXXXXX";
  Descriptor file = checked(mkstemp(name), "mkstemp");
  unlink(name);
  Shared<std::atomic<int>> stage;
  pid_t holder = start_child([&] {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    if (fcntl(file, F_SETLK, &whole) != 0) return 1;
    stage->store(1);
    return eventually([&] { return stage->load() == 2; }) ? 0 : 2;
  });
  EXPECT_TRUE(eventually([&] { return stage->load() == 1; }));
  expect_point([&] {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    fcntl(file, F_SETLKW, &whole);
  });
  expect_point([&] { (void)!lockf(file, F_LOCK, 0); });
  stage->store(2);
  EXPECT_EQ(end_of(holder), 0);
}

TEST(CancelPoint, OpenOfAFifo) {
  char name[64];
  snprintf(name, sizeof name, "/tmp/unblock-test-fifo-%d", getpid());
  ASSERT_EQ(mkfifo(name, 0600), 0);
  expect_point([&] { open(name, O_RDONLY); });
  unlink(name);
}

TEST(CancelPoint, Stdio) {
  Connection pipe = pipe_connection();
  FILE* stream = fdopen(dup(pipe.near), "r");
  char line[16];
  expect_point([&] { (void)!fgets(line, sizeof line, stream); });
  expect_point([&] { fgetc(stream); });
  fclose(stream);
}

TEST(CancelPoint, JoinLeavesTheOtherJoinable) {
  std::atomic<bool> end = false;
  pthread_t other = start_thread([&] {
    EXPECT_TRUE(eventually(end));
    return word(47);
  });
  timespec late = in_milliseconds(1'000'000);
  expect_point([&] { pthread_join(other, nullptr); });
  expect_point([&] { pthread_timedjoin_np(other, nullptr, &late); });
  end = true;
  EXPECT_EQ(join(other), word(47));
}

TEST(CancelPoint, ClosesAndOpensWhenAskedBefore) {
  Descriptor file = open("/dev/null", O_RDONLY);
  std::atomic<bool> asked = false;
  pthread_t thread = start_thread([&] {
    while (!asked) sched_yield();
    open("/dev/null", O_RDONLY);
    return nullptr;
  });
  pthread_cancel(thread);
  asked = true;
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
  asked = false;
  thread = start_thread([&] {
    while (!asked) sched_yield();
    close(file);
    return nullptr;
  });
  pthread_cancel(thread);
  asked = true;
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
  EXPECT_GE(fcntl(file, F_GETFD), 0) << "the descriptor was closed";
}

// --- asynchronous ----------------------------------------------------------------------------------------------------

void expect_asynchronous(
    std::function<void()> work, std::function<void()> meanwhile = [] {}) {
  std::atomic<bool> coming = false;
  pthread_t thread = start_thread([&] {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    coming = true;
    work();
    return nullptr;
  });
  EXPECT_TRUE(eventually(coming));
  let_others_run();
  meanwhile();
  EXPECT_EQ(pthread_cancel(thread), 0);
  EXPECT_EQ(join(thread), PTHREAD_CANCELED);
}

TEST(AsynchronousCancel, EndsAThreadThatComputes) {
  expect_asynchronous([] {
    for (volatile long i = 0;; i = i + 1) continue;
  });
}

TEST(AsynchronousCancel, EndsAThreadThatYields) {
  expect_asynchronous([] {
    for (;;) sched_yield();
  });
}

TEST(AsynchronousCancel, EndsAWaitForAMutex) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  expect_asynchronous([&] { pthread_mutex_lock(&mutex); });
  pthread_mutex_unlock(&mutex);
  EXPECT_EQ(pthread_mutex_lock(&mutex), 0);
  pthread_mutex_unlock(&mutex);
}

TEST(AsynchronousCancel, EndsAWaitAtABarrierAndForARwlock) {
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, 2);
  expect_asynchronous([&] { pthread_barrier_wait(&barrier); });
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  pthread_rwlock_wrlock(&lock);
  expect_asynchronous([&] { pthread_rwlock_rdlock(&lock); });
  pthread_rwlock_unlock(&lock);
}

TEST(AsynchronousCancel, EndsASleepAndARead) {
  Connection pipe = pipe_connection();
  char byte;
  expect_asynchronous([] { sleep(1000); });
  expect_asynchronous([&] { (void)!read(pipe.near, &byte, 1); });
}

TEST(AsynchronousCancel, OfAJoinLeavesTheOtherJoinable) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> go = false;
    pthread_t other = start_thread([&] { return eventually(go) ? word(4711) : nullptr; });
    expect_asynchronous([&] { pthread_join(other, nullptr); });
    go = true;
    EXPECT_EQ(join(other), word(4711));
  }
}

TEST(AsynchronousCancel, WaitsForTheStateAndTheType) {
  std::atomic<bool> coming = false, asked = false;
  std::atomic<int> stage = 0;
  pthread_t thread = start_thread([&] {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    coming = true;
    while (!asked) sched_yield();
    stage = 1;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
    stage = 2;
    return nullptr;
  });
  EXPECT_TRUE(eventually(coming));
  pthread_cancel(thread);
  asked = true;
  join(thread);  // libc 2.36 leaves the result as it was when the state lets the request in
  EXPECT_EQ(stage, 1);
}

}  // namespace
