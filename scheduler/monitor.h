#pragma once
// The monitor: one OS thread that looks, while somebody runs, whether each processor still picks threads. It sleeps
// without a timeout while nothing runs, so an idle process is idle. Beside it the starter: one that starts the carriers
// others ask for.
//
// They are two because each must not do what the other does. To start an OS thread, libc allocates, and the program's
// allocator may have a lock whose holder is runnable behind a carrier that is blocked: who waits for it must not be the
// one who hands that processor over. And the monitor reads files of /proc while the program runs. In the program's
// table of descriptors each would for a moment have the number that the program's own next open is to get, and a dup2
// over that number would make our close the program's. So the monitor has a table of its own, empty when it
// begins, and the program's is never touched [own-descriptors]; whom it started would share that table, so it starts
// nobody. Where it cannot have one, no thread is found runnable, as without /proc.

#include <stdint.h>

namespace unblock::monitor {

// Between two looks. A hog is found after one to two of these.
constexpr int64_t tick_nanoseconds = 5'000'000;

// Starts the two OS threads. `ticks` false: only the starter, nobody is ever found. 0 or an error number.
int start(bool ticks);

// Somebody runs again, or wants a carrier. Two loads when nobody is to be woken.
void nudge();
// The starter is to do what host::starter_is_called() does. Never blocks.
void call_starter();

// The child of a fork has neither.
void forget();
bool running();

// CPU time of an OS thread of this process, in nanoseconds.
int64_t cpu_time(int kernel_tid);

// Is it runnable, as far as /proc tells? False without /proc. The monitor answers, within a tick: it must run and tick.
// Call from: one OS thread (the reporter's).
bool is_runnable(int kernel_tid);

}  // namespace unblock::monitor
