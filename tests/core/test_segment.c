/* test_segment.c - calls that go on in a segment: bytes stay, wherever the slot's own bytes are moved meanwhile. */
#include <pthread.h>
#include <string.h>

#include "gossamer/embed.h"
#include "runner.h"

enum { SIZE = 64 * 1024 };

static const struct gos_config setups[] = {
    {0},
    {.max_slots = 1},
    {.max_slots = 2},
    {.evict_always = 1},
    {.stacks = GOS_STACKS_OWN},
    {.max_slots = 1, .compress = GOS_COMPRESS_ALWAYS},
    {.evict_always = 1, .compress = GOS_COMPRESS_ALWAYS},
};
enum { SETUPS = sizeof setups / sizeof *setups };

static gos_segments pool;

static int within(const void *at, struct gos_bounds bounds)
{
    return (const char *)at >= bounds.low && (const char *)at < bounds.high;
}

static gos_tasklet *me(void)
{
    gos_tasklet *t = gos_current();
    return t && !(t->flags & GOS_F_MAIN) ? t : NULL;
}

static void call_on_segment(void (*call)(void *), void *arg)
{
    CHECK_OK(gos_segment_call(&pool, me(), SIZE, call, arg));
}

/* ---- the thread's own flow ---- */

struct visit {
    int depth, *counter;
    struct gos_bounds native, outer;
};

static void visit(void *arg)
{
    struct visit *v = arg;
    struct gos_bounds here;
    char local;
    CHECK(gos_segments_bounds(&pool, &here));
    CHECK(within(&local, here));
    CHECK(!within(&local, v->outer));
    CHECK(!within(&local, v->native));
    CHECK_INT(here.high - here.low, <=, SIZE);
    CHECK_INT(here.high - here.low, >, SIZE - 4096);
    CHECK_INT(pool.live, ==, *v->counter + 1);
    ++*v->counter;
    if (v->depth > 0) {
        struct visit inner = {v->depth - 1, v->counter, v->native, here};
        call_on_segment(visit, &inner);
        CHECK_INT(inner.depth, ==, v->depth - 1);
    }
    struct gos_bounds again;
    CHECK(gos_segments_bounds(&pool, &again));
    CHECK_PTR(again.low, ==, here.low);
}

static void *visits(void *unused)
{
    (void)unused;
    struct gos_bounds native, none;
    char local;
    int counter = 0;
    CHECK(gos_native_bounds(&native));
    CHECK(within(&local, native));
    CHECK(!gos_segments_bounds(&pool, &none));
    struct visit v = {9, &counter, native, native};
    call_on_segment(visit, &v);
    CHECK_INT(counter, ==, 10);
    CHECK_INT(pool.live, ==, 0);
    CHECK_INT(pool.spills, ==, 10);
    CHECK_INT(pool.pooled_count, >, 2);
    CHECK(!gos_segments_bounds(&pool, &none));
    gos_segments_trim(&pool);
    CHECK_INT(pool.pooled_count, ==, 0);
    return NULL;
}

CASE(a_thread_without_a_scheduler)
{
    visits(NULL);
}

