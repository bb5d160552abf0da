// Sockets are born, accept and connect.

#include <fcntl.h>
#include <poll.h>

#include "scheduler/kernel.h"
#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

// socket(2). Recorded from the start, also while quiet.
INTERPOSED int socket(int domain, int type, int protocol) {
  int fd = real::socket(domain, type, protocol);
  if (fd >= 0) open_files::born_socket(fd, domain, type & 0xf, protocol, type & SOCK_NONBLOCK);
  return fd;
}
INTERPOSED int __socket(int domain, int type, int protocol) { return socket(domain, type, protocol); }

// socketpair(2).
INTERPOSED int socketpair(int domain, int type, int protocol, int pair[2]) {
  int result = real::socketpair(domain, type, protocol, pair);
  if (result != 0) return result;
  for (int i = 0; i < 2; ++i) open_files::born_socket(pair[i], domain, type & 0xf, protocol, type & SOCK_NONBLOCK);
  return result;
}

namespace {

// An accepted socket is of its listener's kind; it inherits the time-outs (Linux), but not O_NONBLOCK.
void born_of_listener(int fd, const OpenFile* listener, int flags) {
  OpenFile* file =
      open_files::born(fd, listener != nullptr ? listener->kind.load() : Kind::socket, flags & SOCK_NONBLOCK);
  if (file == nullptr || listener == nullptr) return;
  file->stream = listener->stream.load();
  file->local = listener->local.load();
  file->own_low_water = listener->own_low_water.load();
  file->receive_timeout = listener->receive_timeout.load();
  file->send_timeout = listener->send_timeout.load();
}

bool connection_waits(int fd) {
  pollfd one = {fd, POLLIN, 0};
  return kernel::invoke(SYS_poll, &one, 1, 0) != 0;
}

// A listener of our own has O_NONBLOCK behind the program's back; on any other we wait for readiness, then accept in a
// blocking region, because another process may be faster.
long try_accept(int fd, OpenFile& file, sockaddr* address, socklen_t* size, int flags) {
  // A UNIX listener that was shut down refuses a blocking accept only: non-blocking ones see EAGAIN for ever.
  if (!file.local && open_files::inject_nonblocking(fd, file))
    return kernel::invoke(SYS_accept4, fd, address, size, flags);
  if (!connection_waits(fd)) return -EAGAIN;
  return in_cancellable_region([&] { return kernel::invoke(SYS_accept4, fd, address, size, flags); });
}

long accept_waiting(int fd, OpenFile& file, sockaddr* address, socklen_t* size, int flags) {
  BlockingCall call{fd, file, Direction::in, false, file.receive_timeout, false};
  if (!call.may_wait()) return kernel::invoke(SYS_accept4, fd, address, size, flags);
  return call.run([&] { return try_accept(fd, file, address, size, flags); });
}

// On a thread that is not green a listener may still be one that we made non-blocking.
int accept_in_place(int fd, const OpenFile& file, sockaddr* address, socklen_t* size, int flags) {
  for (;;) {
    int result = real::accept4(fd, address, size, flags);
    if (result >= 0 || errno != EAGAIN || !file.injected || file.nonblocking) return result;
    pollfd one = {fd, POLLIN, 0};
    if (real::poll(&one, 1, -1) < 0) return -1;
  }
}

int accept_any(int fd, sockaddr* address, socklen_t* size, int flags) {
  int result;
  OpenFile* file;
  if (lifecycle::on_green()) {
    cancellation::test();
    file = open_files::of(fd);
    result = (int)answer(file != nullptr && is_socket(*file) ? accept_waiting(fd, *file, address, size, flags)
                                                             : kernel::invoke(SYS_accept4, fd, address, size, flags));
  } else {
    file = open_files::known(fd);
    result = file != nullptr && file->injected ? accept_in_place(fd, *file, address, size, flags)
                                               : real::accept4(fd, address, size, flags);
  }
  if (result >= 0) born_of_listener(result, file, flags);
  return result;
}

// connect(2) on a socket that only we know: O_NONBLOCK for its duration. The second call gives the outcome.
long connect_nonblocking(int fd, OpenFile& file, const sockaddr* address, socklen_t size) {
  long first = kernel::invoke(SYS_connect, fd, address, size);
  if (first != -EINPROGRESS && first != -EALREADY) {
    give_way();
    return first;
  }
  Deadline deadline = file.send_timeout != 0 ? Deadline::after(file.send_timeout) : Deadline::never();
  for (;;) {
    (void)begin_try(fd, Direction::out);
    long result = kernel::invoke(SYS_connect, fd, address, size);
    if (result == -EISCONN) return 0;
    if (result != -EALREADY && result != -EINPROGRESS) return result;
    long failed = wait_until_ready(fd, Direction::out, deadline);
    if (failed == -EAGAIN) return first;  // EALREADY if it was under way before
    if (failed != 0) return failed;
  }
}

long connect_waiting(int fd, const sockaddr* address, socklen_t size) {
  OpenFile* file = open_files::of(fd);
  auto plain = [&] { return kernel::invoke(SYS_connect, fd, address, size); };
  // A UNIX connect waits for room in the other's backlog, for which there is no readiness.
  bool in_place =
      file == nullptr || !is_socket(*file) || file->local || !file->stream || open_files::wants_nonblocking(fd, *file);
  if (in_place) return in_cancellable_region(plain);
  bool was_injected = file->injected;
  if (!open_files::inject_nonblocking(fd, *file)) return in_cancellable_region(plain);
  long result = connect_nonblocking(fd, *file, address, size);
  if (!was_injected) open_files::eject_nonblocking(fd, *file);
  return result;
}

}  // namespace

// shutdown(2). Whoever waits on the descriptor asks again: a sender learns nothing from poll(2).
INTERPOSED int shutdown(int fd, int how) noexcept {
  int result = real::shutdown(fd, how);
  if (result == 0) stir_descriptor(fd);
  return result;
}

// accept(2). Waits, without holding the carrier, for a connection.
INTERPOSED int accept(int fd, sockaddr* address, socklen_t* size) { return accept_any(fd, address, size, 0); }

// accept4(2).
INTERPOSED int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return accept_any(fd, address, size, flags);
}

// connect(2). Waits, without holding the carrier, for the connection.
INTERPOSED int connect(int fd, const sockaddr* address, socklen_t size) {
  if (!lifecycle::on_green()) return real::connect(fd, address, size);
  cancellation::test();
  return (int)answer(connect_waiting(fd, address, size));
}
INTERPOSED int __connect(int fd, const sockaddr* address, socklen_t size) { return connect(fd, address, size); }
