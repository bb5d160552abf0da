// unblock_once_call_(initialise): calls initialise(). Its frame has a personality routine but no landing pads: when the
// stack is unwound through it, the routine is told, and the unwinding goes on.

    .text
    .globl  unblock_once_call_
    .hidden unblock_once_call_
    .type   unblock_once_call_, @function
unblock_once_call_:
    .cfi_startproc
    .cfi_personality 0x1b, unblock_once_personality_
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    call    *%rdi
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size   unblock_once_call_, . - unblock_once_call_

    .section .note.GNU-stack, "", @progbits
