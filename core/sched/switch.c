/* switch.c - the switch primitive, the choice of who runs next, and the end of a tasklet. */
#include <string.h>

#include "sched.h"

/* The C++ runtime keeps "exceptions in flight" per thread; they belong to the tasklet. */
struct cxa_globals {
    void *caught;
    unsigned int uncaught;
};

void gosi_resume_cxx(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    struct cxa_globals saved = *(struct cxa_globals *)s->cxa;
    memset(s->cxa, 0, sizeof saved);
    gosi_stack_switch(s, from, to);
    *(struct cxa_globals *)s->cxa = saved;
}

/* The listener may call what does not switch, and so settle, pin and free: what this switch has in hand is
 * kept out of its reach. */
void gosi_announce(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    gos_tasklet *deferred = s->deferred;
    void *deferred_value = s->deferred_value;
    s->deferred = NULL;
    s->deferred_value = NULL;
    s->trap++;
    s->notify(from, to);
    s->trap--;
    s->deferred = deferred;
    s->deferred_value = deferred_value;
}

void gosi_announce_switch(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    gos_slot *picked = to->slot == &gosi_no_slot ? s->picked : NULL;
    if (picked)
        gosi_slot_hold(s, picked);
    gosi_announce(s, from, to);
    if (picked)
        gosi_slot_release(s, picked);
}

/* Who steps in when nobody is runnable and nothing is awaited: the innermost run() returns, or main comes back
 * from where it parked. NULL: main is blocked, or is the one that is asking. */
static gos_tasklet *fallback(const gos_sched *s)
{
    if (s->watchdog_count)
        return s->watchdogs[s->watchdog_count - 1];
    return s->main->place == GOS_NOWHERE && s->main != s->current ? s->main : NULL;
}

static int idle(gos_sched *s)
{
    s->trap++; /* the hook may run signal handlers, while the current tasklet is half gone */
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_idle(s);
    int rc = s->hooks->idle(s, s->timer_count ? gosi_timer_earliest(s) : GOS_FOREVER);
    GOSI_TRACE(GOS_TRACE_BUSY, 0, NULL, 0, 0);
    s->trap--;
    if (rc == GOS_OK && s->timer_count)
        gosi_timer_fire(s);
    return rc;
}

int gosi_next(gos_sched *s, gos_tasklet **to)
{
    for (;;) {
        gosi_attend(s);
        if (s->head) {
            *to = s->head;
            return GOS_OK;
        }
        *to = fallback(s);
        int rc;
        if (s->no_waiting && s->watchdog_count) {
            gosi_timer_fire(s); /* by the exact clock */
            if (s->head)
                *to = s->head;
            return GOS_OK;
        }
        if (gosi_awaits(s)) {
            rc = idle(s);
        } else if (*to && !s->threadblock) {
            return GOS_OK;
        } else {
            rc = idle(s);
            if (rc == GOS_EDEADLOCK && *to)
                return GOS_OK;
        }
        if (rc != GOS_OK)
            return rc;
    }
}

void gosi_take_over(gos_sched *s, gos_tasklet *to)
{
    if (to->place == GOS_IN_RING) {
        s->head = to;
        return;
    }
    if (s->watchdog_count && s->watchdogs[s->watchdog_count - 1] == to) {
        s->watchdog_count--;
        to->flags &= ~(uint32_t)GOS_F_WATCHDOG;
    } else {
        s->hooks->hold(to);
    }
    gosi_ring_push_front(s, to);
}

/* It cannot be: the current tasklet goes on. If a hook has ended its wait meanwhile, then that is the result,
 * since what has passed has passed; an error of the hook then comes as a failure, like that of a body. */
int gosi_stay(gos_sched *s, gos_tasklet *cur, int rc)
{
    if (cur->place != GOS_IN_RING) {
        int was_waiting = gos_sched_unlink(s, cur, GOS_OK);
        GOS_CHECK(was_waiting);
        gosi_ring_push_front(s, cur);
        if (was_waiting == 2) /* by another thread, at the same time */
            rc = GOS_OK;
    } else if (rc != GOS_EHOOK) {
        rc = cur->status;
    } else if (cur->status == GOS_OK) {
        rc = GOS_OK;
        s->deferred_value = cur->value;
        cur->value = s->hooks->take_error(s);
    }
    s->head = cur;
    cur->status = GOS_OK;
    GOSI_TRACE(GOS_TRACE_RESUME, 0, cur, 0, 0);
    return rc;
}

