#pragma once
// Who created a thread, as return addresses: recorded when the operator has asked for it (--creation-stacks), kept as
// long as the thread's record, and read from outside. Thread-safe.

#include "shim/thread.h"

namespace unblock::creation_stack {

// Notes the calling thread's stack as that of the creator of `thread`. Without memory for it, nothing is noted.
void record(Thread& thread);

// The thread is taken apart.
void release(Thread& thread);

}  // namespace unblock::creation_stack
