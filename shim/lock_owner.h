#pragma once
// Who holds what a thread waits for. glibc keeps the number of a mutex's owner, and of a rwlock's writer, in the object;
// a join waits for the thread itself. The objects are the program's and may be gone, so they are read by a system call
// that fails then. Async-signal-safe.

#include "shim/thread.h"

namespace unblock {

// Can the object of such a wait have an owner?
bool has_owner(WaitKind kind);

// The number of the thread that holds the mutex or the rwlock at `object`; 0: nobody, or it is not known.
int owner_tid_of(WaitKind kind, const void* object);

// The thread that is joined by who waits for `life`.
Thread* joined(const void* life);

}  // namespace unblock
