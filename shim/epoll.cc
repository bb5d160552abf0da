// epoll_wait(2) and its family. A thread that runs an event loop of its own needs none of our help: at its first wait
// it gets an OS thread of its own, and from then on its calls go straight to the kernel.

#include <sys/epoll.h>

#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

namespace {

void keep_an_os_thread() {
  if (may_switch()) bind_to_os_thread(true);
}

}  // namespace

INTERPOSED int epoll_wait(int fd, epoll_event* events, int most, int milliseconds) {
  if (lifecycle::on_green() && milliseconds != 0) keep_an_os_thread();
  return real::epoll_wait(fd, events, most, milliseconds);
}

INTERPOSED int epoll_pwait(int fd, epoll_event* events, int most, int milliseconds, const sigset_t* mask) {
  bool is_nowhere = mask != nullptr && is_out_of_reach(mask);
  if (!lifecycle::on_green() || is_nowhere) return real::epoll_pwait(fd, events, most, milliseconds, mask);
  if (milliseconds != 0) keep_an_os_thread();
  signals::TemporaryMask temporary(mask, signals::TemporaryMask::by_kernel);
  if (temporary.interrupted()) return (int)answer(-EINTR);
  return real::epoll_pwait(fd, events, most, milliseconds, mask);
}

INTERPOSED int epoll_pwait2(int fd, epoll_event* events, int most, const timespec* timeout, const sigset_t* mask) {
  bool is_nowhere = (mask != nullptr && is_out_of_reach(mask)) || (timeout != nullptr && is_out_of_reach(timeout));
  if (!lifecycle::on_green() || is_nowhere) return real::epoll_pwait2(fd, events, most, timeout, mask);
  if (timeout == nullptr || timeout->tv_sec != 0 || timeout->tv_nsec != 0) keep_an_os_thread();
  signals::TemporaryMask temporary(mask, signals::TemporaryMask::by_kernel);
  if (temporary.interrupted()) return (int)answer(-EINTR);
  return real::epoll_pwait2(fd, events, most, timeout, mask);
}
