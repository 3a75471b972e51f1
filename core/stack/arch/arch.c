/* arch.c - lays out the first frame of a new stack, to match what the .S files resume. */
#include <string.h>

#include "../stack.h"

void gosi_arch_start(void);

#if defined(__x86_64__) || defined(__i386__)

/* mxcsr without its status bits in the lower half, the x87 control word in the upper. */
uint64_t gosi_arch_fp_control(void)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (mxcsr & ~UINT32_C(0x3f)) | (uint64_t)x87 << 32;
}

void gosi_arch_set_fp_control(uint64_t control)
{
    if (gosi_arch_fp_control() == control)
        return;
    uint32_t mxcsr = (uint32_t)control;
    uint16_t x87 = (uint16_t)(control >> 32);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(x87));
}

#endif

#if defined(__x86_64__)

void *gosi_arch_make(char *far_edge, gos_tasklet *t)
{
    /* The return address of gosi_arch_start's frame is 0 and keeps the stack aligned at its call. */
    uint64_t *frame = (uint64_t *)far_edge - 10;
    memset(frame, 0, 80);
    frame[0] = t->sched->fp_control;
    frame[5] = (uint64_t)(uintptr_t)t; /* rbx */
    frame[7] = (uint64_t)(uintptr_t)gosi_arch_start;
    return frame;
}

#elif defined(__i386__)

void *gosi_arch_make(char *far_edge, gos_tasklet *t)
{
    uint32_t *frame = (uint32_t *)far_edge - 12; /* 32 bytes, and 16 that stay 0 */
    memset(frame, 0, 48);
    frame[0] = (uint32_t)t->sched->fp_control;
    frame[1] = (uint32_t)(t->sched->fp_control >> 32);
    frame[5] = (uint32_t)(uintptr_t)t; /* ebx */
    frame[7] = (uint32_t)(uintptr_t)gosi_arch_start;
    return frame;
}

#elif defined(__aarch64__)

uint64_t gosi_arch_fp_control(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

void gosi_arch_set_fp_control(uint64_t control)
{
    if (gosi_arch_fp_control() != control)
        __asm__ volatile("msr fpcr, %0" : : "r"(control));
}

void *gosi_arch_make(char *far_edge, gos_tasklet *t)
{
    uint64_t *frame = (uint64_t *)far_edge - 24; /* 176 bytes, and 16 that stay 0 */
    memset(frame, 0, 192);
    frame[0] = (uint64_t)(uintptr_t)t; /* x19 */
    frame[11] = (uint64_t)(uintptr_t)gosi_arch_start;
    frame[20] = t->sched->fp_control;
    return frame;
}

#else
#error "Gossamer switches stacks on x86-64, x86 and aarch64 (System V) only: add core/stack/arch/<machine>.S and a layout here."
#endif
