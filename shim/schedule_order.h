#pragma once
// How a thread is to be scheduled, when it is not the thread itself that says so: by pthread_create's attributes, or by
// another thread. The kernel keeps policy, priority, niceness and affinity for OS threads, so the thread must first have
// one of its own, and only it can take that. The order is written down, the thread is told, and carries it out the next
// time that it runs, before anything else. Questions about it are answered by the order until then.

#include <sched.h>

#include "scheduler/lock.h"

namespace unblock {

struct Thread;

struct ScheduleOrder {
  bool has_policy, has_niceness, has_affinity;
  int policy, priority, niceness;
  cpu_set_t affinity;
};

namespace schedule_order {

// Would the kernel take this for the caller's process? 0, EINVAL or EPERM.
int check_policy(int policy, int priority);
int check_affinity(const cpu_set_t& set);

// What differs from the order that stands is added to it, and the thread is told.
void give(Thread& thread, const ScheduleOrder& order);

// The thread has been scheduled so: its children inherit it from now on.
void note(Thread& thread, const ScheduleOrder& order);

// Adds to a new thread's order what it has from the calling thread, by PTHREAD_INHERIT_SCHED (`policy`) and because its
// attributes name no affinity (`affinity`). Only what that thread has for itself counts: what the process as a whole has,
// all OS threads have. Niceness is left out, and so is main's affinity: servers set these for themselves once they have a
// second thread, and each of their thousands of threads would need an OS thread, while a policy is set for those few
// that must run first.
void inherit(const Thread* creator, bool policy, bool affinity, ScheduleOrder& order);

// The calling thread gets an OS thread of its own and does as it was told.
void carry_out(Thread& me);

// The order that the thread has not carried out yet; false: none.
bool pending(Thread& thread, ScheduleOrder& order);

}  // namespace schedule_order
}  // namespace unblock
