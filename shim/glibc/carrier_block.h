// Windows in which an OS thread must stand on a block that libc knows.
//
// libc keeps a list of its own threads and finds the calling one by the thread pointer. fork, set*id, clone and
// pthread_create therefore run on the carrier's own block, and so does libc's handler for signal 33, with which one
// thread asks all others to take over new credentials: on a green thread's block it would answer for a thread that
// nobody asked, and the asker would ask for ever.
//
// The initial block belongs to `main`, which may run on any carrier. The OS main thread gets a made block for its own
// scheduler, but libc goes on listing it under the initial one; only the handler for signal 33 is still run there.
// It touches nothing but one atomic word and one futex of the block, so it disturbs nobody who runs on it meanwhile.
//
// Thread-safety: on_block acts on the calling thread. The others say.
#pragma once

namespace unblock::glibc {

// Calls f with another block loaded and carries errno in and out. The two blocks belong to the same OS thread. Signal
// handlers that arrive meanwhile find the other block.
// Suspends: never; f must not switch. Holds the carrier: while f runs. Call from: any block.
template <typename F>
void on_block(void* thread_pointer, F f);

// What the OS main thread needs when it stops being `main`: the kernel no longer writes the number of its processor
// into the initial block. Call once, on the initial block, when green threads begin.
void leave_initial_block();

// Tells the kernel that the calling OS thread now stands on a block that was made here, which must be loaded: where its
// robust list begins and which word to clear at its end. Only for the OS main thread: what pthread_create started has a
// block that the kernel knows.
void register_carrier_block();

// Puts a wrapper over libc's handler for signal 33. `carrier_block` returns the block of the carrier that the calling
// OS thread is, or null on threads that are not carriers; it must be async-signal-safe on any block and at any moment.
// Harmless when repeated, as after libc has installed its handler anew. Returns null, or why it could not be done, as
// the end of a sentence.
const char* wrap_credentials_signal(void* (*carrier_block)());

// Runs handler(ucontext) on the OS thread, on whatever block it has loaded, by signal 33: the program can neither block
// it nor see it. False: there is no such OS thread. One handler for all times. Thread-safe; needs the wrapper above.
bool interrupt(int kernel_tid, void (*handler)(void* context));

// In the child of a fork libc lists its only thread under the block on which fork was called.
void follow_fork(void* block_of_fork);

// For on_block only.
void call_on_block(void* thread_pointer, void (*function)(void*), void* argument);

template <typename F>
void on_block(void* thread_pointer, F f) {
  call_on_block(
      thread_pointer, [](void* argument) { (*static_cast<F*>(argument))(); }, &f);
}

}  // namespace unblock::glibc
