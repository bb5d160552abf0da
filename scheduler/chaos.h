#pragma once
// UNBLOCK_CHAOS_POINT marks where a protocol has a worrying interleaving: between saving and parking, counting and
// linking, publishing and looking again. Built with UNBLOCK_CHAOS, as the stress test is, a thread dawdles there now and
// then, so that others come in between far more often than by chance. Otherwise it is nothing.

#ifdef UNBLOCK_CHAOS

#include <x86intrin.h>

#include "scheduler/kernel.h"

namespace unblock {

inline void dawdle() {
  uint64_t dice = __rdtsc() * 0x9e3779b97f4a7c15u >> 40;
  if (dice % 64 == 0) kernel::invoke(SYS_sched_yield);
  if (dice % 8 != 0) return;
  for (uint64_t pauses = dice / 8 % 64; pauses > 0; --pauses) __builtin_ia32_pause();
}

}  // namespace unblock

#define UNBLOCK_CHAOS_POINT() ::unblock::dawdle()
#else
#define UNBLOCK_CHAOS_POINT() ((void)0)
#endif