int gosi_wait_slow(gos_sched *s)
{
    gos_tasklet *cur = s->current, *to;
    gosi_attend(s);
    int rc = gosi_next(s, &to);
    if (rc == GOS_OK && to == cur) { /* its own deadline, or a timer's owner, woke it: no switch needed */
        rc = cur->status;
        cur->status = GOS_OK;
        s->head = cur;
        GOSI_TRACE(GOS_TRACE_RESUME, 0, cur, 0, 0);
        return rc;
    }
    if (rc == GOS_OK)
        rc = gosi_prepare(s, cur, to);
    if (rc == GOS_OK) {
        gosi_take_over(s, to);
        return gosi_switch(s, to);
    }
    return gosi_stay(s, cur, rc);
}

/* ---- the end of a tasklet --------------------------------------------------------------------- */

/* The reference of t's place becomes the ring's; t is at the head, whatever it was doing. */
static void force_to_head(gos_sched *s, gos_tasklet *t)
{
    if (t->place == GOS_IN_RING || t->place == GOS_NOWHERE) {
        gosi_take_over(s, t);
        return;
    }
    int was_waiting = gos_sched_unlink(s, t, GOS_OK);
    GOS_CHECK(was_waiting);
    gosi_ring_push_front(s, t);
}

static gos_tasklet *deliver_failure(gos_sched *s, void *failure)
{
    gos_tasklet *to = s->watchdog_count ? s->watchdogs[s->watchdog_count - 1] : s->main;
    force_to_head(s, to);
    s->deferred_value = to->value;
    to->value = failure;
    to->status = GOS_OK; /* whatever its wait ended with: the failure comes first */
    return to;
}

/* Nobody can run, and main is blocked: it learns that nobody will ever come. */
static gos_tasklet *deliver_deadlock(gos_sched *s)
{
    gos_tasklet *to = s->main;
    int status = to->place == GOS_IN_CHANNEL ? (to->direction > 0 ? GOS_ENORECEIVER : GOS_ENOSENDER) : GOS_EDEADLOCK;
    force_to_head(s, to);
    to->status = status;
    return to;
}

/* t has ended: take it out of the ring and choose its successor, which becomes the head. */
static gos_tasklet *finish(gos_sched *s, gos_tasklet *t, void *failure)
{
    gos_tasklet *to;
    gosi_ring_unlink(s, t);
    t->flags &= ~(uint32_t)(GOS_F_READY | GOS_F_BLOCK_TRAP | GOS_F_ATOMIC | GOS_F_IGNORE_NESTING | GOS_F_THROWN |
                           GOS_F_LIMITED | GOS_F_LIMIT_FIRST);
    gosi_attend(s);
    if (failure)
        return deliver_failure(s, failure);
    int rc = gosi_next(s, &to);
    if (rc == GOS_EHOOK)
        return deliver_failure(s, s->hooks->take_error(s));
    if (rc != GOS_OK)
        return deliver_deadlock(s);
    gosi_take_over(s, to);
    return to;
}

/* Memory for resuming the successor could not be had: anybody in the ring who needs none goes first, since the
 * one that runs may free some. With nobody left, main learns of it: its stack never moves. */
static gos_tasklet *somebody_resumable(gos_sched *s, gos_tasklet *t)
{
    gos_tasklet *at = s->head;
    for (int32_t i = 0; i < s->runcount; i++, at = gosi_ring_next(at)) {
        if (at->slot == &gosi_no_slot || gosi_stack_prepare_leave(s, t, at) == GOS_OK) {
            s->head = at;
            return at;
        }
    }
    force_to_head(s, s->main);
    s->main->status = GOS_ENOMEM;
    return s->main;
}

/* t has ended with failure or NULL. Returns its successor if that takes over the stack as it is; resumes it
 * otherwise, and does not return. */
static __attribute__((noinline)) gos_tasklet *succeed(gos_tasklet *t, void *failure)
{
    gos_sched *s = t->sched;
    gos_tasklet *to = finish(s, t, failure);
    if (to->slot != &gosi_no_slot && gosi_stack_prepare_leave(s, t, to) != GOS_OK)
        to = somebody_resumable(s, t);
    s->deferred = t; /* the ring's reference; not earlier, since the idle hook may settle */
    if (GOSI_UNLIKELY(s->notify != NULL))
        gosi_announce(s, t, to);
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_finish(s, t, to);
    s->current = to;
    s->switches++;
    s->hooks->swap(t, to);
    if (to->slot != &gosi_no_slot)
        gosi_stack_leave(s, t, to);
    gosi_stack_adopt(s, t, to);
    return to;
}

/* First code on a new stack: run t, then whoever has not started either. Its frame is part of each slice, so
 * it is kept small. */
void gosi_entry(gos_tasklet *t)
{
    gosi_stack_entered();
    for (;;)
        t = succeed(t, t->sched->hooks->body(t));
}

void gos_settle_slow(gos_sched *s)
{
    gos_tasklet *t = s->deferred;
    void *value = s->deferred_value;
    s->deferred = NULL;
    s->deferred_value = NULL;
    if (t)
        s->hooks->drop(t);
    if (value)
        s->hooks->drop_value(value);
}
