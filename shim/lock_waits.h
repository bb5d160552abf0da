#pragma once
// Locks that are waited for in vain: deadlocks, and locks that are held across a long wait or a long blocking call.
//
// Who waits for whom. A thread that waits for a mutex or a rwlock waits for its owner, whose number libc keeps in the
// object; one that joins waits for that thread. Each waits for one thing at most, so following the edges ends at a
// thread that waits for no lock, or in a cycle. A semaphore and a condition variable have no owner, and a rwlock that
// readers hold names none: an edge that is not there hides a deadlock, but never invents one.
//
// Why a cycle is certain. All is read while everybody goes on. Then each edge of a cycle is read once more: its thread
// is in the same wait as before (same epoch, same start), and its object has the same owner. So at the moment between
// the two readings every thread of the cycle was waiting for the next. Only a deadline can end such a wait; a cycle
// that has lasted beyond the threshold is reported although one of its waits may have a deadline.

#include <stdint.h>

#include "shim/lines.h"

namespace unblock::lock_waits {

// Looks at all threads; reports waits of `threshold` nanoseconds and more. At most 1,024 locks at a look. Returns how long
// the looking took, without the reports. Call from: the reporter's OS thread.
int64_t look(int64_t threshold, Lines& lines);

}  // namespace unblock::lock_waits
