#pragma once
// What contract tests say about one call: what it answered, on which thread it ran, and how long it took.
#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <ostream>
#include <thread>
#include <type_traits>
#include <utility>

#include "moments.h"

// The answer of one call: its result, and errno if it failed.
struct Outcome {
  long result;
  int error;
  bool operator==(const Outcome&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return outcome.error ? out << strerrorname_np(outcome.error) : out << outcome.result;
}

inline Outcome done(long result) { return {result, 0}; }
inline Outcome failed(int error) { return {-1, error}; }

// A sanitizer looks at a call's memory before the kernel does, and ends the program where the kernel says EFAULT.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kernel_looks_first = false;
#else
constexpr bool kernel_looks_first = true;
#endif

// Calls `call` with `arguments` and tells what came of it.
template <typename Call, typename... Arguments>
Outcome attempt(Call call, Arguments&&... arguments) {
  errno = 0;
  long result = call(std::forward<Arguments>(arguments)...);
  return result < 0 ? failed(errno) : done(result);
}

// Something that happens once, and that other threads may wait for.
class Event {
 public:
  void happen() {
    std::lock_guard lock(mutex_);
    happened_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return happened_; });
  }
  bool happened() {
    std::lock_guard lock(mutex_);
    return happened_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool happened_ = false;
};

// Work on a thread of its own, which has begun when the constructor returns: where threads give way only when they
// wait, it is then in its first wait. answer() waits for its result; so does the end of its life.
template <typename Work>
class Background {
 public:
  explicit Background(Work work)
      : thread_([this, work]() mutable {
          begun_.happen();
          result_.emplace(work());
        }) {
    begun_.wait();
  }
  ~Background() {
    if (thread_.joinable()) thread_.join();
  }
  std::invoke_result_t<Work> answer() {
    thread_.join();
    return std::move(*result_);
  }
  pthread_t handle() { return thread_.native_handle(); }

 private:
  Event begun_;
  std::optional<std::invoke_result_t<Work>> result_;
  std::thread thread_;
};
