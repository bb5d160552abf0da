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

// The calling thread gets an OS thread of its own and does as it was told.
void carry_out(Thread& me);

// The order that the thread has not carried out yet; false: none.
bool pending(Thread& thread, ScheduleOrder& order);

}  // namespace schedule_order
}  // namespace unblock
