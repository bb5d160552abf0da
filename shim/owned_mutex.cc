#include "shim/owned_mutex.h"

#include "shim/glibc/thread_block.h"
#include "shim/real.h"

namespace unblock::owned_mutex {

int unlock(pthread_mutex_t* mutex) {
  int error = as_os_thread([&] { return real::pthread_mutex_unlock(mutex); });
  if (error == 0 && lifecycle::on_green()) note_released();
  return error;
}

void thread_ends() {
  if (here.pinned == 0) return;
  here.pinned = 0;
  Critical critical;
  glibc::on_block(carrier_block_of_this_thread(), [] { glibc::release_robust_mutexes([](void*, void*) {}, nullptr); });
}

}  // namespace unblock::owned_mutex

using namespace unblock;

// pthread_mutex_consistent(3). It asks whether the caller is the owner.
INTERPOSED int pthread_mutex_consistent(pthread_mutex_t* mutex) noexcept {
  if (!lifecycle::active() || !owned_mutex::is_one(mutex)) return real::pthread_mutex_consistent(mutex);
  return owned_mutex::as_os_thread([&] { return real::pthread_mutex_consistent(mutex); });
}
