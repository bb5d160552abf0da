// unblock_call_below_(context, function, argument): calls function(argument) so that an unwinder which starts in it goes
// on from here to the frames of a thread that is parked with `context` saved (SavedFrame in scheduler/switch.h). The
// unwinding information alone does that; nothing of the parked thread is touched.

    .text
    .globl  unblock_call_below_
    .hidden unblock_call_below_
    .type   unblock_call_below_, @function
unblock_call_below_:
    .cfi_startproc
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    movq    %rdi, %rbx
    movq    %rdx, %rdi
    .cfi_remember_state
    .cfi_def_cfa %rbx, 0x40
    .cfi_offset %rip, -0x08
    .cfi_offset %rbp, -0x10
    .cfi_offset %rbx, -0x18
    .cfi_offset %r15, -0x20
    .cfi_offset %r14, -0x28
    .cfi_offset %r13, -0x30
    .cfi_offset %r12, -0x38
    call    *%rsi
    nop     // the return address belongs to these rules still
    .cfi_restore_state
    popq    %rbx
    .cfi_def_cfa %rsp, 8
    .cfi_restore %rbx
    ret
    .cfi_endproc
    .size   unblock_call_below_, . - unblock_call_below_

    .section .note.GNU-stack, "", @progbits
