/* test_torture.c - allocation number N fails, for N = 1, 2, 3, ... until a whole scenario needs fewer.
 *
 * Each operation that reports GOS_ENOMEM must have changed nothing: it is simply tried again, and the scenario
 * must come out as ever, without a block left over. The scenario uses all of the core: many tasklets on few
 * slots, deep stacks, channels of every kind, select, timers, nested run(), kill, pin.
 */
#include "gossamer/embed.h"
#include "runner.h"

/* ---- the allocator ---- */

static long attempts, fail_from, fail_count, failed, blocks;
static uint32_t percent, seed; /* of all allocations fail, at random */

struct header {
    uint64_t magic, size;
};

enum { MAGIC = 0x60551a };

static int fails_now(void)
{
    attempts++;
    seed = seed * 1103515245 + 12345;
    if ((seed >> 16) % 100 < percent) {
        failed++;
        return 1;
    }
    if (attempts >= fail_from && failed < fail_count) {
        failed++;
        return 1;
    }
    return 0;
}

static void *torture_alloc(size_t bytes)
{
    if (fails_now())
        return NULL;
    struct header *h = malloc(sizeof *h + bytes);
    *h = (struct header){MAGIC, bytes};
    blocks++;
    return memset(h + 1, 0xa5, bytes);
}

static void torture_free(void *block)
{
    if (!block)
        return;
    struct header *h = (struct header *)block - 1;
    if (h->magic != MAGIC)
        abort(); /* freed twice, or never allocated */
    memset(h, 0xdd, sizeof *h + h->size);
    blocks--;
    free(h);
}

static void *torture_resize(void *block, size_t bytes)
{
    if (fails_now())
        return NULL;
    struct header *old = block ? (struct header *)block - 1 : NULL, *h = malloc(sizeof *h + bytes);
    *h = (struct header){MAGIC, bytes};
    blocks++;
    memset(h + 1, 0xa5, bytes);
    if (old) {
        memcpy(h + 1, block, old->size < bytes ? old->size : bytes);
        torture_free(block);
    }
    return h + 1;
}

/* Try again until there is memory. */
#define RETRY(call)                                                                                                   \
    do {                                                                                                              \
        int retry_status;                                                                                             \
        while ((retry_status = (call)) == GOS_ENOMEM)                                                                 \
            consistent();                                                                                             \
        if (retry_status != GOS_OK)                                                                                   \
            test_fail(__FILE__, __LINE__, "%s is %s", #call, gos_status_name(retry_status));                          \
    } while (0)

static void consistent(void)
{
    gos_tasklet *t = gos_current();
    if (!t)
        return;
    gos_sched *s = t->sched;
    if (s->head != t || s->current != t || t->place != GOS_IN_RING || t->timer || t->direction)
        test_fail(__FILE__, __LINE__, "a failure left something behind");
    int32_t members = 0;
    gos_tasklet *at = t;
    do {
        if ((gos_tasklet *)at->next->prev != at || at->place != GOS_IN_RING)
            test_fail(__FILE__, __LINE__, "the ring is broken");
        members++;
        at = (gos_tasklet *)at->next;
    } while (at != t && members < 1000);
    CHECK_INT(members, ==, s->runcount);
}

/* ---- the scenario ---- */

enum { MESSAGES = 6 };
static gos_channel *plain, *buffered, *choice, *never;
static long sum;
static int ended;

static void producer(void *arg)
{
    gos_channel *ch = arg;
    for (long i = 1; i <= MESSAGES; i++)
        RETRY(gos_send(ch, (void *)i, GOS_FOREVER));
    ended++;
}

static void consumer(void *arg)
{
    gos_channel *ch = arg;
    volatile char ballast[3000];
    memset((char *)ballast, 7, sizeof ballast);
    for (int i = 0; i < MESSAGES; i++) {
        void *value = NULL;
        RETRY(gos_receive(ch, &value, GOS_FOREVER));
        sum += (long)value;
    }
    CHECK_INT(ballast[0] + ballast[sizeof ballast - 1], ==, 14);
    ended++;
}

static void selecter(void *arg)
{
    (void)arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct gos_case cases[] = {{.channel = never}, {.channel = choice}, {.channel = never}};
        size_t chosen = 99;
        RETRY(gos_select(cases, 3, i % 2 ? GOS_FOREVER : gos_now() + 100000000000, &chosen));
        CHECK_INT(chosen, ==, 1);
        sum += (long)cases[1].value;
    }
    ended++;
}

