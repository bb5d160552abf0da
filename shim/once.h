#pragma once
// pthread_once(3)'s initialiser may be left by an exception, by pthread_exit or by cancellation, all of which unwind
// the stack. The library has no C++ run time that could catch them, so the frame that calls the initialiser names a
// personality routine of ours, which the unwinder asks on its way through.

extern "C" {

// Calls initialise() from a frame whose personality is the routine below (once_call.S).
__attribute__((visibility("hidden"))) void unblock_once_call_(void (*initialise)());

// Asked by the unwinder when that frame is left: the innermost initialiser of the calling thread is given up.
__attribute__((visibility("hidden"))) int unblock_once_personality_(int version, int actions, unsigned long language,
                                                                    void* exception, void* context);
}
