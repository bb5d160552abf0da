#pragma once
// libc's calls inside itself: how the poll(2) inside getaddrinfo(3) comes to our wrapper.
//
// libc calls itself by address, past every symbol table. The address is that of the exported function, so its first
// five bytes are overwritten with a jump, once, before the second thread. For each name of entries.def:
//
//   libc's poll:      jmp entry                 (then the rest of libc's instructions, as they were)
//   entry (ours):     spawning? -> the copy     otherwise -> our wrapper `poll`, as if the program had called it
//   copy (ours):      the instructions that the jump has overwritten; jmp to the rest
//   real::poll:       the copy, from now on
//
// Why it is safe.
//   A call inside libc is from here on what a call of the program is. Wrappers must already be right for those: on
//   every thread (green, bound, a carrier's, not ours), in a signal handler, in a child of fork, inside a blocking
//   region, at exit. They go to libc by real::, which is still libc's own function, whole: with its errno, as the
//   cancellation point that it is, without a way back to us. No wrapper and no caller of real:: knows of the change.
//   A quiet process is not changed, nor a native one.
//
//   The child of posix_spawn, though, runs libc's code (close, dup2, fcntl) in the parent's memory and on the parent's
//   thread block until it execs: our wrappers would change the parent's view of its descriptors, or wait on its stack.
//   So our posix_spawn marks the block [spawning] for the time of libc's, and an entry that sees the mark goes to libc.
//   The caller runs nothing meanwhile. popen, system and wordexp start their children by posix_spawn, whose entry leads
//   to ours as well: if that one entry cannot be changed, none is.
//
//   The bytes are read before they are believed (glibc/entry_code.h): whole instructions that mean the same elsewhere,
//   and no jump of the function back into them. A function that looks otherwise is left alone, and merely blocks its
//   OS thread as before. Other OS threads that already exist (a program may make them by clone(2), libc makes some for
//   aio and timers) may be inside such a function, but behind its first bytes: none of those makes a system call.
//   Each entry changes by one aligned store of eight bytes. A copy and its real:: are good before its entry changes.
//
//   The memory is never writable and executable at once (glibc/code_memory.h).
//
// Rejected. Making the system calls ourselves instead of copying instructions: every wrapper would have to know for each
// thread and phase how libc does it (errno, cancellation, which differs by version). Finding the child of posix_spawn by
// its process number: a system call for each call.
//
// Not covered: what waits without an exported function, as libc's own locks do, in the kernel (a FILE's; names.cc stands
// in front of others); open(2) and file I/O, which have no readiness; libc up to 2.33, which has many of these functions twice.

#include <stddef.h>

namespace unblock::entries {

// Changes the entries. Null: libc's inside parks from here on; otherwise why not, as the end of a sentence, and nothing
// has been changed. Called once, when green threads begin.
const char* begin();

// Has begin() changed them?
bool changed();

// How many. A function whose bytes were not understood is not among them.
size_t count();

// Why not: null while they are changed, and before.
const char* reason();

}  // namespace unblock::entries
