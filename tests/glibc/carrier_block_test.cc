// Windows on blocks that libc knows: credentials, fork, and a main that moves. Each runs in a process of its own, and an
// alarm ends the ones that hang.
#include "shim/glibc/carrier_block.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "shim/glibc/static_tls.h"
#include "tests/glibc/green.h"

namespace glibc = unblock::glibc;

namespace {

int kernel_tid() { return static_cast<int>(syscall(SYS_gettid)); }

// True when the process made by fork for `story` says so by its exit code.
bool holds_in_a_process(std::function<bool()> story) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(story() ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// An OS thread that runs green code until it is told to stop. Its block is found by its kernel tid, so that the answer
// does not depend on the block that is loaded.
std::atomic<int> carrier_tid;
std::atomic<void*> carrier_pointer;

void* carrier_block() { return kernel_tid() == carrier_tid ? carrier_pointer.load() : nullptr; }

class BusyCarrier {
 public:
  BusyCarrier() : thread_([this] { carry(); }) {
    while (!in_green_code_) sched_yield();
  }
  ~BusyCarrier() {
    stop_ = true;
    thread_.join();
  }

 private:
  void carry() {
    carrier_pointer = unblock::thread_pointer();
    carrier_tid = kernel_tid();
    on_green([this] {
      in_green_code_ = true;
      while (!stop_) sched_yield();
    });
  }

  std::atomic<bool> in_green_code_{false}, stop_{false};
  std::thread thread_;
};

// libc changes the credentials of each of its threads by signal 33 and waits for all answers.
bool change_credentials() { return setgid(getgid()) == 0; }

}  // namespace

TEST(CarrierBlock, IsLoadedWhileAFunctionRunsAndCarriesErrno) {
  void* own = unblock::thread_pointer();
  on_green([&] {
    void* green = unblock::thread_pointer();
    errno = EAGAIN;
    glibc::on_block(own, [&] {
      EXPECT_EQ(unblock::thread_pointer(), own);
      EXPECT_EQ(errno, EAGAIN);
      EXPECT_EQ(close(-1), -1);
    });
    EXPECT_EQ(unblock::thread_pointer(), green);
    EXPECT_EQ(errno, EBADF);
  });
}

TEST(CarrierBlock, IsWhereOthersCredentialsAreAnswered) {
  EXPECT_TRUE(holds_in_a_process([] {
    BusyCarrier carrier;
    if (glibc::wrap_credentials_signal(carrier_block)) return false;
    return change_credentials();
  }));
}

TEST(CarrierBlock, ServesAGreenThreadThatChangesItsCredentials) {
  EXPECT_TRUE(holds_in_a_process([] {
    BusyCarrier carrier;
    if (glibc::wrap_credentials_signal(carrier_block)) return false;
    void* own = unblock::thread_pointer();
    bool changed = false;
    on_green([&] { glibc::on_block(own, [&] { changed = change_credentials(); }); });
    return changed;
  }));
}

TEST(CarrierBlock, WrapperMayBePutTwice) {
  EXPECT_TRUE(holds_in_a_process([] {
    BusyCarrier carrier;
    if (glibc::wrap_credentials_signal(carrier_block) || glibc::wrap_credentials_signal(carrier_block)) return false;
    return change_credentials();
  }));
}

// The initial block on another OS thread, and the OS main thread on a made one.
TEST(CarrierBlock, MainMayMove) {
  EXPECT_TRUE(holds_in_a_process([] {
    void* initial = unblock::thread_pointer();
    auto memory = aligned_alloc(glibc::block_alignment(), glibc::block_size());
    void* made = glibc::make_block(memory, kernel_tid(), memory, glibc::block_size(), 0);
    std::atomic<bool> moved{false}, done{false};
    bool answered = false, same_identity = false, right_processor = false;
    const pthread_t main_identity = pthread_self();
    std::thread carrier([&] {
      void* own = unblock::thread_pointer();
      carrier_pointer = own;
      carrier_tid = kernel_tid();
      while (!moved) sched_yield();
      unblock::load_thread_pointer(initial);
      same_identity = pthread_self() == main_identity;
      glibc::on_block(own, [&] { answered = change_credentials(); });
      unsigned processor;
      do {
        syscall(SYS_getcpu, &processor, nullptr, nullptr);
        right_processor = sched_getcpu() == static_cast<int>(processor);
        unsigned again;
        syscall(SYS_getcpu, &again, nullptr, nullptr);
        if (again == processor) break;  // not moved by the kernel meanwhile
      } while (true);
      unblock::load_thread_pointer(own);
      done = true;
    });
    if (glibc::wrap_credentials_signal(carrier_block)) return false;
    glibc::leave_initial_block();
    unblock::load_thread_pointer(made);
    glibc::register_carrier_block();
    moved = true;
    while (!done) syscall(SYS_sched_yield);
    unblock::load_thread_pointer(initial);
    carrier.join();
    return answered && same_identity && right_processor;
  }));
}

// The OS main thread's scheduler stands on a made block, which libc lists nowhere until a child is born on it.
TEST(CarrierBlock, ForkedOnAMadeOneTheChildIsSound) {
  EXPECT_TRUE(holds_in_a_process([] {
    std::thread([] {}).join();
    auto memory = aligned_alloc(glibc::block_alignment(), glibc::block_size());
    void* made = glibc::make_block(memory, kernel_tid(), memory, glibc::block_size(), 0);
    glibc::leave_initial_block();
    unblock::load_thread_pointer(made);
    glibc::register_carrier_block();
    const pid_t child = fork();
    if (child == 0) {
      glibc::keep_only_blocks(nullptr, made);
      glibc::follow_fork(made);
      if (glibc::wrap_credentials_signal(carrier_block)) _exit(2);
      BusyCarrier carrier;
      bool sound = glibc::tid(made) == getpid();
      std::thread([&] { sound = sound && change_credentials(); }).join();
      const pid_t grandchild = fork();
      if (grandchild == 0) _exit(glibc::tid(made) == getpid() ? 0 : 1);
      int status = -1;
      sound = sound && waitpid(grandchild, &status, 0) == grandchild && status == 0;
      _exit(sound ? 0 : 1);
    }
    int status = -1;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }));
}

TEST(CarrierBlock, ForkedOnItTheChildIsSound) {
  EXPECT_TRUE(holds_in_a_process([] {
    bool child_is_sound = false;
    std::thread carrier([&] {
      void* own = unblock::thread_pointer();
      Green stranger([] {
        Green::leave();
        return nullptr;
      });
      stranger.resume();
      on_green([&] {
        void* green = unblock::thread_pointer();
        const int tid = glibc::tid(green);
        pid_t child = -1;
        glibc::on_block(own, [&] { child = fork(); });
        if (child == 0) {
          glibc::keep_only_blocks(green, own);
          glibc::follow_fork(own);
          bool sound = glibc::tid(green) == tid && glibc::tid(own) == getpid();
          // A new thread must not be given the stack on which we stand.
          int on_new_stack = 0;
          glibc::on_block(own, [&] {
            for (int i = 0; i < 3; i++) std::thread([&] { on_new_stack++; }).join();
            sound = sound && change_credentials();
          });
          on_green([&] { sound = sound && pthread_self() != 0; });
          _exit(sound && on_new_stack == 3 ? 0 : 1);
        }
        int status = -1;
        child_is_sound = waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
      });
    });
    carrier.join();
    return child_is_sound;
  }));
}
