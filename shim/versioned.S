// ThreadSanitizer's runtime asks for libc's condition variables by version, and a name without one does not answer it.
// The names without a version stay: one with a version answers nobody who asks for another or for none. Each of these
// has an address of its own, or the linker would take the two for one.

#define ALSO_WITH_VERSION(name)                                     \
    .globl  versioned_##name;                                       \
    .type   versioned_##name, @function;                            \
versioned_##name:                                                   \
    jmp     name;                                                   \
    .symver versioned_##name, name@GLIBC_2.3.2, remove;

    .text
    ALSO_WITH_VERSION(pthread_cond_wait)
    ALSO_WITH_VERSION(pthread_cond_timedwait)
    ALSO_WITH_VERSION(pthread_cond_signal)
    ALSO_WITH_VERSION(pthread_cond_broadcast)

    .section .note.GNU-stack, "", @progbits
