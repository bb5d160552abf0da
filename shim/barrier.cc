// Barriers. The object keeps libc's layout, so that its init and destroy stay right; the arrivals are counted under
// the bucket's lock of the parking lot, and the last one wakes the others in the same breath. Whoever is inside is counted:
// one that a signal has woken looks at the round again, perhaps after the last one has left, so the object stays until all
// have left. pthread_barrier_destroy waits for that, as libc's does.

#include <atomic>

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
  std::atomic<unsigned> inside;  // libc counts those who have left; so do we, in its place
};

void leave(Barrier& barrier) {
  if (barrier.inside.fetch_sub(1, std::memory_order_acq_rel) == 1) parking_lot::unpark(&barrier.inside, INT32_MAX);
}

int wait_at(Barrier& barrier) {
  bool last = false;
  unsigned round = 0;
  auto arrive = [&] {
    round = barrier.round;
    barrier.inside.fetch_add(1, std::memory_order_relaxed);
    if (++barrier.arrived < barrier.count) return Recheck::park;
    barrier.arrived = 0;
    ++barrier.round;
    last = true;
    return Recheck::leave_and_wake_all;
  };
  Parking parking = parking_lot::park(&barrier, WaitKind::barrier, Deadline::never(), arrive);
  // Neither a signal nor a cancellation ends this wait.
  while (parking == Parking::interrupted || parking == Parking::cancelled) {
    if (parking == Parking::interrupted) signals::deliver_pending();
    parking = parking_lot::park(&barrier, WaitKind::barrier, Deadline::never(),
                                [&] { return barrier.round == round ? Recheck::park : Recheck::leave; });
  }
  leave(barrier);
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

// pthread_barrier_destroy(3). A barrier of one has nobody who waits.
INTERPOSED int pthread_barrier_destroy(pthread_barrier_t* object) noexcept {
  Barrier& barrier = *reinterpret_cast<Barrier*>(object);
  if (lifecycle::active() && barrier.shared == 0 && barrier.count > 1) {
    auto all_have_left = [&] {
      return barrier.inside.load(std::memory_order_acquire) == 0 ? Recheck::leave : Recheck::park;
    };
    while (all_have_left() == Recheck::park) {
      Parking parking = parking_lot::park(&barrier.inside, WaitKind::barrier, Deadline::never(), all_have_left);
      if (parking == Parking::interrupted) signals::deliver_pending();
    }
  }
  return real::pthread_barrier_destroy(object);
}
