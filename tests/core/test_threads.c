/* Several OS threads, each with its scheduler: shared channels, messages, waking, deadlock. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "gossamer.h"
#include "runner.h"

static gos_channel *ch, *back;
static atomic_long total, counted;

typedef void (*body)(long arg);

struct start {
    body fn;
    long arg;
};

/* A thread with a scheduler; whoever makes it has announced it (gos_outside_begin). */
static void *thread_main(void *p)
{
    struct start start = *(struct start *)p;
    free(p);
    CHECK_OK(gos_sched_create(NULL));
    gos_outside_end();
    start.fn(start.arg);
    CHECK_OK(gos_sched_destroy());
    return NULL;
}

static pthread_t start(body fn, long arg)
{
    pthread_t thread;
    struct start *p = malloc(sizeof *p);
    CHECK(p);
    *p = (struct start){fn, arg};
    gos_outside_begin();
    CHECK(pthread_create(&thread, NULL, thread_main, p) == 0);
    return thread;
}

static void open_shared(size_t capacity)
{
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_channel_create_shared(capacity, &ch));
    CHECK_OK(gos_channel_create_shared(0, &back));
}

static void close_shared(void)
{
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_channel_destroy(back));
    CHECK_OK(gos_sched_destroy());
}

/* ---- messages ---- */

static void echoes(long n)
{
    for (long i = 0; i < n; i++) {
        void *value;
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        CHECK_OK(gos_send(back, (char *)value + 1, GOS_FOREVER));
    }
}

CASE_LIMIT(ping_pong_between_two_threads, 60)
{
    open_shared(0);
    pthread_t thread = start(echoes, 2000);
    for (intptr_t i = 0; i < 2000; i++) {
        void *value;
        CHECK_OK(gos_send(ch, (void *)i, GOS_FOREVER));
        CHECK_OK(gos_receive(back, &value, GOS_FOREVER));
        CHECK_INT((intptr_t)value, ==, i + 1);
    }
    pthread_join(thread, NULL);
    close_shared();
}

enum { SENDERS = 3, RECEIVERS = 2, TASKLETS = 20, EACH = 300 };

static void sends_some(void *arg)
{
    for (long i = 1; i <= EACH; i++)
        CHECK_OK(gos_send(ch, (void *)((intptr_t)arg * EACH + i), GOS_FOREVER));
}

static void sending_thread(long number)
{
    for (long i = 0; i < TASKLETS; i++)
        CHECK_OK(gos_spawn(sends_some, (void *)(number * TASKLETS + i), NULL));
    CHECK_OK(gos_run_to_end());
}

static void receives_some(void *arg)
{
    (void)arg;
    for (;;) {
        void *value;
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        if (!value)
            break;
        atomic_fetch_add(&total, (long)(intptr_t)value);
        atomic_fetch_add(&counted, 1);
    }
}

static void receiving_thread(long number)
{
    (void)number;
    for (long i = 0; i < TASKLETS; i++)
        CHECK_OK(gos_spawn(receives_some, NULL, NULL));
    CHECK_OK(gos_run_to_end());
}

