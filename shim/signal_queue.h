#pragma once
// The signals that are recorded for one green thread, with what came with them, as the kernel keeps them for an OS
// thread: of a standard signal one at a time, of a real-time signal every one in its order. Taken lowest number first.
// Thread-safe. Takes a lock: not from a handler that has found its OS thread critical.

#include <signal.h>

#include "scheduler/lock.h"

namespace unblock {

using SignalMask = unsigned long;  // bit n-1 stands for signal n

constexpr int first_realtime = 32;  // the kernel's SIGRTMIN: libc keeps the first two for itself

constexpr SignalMask bit_of(int signal) { return SignalMask{1} << (signal - 1); }

struct QueuedSignal {
  siginfo_t info;
  bool of_process;     // the kernel offered it to the process: any thread may have it
  QueuedSignal* next;  // guarded(the queue's lock)
};

class SignalQueue {
 public:
  // 0, or EAGAIN when the process has as many signals queued as RLIMIT_SIGPENDING allows.
  int add(const siginfo_t& info, bool of_process);

  // Takes the lowest of `set`, the first of its number; null when there is none. forget() it afterwards.
  // What a thread brings upon itself comes before the others, as in the kernel.
  QueuedSignal* take(SignalMask set);
  // The same for those that were the process's.
  QueuedSignal* take_of_process(SignalMask set);

  static void forget(QueuedSignal* signal);

  SignalMask pending() const { return pending_.load(std::memory_order_seq_cst); }

  // Everything of the set is forgotten.
  void clear(SignalMask set = ~SignalMask{0});

  // The child of a fork has no recorded signals; somebody may have held the lock.
  void forget_in_child();
  // Held across a fork.
  static Lock& records_lock();

 private:
  template <class Choose>
  QueuedSignal* take_first(Choose choose);

  std::atomic<SignalMask> pending_;  // first: a reader from outside finds it here; written under lock_
  Lock lock_;
  QueuedSignal *first_, *last_;  // guarded(lock_)
};

}  // namespace unblock
