// Hidden functions with the names of libc's, so that our own calls of them end here and nowhere else: each goes on to
// libc's, whatever stands before libc. libc_calls.def says why.

#define X(name, family)           \
    .globl  name;                 \
    .hidden name;                 \
    .type   name, @function;      \
name:                             \
    jmp     *unblock_real_##name(%rip);

    .text
#include "shim/libc_calls.def"

    .section .note.GNU-stack, "", @progbits
