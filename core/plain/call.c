/* call.c - pools, as plain C programs use them. */
#include "plain.h"

struct call {
    gos_job job; /* first */
    void (*fn)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void run_call(gos_job *job)
{
    struct call *c = (struct call *)job;
    c->fn(c->arg);
}

static void dispose_call(gos_job *job)
{
    struct call *c = (struct call *)job;
    if (c->done)
        c->done(c->arg);
    gosi_free(c);
}

int gos_pool_create(uint32_t max_threads, gos_pool **out)
{
    struct gos_pool_config config = {.max_threads = max_threads};
    return gos_pool_create_with(&config, out);
}

int gos_call(gos_pool *pool, void (*fn)(void *arg), void *arg, void (*done)(void *arg), int64_t deadline_ns)
{
    GOS_CHECK(gosi_self && "gos_sched_create has not been called on this thread");
    gos_sched *s = &gosi_self->base;
    struct call *c = s->current->flags & KILLED ? NULL : gosi_alloc(sizeof *c);
    if (!c) {
        if (done)
            done(arg);
        return s->current->flags & KILLED ? GOS_ECANCELED : GOS_ENOMEM;
    }
    *c = (struct call){.job = {.run = run_call, .dispose = dispose_call}, .fn = fn, .done = done, .arg = arg};
    int rc = gos_pool_perform(s, pool, &c->job, deadline_ns);
    gos_settle(s);
    return rc;
}
