/* machine.c - what the processor has switched on for this thread. */
#include "base.h"

int gosi_shadow_stack_active(void)
{
#if defined(__x86_64__)
    /* rdsspq leaves its operand alone where shadow stacks are off or unknown. */
    uint64_t ssp = 0;
    __asm__ volatile("rdsspq %0" : "+r"(ssp));
    return ssp != 0;
#else
    return 0;
#endif
}
