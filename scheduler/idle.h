#pragma once
// Who may run and who is idle: the processors, the carriers without one, and the threads that wait for either. For the
// parts of the scheduler among themselves; the argument stands in carrier.h. Thread-safe.

#include "scheduler/carrier.h"

namespace unblock::scheduler {

// Once, before any carrier runs. False: no memory.
bool make_processors(unsigned count);
unsigned processor_count();
Processor& processor_at(unsigned index);
// The first processor for `first`, or for nobody when that is null; the others idle.
void share_out_processors(Carrier* first);
// The child of a fork begins with fresh processors and nobody idle.
void forget_idle();

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
// How often a processor was taken from its carrier.
uint64_t hand_offs();

// Somebody needs a carrier, there is no spare and none is on its way: the starter starts one.
bool carrier_wanted();
// It is on its way; it has come, and will look around; or it could not be started.
void carrier_is_coming(bool coming);

// Gives the calling thread's processor to a spare carrier.
void give_processor_away();

// Whoever waits for events, or is about to, looks around and waits anew: a signal handler has made a thread runnable
// behind its back, or the host's mask_for_waiting() has changed. Async-signal-safe.
void renew_wait();

}  // namespace unblock::scheduler
