#pragma once
// The monitor: one OS thread that looks, while somebody runs, whether each processor still picks threads, and that
// starts the carriers others ask for. It sleeps without a timeout while nothing runs, so an idle process is idle.

#include <stdint.h>

namespace unblock::monitor {

// Between two looks. A hog is found after one to two of these.
constexpr int64_t tick_nanoseconds = 5'000'000;

// Starts the OS thread. `ticks` false: it only starts carriers, nobody is ever found. 0 or an error number.
int start(bool ticks);

// Somebody runs again, or wants a carrier. One load when it is awake.
void nudge();

// The child of a fork has no monitor.
void forget();
bool running();

// CPU time of an OS thread of this process, in nanoseconds. Is it runnable, as far as /proc tells? False without /proc.
int64_t cpu_time(int kernel_tid);
bool is_runnable(int kernel_tid);

}  // namespace unblock::monitor
