#include "shim/child_wait.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "scheduler/own_descriptors.h"
#include "scheduler/parking_lot.h"
#include "scheduler/readiness.h"
#include "shim/glibc/carrier_block.h"
#include "shim/host.h"

namespace unblock::child_wait {
namespace {

Lock starting;
std::atomic<bool> lookout_runs;     // in this process; written under `starting`
std::atomic<uint32_t> armed;        // 1: the lookout is to look
std::atomic<uint32_t> any_waiting;  // threads; their address in the lot is this word's

void look_out(void*) {
  for (;;) {
    while (armed.load(std::memory_order_seq_cst) == 0) kernel::futex_wait(armed, 0);
    siginfo_t info;
    long result = kernel::invoke(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOWAIT, nullptr);
    if (result == -EINTR) continue;
    armed.store(0, std::memory_order_seq_cst);
    parking_lot::unpark(&any_waiting, result == 0 ? 1 : INT32_MAX);  // none left: everybody is to hear of it
  }
}

// Who comes while another starts it waits until it is known whether it runs.
bool ensure_lookout() {
  if (lookout_runs.load(std::memory_order_acquire)) return true;
  Held held(starting);
  if (lookout_runs.load(std::memory_order_acquire)) return true;
  int error = 0;
  where_os_threads_are_made([&] { error = host::start_os_thread(look_out, nullptr); });
  lookout_runs.store(error == 0, std::memory_order_release);
  return error == 0;
}

void arm() {
  if (armed.exchange(1, std::memory_order_seq_cst) == 0) kernel::futex_wake(armed, 1);
}

Wakeup wakeup_of(Parking parking) {
  switch (parking) {
    case Parking::interrupted: return Wakeup::interrupted;
    case Parking::cancelled: return Wakeup::cancelled;
    default: return Wakeup::ready;
  }
}

}  // namespace

bool park_for(pid_t child, Wakeup& wakeup) {
  int fd = own_descriptors::adopt((int)kernel::invoke(SYS_pidfd_open, child, 0));
  if (fd < 0) return false;
  bool watched;
  {
    Waiter waiter(WaitKind::child);
    Interest interest = {&waiter, (uint8_t)Direction::in, true, nullptr, nullptr, nullptr};
    watched = watch(fd, interest);  // one that has ended already is an event
    if (watched) {
      wakeup = waiter.wait();
    } else {
      waiter.cancel();
    }
    unwatch(interest);
    own_descriptors::give_back(fd);  // before the waiter's end, which runs handlers that may not come back
  }
  return watched;
}

bool park_for_any(Wakeup& wakeup) {
  if (!ensure_lookout()) return false;
  any_waiting.fetch_add(1, std::memory_order_seq_cst);
  Parking parking = parking_lot::park(&any_waiting, WaitKind::child, Deadline::never(), [] {
    arm();  // under the lock that the lookout needs for waking
    return Recheck::park;
  });
  if (any_waiting.fetch_sub(1, std::memory_order_seq_cst) != 1) arm();
  wakeup = wakeup_of(parking);
  return true;
}

void forget_in_child() {
  starting.reset();
  lookout_runs.store(false);
  armed.store(0);
  any_waiting.store(0);
}

}  // namespace unblock::child_wait
