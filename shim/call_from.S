// unblock_call_from_(return_instruction, function, a, b, c): calls function(a, b, c) so that its return address is that
// of a `ret` instruction in somebody else's code, which then returns here.

    .text
    .globl  unblock_call_from_
    .hidden unblock_call_from_
    .type   unblock_call_from_, @function
unblock_call_from_:
    .cfi_startproc
    leaq    1f(%rip), %rax
    pushq   %rax
    .cfi_adjust_cfa_offset 8
    pushq   %rdi
    .cfi_adjust_cfa_offset 8
    movq    %rsi, %rax
    movq    %rdx, %rdi
    movq    %rcx, %rsi
    movq    %r8, %rdx
    jmp     *%rax
    .cfi_adjust_cfa_offset -16
1:  ret
    .cfi_endproc
    .size   unblock_call_from_, . - unblock_call_from_

    .section .note.GNU-stack, "", @progbits
