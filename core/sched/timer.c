/* timer.c - deadlines: a binary heap of (time, tasklet).
 *
 * A tasklet has at most one timer; t->timer is its index plus one, so that stopping it needs no search.
 * Equal times fire in the order of starting.
 */
#include "sched.h"

struct gos_timer {
    int64_t deadline_ns;
    uint64_t order;
    gos_tasklet *t;
};

static int earlier(const gos_timer *a, const gos_timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->order < b->order;
}

static void put(gos_sched *s, uint32_t at, gos_timer timer)
{
    s->timers[at] = timer;
    timer.t->timer = at + 1;
}

static void sift_up(gos_sched *s, uint32_t at, gos_timer timer)
{
    while (at > 0 && earlier(&timer, &s->timers[(at - 1) / 2])) {
        put(s, at, s->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(s, at, timer);
}

static void sift_down(gos_sched *s, uint32_t at, gos_timer timer)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= s->timer_count)
            break;
        if (child + 1 < s->timer_count && earlier(&s->timers[child + 1], &s->timers[child]))
            child++;
        if (!earlier(&s->timers[child], &timer))
            break;
        put(s, at, s->timers[child]);
        at = child;
    }
    put(s, at, timer);
}

int gosi_timer_start(gos_sched *s, gos_tasklet *t, int64_t deadline_ns)
{
    GOS_ASSERT(!t->timer);
    int rc = gosi_reserve((void **)&s->timers, s->timer_count, &s->timer_room, sizeof *s->timers);
    if (rc != GOS_OK)
        return rc;
    sift_up(s, s->timer_count++, (gos_timer){deadline_ns, ++s->timer_order, t});
    if (!(gosi_attention(s) & GOS_ATTENTION_TIMERS)) /* taken back when somebody looks and finds none */
        __atomic_fetch_or(&s->attention, GOS_ATTENTION_TIMERS, __ATOMIC_RELAXED);
    return GOS_OK;
}

void gosi_timer_stop(gos_sched *s, gos_tasklet *t)
{
    uint32_t at = t->timer - 1;
    t->timer = 0;
    gos_timer last = s->timers[--s->timer_count];
    if (at == s->timer_count)
        return;
    if (at > 0 && earlier(&last, &s->timers[(at - 1) / 2]))
        sift_up(s, at, last);
    else
        sift_down(s, at, last);
}

void gosi_timer_fire(gos_sched *s)
{
    int64_t now = gos_now();
    while (s->timer_count && s->timers[0].deadline_ns <= now)
        gosi_wake(s, s->timers[0].t, s->timers[0].t->flags & GOS_F_LIMIT_FIRST ? GOS_ELIMIT : GOS_ETIMEDOUT);
}

int64_t gosi_limited(gos_sched *s, gos_tasklet *t, int64_t deadline_ns)
{
    int64_t limit_ns = s->hooks->limit(t);
    t->flags &= ~(uint32_t)GOS_F_LIMIT_FIRST;
    if (limit_ns >= deadline_ns)
        return deadline_ns;
    t->flags |= GOS_F_LIMIT_FIRST;
    return limit_ns;
}

int64_t gosi_timer_earliest(const gos_sched *s)
{
    return s->timers[0].deadline_ns;
}
