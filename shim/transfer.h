#pragma once
// Transfers over one descriptor: what read, recv, write, send and their vector forms have in common.

#include <sys/socket.h>
#include <sys/uio.h>

#include "shim/blocking_call.h"

namespace unblock::transfer {

// Each answers like the kernel: a count or -errno. They wait as the program's view of the descriptor says.
long read(int fd, void* data, size_t size);
long write(int fd, const void* data, size_t size);
long readv(int fd, const iovec* parts, int count);
long writev(int fd, const iovec* parts, int count);
long receive(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* from_size);
long receive(int fd, msghdr* message, int flags);
long send(int fd, const void* data, size_t size, int flags, const sockaddr* to, socklen_t to_size);
long send(int fd, const msghdr* message, int flags);

}  // namespace unblock::transfer
