#pragma once
// What is known of each descriptor's readiness, and who waits for it.
//
// States of a descriptor: unregistered, or registered with the event loop, edge-triggered for both directions, once.
// Marks: `in` and `out` say that the next try may succeed; hang-up, the end of the peer's stream and urgent data are
// sticky: they go only when a try proves them stale.
//
// Protocol.
//   A thread that transfers                        The loop, for each event
//   1. clears the mark                             1. takes the descriptor's lock, drops events of another generation
//   2. tries; success: sets the mark again         2. sets the marks
//      unless it knows that nothing is left        3. wakes every poller and the first transfer of the direction
//   3. EAGAIN: takes the lock, registers if need
//      be, links its interest, looks at the mark
//   4. waits, unlinks, tries again
//   5. when it succeeds and others wait in the same direction, wakes the next (pass_on)
//
// Races.
//   The event comes between 2 and 3: the mark is set, step 3 sees it under the lock [publish-then-recheck]. Data
//   arrives between 1 and 2: the mark is set although the try took it; one needless try follows. Two readers, two
//   messages, one edge: the first wakes, succeeds and passes on [pass-on]. The second is on its way to wait while the
//   first has the mark in hand: a success sets the mark, then looks who waits; a waiter links itself, then looks at
//   the mark. The descriptor is closed under a waiter: close_descriptor() ends the wait with `closed` and starts a
//   new generation, whose events alone count [generation]. A close that we did not see: the number is born again
//   through us and starts a new generation; where births are not seen either (`trusted` is false) each wait asks the
//   kernel again [verify-untrusted].
//
// Rejected. One-shot registrations (a system call for each wait); level-triggered ones (an event for each turn while
// a byte is unread); waking every reader (thousands of acceptors would race for one connection).

#include "scheduler/wait.h"

namespace unblock {

enum class Direction : uint8_t { in = 1, out = 2 };

struct Readiness;

// One waiter's interest in one descriptor; on the waiter's stack.
struct Interest {
  Waiter* waiter;
  uint8_t directions;         // bits of Direction
  bool shared;                // a poller: woken by every event, passes nothing on
  Readiness* readiness;       // where it is linked, or null; guarded(readiness lock)
  Interest *next, *previous;  // guarded(readiness lock)
};

// Waits until a transfer in `direction` may succeed. Returns at once when the mark says so.
// Suspends: the calling green thread. Holds the carrier: when may_switch() is false.
Wakeup wait_for_descriptor(int fd, Direction direction, Deadline deadline = Deadline::never());

// Step 1: clears the mark and returns all marks as they were.
uint8_t begin_try(int fd, Direction direction);
// Step 2, success: more may be there.
void set_mark(int fd, Direction direction);
// Step 2, EAGAIN: a sticky mark that stood before the try has been proven stale (the socket was connected anew) and
// goes. True when there was one.
bool try_failed(int fd, Direction direction, uint8_t marks_before);
// The kernel has refused to watch this descriptor because it has no readiness: what finds nothing now must block.
bool never_waits(int fd);
// False only when a try is sure to fail: registered, not marked, and nothing sticky.
bool worth_trying(int fd, Direction direction);

// After a success: wakes the next transfer that waits in this direction, if any.
void pass_on(int fd, Direction direction);

// Links `interest` so that any event of its directions wakes its waiter. False when the loop cannot watch this
// descriptor (regular files, exhausted watches); the caller must not wait for it.
bool watch(int fd, Interest& interest);
void unwatch(Interest& interest);

// A descriptor of this number begins: nothing known of an older one counts any more. `trusted`: its close will be
// seen too.
void open_descriptor(int fd, bool trusted);

// The descriptor is about to be closed or replaced: its waiters end with `closed`. `shared`: the open file
// description may live on under another number or in another process, so the registration is removed by hand.
void close_descriptor(int fd, bool shared);

// Something happened to the descriptor that the kernel may not report (shutdown(2) of the sending half): whoever waits
// tries again.
void stir_descriptor(int fd);

// One event of the loop.
void descriptor_event(int fd, uint32_t generation, uint32_t events);

// The event loop is a new one, where nothing is registered: whoever waits tries again.
void renew_registrations();

// The child of a fork has no registrations and no waiters.
void forget_registrations();

}  // namespace unblock
