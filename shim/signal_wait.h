#pragma once
// Waiting for a signal without holding an OS thread; the argument stands in signal_wait.cc.

#include "scheduler/timer.h"
#include "shim/signal_queue.h"

namespace unblock::signals {

// Takes the next signal of the set that is or becomes pending for the calling thread: its number, -EAGAIN when the
// deadline has come, or -EINTR when a handler has run meanwhile. `info` may be null.
// Suspends: the calling green thread. Holds the carrier: when may_switch() is false.
int wait_for_signal(SignalMask set, siginfo_t* info, Deadline deadline);

// The child of a fork watches for its own.
void forget_watch_in_child();

}  // namespace unblock::signals
