#include "shim/transfer.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "scheduler/kernel.h"

namespace unblock::transfer {
namespace {

using kernel::invoke;

constexpr int rwf_nowait = 8;  // RWF_NOWAIT
constexpr size_t pipe_buffer = 4096;

bool is_tcp(const OpenFile& file) { return file.kind.load(std::memory_order_relaxed) == Kind::tcp; }

// Is a plain read on this stream sure to find nothing? Only TCP with a history that we know.
bool nothing_left(int fd, const OpenFile& file) { return is_tcp(file) && !worth_trying(fd, Direction::in); }

// The short-read rule (DESIGN: one recv for each request): a plain read on a TCP stream that got less than it asked
// for has emptied it, so the mark stays clear; everything else may have left something.
template <class Size>
bool emptied_by(const OpenFile& file, long result, Size size, bool plain) {
  return plain && result > 0 && is_tcp(file) && (size_t)result < size();
}

template <class Size, class Try>
long receive_once(int fd, OpenFile& file, Size size, int flags, BegunWith begun, Try attempt) {
  bool plain = (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)) == 0;
  bool dont_wait = (flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)) != 0;  // the last two never wait
  if (file.own_low_water && !dont_wait) return in_cancellable_region([&] { return attempt(0); });
  BlockingCall call{fd, file, Direction::in, dont_wait, file.receive_timeout, false, begun};
  call.wait_first = !dont_wait && nothing_left(fd, file) && call.may_wait();
  return call.run([&] { return attempt(MSG_DONTWAIT); }, [&] { return attempt(0); },
                  [&](long result) { return emptied_by(file, result, size, plain); });
}

// MSG_WAITALL on a stream: goes on until everything has come, the stream ends, or something happens; what has come by
// then is the result.
template <class Receive>
long receive_all(size_t size, BegunWith begun, Receive receive_at) {
  size_t done = 0;
  while (done < size) {
    long result = receive_at(done, begun);
    if (result <= 0) return done != 0 ? (long)done : result;
    if (begun == nothing_done) begun = signals::handlers_run();
    done += result;
  }
  return done;
}

// A blocking send sends everything. What was sent before a failure is the result.
template <class Send>
long send_all(size_t size, BegunWith begun, Send send_at) {
  size_t done = 0;
  do {
    long result = send_at(done, begun);
    if (result < 0) return done != 0 ? (long)done : result;
    done += result;
    if (done < size && begun == nothing_done) begun = signals::handlers_run();
  } while (done < size);
  return done;
}

// The rest of a send whose first part went well: its failure does not undo the first part.
long first_and_rest(long first, long rest) { return rest > 0 ? first + rest : first; }

size_t total(const iovec* parts, size_t count) {
  size_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += parts[i].iov_len;
  return sum;
}

bool valid(const iovec* parts, long count) {
  if (count < 0 || count > 1024 || is_out_of_reach(parts)) return false;
  size_t sum = 0;
  for (long i = 0; i < count; ++i) {
    if ((ssize_t)parts[i].iov_len < 0 || (ssize_t)(sum += parts[i].iov_len) < 0) return false;
  }
  return true;
}

// Calls work(parts, count) for what is left of a vector after `done` bytes. At most 16 parts at a time: a transfer
// that was interrupted in the middle is rare, and the stack may be small.
template <class Work>
long with_rest(const iovec* parts, size_t count, size_t done, Work work) {
  if (done == 0) return work(parts, count);
  while (count > 0 && done >= parts->iov_len) {
    done -= parts->iov_len;
    ++parts;
    --count;
  }
  iovec rest[16];
  size_t copied = count < 16 ? count : 16;
  memcpy(rest, parts, copied * sizeof *rest);
  if (copied > 0) {
    rest[0].iov_base = static_cast<char*>(rest[0].iov_base) + done;
    rest[0].iov_len -= done;
  }
  return work(rest, copied);
}

bool ready_now(int fd, short events) {
  pollfd one = {fd, events, 0};
  return invoke(SYS_poll, &one, 1, 0) != 0;
}

// A raw terminal with VMIN of 0 ends its read by a timer of its own (VTIME), for which there is no readiness.
bool read_ends_by_itself(int fd) {
  termios mode = {};
  return invoke(SYS_ioctl, fd, TCGETS, &mode) == 0 && !(mode.c_lflag & ICANON) && mode.c_cc[VMIN] == 0;
}

