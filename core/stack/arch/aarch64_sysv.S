/* aarch64_sysv.S - switching stacks under the AAPCS64 on aarch64.
 *
 * A suspended stack holds, from its stack pointer upwards (176 bytes):
 *     x19..x28, x29, x30, d8..d15, fpcr, padding
 * x30 is where resuming returns to.
 */
#if defined(__aarch64__)
    .text

.macro SAVE_ALL
    sub     sp, sp, #176
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    stp     d8, d9, [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mrs     x9, fpcr
    str     x9, [sp, #160]
.endm

/* x9: the control register as it is loaded; written only when it differs. */
.macro LOAD_ALL
    ldr     x10, [sp, #160]
    cmp     x9, x10
    b.eq    9f
    msr     fpcr, x10
9:  ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8, d9, [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    add     sp, sp, #176
    ret
.endm

/* void gosi_arch_switch(void **save, void *load) */
    .globl  gosi_arch_switch
    .hidden gosi_arch_switch
    .type   gosi_arch_switch, %function
    .p2align 4
gosi_arch_switch:
    .cfi_startproc
    SAVE_ALL
    mov     x10, sp
    str     x10, [x0]
    mov     sp, x1
    LOAD_ALL
    .cfi_endproc
    .size   gosi_arch_switch, .-gosi_arch_switch

/* void gosi_arch_switch_via(void **save, void *scratch, void *(*pick)(void *), void *arg) */
    .globl  gosi_arch_switch_via
    .hidden gosi_arch_switch_via
    .type   gosi_arch_switch_via, %function
    .p2align 4
gosi_arch_switch_via:
    .cfi_startproc
    SAVE_ALL
    mov     x10, sp
    str     x10, [x0]
    mov     x19, x9
    and     x1, x1, #-16
    mov     sp, x1
    mov     x29, xzr
    mov     x0, x3
    blr     x2
    mov     x9, x19
    mov     sp, x0
    LOAD_ALL
    .cfi_endproc
    .size   gosi_arch_switch_via, .-gosi_arch_switch_via

/* void gosi_arch_call_on(char *stack, void (*call)(void *), void *arg, void **near)
 *
 * x29 keeps the way back, so debuggers and C++ exceptions pass through as through any call. */
    .globl  gosi_arch_call_on
    .hidden gosi_arch_call_on
    .type   gosi_arch_call_on, %function
    .p2align 4
gosi_arch_call_on:
    .cfi_startproc
    stp     x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov     x29, sp
    .cfi_def_cfa_register x29
    str     x29, [x3]
    and     x0, x0, #-16
    mov     sp, x0
    mov     x0, x2
    blr     x1
    mov     sp, x29
    .cfi_def_cfa_register sp
    ldp     x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size   gosi_arch_call_on, .-gosi_arch_call_on

/* Where a new stack is resumed: x19 holds the tasklet. Unwinders stop here. */
    .globl  gosi_arch_start
    .hidden gosi_arch_start
    .type   gosi_arch_start, %function
    .p2align 4
gosi_arch_start:
    .cfi_startproc
    .cfi_undefined x30
    mov     x0, x19
    bl      gosi_entry
    brk     #1
    .cfi_endproc
    .size   gosi_arch_start, .-gosi_arch_start

#endif

#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack,"",%progbits
#endif
