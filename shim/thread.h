#pragma once
// A POSIX thread that is green: what pthread_create(3) and its family know of it. Its identity for the program is its
// thread block: pthread_t is the thread pointer, as libc's own is.

#include <pthread.h>
#include <signal.h>

#include "scheduler/green_thread.h"
#include "scheduler/pool.h"
#include "shim/schedule_order.h"
#include "shim/signal_queue.h"

namespace unblock {

// Bits of Thread::life; see thread.cc.
struct Life {
  enum Bit : uint32_t { detached = 1, finished = 2, joined = 4 };
};

struct Thread {
  GreenThread green;  // first: a GreenThread* of ours is a Thread*

  void* (*start)(void*);  // immutable
  void* argument;         // immutable
  void* c11_start;        // immutable: thrd_create's function, when it made this thread
  void* c11_argument;     // immutable
  void* result;           // written by the thread at its end, read by its joiner

  std::atomic<uint32_t> life;  // bits of Life

  uint64_t id;       // 1 for main, then in order of creation
  uint64_t creator;  // id of who created it
  int tid;           // unique, above every kernel thread id; main's is the process's
  char name[16];     // pthread_setname_np(3); owner or whoever names it
  bool is_main;
  bool has_own_kernel_state;  // owner: see os_thread_state.h; its children inherit it
  void* stack_address;        // usable part, as pthread_attr_getstack(3) tells
  size_t stack_size;
  size_t guard_size;

  // Signals; see signals.h. Bit n-1 stands for signal n.
  SignalMask mask;                     // owner: what the program has blocked
  SignalQueue pending;                 // recorded for this thread, not yet delivered
  std::atomic<SignalMask> awaited;     // owner: what it is in sigwait for
  std::atomic<bool> awaits_in_kernel;  // owner: and its OS thread with it
  QueuedSignal* handed_over;           // owner: on their way through the kernel to their handlers
  bool is_ending;                      // owner: its destructors have run; nothing is delivered to it
  std::atomic<bool> asked_to_end;      // by pthread_cancel, while somebody else ran
  bool must_not_restart;               // owner: a handler without SA_RESTART has run since it last began to wait
  bool is_delivering;                  // owner: deliver_pending() is at it, and no handler has begun since
  std::atomic<uint32_t> handlers_run;  // owner
  // See schedule_order.h.
  std::atomic<bool> has_order;  // written under order_lock
  Lock order_lock;
  ScheduleOrder order;  // guarded(order_lock)
  // What it was told or has chosen itself, for its OS thread; its children inherit it.
  std::atomic<bool> has_own_policy, has_own_affinity;
  bool is_explicit;  // immutable: made with PTHREAD_EXPLICIT_SCHED

  stack_t alternate_stack;  // owner

  // Return addresses of who created it, innermost first, where the operator has asked for that. Null: not asked for.
  void** creation_stack;    // immutable
  uint32_t creation_depth;  // immutable: how many
};

inline Thread* this_thread() { return reinterpret_cast<Thread*>(here.green); }
inline Thread& thread_of(GreenThread& green) { return reinterpret_cast<Thread&>(green); }

// The green thread behind a pthread_t; null when it is one of libc's own.
Thread* thread_of(pthread_t handle);

// The living green thread with this number, as gettid(2) tells it; null when there is none.
Thread* thread_of_tid(pid_t tid);

extern Pool<Thread> threads;

// How many there were; see unblock_counts.
struct ThreadTally {
  std::atomic<uint64_t> made, alive, peak, sampled_threads, sampled_bytes;
};
extern ThreadTally tally;

extern Thread* first_of_all;  // first_thread()'s; for layout.cc

bool is_detached(const Thread& thread);
// It has not ended yet.
bool is_alive(const Thread& thread);
// main, or the thread that forked this process; null when it has ended or the process is quiet.
Thread* first_thread();

// thrd_create(3): run(null) finds what to do in its own record. 0 or an error number.
int create_c11_thread(pthread_t* handle, void* (*run)(void*), void* start, void* argument);

// The end of every green thread, main's included: destructors, then never back. `unwound`: by pthread_exit or a
// cancellation, perhaps from inside a signal handler.
[[noreturn]] void end_this_thread(bool unwound);

// The same as the kernel's exit(2) ends a thread: at once. Of the last thread, `status` is the process's.
[[noreturn]] void end_this_thread_at_once(int status);

// From here on main, if it is the calling thread, ends so too when pthread_exit or a cancellation unwinds it.
void catch_end_of_main();

// Makes the calling OS thread, the first of the process, the first green thread's record.
Thread* adopt_first_thread();

// The child of a fork: only `survivor` is left.
void forget_other_threads(Thread* survivor);

struct ThreadCounts {
  uint64_t made, peak, alive, bytes;
};
ThreadCounts thread_counts();

}  // namespace unblock
