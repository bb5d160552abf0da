// pthread_once(3) and call_once(3). The word is libc's own: 0, then a generation with bit 0 set while the initialiser
// runs, then 2. The generation counts forks, so that a child does not wait for a thread that it does not have.

#include "shim/once.h"

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/fork.h"
#include "shim/real.h"

using namespace unblock;

namespace {

constexpr int running_bit = 1, done_bit = 2;

std::atomic_ref<int> word(int* control) { return std::atomic_ref<int>(*control); }

void finish(int* control, int value) {
  word(control).store(value, std::memory_order_seq_cst);
  parking_lot::unpark(control, INT32_MAX);
}

}  // namespace

int unblock_once_begin_(int* control) {
  for (;;) {
    int seen = word(control).load(std::memory_order_acquire);
    if (seen & done_bit) return 0;
    int mine = fork_generation() | running_bit;
    if (seen != mine) {
      if (word(control).compare_exchange_strong(seen, mine, std::memory_order_acq_rel)) return 1;
      continue;
    }
    Parking parking = parking_lot::park(control, WaitKind::once, Deadline::never(), [&] {
      return word(control).load(std::memory_order_seq_cst) == mine ? Recheck::park : Recheck::leave;
    });
    if (parking == Parking::interrupted) signals::deliver_pending();
  }
}

void unblock_once_done_(int* control) { finish(control, done_bit); }
void unblock_once_left_(int* control) { finish(control, 0); }

// pthread_once(3). Suspends the calling thread while another runs the initialiser.
INTERPOSED int pthread_once(pthread_once_t* control, void (*initialise)()) {
  if (word(control).load(std::memory_order_acquire) & done_bit) return 0;
  if (!lifecycle::active()) return real::pthread_once(control, initialise);
  return unblock_once_run_(control, initialise);
}
INTERPOSED int __pthread_once(pthread_once_t* control, void (*initialise)()) {
  return pthread_once(control, initialise);
}

// call_once(3).
INTERPOSED void call_once(once_flag* flag, void (*initialise)()) {
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), initialise);
}
