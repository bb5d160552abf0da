#pragma once
// A green thread as the scheduler knows it: a stack, a context, a thread pointer and a wait word. What it means to be
// a POSIX thread is the shim's business, which embeds this as the first member of its own record.

#include <boost/context/detail/fcontext.hpp>

#include "scheduler/local.h"
#include "scheduler/stack.h"
#include "scheduler/wait.h"

namespace unblock {

struct Carrier;

struct GreenThread {
  boost::context::detail::fcontext_t context;  // owner: whoever may resume it
  void* thread_pointer;                        // immutable while it lives
  Local* local;                                // `here` in its own thread block; immutable while it lives
  Stack* stack;                                // null for the first thread, which has the process's
  void (*entry)();                             // what runs on the fresh stack; must end with finish_thread()
  GreenThread* next;                           // link of the queue that it stands in; guarded(that queue)
  std::atomic<uint64_t> wait_word;             // see wait.h; never reset, so that epochs never repeat
  std::atomic<Carrier*> carrier;               // where it runs, or null; owner: that carrier; others only look
  std::atomic<Waiter*> waiter;                 // the wait it is in; only for looking at from outside
  uint64_t resumed_at;                         // when it last entered its stack, in ticks; 0: never; its carrier
  uint64_t waiting_since;  // when it last left its stack, or began to wait as an OS thread; as above
  uint64_t run_ticks;      // sum of its times between the two; as above
  uint64_t resumptions;    // how often it entered its stack; as above
  Lock os_wait_lock;
  Waiter* os_waiter;                  // the wait that it is in as an OS thread, or null; guarded(os_wait_lock)
  const void* waiting_for;            // what it waits for, as the Waiter was told; owner
  WaitKind wait_kind;                 // and how; owner
  std::atomic<bool> bound;            // has an OS thread to itself: it waits as one
  bool bound_for_life;                // and that OS thread ends with it; owner
  std::atomic<uint32_t> detections;   // times in a row that the monitor found it outside any region
  std::atomic<uint32_t> quiet_parks;  // parks since; counted by the owner, set to 0 by the monitor
  std::atomic<int64_t> cpu_used;      // see cpu_time.h; its carrier, others look
  bool cpu_is_counted;                // it has been the kernel's count since then
  uint32_t calls_without_wait;        // see give_way(); owner
};

// Makes `green` runnable for the first time on `stack`, below `stack_top`. Its thread pointer and local are set.
void prepare_green(GreenThread& green, void (*entry)(), Stack* stack, void* stack_top);

// Puts a runnable green thread into a run queue and sees that somebody runs it.
// Never blocks; async-signal-safe within a Critical.
void make_runnable(GreenThread& green);

// It waits, and the monitor has found it before. True when it has waited often enough since for that to be forgotten.
bool count_quiet_park(GreenThread& green);

// Gives the calling green thread an OS thread of its own from here on, for life when `for_life`.
void bind_to_os_thread(bool for_life);

}  // namespace unblock
