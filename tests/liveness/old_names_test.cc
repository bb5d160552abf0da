// Calls under their other names let others run while they wait, as under their own.
#include "../contract/old_names.h"

#include <sys/sendfile.h>
#include <sys/uio.h>

#include "../contract/child.h"
#include "../contract/mutexes.h"
#include "../contract/signals.h"
#include "alive.h"
#include "witness.h"

namespace {

// --- calls that wait for data ----------------------------------------------------------------------------------------

struct Reader {
  const char* name;
  ssize_t (*call)(int fd);
};

char buffer[16];
iovec piece = {buffer, sizeof buffer};

ssize_t poll_once(int fd) {
  pollfd one = {fd, POLLIN, 0};
  return __poll(&one, 1, -1);
}

ssize_t select_once(int fd) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  return __select(fd + 1, &set, nullptr, nullptr, nullptr);
}

const Reader readers[] = {
    {"__read", [](int fd) { return __read(fd, buffer, sizeof buffer); }},
    {"__recv", [](int fd) { return __recv(fd, buffer, sizeof buffer, 0); }},
    {"preadv64v2", [](int fd) { return preadv64v2(fd, &piece, 1, -1, 0); }},
    {"__poll", poll_once},
    {"__select", select_once},
};

TEST(OldNames, ThatReadLetTheWriterRun) {
  for (const Reader& reader : readers) {
    SCOPED_TRACE(reader.name);
    Connection ends = connection(Kind::tcp);
    EXPECT_GT(alive([&] { return reader.call(ends.near); }, [&] { send_text(ends.far, "sent"); }), 0);
  }
}

// --- calls that wait for room ----------------------------------------------------------------------------------------

struct Writer {
  const char* name;
  ssize_t (*call)(int fd, std::string& all);
};

ssize_t send_file(int fd, std::string& all) {
  Descriptor file = checked(open("/tmp", O_TMPFILE | O_RDWR, 0600), "open");
  send_text(file, all);
  off64_t offset = 0;
  return sendfile64(fd, file, &offset, all.size());
}

ssize_t send_one_message(int fd, std::string& all) {
  iovec whole = {all.data(), all.size()};
  mmsghdr message{};
  message.msg_hdr.msg_iov = &whole;
  message.msg_hdr.msg_iovlen = 1;
  return __sendmmsg(fd, &message, 1, 0) == 1 ? message.msg_len : -1;
}

ssize_t write_one_vector(int fd, std::string& all) {
  iovec whole = {all.data(), all.size()};
  return pwritev64v2(fd, &whole, 1, -1, 0);
}

const Writer writers[] = {
    {"__write", [](int fd, std::string& all) { return __write(fd, all.data(), all.size()); }},
    {"__send", [](int fd, std::string& all) { return __send(fd, all.data(), all.size(), 0); }},
    {"__sendmmsg", send_one_message},
    {"pwritev64v2", write_one_vector},
    {"sendfile64", send_file},
};

TEST(OldNames, ThatWriteLetTheReaderRun) {
  for (const Writer& writer : writers) {
    SCOPED_TRACE(writer.name);
    Connection ends = connection(Kind::tcp);
    std::string all = pattern(12 << 20);
    EXPECT_EQ(
        alive([&] { return writer.call(ends.far, all); }, [&] { EXPECT_EQ(read_all(ends.near, all.size()), all); }),
        (ssize_t)all.size());
  }
}

// The kernel leaves a connection request unanswered while the listener's queue is full.
TEST(OldNames, ConnectLetsTheAcceptorRun) {
  Descriptor listening = listener(AF_INET, 1);
  Address address = name_of_socket(listening);
  Descriptor queued[] = {connected_to(listening), connected_to(listening)};
  Descriptor last = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
  EXPECT_EQ(alive([&] { return attempt(__connect, last, address.raw(), address.size); },
                  [&] {
                    for (int i = 0; i < 3; ++i) EXPECT_GE(Descriptor(accept(listening, nullptr, nullptr)), 0);
                  }),
            done(0));
}

// A lock that somebody else has.
template <typename Command>
void expect_holder_of_a_file_runs(Command command) {
  char name[] = "/tmp/unblock-old-names-XXXXXX";
  Descriptor file = checked(mkstemp(name), "mkstemp");
  Descriptor other = checked(open(name, O_RDWR), "open");
  unlink(name);
  flock whole{}, nothing{};
  whole.l_type = F_WRLCK;
  nothing.l_type = F_UNLCK;
  ASSERT_EQ(fcntl(file, F_OFD_SETLK, &whole), 0);
  EXPECT_EQ(alive([&] { return attempt(command, other, F_OFD_SETLKW, &whole); },
                  [&] { EXPECT_EQ(fcntl(file, F_OFD_SETLK, &nothing), 0); }),
            done(0));
}

