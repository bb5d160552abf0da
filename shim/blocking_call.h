#pragma once
// "May it wait, until when -> try -> wait -> try again" stands here, once. A transfer is three lines over it.
//
// A try is a system call that does not block; it answers like the kernel, with a value or -errno, and leaves errno
// alone. The caller's errno is written once, at the end, and only for a failure.

#include <errno.h>
#include <poll.h>
#include <stdint.h>

#include "scheduler/readiness.h"
#include "scheduler/region.h"
#include "shim/cancellation.h"
#include "shim/lifecycle.h"
#include "shim/open_file.h"
#include "shim/signals.h"

namespace unblock {

// As libc answers: -1 and errno for a negative result.
inline long answer(long result) {
  if (result >= 0 || result < -4095) return result;
  errno = (int)-result;
  return -1;
}

// Can nothing of the program be there? The kernel answers EFAULT; who reads it himself would crash. Null and its fields,
// and what is beyond the program's half: what a program gives by mistake and expects to be told. Other holes crash.
inline bool is_out_of_reach(const void* address) {
  constexpr uintptr_t first_page = 4096, end = uintptr_t{1} << 47;
  auto number = reinterpret_cast<uintptr_t>(address);
  return number - first_page >= end - first_page;
}

// Runs a call that may block the carrier without a readiness to wait for.
template <class Call>
auto in_region(Call call) {
  Region region;
  return call();
}

// For calls that usually block: the processor is given away at once.
template <class Call>
auto in_long_region(Call call) {
  LongRegion region;
  return call();
}

// A wait was interrupted: the handlers run now. May it go on? Where none has run since `handlers_before` were, and where
// all of them restart the call, if the kernel restarts such a one at all: not with a deadline, whatever SA_RESTART says
// (signal(7)).
inline bool goes_on_after_signals(bool is_restartable, uint32_t handlers_before) {
  bool restarts = signals::deliver_pending();
  return (restarts && is_restartable) || signals::handlers_run() == handlers_before;
}

// For a cancellation point that blocks by a bare system call: a request that comes meanwhile ends the thread there.
template <class Call>
auto in_cancellable_region(Call call) {
  cancellation::Point point;
  return in_region(call);
}

// A call that has done a part of its work ends with that when a handler runs, whatever SA_RESTART says. The number of
// handlers that had run when it began, or: nothing is done yet.
using BegunWith = int64_t;
constexpr BegunWith nothing_done = -1;

// Waits until a try in `direction` may succeed. 0, or the -errno that the call ends with.
// With a deadline (SO_RCVTIMEO, SO_SNDTIMEO) a signal's SA_RESTART does not count (signal(7)).
inline long wait_until_ready(int fd, Direction direction, Deadline deadline, BegunWith begun_with = nothing_done) {
  bool begun = begun_with != nothing_done;
  uint32_t handlers_before = begun ? (uint32_t)begun_with : signals::handlers_run();
  if (begun && signals::handlers_run() != handlers_before) return -EINTR;
  auto wait = [&] {
    if (may_switch()) return wait_for_descriptor(fd, direction, deadline);
    cancellation::Point point;  // it waits in the kernel
    return wait_for_descriptor(fd, direction, deadline);
  };
  switch (wait()) {
    case Wakeup::ready: return 0;
    case Wakeup::timed_out: return -EAGAIN;
    case Wakeup::closed: return -EBADF;
    case Wakeup::interrupted:
      cancellation::test();
      return goes_on_after_signals(deadline.is_never() && !begun, handlers_before) ? 0 : -EINTR;
    case Wakeup::cancelled: cancellation::test(); return 0;
  }
  return 0;
}

// One call that may wait on one descriptor.
struct BlockingCall {
  int fd;
  OpenFile& file;
  Direction direction;
  bool dont_wait;   // the program said so for this call (MSG_DONTWAIT)
  int64_t timeout;  // nanoseconds; 0: for ever
  bool wait_first;  // a try is sure to fail
  BegunWith begun_with = nothing_done;
  Deadline deadline = Deadline::never();

  bool may_wait() const { return !dont_wait && !open_files::wants_nonblocking(fd, file); }

  // Tries and waits until the try answers something other than -EAGAIN. `blocking` is the same call without "do not
  // wait": where the kernel says ready and yet has nothing for a call that does not wait (a socket that was shut down
  // for reading, a regular file), only it has the answer. `emptied` says of a success that nothing more is there.
  template <class Try, class Blocking, class Emptied>
  long run(Try attempt, Blocking blocking, Emptied emptied) {
    if (!wait_first) {
      if (direction == Direction::out) {  // marks matter only to who is about to wait, and that is rare here
        long result = attempt();
        if (result != -EAGAIN) return succeeded(result, false);
        if (!may_wait()) return result;
      }
      uint8_t marks = begin_try(fd, direction);
      long result = attempt();
      if (result != -EAGAIN) return succeeded(result, emptied(result));
      if (!may_wait()) return result;
      if (must_block(marks)) return succeeded(in_cancellable_region(blocking), false);
    }
    if (timeout != 0) deadline = Deadline::after(timeout);
    for (;;) {
      if (long failed = wait_until_ready(fd, direction, deadline, begun_with); failed != 0) return failed;
      uint8_t marks = begin_try(fd, direction);
      long result = attempt();
      if (result != -EAGAIN) return succeeded(result, emptied(result));
      if (must_block(marks)) return succeeded(in_cancellable_region(blocking), false);
    }
  }
  template <class Try, class Blocking>
  long run(Try attempt, Blocking blocking) {
    return run(attempt, blocking, [](long) { return false; });
  }
  template <class Try>
  long run(Try attempt) {
    return run(attempt, attempt);
  }

  // The try found nothing: will waiting ever change that?
  bool must_block(uint8_t marks) const {
    return (try_failed(fd, direction, marks) && is_hung_up(fd)) || never_waits(fd);
  }

  static bool is_hung_up(int fd) {
    pollfd one = {fd, POLLRDHUP, 0};
    return kernel::invoke(SYS_poll, &one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLRDHUP)) != 0;
  }

  // More may be there, for the next try and for whoever else waits [pass-on]. The mark comes first: who is about to
  // wait links itself and then looks at it.
  long succeeded(long result, bool emptied) {
    if (!emptied) {
      set_mark(fd, direction);
      pass_on(fd, direction);
    }
    give_way();
    return result;
  }
};

}  // namespace unblock
