/* run.c - run(): the caller steps aside until nobody else can run.
 *
 * The watchdog stack holds the tasklets inside run(), innermost last; it owns a reference to each. It is an
 * array and not a list through C frames, since those frames may be evicted.
 */
#include "sched.h"

/* cur continues although it is still on the watchdog stack (somebody inserted it, or threw into it): the
 * ones inside of it have nobody to wait for any more and become runnable. */
static void pop_down_to(gos_sched *s, gos_tasklet *cur)
{
    while (cur->flags & GOS_F_WATCHDOG) {
        gos_tasklet *t = s->watchdogs[--s->watchdog_count];
        t->flags &= ~(uint32_t)GOS_F_WATCHDOG;
        if (t->place == GOS_NOWHERE)
            gosi_ring_append(s, t); /* the stack's reference becomes the ring's */
        else
            s->hooks->drop(t);
    }
}

int gos_sched_run(gos_sched *s)
{
    gos_tasklet *cur = s->current, *to;
    if (gosi_half_gone(s) || (cur->flags & GOS_F_WATCHDOG)) /* the latter: a hook, in the middle of its run() */
        return GOS_ETRAP;
    gosi_attend(s);
    if (gosi_ring_next(cur) == cur && !gosi_awaits(s) && !s->threadblock)
        return GOS_OK;
    int rc = gosi_reserve((void **)&s->watchdogs, s->watchdog_count, &s->watchdog_room, sizeof *s->watchdogs);
    if (rc != GOS_OK)
        return rc;
    s->watchdogs[s->watchdog_count++] = cur;
    cur->flags |= GOS_F_WATCHDOG;
    gosi_ring_unlink(s, cur);
    rc = gosi_next(s, &to);
    if (rc == GOS_OK)
        rc = gosi_prepare(s, cur, to);
    if (rc != GOS_OK) {
        s->watchdog_count--;
        cur->flags &= ~(uint32_t)GOS_F_WATCHDOG;
        if (cur->place == GOS_IN_RING) { /* a hook has inserted it meanwhile */
            s->head = cur;
            s->hooks->drop(cur); /* the stack's reference: the ring has another */
        } else {
            gosi_ring_push_front(s, cur);
        }
        return rc;
    }
    gosi_take_over(s, to);
    rc = to == cur ? GOS_OK : gosi_switch(s, to);
    pop_down_to(s, cur);
    return rc;
}
