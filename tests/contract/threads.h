// Raw pthreads for tests that need attributes or the result of a thread.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>

#include "patience.h"

// Starts a thread that runs the function and returns its result. The function must outlive the start of the thread
// only if it is not copied; here it is moved to the heap.
inline pthread_t start_thread(std::function<void*()> function, const pthread_attr_t* attributes = nullptr) {
  auto* copy = new std::function<void*()>(std::move(function));
  auto run = [](void* argument) {
    // Moved to this stack, so that it is freed also when the thread ends by pthread_exit.
    std::function<void*()> own = std::move(*static_cast<std::function<void*()>*>(argument));
    delete static_cast<std::function<void*()>*>(argument);
    return own();
  };
  pthread_t thread = 0;
  int result = pthread_create(&thread, attributes, run, copy);
  EXPECT_EQ(result, 0);
  if (result != 0) delete copy;
  return thread;
}

inline void* join(pthread_t thread) {
  void* result = nullptr;
  EXPECT_EQ(keeping_errno([&] { return pthread_join(thread, &result); }), 0);
  return result;
}

inline void* word(long value) { return reinterpret_cast<void*>(value); }

// Attributes that are destroyed with their scope.
class ThreadAttributes {
 public:
  ThreadAttributes() { EXPECT_EQ(pthread_attr_init(&attributes_), 0); }
  ~ThreadAttributes() { EXPECT_EQ(pthread_attr_destroy(&attributes_), 0); }
  ThreadAttributes(const ThreadAttributes&) = delete;
  pthread_attr_t* get() { return &attributes_; }

 private:
  pthread_attr_t attributes_;
};
