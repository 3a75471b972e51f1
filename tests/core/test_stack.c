/* test_stack.c - the stack back ends: tasklets keep their bytes wherever they are moved. */
#include <errno.h>
#include <string.h>

#include "gossamer/embed.h"
#include "runner.h"

static const struct setup {
    const char *name;
    struct gos_config config;
} setups[] = {
    {"1 slot", {.max_slots = 1}},
    {"2 slots", {.max_slots = 2}},
    {"64 slots", {.max_slots = 64}},
    {"own", {.stacks = GOS_STACKS_OWN}},
    {"evict always", {.evict_always = 1}},
    {"1 slot, compressed", {.max_slots = 1, .compress = GOS_COMPRESS_ALWAYS}},
    {"2 slots, compressed", {.max_slots = 2, .compress = GOS_COMPRESS_ALWAYS}},
    {"evict always, compressed", {.evict_always = 1, .compress = GOS_COMPRESS_ALWAYS}},
    {"3 slots, never compressed", {.max_slots = 3, .compress = GOS_COMPRESS_NEVER}},
    {"small stacks", {.max_slots = 4, .stack_size = 1}},
    {"small own stacks", {.stacks = GOS_STACKS_OWN, .stack_size = 65536}},
};

static void for_each_setup(void (*run)(void), int evicts)
{
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        const struct gos_config *config = &setups[i].config;
        CHECK_OK(gos_sched_create(config));
        int moves = !gos_current()->sched->own;
        run();
        CHECK_OK(gos_run());
        struct gos_stats stats;
        gos_get_stats(&stats);
        if (evicts && moves && (config->max_slots == 1 || config->evict_always))
            CHECK_INT(stats.evictions, >, 0);
        if (!moves)
            CHECK_INT(stats.evictions, ==, 0);
        CHECK_INT(stats.live, ==, 0);
        CHECK_INT(stats.evicted, ==, 0);
        if (moves && config->max_slots)
            CHECK_INT(stats.slots, <=, config->max_slots);
        if (gos_sched_destroy() != GOS_OK) {
            test_fail(__FILE__, __LINE__, "with %s", setups[i].name);
            return;
        }
    }
}

/* ---- frames of every size ---- */

static int rounds;

static __attribute__((noinline)) void fill(unsigned char *bytes, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(seed = seed * 1103515245u + 12345u, seed >> 16);
}

static __attribute__((noinline)) int intact(const unsigned char *bytes, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != (unsigned char)(seed = seed * 1103515245u + 12345u, seed >> 16))
            return 0;
    return 1;
}

static __attribute__((noinline)) void nest(unsigned seed, int depth)
{
    volatile unsigned char here[97];
    fill((unsigned char *)here, sizeof here, seed + (unsigned)depth);
    CHECK_OK(gos_yield());
    if (depth > 0)
        nest(seed, depth - 1);
    CHECK_OK(gos_yield());
    CHECK(intact((unsigned char *)here, sizeof here, seed + (unsigned)depth));
}

static void nester(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    unsigned char here[500];
    size_t n = 20 + seed * 37 % 480;
    fill(here, n, seed);
    for (int i = 0; i < rounds; i++) {
        nest(seed, (int)(seed % 7));
        CHECK(intact(here, n, seed));
    }
}

static void many_frames(void)
{
    rounds = 3;
    for (uintptr_t i = 1; i <= 50; i++)
        CHECK_OK(gos_spawn(nester, (void *)i, NULL));
}

CASE(frames_of_every_size)
{
    for_each_setup(many_frames, 1);
}

/* ---- a deep stack, moved ---- */

enum { MEGABYTE = 1 << 20 };

static void deep(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    unsigned char here[MEGABYTE];
    fill(here, sizeof here, seed);
    for (int i = 0; i < rounds; i++) {
        CHECK_OK(gos_yield());
        here[i * 1000] ^= 1;
        CHECK_OK(gos_yield());
        here[i * 1000] ^= 1;
    }
    CHECK(intact(here, sizeof here, seed));
}

static void shallow(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2 * rounds; i++)
        CHECK_OK(gos_yield());
}

CASE(deep_stacks_are_moved)
{
    rounds = 4;
    struct gos_config configs[] = {
        {.max_slots = 1},
        {.max_slots = 2, .evict_always = 1},
        {.max_slots = 1, .compress = GOS_COMPRESS_ALWAYS},
        {.stacks = GOS_STACKS_OWN, .stack_size = 4 * MEGABYTE},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        configs[i].stack_size = 4 * MEGABYTE;
        CHECK_OK(gos_sched_create(&configs[i]));
        for (uintptr_t n = 1; n <= 3; n++) {
            CHECK_OK(gos_spawn(deep, (void *)n, NULL));
            CHECK_OK(gos_spawn(shallow, NULL, NULL));
        }
        CHECK_OK(gos_run());
        struct gos_stats stats;
        gos_get_stats(&stats);
        if (!gos_current()->sched->own)
            CHECK_INT(stats.evictions, >, 10);
        CHECK_OK(gos_sched_destroy());
    }
}

/* ---- starting and ending: the stack is handed on ---- */

static int finished;

static void short_lived(void *arg)
{
    if (arg)
        CHECK_OK(gos_yield());
    finished++;
}

static void spawner(void *arg)
{
    (void)arg;
    for (uintptr_t i = 0; i < 300; i++) {
        CHECK_OK(gos_spawn(short_lived, (void *)(i % 3), NULL));
        if (i % 5 == 0)
            CHECK_OK(gos_yield());
    }
}

