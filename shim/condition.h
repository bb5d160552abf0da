#pragma once
// Condition variables, shared with C11's.

#include <pthread.h>

#include "scheduler/timer.h"

namespace unblock::condition {

// 0, ETIMEDOUT, or what locking or unlocking the mutex said.
int wait(pthread_cond_t* condition, pthread_mutex_t* mutex, Deadline deadline = Deadline::never());
int signal(pthread_cond_t* condition);
int broadcast(pthread_cond_t* condition);

bool is_shared(const pthread_cond_t* condition);
// The clock that its attributes chose.
clockid_t clock_of(const pthread_cond_t* condition);

}  // namespace unblock::condition
