#pragma once
// Locks of our own. A Lock is a futex word with three states (free, held, held with sleepers) that spins a little
// first: holders keep it for nanoseconds and never across a switch. Both the holder and whoever is between stacks is
// `critical`: a signal that arrives then is recorded and delivered by the destructor of the outermost Critical.
//
// Lock order, outermost first:
//   1. a parking-lot bucket, a descriptor's readiness, a timer heap   (never two of these, but buckets in address order)
//   2. a processor
//   3. the injection queue, the idle set, the pools
// [no-lock-across-a-switch] Nobody suspends with a Lock held: switch_out() checks that critical is exactly its own.

#include "scheduler/host.h"
#include "scheduler/kernel.h"
#include "scheduler/local.h"

namespace unblock {

class Critical {
 public:
  Critical() { enter(); }
  ~Critical() { leave(); }
  Critical(const Critical&) = delete;
  Critical& operator=(const Critical&) = delete;

  static void enter() {
    here.critical = here.critical + 1;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  static void leave() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    here.critical = here.critical - 1;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (__builtin_expect(here.signals_recorded, 0) && here.critical == 0) host::deliver_recorded_signals();
  }
};

class Lock {
 public:
  void lock() {
    uint32_t free = 0;
    if (!word_.compare_exchange_strong(free, 1, std::memory_order_acquire)) lock_contended();
  }
  bool try_lock() {
    uint32_t free = 0;
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire);
  }
  void unlock() {
    if (word_.exchange(0, std::memory_order_release) == 2) kernel::futex_wake(word_, 1);
  }
  // Only for the child of a fork, which has one thread and may have inherited a held lock.
  void reset() { word_.store(0, std::memory_order_relaxed); }

 private:
  void lock_contended();
  std::atomic<uint32_t> word_{0};
};

// Holds a Lock for a scope, critical meanwhile.
class Held {
 public:
  explicit Held(Lock& lock) : lock_(lock) {
    Critical::enter();
    lock_.lock();
  }
  ~Held() {
    lock_.unlock();
    Critical::leave();
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  Lock& lock_;
};

}  // namespace unblock
