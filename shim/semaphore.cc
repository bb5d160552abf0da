// Semaphores: the real trywait, then the parking lot; the real post, then a look whether anybody is parked.
//
// Fairness. Many use one as a lock, and whoever posts and waits again at once would keep a parked thread out for ever.
// As with mutexes: who was woken and found nothing left parks with a tag, and the next post takes its unit in its name
// before waking it [handed-over]. And who has woken somebody lets him try before it takes a unit again.

#include <errno.h>
#include <semaphore.h>

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/deadline.h"
#include "shim/mutex.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// glibc's `struct new_sem`: a 64-bit value, then 0 for private or FUTEX_SHARED. Named semaphores are shared.
bool is_shared(const sem_t* semaphore) { return reinterpret_cast<const int*>(semaphore)[2] != 0; }

bool take(sem_t* semaphore) {
  int before = errno;
  if (real::sem_trywait(semaphore) == 0) return true;
  errno = before;
  return false;
}

enum Tag : uint32_t { takes_itself, takes_over };

// 0 or -errno.
long wait_for(sem_t* semaphore, Deadline deadline) {
  Tag tag = takes_itself;
  uint32_t handlers_before = signals::handlers_run();
  for (;;) {
    auto look_again = [&] { return take(semaphore) ? Recheck::leave : Recheck::park; };
    Parking parking = parking_lot::park(semaphore, WaitKind::semaphore, deadline, look_again, tag);
    if (parking == Parking::not_needed) return 0;
    if (parking == Parking::woken && tag == takes_over) return 0;  // [handed-over]
    if (parking == Parking::interrupted && !goes_on_after_signals(deadline.is_never(), handlers_before)) return -EINTR;
    if (parking == Parking::cancelled) cancellation::test();
    if (take(semaphore)) return 0;
    if (parking == Parking::timed_out) return -ETIMEDOUT;
    if (parking == Parking::woken) tag = takes_over;
  }
}

// Wakes the first who waits, after the real post. True: somebody woke.
bool wake_next(sem_t* semaphore) {
  for (;;) {
    bool taken = false;
    auto give_back = [&] {
      real::sem_post(semaphore);
      taken = false;
    };
    int woken = parking_lot::unpark(semaphore, 1, [&](uint32_t tag, int) {
      if (tag == takes_itself) {
        if (taken) give_back();
        return Choice::wake;
      }
      // It waits there, so the semaphore is there. Nothing left: whoever took it will post, or somebody else has to.
      if (!taken && !take(semaphore)) return Choice::stop;
      taken = true;
      return Choice::wake;  // when its wait has ended otherwise, the next one is asked for
    });
    if (woken != 0 || !taken) return woken != 0;
    give_back();
  }
}

}  // namespace

// sem_wait(3). Suspends the calling thread while the value is zero; a cancellation point.
INTERPOSED int sem_wait(sem_t* semaphore) {
  if (!lifecycle::active()) return real::sem_wait(semaphore);
  if (is_shared(semaphore)) return in_region([&] { return real::sem_wait(semaphore); });
  cancellation::test();
  mutex::let_in(semaphore);
  if (take(semaphore)) return 0;
  return (int)answer(wait_for(semaphore, Deadline::never()));
}

// sem_clockwait(3). A time that cannot be is refused first, as by libc, also when a unit is there.
INTERPOSED int sem_clockwait(sem_t* semaphore, clockid_t clock, const timespec* until) {
  if (!lifecycle::active()) return real::sem_clockwait(semaphore, clock, until);
  if (is_shared(semaphore)) return in_region([&] { return real::sem_clockwait(semaphore, clock, until); });
  cancellation::test();
  if (!is_waiting_clock(clock) || !is_valid(*until)) return (int)answer(-EINVAL);
  mutex::let_in(semaphore);
  if (take(semaphore)) return 0;
  return (int)answer(wait_for(semaphore, deadline_of(clock, *until)));
}

// sem_timedwait(3).
INTERPOSED int sem_timedwait(sem_t* semaphore, const timespec* until) {
  if (!lifecycle::active()) return real::sem_timedwait(semaphore, until);
  return sem_clockwait(semaphore, CLOCK_REALTIME, until);
}

// sem_post(3). Async-signal-safe.
INTERPOSED int sem_post(sem_t* semaphore) {
  int result = real::sem_post(semaphore);
  if (result == 0 && lifecycle::active() && wake_next(semaphore)) here.let_in = semaphore;
  return result;
}
