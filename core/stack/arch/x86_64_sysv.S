/* x86_64_sysv.S - switching stacks under the System V ABI on x86-64.
 *
 * A suspended stack looks like this, from its stack pointer upwards:
 *     [ mxcsr | x87 cw | padding ]  8 bytes
 *     r15 r14 r13 r12 rbx rbp
 *     return address
 * Resuming ends in `ret`, never in `jmp`: the return predictor then stays in step with later returns.
 */
#if defined(__x86_64__)
    .text

/* void gosi_arch_switch(void **save, void *load) */
    .globl  gosi_arch_switch
    .hidden gosi_arch_switch
    .type   gosi_arch_switch, @function
    .p2align 4
gosi_arch_switch:
    .cfi_startproc
    pushq   %rbp
    pushq   %rbx
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    subq    $8, %rsp
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movl    (%rsp), %eax
    movzwl  4(%rsp), %edx
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
.Lresume:
    /* Loading control words is slow and nearly always pointless: compare first. eax, edx: what is loaded. */
    xorl    (%rsp), %eax
    testl   $0xffc0, %eax          /* the low six bits are status, not control */
    jne     1f
    cmpw    4(%rsp), %dx
    jne     1f
2:  addq    $8, %rsp
    popq    %r15
    popq    %r14
    popq    %r13
    popq    %r12
    popq    %rbx
    popq    %rbp
    ret
1:  ldmxcsr (%rsp)
    fldcw   4(%rsp)
    jmp     2b
    .cfi_endproc
    .size   gosi_arch_switch, .-gosi_arch_switch

/* void gosi_arch_switch_via(void **save, void *scratch, void *(*pick)(void *), void *arg) */
    .globl  gosi_arch_switch_via
    .hidden gosi_arch_switch_via
    .type   gosi_arch_switch_via, @function
    .p2align 4
gosi_arch_switch_via:
    .cfi_startproc
    pushq   %rbp
    pushq   %rbx
    pushq   %r12
    pushq   %r13
    pushq   %r14
    pushq   %r15
    subq    $8, %rsp
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movl    (%rsp), %r12d          /* kept over the call, the saved copies lie in the stack */
    movzwl  4(%rsp), %r13d
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    andq    $-16, %rsp
    xorl    %ebp, %ebp
    movq    %rcx, %rdi
    call    *%rdx
    movq    %rax, %rsp
    movl    %r12d, %eax
    movl    %r13d, %edx
    jmp     .Lresume
    .cfi_endproc
    .size   gosi_arch_switch_via, .-gosi_arch_switch_via

/* void gosi_arch_call_on(char *stack, void (*call)(void *), void *arg, void **near)
 *
 * rbp keeps the way back, so debuggers and C++ exceptions pass through as through any call. */
    .globl  gosi_arch_call_on
    .hidden gosi_arch_call_on
    .type   gosi_arch_call_on, @function
    .p2align 4
gosi_arch_call_on:
    .cfi_startproc
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq    %rsp, %rbp
    .cfi_def_cfa_register rbp
    movq    %rsp, (%rcx)
    movq    %rdi, %rsp
    andq    $-16, %rsp
    movq    %rdx, %rdi
    call    *%rsi
    movq    %rbp, %rsp
    popq    %rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size   gosi_arch_call_on, .-gosi_arch_call_on

/* Where a new stack is resumed: rbx holds the tasklet. Unwinders stop here. */
    .globl  gosi_arch_start
    .hidden gosi_arch_start
    .type   gosi_arch_start, @function
    .p2align 4
gosi_arch_start:
    .cfi_startproc
    .cfi_undefined rip
    movq    %rbx, %rdi
    call    gosi_entry@PLT
    ud2
    .cfi_endproc
    .size   gosi_arch_start, .-gosi_arch_start

#endif

#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack,"",@progbits
#endif
