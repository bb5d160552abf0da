#pragma once
// Reports of what holds others up (--report-hogs): threads that keep their processor, locks held across a wait or a
// blocking call, and deadlocks; see lock_waits.h for the latter two.
//
// One OS thread of our own looks. It stands beside the monitor, which must never wait for anybody, while a report asks
// the loader for names and may run the `unblock` command. While anything runs, the monitor wakes it at each of its
// looks; when nothing runs any more it looks once again, as late as a wait takes to be reported, and then sleeps for
// ever: an idle process stays idle.
//
// A hog is a thread that has been on its carrier beyond the threshold since it was last resumed and was in no blocking
// region at any look; that it has an OS thread of its own by now (a hand-off came first, as a rule) does not matter,
// that it was given one for good does. Where it is, it is asked by a signal if it computes (stack_of.h). One that
// blocks in a system call which we do not know is not asked, because the call might end with EINTR.

#include <stdint.h>

namespace unblock::reporter {

// Has this place, whatever tells it from others, been reported before? Notes it. After 256 places one line says that
// no more are reported, and every place is an old one. Call from: the reporter's OS thread.
bool is_known(uint64_t place);

// The child of a fork has no reporter until its monitor starts one.
void after_fork_in_child();

}  // namespace unblock::reporter
