/* test_life.c - schedulers that come and go, one a thread, and very large populations. */
#include <pthread.h>
#include <unistd.h>

#include "gossamer/embed.h"
#include "runner.h"

static void nothing(void *arg)
{
    (void)arg;
}

static long mapped_pages(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return pages;
}

CASE(created_and_destroyed_a_thousand_times)
{
    long after_first = 0;
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(gos_sched_create(NULL));
        for (int n = 0; n < 5; n++)
            CHECK_OK(gos_spawn(nothing, NULL, NULL));
        CHECK_OK(gos_run());
        CHECK_OK(gos_sched_destroy());
        if (i == 10)
            after_first = mapped_pages();
    }
    if (test_slowness() == 1)
        CHECK_INT(mapped_pages() - after_first, <, 1000);
}

CASE(a_handle_outlives_its_scheduler)
{
    gos_tasklet *t;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_spawn(nothing, NULL, &t));
    CHECK_STATUS(gos_sched_destroy(), GOS_EBUSY);
    CHECK_OK(gos_run());
    CHECK_OK(gos_sched_destroy());
    CHECK(!gos_tasklet_alive(t));
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_STATUS(gos_tasklet_insert(t), GOS_EDEAD);
    gos_tasklet_unref(t);
}

static void destroys(void *arg)
{
    (void)arg;
    CHECK_STATUS(gos_sched_destroy(), GOS_ECURRENT);
    CHECK_STATUS(gos_sched_create(NULL), GOS_EBUSY);
}

CASE(only_main_destroys_it)
{
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_spawn(destroys, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_OK(gos_sched_destroy());
}

/* ---- threads ---- */

static void ping(void *arg)
{
    gos_channel **pair = arg;
    void *value;
    for (long i = 0; i < 2000; i++) {
        CHECK_OK(gos_send(pair[0], (void *)i, GOS_FOREVER));
        CHECK_OK(gos_receive(pair[1], &value, GOS_FOREVER));
        CHECK_INT((long)value, ==, i);
    }
}

static void pong(void *arg)
{
    gos_channel **pair = arg;
    void *value;
    for (long i = 0; i < 2000; i++) {
        CHECK_OK(gos_receive(pair[0], &value, GOS_FOREVER));
        CHECK_OK(gos_send(pair[1], value, GOS_FOREVER));
    }
}

static void *thread_main(void *arg)
{
    struct gos_config config = {.max_slots = 1 + (int)(intptr_t)arg % 3, .compress = (int)(intptr_t)arg % 3,
                                .stacks = (intptr_t)arg % 4 == 3 ? GOS_STACKS_OWN : GOS_STACKS_SLOTS};
    for (int round = 0; round < 2; round++) {
        gos_channel *pairs[4][2];
        CHECK_OK(gos_sched_create(&config));
        for (int i = 0; i < 4; i++) {
            CHECK_OK(gos_channel_create(0, &pairs[i][0]));
            CHECK_OK(gos_channel_create(0, &pairs[i][1]));
            CHECK_OK(gos_spawn(ping, pairs[i], NULL));
            CHECK_OK(gos_spawn(pong, pairs[i], NULL));
        }
        CHECK_OK(gos_run());
        for (int i = 0; i < 4; i++) {
            CHECK_OK(gos_channel_destroy(pairs[i][0]));
            CHECK_OK(gos_channel_destroy(pairs[i][1]));
        }
        CHECK_OK(gos_sched_destroy());
    }
    return NULL;
}

CASE_LIMIT(many_threads_each_with_a_scheduler, 60)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, thread_main, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void *stranger(void *arg)
{
    gos_tasklet *t = arg;
    for (int with = 0; with < 2; with++) { /* without a scheduler of its own, and with one */
        if (with)
            CHECK_OK(gos_sched_create(NULL));
        CHECK_STATUS(gos_tasklet_pin(t), GOS_ETHREAD);
        CHECK_PTR(gos_current(), !=, t);
    }
    CHECK_OK(gos_sched_destroy());
    return NULL;
}

static gos_channel *ch;

static void *meets_a_stranger(void *arg)
{
    void *value;
    (void)arg;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_ETHREAD);
    CHECK_OK(gos_sched_destroy());
    return NULL;
}

static void sends(void *arg)
{
    CHECK_OK(gos_send(ch, arg, GOS_FOREVER));
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fn, arg) == 0);
    pthread_join(thread, NULL);
}