static void sleeper(void *arg)
{
    RETRY(gos_sleep_until(gos_now() + (long)arg));
    ended++;
}

static __attribute__((noinline)) void dig(int depth)
{
    volatile char here[2048];
    here[0] = (char)depth;
    here[2047] = (char)depth;
    if (depth)
        dig(depth - 1);
    else
        RETRY(gos_yield());
    CHECK_INT(here[0] + here[2047], ==, 2 * (char)depth);
}

static void digger(void *arg)
{
    dig((int)(intptr_t)arg);
    dig(1);
    ended++;
}

static void runner(void *arg)
{
    long depth = (long)arg;
    RETRY(gos_spawn(sleeper, (void *)1L, NULL));
    if (depth) {
        RETRY(gos_spawn(runner, (void *)(depth - 1), NULL));
        RETRY(gos_run());
    }
    ended++;
}

static void victim(void *arg)
{
    void *value;
    int rc;
    (void)arg;
    while ((rc = gos_receive(never, &value, GOS_FOREVER)) == GOS_ENOMEM)
        ;
    CHECK_STATUS(rc, GOS_ECANCELED);
    ended++;
}

static void scenario(const struct gos_config *config)
{
    int expected = 0;
    sum = ended = 0;
    RETRY(gos_sched_create(config));
    RETRY(gos_channel_create(0, &plain));
    RETRY(gos_channel_create(2, &buffered));
    RETRY(gos_channel_create(0, &choice));
    RETRY(gos_channel_create(0, &never));
    gos_tasklet *victims[2], *pinned;
    for (int i = 0; i < 2; i++)
        RETRY(gos_spawn(victim, NULL, &victims[i]));
    RETRY(gos_spawn(digger, (void *)2L, &pinned));
    RETRY(gos_tasklet_pin(pinned));
    for (int i = 0; i < 3; i++) {
        gos_channel *ch[] = {plain, buffered, choice};
        RETRY(gos_spawn(ch[i] == choice ? selecter : consumer, ch[i], NULL));
        RETRY(gos_spawn(producer, ch[i], NULL));
    }
    for (long i = 0; i < 10; i++)
        RETRY(gos_spawn(sleeper, (void *)(i * 1000), NULL));
    for (long i = 0; i < 3; i++)
        RETRY(gos_spawn(digger, (void *)(i * 6), NULL));
    RETRY(gos_spawn(runner, (void *)9L, NULL));
    expected = 2 + 1 + 6 + 10 + 3 + 10 + 10;
    RETRY(gos_yield());
    for (int i = 0; i < 2; i++) {
        RETRY(gos_tasklet_kill(victims[i]));
        gos_tasklet_unref(victims[i]);
    }
    gos_tasklet_unref(pinned);
    gos_sched *s = gos_current()->sched;
    RETRY(gos_run());
    for (int i = 0; i < 1000 && ended < expected; i++) /* one whose run() began before main's waits for main */
        RETRY(gos_park());
    CHECK_INT(ended, ==, expected);
    CHECK_INT(sum, ==, 3 * MESSAGES * (MESSAGES + 1) / 2);
    CHECK_INT(s->timer_count, ==, 0);
    CHECK_INT(s->watchdog_count, ==, 0);
    CHECK_INT(s->live, ==, 0);
    CHECK_INT(gos_balance(plain) | gos_balance(buffered) | gos_balance(choice) | gos_balance(never), ==, 0);
    RETRY(gos_channel_destroy(plain));
    RETRY(gos_channel_destroy(buffered));
    RETRY(gos_channel_destroy(choice));
    RETRY(gos_channel_destroy(never));
    RETRY(gos_sched_destroy());
    CHECK_INT(blocks, ==, 0);
}

/* count failures in a row, from allocation N on. */
static void torture(const struct gos_config *config, long count)
{
    gos_set_allocator(torture_alloc, torture_resize, torture_free);
    fail_count = count;
    long n = 1, step = test_slowness() > 1 ? 7 : 1;
    for (;; n += step) {
        attempts = failed = 0;
        fail_from = n;
        scenario(config);
        if (blocks != 0 || failed < count) {
            CHECK_INT(blocks, ==, 0);
            break;
        }
    }
    printf("%ld allocations; each failed once\n", attempts);
    CHECK_INT(n, >, 50);
}