CASE(a_thread_with_a_small_stack)
{
    pthread_t thread;
    pthread_attr_t attributes;
    size_t size = 64 * 1024 * (size_t)(test_slowness() > 1 ? 4 : 1); /* sanitizers need more of it */
    REQUIRE(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, size) == 0);
    REQUIRE(pthread_create(&thread, &attributes, visits, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
}

/* ---- the pool ---- */

static void note_place(void *arg)
{
    *(char **)arg = __builtin_frame_address(0);
}

CASE(segments_are_used_again)
{
    char *first, *second, *bigger;
    CHECK_OK(gos_segment_call(&pool, NULL, SIZE, note_place, &first));
    CHECK_OK(gos_segment_call(&pool, NULL, SIZE, note_place, &second));
    CHECK_PTR(first, ==, second);
    CHECK_OK(gos_segment_call(&pool, NULL, 16 * SIZE, note_place, &bigger)); /* another size: the old ones go */
    CHECK_INT(pool.pooled_count, ==, 1);
    CHECK_OK(gos_segment_call(&pool, NULL, 1, note_place, &first)); /* less than the least */
    CHECK_INT(pool.size, ==, 16 * 1024);
    gos_segments_trim(&pool);
}

static void dig(void *arg)
{
    volatile char much[100 * 1024]; /* more than a pooled segment may hold, beyond the first two */
    for (size_t i = 0; i < sizeof much; i += 1024)
        much[i] = 1;
    if (arg)
        CHECK_OK(gos_segment_call(&pool, NULL, 4 * SIZE, dig, (char *)arg - 1));
}

CASE(what_is_kept_is_bounded)
{
    CHECK_OK(gos_segment_call(&pool, NULL, 4 * SIZE, dig, (char *)0 + 9));
    CHECK_INT(pool.spills, ==, 10);
    CHECK_INT(pool.pooled_count, ==, 2);
    gos_segments_trim(&pool);
    int counter = 0;
    struct visit v = {99, &counter, {0}, {0}};
    call_on_segment(visit, &v);
    CHECK_INT(counter, ==, 100);
    CHECK_INT(pool.pooled_count, ==, 32);
    gos_segments_trim(&pool);
}

static void other_size_inside(void *arg)
{
    CHECK_OK(gos_segment_call(&pool, NULL, 4 * SIZE, note_place, arg));
}

CASE(a_segment_of_a_former_size_is_not_kept)
{
    char *at;
    CHECK_OK(gos_segment_call(&pool, NULL, SIZE, other_size_inside, &at));
    CHECK_INT(pool.pooled_count, ==, 1);
    CHECK_INT(pool.size, ==, 4 * SIZE);
    gos_segments_trim(&pool);
}

static int called;

static void count_call(void *arg)
{
    (void)arg;
    called++;
}

CASE(no_memory_for_a_segment)
{
    size_t too_much = SIZE_MAX - (1 << 20); /* more address space than there is */
    CHECK_STATUS(gos_segment_call(&pool, NULL, too_much, count_call, NULL), GOS_ENOMEM);
    CHECK_INT(called, ==, 0);
    CHECK_INT(pool.live, ==, 0);
    CHECK_INT(pool.spills, ==, 0);
    CHECK_OK(gos_segment_call(&pool, NULL, SIZE, count_call, NULL));
    CHECK_INT(called, ==, 1);
    gos_segments_trim(&pool);
}

/* ---- tasklets ---- */

static unsigned next_random(unsigned *seed)
{
    return (*seed = *seed * 1103515245u + 12345u) >> 16;
}

struct dive {
    unsigned seed;
    int depth;
    volatile unsigned char *above; /* the caller's bytes, on whatever stack */
    unsigned above_seed;
};

enum { BYTES = 211 };

static void fill(volatile unsigned char *bytes, unsigned seed)
{
    for (int i = 0; i < BYTES; i++)
        bytes[i] = (unsigned char)next_random(&seed);
}

static int intact(const volatile unsigned char *bytes, unsigned seed)
{
    for (int i = 0; i < BYTES; i++)
        if (bytes[i] != (unsigned char)next_random(&seed))
            return 0;
    return 1;
}

/* Recursion that goes on in a segment, or not, at random, and lets others run at every level. */
static void dive(void *arg)
{
    struct dive *d = arg;
    volatile unsigned char here[BYTES];
    unsigned seed = d->seed, mine = d->seed ^ (unsigned)d->depth * 977u;
    fill(here, mine);
    CHECK_OK(gos_yield());
    CHECK(intact(d->above, d->above_seed)); /* a pointer into a caller's frame */
    if (d->depth > 0) {
        struct dive inner = {next_random(&seed), d->depth - 1, here, mine};
        if (next_random(&seed) % 3)
            call_on_segment(dive, &inner);
        else
            dive(&inner);
        CHECK(intact(here, mine));
        fill(here, mine);
    }
    CHECK_OK(gos_yield());
    CHECK(intact(here, mine));
}

static void diver(void *arg)
{
    volatile unsigned char here[BYTES];
    unsigned seed = (unsigned)(uintptr_t)arg;
    for (int i = 0; i < 3; i++) {
        fill(here, seed);
        struct dive d = {seed * 31 + 7, (int)(seed % 6), here, seed};
        dive(&d);
        CHECK(intact(here, seed));
        CHECK_PTR(me()->slot->parent, ==, NULL); /* back in the slot */
    }
}

CASE_LIMIT(tasklets_keep_their_bytes_in_slots_and_segments, 60)
{
    uintptr_t n = test_slowness() > 1 ? 12 : 100;
    for (int i = 0; i < SETUPS; i++) {
        pool.spills = 0;
        CHECK_OK(gos_sched_create(&setups[i]));
        for (uintptr_t j = 1; j <= n; j++)
            CHECK_OK(gos_spawn(diver, (void *)j, NULL));
        CHECK_OK(gos_run());
        struct gos_stats stats;
        gos_get_stats(&stats);
        CHECK_INT(stats.evicted, ==, 0);
        if (!gos_current()->sched->own && (setups[i].max_slots || setups[i].evict_always))
            CHECK_INT(stats.evictions, >, n);
        CHECK_INT(pool.spills, >, n);
        CHECK_INT(pool.live, ==, 0);
        CHECK_OK(gos_sched_destroy());
        gos_segments_trim(&pool);
    }
}

static void main_dives(void *arg)
{
    volatile unsigned char here[BYTES];
    fill(here, 5);
    struct dive d = {12345, 5, here, 5};
    dive(&d);
    CHECK_OK(gos_run());
    CHECK(intact(here, 5));
    ++*(int *)arg;
}

CASE(main_on_a_segment_runs_the_others)
{
    for (int i = 0; i < SETUPS; i++) {
        int done = 0;
        CHECK_OK(gos_sched_create(&setups[i]));
        for (uintptr_t j = 1; j <= 9; j++)
            CHECK_OK(gos_spawn(diver, (void *)j, NULL));
        call_on_segment(main_dives, &done);
        main_dives(&done);
        CHECK_INT(done, ==, 2);
        CHECK_INT(pool.live, ==, 0);
        CHECK_OK(gos_sched_destroy());
        gos_segments_trim(&pool);
    }
}

/* ---- what asks for the slot ---- */

static void bounds_on_segment(void *arg)
{
    char local;
    struct gos_bounds bounds = gos_tasklet_bounds(me());
    CHECK(within(&local, bounds));
    CHECK(!within(arg, bounds));
    CHECK_OK(gos_tasklet_pin(me()));
    CHECK(me()->slot->parent->pinned); /* its slot, not the segment */
    CHECK(!me()->slot->pinned);
}

static void pins_while_spilled(void *arg)
{
    char local;
    (void)arg;
    CHECK(within(&local, gos_tasklet_bounds(me())));
    call_on_segment(bounds_on_segment, &local);
    CHECK(within(&local, gos_tasklet_bounds(me())));
    CHECK(me()->slot->pinned);
    CHECK_OK(gos_yield());
}

CASE(a_tasklet_on_a_segment_pins_its_slot)
{
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 1}));
    CHECK_OK(gos_spawn(pins_while_spilled, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_OK(gos_sched_destroy());
    gos_segments_trim(&pool);
}

/* ---- memory for the bytes in the slot is reserved before they are left ---- */

static int no_memory;

static void *alloc(size_t bytes)
{
    return no_memory ? NULL : malloc(bytes);
}

static void *resize(void *block, size_t bytes)
{
    return no_memory ? NULL : realloc(block, bytes);
}

static __attribute__((noinline)) void uses_much(void *arg)
{
    volatile char much[40000];
    much[0] = much[sizeof much - 1] = 1;
    no_memory = 1;
    CHECK_STATUS(gos_segment_call(&pool, me(), SIZE, count_call, NULL), GOS_ENOMEM);
    CHECK_INT(called, ==, 0);
    CHECK_INT(pool.live, ==, 0);
    CHECK_PTR(me()->slot->parent, ==, NULL);
    no_memory = 0;
    CHECK_OK(gos_segment_call(&pool, me(), SIZE, count_call, NULL));
    CHECK_INT(called, ==, 1);
    (void)arg;
}

CASE(no_memory_for_the_slice_of_who_leaves)
{
    gos_set_allocator(alloc, resize, free);
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 1}));
    CHECK_OK(gos_spawn(uses_much, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_OK(gos_sched_destroy());
    gos_segments_trim(&pool);
}

/* ---- the end of a thread that a tasklet outlives ---- */

static gos_channel *never;

static void waits_for_ever(void *arg)
{
    void *value;
    if (arg)
        call_on_segment(waits_for_ever, (char *)arg - 1);
    else
        CHECK_OK(gos_receive(never, &value, GOS_FOREVER));
}

CASE(segments_of_who_is_given_up_are_unmapped)
{
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_channel_create(0, &never));
    for (uintptr_t depth = 0; depth <= 3; depth++)
        CHECK_OK(gos_spawn(waits_for_ever, (void *)depth, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(pool.live, ==, 6);
    gos_node *node = never->first;
    gos_sched *s = gos_current()->sched;
    for (int i = 0; i < 4; i++, node = node->next) {
        gos_tasklet *t = gos_node_tasklet(node);
        gos_sched_abandon(s, t);
        CHECK_PTR(t->slot->parent, ==, NULL);
    }
    CHECK_INT(pool.live, ==, 0);
    gos_sched_fini(s);
}

/* ---- copies ---- */

static gos_copies copies;

struct over {
    int depth;
    char *base, *seen;
};

/* Each call overwrites what its callers have there. */
static void over(void *arg, const struct gos_moved *moved)
{
    struct over *o = arg;
    volatile unsigned char here[BYTES];
    fill(here, (unsigned)o->depth);
    CHECK_PTR(moved->base, <=, o->base);
    CHECK_PTR(moved->near, <, moved->base);
    CHECK(!o->seen || o->seen == (char *)here); /* the same memory at each depth */
    CHECK_INT(copies.live, ==, (unsigned)(10 - o->depth));
    if (o->depth > 0) {
        struct over inner = {o->depth - 1, o->base, (char *)here};
        CHECK_OK(gos_copy_call(&copies, o->base, over, &inner, sizeof inner));
        CHECK_INT(inner.depth, ==, -1); /* what it has left in its arguments */
    }
    CHECK(intact(here, (unsigned)o->depth));
    o->depth = -1;
}

CASE(copies_bring_the_bytes_back)
{
    struct over o = {9, __builtin_frame_address(0), NULL};
    int rc = gos_copy_call(&copies, o.base, over, &o, sizeof o);
    if (rc == GOS_ENOMEM && test_slowness() > 1)
        return; /* sanitizers: never */
    CHECK_OK(rc);
    CHECK_INT(o.depth, ==, -1);
    CHECK_INT(copies.live, ==, 0);
    CHECK_INT(copies.bytes, ==, 0);
    CHECK_INT(copies.spills, ==, 10);
    gos_copies_free(&copies);
    CHECK_PTR(copies.spare, ==, NULL);
}
