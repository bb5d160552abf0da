#include "shim/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "scheduler/descriptor_table.h"
#include "scheduler/pool.h"
#include "scheduler/readiness.h"

namespace unblock::open_files {
namespace {

struct Slot {
  std::atomic<OpenFile*> file;
};

DescriptorTable<Slot> slots;
Pool<OpenFile> files;
std::atomic<int> highest_recorded{-1};

void release(OpenFile* file) {
  if (file != nullptr && file->references.fetch_sub(1) == 1) files.give_back(file);
}

void set(int fd, OpenFile* file) {
  Slot* slot = file != nullptr ? slots.at(fd) : slots.existing(fd);
  if (slot == nullptr) return release(file);
  int highest = highest_recorded.load(std::memory_order_relaxed);
  while (fd > highest && !highest_recorded.compare_exchange_weak(highest, fd)) continue;
  release(slot->file.exchange(file, std::memory_order_acq_rel));
}

OpenFile* make(Kind kind, bool born_here, bool nonblocking) {
  OpenFile* file = files.take();
  if (file == nullptr) return nullptr;
  file->kind = kind;
  file->born_here = born_here;
  file->shared = !born_here;
  file->nonblocking = nonblocking;
  file->confirmed = file->injected = file->stream = file->local = file->own_low_water = false;
  file->reads_nowait = file->writes_nowait = true;
  file->receive_timeout = file->send_timeout = 0;
  file->references = 1;
  return file;
}

int socket_option(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  return kernel::invoke(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

int64_t socket_timeout(int fd, int option) {
  timeval time = {};
  socklen_t size = sizeof time;
  if (kernel::invoke(SYS_getsockopt, fd, SOL_SOCKET, option, &time, &size) != 0) return 0;
  return time.tv_sec * kernel::nanoseconds_per_second + time.tv_usec * 1000;
}

void describe_socket(OpenFile& file, int domain, int type, int protocol) {
  bool internet = domain == AF_INET || domain == AF_INET6;
  file.stream = type == SOCK_STREAM;
  file.local = domain == AF_UNIX;
  bool tcp = internet && type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);
  file.kind = tcp ? Kind::tcp : Kind::socket;
}

// A descriptor that was born out of our sight.
OpenFile* look_at(int fd) {
  struct stat status;
  if (kernel::invoke(SYS_fstat, fd, &status) != 0) return nullptr;
  OpenFile* file = make(Kind::blocking, false, false);
  if (file == nullptr) return nullptr;
  switch (status.st_mode & S_IFMT) {
    case S_IFSOCK:
      describe_socket(*file, socket_option(fd, SO_DOMAIN), socket_option(fd, SO_TYPE), socket_option(fd, SO_PROTOCOL));
      // The short-read rule needs a history that we have seen: kTLS and urgent data may be there already.
      file->kind = Kind::socket;
      file->receive_timeout = socket_timeout(fd, SO_RCVTIMEO);
      file->send_timeout = socket_timeout(fd, SO_SNDTIMEO);
      break;
    case S_IFREG:
    case S_IFDIR:
    case S_IFBLK:
    case S_IFLNK: break;
    default: file->kind = Kind::nowait;
  }
  set(fd, file);
  open_descriptor(fd, false);
  return file;
}

}  // namespace

OpenFile* born(int fd, Kind kind, bool nonblocking) {
  OpenFile* file = make(kind, true, nonblocking);
  set(fd, file);
  open_descriptor(fd, true);
  return file;
}

OpenFile* born_socket(int fd, int domain, int type, int protocol, bool nonblocking) {
  OpenFile* file = born(fd, Kind::socket, nonblocking);
  if (file != nullptr) describe_socket(*file, domain, type, protocol);
  return file;
}

OpenFile* known(int fd) {
  Slot* slot = slots.existing(fd);
  return slot != nullptr ? slot->file.load(std::memory_order_acquire) : nullptr;
}

OpenFile* of(int fd) {
  OpenFile* file = known(fd);
  return __builtin_expect(file != nullptr, 1) ? file : look_at(fd);
}

void duplicated(int original, int copy) {
  OpenFile* file = known(original);
  if (file != nullptr) file->references.fetch_add(1);
  set(copy, file);
  open_descriptor(copy, file != nullptr && file->born_here);
}

void closing(int fd) {
  OpenFile* file = known(fd);
  bool outlives = file == nullptr || file->shared || file->references.load() > 1;
  close_descriptor(fd, outlives);
  if (file != nullptr) set(fd, nullptr);
}

Lock& lock() { return files.lock(); }

int highest() { return highest_recorded.load(std::memory_order_relaxed); }

namespace {

bool kernel_has_nonblocking(int fd) {
  long flags = kernel::invoke(SYS_fcntl, fd, F_GETFL, 0);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

}  // namespace

bool wants_nonblocking(int fd, OpenFile& file) {
  if (file.shared.load(std::memory_order_relaxed)) return kernel_has_nonblocking(fd);
  if (!is_socket(file) && !file.injected.load(std::memory_order_relaxed) &&
      !file.confirmed.exchange(true, std::memory_order_relaxed)) {
    bool believed = file.nonblocking.load(std::memory_order_relaxed);
    file.nonblocking.compare_exchange_strong(believed, kernel_has_nonblocking(fd));  // unless it is being changed
  }
  return file.nonblocking.load(std::memory_order_relaxed);
}

bool inject_nonblocking(int fd, OpenFile& file) {
  if (file.injected.load(std::memory_order_acquire)) return true;
  if (!file.born_here || file.shared) return false;
  int on = 1;
  if (kernel::invoke(SYS_ioctl, fd, FIONBIO, &on) != 0) return false;
  file.injected.store(true, std::memory_order_release);
  return true;
}

void eject_nonblocking(int fd, OpenFile& file) {
  if (!file.injected.exchange(false, std::memory_order_seq_cst) || file.nonblocking) return;
  int off = 0;
  kernel::invoke(SYS_ioctl, fd, FIONBIO, &off);
}

namespace {

void share_file(int fd, OpenFile& file) {
  file.shared.store(true, std::memory_order_seq_cst);
  eject_nonblocking(fd, file);
}

}  // namespace

void share(int fd) {
  OpenFile* file = known(fd);
  if (file != nullptr) share_file(fd, *file);
}

void share_all() {
  for (int fd = 0; fd <= highest_recorded.load(); ++fd) share(fd);
}

}  // namespace unblock::open_files