// For descriptors that have no call of the "do not wait" kind: asks for readiness, then makes the blocking call in a
// region, since another reader may have been faster.
template <class Call>
long poll_then_call(int fd, OpenFile& file, Direction direction, BegunWith begun, Call blocking_call) {
  short events = direction == Direction::in ? POLLIN | POLLPRI : POLLOUT;
  BlockingCall call{fd, file, direction, false, 0, false, begun};
  if (!call.may_wait()) return blocking_call();
  return call.run([&]() -> long {
    bool may_try = ready_now(fd, events) || (direction == Direction::in && read_ends_by_itself(fd));
    return may_try ? in_cancellable_region(blocking_call) : -EAGAIN;
  });
}

// Pipes, terminals, anonymous inodes: RWF_NOWAIT until the kernel refuses it for this one.
template <class NoWait, class Plain>
long without_socket(int fd, OpenFile& file, Direction direction, BegunWith begun, NoWait nowait, Plain plain) {
  if (file.kind.load(std::memory_order_relaxed) != Kind::nowait) return in_cancellable_region(plain);
  std::atomic<bool>& works = direction == Direction::in ? file.reads_nowait : file.writes_nowait;
  if (works.load(std::memory_order_relaxed)) {
    BlockingCall call{fd, file, direction, false, 0, false, begun};
    long result = call.run(nowait, plain);
    if (result != -EOPNOTSUPP) return result;
    works.store(false, std::memory_order_relaxed);
  }
  return poll_then_call(fd, file, direction, begun, plain);
}

// Many bytes to something that can only be polled: a page at a time is what POLLOUT promises.
long write_in_pages(int fd, OpenFile& file, const char* data, size_t size) {
  bool nonblocking = open_files::wants_nonblocking(fd, file);
  return send_all(size, nothing_done, [&](size_t done, BegunWith begun) {
    size_t left = size - done;
    if (!nonblocking && file.kind == Kind::nowait && !file.writes_nowait && left > pipe_buffer) left = pipe_buffer;
    long result = without_socket(
        fd, file, Direction::out, begun,
        [&] {
          iovec part = {const_cast<char*>(data + done), left};
          return invoke(SYS_pwritev2, fd, &part, 1, -1, -1, rwf_nowait);
        },
        [&] { return invoke(SYS_write, fd, data + done, left); });
    return result;
  });
}

}  // namespace

long receive(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  OpenFile* file = open_files::of(fd);
  auto once = [&](size_t done, BegunWith begun) {
    auto attempt = [&](int extra) {
      return invoke(SYS_recvfrom, fd, static_cast<char*>(data) + done, size - done, flags | extra, from, from_size);
    };
    if (file == nullptr || !is_socket(*file)) return attempt(0);
    return receive_once(
        fd, *file, [&] { return size - done; }, flags, begun, attempt);
  };
  bool all = (flags & MSG_WAITALL) && !(flags & (MSG_DONTWAIT | MSG_PEEK)) && file != nullptr && file->stream;
  return all && size > 0 && !open_files::wants_nonblocking(fd, *file) ? receive_all(size, nothing_done, once)
                                                                      : once(0, nothing_done);
}

long receive(int fd, msghdr* message, int flags) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr || !is_socket(*file)) return invoke(SYS_recvmsg, fd, message, flags);
  auto once = [&](msghdr* into, BegunWith begun) {
    return receive_once(
        fd, *file, [&] { return total(into->msg_iov, into->msg_iovlen); }, flags, begun,
        [&](int extra) { return invoke(SYS_recvmsg, fd, into, flags | extra); });
  };
  long first =
      once(message, nothing_done);  // the kernel has the first look at the message: a bad pointer is its to refuse
  bool all = (flags & MSG_WAITALL) && !(flags & (MSG_DONTWAIT | MSG_PEEK)) && file->stream &&
             !open_files::wants_nonblocking(fd, *file);
  if (first <= 0 || !all) return first;
  size_t size = total(message->msg_iov, message->msg_iovlen);
  return first_and_rest(first, receive_all(size - first, signals::handlers_run(), [&](size_t done, BegunWith begun) {
                          return with_rest(message->msg_iov, message->msg_iovlen, first + done,
                                           [&](const iovec* parts, size_t count) {
                                             msghdr rest = {};
                                             rest.msg_iov = const_cast<iovec*>(parts);
                                             rest.msg_iovlen = count;
                                             return once(&rest, begun);
                                           });
                        }));
}

