#pragma once
// The scheduler as a whole: start, what it did so far, and the fork child. Who runs and who is idle is in idle.h.

#include "scheduler/idle.h"

namespace unblock::scheduler {

struct Options {
  unsigned processors;
  bool monitor;
};

// Begins: the calling OS thread becomes carrier 0 and `main` the green thread that runs on it. The carrier's scheduler
// gets a thread block of its own from `make_carrier_block`, which also tells where that block's `here` is. Starts one
// spare carrier, the monitor and the starter. 0 or an errno; on failure the process goes on with native threads.
// Called once, while the process has one thread.
int start(const Options& options, GreenThread& main, Carrier*& carrier, void* (*make_carrier_block)(Local** local));

// Is the scheduler running in this process?
bool started();

// Sums over all carriers, past and present.
Statistics statistics();
// OS threads of ours at most: carriers, the monitor and the starter.
unsigned os_threads_peak();
void count_os_thread();

// Holds the scheduler's allocators still across fork(2), so that the child's are consistent.
void before_fork();
void after_fork_in_parent();
// The child has one OS thread, whose green thread `caller` runs on `carrier`; all others are gone. `caller` null: a
// thread that is not ours forked. The event loop, the monitor and the starter begin again when they are needed.
void after_fork_in_child(GreenThread* caller, Carrier* carrier);

// Forks between the first process and this one.
uint32_t forks();

// Visits every carrier.
void for_each_carrier(void (*visit)(Carrier&, void*), void* argument);

// Starts the OS threads that a fork child lacks (monitor, starter, spare carrier). Called on a real thread block.
void ensure_os_threads();

// Starts a carrier that looks for a processor. 0 or an error number. On a real thread block.
int start_carrier();

// Begins a thread, never made runnable, that is bound for life: to an OS thread which is a child of the calling one and
// inherits what the kernel keeps for that. 0 or an error number: then nothing has begun. On a real thread block.
int start_bound(GreenThread& green);

}  // namespace unblock::scheduler
