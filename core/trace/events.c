/* events.c - the events of the core: what a site's record says. */
#include "trace.h"

/* What t, which does not run from now on, waits for, and how that is called. */
static int waits_for(const gos_tasklet *t, const void **object)
{
    *object = NULL;
    switch (t->place) {
    case GOS_IN_RING: return GOS_WHY_YIELD;
    case GOS_IN_CHANNEL:
        *object = t->wait.channel;
        return t->direction > 0 ? GOS_WHY_SEND : GOS_WHY_RECEIVE;
    case GOS_IN_SELECT:
        *object = t->wait.select;
        return GOS_WHY_SELECT;
    case GOS_ASLEEP: return GOS_WHY_SLEEP;
    case GOS_IN_WAITER:
        *object = t->wait.waiter;
        return GOS_WHY_WAITER;
    default: return t->flags & GOS_F_WATCHDOG ? GOS_WHY_RUN : GOS_WHY_PARK;
    }
}

void gosi_trace_switch(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    (void)s;
    const void *object;
    int why = waits_for(from, &object);
    if ((why == GOS_WHY_YIELD || why == GOS_WHY_PARK) && gosi_ring_here && gosi_ring_here->preempted) {
        gosi_ring_here->preempted = 0;
        why = GOS_WHY_PREEMPTED;
    }
    gosi_put(gosi_what(GOS_TRACE_SWITCH, why, from), (uintptr_t)to, (uintptr_t)object);
}

void gosi_trace_finish(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    (void)s;
    gosi_put(gosi_what(GOS_TRACE_SWITCH, GOS_WHY_FINISHED, from), (uintptr_t)to, 0);
}

void gosi_trace_idle(gos_sched *s)
{
    const void *object;
    gos_tasklet *cur = s->current;
    int why = cur->flags & GOS_F_READY ? waits_for(cur, &object) : (object = NULL, GOS_WHY_FINISHED);
    gosi_put(gosi_what(GOS_TRACE_IDLE, why, cur), 0, (uintptr_t)object);
}

void gosi_trace_event(int kind, int detail, const void *object, uint64_t a, uint64_t b)
{
    gosi_put(gosi_what(kind, detail, object), a, b);
}

void gosi_trace_wake(gos_sched *s, gos_tasklet *t, int cause, const void *object)
{
    uint64_t by = s ? (uintptr_t)s->current : 0;
    gosi_put(gosi_what(GOS_TRACE_WAKE, cause, t), by, (uintptr_t)object);
}

void gosi_trace_preempted(void)
{
    if (gosi_ring_here)
        gosi_ring_here->preempted = 1;
}

/* ---- for programs ---- */

void gos_trace_record(int kind, int detail, const void *object, uint64_t a, uint64_t b)
{
    GOSI_TRACE(kind, detail, object, a, b);
}

void gos_trace_zone_begin(uint32_t name)
{
    GOSI_TRACE(GOS_TRACE_ZONE_BEGIN, 0, NULL, name, 0);
}

void gos_trace_zone_end(uint32_t name)
{
    GOSI_TRACE(GOS_TRACE_ZONE_END, 0, NULL, name, 0);
}

void gos_trace_counter(uint32_t name, double value)
{
    union {
        double number;
        uint64_t bits;
    } u = {value};
    GOSI_TRACE(GOS_TRACE_COUNTER, 0, NULL, name, u.bits);
}

void gos_trace_message(uint32_t text)
{
    GOSI_TRACE(GOS_TRACE_MESSAGE, 0, NULL, text, 0);
}
