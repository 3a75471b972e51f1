/* clock.c - the recorder's clock: the CPU's counter where that is a clock, else the system's. */
#include <stdio.h>
#include <string.h>

#include "trace.h"

int gosi_clock_is_slow;

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Does the counter run at one rate, whatever the CPU does? */
static int counter_is_invariant(void)
{
    unsigned a, b, c, d;
    if (__get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8)))
        return 1;
    /* A virtual machine may hide the bit, although its kernel relies on the counter, and tells so. */
    char line[64] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
    if (file) {
        if (!fgets(line, sizeof line, file))
            line[0] = 0;
        fclose(file);
    }
    return strncmp(line, "tsc", 3) == 0 || strncmp(line, "kvm-clock", 9) == 0;
}
#elif defined(__aarch64__)
static int counter_is_invariant(void)
{
    return 1; /* the architecture says so */
}
#else
static int counter_is_invariant(void)
{
    return 0;
}
#endif

void gosi_clock_init(void)
{
    gosi_clock_is_slow = !counter_is_invariant();
}

/* The tightest of some attempts: the thread may be interrupted in any. */
struct gosi_clock_pair gosi_clock_read(void)
{
    struct gosi_clock_pair best = {0, 0};
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = gosi_ticks();
        int64_t ns = gos_now();
        uint64_t after = gosi_ticks();
        if (after >= before && after - before < width) {
            width = after - before;
            best = (struct gosi_clock_pair){before + width / 2, ns};
        }
    }
    return best;
}
