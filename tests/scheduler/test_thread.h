#pragma once
// Green threads for the scheduler's own tests: a body on a stack of its own and a real thread block, so that all of
// libc and GoogleTest works inside. What the shim adds for POSIX (signals, cancellation, names) is not here.

#include <atomic>
#include <functional>
#include <vector>

#include "scheduler/green_thread.h"
#include "scheduler/scheduler.h"

namespace unblock::test {

struct Record;

// A running green thread. The destructor joins it. Thread-safe: as any object is.
class Thread {
 public:
  explicit Thread(std::function<void()> body);
  Thread(Thread&& other) noexcept : record_(other.record_) { other.record_ = nullptr; }
  ~Thread() { join(); }

  // Waits until the body has ended. Suspends: the calling green thread; blocks an OS thread.
  void join();

  GreenThread& green() const;
  // Has it left its stack in a wait that has not ended?
  bool is_parked() const;

 private:
  Record* record_;
};

// Makes the calling OS thread the first carrier and its thread green. Ends the process when that cannot be done.
void start_scheduler(unsigned processors, bool monitor);

// The calling green thread's next wait ends at once with this result, as if a signal had come.
void give_reason_not_to_park(Wakeup reason);

// OS threads that the scheduler starts from now on do not begin until this is taken back.
void hold_os_threads_back(bool hold);
unsigned os_threads_started();

// How often the scheduler asked to deliver recorded signals.
unsigned deliveries();

// ThreadSanitizer's share of a thread is most of a MiB.
#ifdef __SANITIZE_THREAD__
constexpr int many_threads = 1'000;
#else
constexpr int many_threads = 5'000;
#endif

// Lets others run until `condition` holds. False after half a minute, so that a test fails instead of hanging.
template <class Condition>
bool eventually(Condition condition) {
  const Deadline patience = Deadline::after(30 * kernel::nanoseconds_per_second);
  while (!condition()) {
    if (kernel::now() > patience.at) return false;
    yield();
  }
  return true;
}

// Starts `count` green threads; body(i) on each. They are joined with the vector.
template <class Body>
std::vector<Thread> start_threads(int count, Body body) {
  std::vector<Thread> threads;
  threads.reserve(count);
  for (int i = 0; i < count; ++i) threads.emplace_back([body, i] { body(i); });
  return threads;
}

// A door that opens once: whoever comes before waits.
class Door {
 public:
  void wait();
  void open();

 private:
  std::atomic<bool> open_{false};
};

}  // namespace unblock::test
