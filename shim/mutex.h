#pragma once
// Mutexes, for those who lock one as part of something larger (condition variables, C11).

#include <pthread.h>

#include "scheduler/timer.h"

namespace unblock::mutex {

// Whom this thread has woken by giving the object back may try before this thread takes it again: here.let_in says so.
void let_in(const void* object);

// pthread_mutex_lock(3) and pthread_mutex_unlock(3): 0 or an error number.
int lock(pthread_mutex_t* mutex, Deadline deadline = Deadline::never());
int unlock(pthread_mutex_t* mutex);

// Of one process only, so that its waiters are in the parking lot.
bool is_private(const pthread_mutex_t* mutex);
// Somebody has it, and will unlock it. Only looks.
bool is_held(const pthread_mutex_t* mutex);

}  // namespace unblock::mutex
