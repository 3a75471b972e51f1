/* clock.c - monotonic time, exact and coarse. */
#define _GNU_SOURCE
#include <time.h>

#include "base.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t gos_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t gosi_now_coarse(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE);
#else
    return read_clock(CLOCK_MONOTONIC);
#endif
}
