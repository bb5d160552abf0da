#include "shim/cancellation.h"

#include <errno.h>

#include "shim/glibc/carrier_block.h"
#include "shim/glibc/thread_block.h"
#include "shim/host.h"
#include "shim/lifecycle.h"
#include "shim/real.h"
#include "shim/signals.h"

namespace unblock::cancellation {

bool requested() { return lifecycle::on_green() && glibc::cancellation_pending(here.green->thread_pointer); }

bool ends(WaitKind kind) {
  switch (kind) {
    case WaitKind::descriptor:
    case WaitKind::poll:
    case WaitKind::condition:
    case WaitKind::semaphore:
    case WaitKind::join:
    case WaitKind::sleep:
    case WaitKind::signal:
    case WaitKind::child: return true;
    default: return false;
  }
}

void test() {
  if (!requested()) return;
  catch_end_of_main();  // once more: a constructor may have made the process active before libc called main
  pthread_testcancel();
}

void act_if_asynchronous() {
  int type;
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
  pthread_setcanceltype(type, nullptr);  // libc acts on setting the type to asynchronous
}

Point::Point() { pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type_); }
Point::~Point() { pthread_setcanceltype(type_, nullptr); }

namespace {

// What the kernel knows of a handler.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

// On a carrier's block: whose wait is made there.
__thread GreenThread* stands_for __attribute__((tls_model("initial-exec")));

// The request becomes the carrier block's, for libc looks there. The order against a signal that comes meanwhile: the
// block says whom it stands for before it asks.
void take_over_request() {
  if (stands_for == nullptr || !glibc::cancellation_pending(stands_for->thread_pointer)) return;
  glibc::cancel(thread_pointer());
}

// libc's handler takes a request only from the signal; ours stands in the thread's block already.
void arrive(int) {
  if (!lifecycle::on_green()) {
    take_over_request();
    if (stands_for != nullptr) act_if_asynchronous();
    return;
  }
  here.signals_recorded = true;
  if (here.critical != 0 || here.waits != 0) return;
  int saved_errno = errno;
  host::deliver_recorded_signals();
  errno = saved_errno;
}

}  // namespace

void take_over_signal() {
  constexpr int libcs_cancel_signal = 32, libcs_credentials_signal = 33;
  KernelAction action = {};
  kernel::invoke(SYS_rt_sigaction, libcs_cancel_signal, nullptr, &action, sizeof action.mask);
  if (action.handler == arrive) return;
  if (action.handler == SIG_DFL) {  // the way back from a handler is the same for all
    kernel::invoke(SYS_rt_sigaction, libcs_credentials_signal, nullptr, &action, sizeof action.mask);
  }
  action.handler = arrive;
  action.flags |= SA_NODEFER | SA_RESTART;  // the thread may end in it, and the OS thread goes on
  action.mask = 0;
  kernel::invoke(SYS_rt_sigaction, libcs_cancel_signal, &action, nullptr, sizeof action.mask);
}

bool run_on_carrier(void (*work)(void*), void* argument) {
  GreenThread* me = here.green;
  bool ended = false;
  glibc::on_block(carrier_block_of_this_thread(), [&] {
    stands_for = me;
    take_over_request();
    ended = glibc::run_cancellable(work, argument);
    stands_for = nullptr;
    glibc::forget_cancellation();
  });
  return ended;
}

int request(Thread& thread, pthread_t handle) {
  real::pthread_cancel(handle);
  static std::atomic<bool> libc_has_installed_its_own;
  if (!libc_has_installed_its_own.exchange(true)) take_over_signal();
  glibc::cancel(thread.green.thread_pointer);
  if (&thread == this_thread()) {
    act_if_asynchronous();
    return 0;
  }
  // It acts when it next runs, if its type is asynchronous: whatever it waits for.
  thread.asked_to_end.store(true, std::memory_order_seq_cst);
  Wakeup result = ends(thread.green.wait_kind) ? Wakeup::cancelled : Wakeup::interrupted;
  if (!wake_thread(thread.green, result)) wake_os_wait(thread.green, result);
  signals::interrupt(thread);
  return 0;
}

}  // namespace unblock::cancellation

using namespace unblock;

// pthread_cancel(3). The request is libc's bit; a thread that waits is woken to see it, and one that runs is told by a
// signal, which a thread whose type is asynchronous acts upon.
INTERPOSED int pthread_cancel(pthread_t handle) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_cancel(handle);
  return cancellation::request(*thread, handle);
}
