#pragma once
// A green thread that overruns its stack: one line that says so, with its name, then the native signal.

#include "scheduler/carrier.h"

namespace unblock::overflow {

// Catches SIGSEGV, and for dumps the other signals of faults and of abort(3), while the program leaves them at their
// default, on a stack that each carrier has for it.
void begin();

// The program installs handlers that ask for an alternate stack: none of ours may stand where it wants none.
void leave_alternate_stacks_to_the_program();

// The alternate stack of a carrier for threads that have none of their own; null when there is to be none.
void* carrier_stack(Carrier& carrier);
constexpr size_t carrier_stack_bytes = 64 * 1024;

}  // namespace unblock::overflow
