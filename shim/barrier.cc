// Barriers. The object keeps libc's layout, so that its init and destroy stay right; the arrivals are counted under
// the bucket's lock of the parking lot, and the last one wakes the others in the same breath.

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// glibc's `struct pthread_barrier`.
struct Barrier {
  unsigned arrived;
  unsigned round;
  unsigned count;
  int shared;
};

int wait_at(Barrier& barrier) {
  bool last = false;
  unsigned round = 0;
  auto arrive = [&] {
    round = barrier.round;
    if (++barrier.arrived < barrier.count) return Recheck::park;
    barrier.arrived = 0;
    ++barrier.round;
    last = true;
    return Recheck::leave_and_wake_all;
  };
  Parking parking = parking_lot::park(&barrier, WaitKind::barrier, Deadline::never(), arrive);
  // Neither a signal nor a cancellation ends this wait. Woken threads do not look at the object: it may be gone.
  while (parking == Parking::interrupted || parking == Parking::cancelled) {
    if (parking == Parking::interrupted) signals::deliver_pending();
    parking = parking_lot::park(&barrier, WaitKind::barrier, Deadline::never(),
                                [&] { return barrier.round == round ? Recheck::park : Recheck::leave; });
  }
  return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

}  // namespace

// pthread_barrier_wait(3).
INTERPOSED int pthread_barrier_wait(pthread_barrier_t* object) {
  Barrier& barrier = *reinterpret_cast<Barrier*>(object);
  if (!lifecycle::active()) return real::pthread_barrier_wait(object);
  if (barrier.shared != 0) return in_region([&] { return real::pthread_barrier_wait(object); });
  return wait_at(barrier);
}
