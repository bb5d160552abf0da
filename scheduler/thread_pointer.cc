#include "scheduler/thread_pointer.h"

#include <sys/auxv.h>

namespace unblock {

bool can_write_fs_base;

void detect_thread_pointer_access() {
  constexpr unsigned long fs_base_is_writable = 1 << 1;
  can_write_fs_base = (getauxval(AT_HWCAP2) & fs_base_is_writable) != 0;
}

}  // namespace unblock
