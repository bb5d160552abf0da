// Descriptors are born, doubled and closed.

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>

#include "scheduler/event_loop.h"
#include "scheduler/kernel.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

// close(2). Whoever waits on the descriptor gets EBADF. Our own descriptors do not exist for the program.
INTERPOSED int close(int fd) {
  if (event_loop::owns(fd)) return (int)answer(-EBADF);
  if (fd >= 0) open_files::closing(fd);
  if (!lifecycle::on_green()) return real::close(fd);
  cancellation::test();
  return in_region([&] { return (int)answer(kernel::invoke(SYS_close, fd)); });
}
INTERPOSED int __close(int fd) { return close(fd); }

// How libc closes its own: no cancellation point.
INTERPOSED int __close_nocancel(int fd) {
  if (event_loop::owns(fd)) return (int)answer(-EBADF);
  if (fd >= 0) open_files::closing(fd);
  return real::__close_nocancel(fd);
}

// dup(2).
INTERPOSED int dup(int fd) {
  if (event_loop::owns(fd)) return (int)answer(-EBADF);
  int copy = real::dup(fd);
  if (copy >= 0) open_files::duplicated(fd, copy);
  return copy;
}

namespace {

// The target of dup2 dies and is born in one call.
template <class Call>
int duplicate_onto(int fd, int target, Call call) {
  if (event_loop::owns(fd)) return (int)answer(-EBADF);
  if (event_loop::owns(target)) event_loop::give_up(target);  // the number is the program's if it asks for it
  bool replaces = fd != target && target >= 0 && kernel::invoke(SYS_fcntl, fd, F_GETFD) >= 0;
  if (replaces) open_files::closing(target);
  int copy = call();
  if (copy >= 0 && fd != target) open_files::duplicated(fd, copy);
  return copy;
}

}  // namespace

// dup2(2).
INTERPOSED int dup2(int fd, int target) {
  return duplicate_onto(fd, target, [&] { return real::dup2(fd, target); });
}
INTERPOSED int __dup2(int fd, int target) { return dup2(fd, target); }

// dup3(2).
INTERPOSED int dup3(int fd, int target, int flags) {
  return duplicate_onto(fd, target, [&] { return real::dup3(fd, target, flags); });
}

// pipe2(2).
INTERPOSED int pipe2(int ends[2], int flags) {
  int result = real::pipe2(ends, flags);
  if (result != 0) return result;
  for (int i = 0; i < 2; ++i) open_files::born(ends[i], Kind::nowait, flags & O_NONBLOCK);
  return result;
}
INTERPOSED int pipe(int ends[2]) { return pipe2(ends, 0); }
INTERPOSED int __pipe(int ends[2]) { return pipe2(ends, 0); }

namespace {

void close_each_below(unsigned first, unsigned last) {
  for (int fd = (int)first; fd <= open_files::highest() && (unsigned)fd <= last; ++fd) {
    if (open_files::known(fd) != nullptr) open_files::closing(fd);
  }
}

// The range without our own descriptors, piece by piece.
int close_range_around_ours(unsigned first, unsigned last, int flags) {
  while (first <= last) {
    unsigned stop = event_loop::first_owned(first, last);  // last + 1 when none
    if (stop > first) {
      long result = kernel::invoke(SYS_close_range, first, stop - 1, flags);
      if (result != 0) return (int)answer(result);
    }
    if (stop == 0 || stop > last) return 0;
    first = stop + 1;
  }
  return 0;
}

}  // namespace

// close_range(2).
INTERPOSED int close_range(unsigned first, unsigned last, int flags) noexcept {
  if (first > last) return (int)answer(-EINVAL);
  if (!(flags & CLOSE_RANGE_CLOEXEC)) close_each_below(first, last);
  return close_range_around_ours(first, last, flags);
}

// closefrom(3).
INTERPOSED void closefrom(int first) noexcept { close_range(first < 0 ? 0 : (unsigned)first, ~0u, 0); }
