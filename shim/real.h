#pragma once
// The real functions: real::recv is libc's recv, with the type that its header gives it. They are found by our own
// walk of libc's symbol tables, in our constructor or at the first call, whichever comes first: until then each points
// at a stub that finds them all and goes on to the one that was called, so a caller tests nothing. A name that this
// libc does not have answers -1 with ENOSYS.

#include "shim/glibc/private_names.h"

namespace unblock::real {

void find_all() __asm__("unblock_find_real_functions_");

// What libc has at `function` is to be called at `copy` from now on. Before there are other threads.
void moved(void* function, void* copy);

#define X(name, family) \
  extern decltype(::name)* name __asm__("unblock_real_" #name) __attribute__((visibility("hidden")));
#include "shim/interposed.def"
#include "shim/real_only.def"
#undef X

}  // namespace unblock::real

// An interposed name: visible, without a version, so that it stands before every version of libc's.
#define INTERPOSED extern "C" __attribute__((visibility("default")))
