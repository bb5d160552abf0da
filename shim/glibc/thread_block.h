// Thread blocks: for each green thread what libc has for each of its own threads.
//
// A block holds the static thread-local variables of all libraries and glibc's `struct pthread`; the thread pointer
// points into it. On a block made here everything of libc works as on a real thread: errno, thread_local, locale,
// malloc's caches, thread-specific data, mutex and FILE ownership, exceptions, cancellation, the resolver.
//
// The life of a block:
//     make_block()                                  anywhere
//       load_thread_pointer(block)                  its thread begins, on a stack of its own
//       run(start, argument, &exited)
//       end_thread()
//       release_robust_mutexes(wake)                its thread leaves the block for ever
//     destroy_block()                               on another block
//
// Thread-safety: make_block and destroy_block may run on any number of threads; the rest acts on one block. Nothing
// here suspends. Allocates through malloc: make_block (libc's table of thread-local data, some 300 bytes).
#pragma once

#include <cstddef>

#include "scheduler/thread_pointer.h"

namespace unblock::glibc {

// Finds out how this libc's thread blocks are made, and tries one. Returns null when all is well, otherwise why this
// libc cannot be used, as the end of a sentence. Call once, before anything else here, from a thread that libc knows.
// Makes and joins one real thread, which ends libc's single-thread shortcuts.
const char* prepare();

// The memory that one block needs. The size is a multiple of the alignment.
size_t block_size();
size_t block_alignment();

// Makes a block in `memory`, which need not be clean, for a thread that runs on `stack`. The tid must be unique: no
// kernel tid for a green thread, the kernel's for an OS thread. Returns the thread pointer, or null (ENOMEM).
// The memory stays the caller's; it must stay in place until destroy_block.
void* make_block(void* memory, int tid, void* stack, size_t stack_size, size_t guard_size);

// Frees what libc allocated for a block whose thread has ended.
void destroy_block(void* thread_pointer);

// Runs the thread's function on the calling block. Returns its result, or null with *exited = true when pthread_exit or
// a cancellation unwound the stack to here. (What pthread_exit was given, its wrapper knows; of a cancelled thread the
// result is PTHREAD_CANCELED.)
void* run(void* (*start)(void*), void* argument, bool* exited);

// Ends the calling block's thread as libc does: thread_local destructors, key destructors, malloc's and libc's caches.
void end_thread();

// The same for the first thread of the process. libc destroys only its keys' values, and runs its thread_local
// destructors if the process ends with it.
void end_first_thread();

// Marks the robust mutexes that the calling block's thread still holds as abandoned, as the kernel does for threads
// that it knows, and calls wake(lock word, context) for each so that parked waiters can be woken. Waiters in the
// kernel are woken here.
void release_robust_mutexes(void (*wake)(void* lock_word, void* context), void* context);

// Runs work(argument) on the calling block, which must be a carrier's: a cancellation of that block ends it here, after
// libc's own cleanup. True: it was so ended. Afterwards forget_cancellation(), once no other request can come.
bool run_cancellable(void (*work)(void*), void* argument);

// The calling block was never cancelled.
void forget_cancellation();

// --- looking into a block -----------------------------------------------------------------------------------------

int& tid(void* thread_pointer);

// Head of the robust list, as get_robust_list(2) tells it.
void* robust_head(void* thread_pointer);

// Asks the block's thread to end at its next cancellation point. Wake it afterwards.
void cancel(void* thread_pointer);

// True when the next cancellation point of the block's thread ends it: asked for, enabled, and not already ending.
bool cancellation_pending(void* thread_pointer);

// True while a block made here belongs to a green thread; false for libc's own and for a carrier's.
bool is_green_block(void* thread_pointer);

// Where another block has its copy of a static thread-local variable of ours, given our copy of it.
template <typename T>
T* own_local(void* other, T* ours) {
  return reinterpret_cast<T*>(static_cast<char*>(other) +
                              (reinterpret_cast<char*>(ours) - static_cast<char*>(thread_pointer())));
}

}  // namespace unblock::glibc
