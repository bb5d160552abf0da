// Spin locks: a few tries, then the parking lot. The holder may be a green thread that needs our processor.

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/real.h"
#include "shim/shared_memory.h"

using namespace unblock;

namespace {

constexpr int tries_before_parking = 64;

bool take(pthread_spinlock_t* lock) { return real::pthread_spin_trylock(lock) == 0; }

}  // namespace

// pthread_spin_lock(3).
INTERPOSED int pthread_spin_lock(pthread_spinlock_t* lock) {
  if (!lifecycle::active()) return real::pthread_spin_lock(lock);
  for (int i = 0; i < tries_before_parking; ++i) {
    if (take(lock)) return 0;
    __builtin_ia32_pause();
  }
  // One that other processes may hold: their unlock wakes nobody here.
  if (shared_memory::contains(const_cast<int*>(lock))) {
    return in_long_region([&] { return real::pthread_spin_lock(lock); });
  }
  for (;;) {
    Parking parking = parking_lot::park(const_cast<int*>(lock), WaitKind::spin, Deadline::never(),
                                        [&] { return take(lock) ? Recheck::leave : Recheck::park; });
    if (parking == Parking::not_needed) return 0;
    if (parking == Parking::interrupted) signals::deliver_pending();
    if (take(lock)) return 0;
  }
}

// pthread_spin_unlock(3). libc's is a plain store; the look at the lot must come after it.
INTERPOSED int pthread_spin_unlock(pthread_spinlock_t* lock) {
  int result = real::pthread_spin_unlock(lock);
  if (!lifecycle::active()) return result;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  parking_lot::unpark(const_cast<int*>(lock), 1);
  return result;
}
