// Condition variables wait in the parking lot at their own address. libc's implementation calls the mutex inside
// itself, out of our sight, so none of it is used but the attributes that it keeps in the object.

#include "shim/condition.h"

#include <errno.h>

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/mutex.h"
#include "shim/owned_mutex.h"
#include "shim/real.h"

namespace unblock::condition {
namespace {

// Bits of glibc's `__wrefs` (2.25 and later).
constexpr unsigned process_shared = 1, monotonic = 2;

}  // namespace

bool is_shared(const pthread_cond_t* condition) { return (condition->__data.__wrefs & process_shared) != 0; }

clockid_t clock_of(const pthread_cond_t* condition) {
  return condition->__data.__wrefs & monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

int wait(pthread_cond_t* condition, pthread_mutex_t* mutex, Deadline deadline) {
  int unlock_error = 0;
  const void* moves_to = mutex::is_private(mutex) ? mutex : nullptr;
  Parking parking = parking_lot::park_then(condition, WaitKind::condition, deadline, moves_to, [&] {
    unlock_error = mutex::unlock(mutex);
    return unlock_error == 0;
  });
  if (unlock_error != 0) return unlock_error;
  if (parking == Parking::interrupted) signals::deliver_pending();
  int lock_error = mutex::lock(mutex);
  if (parking == Parking::cancelled) cancellation::test();
  if (lock_error != 0) return lock_error;
  return parking == Parking::timed_out ? ETIMEDOUT : 0;
}

int signal(pthread_cond_t* condition) {
  if (is_shared(condition)) return real::pthread_cond_signal(condition);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  parking_lot::unpark(condition, 1);
  return 0;
}

int broadcast(pthread_cond_t* condition) {
  if (is_shared(condition)) return real::pthread_cond_broadcast(condition);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // Usually the caller has the mutex: all of them would wake only to wait for it.
  parking_lot::move_all(condition,
                        [](const void* mutex) { return mutex::is_held(static_cast<const pthread_mutex_t*>(mutex)); });
  return 0;
}

}  // namespace unblock::condition

using namespace unblock;

namespace {

// Process-shared condition variables are libc's business altogether.
template <class Wait>
int wait_in_libc(const pthread_mutex_t* mutex, Wait wait) {
  return owned_mutex::is_one(mutex) ? owned_mutex::wait_with(wait) : in_region(wait);
}

}  // namespace

// pthread_cond_wait(3). Suspends the calling thread; a cancellation point.
INTERPOSED int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  if (!lifecycle::active()) return real::pthread_cond_wait(condition, mutex);
  if (condition::is_shared(condition)) {
    return wait_in_libc(mutex, [&] { return real::pthread_cond_wait(condition, mutex); });
  }
  cancellation::test();
  return condition::wait(condition, mutex);
}

// pthread_cond_clockwait(3).
INTERPOSED int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                                      const timespec* until) {
  if (!lifecycle::active()) return real::pthread_cond_clockwait(condition, mutex, clock, until);
  if (!is_waiting_clock(clock) || !is_valid(*until)) return EINVAL;
  if (condition::is_shared(condition)) {
    return wait_in_libc(mutex, [&] { return real::pthread_cond_clockwait(condition, mutex, clock, until); });
  }
  cancellation::test();
  return condition::wait(condition, mutex, deadline_of(clock, *until));
}

// pthread_cond_timedwait(3): on the clock of the condition variable's attributes.
INTERPOSED int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_cond_timedwait(condition, mutex, until);
  if (condition::is_shared(condition)) {
    return wait_in_libc(mutex, [&] { return real::pthread_cond_timedwait(condition, mutex, until); });
  }
  return pthread_cond_clockwait(condition, mutex, condition::clock_of(condition), until);
}

// pthread_cond_signal(3).
INTERPOSED int pthread_cond_signal(pthread_cond_t* condition) {
  if (!lifecycle::active()) return real::pthread_cond_signal(condition);
  return condition::signal(condition);
}

// pthread_cond_broadcast(3).
INTERPOSED int pthread_cond_broadcast(pthread_cond_t* condition) {
  if (!lifecycle::active()) return real::pthread_cond_broadcast(condition);
  return condition::broadcast(condition);
}
