#pragma once
// Programs built with ThreadSanitizer. Its runtime stands before us: the program's calls pass through its versions first
// and reach ours where they look for libc's. So it sees every thread begin and end, every lock taken and every byte
// sent, as without us; and since it keeps the state of a thread in the thread's own block, a green thread is to it a
// thread like any other, wherever it runs. Three things are left to do, and this header does them. Thread-safe.

#include <pthread.h>

namespace unblock::sanitizer_runtime {

// The process begins. A program that was built for the runtime has begun it already. One that merely inherited both of us
// has not, be it the shell that `system` runs, and the runtime's setjmp would lead it nowhere.
void begin();

// Is ThreadSanitizer's runtime in this process?
bool watches_threads();

// Does it stand before us, as it must?
bool stands_before_us();

// Is this pthread_create() the runtime's own, for a thread of its own, which is none of the program's? Such a call has
// no attributes; those that the runtime passes on from the program always have some.
bool creates_for_itself(const pthread_attr_t* attributes);

// Is this pthread_create() ours, on its way through the runtime?
bool creates_for_us();

// Creates an OS thread, so that the runtime, where there is one, knows it: what libc does on a carrier may allocate.
int create_os_thread(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument);

// A green thread was created. The runtime is about to wait, in place, until it has begun: its creator gives the
// processor away and goes on as an ordinary OS thread until it next waits.
void let_created_thread_begin();

}  // namespace unblock::sanitizer_runtime
