#include "shim/lock_owner.h"

#include <stddef.h>
#include <sys/uio.h>

namespace unblock {
namespace {

template <class T>
bool read(const void* address, T& to) {
  iovec from = {const_cast<void*>(address), sizeof to}, into = {&to, sizeof to};
  return kernel::invoke(SYS_process_vm_readv, kernel::invoke(SYS_getpid), &into, 1, &from, 1, 0) == (long)sizeof to;
}

}  // namespace

bool has_owner(WaitKind kind) { return kind == WaitKind::mutex || kind == WaitKind::rwlock || kind == WaitKind::join; }

int owner_tid_of(WaitKind kind, const void* object) {
  int tid = 0;
  size_t offset = kind == WaitKind::mutex ? offsetof(pthread_mutex_t, __data.__owner)
                                          : offsetof(pthread_rwlock_t, __data.__cur_writer);
  return read(static_cast<const char*>(object) + offset, tid) ? tid : 0;
}

Thread* joined(const void* life) {
  return reinterpret_cast<Thread*>(reinterpret_cast<uintptr_t>(life) - offsetof(Thread, life));
}

}  // namespace unblock
