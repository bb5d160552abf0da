#include "shim/cancellation.h"

#include <errno.h>

#include "shim/glibc/thread_block.h"
#include "shim/lifecycle.h"
#include "shim/real.h"
#include "shim/signals.h"

namespace unblock::cancellation {

bool requested() {
  return lifecycle::on_green() && glibc::cancellation_pending(here.green->thread_pointer);
}

void test() {
  if (requested()) pthread_testcancel();
}

}  // namespace unblock::cancellation

using namespace unblock;

// pthread_cancel(3). The request is libc's bit; a thread that waits is woken to see it. Asynchronous cancellation acts
// at the next cancellation point at the latest.
INTERPOSED int pthread_cancel(pthread_t handle) {
  Thread* thread = thread_of(handle);
  if (thread == nullptr) return real::pthread_cancel(handle);
  // libc's own sets the bit and installs its handler; the thread id that it signals is none of the kernel's.
  real::pthread_cancel(handle);
  glibc::cancel(thread->green.thread_pointer);
  if (thread == this_thread()) {
    int type;
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    if (type == PTHREAD_CANCEL_ASYNCHRONOUS) pthread_testcancel();
    pthread_setcanceltype(type, nullptr);
    return 0;
  }
  wake_thread(thread->green, Wakeup::cancelled);
  signals::interrupt_region(*thread);
  return 0;
}
