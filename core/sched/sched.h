/* sched.h - inside of the scheduler: the ring, and the one primitive all switches go through.
 *
 * Ring: circular list of runnable tasklets. "Append" means directly before the head: the last to get a turn.
 * Every operation that gives up control follows the same steps:
 *     1 decide who is next (gosi_next), which changes nothing
 *     2 gosi_prepare: switch trap, memory; may fail
 *     3 change the ring (cannot fail)
 *     4 gosi_switch
 */
#ifndef GOSI_SCHED_H
#define GOSI_SCHED_H

#include "../base/base.h"
#include "../stack/stack.h"
#include "../trace/trace.h"
#include "gossamer/embed.h"

static inline gos_tasklet *gosi_ring_next(const gos_tasklet *t)
{
    return (gos_tasklet *)t->next;
}

/* Link t directly before at; at NULL: t becomes the only member. */
static inline void gosi_ring_link(gos_sched *s, gos_tasklet *t, gos_tasklet *at)
{
    GOS_ASSERT(t->place == GOS_NOWHERE);
    if (at) {
        t->next = (gos_node *)at;
        t->prev = at->prev;
        at->prev->next = (gos_node *)t;
        at->prev = (gos_node *)t;
    } else {
        t->next = t->prev = (gos_node *)t;
        s->head = t;
    }
    t->place = GOS_IN_RING;
    s->runcount++;
}

static inline void gosi_ring_append(gos_sched *s, gos_tasklet *t)
{
    gosi_ring_link(s, t, s->head);
}

static inline void gosi_ring_push_front(gos_sched *s, gos_tasklet *t)
{
    gosi_ring_link(s, t, s->head);
    s->head = t;
}

static inline void gosi_ring_unlink(gos_sched *s, gos_tasklet *t)
{
    GOS_ASSERT(t->place == GOS_IN_RING);
    if (t->next == (gos_node *)t) {
        s->head = NULL;
    } else {
        t->next->prev = t->prev;
        t->prev->next = t->next;
        if (s->head == t)
            s->head = (gos_tasklet *)t->next;
    }
    t->place = GOS_NOWHERE;
    s->runcount--;
}

/* An operation of the current tasklet is under way, and the caller is a hook in the middle of it: a switch
 * listener, or a signal handler while the thread waits. It must neither block nor switch, whatever the trap
 * says, and the exchange register is taken. */
static inline int gosi_half_gone(const gos_sched *s)
{
    return GOSI_UNLIKELY(s->current != s->head);
}

static inline int gosi_prepare(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    if (GOSI_UNLIKELY(s->trap))
        return GOS_ETRAP;
    return gosi_stack_prepare(s, from, to);
}

/* Tell the listener. The second also guards the stack that prepare has picked for to. */
void gosi_announce(gos_sched *s, gos_tasklet *from, gos_tasklet *to);
void gosi_announce_switch(gos_sched *s, gos_tasklet *from, gos_tasklet *to);
void gosi_resume_cxx(gos_sched *s, gos_tasklet *from, gos_tasklet *to);

/* Continue with to, the head of the ring. Returns when the current tasklet is resumed, with the status
 * that its wait ended with. */
static GOSI_INLINE int gosi_switch(gos_sched *s, gos_tasklet *to)
{
    gos_tasklet *from = s->current;
    GOS_ASSERT(s->head == to && to != from);
    if (GOSI_UNLIKELY(s->notify != NULL))
        gosi_announce_switch(s, from, to);
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_switch(s, from, to);
    s->current = to;
    s->switches++;
    s->hooks->swap(from, to);
    int saved_errno = *s->errno_place;
    if (GOSI_UNLIKELY(s->cxa != NULL))
        gosi_resume_cxx(s, from, to);
    else
        gosi_stack_switch(s, from, to);
    *s->errno_place = saved_errno;
    int status = from->status;
    from->status = GOS_OK;
    return status;
}

/* Who runs when the current tasklet leaves the ring, which it has already done: *to, or GOS_EDEADLOCK,
 * GOS_EHOOK. May wait for a timer or a thread; then the current tasklet itself may be the answer. Changes nothing
 * else. */
int gosi_next(gos_sched *s, gos_tasklet **to);

/* Put what gosi_next chose at the head of the ring. */
void gosi_take_over(gos_sched *s, gos_tasklet *to);

/* t, wherever it waits, becomes runnable (appended) and gets status. */
void gosi_wake(gos_sched *s, gos_tasklet *t, int status);

/* timer.c */
int gosi_timer_start(gos_sched *s, gos_tasklet *t, int64_t deadline_ns);
void gosi_timer_stop(gos_sched *s, gos_tasklet *t);
/* Wake those whose time has come. */
void gosi_timer_fire(gos_sched *s);
int64_t gosi_timer_earliest(const gos_sched *s);
/* The earlier of deadline_ns and the limit that the embedder has set on t; t remembers which. */
int64_t gosi_limited(gos_sched *s, gos_tasklet *t, int64_t deadline_ns);

static inline int64_t gosi_until(gos_sched *s, gos_tasklet *t, int64_t deadline_ns)
{
    return GOSI_LIKELY(!(t->flags & GOS_F_LIMITED)) ? deadline_ns : gosi_limited(s, t, deadline_ns);
}

/* inbox.c: deliver messages, fire timers. At every scheduling point, if there is something to do. */
void gosi_attend_slow(gos_sched *s);

static inline uint32_t gosi_attention(const gos_sched *s)
{
    return __atomic_load_n(&s->attention, __ATOMIC_RELAXED);
}

static inline void gosi_attend(gos_sched *s)
{
    if (GOSI_UNLIKELY(gosi_attention(s)))
        gosi_attend_slow(s);
}

/* Is anything under way that will make somebody runnable, without another thread's good will? */
static inline int gosi_awaits(const gos_sched *s)
{
    return s->timer_count || s->expected;
}

/* The current tasklet has left the ring and is linked to what it waits for: run others until it is woken.
 * When nobody can run, or the switch fails, it is unlinked again and back at the head of the ring. */
int gosi_wait_slow(gos_sched *s);
int gosi_stay(gos_sched *s, gos_tasklet *cur, int rc);

static GOSI_INLINE int gosi_wait(gos_sched *s)
{
    gos_tasklet *to = s->head;
    if (GOSI_UNLIKELY(!to || gosi_attention(s)))
        return gosi_wait_slow(s);
    int rc = gosi_prepare(s, s->current, to);
    if (GOSI_UNLIKELY(rc != GOS_OK))
        return gosi_stay(s, s->current, rc);
    return gosi_switch(s, to);
}

/* gos_sched_yield, for embedders that inline it. */
static GOSI_INLINE int gosi_yield(gos_sched *s)
{
    if (gosi_half_gone(s))
        return GOS_ETRAP;
    gosi_attend(s);
    gos_tasklet *cur = s->current, *to = gosi_ring_next(cur);
    if (to == cur)
        return GOS_OK;
    int rc = gosi_prepare(s, cur, to);
    if (GOSI_UNLIKELY(rc != GOS_OK))
        return rc;
    s->head = to;
    return gosi_switch(s, to);
}

/* Taking a blocked tasklet out of its channel or select; in channel/. */
void gosi_channel_unlink(gos_tasklet *t);
void gosi_select_unlink(gos_tasklet *t);

#endif
