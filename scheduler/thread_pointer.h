#pragma once
// The thread pointer: the address of the running thread's block. wrfsbase where the kernel lets user space write it
// (AT_HWCAP2 bit 1, Linux 5.9; valgrind hides it), arch_prctl elsewhere. Async-signal-safe.

#include <asm/prctl.h>

#include "scheduler/kernel.h"

namespace unblock {

// Bit 1 of AT_HWCAP2, read once from the auxiliary vector; see thread_pointer.cc.
extern bool can_write_fs_base;

// Decides between the two ways. Called before the first load_thread_pointer().
void detect_thread_pointer_access();

inline void* thread_pointer() {
  void* pointer;
  __asm__ volatile("movq %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

// Inlined always: between its entry and its return the thread is another one.
[[gnu::always_inline]] inline void load_thread_pointer(void* pointer) {
  if (__builtin_expect(can_write_fs_base, 1)) {
    __asm__ volatile("wrfsbase %0" ::"r"(pointer) : "memory");
  } else {
    kernel::invoke(SYS_arch_prctl, ARCH_SET_FS, pointer);
  }
}

}  // namespace unblock
