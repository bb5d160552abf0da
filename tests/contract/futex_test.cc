// syscall(SYS_futex) as libstdc++, Rust, GLib and databases use it.
#include <gtest/gtest.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "child.h"
#include "patience.h"

namespace {

using Word = std::atomic<unsigned>;

long futex(Word* word, int operation, unsigned value, const void* timeout = nullptr, Word* second = nullptr,
           unsigned third = 0) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}

// The count of a requeue travels in the timeout's place.
const void* count(unsigned long number) { return reinterpret_cast<const void*>(number); }

long wait(Word* word, unsigned value, const timespec* timeout = nullptr) {
  return futex(word, FUTEX_WAIT_PRIVATE, value, timeout);
}

long wake(Word* word, unsigned count) { return futex(word, FUTEX_WAKE_PRIVATE, count); }

// Threads that wait on a word while it is 0, and count themselves when they are woken.
class Sleepers {
 public:
  explicit Sleepers(Word* word, unsigned bits = 0) : word_(word), bits_(bits) {}
  ~Sleepers() {
    for (auto& thread : threads_) thread.join();
  }
  void start(int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { run(); });
    EXPECT_TRUE(eventually([&] { return coming_ == count; }));
  }
  int woken() const { return woken_; }

 private:
  void run() {
    ++coming_;
    long result = bits_ ? futex(word_, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, bits_) : wait(word_, 0);
    EXPECT_EQ(result, 0);
    ++woken_;
  }

  Word* word_;
  unsigned bits_;
  std::atomic<int> coming_ = 0, woken_ = 0;
  std::vector<std::thread> threads_;
};

// Wakes until so many have been woken in all; a sleeper that has only announced itself is not there to be woken yet.
template <typename Wake>
void wake_in_all(int total, Wake wake_some) {
  int woken = 0;
  EXPECT_TRUE(eventually([&] { return (woken += wake_some()) >= total; }));
  EXPECT_EQ(woken, total);
}

