// Read-write locks: the real try, then the parking lot. An unlock wakes whoever has waited longest: one writer, or all
// readers up to the next writer.
//
// A lock that prefers writers holds back new readers while a writer waits. libc cannot see writers in the lot, so they
// are counted in a word of the lock that libc leaves alone and zero. A reader is held back only while other readers
// hold the lock: the last of them to unlock saw the count before it unlocked, or the writer came later and found the
// lock free or taken by somebody who will see it. So nobody waits for a lock that nobody holds.

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

bool prefers_writers(const pthread_rwlock_t* lock) {
  return lock->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

std::atomic_ref<unsigned> waiting_writers(pthread_rwlock_t* lock) {
  return std::atomic_ref<unsigned>(lock->__data.__pad4);
}

// glibc counts the readers inside above three flags.
bool readers_are_inside(const pthread_rwlock_t* lock) {
  return __atomic_load_n(&lock->__data.__readers, __ATOMIC_SEQ_CST) >> 3 != 0;
}

int try_read(pthread_rwlock_t* lock) {
  if (prefers_writers(lock) && waiting_writers(lock).load() != 0 && readers_are_inside(lock)) return EBUSY;
  return real::pthread_rwlock_tryrdlock(lock);
}

// `lock` is only a number here: it may be gone.
void wake_next(const pthread_rwlock_t* lock, bool writers_first) {
  if (writers_first) {
    int woken =
        parking_lot::unpark(lock, 1, [](uint32_t wish, int) { return wish == writer ? Choice::wake : Choice::skip; });
    if (woken != 0) return;
  }
  bool readers_only = false;
  parking_lot::unpark(lock, INT32_MAX, [&](uint32_t wish, int woken) {
    if (woken == 0) {
      readers_only = wish == reader;
      return Choice::wake;
    }
    return readers_only && wish == reader ? Choice::wake : Choice::stop;
  });
}

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
  Try attempt = wish == reader ? try_read : (Try)real::pthread_rwlock_trywrlock;
  int error = attempt(lock);
  if (error != EBUSY) return error;
  if (relocks(lock)) return EDEADLK;
  Deadline deadline = until != nullptr ? deadline_of(clock, *until) : Deadline::never();
  if (wish == reader || !prefers_writers(lock)) return wait_for(lock, wish, attempt, deadline);
  waiting_writers(lock).fetch_add(1);
  error = wait_for(lock, wish, attempt, deadline);
  if (waiting_writers(lock).fetch_sub(1) == 1 && error != 0) wake_next(lock, false);  // the readers it held back
  return error;
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

// pthread_rwlock_tryrdlock(3).
INTERPOSED int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) {
  if (!lifecycle::active() || is_shared(lock)) return real::pthread_rwlock_tryrdlock(lock);
  return try_read(lock);
}
INTERPOSED int __pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) { return pthread_rwlock_tryrdlock(lock); }

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
  if (!lifecycle::active()) return real::pthread_rwlock_unlock(lock);
  bool writers_first = prefers_writers(lock) && waiting_writers(lock).load() != 0;
  int error = real::pthread_rwlock_unlock(lock);
  if (error == 0) wake_next(lock, writers_first);
  return error;
}
INTERPOSED int __pthread_rwlock_unlock(pthread_rwlock_t* lock) { return pthread_rwlock_unlock(lock); }
