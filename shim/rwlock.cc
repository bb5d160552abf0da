// Read-write locks: the real try, then the parking lot. An unlock wakes whoever has waited longest: one writer, or all
// readers up to the next writer.

#include <errno.h>

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/real.h"

using namespace unblock;

namespace {

enum Wish : uint32_t { reader, writer };

using Try = int (*)(pthread_rwlock_t*);

bool is_shared(const pthread_rwlock_t* lock) { return lock->__data.__shared != 0; }

// glibc's own answer to a writer that locks again.
bool relocks(const pthread_rwlock_t* lock) { return lock->__data.__cur_writer == gettid(); }

int wait_for(pthread_rwlock_t* lock, Wish wish, Try attempt, Deadline deadline) {
  int error = EBUSY;
  for (;;) {
    Parking parking = parking_lot::park(
        lock, WaitKind::rwlock, deadline,
        [&] {
          error = attempt(lock);
          return error == EBUSY ? Recheck::park : Recheck::leave;
        },
        wish);
    if (parking == Parking::not_needed) return error;
    if (parking == Parking::interrupted) signals::deliver_pending();
    error = attempt(lock);
    if (error != EBUSY) return error;
    if (parking == Parking::timed_out) return ETIMEDOUT;
  }
}

// The forms with a deadline look at it first, as glibc's do.
int acquire(pthread_rwlock_t* lock, Wish wish, clockid_t clock, const timespec* until) {
  if (until != nullptr && (!is_waiting_clock(clock) || !is_valid(*until))) return EINVAL;
  Try attempt = wish == reader ? (Try)real::pthread_rwlock_tryrdlock : (Try)real::pthread_rwlock_trywrlock;
  int error = attempt(lock);
  if (error != EBUSY) return error;
  if (relocks(lock)) return EDEADLK;
  return wait_for(lock, wish, attempt, until != nullptr ? deadline_of(clock, *until) : Deadline::never());
}

void wake_next(pthread_rwlock_t* lock) {
  bool readers_only = false;
  parking_lot::unpark(lock, INT32_MAX, [&](uint32_t wish, int woken) {
    if (woken == 0) {
      readers_only = wish == reader;
      return Choice::wake;
    }
    return readers_only && wish == reader ? Choice::wake : Choice::stop;
  });
}

}  // namespace

// pthread_rwlock_rdlock(3).
INTERPOSED int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  if (!lifecycle::active()) return real::pthread_rwlock_rdlock(lock);
  if (is_shared(lock)) return in_region([&] { return real::pthread_rwlock_rdlock(lock); });
  return acquire(lock, reader, CLOCK_REALTIME, nullptr);
}
INTERPOSED int __pthread_rwlock_rdlock(pthread_rwlock_t* lock) { return pthread_rwlock_rdlock(lock); }

// pthread_rwlock_wrlock(3).
INTERPOSED int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  if (!lifecycle::active()) return real::pthread_rwlock_wrlock(lock);
  if (is_shared(lock)) return in_region([&] { return real::pthread_rwlock_wrlock(lock); });
  return acquire(lock, writer, CLOCK_REALTIME, nullptr);
}
INTERPOSED int __pthread_rwlock_wrlock(pthread_rwlock_t* lock) { return pthread_rwlock_wrlock(lock); }

// pthread_rwlock_clockrdlock(3).
INTERPOSED int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_rwlock_clockrdlock(lock, clock, until);
  if (is_shared(lock)) return in_region([&] { return real::pthread_rwlock_clockrdlock(lock, clock, until); });
  return acquire(lock, reader, clock, until);
}

// pthread_rwlock_clockwrlock(3).
INTERPOSED int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_rwlock_clockwrlock(lock, clock, until);
  if (is_shared(lock)) return in_region([&] { return real::pthread_rwlock_clockwrlock(lock, clock, until); });
  return acquire(lock, writer, clock, until);
}

// pthread_rwlock_timedrdlock(3).
INTERPOSED int pthread_rwlock_timedrdlock(pthread_rwlock_t* lock, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_rwlock_timedrdlock(lock, until);
  return pthread_rwlock_clockrdlock(lock, CLOCK_REALTIME, until);
}

// pthread_rwlock_timedwrlock(3).
INTERPOSED int pthread_rwlock_timedwrlock(pthread_rwlock_t* lock, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_rwlock_timedwrlock(lock, until);
  return pthread_rwlock_clockwrlock(lock, CLOCK_REALTIME, until);
}

// pthread_rwlock_unlock(3).
INTERPOSED int pthread_rwlock_unlock(pthread_rwlock_t* lock) {
  int error = real::pthread_rwlock_unlock(lock);
  if (error == 0 && lifecycle::active()) wake_next(lock);
  return error;
}
INTERPOSED int __pthread_rwlock_unlock(pthread_rwlock_t* lock) { return pthread_rwlock_unlock(lock); }