long send(int fd, const void* data, size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr || !is_socket(*file)) return invoke(SYS_sendto, fd, data, size, flags, to, to_size);
  bool dont_wait = (flags & MSG_DONTWAIT) != 0;
  auto once = [&](size_t done, BegunWith begun) {
    BlockingCall call{fd, *file, Direction::out, dont_wait, file->send_timeout, false, begun};
    long result = call.run([&] {
      return invoke(SYS_sendto, fd, static_cast<const char*>(data) + done, size - done, flags | MSG_DONTWAIT, to,
                    to_size);
    });
    return result;
  };
  if (!file->stream || size == 0 || dont_wait) return once(0, nothing_done);
  long first = once(0, nothing_done);
  if (first < 0 || (size_t)first == size || open_files::wants_nonblocking(fd, *file)) return first;
  return first_and_rest(first, send_all(size - first, signals::handlers_run(),
                                        [&](size_t done, BegunWith begun) { return once(first + done, begun); }));
}

long send(int fd, const msghdr* message, int flags) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr || !is_socket(*file)) return invoke(SYS_sendmsg, fd, message, flags);
  bool dont_wait = (flags & MSG_DONTWAIT) != 0;
  auto once = [&](const msghdr* from, BegunWith begun) {
    BlockingCall call{fd, *file, Direction::out, dont_wait, file->send_timeout, false, begun};
    long result = call.run([&] { return invoke(SYS_sendmsg, fd, from, flags | MSG_DONTWAIT); });
    return result;
  };
  long first = once(message, nothing_done);
  if (first <= 0 || !file->stream || dont_wait) return first;
  size_t size = total(message->msg_iov, message->msg_iovlen);
  if ((size_t)first == size || open_files::wants_nonblocking(fd, *file)) return first;
  long rest = send_all(size - first, signals::handlers_run(), [&](size_t done, BegunWith begun) {
    return with_rest(message->msg_iov, message->msg_iovlen, first + done, [&](const iovec* parts, size_t count) {
      msghdr left = {};
      left.msg_name = message->msg_name;
      left.msg_namelen = message->msg_namelen;
      left.msg_iov = const_cast<iovec*>(parts);
      left.msg_iovlen = count;
      return once(&left, begun);
    });
  });
  return first_and_rest(first, rest);
}

long read(int fd, void* data, size_t size) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr || size == 0) return invoke(SYS_read, fd, data, size);  // a zero-length read stays a read
  if (is_socket(*file)) return receive(fd, data, size, 0, nullptr, nullptr);
  return without_socket(
      fd, *file, Direction::in, nothing_done,
      [&] {
        iovec part = {data, size};
        return invoke(SYS_preadv2, fd, &part, 1, -1, -1, rwf_nowait);
      },
      [&] { return invoke(SYS_read, fd, data, size); });
}

long readv(int fd, const iovec* parts, int count) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr || !valid(parts, count) || total(parts, count) == 0) return invoke(SYS_readv, fd, parts, count);
  if (is_socket(*file)) {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return receive(fd, &message, 0);
  }
  return without_socket(
      fd, *file, Direction::in, nothing_done, [&] { return invoke(SYS_preadv2, fd, parts, count, -1, -1, rwf_nowait); },
      [&] { return invoke(SYS_readv, fd, parts, count); });
}

long write(int fd, const void* data, size_t size) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr) return invoke(SYS_write, fd, data, size);
  if (is_socket(*file)) return send(fd, data, size, 0, nullptr, 0);
  return write_in_pages(fd, *file, static_cast<const char*>(data), size);
}

long writev(int fd, const iovec* parts, int count) {
  OpenFile* file = open_files::of(fd);
  if (file == nullptr || !valid(parts, count) || total(parts, count) == 0) return invoke(SYS_writev, fd, parts, count);
  if (is_socket(*file)) {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return send(fd, &message, 0);
  }
  size_t size = total(parts, count);
  return send_all(size, nothing_done, [&](size_t done, BegunWith begun) {
    return with_rest(parts, count, done, [&](const iovec* rest, size_t rest_count) {
      return without_socket(
          fd, *file, Direction::out, begun,
          [&] { return invoke(SYS_pwritev2, fd, rest, rest_count, -1, -1, rwf_nowait); },
          [&] { return invoke(SYS_writev, fd, rest, rest_count); });
    });
  });
}

}  // namespace unblock::transfer
