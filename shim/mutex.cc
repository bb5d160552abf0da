// Mutexes. The bytes stay libc's: lock is the real trylock and then the parking lot; unlock is the real unlock and
// then a look whether anybody is parked. So kinds, recursion, error checking and static initialisers stay right.
//
// After the real unlock the mutex is never touched again unless somebody is parked: it may be gone. Its address is all
// that the lot needs.
//
// Fairness. Whoever comes first takes a free mutex, which is fast, and could keep a parked thread out for ever. So who
// was woken and found it taken again parks with its tid as the tag, and the next unlock takes the mutex in its name
// before waking it [handed-over]. And who has woken somebody by an unlock and wants the mutex again lets the others run
// first, so that the woken thread gets to try. A thread at the head of the queue is therefore passed over once at most.
// Rejected: handing over always (whoever comes next waits for a thread that does not run yet: a convoy), and giving way
// at the unlock (most threads that unlock go on to something else).

#include "shim/mutex.h"

#include <errno.h>
#include <limits.h>

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/owned_mutex.h"
#include "shim/real.h"

namespace unblock::mutex {
namespace {

// Bits of glibc's `__kind`: the type in the lowest two, robust 16, protocols 32 and 64, process-shared 128.
constexpr int type_mask = 3, process_shared = 128;
// A bit beyond libc's, and its priority ceiling: what we took off at the initialisation and answer for ourselves.
constexpr int ceiling_shift = 16, has_ceiling = 1 << 24, ceiling_mask = has_ceiling | 0xff << ceiling_shift;

// The owner died, and whoever took it next unlocked without repairing it. glibc's trylock then says so once and keeps
// the lock word for ever; so it is busy for everybody after that, and whoever is parked must be told.
bool is_unrecoverable(const pthread_mutex_t* mutex) {
  constexpr int robust = 16, nobody_for_ever = INT_MAX - 1;
  return (mutex->__data.__kind & robust) != 0 && mutex->__data.__owner == nobody_for_ever;
}

// The real trylock, with the answer for a mutex that is not recoverable.
int attempt(pthread_mutex_t* mutex) {
  if (__builtin_expect(is_unrecoverable(mutex), 0)) return ENOTRECOVERABLE;
  return real::pthread_mutex_trylock(mutex);
}

// Only the type matters: libc's bookkeeping is the owner and nothing else.
bool can_be_handed_over(const pthread_mutex_t* mutex) {
  return (mutex->__data.__kind & ~(type_mask | ceiling_mask)) == 0;
}

void set_ceiling(pthread_mutex_t* mutex, int ceiling) {
  int kind = (mutex->__data.__kind & ~ceiling_mask) | has_ceiling | ceiling << ceiling_shift;
  __atomic_store_n(&mutex->__data.__kind, kind, __ATOMIC_RELAXED);
}

// Wakes the first who waits for the mutex, which the caller has just unlocked. True: somebody woke.
bool wake_next(pthread_mutex_t* mutex) {
  for (;;) {
    bool taken = false;
    auto give_back = [&] {
      mutex->__data.__owner = gettid();
      real::pthread_mutex_unlock(mutex);
      taken = false;
    };
    int woken = parking_lot::unpark(mutex, 1, [&](uint32_t tid, int) {
      if (tid == 0) {
        if (taken) give_back();
        return Choice::wake;
      }
      // It waits there, so the mutex is there. Taken by another: whoever that is will unlock it, and see who waits.
      if (!taken && real::pthread_mutex_trylock(mutex) != 0) return Choice::stop;
      taken = true;
      mutex->__data.__owner = (int)tid;
      return Choice::wake;  // when its wait has ended otherwise, the next one is asked for
    });
    if (woken != 0 || !taken) return woken != 0;
    give_back();
  }
}

int tell_all(const pthread_mutex_t* mutex) {
  parking_lot::unpark(mutex, INT_MAX);
  return ENOTRECOVERABLE;
}

// libc compares the owner with the tid in the caller's thread block, which for a green thread is our number.
bool relocks(const pthread_mutex_t* mutex) {
  return (mutex->__data.__kind & type_mask) == PTHREAD_MUTEX_ERRORCHECK_NP && mutex->__data.__owner == gettid();
}

}  // namespace

void let_in(const void* object) {
  if (__builtin_expect(here.let_in != object, 1)) return;
  here.let_in = nullptr;
  if (may_switch() && here.critical == 0) yield();
}

int lock(pthread_mutex_t* mutex, Deadline deadline) {
  let_in(mutex);
  if (owned_mutex::is_one(mutex)) return owned_mutex::take([&] { return real::pthread_mutex_lock(mutex); });
  int error = attempt(mutex);
  if (__builtin_expect(error != EBUSY, 1)) return error;
  if (relocks(mutex)) return EDEADLK;
  if (!is_private(mutex)) return in_region([&] { return real::pthread_mutex_lock(mutex); });
  uint32_t tag = 0;
  for (;;) {
    auto look_again = [&] {
      error = attempt(mutex);
      return error == EBUSY ? Recheck::park : Recheck::leave;
    };
    Parking parking = parking_lot::park(mutex, WaitKind::mutex, deadline, look_again, tag);
    if (parking == Parking::not_needed) return error;
    if (parking == Parking::woken && tag != 0) return 0;  // [handed-over]
    if (parking == Parking::interrupted) signals::deliver_pending();
    error = attempt(mutex);
    if (error == ENOTRECOVERABLE) return tell_all(mutex);
    if (error != EBUSY) return error;
    if (parking == Parking::timed_out) return ETIMEDOUT;
    if (parking == Parking::woken && can_be_handed_over(mutex)) tag = (uint32_t)gettid();
  }
}

int unlock(pthread_mutex_t* mutex) {
  if (owned_mutex::is_one(mutex)) return owned_mutex::unlock(mutex);
  int error = real::pthread_mutex_unlock(mutex);
  if (error == 0 && __builtin_expect(parking_lot::anyone_at(mutex), 0) && wake_next(mutex)) here.let_in = mutex;
  return error;
}

bool is_private(const pthread_mutex_t* mutex) { return (mutex->__data.__kind & process_shared) == 0; }

bool is_held(const pthread_mutex_t* mutex) {
  constexpr int has_owner = 0x3fffffff;  // the tid in a robust one's word; 1 or 2 in the others'
  return (__atomic_load_n(&mutex->__data.__lock, __ATOMIC_SEQ_CST) & has_owner) != 0;
}

}  // namespace unblock::mutex

