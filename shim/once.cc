// pthread_once(3) and call_once(3). The word is libc's own: 0, then a generation with bit 0 set while the initialiser
// runs, then 2. The generation counts forks, so that a child does not wait for a thread that it does not have.

#include "shim/once.h"

#include <unwind.h>

#include "scheduler/parking_lot.h"
#include "shim/blocking_call.h"
#include "shim/fork.h"
#include "shim/real.h"

using namespace unblock;

namespace {

constexpr int running_bit = 1, done_bit = 2;

std::atomic_ref<int> word(int* control) { return std::atomic_ref<int>(*control); }

// An initialiser that the calling thread is inside; they may nest.
struct Running {
  int* control;
  Running* outer;
};
__thread Running* innermost __attribute__((tls_model("initial-exec")));

void finish(int* control, int value) {
  word(control).store(value, std::memory_order_seq_cst);
  parking_lot::unpark(control, INT32_MAX);
}

// Claims the control word for the caller: true. Waits until it is done: false.
bool claim(int* control) {
  for (;;) {
    int seen = word(control).load(std::memory_order_acquire);
    if (seen & done_bit) return false;
    int mine = fork_generation() | running_bit;
    if (seen != mine) {
      if (word(control).compare_exchange_strong(seen, mine, std::memory_order_acq_rel)) return true;
      continue;
    }
    Parking parking = parking_lot::park(control, WaitKind::once, Deadline::never(), [&] {
      return word(control).load(std::memory_order_seq_cst) == mine ? Recheck::park : Recheck::leave;
    });
    if (parking == Parking::interrupted) signals::deliver_pending();
  }
}

}  // namespace

int unblock_once_personality_(int, int actions, unsigned long, void*, void*) {
  if (actions & _UA_CLEANUP_PHASE) {
    int* control = innermost->control;
    innermost = innermost->outer;
    finish(control, 0);  // the next caller runs it again
  }
  return _URC_CONTINUE_UNWIND;
}

// pthread_once(3). Suspends the calling thread while another runs the initialiser.
INTERPOSED int pthread_once(pthread_once_t* control, void (*initialise)()) {
  if (word(control).load(std::memory_order_acquire) & done_bit) return 0;
  if (!lifecycle::active()) return real::pthread_once(control, initialise);
  if (!claim(control)) return 0;
  Running running = {control, innermost};
  innermost = &running;
  unblock_once_call_(initialise);
  innermost = running.outer;
  finish(control, done_bit);
  return 0;
}
INTERPOSED int __pthread_once(pthread_once_t* control, void (*initialise)()) {
  return pthread_once(control, initialise);
}

// call_once(3).
INTERPOSED void call_once(once_flag* flag, void (*initialise)()) {
  pthread_once(reinterpret_cast<pthread_once_t*>(flag), initialise);
}
