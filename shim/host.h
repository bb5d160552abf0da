#pragma once
// The shim's side of scheduler/host.h, as far as the rest of the shim needs it.

#include "scheduler/carrier.h"
#include "shim/glibc/carrier_block.h"
#include "shim/sanitizer_runtime.h"

namespace unblock {

// The thread block of the carrier that the calling OS thread is; null on threads that are not ours. Async-signal-safe.
inline void* carrier_block_of_this_thread() { return here.carrier != nullptr ? here.carrier->thread_pointer : nullptr; }

// Calls f, which makes OS threads, for a green thread. libc makes them on blocks that it knows, the carrier's; a thread
// of libc's own, as in the child of a fork that one of those called, stands on such a block already. Where
// ThreadSanitizer's runtime is, f stays on the thread's own block: libc allocates for the new thread, and on the first
// carrier's block, which was made here, the runtime has nothing to allocate with.
template <typename F>
void where_os_threads_are_made(F f) {
  void* block = carrier_block_of_this_thread();
  if (block == nullptr || sanitizer_runtime::watches_threads()) return f();
  glibc::on_block(block, f);
}

}  // namespace unblock
