#pragma once
// Carriers, processors and the hand-off: who may run green threads, and how a thread that will not stop loses nothing
// but its processor.
//
// States. A carrier is an OS thread. It either has a processor (it schedules, runs a green thread, or waits for
// events), runs a green thread without one (after a hand-off, or bound), sleeps as a spare, or ends.
// A processor is the right to run, with a queue. It has an owner, or stands in the idle set.
//
// Protocol.
//   A carrier                                      The monitor
//   1. takes the next thread under the             1. each tick, under the processor's lock: has it an owner that is
//      processor's lock, if it is still the           not waiting for events, and the same number of picks as at the
//      owner; counts the pick                         last tick? And has that owner computed since, or is it blocked
//                                                     in the kernel? One that waits for a CPU keeps its processor
//   2. runs it, without any lock                   2. then a spare carrier becomes the owner, and is woken
//   3. the thread leaves its stack: back to 1;     3. the old owner finds out at its step 1, or when it wakes somebody:
//      not the owner any more: become a spare         it pushes under the lock only if it is still the owner
//   4. nothing to run: goes idle, see below
//
// Races.
//   The monitor takes the processor while the carrier is between 1 and 2, or in the loop: for a moment one thread more
//   runs than there are processors; every structure has its lock, so nothing else happens [ownership-under-lock].
//   A carrier wakes a thread onto a processor that it has just lost and that goes idle: it cannot, the push is under
//   the lock and fails; the thread goes to the injection queue, whose users look at the idle set afterwards.
//   Idle against injection: the idle carrier publishes itself, then looks at the injection queue; the injector
//   pushes, then looks at who is idle [publish-then-recheck]. Timers: who goes to sleep while another waits for
//   events makes sure that the other's deadline is no later than the earliest timer [timer-before-sleep]; and while
//   nobody waits for events, every busy carrier looks at the timers of all processors, since an idle one has nobody
//   to look after its own.
//
// Rejected. Preempting the hog by a signal (its stack would hold a scheduler's frame, its registers would be ours to
// save, and inline system calls would see EINTR); waking a second processor for each wake-up (28 us for each).
//
// Exactly one idle carrier waits in epoll; the others sleep on their futex. Only a queue that one processor does not
// get through in `help_after` wakes another.

#include <signal.h>

#include "scheduler/run_queue.h"
#include "scheduler/trace.h"

namespace unblock {

struct Carrier;

struct Processor {
  Lock lock;
  Carrier* owner;              // guarded(lock)
  bool waiting;                // guarded(lock): its owner waits for events
  RunQueue queue;              // guarded(lock)
  uint64_t picks;              // guarded(lock): threads taken; the monitor's sign of life
  std::atomic<size_t> length;  // of the queue; written under the lock, read by thieves
  TimerHeap timers;
  size_t left_in_turn;        // owner: threads that were ready when this turn began
  uint32_t picks_since_poll;  // owner
  uint64_t turn_began;        // owner: time-stamp counter
  uint64_t polled;            // owner: time-stamp counter
  uint64_t seen_picks;        // monitor
  int64_t seen_cpu_time;      // monitor: its owner's when this pick was first seen
  Carrier* seen_owner;        // monitor
  Processor* next_idle;       // guarded(idle lock)
};

// What a carrier was doing when its watcher last looked, for reports.
struct Watched {
  uint64_t switches, regions;  // switches: one more than were counted; 0: nothing was seen

  int64_t since, cpu_time, region_since;  // nanoseconds; region_since 0: it is in none
  bool told;
};

// A signal that came at a time when nothing may be recorded.
struct Deferred {
  siginfo_t info;
  GreenThread* of;  // on whose stack it came; null: on a scheduler's
  int process;      // in which it came
};

struct Carrier {
  std::atomic<Processor*> processor;           // null: none; written by whoever makes it owner or takes it
  boost::context::detail::fcontext_t context;  // of its scheduler while a green thread runs; owner
  void* thread_pointer;                        // its own block's; immutable
  Local* local;                                // `here` in that block
  std::atomic<GreenThread*> running;           // owner; others look
  std::atomic<uint32_t> sleep_word;            // 1: wake up
  std::atomic<bool> in_region;                 // owner; the monitor looks
  GreenThread* forking;                        // host: whose place this carrier has taken around a fork
  bool is_first;                               // the process's first OS thread, which never ends before it
  bool has_forked;                             // its children may have asked to die with it; it never ends
  bool ends_with_thread;                       // the kernel state of its thread must not reach another
  int kernel_tid;                              // immutable
  Carrier* next_spare;                         // guarded(idle lock)
  uint64_t clock;                              // owner: ticks when it last looked, which is just now; see switch.cc
  std::atomic<int64_t> cpu_at_resume;          // its CPU clock when the thread that it runs came; 0: not counted
  Statistics statistics;                       // owner
  unsigned long kernel_mask;                   // host: the signal mask that the kernel has for this OS thread
  bool kernel_mask_known;                      // host
  void* overflow_stack;                        // host: for threads without an alternate stack; kept for reuse
  const void* alternate_stack;                 // host: whose alternate stack the kernel has
  std::atomic<trace::Ring*> ring;              // where it notes what it does; null: nothing yet; see trace.h
  Watched watched;                             // host
  int deferred_count;                          // host: signals that came while its OS thread was critical
  Deferred deferred[64];                       // host: those
};

// The scheduling loop of a carrier, on its own stack. Returns when the carrier is to end.
void run_carrier(Carrier& carrier);

// The carrier under the calling thread: also for a bound green thread. Null on threads that are not ours.
inline Carrier* this_carrier() { return here.carrier; }

}  // namespace unblock
