// fork again and again while other threads run, allocate, lock, wait for descriptors and come and go.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "child.h"
#include "connection.h"
#include "threads.h"

namespace {

constexpr int forks = 40;

// Threads that do everything that takes locks, until the end of their scope.
class Load {
 public:
  Load() {
    turn([] { std::string(2000, 'x'); });
    turn([] { fprintf(sink(), "line\n"); });
    turn([this] {
      std::lock_guard lock(mutex_);
      sched_yield();
    });
    turn([] { std::thread([] { usleep(10); }).join(); });
    turn([] {
      Connection pair = socket_pair(SOCK_STREAM);
      send_text(pair.far, "x");
      read_text(pair.near);
    });
    turn([] { usleep(100); });
    waiter_ = std::thread([this] { read_text(never_.near); });
    condition_waiter_ = std::thread([this] {
      std::unique_lock lock(mutex_);
      condition_.wait(lock, [this] { return done_.load(); });
    });
  }
  ~Load() {
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    condition_.notify_all();
    send_text(never_.far, "x");
    waiter_.join();
    condition_waiter_.join();
    for (auto& thread : threads_) thread.join();
  }

 private:
  static FILE* sink() {
    static FILE* file = fopen("/dev/null", "w");
    return file;
  }
  void turn(std::function<void()> work) {
    threads_.emplace_back([this, work] {
      while (!done_) {
        work();
        sched_yield();
      }
    });
  }

  std::atomic<bool> done_ = false;
  std::mutex mutex_;
  std::condition_variable condition_;
  Connection never_ = pipe_connection();
  std::thread waiter_, condition_waiter_;
  std::vector<std::thread> threads_;
};

// Everything that a lock left behind by one of the parent's threads would stop.
int child_can_do_everything() {
  std::vector<std::thread> threads;
  std::mutex mutex;
  int sum = 0;
  Connection pair = socket_pair(SOCK_STREAM);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::string text(3000, 'c');
      usleep(100);
      std::lock_guard lock(mutex);
      sum += text.size() == 3000;
    });
  }
  threads.emplace_back([&] { send_text(pair.far, "child"); });
  if (read_text(pair.near) != "child") return 1;
  for (auto& thread : threads) thread.join();
  FILE* file = fopen("/dev/null", "w");
  if (file == nullptr || fputs("line\n", file) < 0 || fclose(file) != 0) return 2;
  return sum == 4 ? 0 : 3;
}

TEST(ForkUnderLoad, ChildrenOfMainWork) {
  Load load;
  for (int i = 0; i < forks; ++i) EXPECT_EQ(end_of_child(child_can_do_everything), 0);
}

TEST(ForkUnderLoad, ChildrenOfThreadsWork) {
  Load load;
  std::vector<pthread_t> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(start_thread([] {
      int wrong = 0;
      for (int j = 0; j < forks / 4; ++j) wrong += end_of_child(child_can_do_everything) != 0;
      return word(wrong);
    }));
  }
  for (pthread_t thread : threads) EXPECT_EQ(join(thread), word(0));
}

TEST(ForkUnderLoad, GrandchildrenOfThreadsOfChildrenWork) {
  Load load;
  for (int i = 0; i < forks / 4; ++i) {
    EXPECT_EQ(end_of_child([] {
                int result = -1;
                std::thread([&] { result = end_of_child(child_can_do_everything); }).join();
                return result;
              }),
              0);
  }
}

TEST(ForkUnderLoad, ChildThatExecsAtOnceWorks) {
  Load load;
  for (int i = 0; i < forks; ++i) {
    EXPECT_EQ(end_of_child([] { return execl("/bin/true", "true", nullptr); }), 0);
  }
}

TEST(ForkWithLocks, LockThatAnotherThreadHoldsStaysTakenInTheChild) {
  std::mutex mutex;
  sem_t held, release;
  sem_init(&held, 0, 0);
  sem_init(&release, 0, 0);
  std::thread holder([&] {
    mutex.lock();
    sem_post(&held);
    sem_wait(&release);
    mutex.unlock();
  });
  sem_wait(&held);
  EXPECT_EQ(end_of_child([&] {
              timespec soon = in_milliseconds(20);
              return pthread_mutex_timedlock(mutex.native_handle(), &soon) == ETIMEDOUT ? 0 : 1;
            }),
            0);
  sem_post(&release);
  holder.join();
}

TEST(ForkWithLocks, WaitersOfTheParentAreNotWokenByTheChild) {
  std::mutex mutex;
  std::condition_variable condition;
  std::atomic<bool> waits = false, woken = false;
  std::thread waiter([&] {
    std::unique_lock lock(mutex);
    waits = true;
    condition.wait(lock);
    woken = true;
  });
  EXPECT_TRUE(eventually(waits));
  { std::lock_guard lock(mutex); }
  EXPECT_EQ(end_of_child([&] { return condition.notify_all(), 0; }), 0);
  let_others_run();
  EXPECT_FALSE(woken);
  {
    std::lock_guard lock(mutex);
    condition.notify_all();
  }
  waiter.join();
}

}  // namespace
