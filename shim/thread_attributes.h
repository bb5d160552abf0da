#pragma once
// What pthread_attr_t says, read through libc's own getters.

#include <pthread.h>

#include "shim/thread.h"

namespace unblock {

struct ThreadAttributes {
  void* stack_address;  // lowest byte of the program's own stack; null: ours
  size_t stack_size;
  size_t guard_size;
  bool detached;
  bool has_mask;  // a signal mask of its own, not the creator's
  unsigned long mask;
  ScheduleOrder order;  // what differs from the process's
  bool explicit_schedule;
  int error;  // what cannot be had: EINVAL or EPERM
};

// Null attributes are pthread_getattr_default_np(3)'s. The operator's stack size replaces a default, never a wish.
ThreadAttributes read_attributes(const pthread_attr_t* attributes);

// The first name of a thread is its creator's.
void inherit_name(Thread& thread, const Thread* creator);
void read_process_name(Thread& main);

}  // namespace unblock
