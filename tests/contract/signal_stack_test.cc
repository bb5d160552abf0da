// sigaltstack: each thread's own, and the stack its handlers run on.
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <vector>

#include "signals.h"
#include "threads.h"

namespace {

constexpr size_t size = 64 << 10;

// An alternate stack of the calling thread, switched off with its scope.
class AlternateStack {
 public:
  AlternateStack() {
    stack_t stack{.ss_sp = memory_.get(), .ss_flags = 0, .ss_size = size};
    EXPECT_EQ(sigaltstack(&stack, nullptr), 0);
  }
  ~AlternateStack() {
    stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    EXPECT_EQ(sigaltstack(&none, nullptr), 0);
  }
  char* begin() const { return memory_.get(); }
  bool contains(const char* address) const { return address >= begin() && address < begin() + size; }

 private:
  std::unique_ptr<char[]> memory_{new char[size]};
};

stack_t current() {
  stack_t stack{};
  EXPECT_EQ(sigaltstack(nullptr, &stack), 0);
  return stack;
}

thread_local std::atomic<char*> handler_frame;
thread_local std::atomic<int> handler_flags;
void note(int) {
  char here;
  handler_frame = &here;
  handler_flags = current().ss_flags;
}

TEST(SigAltStack, IsNoneInANewThreadEvenIfItsCreatorHasOne) {
  AlternateStack mine;
  EXPECT_EQ(join(start_thread([] { return word(current().ss_flags); })), word(SS_DISABLE));
}

TEST(SigAltStack, IsEachThreadsOwnAcrossWaits) {
  std::vector<pthread_t> threads;
  for (int i = 0; i < 20; ++i) {
    threads.push_back(start_thread([] {
      AlternateStack mine;
      bool same = true;
      for (int j = 0; j < 20; ++j) {
        if (j % 5 == 0) usleep(1000);
        sched_yield();
        stack_t stack = current();
        same = same && stack.ss_sp == mine.begin() && stack.ss_size == size && stack.ss_flags == 0;
      }
      return word(same);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
  EXPECT_EQ(current().ss_flags, SS_DISABLE);
}

TEST(SigAltStack, HandlerWithOnstackRunsOnItAndAnotherDoesNot) {
  Handler on(SIGUSR1, note, SA_ONSTACK), off(SIGUSR2, note);
  join(start_thread([] {
    AlternateStack mine;
    EXPECT_EQ(raise(SIGUSR1), 0);
    EXPECT_TRUE(mine.contains(handler_frame));
    EXPECT_EQ(handler_flags, SS_ONSTACK);
    EXPECT_EQ(raise(SIGUSR2), 0);
    EXPECT_FALSE(mine.contains(handler_frame));
    EXPECT_EQ(handler_flags, 0);
    return nullptr;
  }));
}

TEST(SigAltStack, HandlerRunsOnItsThreadsOwnAfterOthersHaveRun) {
  Handler handler(SIGUSR1, note, SA_ONSTACK);
  std::atomic<int> ready = 0;
  std::vector<pthread_t> threads;
  for (int i = 0; i < 10; ++i) {
    threads.push_back(start_thread([&] {
      AlternateStack mine;
      ++ready;
      EXPECT_TRUE(eventually([&] { return ready == 10; }));
      bool all = true;
      for (int j = 0; j < 10; ++j) {
        sched_yield();
        raise(SIGUSR1);
        all = all && mine.contains(handler_frame);
      }
      return word(all);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(1));
}

TEST(SigAltStack, HandlerThatInterruptsAWaitRunsOnItToo) {
  static std::atomic<char*> frame;
  frame = nullptr;
  Handler handler(
      SIGUSR1,
      [](int) {
        char here;
        frame = &here;
      },
      SA_ONSTACK);
  std::atomic<bool> ready = false;
  pthread_t thread = start_thread([&] {
    AlternateStack mine;
    ready = true;
    while (frame == nullptr) usleep(100'000);
    EXPECT_TRUE(mine.contains(frame));
    return nullptr;
  });
  EXPECT_TRUE(eventually(ready));
  let_others_run();
  EXPECT_EQ(pthread_kill(thread, SIGUSR1), 0);
  join(thread);
}

TEST(SigAltStack, TooSmallOneIsEnomem) {
  static char memory[512];
  stack_t stack{.ss_sp = memory, .ss_flags = 0, .ss_size = sizeof memory};
  EXPECT_EQ(sigaltstack(&stack, nullptr), -1);
  EXPECT_EQ(errno, ENOMEM);
}

TEST(SigAltStack, CannotBeChangedWhileAHandlerRunsOnIt) {
  static std::atomic<int> answer, error;
  answer = error = 0;
  Handler handler(
      SIGUSR1,
      [](int) {
        stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
        answer = sigaltstack(&none, nullptr);
        error = errno;
      },
      SA_ONSTACK);
  AlternateStack mine;
  EXPECT_EQ(raise(SIGUSR1), 0);
  EXPECT_EQ(answer, -1);
  EXPECT_EQ(error, EPERM);
}

}  // namespace
