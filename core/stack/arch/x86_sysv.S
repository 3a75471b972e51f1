/* x86_sysv.S - switching stacks under the System V ABI on 32-bit x86.
 *
 * A suspended stack looks like this, from its stack pointer upwards:
 *     [ mxcsr | x87 cw | padding ]  12 bytes: with what follows, a multiple of 16
 *     edi esi ebx ebp
 *     return address
 * Resuming ends in `ret`, never in `jmp`: the return predictor then stays in step with later returns.
 * The processor has SSE (all do since 2003), whether or not this code is compiled for it: mxcsr is the thread's.
 */
#if defined(__i386__)
    .text

/* void gosi_arch_switch(void **save, void *load) */
    .globl  gosi_arch_switch
    .hidden gosi_arch_switch
    .type   gosi_arch_switch, @function
    .p2align 4
gosi_arch_switch:
    .cfi_startproc
    movl    4(%esp), %eax
    movl    8(%esp), %ecx
    pushl   %ebp
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    subl    $12, %esp
    stmxcsr (%esp)
    fnstcw  4(%esp)
    movl    %esp, (%eax)
    movl    (%esp), %eax
    movzwl  4(%esp), %edx
    movl    %ecx, %esp
.Lresume:
    /* Loading control words is slow and nearly always pointless: compare first. eax, edx: what is loaded. */
    xorl    (%esp), %eax
    testl   $0xffc0, %eax          /* the low six bits are status, not control */
    jne     1f
    cmpw    4(%esp), %dx
    jne     1f
2:  addl    $12, %esp
    popl    %edi
    popl    %esi
    popl    %ebx
    popl    %ebp
    ret
1:  ldmxcsr (%esp)
    fldcw   4(%esp)
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
    movl    4(%esp), %eax
    movl    8(%esp), %ecx
    movl    12(%esp), %edx
    pushl   %ebp
    pushl   %ebx
    pushl   %esi
    pushl   %edi
    movl    32(%esp), %esi         /* arg */
    subl    $12, %esp
    stmxcsr (%esp)
    fnstcw  4(%esp)
    movl    (%esp), %ebx           /* kept over the call, the saved copies lie in the stack */
    movzwl  4(%esp), %edi
    movl    %esp, (%eax)
    movl    %ecx, %esp
    andl    $-16, %esp
    xorl    %ebp, %ebp
    subl    $12, %esp
    pushl   %esi
    call    *%edx
    movl    %eax, %esp
    movl    %ebx, %eax
    movl    %edi, %edx
    jmp     .Lresume
    .cfi_endproc
    .size   gosi_arch_switch_via, .-gosi_arch_switch_via

/* void gosi_arch_call_on(char *stack, void (*call)(void *), void *arg, void **near)
 *
 * ebp keeps the way back, so debuggers and C++ exceptions pass through as through any call. */
    .globl  gosi_arch_call_on
    .hidden gosi_arch_call_on
    .type   gosi_arch_call_on, @function
    .p2align 4
gosi_arch_call_on:
    .cfi_startproc
    pushl   %ebp
    .cfi_adjust_cfa_offset 4
    .cfi_rel_offset ebp, 0
    movl    %esp, %ebp
    .cfi_def_cfa_register ebp
    movl    8(%ebp), %edx
    movl    12(%ebp), %ecx
    movl    20(%ebp), %eax
    movl    %esp, (%eax)
    movl    16(%ebp), %eax
    movl    %edx, %esp
    andl    $-16, %esp
    subl    $12, %esp
    pushl   %eax
    call    *%ecx
    movl    %ebp, %esp
    popl    %ebp
    .cfi_def_cfa esp, 4
    ret
    .cfi_endproc
    .size   gosi_arch_call_on, .-gosi_arch_call_on

/* Where a new stack is resumed: ebx holds the tasklet. Unwinders stop here. */
    .globl  gosi_arch_start
    .hidden gosi_arch_start
    .type   gosi_arch_start, @function
    .hidden gosi_entry
    .p2align 4
gosi_arch_start:
    .cfi_startproc
    .cfi_undefined eip
    subl    $12, %esp
    pushl   %ebx
    call    gosi_entry
    ud2
    .cfi_endproc
    .size   gosi_arch_start, .-gosi_arch_start

#endif

#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack,"",@progbits
#endif
