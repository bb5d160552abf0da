// Mutexes with attributes for tests, and threads that hold them.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <thread>

#include "patience.h"

struct MutexTraits {
  int kind = PTHREAD_MUTEX_DEFAULT;
  int robustness = PTHREAD_MUTEX_STALLED;
  int protocol = PTHREAD_PRIO_NONE;
  int sharing = PTHREAD_PROCESS_PRIVATE;
};

inline void init_mutex(pthread_mutex_t* mutex, const MutexTraits& traits) {
  pthread_mutexattr_t attributes;
  ASSERT_EQ(pthread_mutexattr_init(&attributes), 0);
  ASSERT_EQ(pthread_mutexattr_settype(&attributes, traits.kind), 0);
  ASSERT_EQ(pthread_mutexattr_setrobust(&attributes, traits.robustness), 0);
  ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, traits.protocol), 0);
  ASSERT_EQ(pthread_mutexattr_setpshared(&attributes, traits.sharing), 0);
  ASSERT_EQ(pthread_mutex_init(mutex, &attributes), 0);
  ASSERT_EQ(pthread_mutexattr_destroy(&attributes), 0);
}

// A mutex that is destroyed with its scope; it must be free by then.
class OwnedMutex {
 public:
  explicit OwnedMutex(const MutexTraits& traits = {}) { init_mutex(&mutex_, traits); }
  ~OwnedMutex() { EXPECT_EQ(pthread_mutex_destroy(&mutex_), 0); }
  OwnedMutex(const OwnedMutex&) = delete;
  pthread_mutex_t* get() { return &mutex_; }

 private:
  pthread_mutex_t mutex_;
};

// Another thread that holds a mutex until it is told to let go.
class Holder {
 public:
  explicit Holder(pthread_mutex_t* mutex) : thread_([this, mutex] { hold(mutex); }) { EXPECT_TRUE(eventually(holds_)); }
  ~Holder() {
    let_go();
    thread_.join();
  }
  void let_go() { asked_ = true; }

 private:
  void hold(pthread_mutex_t* mutex) {
    EXPECT_EQ(pthread_mutex_lock(mutex), 0);
    holds_ = true;
    EXPECT_TRUE(eventually(asked_));
    EXPECT_EQ(pthread_mutex_unlock(mutex), 0);
  }

  std::atomic<bool> holds_ = false;
  std::atomic<bool> asked_ = false;
  std::thread thread_;
};

// What a call answers in another thread.
template <typename Call>
int in_another_thread(Call call) {
  int result = -1;
  std::thread([&] { result = call(); }).join();
  return result;
}