CASE(objects_of_another_thread_are_refused)
{
    gos_tasklet *t;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_spawn(nothing, NULL, &t));
    in_a_thread(stranger, t);
    CHECK_OK(gos_run());
    gos_tasklet_unref(t);
    for (size_t capacity = 0; capacity < 2; capacity++) {
        CHECK_OK(gos_channel_create(capacity, &ch));
        for (size_t i = 0; i <= capacity; i++)
            CHECK_OK(gos_spawn(sends, "x", NULL));
        CHECK_OK(gos_run());
        in_a_thread(meets_a_stranger, NULL);
        CHECK_INT(gos_balance(ch), ==, 1 + capacity); /* nothing was taken */
        for (size_t i = 0; i <= capacity; i++) {
            void *value;
            CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        }
        CHECK_OK(gos_run());
        CHECK_OK(gos_channel_destroy(ch));
    }
    CHECK_OK(gos_sched_destroy());
}

/* ---- very many ---- */

static int64_t sum;

static void waits(void *arg)
{
    void *value;
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    sum += (long)value + (long)arg;
}

CASE_LIMIT(a_million_alive_at_once, 120)
{
    long many = 1000000 / (test_slowness() > 1 ? 50 : 1);
    CHECK_OK(gos_sched_create(NULL));
    if (gos_current()->sched->own) /* a mapping each: the kernel allows some 65,000 */
        many = 5000;
    CHECK_OK(gos_channel_create(0, &ch));
    for (long i = 0; i < many; i++)
        REQUIRE(gos_spawn(waits, (void *)i, NULL) == GOS_OK);
    CHECK_OK(gos_run());
    struct gos_stats stats;
    gos_get_stats(&stats);
    CHECK_INT(stats.live, ==, many);
    CHECK_INT(gos_balance(ch), ==, -many);
    if (!gos_current()->sched->own)
        CHECK_INT(stats.evicted_bytes / stats.evicted, <, 300);
    for (long i = 0; i < many; i++)
        REQUIRE(gos_send(ch, (void *)1L, GOS_FOREVER) == GOS_OK);
    CHECK_OK(gos_run());
    CHECK_INT(sum, ==, many + (int64_t)many * (many - 1) / 2);
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_sched_destroy());
}

struct link {
    gos_channel *left, *right;
};

static void passes_on(void *arg)
{
    struct link *link = arg;
    void *value;
    CHECK_OK(gos_receive(link->left, &value, GOS_FOREVER));
    CHECK_OK(gos_send(link->right, (void *)((long)value + 1), GOS_FOREVER));
}

CASE_LIMIT(a_ring_of_channels, 60)
{
    long many = 100000 / (test_slowness() > 1 ? 50 : 1);
    gos_channel **ring = malloc((size_t)(many + 1) * sizeof *ring);
    struct link *links = malloc((size_t)many * sizeof *links);
    CHECK_OK(gos_sched_create(NULL));
    for (long i = 0; i <= many; i++)
        CHECK_OK(gos_channel_create(0, &ring[i]));
    for (long i = 0; i < many; i++) {
        links[i] = (struct link){ring[i], ring[i + 1]};
        CHECK_OK(gos_spawn(passes_on, &links[i], NULL));
    }
    void *value = NULL;
    CHECK_OK(gos_send(ring[0], (void *)1L, GOS_FOREVER));
    CHECK_OK(gos_receive(ring[many], &value, GOS_FOREVER));
    CHECK_INT((long)value, ==, many + 1);
    CHECK_OK(gos_run());
    for (long i = 0; i <= many; i++)
        CHECK_OK(gos_channel_destroy(ring[i]));
    CHECK_OK(gos_sched_destroy());
    free(ring);
    free(links);
}

/* ---- figures ---- */

static void yields_twice(void *arg)
{
    (void)arg;
    CHECK_OK(gos_yield());
    CHECK_OK(gos_yield());
}

CASE(stats)
{
    struct gos_stats stats;
    CHECK_OK(gos_sched_create(&(struct gos_config){.max_slots = 1, .compress = GOS_COMPRESS_NEVER}));
    gos_get_stats(&stats);
    CHECK_INT(stats.switches, ==, 0);
    CHECK_INT(stats.live, ==, 0);
    CHECK_INT(stats.slots, ==, 1);
    CHECK_OK(gos_spawn(yields_twice, NULL, NULL));
    CHECK_OK(gos_spawn(yields_twice, NULL, NULL));
    CHECK_OK(gos_yield()); /* both have started */
    gos_get_stats(&stats);
    CHECK_INT(stats.live, ==, 2);
    CHECK_INT(stats.switches, ==, 3);
    if (!gos_current()->sched->own) {
        CHECK_INT(stats.evicted, ==, 1);
        CHECK_INT(stats.evictions, ==, 1);
        CHECK_INT(stats.evicted_bytes, >, 0);
    }
    CHECK_OK(gos_run());
    gos_get_stats(&stats);
    CHECK_INT(stats.live, ==, 0);
    CHECK_INT(stats.evicted, ==, 0);
    CHECK_INT(stats.evicted_bytes, ==, 0);
    CHECK_OK(gos_sched_destroy());
}
