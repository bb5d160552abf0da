#pragma once
// The scheduler as a whole: start, what it did so far, and the fork child.

#include "scheduler/carrier.h"

namespace unblock::scheduler {

struct Options {
  unsigned processors;
  bool monitor;
};

// Begins: the calling OS thread becomes carrier 0 and `main` the green thread that runs on it. The carrier's scheduler
// gets a thread block of its own from `make_carrier_block`, which also tells where that block's `here` is. Starts one
// spare carrier and the monitor. 0 or an errno; on failure the process goes on with native threads.
// Called once, while the process has one thread.
int start(const Options& options, GreenThread& main, Carrier*& carrier, void* (*make_carrier_block)(Local** local));

// Is the scheduler running in this process?
bool started();

unsigned processor_count();

// Sums over all carriers, past and present.
Statistics statistics();
// OS threads of ours at most: carriers and the monitor.
unsigned os_threads_peak();

// Holds the scheduler's allocators still across fork(2), so that the child's are consistent.
void before_fork();
void after_fork_in_parent();
// The child has one OS thread, whose green thread `caller` runs on `carrier`; all others are gone. `caller` null: a
// thread that is not ours forked. The event loop and the monitor begin again when they are needed.
void after_fork_in_child(GreenThread* caller, Carrier* carrier);

// Forks between the first process and this one.
uint32_t forks();

// Visits every carrier.
void for_each_carrier(void (*visit)(Carrier&, void*), void* argument);

// Gives the calling thread's processor to a spare carrier.
void give_processor_away();

// Starts the OS threads that a fork child lacks (monitor, spare carrier). Called on a real thread block.
void ensure_os_threads();

// The host's mask_for_waiting() has changed: whoever waits for events waits anew.
void renew_waiting_mask();

// --- between the parts of the scheduler ---

// Queues a thread where every processor looks, and sees that one does.
void inject(GreenThread& green);
// Timers of threads that have no processor; every processor looks after them.
TimerHeap& lone_timers();
// A timer was set by somebody who will not look after it: wakes the waiting carrier if it would sleep too long.
void kick_if_earlier(int64_t deadline);
// Fires what is due on every processor and among the lone timers. True when something was.
bool run_due_timers();
// A processor's queue takes long: wakes another processor, if one is idle.
void wake_help();
// Moves runnable threads to this processor: from the injection queue, from another processor's.
bool take_injected(Carrier& carrier, Processor& processor);
bool steal_into(Carrier& carrier, Processor& thief);
// Nothing to run: waits for events, or sleeps without a processor.
void go_idle(Carrier& carrier, Processor& processor);
// Sleeps until somebody gives this carrier a processor. False: it is to end.
bool wait_as_spare(Carrier& carrier);
// Takes the processor from `owner` if it has picked nothing since `picks`.
bool hand_off(Processor& processor, Carrier& owner, uint64_t picks);
// Starts a carrier that looks for a processor. 0 or an error number. On a real thread block.
int start_carrier();
Processor& processor_at(unsigned index);
size_t spare_count();
bool carriers_wanted();

}  // namespace unblock::scheduler
