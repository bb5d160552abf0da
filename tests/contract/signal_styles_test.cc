// The older ways to set actions and masks: signal's aliases, siginterrupt, and X/Open's sigset, sighold, sigrelse,
// sigignore and sigpause.
#include <errno.h>
#include <unistd.h>

#include <atomic>

#include "connection.h"
#include "old_names.h"
#include "signals.h"
#include "threads.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // they are the subject

extern "C" sighandler_t bsd_signal(int, sighandler_t);
extern "C" int __sigpause(int, int);
extern "C" int bsd_sigpause(int mask) __asm__("sigpause");

namespace {

std::atomic<int> runs;
void count(int) { ++runs; }
void other(int) {}

class Styles : public testing::Test {
 protected:
  void SetUp() override {
    runs = 0;
    sigaction(SIGUSR1, nullptr, &before_);
  }
  void TearDown() override {
    sigaction(SIGUSR1, &before_, nullptr);
    siginterrupt(SIGUSR2, 0);
    sigset_t one = set_of({SIGUSR1, SIGUSR2});
    pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  }

 private:
  struct sigaction before_;
};

int flags_of(int signal) {
  struct sigaction action;
  EXPECT_EQ(sigaction(signal, nullptr, &action), 0);
  return action.sa_flags;
}

TEST_F(Styles, AliasesOfSignalSetAHandlerThatRestartsCalls) {
  for (sighandler_t (*set)(int, sighandler_t) :
       std::initializer_list<sighandler_t (*)(int, sighandler_t)>{bsd_signal, ssignal, signal}) {
    signal(SIGUSR1, other);
    EXPECT_EQ(set(SIGUSR1, count), other);
    EXPECT_TRUE(flags_of(SIGUSR1) & SA_RESTART);
    int before = runs;
    raise(SIGUSR1);
    EXPECT_EQ(runs, before + 1);
    EXPECT_EQ(set(SIGUSR1, SIG_ERR), SIG_ERR);
    EXPECT_EQ(set(SIGKILL, count), SIG_ERR);
  }
}

TEST_F(Styles, SigsetSetsTheActionAndUnblocks) {
  signal(SIGUSR1, other);
  EXPECT_EQ(sigset(SIGUSR1, count), other);
  EXPECT_EQ(flags_of(SIGUSR1) & SA_RESTART, 0);
  raise(SIGUSR1);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(sigset(SIGUSR1, SIG_HOLD), count);
  EXPECT_TRUE(blocks(SIGUSR1));
  raise(SIGUSR1);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(sigset(SIGUSR1, SIG_HOLD), SIG_HOLD);
  EXPECT_EQ(sigset(SIGUSR1, count), SIG_HOLD);
  EXPECT_FALSE(blocks(SIGUSR1));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(sigset(SIGKILL, count), SIG_ERR);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(sigset(100, count), SIG_ERR);
}

TEST_F(Styles, SigholdAndSigrelse) {
  signal(SIGUSR1, count);
  EXPECT_EQ(sighold(SIGUSR1), 0);
  raise(SIGUSR1);
  EXPECT_EQ(runs, 0);
  EXPECT_TRUE(is_pending(SIGUSR1));
  EXPECT_EQ(sigrelse(SIGUSR1), 0);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(sighold(100), -1);
  EXPECT_EQ(sigrelse(100), -1);
}

TEST_F(Styles, SigignoreIgnores) {
  signal(SIGUSR1, count);
  EXPECT_EQ(sigignore(SIGUSR1), 0);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(signal(SIGUSR1, count), SIG_IGN);
  EXPECT_EQ(sigignore(SIGKILL), -1);
}

// A read that a signal interrupts.
int error_of_interrupted_read(int signal) {
  Connection pipe = pipe_connection();
  std::atomic<int> result = -2;
  pthread_t reader = start_thread([&] {
    char byte;
    result = read(pipe.near, &byte, 1) == -1 ? errno : 0;
    return nullptr;
  });
  for (int before = runs; runs < before + 20 && result == -2;) {
    pthread_kill(reader, signal);
    let_others_run();
  }
  send_text(pipe.far, "x");
  join(reader);
  return result;
}

TEST_F(Styles, SiginterruptDecidesWhetherCallsAreRestarted) {
  signal(SIGUSR2, count);
  EXPECT_EQ(error_of_interrupted_read(SIGUSR2), 0);
  EXPECT_EQ(siginterrupt(SIGUSR2, 1), 0);
  EXPECT_EQ(flags_of(SIGUSR2) & SA_RESTART, 0);
  EXPECT_EQ(error_of_interrupted_read(SIGUSR2), EINTR);
  signal(SIGUSR2, count);  // remembers
  EXPECT_EQ(error_of_interrupted_read(SIGUSR2), EINTR);
  EXPECT_EQ(siginterrupt(SIGUSR2, 0), 0);
  EXPECT_EQ(error_of_interrupted_read(SIGUSR2), 0);
  EXPECT_EQ(siginterrupt(100, 1), -1);
  signal(SIGUSR2, SIG_DFL);
}

TEST_F(Styles, SigpauseWaitsForAHandler) {
  signal(SIGUSR1, count);
  sighold(SIGUSR1);
  raise(SIGUSR1);
  EXPECT_EQ(sigpause(SIGUSR1), -1);  // X/Open's: lets this one in
  EXPECT_EQ(errno, EINTR);
  EXPECT_EQ(runs, 1);
  raise(SIGUSR1);
  EXPECT_EQ(bsd_sigpause(0), -1);
  EXPECT_EQ(runs, 2);
  raise(SIGUSR1);
  EXPECT_EQ(__sigpause(SIGUSR1, 1), -1);
  EXPECT_EQ(runs, 3);
  EXPECT_TRUE(blocks(SIGUSR1));
  std::atomic<bool> begun = false;
  pthread_t waiter = start_thread([&] {
    begun = true;
    return word(sigpause(SIGUSR1));
  });
  eventually(begun);
  let_others_run();
  pthread_kill(waiter, SIGUSR1);
  EXPECT_EQ(join(waiter), word(-1));
  EXPECT_EQ(runs, 4);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

constexpr int bit_of(int signal) { return 1 << (signal - 1); }

TEST(BsdMask, IsTheThreadsOwn) {
  join(start_thread([] {
    EXPECT_EQ(sigblock(bit_of(SIGUSR1)), 0);
    EXPECT_TRUE(blocks(SIGUSR1));
    EXPECT_EQ(old_siggetmask(), bit_of(SIGUSR1));
    EXPECT_EQ(sigsetmask(bit_of(SIGUSR2)), bit_of(SIGUSR1));
    EXPECT_FALSE(blocks(SIGUSR1));
    EXPECT_TRUE(blocks(SIGUSR2));
    return nullptr;
  }));
  EXPECT_FALSE(blocks(SIGUSR1) || blocks(SIGUSR2));
}

#pragma GCC diagnostic pop

TEST(SysvSignal, SetsWhatSigactionTells) {
  auto* handler = +[](int) {};
  for (auto* set : {sysv_signal, __sysv_signal}) {
    struct sigaction now {};
    EXPECT_EQ(set(SIGUSR1, handler), SIG_DFL);
    EXPECT_EQ(sigaction(SIGUSR1, nullptr, &now), 0);
    EXPECT_EQ(now.sa_handler, handler);
    EXPECT_EQ(now.sa_flags & int(SA_RESETHAND | SA_NODEFER | SA_RESTART), int(SA_RESETHAND | SA_NODEFER));
    EXPECT_EQ(set(SIGUSR1, SIG_DFL), handler);
  }
}

}  // namespace
