// The names of the transfers. See transfer.h for how they wait.

#include "shim/real.h"
#include "shim/transfer.h"

using namespace unblock;

// read(2). Waits, without holding the carrier, while there is nothing to read.
INTERPOSED ssize_t read(int fd, void* data, size_t size) {
  if (!lifecycle::on_green()) return real::read(fd, data, size);
  cancellation::test();
  return answer(transfer::read(fd, data, size));
}
INTERPOSED ssize_t __read(int fd, void* data, size_t size) { return read(fd, data, size); }

// write(2).
INTERPOSED ssize_t write(int fd, const void* data, size_t size) {
  if (!lifecycle::on_green()) return real::write(fd, data, size);
  cancellation::test();
  return answer(transfer::write(fd, data, size));
}
INTERPOSED ssize_t __write(int fd, const void* data, size_t size) { return write(fd, data, size); }

// readv(2).
INTERPOSED ssize_t readv(int fd, const iovec* parts, int count) {
  if (!lifecycle::on_green()) return real::readv(fd, parts, count);
  cancellation::test();
  return answer(transfer::readv(fd, parts, count));
}

// writev(2).
INTERPOSED ssize_t writev(int fd, const iovec* parts, int count) {
  if (!lifecycle::on_green()) return real::writev(fd, parts, count);
  cancellation::test();
  return answer(transfer::writev(fd, parts, count));
}

// preadv2(2) and pwritev2(2): without a position and a flag they are readv and writev.
INTERPOSED ssize_t preadv2(int fd, const iovec* parts, int count, off_t position, int flags) {
  if (position == -1 && flags == 0) return readv(fd, parts, count);
  return real::preadv2(fd, parts, count, position, flags);
}
INTERPOSED ssize_t preadv64v2(int fd, const iovec* parts, int count, off64_t position, int flags) {
  return preadv2(fd, parts, count, position, flags);
}
INTERPOSED ssize_t pwritev2(int fd, const iovec* parts, int count, off_t position, int flags) {
  if (position == -1 && flags == 0) return writev(fd, parts, count);
  return real::pwritev2(fd, parts, count, position, flags);
}
INTERPOSED ssize_t pwritev64v2(int fd, const iovec* parts, int count, off64_t position, int flags) {
  return pwritev2(fd, parts, count, position, flags);
}

// recv(2). Waits, without holding the carrier, while the socket is empty.
INTERPOSED ssize_t recv(int fd, void* data, size_t size, int flags) {
  if (!lifecycle::on_green()) return real::recv(fd, data, size, flags);
  cancellation::test();
  return answer(transfer::receive(fd, data, size, flags, nullptr, nullptr));
}
INTERPOSED ssize_t __recv(int fd, void* data, size_t size, int flags) { return recv(fd, data, size, flags); }

// recvfrom(2).
INTERPOSED ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  if (!lifecycle::on_green()) return real::recvfrom(fd, data, size, flags, from, from_size);
  cancellation::test();
  return answer(transfer::receive(fd, data, size, flags, from, from_size));
}

// recvmsg(2). Descriptors that it passes are born unseen: they are looked at when they are first used.
INTERPOSED ssize_t recvmsg(int fd, msghdr* message, int flags) {
  if (!lifecycle::on_green()) return real::recvmsg(fd, message, flags);
  cancellation::test();
  return answer(transfer::receive(fd, message, flags));
}

// send(2). A blocking send sends everything.
INTERPOSED ssize_t send(int fd, const void* data, size_t size, int flags) {
  if (!lifecycle::on_green()) return real::send(fd, data, size, flags);
  cancellation::test();
  return answer(transfer::send(fd, data, size, flags, nullptr, 0));
}
INTERPOSED ssize_t __send(int fd, const void* data, size_t size, int flags) { return send(fd, data, size, flags); }

