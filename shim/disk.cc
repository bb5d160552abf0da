// Calls that wait for the disk. There is no readiness to wait for, and a database makes them thousands of times while
// others wait for what it has just unlocked: the processor is given away at once, not when the monitor looks.

#include <sys/mman.h>
#include <unistd.h>

#include "shim/blocking_call.h"
#include "shim/real.h"

using namespace unblock;

namespace {

template <class Call>
auto waiting_for_disk(Call call) {
  if (!lifecycle::on_green()) return call();
  cancellation::test();
  return in_long_region(call);
}

}  // namespace

// fsync(2).
INTERPOSED int fsync(int fd) {
  return waiting_for_disk([&] { return real::fsync(fd); });
}

// fdatasync(2).
INTERPOSED int fdatasync(int fd) {
  return waiting_for_disk([&] { return real::fdatasync(fd); });
}

// sync_file_range(2).
INTERPOSED int sync_file_range(int fd, off64_t from, off64_t count, unsigned flags) {
  return waiting_for_disk([&] { return real::sync_file_range(fd, from, count, flags); });
}

// msync(2). Only MS_SYNC waits.
INTERPOSED int msync(void* address, size_t size, int flags) {
  if (!(flags & MS_SYNC)) return real::msync(address, size, flags);
  return waiting_for_disk([&] { return real::msync(address, size, flags); });
}

// syncfs(2) and sync(2) are no cancellation points.
INTERPOSED int syncfs(int fd) {
  if (!lifecycle::on_green()) return real::syncfs(fd);
  return in_long_region([&] { return real::syncfs(fd); });
}
INTERPOSED void sync(void) {
  if (!lifecycle::on_green()) return real::sync();
  in_long_region([] { return real::sync(); });
}