static const struct gos_config one_slot = {.max_slots = 1, .compress = GOS_COMPRESS_ALWAYS},
                               evict_always = {.max_slots = 3, .evict_always = 1, .compress = GOS_COMPRESS_ALWAYS},
                               raw = {.max_slots = 2, .compress = GOS_COMPRESS_NEVER},
                               usual = {.max_slots = 0},
                               own = {.stacks = GOS_STACKS_OWN};

CASE_LIMIT(one_slot_compressed, 120)
{
    torture(&one_slot, 1);
}

CASE_LIMIT(eviction_at_each_switch, 120)
{
    torture(&evict_always, 1);
}

CASE_LIMIT(two_slots_raw, 120)
{
    torture(&raw, 1);
}

CASE_LIMIT(usual_slots, 120)
{
    torture(&usual, 1);
}

CASE_LIMIT(own_stacks, 120)
{
    torture(&own, 1);
}

CASE_LIMIT(several_failures_in_a_row, 120)
{
    torture(&one_slot, 3);
    torture(&evict_always, 10);
    torture(&raw, 5);
}

CASE_LIMIT(no_memory_for_a_while, 120)
{
    torture(&one_slot, 200);
    torture(&evict_always, 200);
    torture(&raw, 200);
    torture(&usual, 200);
    torture(&own, 200);
}

/* Memory comes and goes. */
CASE_LIMIT(failures_at_random, 120)
{
    const struct gos_config *configs[] = {&one_slot, &evict_always, &raw, &usual, &own};
    gos_set_allocator(torture_alloc, torture_resize, torture_free);
    fail_count = 0;
    for (int i = 0; i < 5; i++)
        for (uint32_t run = 1; run <= 100u / (uint32_t)test_slowness() + 1; run++) {
            percent = run % 10 * 10;
            seed = run;
            scenario(configs[i]);
        }
    CHECK_INT(failed, >, 100);
}

/* ---- a tasklet ends, and the only one that could run next is moved out, with no memory to make room ---- */

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void receives_one(void *arg)
{
    void *value;
    volatile char ballast[20000];
    ballast[0] = ballast[sizeof ballast - 1] = 1;
    CHECK_OK(gos_receive(arg, &value, GOS_FOREVER));
    ended += ballast[0] + ballast[sizeof ballast - 1];
}

static void ends_without_memory(void *arg)
{
    gos_sched *s = gos_current()->sched;
    gos_set_preference(plain, 1);
    CHECK_OK(gos_send(plain, arg, GOS_FOREVER)); /* its receiver may continue, but is moved out */
    free(s->spare);
    s->spare = NULL;
    s->spare_size = 0;
    gos_set_allocator(no_memory, realloc, free);
}

CASE(main_learns_that_nobody_can_be_resumed)
{
    void *value;
    gos_tasklet *t;
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 1}));
    if (gos_current()->sched->own || gos_current()->sched->evict_always) { /* nobody is moved, or everybody is */
        CHECK_OK(gos_sched_destroy());
        return;
    }
    CHECK_OK(gos_channel_create(0, &plain));
    CHECK_OK(gos_channel_create(0, &never));
    CHECK_OK(gos_channel_create(0, &choice));
    CHECK_OK(gos_spawn(receives_one, plain, NULL));
    CHECK_OK(gos_spawn(receives_one, never, NULL)); /* takes the stack from the first */
    CHECK_OK(gos_run());
    CHECK_OK(gos_spawn(ends_without_memory, NULL, &t));
    CHECK_OK(gos_tasklet_pin(t));
    CHECK_STATUS(gos_receive(choice, &value, GOS_FOREVER), GOS_ENOMEM);
    gos_set_allocator(malloc, realloc, free);
    CHECK_INT(gos_balance(choice), ==, 0);
    CHECK_INT(ended, ==, 0);
    CHECK_OK(gos_run());
    CHECK_INT(ended, ==, 2);
    CHECK_OK(gos_send(never, NULL, GOS_FOREVER));
    CHECK_OK(gos_run());
    CHECK_INT(ended, ==, 4);
    gos_tasklet_unref(t);
    CHECK_OK(gos_channel_destroy(plain));
    CHECK_OK(gos_channel_destroy(never));
    CHECK_OK(gos_channel_destroy(choice));
    CHECK_OK(gos_sched_destroy());
}
