/* operations.c - what the current tasklet, or code that names a tasklet, can do to the ring. */
#include "sched.h"

int gos_sched_yield(gos_sched *s)
{
    return gosi_yield(s);
}

int gos_sched_park(gos_sched *s)
{
    if (gosi_half_gone(s))
        return GOS_ETRAP;
    gos_tasklet *cur = s->current;
    if ((cur->flags & GOS_F_MAIN) && gosi_ring_next(cur) == cur && !gosi_awaits(s) && !s->watchdog_count)
        return GOS_OK;
    gosi_ring_unlink(s, cur);
    gos_tasklet *to;
    int rc = gosi_next(s, &to);
    if (cur->place == GOS_IN_RING) { /* a hook has inserted it meanwhile */
        s->head = cur;
        s->deferred = cur;
        return rc;
    }
    if (rc == GOS_OK)
        rc = gosi_prepare(s, cur, to);
    if (rc != GOS_OK) {
        gosi_ring_push_front(s, cur);
        return rc == GOS_EDEADLOCK && (cur->flags & GOS_F_MAIN) ? GOS_OK : rc;
    }
    gosi_take_over(s, to);
    s->deferred = cur; /* the ring's reference, dropped by whoever runs next */
    return gosi_switch(s, to);
}

int gos_sched_sleep(gos_sched *s, int64_t deadline_ns)
{
    if (gosi_half_gone(s))
        return GOS_ETRAP;
    gos_tasklet *cur = s->current;
    int rc = gosi_timer_start(s, cur, gosi_until(s, cur, deadline_ns));
    if (rc != GOS_OK)
        return rc;
    gosi_ring_unlink(s, cur);
    cur->place = GOS_ASLEEP;
    rc = gosi_wait(s);
    return rc == GOS_ETIMEDOUT ? GOS_OK : rc;
}

static int may_wait(gos_sched *s, gos_tasklet *cur, int64_t deadline_ns)
{
    if (gosi_half_gone(s) || s->trap)
        return GOS_ETRAP;
    if (cur->flags & GOS_F_BLOCK_TRAP)
        return GOS_EBLOCKTRAP;
    if (cur->flags & GOS_F_THROWN)
        return GOS_ECANCELED;
    deadline_ns = gosi_until(s, cur, deadline_ns);
    return deadline_ns != GOS_FOREVER ? gosi_timer_start(s, cur, deadline_ns) : GOS_OK;
}

int gos_sched_wait(gos_sched *s, gos_waiter *w, int64_t deadline_ns)
{
    gos_tasklet *cur = s->current;
    int rc = may_wait(s, cur, deadline_ns);
    if (rc != GOS_OK) {
        gos_waiter *outer = cur->wait.waiter; /* of the operation that a hook interrupts */
        cur->wait.waiter = w;
        int late = w->unlink(cur);
        cur->wait.waiter = outer;
        return late ? GOS_OK : rc;
    }
    gosi_ring_unlink(s, cur);
    cur->wait.waiter = w;
    cur->place = GOS_IN_WAITER;
    return gosi_wait(s);
}

void gos_sched_wake(gos_sched *s, gos_tasklet *t, void *value)
{
    GOS_ASSERT(t->place == GOS_IN_WAITER);
    if (t->timer)
        gosi_timer_stop(s, t);
    t->wait.waiter = NULL;
    t->place = GOS_NOWHERE;
    t->value = value;
    t->status = GOS_OK;
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(s, t, GOS_CAUSE_GRANTED, NULL);
    gosi_ring_append(s, t);
}

int gos_sched_switch(gos_sched *s, gos_tasklet *t, int leave)
{
    if (gosi_half_gone(s))
        return GOS_ETRAP;
    gos_tasklet *cur = s->current;
    GOS_ASSERT(t != cur && (t->flags & GOS_F_READY));
    int rc = gosi_prepare(s, cur, t);
    if (rc != GOS_OK)
        return rc;
    if (t->place != GOS_IN_RING)
        gos_sched_insert(s, t);
    s->head = t;
    if (leave) {
        gosi_ring_unlink(s, cur);
        s->deferred = cur;
    }
    return gosi_switch(s, t);
}

void gos_sched_insert(gos_sched *s, gos_tasklet *t)
{
    if (t->place == GOS_IN_RING)
        return;
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(s, t, GOS_CAUSE_INSERTED, NULL);
    if (!gos_sched_unlink(s, t, GOS_OK))
        s->hooks->hold(t);
    gosi_ring_append(s, t);
}

void gos_sched_insert_next(gos_sched *s, gos_tasklet *t)
{
    if (t == s->head || (t == s->current && t->place == GOS_IN_RING))
        return;
    if (t->place == GOS_IN_RING)
        gosi_ring_unlink(s, t); /* its reference stays with the ring */
    else if (!gos_sched_unlink(s, t, GOS_OK))
        s->hooks->hold(t);
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(s, t, GOS_CAUSE_INSERTED, NULL);
    gosi_ring_link(s, t, s->head ? gosi_ring_next(s->head) : NULL);
}

void gos_sched_remove(gos_sched *s, gos_tasklet *t)
{
    if (t->place != GOS_IN_RING)
        return;
    GOS_ASSERT(t != s->current);
    gosi_ring_unlink(s, t);
    s->hooks->drop(t);
}

int gos_sched_unlink(gos_sched *s, gos_tasklet *t, int status)
{
    int late = 0;
    if (t->timer)
        gosi_timer_stop(s, t);
    switch (t->place) {
    case GOS_IN_CHANNEL: gosi_channel_unlink(t); break;
    case GOS_IN_SELECT: gosi_select_unlink(t); break;
    case GOS_ASLEEP: break;
    case GOS_IN_WAITER:
        late = t->wait.waiter->unlink(t);
        t->wait.waiter = NULL;
        break;
    default: return 0;
    }
    t->place = GOS_NOWHERE;
    t->direction = 0;
    t->status = late ? GOS_OK : status;
    return late ? 2 : 1;
}

void gosi_wake(gos_sched *s, gos_tasklet *t, int status)
{
    int was_waiting = gos_sched_unlink(s, t, status);
    GOS_CHECK(was_waiting);
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(NULL, t, GOS_CAUSE_TIME, NULL);
    gosi_ring_append(s, t);
}
