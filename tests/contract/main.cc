// The main of every test that knows nothing of us.
//
// A process with one thread keeps libc's own paths, and unblock stays out of it; a test that ran there would test libc
// twice. So a second thread is started first and waits until the last test has ended. How it waits is chosen at build
// time (KEPT_THREAD_GATE), so that it is not the wait that the test counts.
#include <gtest/gtest.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace {

class PipeGate {
 public:
  PipeGate() {
    if (pipe(ends_) != 0) {
      perror("pipe");
      abort();
    }
  }
  ~PipeGate() {
    close(ends_[0]);
    close(ends_[1]);
  }
  void pass() {
    char byte;
    while (read(ends_[0], &byte, 1) == -1) continue;
  }
  void open() {
    while (write(ends_[1], "x", 1) != 1) continue;
  }

 private:
  int ends_[2];
};

class ConditionGate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

class SemaphoreGate {
 public:
  SemaphoreGate() { sem_init(&semaphore_, 0, 0); }
  ~SemaphoreGate() { sem_destroy(&semaphore_); }
  void pass() {
    while (sem_wait(&semaphore_) != 0) continue;
  }
  void open() { sem_post(&semaphore_); }

 private:
  sem_t semaphore_;
};

// A thread that takes no signal: those sent to the process are for the test.
template <typename Work>
std::thread thread_without_signals(Work work) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread result(work);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  KEPT_THREAD_GATE gate;
  std::thread kept = thread_without_signals([&] { gate.pass(); });
  int result = RUN_ALL_TESTS();
  gate.open();
  kept.join();
  return result;
}
