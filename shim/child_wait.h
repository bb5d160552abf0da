#pragma once
// Waiting for children without an OS thread for each who waits.
//
// A child that is known by its number is watched through a pidfd. Whoever takes any child waits in the parking lot; one
// OS thread of ours, the lookout, sits in waitid(2) for all of them, takes nothing, and wakes one of them for each child
// that has ended. In both cases the one who is woken asks the kernel by the program's own call, with WNOHANG: so each
// child is reaped by one caller, with everything that the call tells.
//
// The lookout looks once for each time that it is armed: by a waiter that has linked itself, and by one that was woken
// while others are left, since it may find nothing, or end, or leave another child to them. So an ended child that
// nobody waits for makes nobody run.
//
// Races. A child ends between the question and the wait: the pidfd is readable already when it is watched; the lookout
// is armed after the waiter is linked and finds every child that has ended [publish-then-recheck].

#include <sys/types.h>

#include "scheduler/wait.h"

namespace unblock::child_wait {

// Until the child with this number may have ended. False: it cannot be watched, block instead.
// Suspends: the calling green thread. Call only where may_switch().
bool park_for(pid_t child, Wakeup& wakeup);

// Until any child may have ended. False: as above.
bool park_for_any(Wakeup& wakeup);

void forget_in_child();

}  // namespace unblock::child_wait
