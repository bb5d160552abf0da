#pragma once
// The stack of another green thread, as return addresses, while the process runs on.
//
// A parked thread is kept parked for the time (hold_parked) and unwound from where it left its stack; nothing of it is
// changed, and it keeps its place among those who wait. A thread on a carrier is asked by a signal, for which libc's own
// signal 33 is used: programs can neither see nor block it, and its handler stands on the alternate stack and restarts
// system calls. A call that the kernel never restarts (signal(7)) ends with EINTR all the same, so only threads that
// compute should be asked.

#include <ucontext.h>

#include "shim/call_chain.h"
#include "shim/thread.h"

namespace unblock {

struct StackOf {
  void* frames[call_chain::most];  // return addresses, innermost first; of a running thread the first is one behind
                                   // the instruction that it was at
  int count = 0;

  // The innermost frame that is neither ours nor libc's, which is what an operator would call the place; null: none.
  void* place() const;
};

// Each answers an empty stack when the thread is not (or no longer) there. Call from: an OS thread that is no carrier,
// one at a time, after call_chain::prime().
StackOf stack_of_parked(Thread& thread);
StackOf stack_of_running(Thread& thread);

// Of the thread that a signal has interrupted, in its handler. Async-signal-safe after call_chain::prime().
StackOf stack_of_interrupted(const ucontext_t& context);

}  // namespace unblock