TEST(FutexWait, IsEagainWhenTheWordHasChanged) {
  Word word = 1;
  EXPECT_EQ(wait(&word, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(FutexWait, ReturnsZeroAndLeavesErrnoWhenItIsWoken) {
  Word word = 0;
  std::thread sleeper([&] { EXPECT_EQ(keeping_errno([&] { return wait(&word, 0); }), 0); });
  wake_in_all(1, [&] { return wake(&word, 1); });
  sleeper.join();
}

TEST(FutexWait, TimesOutAfterARelativeTimeAndNotBefore) {
  Word word = 0;
  Stopwatch watch;
  timespec timeout = milliseconds(30), nothing = {0, 0};
  EXPECT_EQ(wait(&word, 0, &timeout), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
  EXPECT_GE(watch.milliseconds(), 30);
  EXPECT_EQ(wait(&word, 0, &nothing), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
}

TEST(FutexWait, ImpossibleTimeoutIsEinval) {
  Word word = 0;
  for (timespec wrong : {timespec{0, 1'000'000'000}, timespec{0, -1}, timespec{-1, 0}}) {
    EXPECT_EQ(wait(&word, 0, &wrong), -1);
    EXPECT_EQ(errno, EINVAL);
  }
}

TEST(FutexWait, SignalEndsItWithEintr) {
  struct sigaction action {
  }, before;
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  Word word = 0;
  std::atomic<bool> done = false;
  std::thread sleeper([&] {
    EXPECT_EQ(wait(&word, 0), -1);
    EXPECT_EQ(errno, EINTR);
    done = true;
  });
  EXPECT_TRUE(eventually([&] { return pthread_kill(sleeper.native_handle(), SIGUSR1), done.load(); }));
  sleeper.join();
  EXPECT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST(FutexWait, UnalignedWordIsEinval) {
  Word words[2] = {0, 0};
  auto* crooked = reinterpret_cast<Word*>(reinterpret_cast<char*>(words) + 1);
  EXPECT_EQ(wait(crooked, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(wake(crooked, 1), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(Futex, UnknownOperationIsEnosys) {
  Word word = 0;
  EXPECT_EQ(futex(&word, 126, 0), -1);
  EXPECT_EQ(errno, ENOSYS);
}

TEST(Futex, ClockOfAnOperationThatHasNoneIsEnosys) {
  Word word = 0, other = 0;
  for (int operation : {FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_WAKE_BITSET}) {
    for (int is_private : {0, FUTEX_PRIVATE_FLAG}) {
      EXPECT_EQ(futex(&word, operation | FUTEX_CLOCK_REALTIME | is_private, 1, nullptr, &other, 1), -1) << operation;
      EXPECT_EQ(errno, ENOSYS) << operation;
    }
  }
}

TEST(FutexRequeue, NegativeCountsAreEinval) {
  Word from = 0, to = 0;
  for (int operation : {FUTEX_REQUEUE_PRIVATE, FUTEX_CMP_REQUEUE_PRIVATE}) {
    EXPECT_EQ(futex(&from, operation, -1, count(1), &to, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(futex(&from, operation, 1, count(0xffffffff), &to, 0), -1);
    EXPECT_EQ(errno, EINVAL);
  }
}

TEST(FutexWakeOp, UnknownChangeOrComparisonIsEnosys) {
  Word first = 0, second = 0;
  EXPECT_EQ(futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, count(1), &second, 7u << 28), -1);
  EXPECT_EQ(errno, ENOSYS);
  EXPECT_EQ(futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, count(1), &second, 15u << 24), -1);
  EXPECT_EQ(errno, ENOSYS);
}

TEST(FutexWait, AtAWordOrForATimeThatIsNowhereIsEfault) {
  Word word = 0;
  for (int operation : {FUTEX_WAIT, FUTEX_WAIT_PRIVATE}) {
    EXPECT_EQ(futex(nullptr, operation, 0), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(futex(&word, operation, 0, count(8)), -1);
    EXPECT_EQ(errno, EFAULT);
  }
}

TEST(FutexWake, OfNobodyIsZero) {
  Word word = 0;
  EXPECT_EQ(keeping_errno([&] { return wake(&word, INT_MAX); }), 0);
}

TEST(FutexWake, WakesAsManyAsAskedAndSaysHowMany) {
  Word word = 0;
  {
    Sleepers sleepers(&word);
    sleepers.start(5);
    wake_in_all(2, [&] { return wake(&word, 1); });
    EXPECT_TRUE(eventually([&] { return sleepers.woken() == 2; }));
    let_others_run();
    EXPECT_EQ(sleepers.woken(), 2);
    wake_in_all(3, [&] { return wake(&word, INT_MAX); });
  }
}

TEST(FutexWake, DoesNotReachOtherWords) {
  Word words[2] = {0, 0};
  Sleepers sleepers(&words[0]);
  sleepers.start(1);
  let_others_run();
  EXPECT_EQ(wake(&words[1], INT_MAX), 0);
  EXPECT_EQ(sleepers.woken(), 0);
  wake_in_all(1, [&] { return wake(&words[0], 1); });
}

TEST(FutexBitset, WakesOnlyThoseWhoShareABit) {
  Word word = 0;
  auto wake_bits = [&](unsigned bits) {
    return futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, nullptr, nullptr, bits);
  };
  Sleepers odd(&word, 1), even(&word, 2);
  odd.start(2);
  even.start(2);
  let_others_run();
  EXPECT_EQ(wake_bits(4), 0);
  wake_in_all(2, [&] { return wake_bits(1 | 8); });
  EXPECT_EQ(even.woken(), 0);
  wake_in_all(2, [&] { return wake_bits(~0u); });
}

TEST(FutexBitset, NoBitsAreEinval) {
  Word word = 0;
  EXPECT_EQ(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, nullptr, nullptr, 0), -1);
  EXPECT_EQ(errno, EINVAL);
}

TEST(FutexBitset, TimeoutIsAMomentOnTheClockThatIsNamed) {
  Word word = 0;
  struct {
    int flag;
    clockid_t clock;
  } forms[] = {{0, CLOCK_MONOTONIC}, {FUTEX_CLOCK_REALTIME, CLOCK_REALTIME}};
  for (auto [flag, clock] : forms) {
    for (long count : {30L, -1000L}) {
      timespec moment = in_milliseconds(count, clock);
      EXPECT_EQ(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | flag, 0, &moment, nullptr, FUTEX_BITSET_MATCH_ANY), -1);
      EXPECT_EQ(errno, ETIMEDOUT);
      EXPECT_TRUE(is_over(moment, clock));
    }
  }
}

TEST(FutexRequeue, MovesSleepersToTheOtherWord) {
  Word from = 0, to = 0;
  Sleepers sleepers(&from);
  sleepers.start(3);
  int touched = 0;
  EXPECT_TRUE(
      eventually([&] { return (touched += futex(&from, FUTEX_REQUEUE_PRIVATE, 0, count(INT_MAX), &to)) == 3; }));
  EXPECT_EQ(wake(&from, INT_MAX), 0);
  EXPECT_EQ(sleepers.woken(), 0);
  wake_in_all(3, [&] { return wake(&to, 1); });
}

TEST(FutexCmpRequeue, WakesSomeMovesTheOthersAndCountsBoth) {
  Word from = 0, to = 0;
  Sleepers sleepers(&from);
  sleepers.start(4);
  long touched = 0;
  EXPECT_TRUE(
      eventually([&] { return (touched += futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 0, count(INT_MAX), &to, 0)) == 4; }));
  EXPECT_EQ(futex(&to, FUTEX_CMP_REQUEUE_PRIVATE, 1, count(1), &from, 0), 2);
  EXPECT_EQ(wake(&from, INT_MAX), 1);
  EXPECT_EQ(wake(&to, INT_MAX), 2);
}

TEST(FutexCmpRequeue, IsEagainWhenTheWordHasChanged) {
  Word from = 1, to = 0;
  EXPECT_EQ(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, count(1), &to, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST(FutexWakeOp, ChangesTheSecondWordAndWakesOnBothWhenTheComparisonHolds) {
  Word first = 0, second = 0;
  Sleepers at_first(&first), at_second(&second);
  at_first.start(1);
  at_second.start(1);
  let_others_run();
  // second += 5, and its old value is compared with 0.
  unsigned holds = FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0);
  unsigned fails = FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 4711);
  long woken = futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, count(1), &second, holds);
  EXPECT_EQ(second, 5u);
  woken += futex(&first, FUTEX_WAKE_OP_PRIVATE, 0, count(1), &second, fails);
  EXPECT_EQ(second, 9u);
  second = 0;  // for a sleeper that was late
  wake_in_all(2 - woken, [&] { return wake(&first, 1) + wake(&second, 1); });
}

constexpr size_t page = 4096;

struct Sharing {
  const char* name;
  void* (*memory)();
};

void* by_mmap() { return mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }
void* by_mmap64() { return mmap64(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }

// A place where nothing shared ever was, for one of them each.
template <int user>
void* fresh_place() {
  alignas(page) static char place[page];
  return place;
}

void* by_mremap() { return mremap(by_mmap(), page, page, MREMAP_MAYMOVE | MREMAP_FIXED, fresh_place<1>()); }

void* by_shmat() {
  int id = shmget(IPC_PRIVATE, page, 0600);
  void* memory = shmat(id, fresh_place<2>(), SHM_REMAP);
  shmctl(id, IPC_RMID, nullptr);
  return memory;
}

class SharedFutex : public testing::TestWithParam<Sharing> {};
INSTANTIATE_TEST_SUITE_P(Memory, SharedFutex,
                         testing::Values(Sharing{"mmap", by_mmap}, Sharing{"mmap64", by_mmap64},
                                         Sharing{"mremap", by_mremap}, Sharing{"shmat", by_shmat}),
                         [](auto& sharing) { return sharing.param.name; });

TEST_P(SharedFutex, WakesAnotherProcess) {
  void* memory = GetParam().memory();
  ASSERT_NE(memory, MAP_FAILED);
  Word& word = *new (memory) Word(0);
  pid_t child = start_child([&] { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, nullptr, nullptr, 0) == 0 ? 0 : 1; });
  EXPECT_TRUE(eventually([&] { return syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0) == 1; }));
  EXPECT_EQ(end_of(child), 0);
}

// The kernel wakes the waiter at the end of a thread that clone(2) made: nobody else could.
TEST(Futex, WordThatTheKernelClearsAtTheEndOfAThreadWakesItsWaiter) {
  static pid_t word;
  static char stack[64 << 10] __attribute__((aligned(16)));
  word = -1;
  int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID |
              CLONE_PARENT_SETTID;
  auto sleep_a_little = [](void*) __attribute__((no_sanitize("address", "thread"))) {
    // Without a thread block of its own it may call the kernel and nothing else.
    timespec moment = {0, 5'000'000};
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(SYS_nanosleep), "D"(&moment), "S"(nullptr) : "rcx", "r11", "memory");
    return 0;
  };
  std::thread waiter([&] {
    pid_t tid = clone(sleep_a_little, stack + sizeof stack, flags, nullptr, &word, nullptr, &word);
    ASSERT_GT(tid, 0);
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == tid) {
      syscall(SYS_futex, &word, FUTEX_WAIT, tid, nullptr, nullptr, 0);
    }
    EXPECT_EQ(word, 0);
  });
  waiter.join();
}

TEST(Futex, MutexBuiltOnItExcludesAndLosesNoWake) {
  Word word = 0;  // 0 free, 1 held, 2 held and somebody may wait
  long count = 0;
  auto lock = [&] {
    unsigned seen = 0;
    if (word.compare_exchange_strong(seen, 1)) return;
    while (word.exchange(2) != 0) wait(&word, 2);
  };
  auto unlock = [&] {
    if (word.exchange(0) == 2) wake(&word, 1);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        lock();
        long seen = count;
        if (j % 50 == 0) sched_yield();
        count = seen + 1;
        unlock();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(count, 10'000);
}

}  // namespace
