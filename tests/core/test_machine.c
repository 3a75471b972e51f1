/* test_machine.c - what belongs to a tasklet besides its stack: errno, floating-point control, registers. */
#include <errno.h>
#include <fenv.h>

#include "gossamer/embed.h"
#include "runner.h"

#if defined(__aarch64__)
/* Emulators may not implement traps; the rounding mode and flush-to-zero are enough. */
static uint64_t control(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

static void set_control(int mode)
{
    uint64_t fpcr = (uint64_t)(mode & 3) << 22 | (uint64_t)(mode >> 2 & 1) << 24;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}
#else
static uint64_t control(void)
{
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return (mxcsr & 0xffc0) | (uint64_t)x87 << 32;
}

/* Rounding in both units, and flush-to-zero; the x87 unit gets another mode than the SSE unit. */
static void set_control(int mode)
{
    uint32_t mxcsr = 0x1f80u | (uint32_t)(mode & 3) << 13 | (uint32_t)(mode >> 2 & 1) << 15;
    uint16_t x87 = (uint16_t)(0x037f | ((mode + 1) & 3) << 10);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(x87));
}
#endif

static const struct gos_config setups[] = {{0}, {.max_slots = 1}, {.evict_always = 1}, {.stacks = GOS_STACKS_OWN}};
enum { SETUPS = sizeof setups / sizeof *setups };

static uint64_t initial;

static void keeps_control(void *arg)
{
    int mode = (int)(intptr_t)arg;
    CHECK_INT(control(), ==, initial); /* whoever ran before */
    for (int i = 0; i < 20; i++) {
        set_control(mode + i % 3);
        uint64_t set = control();
        CHECK_OK(gos_yield());
        CHECK_INT(control(), ==, set);
    }
    /* and ends with a mode of its own: the next one on this stack must not inherit it */
}

CASE(each_tasklet_has_its_floating_point_control)
{
    for (int i = 0; i < SETUPS; i++) {
        CHECK_OK(gos_sched_create(&setups[i]));
        initial = control();
        for (intptr_t mode = 0; mode < 10; mode++)
            CHECK_OK(gos_spawn(keeps_control, (void *)mode, NULL));
        set_control(5);
        uint64_t mine = control();
        CHECK_OK(gos_run());
        CHECK_INT(control(), ==, mine);
        CHECK_OK(gos_sched_destroy());
        fesetenv(FE_DFL_ENV);
    }
}

static void rounds(void *arg)
{
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    int mode = modes[(intptr_t)arg];
    volatile double one = 1, three = 3, expected;
    fesetround(mode);
    expected = one / three;
    for (int i = 0; i < 50; i++) {
        CHECK_OK(gos_yield());
        CHECK_INT(fegetround(), ==, mode);
        volatile double again = one / three;
        CHECK(again == expected);
    }
}

CASE(each_tasklet_rounds_its_own_way)
{
    for (int i = 0; i < SETUPS; i++) {
        CHECK_OK(gos_sched_create(&setups[i]));
        for (intptr_t n = 0; n < 8; n++)
            CHECK_OK(gos_spawn(rounds, (void *)(n % 4), NULL));
        CHECK_OK(gos_run());
        CHECK_INT(fegetround(), ==, FE_TONEAREST);
        CHECK_OK(gos_sched_destroy());
    }
}

static void keeps_errno(void *arg)
{
    errno = (int)(intptr_t)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gos_yield());
        CHECK_INT(errno, ==, (intptr_t)arg + i);
        errno++;
        CHECK_OK(gos_sleep_until(gos_now() + 100000));
        CHECK_INT(errno, ==, (intptr_t)arg + i + 1);
    }
}

CASE(each_tasklet_has_its_errno)
{
    for (int i = 0; i < SETUPS; i++) {
        CHECK_OK(gos_sched_create(&setups[i]));
        for (intptr_t n = 1; n <= 5; n++)
            CHECK_OK(gos_spawn(keeps_errno, (void *)(n * 100), NULL));
        errno = 7;
        CHECK_OK(gos_run());
        CHECK_INT(errno, ==, 7);
        CHECK_OK(gos_sched_destroy());
    }
}

/* More values alive across a switch than there are registers: the callee-saved ones must be right. */
static void many_registers(void *arg)
{
    uint64_t a = (uintptr_t)arg, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17, h = a * 19;
    double p = (double)a, q = p * 1.5, r = p * 2.5, u = p * 3.5;
    for (int i = 0; i < 200; i++) {
        CHECK_OK(gos_yield());
        a += b ^ c, b += c ^ d, c += d ^ e, d += e ^ f, e += f ^ g, f += g ^ h, g += h ^ a, h += a ^ b;
        p += q * 0.5, q += r * 0.25, r += u * 0.125, u += 1;
    }
    uint64_t integers = a ^ b ^ c ^ d ^ e ^ f ^ g ^ h;
    double reals = p + q + r + u;
    a = (uintptr_t)arg, b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17, h = a * 19;
    p = (double)a, q = p * 1.5, r = p * 2.5, u = p * 3.5;
    for (int i = 0; i < 200; i++) {
        a += b ^ c, b += c ^ d, c += d ^ e, d += e ^ f, e += f ^ g, f += g ^ h, g += h ^ a, h += a ^ b;
        p += q * 0.5, q += r * 0.25, r += u * 0.125, u += 1;
    }
    CHECK_INT(integers, ==, a ^ b ^ c ^ d ^ e ^ f ^ g ^ h);
    CHECK(reals == p + q + r + u);
}

CASE(registers_survive_switches)
{
    for (int i = 0; i < SETUPS; i++) {
        CHECK_OK(gos_sched_create(&setups[i]));
        for (uintptr_t n = 1; n <= 20; n++)
            CHECK_OK(gos_spawn(many_registers, (void *)(n * 1000003), NULL));
        CHECK_OK(gos_run());
        CHECK_OK(gos_sched_destroy());
    }
}
