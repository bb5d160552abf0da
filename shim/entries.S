// What stands at the entries of entries.def once they are changed, and room for what stood there: see entries.h.

#define X(name)                                            \
    .globl  unblock_entry_##name;                          \
    .hidden unblock_entry_##name;                          \
    .type   unblock_entry_##name, @function;               \
unblock_entry_##name:                                      \
    movq    _ZN7unblock4hereE@gottpoff(%rip), %r11;        \
    cmpl    $0, %fs:44(%r11);   /* here.spawning */        \
    je      name;               /* our wrapper */          \
    jmp     *unblock_real_##name(%rip);

    .text
    .cfi_startproc
#include "shim/entries.def"
    .cfi_endproc
#undef X

// A page of its own, since it may be made writable for a moment. int3 until it is used.
    .balign 4096
    .globl  unblock_entry_copies
    .hidden unblock_entry_copies
unblock_entry_copies:
    .cfi_startproc
    .fill   4096, 1, 0xcc
    .cfi_endproc
    .balign 4096

    .section .note.GNU-stack, "", @progbits
