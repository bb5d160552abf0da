// Questions about descriptors, answered as the program left things: fcntl, ioctl and the socket options that matter to
// waiting. Unknown commands pass through; a list of known ones is never complete.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "scheduler/event_loop.h"
#include "scheduler/kernel.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

namespace {

int get_flags(int fd) {
  int flags = real::fcntl(fd, F_GETFL);
  OpenFile* file = open_files::known(fd);
  if (flags >= 0 && file != nullptr && file->injected && !file->nonblocking) flags &= ~O_NONBLOCK;
  return flags;
}

// The program's wish is recorded; what we injected stays.
int set_flags(int fd, long flags) {
  OpenFile* file = open_files::known(fd);
  bool wish = flags & O_NONBLOCK;
  if (file != nullptr && file->injected) flags |= O_NONBLOCK;
  int result = real::fcntl(fd, F_SETFL, flags);
  if (result == 0 && file != nullptr) file->nonblocking = wish;
  return result;
}

int duplicate(int fd, int command, long lowest) {
  int copy = real::fcntl(fd, command, lowest);
  if (copy >= 0) open_files::duplicated(fd, copy);
  return copy;
}

int control(int fd, int command, void* argument) {
  if (event_loop::owns(fd)) return (int)answer(-EBADF);
  switch (command) {
    case F_GETFL: return get_flags(fd);
    case F_SETFL: return set_flags(fd, (long)argument);
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return duplicate(fd, command, (long)argument);
    case F_SETLKW:
    case F_OFD_SETLKW:
      if (!lifecycle::on_green()) break;
      cancellation::test();
      return in_long_region([&] {
        cancellation::Point point;
        return (int)answer(kernel::invoke(SYS_fcntl, fd, command, argument));
      });
  }
  return real::fcntl(fd, command, argument);
}

}  // namespace

// fcntl(2).
INTERPOSED int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}
INTERPOSED int fcntl64(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}
INTERPOSED int __fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}
INTERPOSED int __libc_fcntl64(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  return control(fd, command, argument);
}

namespace {

int set_nonblocking(int fd, int* on) {
  OpenFile* file = open_files::known(fd);
  if (file == nullptr || on == nullptr) return real::ioctl(fd, FIONBIO, on);
  int injected = 1;
  int result = real::ioctl(fd, FIONBIO, file->injected ? &injected : on);
  if (result == 0) file->nonblocking = *on != 0;
  return result;
}

}  // namespace

// ioctl(2). Some devices take their time: a blocking region.
INTERPOSED int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  void* argument = va_arg(list, void*);
  va_end(list);
  if (event_loop::owns(fd)) return (int)answer(-EBADF);
  if (request == FIONBIO) return set_nonblocking(fd, static_cast<int*>(argument));
  return in_region([&] { return real::ioctl(fd, request, argument); });
}

namespace {

void note_option(int fd, int level, int option, const void* value, socklen_t size) {
  OpenFile* file = open_files::known(fd);
  if (file == nullptr) return;
  if (level == SOL_TCP && option == TCP_ULP) file->kind = Kind::socket;  // records, not bytes, from here on
  if (level == SOL_SOCKET && option == SO_RCVLOWAT && size >= sizeof(int)) {
    file->own_low_water = *static_cast<const int*>(value) > 1;
  }
  bool receive = option == SO_RCVTIMEO, send = option == SO_SNDTIMEO;
  if (level != SOL_SOCKET || (!receive && !send) || size < sizeof(timeval)) return;
  auto time = static_cast<const timeval*>(value);
  int64_t limit = INT64_MAX / kernel::nanoseconds_per_second - 1;
  int64_t timeout = time->tv_sec < 0 || time->tv_sec > limit
                        ? 0
                        : time->tv_sec * kernel::nanoseconds_per_second + time->tv_usec * 1000;
  (receive ? file->receive_timeout : file->send_timeout) = timeout;
}

}  // namespace

// setsockopt(2). Time-outs hold for our waits as for the kernel's.
INTERPOSED int setsockopt(int fd, int level, int option, const void* value, socklen_t size) {
  int result = real::setsockopt(fd, level, option, value, size);
  if (result == 0) note_option(fd, level, option, value, size);
  return result;
}
