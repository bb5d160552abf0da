#pragma once
// The event loop: one epoll instance for the process, and an eventfd that ends a wait from outside. Both descriptors
// live above the program's, at the top of the limit, so that the program's next number is the one libc would give.
//
// A fork child that has no free descriptor waits without them, on a futex, for its timers and for kicks [blind-wait].
// Who waits so says it and then looks whether there is a loop after all; who opens one, or kicks, looks afterwards
// whether somebody waits so. A kick that comes before the wait leaves its word at 1.
//
// The program may close our descriptors by system calls that we do not see. The next wait finds out, and makes a new
// pair, to which nobody is registered; so whoever waits for a descriptor is woken, tries again and registers again.

#include <stdint.h>

namespace unblock::event_loop {

// Makes the two descriptors; 0 or -errno. Also after a fork, when the child's own pair replaces the parent's.
long open();
// Opens the pair where there is none, in the child of a fork. False: no descriptor is free.
bool ensure_open();
// Closes the inherited pair without touching what it watches: that belongs to the parent.
void close_inherited();

// 0 or -errno.
long add(int fd, uint32_t generation, uint32_t events);
long modify(int fd, uint32_t generation, uint32_t events);
long remove(int fd);

// Handles what is ready; waits up to `timeout` nanoseconds for the first event (INT64_MAX: for ever).
// Returns the number of events. Holds the carrier: it is the carrier's way to sleep.
int poll(int64_t timeout);

// Ends the current or next waiting poll(). Async-signal-safe.
void kick();

// Is this descriptor one of ours? The program's close and its close-everything loops must not reach it.
bool owns(int fd);
// The first of ours in [first, last]; last + 1 when there is none.
unsigned first_owned(unsigned first, unsigned last);
// Gives up a number of ours that the program wants for itself (dup2).
void give_up(int fd);

}  // namespace unblock::event_loop
