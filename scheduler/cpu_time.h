#pragma once
// The CPU time of a green thread. The kernel counts it for OS threads; until somebody asks, a switch reads nothing but
// the time-stamp counter, and what a thread has used so far is estimated from that, at most what the process has used.
// From the first question on each switch reads the OS thread's clock, and the count is the kernel's own.

#include <cstdint>

#include "scheduler/green_thread.h"

namespace unblock::cpu_time {

extern std::atomic<bool> is_counted;

// Nanoseconds that the thread has used, the calling thread's to this moment. Of another that runs just now, to the
// moment when it was last resumed, and as far as its OS thread can be asked since. Thread-safe.
int64_t of(GreenThread& green);

// main has used this much before it became a green thread.
void begin(GreenThread& main);

// The thread enters its stack on this carrier, and has left it. Only while is_counted.
void note_entering(Carrier& carrier, GreenThread& green);
void note_leaving(Carrier& carrier, GreenThread& green);

}  // namespace unblock::cpu_time
