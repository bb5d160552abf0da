#include "scheduler/lock.h"

namespace unblock {

__thread Local here;

void Lock::lock_contended() {
  for (int spin = 0; spin < 100; ++spin) {
    __builtin_ia32_pause();
    if (word_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
  }
  while (word_.exchange(2, std::memory_order_acquire) != 0) kernel::futex_wait(word_, 2);
}

}  // namespace unblock
