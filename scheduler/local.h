#pragma once
// What each thread block knows of us: one initial-exec variable. A green thread's copy travels with its block, so
// `here.green` never changes for it, and `here.carrier` is stored by whoever resumes it. On a carrier's own block
// `green` is null; on the block of an OS thread that is not ours both are null.

#include <stdint.h>

namespace unblock {

struct GreenThread;
struct Carrier;

struct Local {
  GreenThread* green;
  Carrier* carrier;
  // Above zero: a lock of ours is held or the thread is between stacks. Signals are recorded, nothing may park.
  uint32_t critical;
  // Above zero: a signal handler of the program runs here. Its waits hold the carrier.
  uint32_t in_handler;
  // Above zero: a wait is under way and others may hold links to its frame. Signals are recorded, so that no handler
  // leaves that frame by a jump.
  uint32_t waits;
  // Above zero: what libc holds meanwhile must not wait for others (dlopen). Waits hold the carrier.
  uint32_t pinned;
  // Where the innermost of those handlers began. Above it on the same stack, the handler has been left by a jump.
  void* handler_frame;
  // A signal was recorded while `critical` was set; whoever leaves the critical section delivers it.
  bool signals_recorded;
  // Above zero: libc starts a child that runs in our memory and on this block until it execs. See shim/entries.h.
  uint32_t spawning;
  // The last lock whose release by this thread woke somebody: before it takes that again, the other may try.
  const void* let_in;
};

extern __thread Local here __attribute__((tls_model("initial-exec"), visibility("hidden")));

}  // namespace unblock
