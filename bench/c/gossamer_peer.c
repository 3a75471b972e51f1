/* gossamer_peer.c - the workloads on the C core, through its public header only. */
#include "cbench.h"

#include <gossamer.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 1000

static gos_channel *there, *back;
static long blocked_at_all; /* how many came out of their receive */

static void check(int status)
{
    if (status != GOS_OK)
        cbench_die(gos_status_text(status));
}

static void spawn(void (*fn)(void *), void *arg)
{
    check(gos_spawn(fn, arg, NULL));
}

/* ---- switch ---- */

static void yielder(void *arg)
{
    for (long n = (long)arg; n > 0; n--)
        check(gos_yield());
}

static void work_switch(long n)
{
    spawn(yielder, (void *)n);
    spawn(yielder, (void *)n);
    check(gos_run());
}

/* ---- messages ---- */

static void sender(void *arg)
{
    for (long n = (long)arg; n > 0; n--)
        check(gos_send(there, (void *)n, GOS_FOREVER));
}

static void receiver(void *arg)
{
    void *value;
    for (long n = (long)arg; n > 0; n--) {
        check(gos_receive(there, &value, GOS_FOREVER));
        if (value != (void *)n)
            cbench_die("a message was altered");
    }
}

static void work_message(long n)
{
    spawn(receiver, (void *)n);
    spawn(sender, (void *)n);
    check(gos_run());
}

static void asker(void *arg)
{
    void *value;
    for (long n = (long)arg; n > 0; n--) {
        check(gos_send(there, (void *)n, GOS_FOREVER));
        check(gos_receive(back, &value, GOS_FOREVER));
        if (value != (void *)n)
            cbench_die("a message was altered");
    }
}

static void answerer(void *arg)
{
    void *value;
    for (long n = (long)arg; n > 0; n--) {
        check(gos_receive(there, &value, GOS_FOREVER));
        check(gos_send(back, value, GOS_FOREVER));
    }
}

static void work_pingpong(long n)
{
    spawn(answerer, (void *)n);
    spawn(asker, (void *)n);
    check(gos_run());
}

/* ---- spawn ---- */

static void nothing(void *arg)
{
    (void)arg;
}

static void work_spawn(long n)
{
    while (n-- > 0) {
        for (int i = 0; i < BATCH; i++)
            spawn(nothing, NULL);
        check(gos_run());
    }
}

/* ---- blocked ---- */

static void waiter(void *arg)
{
    void *value;
    int status = gos_receive(there, &value, GOS_FOREVER);
    (void)arg;
    if (status != GOS_OK && status != GOS_ECANCELED)
        check(status);
    blocked_at_all++;
}

static void create(gos_tasklet **units, long n)
{
    for (long i = 0; i < n; i++) {
        check(gos_spawn(waiter, NULL, units ? &units[i] : NULL));
        if (i % BATCH == BATCH - 1)
            check(gos_run());
    }
    check(gos_run());
    if (gos_balance(there) != -n)
        cbench_die("not all of them are blocked");
}

static void work_blocked(long n)
{
    gos_tasklet **units = malloc((size_t)n * sizeof *units);
    int64_t before, bytes, t0, t1, t2, t3, t4;

    if (!units)
        cbench_die("out of memory");
    memset(units, 0, (size_t)n * sizeof *units);
    before = cbench_rss();
    t0 = cbench_now();
    create(NULL, n);
    t1 = cbench_now();
    bytes = cbench_rss() - before;

    t2 = cbench_now();
    for (long i = 0; i < n; i++)
        check(gos_send(there, NULL, GOS_FOREVER));
    t3 = cbench_now();

    create(units, n);
    t4 = cbench_now();
    for (long i = 0; i < n; i++)
        check(gos_tasklet_kill(units[i]));
    check(gos_run());
    for (long i = 0; i < n; i++)
        gos_tasklet_unref(units[i]);
    if (blocked_at_all != 2 * n)
        cbench_die("not all of them ended");
    cbench_blocked(n, bytes, t1 - t0, t3 - t2, cbench_now() - t4);
}

int gossamer_sample(const char *workload, long n, double budget_s)
{
    check(gos_sched_create(NULL));
    check(gos_channel_create(0, &there));
    check(gos_channel_create(0, &back));
    if (!strcmp(workload, "message0"))
        gos_set_preference(there, 0); /* the caller goes on: one switch a message, not two */
    if (!strcmp(workload, "switch"))
        cbench_rounds(work_switch, 2, budget_s);
    else if (!strcmp(workload, "message") || !strcmp(workload, "message0"))
        cbench_rounds(work_message, 1, budget_s);
    else if (!strcmp(workload, "pingpong"))
        cbench_rounds(work_pingpong, 2, budget_s);
    else if (!strcmp(workload, "spawn"))
        cbench_rounds(work_spawn, BATCH, budget_s);
    else if (!strcmp(workload, "blocked"))
        work_blocked(n);
    else
        return 0;
    return 1;
}