using namespace unblock;

// pthread_mutex_lock(3). Waits, without holding the carrier, while another thread has it.
INTERPOSED int pthread_mutex_lock(pthread_mutex_t* mutex) {
  if (!lifecycle::active()) return real::pthread_mutex_lock(mutex);
  return mutex::lock(mutex);
}
INTERPOSED int __pthread_mutex_lock(pthread_mutex_t* mutex) { return pthread_mutex_lock(mutex); }

// pthread_mutex_trylock(3).
INTERPOSED int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  if (__builtin_expect(!owned_mutex::is_one(mutex), 1) || !lifecycle::active()) {
    return real::pthread_mutex_trylock(mutex);
  }
  return owned_mutex::take([&] { return real::pthread_mutex_trylock(mutex); });
}
INTERPOSED int __pthread_mutex_trylock(pthread_mutex_t* mutex) { return pthread_mutex_trylock(mutex); }

// pthread_mutex_unlock(3).
INTERPOSED int pthread_mutex_unlock(pthread_mutex_t* mutex) {
  if (!lifecycle::active()) return real::pthread_mutex_unlock(mutex);
  return mutex::unlock(mutex);
}
INTERPOSED int __pthread_mutex_unlock(pthread_mutex_t* mutex) { return pthread_mutex_unlock(mutex); }