static void many_to_many(size_t capacity)
{
    open_shared(capacity);
    total = counted = 0;
    pthread_t senders[SENDERS], receivers[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = start(receiving_thread, i);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = start(sending_thread, i);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    for (int i = 0; i < RECEIVERS * TASKLETS; i++)
        CHECK_OK(gos_send(ch, NULL, GOS_FOREVER));
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(receivers[i], NULL);
    long n = (long)SENDERS * TASKLETS * EACH;
    CHECK_INT(counted, ==, n);
    CHECK_INT(total, ==, n * (n + 1) / 2);
    close_shared();
}

CASE_LIMIT(many_tasklets_of_many_threads, 100)
{
    many_to_many(0);
}

CASE_LIMIT(many_tasklets_of_many_threads_with_a_buffer, 100)
{
    many_to_many(7);
}

CASE(one_thread_alone_on_a_shared_channel)
{
    open_shared(2);
    CHECK_OK(gos_spawn(receives_some, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(gos_balance(ch), ==, -1);
    CHECK_STATUS(gos_channel_destroy(ch), GOS_EBUSY);
    CHECK_OK(gos_send(ch, "x", GOS_FOREVER));
    CHECK_OK(gos_send(ch, "x", GOS_FOREVER));
    CHECK_OK(gos_send(ch, NULL, GOS_FOREVER));
    CHECK_OK(gos_run());
    CHECK_INT(gos_balance(ch), ==, 0);
    CHECK_OK(gos_send(ch, "a", 0));
    CHECK_OK(gos_send(ch, "b", 0));
    CHECK_STATUS(gos_send(ch, "c", 0), GOS_ETIMEDOUT);
    gos_close(ch);
    CHECK_STATUS(gos_send(ch, "c", GOS_FOREVER), GOS_ECLOSED);
    void *value;
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    CHECK_STR((char *)value, "a");
    gos_open(ch);
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    CHECK_STATUS(gos_receive(ch, &value, gos_now() + 1000000), GOS_ETIMEDOUT);
    close_shared();
}

CASE(order_is_that_of_coming)
{
    open_shared(0);
    for (intptr_t i = 1; i <= 5; i++) {
        CHECK_OK(gos_spawn(sends_some, (void *)(i * 1000), NULL));
        CHECK_OK(gos_run());
    }
    for (intptr_t i = 1; i <= 5; i++) {
        void *value;
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        CHECK_INT((intptr_t)value, ==, i * 1000 * EACH + 1);
    }
    for (intptr_t i = 5; i < 5 * EACH; i++) {
        void *value;
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        CHECK_OK(gos_run());
    }
    close_shared();
}

/* ---- deadlines, kill, select ---- */

static atomic_int outcome;

static void waits_and_tells(void *arg)
{
    void *value;
    (void)arg;
    outcome = gos_receive(ch, &value, GOS_FOREVER);
}

static void kills(long arg)
{
    CHECK_OK(gos_tasklet_kill((gos_tasklet *)arg));
    gos_tasklet_unref((gos_tasklet *)arg);
}

CASE(kill_from_another_thread)
{
    gos_tasklet *t;
    open_shared(0);
    outcome = 1;
    CHECK_OK(gos_spawn(waits_and_tells, NULL, &t));
    CHECK_OK(gos_run());
    pthread_t thread = start(kills, (long)t);
    CHECK_OK(gos_run_to_end());
    CHECK_STATUS(outcome, GOS_ECANCELED);
    pthread_join(thread, NULL);
    CHECK_INT(gos_balance(ch), ==, 0);
    close_shared();
}

static void parks(void *arg)
{
    (void)arg;
    outcome = gos_park();
}

static void inserts(long arg)
{
    CHECK_OK(gos_tasklet_insert((gos_tasklet *)arg));
}

CASE(insert_from_another_thread)
{
    gos_tasklet *t;
    open_shared(0);
    outcome = 1;
    CHECK_OK(gos_spawn(parks, NULL, &t));
    CHECK_OK(gos_run());
    pthread_t thread = start(inserts, (long)t);
    CHECK_OK(gos_run_to_end());
    CHECK_STATUS(outcome, GOS_OK);
    pthread_join(thread, NULL);
    thread = start(inserts, (long)t); /* dead by now: nothing happens */
    pthread_join(thread, NULL);
    CHECK_OK(gos_run());
    gos_tasklet_unref(t);
    close_shared();
}

static void late_unref(long arg)
{
    CHECK_STATUS(gos_tasklet_insert((gos_tasklet *)arg), GOS_EDEAD);
    CHECK_OK(gos_tasklet_kill((gos_tasklet *)arg));
    gos_tasklet_unref((gos_tasklet *)arg);
}

CASE(a_handle_given_back_after_its_scheduler_has_gone)
{
    gos_tasklet *t;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_spawn(parks, NULL, &t));
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_OK(gos_run());
    CHECK_OK(gos_sched_destroy());
    pthread_join(start(late_unref, (long)t), NULL);
}

static void races_with_deadlines(void *arg)
{
    unsigned seed = (unsigned)(intptr_t)arg;
    for (int i = 0; i < 500; i++) {
        void *value = NULL;
        int rc = gos_receive(ch, &value, gos_now() + rand_r(&seed) % 200000);
        if (rc == GOS_OK)
            atomic_fetch_add(&counted, 1);
        else
            CHECK_STATUS(rc, GOS_ETIMEDOUT);
    }
}

static void timed_thread(long number)
{
    for (long i = 0; i < 4; i++)
        CHECK_OK(gos_spawn(races_with_deadlines, (void *)(number * 7 + i), NULL));
    CHECK_OK(gos_run_to_end());
}

/* A value that passes at the moment of the deadline arrives, or was not sent: it is never lost. */
CASE_LIMIT(deadlines_against_partners, 60)
{
    long sent = 0;
    open_shared(0);
    counted = 0;
    pthread_t threads[2] = {start(timed_thread, 1), start(timed_thread, 2)};
    for (unsigned seed = 5, i = 0; i < 3000; i++) {
        int rc = gos_send(ch, "x", gos_now() + rand_r(&seed) % 200000);
        if (rc == GOS_OK)
            sent++;
        else
            CHECK_STATUS(rc, GOS_ETIMEDOUT);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(sent, ==, counted);
    CHECK_INT(gos_balance(ch), ==, 0);
    close_shared();
}

static void selecting_thread(long n)
{
    long seen[2] = {0, 0};
    for (long i = 0; i < 2 * n; i++) {
        struct gos_case cases[2] = {{.channel = ch}, {.channel = back}};
        size_t chosen;
        CHECK_OK(gos_select(cases, 2, GOS_FOREVER, &chosen));
        CHECK_INT((intptr_t)cases[chosen].value, ==, ++seen[chosen]);
    }
    CHECK_INT(seen[0], ==, n);
    CHECK_INT(seen[1], ==, n);
}

static void sends_upwards(void *channel)
{
    for (intptr_t i = 1; i <= 1000; i++)
        CHECK_OK(gos_send(channel, (void *)i, GOS_FOREVER));
}

CASE(select_over_two_shared_channels)
{
    open_shared(0);
    pthread_t thread = start(selecting_thread, 1000);
    CHECK_OK(gos_spawn(sends_upwards, ch, NULL));
    CHECK_OK(gos_spawn(sends_upwards, back, NULL));
    CHECK_OK(gos_run_to_end());
    pthread_join(thread, NULL);
    close_shared();
}

CASE(select_takes_shared_channels_or_others)
{
    gos_channel *own;
    size_t chosen;
    open_shared(0);
    CHECK_OK(gos_channel_create(0, &own));
    struct gos_case cases[2] = {{.channel = ch}, {.channel = own}};
    CHECK_STATUS(gos_select(cases, 2, GOS_FOREVER, &chosen), GOS_EINVAL);
    cases[1] = (struct gos_case){.channel = ch, .send = 1};
    CHECK_STATUS(gos_select(cases, 2, GOS_FOREVER, &chosen), GOS_EINVAL);
    struct gos_case mixed[2] = {{.channel = own}, {.channel = ch}};
    CHECK_STATUS(gos_select(mixed, 2, GOS_FOREVER, &chosen), GOS_EINVAL);
    CHECK_OK(gos_channel_destroy(own));
    close_shared();
}

/* ---- deadlock ---- */

static void receives_in_vain(long arg)
{
    void *value;
    (void)arg;
    int rc = gos_receive(ch, &value, GOS_FOREVER);
    if (rc == GOS_OK)
        atomic_fetch_add(&counted, 1);
    else
        CHECK_STATUS(rc, GOS_EDEADLOCK);
}

CASE(the_last_thread_that_sleeps_is_told)
{
    counted = 0;
    CHECK_OK(gos_channel_create_shared(0, &ch));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = start(receives_in_vain, 0);
    for (int i = 0; i < 4; i++) /* one of the four is told; then the others, as each leaves */
        pthread_join(threads[i], NULL);
    CHECK_INT(counted, ==, 0);
    CHECK_OK(gos_channel_destroy(ch));
}

CASE(alone)
{
    open_shared(0);
    receives_in_vain(0);
    CHECK_OK(gos_spawn(waits_and_tells, NULL, NULL));
    CHECK_STATUS(gos_run_to_end(), GOS_EDEADLOCK);
    CHECK_OK(gos_send(ch, NULL, GOS_FOREVER));
    CHECK_OK(gos_run());
    close_shared();
}

static void *sends_without_a_scheduler(void *arg)
{
    (void)arg;
    usleep(20000);
    CHECK_OK(gos_sched_create(NULL));
    gos_outside_end();
    CHECK_OK(gos_send(ch, "late", GOS_FOREVER));
    CHECK_OK(gos_sched_destroy());
    return NULL;
}

CASE(somebody_outside_is_waited_for)
{
    pthread_t thread;
    void *value;
    open_shared(0);
    gos_outside_begin();
    REQUIRE(pthread_create(&thread, NULL, sends_without_a_scheduler, NULL) == 0);
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    CHECK_STR((char *)value, "late");
    pthread_join(thread, NULL);
    close_shared();
}

/* ---- pools ---- */

static gos_pool *pool;
static atomic_long disposed;

static void adds(void *arg)
{
    atomic_fetch_add(&total, (long)(intptr_t)arg);
}

static void disposes(void *arg)
{
    (void)arg;
    atomic_fetch_add(&disposed, 1);
}

static void calls(void *arg)
{
    CHECK_OK(gos_call(pool, adds, arg, disposes, GOS_FOREVER));
    atomic_fetch_add(&counted, 1);
}

static void open_pool(uint32_t threads)
{
    total = counted = disposed = 0;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_pool_create(threads, &pool));
}

static void close_pool(void)
{
    gos_pool_destroy(pool);
    CHECK_OK(gos_sched_destroy());
}

CASE(calls_of_many_tasklets)
{
    open_pool(4);
    for (intptr_t i = 1; i <= 2000; i++)
        CHECK_OK(gos_spawn(calls, (void *)i, NULL));
    CHECK_OK(gos_run()); /* waits for jobs, as for timers */
    CHECK_INT(counted, ==, 2000);
    CHECK_INT(disposed, ==, 2000);
    CHECK_INT(total, ==, 2000 * 2001 / 2);
    struct gos_pool_stats stats;
    gos_pool_get_stats(pool, &stats);
    CHECK_INT(stats.jobs, ==, 2000);
    CHECK_INT(stats.threads, <=, 4);
    CHECK_INT(stats.queued, ==, 0);
    close_pool();
}

static atomic_int began, release;

static void blocks(void *arg)
{
    (void)arg;
    began = 1;
    while (!release)
        usleep(1000);
}

static void calls_blocking(void *arg)
{
    (void)arg;
    outcome = gos_call(pool, blocks, NULL, disposes, GOS_FOREVER);
}

CASE(a_deadline_frees_the_tasklet_at_once)
{
    open_pool(1);
    int calls_made = 0;
    release = began = 0;
    do { /* a slow machine has not started the worker by then: the call is withdrawn */
        CHECK_STATUS(gos_call(pool, blocks, NULL, disposes, gos_now() + 5000000), GOS_ETIMEDOUT);
        calls_made++;
    } while (!began);
    CHECK_INT(disposed, ==, calls_made - 1);
    CHECK_STATUS(gos_call(pool, adds, (void *)1, disposes, gos_now() + 1000000), GOS_ETIMEDOUT); /* never began */
    CHECK_INT(disposed, ==, calls_made);
    release = 1;
    CHECK_OK(gos_call(pool, adds, (void *)5, disposes, GOS_FOREVER));
    CHECK_OK(gos_run());
    CHECK_INT(disposed, ==, calls_made + 2);
    CHECK_INT(total, ==, 5);
    close_pool();
}

CASE(a_killed_tasklet_waits_no_longer)
{
    gos_tasklet *t;
    open_pool(1);
    release = 0;
    CHECK_OK(gos_spawn(calls_blocking, NULL, &t));
    CHECK_OK(gos_yield());
    CHECK_STATUS(gos_tasklet_insert(t), GOS_EBLOCKED);
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_OK(gos_yield());
    CHECK(!gos_tasklet_alive(t));
    CHECK_STATUS(outcome, GOS_ECANCELED);
    release = 1;
    CHECK_OK(gos_run());
    CHECK_INT(disposed, ==, 1);
    gos_tasklet_unref(t);
    close_pool();
}

static void leaves_a_job(long arg)
{
    (void)arg;
    began = 0;
    do
        CHECK_STATUS(gos_call(pool, blocks, NULL, disposes, gos_now() + 5000000), GOS_ETIMEDOUT);
    while (!began);
}

CASE(a_thread_ends_before_its_job)
{
    open_pool(1);
    release = 0;
    pthread_join(start(leaves_a_job, 0), NULL);
    release = 1;
    close_pool(); /* waits for it */
    CHECK_INT(disposed, >=, 1);
}

CASE(a_stopped_pool_takes_no_jobs)
{
    open_pool(2);
    CHECK_OK(gos_call(pool, adds, (void *)1, NULL, GOS_FOREVER));
    gos_pool_stop(pool, 1);
    CHECK_STATUS(gos_call(pool, adds, (void *)1, disposes, GOS_FOREVER), GOS_ECLOSED);
    CHECK_INT(disposed, ==, 1);
    CHECK_INT(total, ==, 1);
    close_pool();
}
