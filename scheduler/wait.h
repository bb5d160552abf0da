#pragma once
// Waiting and waking: how a green thread leaves its carrier until something happens, and why no wake-up is lost.
//
// States. A green thread's wait word holds an epoch (one for each wait it ever began) and a phase:
//   running   no wait is under way
//   armed     the wait has begun and wakers may know of it; the thread still runs on its stack
//   parked    its context is saved; it runs nowhere
//   ended     the wait is over; the result stands in the word
//
// Protocol.
//   The thread                                     A waker (holds the lock of the source it found the waiter in)
//   1. Waiter begins: epoch+1, armed               1. compare-and-swap armed|parked of that epoch -> ended(result)
//   2. links itself into its sources, each under   2. it won against armed: nothing to do, the thread will see it
//      that source's lock, and looks once more     3. it won against parked: put the thread into a run queue
//      whether what it waits for is there          4. it lost: somebody else ended the wait; look for another waiter
//   3. wait(): ended already? stay
//   4. leaves its stack; on the scheduler's side,
//      armed -> parked; that fails: run it again
//   5. takes itself out of every source that still has it, under that source's lock
//
// Races.
//   Waker between 2 and 4: it ends an armed wait and queues nothing; the thread does not leave, or is run again at
//   once by the scheduler, whose swap fails. Two wakers: the swap picks one. A waker that is late: the epoch is
//   another, its swap fails. The waiter returns while a waker still looks at it: it cannot, step 5 needs the lock that
//   the waker holds [unlink-before-return]. The thread is queued while still on its stack: it cannot, only a swap
//   from parked queues, and parked is stored after the context [saved-before-parked].
//
// Rejected. A flag and a lock for each thread (two more atomic operations for each wait); waking by thread alone (a
// late wake-up would end the next wait); publishing from the scheduler's side (the recheck would run on its stack).
//
// Invariants: [one-winner] a wait ends exactly once. [publish-then-recheck] [saved-before-parked]
// [unlink-before-return] [type-stable-threads].
//
// OS threads wait by the same object: their word is a futex of their own. Those are threads that are not ours, green
// threads that have an OS thread to themselves, and green threads inside a signal handler.

#include "scheduler/statistics.h"
#include "scheduler/timer.h"

namespace unblock {

// The wait word: epoch in the upper bits, then the result, then the phase.
struct WaitWord {
  enum Phase : uint64_t { running = 0, armed = 1, parked = 2, ended = 3 };
  static constexpr uint64_t phase_mask = 0xff, epoch_unit = 1 << 16;
};

enum class Wakeup : uint8_t { ready, timed_out, interrupted, closed, cancelled };

// May the calling thread leave its stack now? False for OS threads, for bound and pinned green threads, and inside
// signal handlers; their waits hold the carrier. Nobody waits within a Critical: switch_out() checks that.
bool may_switch();

// One wait of the calling thread, on its stack. Construct, link into sources, wait(), unlink.
class Waiter {
 public:
  // Begins the wait. `object` is what a person would ask for: an address or a descriptor.
  explicit Waiter(WaitKind kind, const void* object = nullptr);
  // The end of a wait: nothing is linked any more. Runs the handlers of signals that came meanwhile.
  ~Waiter();
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  // Ends the wait unless it has ended. Called by anyone who found this waiter in a source and holds its lock.
  // True when this call ended it. Never blocks, never allocates; async-signal-safe within a Critical.
  bool wake(Wakeup result);

  // Waits until somebody ends the wait or the deadline comes. Also ends a wait that nobody needs any more.
  // Suspends: the calling green thread. Holds the carrier: when may_switch() is false.
  Wakeup wait(Deadline deadline = Deadline::never());

  // The wait is over without having left the stack: what it waited for was there at the recheck.
  void cancel();

  GreenThread* green() const { return green_; }

  // False in the child of a fork for a wait that began before it: what it was linked into has been emptied.
  bool is_of_this_process() const;

 private:
  Wakeup wait_as_os_thread(Deadline deadline);
  void ends_as_os_thread();
  Wakeup finish();

  GreenThread* green_;  // null when an OS thread waits
  uint64_t epoch_;
  WaitKind kind_;
  uint32_t forks_;
  std::atomic<uint32_t> os_word_{0};
  Timer timer_;
};

// Ends whatever wait `green` is in, if its wait can end that way. For signals and cancellation.
// True when it ended a wait.
bool wake_thread(GreenThread& green, Wakeup result);

// The same for a thread that waits as an OS thread does. Not for oneself.
bool wake_os_wait(GreenThread& green, Wakeup result);

// Has this thread begun a wait that it has not yet returned from?
bool is_waiting(const GreenThread& green);

// Keeps a parked thread from running while somebody looks at its stack: its wait goes back to `armed`, as it was just
// before it left its stack, so a waker that comes meanwhile ends the wait and queues nothing. let_go() does what the
// scheduler does at step 4. False: it was not parked. Call from: any thread; let_go() soon, and on the same thread.
bool hold_parked(GreenThread& green);
void let_go(GreenThread& green);

// Lets the others run. Suspends: the calling green thread, which stays runnable.
void yield();

// For calls that did not have to wait: lets the others run every so many of them, so that a thread whose descriptor is
// always ready does not keep its processor. Suspends: the calling green thread, which stays runnable.
void give_way();

// The calling green thread ends; its stack is never returned to.
[[noreturn]] void finish_thread();

}  // namespace unblock
