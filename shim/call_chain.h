#pragma once
// Return addresses of the calling thread, by libc's backtrace(3): it unwinds by the program's .eh_frame, so code that
// was compiled without frame pointers and without debug information is walked, too.
//
// backtrace(3) loads libgcc_s.so.1 when it is first called, with dlopen and malloc. prime() does that beforehand; after
// it, recording allocates nothing and, from glibc 2.35 and GCC 12 on, takes no lock: it may then be used in a signal
// handler. (Before that it takes the loader's lock, which the calling thread may hold: that lock is recursive.)

#include <stddef.h>

namespace unblock::call_chain {

constexpr int most = 32;

// False: there is no unwinder in this process. Call from: a thread that may wait for the loader.
bool prime();

// Writes up to `count` return addresses of the calling thread to `frames`, innermost first, our own library's leading
// ones left out. Returns how many: 0 before prime(). Suspends: never.
int record(void** frames, int count);

// Does it so without a lock of the loader's, after prime()? GCC 12 came out with glibc 2.35.
bool takes_no_lock();

// Where the function around this return address begins, by its unwinding information, which stripped files have too.
// Null: not known.
void* function_at(void* return_address);

// Does this address lie in our library?
bool is_ours(const void* address);

}  // namespace unblock::call_chain
