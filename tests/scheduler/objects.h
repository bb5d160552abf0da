#pragma once
// Objects over the parking lot, as plain as they can be: what the shim's families do for libc's own bytes. Green and OS
// threads use them alike. A wait that ends for another reason than a wake-up looks again, so interruptions do no harm.

#include "scheduler/parking_lot.h"

namespace unblock::test {

class Semaphore {
 public:
  explicit Semaphore(int value = 0) : value_(value) {}

  // False when the deadline came first.
  bool take(Deadline deadline = Deadline::never()) {
    while (!try_take()) {
      Parking parking = parking_lot::park(&value_, WaitKind::semaphore, deadline,
                                          [&] { return value_.load() > 0 ? Recheck::leave : Recheck::park; });
      if (parking == Parking::timed_out) return try_take();
    }
    return true;
  }
  bool try_take() {
    int value = value_.load();
    while (value > 0) {
      if (value_.compare_exchange_weak(value, value - 1)) return true;
    }
    return false;
  }
  void give() {
    value_.fetch_add(1);
    parking_lot::unpark(&value_, 1);
  }
  int value() const { return value_.load(); }

 private:
  std::atomic<int> value_;
};

class Mutex {
 public:
  void lock() {
    while (held_.exchange(true)) {
      parking_lot::park(&held_, WaitKind::mutex, Deadline::never(),
                        [&] { return held_.load() ? Recheck::park : Recheck::leave; });
    }
  }
  void unlock() {
    held_.store(false);
    parking_lot::unpark(&held_, 1);
  }

 private:
  friend class Condition;
  std::atomic<bool> held_{false};
};

// Notifying moves one waiter to the mutex, which the notifier holds: its unlock wakes him.
class Condition {
 public:
  void wait(Mutex& mutex) {
    parking_lot::park_then(this, WaitKind::condition, Deadline::never(), nullptr, [&] {
      mutex.unlock();
      return true;
    });
    mutex.lock();
  }
  void notify_one(Mutex& mutex) {
    int moved;
    parking_lot::requeue(this, &mutex.held_, 0, 1, &moved, [] { return true; });
  }

 private:
  char byte_ = 0;  // an address of its own
};

// All meet, round after round.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}

  void meet() {
    unsigned mine = round_.load();
    bool counted = false;
    while (round_.load() == mine) {
      parking_lot::park(this, WaitKind::barrier, Deadline::never(), [&] {
        if (round_.load() != mine) return Recheck::leave;
        if (!counted && ++arrived_ == count_) {
          arrived_ = 0;
          round_.store(mine + 1);
          return Recheck::leave_and_wake_all;
        }
        counted = true;
        return Recheck::park;
      });
    }
  }

 private:
  const int count_;
  int arrived_ = 0;  // guarded(the lock of this address's bucket)
  std::atomic<unsigned> round_{0};
};

}  // namespace unblock::test