// pthread_mutex_clocklock(3). The time is looked at only when it must wait.
INTERPOSED int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_mutex_clocklock(mutex, clock, until);
  if (!is_waiting_clock(clock)) return EINVAL;
  if (owned_mutex::is_one(mutex)) {
    return owned_mutex::take([&] { return real::pthread_mutex_clocklock(mutex, clock, until); });
  }
  mutex::let_in(mutex);
  int error = mutex::attempt(mutex);
  if (error != EBUSY) return error;
  if (!mutex::is_private(mutex)) {
    return in_region([&] { return real::pthread_mutex_clocklock(mutex, clock, until); });
  }
  if (mutex::relocks(mutex)) return EDEADLK;
  if (!is_valid(*until)) return EINVAL;
  return mutex::lock(mutex, deadline_of(clock, *until));
}

// pthread_mutex_timedlock(3).
INTERPOSED int pthread_mutex_timedlock(pthread_mutex_t* mutex, const timespec* until) {
  if (!lifecycle::active()) return real::pthread_mutex_timedlock(mutex, until);
  return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, until);
}

// pthread_mutex_init(3). Priority protection is taken off, and inheritance where the mutex is private: libc and the
// kernel would look for an owner that they do not know, and green threads have no priorities to raise. And libc marks
// every robust one as process-shared, because the kernel wakes its waiters as if it were; a private one loses that mark,
// which libc itself does not read, so that its waiters can park. What libc refuses, it refuses as it is.
INTERPOSED int pthread_mutex_init(pthread_mutex_t* mutex, const pthread_mutexattr_t* attributes) {
  if (attributes == nullptr || lifecycle::native_reason() != nullptr) {
    return real::pthread_mutex_init(mutex, attributes);
  }
  int shared = PTHREAD_PROCESS_PRIVATE, protocol = PTHREAD_PRIO_NONE, ceiling = 0;
  pthread_mutexattr_getpshared(attributes, &shared);
  pthread_mutexattr_getprotocol(attributes, &protocol);
  pthread_mutexattr_getprioceiling(attributes, &ceiling);
  pthread_mutexattr_t plain = *attributes;
  if (protocol == PTHREAD_PRIO_PROTECT || shared == PTHREAD_PROCESS_PRIVATE) {
    if (int error = real::pthread_mutex_init(mutex, attributes); error != 0) return error;
    pthread_mutexattr_setprotocol(&plain, PTHREAD_PRIO_NONE);
  }
  if (int error = real::pthread_mutex_init(mutex, &plain); error != 0) return error;
  if (shared == PTHREAD_PROCESS_PRIVATE) mutex->__data.__kind &= ~mutex::process_shared;
  if (protocol == PTHREAD_PRIO_PROTECT) mutex::set_ceiling(mutex, ceiling);
  return 0;
}
INTERPOSED int __pthread_mutex_init(pthread_mutex_t* mutex, const pthread_mutexattr_t* attributes) {
  return pthread_mutex_init(mutex, attributes);
}

// pthread_mutex_getprioceiling(3).
INTERPOSED int pthread_mutex_getprioceiling(const pthread_mutex_t* mutex, int* ceiling) noexcept {
  int kind = __atomic_load_n(&mutex->__data.__kind, __ATOMIC_RELAXED);
  if ((kind & mutex::has_ceiling) == 0) return real::pthread_mutex_getprioceiling(mutex, ceiling);
  *ceiling = kind >> mutex::ceiling_shift & 0xff;
  return 0;
}

// pthread_mutex_setprioceiling(3). Waits, without holding the carrier, until it has the mutex. The parameter `before` is
// declared as never null, but libc takes null: so it is looked at behind the compiler's back.
INTERPOSED int pthread_mutex_setprioceiling(pthread_mutex_t* mutex, int ceiling, int* before) noexcept {
  if ((mutex->__data.__kind & mutex::has_ceiling) == 0) {
    return real::pthread_mutex_setprioceiling(mutex, ceiling, before);
  }
  if (ceiling < sched_get_priority_min(SCHED_FIFO) || ceiling > sched_get_priority_max(SCHED_FIFO)) return EINVAL;
  if (int error = pthread_mutex_lock(mutex); error != 0) return error;
  __asm__("" : "+r"(before));
  if (before != nullptr) pthread_mutex_getprioceiling(mutex, before);
  mutex::set_ceiling(mutex, ceiling);
  return pthread_mutex_unlock(mutex);
}
