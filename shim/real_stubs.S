// Where the pointers of real.h point at first: finds all the real functions, then goes on to the one that was called,
// with every integer argument register as it was (none of these takes floating-point arguments).

#define X(name, family)                     \
    .globl  unblock_find_real_##name;       \
    .hidden unblock_find_real_##name;       \
unblock_find_real_##name:                   \
    leaq    unblock_real_##name(%rip), %r11; \
    jmp     find;

    .text
#include "shim/interposed.def"
#include "shim/real_only.def"
#include "shim/libc_calls.def"

find:
    .cfi_startproc
    pushq   %r11
    .cfi_adjust_cfa_offset 8
    pushq   %rax
    .cfi_adjust_cfa_offset 8
    pushq   %rdi
    .cfi_adjust_cfa_offset 8
    pushq   %rsi
    .cfi_adjust_cfa_offset 8
    pushq   %rdx
    .cfi_adjust_cfa_offset 8
    pushq   %rcx
    .cfi_adjust_cfa_offset 8
    pushq   %r8
    .cfi_adjust_cfa_offset 8
    pushq   %r9
    .cfi_adjust_cfa_offset 8
    pushq   %r10
    .cfi_adjust_cfa_offset 8
    call    unblock_find_real_functions_
    popq    %r10
    .cfi_adjust_cfa_offset -8
    popq    %r9
    .cfi_adjust_cfa_offset -8
    popq    %r8
    .cfi_adjust_cfa_offset -8
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    popq    %rdx
    .cfi_adjust_cfa_offset -8
    popq    %rsi
    .cfi_adjust_cfa_offset -8
    popq    %rdi
    .cfi_adjust_cfa_offset -8
    popq    %rax
    .cfi_adjust_cfa_offset -8
    popq    %r11
    .cfi_adjust_cfa_offset -8
    jmp     *(%r11)
    .cfi_endproc

    .section .note.GNU-stack, "", @progbits
