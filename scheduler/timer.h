#pragma once
// Deadlines and the heaps that keep them. A deadline is a point on CLOCK_MONOTONIC in nanoseconds.

#include "scheduler/lock.h"

namespace unblock {

struct Deadline {
  int64_t at;

  static constexpr Deadline never() { return {INT64_MAX}; }
  static constexpr Deadline passed() { return {0}; }
  static Deadline after(int64_t nanoseconds) {
    int64_t now = kernel::now();
    return {nanoseconds > INT64_MAX - now ? INT64_MAX : now + nanoseconds};
  }
  bool is_never() const { return at == INT64_MAX; }
  // What is left of it now; zero once it has passed. Not for never().
  timespec left() const {
    int64_t now = kernel::now();
    return kernel::to_timespec(at > now ? at - now : 0);
  }
};

class Waiter;
class TimerHeap;

// One deadline of one waiter. It lives in the Waiter and is linked only while that waiter waits.
struct Timer {
  int64_t at;
  Waiter* waiter;
  TimerHeap* heap;                    // where it is linked, or null; atomic: the waiter reads it without the lock
  Timer *child, *sibling, *previous;  // guarded(the heap's lock)
};

// An intrusive pairing heap: linking is one comparison, nothing is allocated, and no size is fixed.
class TimerHeap {
 public:
  void insert(Timer& timer);
  // Does nothing when the timer has fired.
  void remove(Timer& timer);
  // Ends the wait of every waiter whose time has come; returns how many.
  int fire(int64_t now);
  // The earliest deadline, or INT64_MAX; readable by anybody at any time.
  int64_t earliest() const { return earliest_.load(std::memory_order_seq_cst); }
  void forget_all();

 private:
  void unlink(Timer& timer);
  void set_root(Timer* root);

  Lock lock_;
  Timer* root_ = nullptr;                     // guarded(lock_)
  std::atomic<int64_t> earliest_{INT64_MAX};  // written under lock_
};

}  // namespace unblock
