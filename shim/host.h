#pragma once
// The shim's side of scheduler/host.h, as far as the rest of the shim needs it.

#include "scheduler/carrier.h"

namespace unblock {

// The thread block of the carrier that the calling OS thread is; null on threads that are not ours. Async-signal-safe.
inline void* carrier_block_of_this_thread() { return here.carrier != nullptr ? here.carrier->thread_pointer : nullptr; }

}  // namespace unblock
