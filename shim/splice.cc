// Transfers from one descriptor to another: sendfile(2), splice(2), tee(2), vmsplice(2).
//
// The kernel's blocking sendfile sends everything, so its target is made non-blocking for the duration where nobody
// else can see it. The others move what there is: each side is waited for, then the call is made with
// SPLICE_F_NONBLOCK. Either reads files, so the calls themselves are blocking regions.

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "scheduler/kernel.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

namespace {

// What the program made non-blocking answers EAGAIN.
bool may_wait(int fd) {
  OpenFile* file = open_files::of(fd);
  return file == nullptr || !open_files::wants_nonblocking(fd, *file);
}

bool is_pipe(int fd) { return kernel::invoke(SYS_fcntl, fd, F_GETPIPE_SZ, 0) >= 0; }

// A file is always ready.
bool waits(int fd, const OpenFile* file) { return file != nullptr && file->kind != Kind::blocking && may_wait(fd); }

bool ready_now(int fd, Direction direction) {
  pollfd one = {fd, (short)(direction == Direction::in ? POLLIN : POLLOUT), 0};
  return kernel::invoke(SYS_poll, &one, 1, 0) != 0;
}

// Makes `attempt` when poll(2) says that `fd` is ready.
template <class Try>
long when_ready(int fd, OpenFile& file, Direction direction, Try attempt) {
  int64_t timeout = direction == Direction::in ? file.receive_timeout : file.send_timeout;
  BlockingCall call{fd, file, direction, false, timeout, false};
  return call.run([&]() -> long { return ready_now(fd, direction) ? attempt() : -EAGAIN; });
}

long wait_until_ready_if_it_waits(int fd, Direction direction) {
  OpenFile* file = open_files::of(fd);
  return waits(fd, file) ? when_ready(fd, *file, direction, [] { return 0L; }) : 0;
}

// The target is non-blocking meanwhile.
template <class Send>
long send_everything(int out, OpenFile& target, size_t size, Send send_some) {
  size_t sent = 0;
  while (sent < size) {
    BlockingCall call{out, target, Direction::out, false, target.send_timeout, false};
    long result = call.run([&] { return send_some(size - sent); });
    if (result <= 0) return sent != 0 ? (long)sent : result;
    sent += result;
  }
  return (long)sent;
}

long sendfile_waiting(int out, int in, off_t* offset, size_t size) {
  auto some = [&](size_t most) {
    return in_cancellable_region([&] { return kernel::invoke(SYS_sendfile, out, in, offset, most); });
  };
  OpenFile* target = open_files::of(out);
  if (!waits(out, target) || size == 0) return some(size);
  bool was_injected = target->injected;
  if (!open_files::inject_nonblocking(out, *target)) {
    return when_ready(out, *target, Direction::out, [&] { return some(size); });
  }
  long result = send_everything(out, *target, size, some);
  if (!was_injected) open_files::eject_nonblocking(out, *target);
  return result;
}

// `move(flags)` is the kernel's call; a side that is -1 is memory. A side that another thread drained or filled meanwhile is waited for again.
template <class Move>
long move_when_ready(int in, int out, unsigned flags, Move move) {
  if (flags & SPLICE_F_NONBLOCK) return move(flags);
  for (;;) {
    if (long failed = wait_until_ready_if_it_waits(in, Direction::in); failed != 0) return failed;
    if (long failed = wait_until_ready_if_it_waits(out, Direction::out); failed != 0) return failed;
    long result = in_region([&] { return move(flags | SPLICE_F_NONBLOCK); });
    if (result != -EAGAIN || !may_wait(out) || !may_wait(in)) return result;
  }
}

}  // namespace

// sendfile(2). Waits, without holding the carrier, while the target is full.
INTERPOSED ssize_t sendfile(int out, int in, off_t* offset, size_t size) {
  if (!lifecycle::on_green()) return real::sendfile(out, in, offset, size);
  return answer(sendfile_waiting(out, in, offset, size));
}
INTERPOSED ssize_t sendfile64(int out, int in, off64_t* offset, size_t size) { return sendfile(out, in, offset, size); }

// splice(2).
INTERPOSED ssize_t splice(int in, off64_t* in_offset, int out, off64_t* out_offset, size_t size, unsigned flags) {
  bool refused = !is_pipe(in) && !is_pipe(out);  // the kernel says so without waiting
  if (!lifecycle::on_green() || refused) return real::splice(in, in_offset, out, out_offset, size, flags);
  cancellation::test();
  return answer(move_when_ready(in, out, flags, [&](unsigned all) {
    return kernel::invoke(SYS_splice, in, in_offset, out, out_offset, size, all);
  }));
}

// tee(2).
INTERPOSED ssize_t tee(int in, int out, size_t size, unsigned flags) {
  bool refused = !is_pipe(in) || !is_pipe(out);
  if (!lifecycle::on_green() || refused) return real::tee(in, out, size, flags);
  cancellation::test();
  return answer(
      move_when_ready(in, out, flags, [&](unsigned all) { return kernel::invoke(SYS_tee, in, out, size, all); }));
}

// vmsplice(2), into a pipe or out of it.
INTERPOSED ssize_t vmsplice(int fd, const iovec* parts, size_t count, unsigned flags) {
  if (!is_pipe(fd) || !lifecycle::on_green()) return real::vmsplice(fd, parts, count, flags);
  cancellation::test();
  bool into = (kernel::invoke(SYS_fcntl, fd, F_GETFL, 0) & O_ACCMODE) == O_WRONLY;
  return answer(move_when_ready(into ? -1 : fd, into ? fd : -1, flags,
                                [&](unsigned all) { return kernel::invoke(SYS_vmsplice, fd, parts, count, all); }));
}
