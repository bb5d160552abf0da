#pragma once
// The one switch. Only switch_out leaves a stack and only resume enters one; sanitizers, tracing and the thread block
// hook in there and nowhere else.
//
// Between the two stacks a thread is `critical`: from before the jump until it runs again. A signal that arrives
// meanwhile finds either the thread's own block with critical set, or the carrier's block, and is recorded.

#include "scheduler/carrier.h"

namespace unblock {

// Where in a saved context, to which GreenThread::context points, Boost's jump_fcontext (x86-64, System V) has left the
// registers that a function preserves: offsets in bytes. `size` above the context is the stack pointer of the frame
// that goes on at rip. Only readers from outside look there.
struct SavedFrame {
  enum : uint64_t { r12 = 0x08, r13 = 0x10, r14 = 0x18, r15 = 0x20, rbx = 0x28, rbp = 0x30, rip = 0x38, size = 0x40 };
};

enum class Leaving : uintptr_t { park, yield, finish };

// Leaves the calling green thread's stack for its carrier's scheduler. Returns when somebody resumes it, perhaps on
// another carrier. [no-lock-across-a-switch] is checked.
void switch_out(Leaving leaving);

// Runs `green` on this carrier until it leaves its stack; says why it did.
Leaving resume(Carrier& carrier, GreenThread& green);

// The green thread enters its stack, and has left it, on this carrier: what it has used is counted.
void note_entering(const Carrier& carrier, GreenThread& green);
void note_leaving(Carrier& carrier, GreenThread& green);

// What becomes of a thread that has just left its stack. False: its carrier is to end with it.
bool after_leaving(Carrier& carrier, GreenThread& thread, Leaving why);

// See wait.cc.
bool park_saved(GreenThread& green);

}  // namespace unblock
