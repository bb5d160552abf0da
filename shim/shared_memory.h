#pragma once
// Memory that the program shares, or may share, with other processes: who waits for a word there may be woken by
// somebody who does not know our parking lot.
//
// Ranges are only ever added: one that was unmapped and whose addresses serve private memory later is still taken for
// shared, which costs time and is never wrong. When there are too many, all memory is.
//
// Thread-safety: any thread, at any time; async-signal-safe.

namespace unblock::shared_memory {

bool contains(const void* address);

// The child of a fork shares what its parent shared.
void after_fork_in_child();

}  // namespace unblock::shared_memory