TEST(OldNames, FcntlLetsTheHolderOfAFileLockRun) {
  expect_holder_of_a_file_runs([](int fd, int command, flock* lock) { return fcntl64(fd, command, lock); });
  expect_holder_of_a_file_runs([](int fd, int command, flock* lock) { return __fcntl(fd, command, lock); });
  expect_holder_of_a_file_runs([](int fd, int command, flock* lock) { return __libc_fcntl64(fd, command, lock); });
}

// --- locks -----------------------------------------------------------------------------------------------------------

void expect_the_waiter_gets_it(std::function<int()> lock, std::function<int()> unlock) {
  ASSERT_EQ(lock(), 0);
  auto take = [&] {
    EXPECT_EQ(lock(), 0);
    EXPECT_EQ(unlock(), 0);
  };
  expect_others_run_during(take, [&] { EXPECT_EQ(unlock(), 0); });
}

TEST(OldNames, MutexLetsTheHolderRun) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  expect_the_waiter_gets_it([&] { return old___pthread_mutex_lock(&mutex); },
                            [&] { return old___pthread_mutex_unlock(&mutex); });
}

// libc's own marks every robust mutex as one that processes share.
TEST(OldNames, RobustMutexLetsTheHolderRun) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t mutex;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ASSERT_EQ(old___pthread_mutex_init(&mutex, &attributes), 0);
  expect_the_waiter_gets_it([&] { return pthread_mutex_lock(&mutex); }, [&] { return pthread_mutex_unlock(&mutex); });
}

TEST(OldNames, RwlockLetsTheHolderRun) {
  pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  auto unlock = [&] { return old___pthread_rwlock_unlock(&lock); };
  expect_the_waiter_gets_it([&] { return old___pthread_rwlock_wrlock(&lock); }, unlock);
  ASSERT_EQ(pthread_rwlock_wrlock(&lock), 0);
  auto read = [&] {
    EXPECT_EQ(old___pthread_rwlock_rdlock(&lock), 0);
    EXPECT_EQ(unlock(), 0);
  };
  expect_others_run_during(read, [&] { EXPECT_EQ(unlock(), 0); });
}

TEST(OldNames, OnceLetsTheInitialiserRun) {
  static pthread_once_t control = PTHREAD_ONCE_INIT;
  static Event begun, may_end;
  Background first([] {
    return pthread_once(&control, [] {
      begun.happen();
      may_end.wait();
    });
  });
  begun.wait();
  expect_others_run_during([] { EXPECT_EQ(old___pthread_once(&control, [] { ADD_FAILURE(); }), 0); },
                           [] { may_end.happen(); });
  EXPECT_EQ(first.answer(), 0);
}

// --- time, signals, children -----------------------------------------------------------------------------------------

TEST(OldNames, YieldLetsOthersRun) {
  for (auto yield : {__sched_yield, old_pthread_yield}) {
    std::atomic<bool> ran = false;
    std::thread other([&] { ran = true; });
    timespec deadline = in_milliseconds(20'000, CLOCK_MONOTONIC);
    while (!ran && !is_over(deadline, CLOCK_MONOTONIC)) EXPECT_EQ(yield(), 0);
    EXPECT_TRUE(ran);
    other.join();
  }
}

TEST(OldNames, SleepLetsOthersRun) {
  timespec duration = {1000, 0};
  expect_others_run_until_a_signal_ends([&] { EXPECT_EQ(__nanosleep(&duration, nullptr), -1); });
}

TEST(OldNames, SigsuspendLetsOthersRun) {
  sigset_t none = set_of({});
  expect_others_run_until_a_signal_ends([&] { EXPECT_EQ(__sigsuspend(&none), -1); });
}

TEST(OldNames, SigtimedwaitLetsTheSenderRun) {
  Blocked blocked({SIGUSR2});
  sigset_t set = set_of({SIGUSR2});
  timespec long_time = {1000, 0};
  expect_others_run_during([&] { EXPECT_EQ(__sigtimedwait(&set, nullptr, &long_time), SIGUSR2); },
                           [] { EXPECT_EQ(kill(getpid(), SIGUSR2), 0); });
}

TEST(OldNames, WaitsForAChildLetOthersRun) {
  for (auto wait : {+[](pid_t, int*status) { return __wait(status); },
                    +[](pid_t child, int*status) { return __waitpid(child, status, 0); }}) {
    Shared<std::atomic<bool>> may_end;
    pid_t child = start_child([&] { return eventually([&] { return may_end->load(); }) ? 47 : 1; });
    auto wait_for_child = [&] {
      int status = 0;
      EXPECT_EQ(wait(child, &status), child);
      EXPECT_EQ(WEXITSTATUS(status), 47);
    };
    expect_others_run_during(wait_for_child, [&] { *may_end.operator->() = true; });
  }
}

}  // namespace
