#pragma once
// The one switch. Only switch_out leaves a stack and only resume enters one; sanitizers, tracing and the thread block
// hook in there and nowhere else.
//
// Between the two stacks a thread is `critical`: from before the jump until it runs again. A signal that arrives
// meanwhile finds either the thread's own block with critical set, or the carrier's block, and is recorded.

#include "scheduler/carrier.h"

namespace unblock {

enum class Leaving : uintptr_t { park, yield, finish };

// Leaves the calling green thread's stack for its carrier's scheduler. Returns when somebody resumes it, perhaps on
// another carrier. [no-lock-across-a-switch] is checked.
void switch_out(Leaving leaving);

// Runs `green` on this carrier until it leaves its stack; says why it did.
Leaving resume(Carrier& carrier, GreenThread& green);

// What becomes of a thread that has just left its stack. False: its carrier is to end with it.
bool after_leaving(Carrier& carrier, GreenThread& thread, Leaving why);

// See wait.cc.
bool park_saved(GreenThread& green);

}  // namespace unblock
