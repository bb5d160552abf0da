#pragma once
// pthread_once(3), in C because its initialiser may be left by an exception or by cancellation: the cleanup needs C's
// unwinding, and the library has no C++ run time. The parts that wait are in once.cc.

#ifdef __cplusplus
extern "C" {
#endif

// Claims the control word for the caller: 1. Waits until it is done: 0.
__attribute__((visibility("hidden"))) int unblock_once_begin_(int* control);
// The initialiser has returned.
__attribute__((visibility("hidden"))) void unblock_once_done_(int* control);
// The initialiser was left: the next caller runs it again.
__attribute__((visibility("hidden"))) void unblock_once_left_(int* control);
// All of it.
__attribute__((visibility("hidden"))) int unblock_once_run_(int* control, void (*initialise)(void));

#ifdef __cplusplus
}
#endif