static void start_and_end(void)
{
    finished = 0;
    for (int i = 0; i < 4; i++)
        CHECK_OK(gos_spawn(spawner, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(finished, ==, 1200);
}

CASE(stacks_are_handed_on)
{
    for_each_setup(start_and_end, 0);
}

/* ---- compression ---- */

static gos_channel *ch;

static void alike(void *arg)
{
    void *value;
    volatile uint64_t words[64];
    for (unsigned i = 0; i < 64; i++)
        words[i] = (uintptr_t)arg % 5 == 0 ? (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15u * (i + 1) : i;
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    for (unsigned i = 0; i < 64; i++)
        CHECK_INT(words[i], ==, (uintptr_t)arg % 5 == 0 ? (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15u * (i + 1) : i);
}

static uint64_t bytes_of_population(int compress, uintptr_t n)
{
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 8, .compress = compress}));
    CHECK_OK(gos_channel_create(0, &ch));
    for (uintptr_t i = 1; i <= n; i++)
        CHECK_OK(gos_spawn(alike, (void *)i, NULL));
    CHECK_OK(gos_run());
    struct gos_stats stats;
    gos_get_stats(&stats);
    CHECK_INT(stats.live, ==, n);
    if (!gos_current()->sched->own)
        CHECK_INT(stats.evicted, >=, n - 8);
    for (uintptr_t i = 0; i < n; i++)
        CHECK_OK(gos_send(ch, NULL, GOS_FOREVER));
    CHECK_OK(gos_run());
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_sched_destroy());
    return stats.evicted_bytes;
}

CASE(compression_saves_memory_and_nothing_is_altered)
{
    uintptr_t n = test_slowness() > 1 ? 1500 : 4000;
    uint64_t raw = bytes_of_population(GOS_COMPRESS_NEVER, n), always = bytes_of_population(GOS_COMPRESS_ALWAYS, n),
             automatic = bytes_of_population(GOS_COMPRESS_AUTO, n);
    if (raw) { /* with own stacks nothing is ever moved */
        CHECK_INT(always, <, raw / 2);
        CHECK_INT(automatic, <, raw);
    }
}

/* ---- pins ---- */

static char *pinned_at;
static int pinned_value;

static void pinned(void *arg)
{
    char here = 7;
    (void)arg;
    *(char *volatile *)&pinned_at = &here;
    CHECK_OK(gos_yield());
    CHECK_INT(here, ==, 42); /* others wrote through the pointer while it was suspended */
    pinned_value = here;
}

static void writer(void *arg)
{
    (void)arg;
    if (pinned_at) {
        *pinned_at = 42;
        pinned_at = NULL;
    }
}

CASE(a_pinned_stack_stays)
{
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 1, .evict_always = 1}));
    gos_tasklet *t;
    CHECK_OK(gos_spawn(pinned, NULL, &t));
    CHECK_OK(gos_tasklet_pin(t));
    CHECK_OK(gos_tasklet_pin(t));
    for (int i = 0; i < 5; i++)
        CHECK_OK(gos_spawn(writer, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(pinned_value, ==, 42);
    CHECK_STATUS(gos_tasklet_pin(t), GOS_EDEAD); /* and nothing is reserved for ever */
    gos_tasklet_unref(t);
    gos_slot *free_slots = gos_current()->sched->free_slots;
    struct gos_stats stats;
    gos_get_stats(&stats);
    for (uint64_t i = 0; i < stats.slots; i++, free_slots = free_slots->next_free)
        REQUIRE(free_slots != NULL);
    CHECK_OK(gos_sched_destroy());
}

static void waits(void *arg)
{
    (void)arg;
    void *value;
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
}

CASE(pinning_one_that_has_started)
{
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 1}));
    CHECK_OK(gos_channel_create(0, &ch));
    gos_tasklet *a, *b;
    CHECK_OK(gos_spawn(waits, NULL, &a));
    CHECK_OK(gos_run());
    CHECK_OK(gos_tasklet_pin(a)); /* it has the slot for itself */
    CHECK_OK(gos_spawn(waits, NULL, &b));
    CHECK_OK(gos_spawn(waits, NULL, NULL));
    CHECK_OK(gos_run());
    if (!gos_current()->sched->own)
        CHECK_STATUS(gos_tasklet_pin(b), GOS_EBUSY);
    struct gos_stats stats;
    gos_get_stats(&stats);
    if (!gos_current()->sched->own)
        CHECK_INT(stats.slots, ==, 2);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gos_send(ch, NULL, GOS_FOREVER));
    CHECK_OK(gos_run());
    gos_tasklet_unref(a);
    gos_tasklet_unref(b);
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_sched_destroy());
}

CASE(pinning_very_many)
{
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 2, .stack_size = 65536}));
    CHECK_OK(gos_channel_create(0, &ch));
    for (int round = 0; round < 2; round++) {
        gos_tasklet *t[100];
        for (int i = 0; i < 100; i++) {
            CHECK_OK(gos_spawn(waits, NULL, &t[i]));
            CHECK_OK(gos_tasklet_pin(t[i]));
        }
        CHECK_OK(gos_run());
        CHECK_INT(gos_balance(ch), ==, -100);
        for (int i = 0; i < 100; i++)
            CHECK_OK(gos_send(ch, NULL, GOS_FOREVER));
        CHECK_OK(gos_run());
        for (int i = 0; i < 100; i++)
            gos_tasklet_unref(t[i]);
    }
    struct gos_stats stats;
    gos_get_stats(&stats);
    CHECK_INT(stats.slots, <=, 101);
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_sched_destroy());
}
