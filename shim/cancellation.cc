#include "shim/cancellation.h"

#include <errno.h>

#include "shim/glibc/thread_block.h"
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
  if (requested()) pthread_testcancel();
}

namespace {

// What the kernel knows of a handler.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

// libc's handler takes a request only from the signal; ours stands in the thread's block already. Changing the type to
// asynchronous, where it is so, acts on it.
void arrive(int) {
  if (!lifecycle::on_green() || here.critical != 0 || here.waits != 0) return;
  int saved_errno = errno, type;
  pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
  if (type == PTHREAD_CANCEL_ASYNCHRONOUS) pthread_setcanceltype(type, nullptr);
  errno = saved_errno;
}

// Replaces the handler that libc's first pthread_cancel has installed.
void replace_libcs_handler() {
  static std::atomic<bool> done;
  if (done.exchange(true)) return;
  constexpr int libcs_cancel_signal = 32;
  KernelAction action = {};
  kernel::invoke(SYS_rt_sigaction, libcs_cancel_signal, nullptr, &action, sizeof action.mask);
  action.handler = arrive;
  kernel::invoke(SYS_rt_sigaction, libcs_cancel_signal, &action, nullptr, sizeof action.mask);
}

}  // namespace

int request(Thread& thread, pthread_t handle) {
  real::pthread_cancel(handle);
  replace_libcs_handler();
  glibc::cancel(thread.green.thread_pointer);
  if (&thread == this_thread()) {
    int type;
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    pthread_setcanceltype(type, nullptr);  // acts at once where the type is asynchronous
    return 0;
  }
  if (ends(thread.green.wait_kind)) wake_thread(thread.green, Wakeup::cancelled);
  signals::interrupt_region(thread);
  return 0;
}

}  // namespace unblock::cancellation

using namespace unblock;

// pthread_cancel(3). The request is libc's bit; a thread that waits is woken to see it. Asynchronous cancellation acts
// at the next cancellation point at the latest.
INTERPOSED int pthread_cancel(pthread_t handle) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_cancel(handle);
  return cancellation::request(*thread, handle);
}
