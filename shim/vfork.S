// vfork(2). A frame of ours between the caller and the kernel would be overwritten by the child before the parent
// returns through it, so while quiet this is a jump and nothing else. Once threads are green it is a fork.

    .text
    .globl  vfork
    .type   vfork, @function
    .globl  __vfork
    .type   __vfork, @function
vfork:
__vfork:
    .cfi_startproc
    cmpl    $1, _ZN7unblock9lifecycle5phaseE(%rip)
    je      unblock_fork_for_vfork_
    movq    unblock_real_vfork(%rip), %rax
    testq   %rax, %rax
    je      unblock_fork_for_vfork_
    jmp     *%rax
    .cfi_endproc
    .size   vfork, . - vfork
    .size   __vfork, . - __vfork

    .section .note.GNU-stack, "", @progbits