// sendto(2).
INTERPOSED ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  if (!lifecycle::on_green()) return real::sendto(fd, data, size, flags, to, to_size);
  cancellation::test();
  return answer(transfer::send(fd, data, size, flags, to, to_size));
}

namespace {

// SCM_RIGHTS gives the description to whoever receives it.
void share_passed_descriptors(const msghdr* message) {
  if (message->msg_control == nullptr) return;
  for (cmsghdr* each = CMSG_FIRSTHDR(message); each != nullptr;
       each = CMSG_NXTHDR(const_cast<msghdr*>(message), each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int* descriptors = reinterpret_cast<int*>(CMSG_DATA(each));
    for (size_t i = 0; i < count; ++i) open_files::share(descriptors[i]);
  }
}

}  // namespace

// sendmsg(2).
INTERPOSED ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  ssize_t result;
  if (lifecycle::on_green()) {
    cancellation::test();
    result = answer(transfer::send(fd, message, flags));
  } else {
    result = real::sendmsg(fd, message, flags);
  }
  if (result >= 0) share_passed_descriptors(message);
  return result;
}

// The fortified twins: libc checks the size, we wait.
extern "C" [[noreturn]] void __chk_fail(void);

INTERPOSED ssize_t __read_chk(int fd, void* data, size_t size, size_t room) {
  if (size > room) __chk_fail();
  return read(fd, data, size);
}
INTERPOSED ssize_t __recv_chk(int fd, void* data, size_t size, size_t room, int flags) {
  if (size > room) __chk_fail();
  return recv(fd, data, size, flags);
}
INTERPOSED ssize_t __recvfrom_chk(int fd, void* data, size_t size, size_t room, int flags, sockaddr* from,
                                  socklen_t* from_size) {
  if (size > room) __chk_fail();
  return recvfrom(fd, data, size, flags, from, from_size);
}

namespace {

// One message at a time; the kernel's own call would hold the carrier between them.
template <class One>
int many_messages(mmsghdr* messages, unsigned count, One one) {
  unsigned done = 0;
  for (; done < count; ++done) {
    long result = one(messages[done].msg_hdr, done);
    if (result < 0) return done != 0 ? (int)done : (int)answer(result);
    messages[done].msg_len = (unsigned)result;
  }
  return (int)done;
}

}  // namespace

// recvmmsg(2). The time-out counts between messages, as the manual page admits.
INTERPOSED int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  if (!lifecycle::on_green()) return real::recvmmsg(fd, messages, count, flags, timeout);
  cancellation::test();
  if (timeout != nullptr && is_out_of_reach(timeout)) return (int)answer(-EFAULT);
  if (timeout != nullptr &&
      (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= kernel::nanoseconds_per_second)) {
    return (int)answer(-EINVAL);
  }
  int64_t until = timeout != nullptr ? kernel::now() + kernel::nanoseconds(*timeout) : INT64_MAX;
  bool expired = false;
  int result = many_messages(messages, count, [&](msghdr& message, unsigned done) -> long {
    if (expired) return -EAGAIN;
    int each_flags = flags & ~MSG_WAITFORONE;
    if ((flags & MSG_WAITFORONE) && done > 0) each_flags |= MSG_DONTWAIT;
    long one = transfer::receive(fd, &message, each_flags);
    if (timeout != nullptr) {
      int64_t left = until - kernel::now();
      expired = left <= 0;
      *timeout = kernel::to_timespec(expired ? 0 : left);
    }
    return one;
  });
  return result;
}

// sendmmsg(2).
INTERPOSED int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  int sent;
  if (lifecycle::on_green()) {
    cancellation::test();
    sent =
        many_messages(messages, count, [&](msghdr& message, unsigned) { return transfer::send(fd, &message, flags); });
  } else {
    sent = real::sendmmsg(fd, messages, count, flags);
  }
  for (int i = 0; i < sent; ++i) share_passed_descriptors(&messages[i].msg_hdr);
  return sent;
}
INTERPOSED int __sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return sendmmsg(fd, messages, count, flags);
}
