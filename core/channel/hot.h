/* hot.h - send and receive, to be inlined where they are called (why: stack.h, gosi_stack_switch).
 *
 * Who continues after a meeting (caller S, partner T, ring [S A B]):
 *     the caller is preferred, or nobody    [S A B T]
 *     T is preferred                        [T A B S]
 *     schedule_all                          [A B T S]
 * Preference -1 prefers the receiver, 1 the sender.
 */
#ifndef GOSI_CHANNEL_HOT_H
#define GOSI_CHANNEL_HOT_H

#include "channel.h"

/* The first waiter leaves the queue with what it waited for; the caller puts it into the ring. Its place's
 * reference is the caller's. *value: what a receiver gets (NULL if it sends), or what a sender sent. */
static GOSI_INLINE gos_tasklet *gosi_take_partner(gos_channel *ch, void **value)
{
    gos_node *node = ch->first;
    gos_tasklet *t = gosi_node_tasklet(node);
    int sending = ch->waiting > 0;
    void *sent;
    if (GOSI_LIKELY(node->kind == GOS_NODE_TASKLET && !t->timer)) { /* hot: what unlinking comes to here */
        sent = t->value;
        t->value = *value;
        *value = sent;
        gosi_queue_unlink(ch, node, t->direction);
        t->wait.channel = NULL;
        t->place = GOS_NOWHERE;
        t->direction = 0;
        return t;
    }
    if (node->kind == GOS_NODE_SELECT) {
        struct gosi_select_node *sn = (struct gosi_select_node *)node;
        t->wait.select->chosen = (size_t)(sn - t->wait.select->nodes);
        sent = sn->value;
        t->value = NULL;
    } else {
        sent = t->value;
        t->value = NULL;
    }
    t->value = sending ? NULL : *value;
    if (sending)
        *value = sent;
    int was_waiting = gos_sched_unlink(t->sched, t, GOS_OK);
    GOS_CHECK(was_waiting);
    return t;
}

/* Make the exchange register free for what the current tasklet is about to get: GOS_ETRAP if it cannot be,
 * GOS_ECANCELED if another thread has thrown an error into the tasklet, which comes first. */
static GOSI_INLINE int gosi_take_register(gos_sched *s)
{
    return GOSI_LIKELY(!s->current->value) ? GOS_OK : gosi_clear_register(s);
}

static GOSI_INLINE int gosi_partner_waits(const gos_channel *ch, int direction)
{
    return direction > 0 ? ch->waiting < 0 : ch->waiting > 0;
}

/* A sender or receiver waits: the value passes, and the ring decides who continues. */
static GOSI_INLINE int gosi_meet(gos_sched *s, gos_channel *ch, int direction, void *value)
{
    gos_tasklet *cur = s->current, *partner = gosi_node_tasklet(ch->first);
    if (GOSI_UNLIKELY(partner->sched != s))
        return gosi_meet_foreign(s, ch, direction, value);
    if (direction < 0) {
        int rc = gosi_take_register(s);
        if (GOSI_UNLIKELY(rc != GOS_OK))
            return rc;
    }
    int partner_next = ch->preference == -direction && !ch->schedule_all;
    int others_next = ch->schedule_all;
    gos_tasklet *to = partner_next || gosi_ring_next(cur) == cur ? partner : gosi_ring_next(cur);
    if (partner_next || others_next) {
        if (gosi_half_gone(s))
            return GOS_ETRAP;
        int rc = gosi_prepare(s, cur, to);
        if (rc != GOS_OK)
            return rc;
    }
    gos_tasklet *t = gosi_take_partner(ch, &value);
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(s, t, direction > 0 ? GOS_CAUSE_RECEIVED : GOS_CAUSE_SENT, ch);
    if (direction < 0)
        cur->value = value;
    if (partner_next) {
        gosi_ring_link(s, t, gosi_ring_next(cur)); /* directly after the caller, so the caller is last */
        s->head = t;
    } else {
        gosi_ring_append(s, t);
        if (!others_next)
            return GOS_OK;
        s->head = to;
    }
    return gosi_switch(s, to);
}

static GOSI_INLINE int gosi_channel_try_hot(gos_sched *s, gos_channel *ch, int direction, void *value, int *done)
{
    *done = 1;
    if (direction < 0 && gosi_buffer_has_value(ch))
        return gosi_receive_kept(s, ch);
    if (gosi_partner_waits(ch, direction))
        return gosi_meet(s, ch, direction, value);
    if (direction > 0 && gosi_buffer_has_room(ch)) {
        gosi_buffer_put(ch->buffer, value);
        GOSI_TRACE(GOS_TRACE_KEEP, 0, ch, ch->buffer->count, 0);
        return GOS_OK;
    }
    *done = 0;
    return GOS_OK;
}

static GOSI_INLINE int gosi_may_block(gos_sched *s, const gos_channel *ch, int64_t deadline_ns)
{
    if (deadline_ns <= 0) /* only asks: no trap minds that */
        return ch->closing ? GOS_ECLOSED : GOS_ETIMEDOUT;
    if (gosi_half_gone(s))
        return GOS_ETRAP;
    if (s->current->flags & GOS_F_BLOCK_TRAP)
        return GOS_EBLOCKTRAP;
    if (ch->closing)
        return GOS_ECLOSED;
    return gosi_take_register(s);
}

static GOSI_INLINE int gosi_channel_block(gos_sched *s, gos_channel *ch, int direction, void **value, int64_t deadline_ns)
{
    gos_tasklet *cur = s->current;
    int rc = gosi_may_block(s, ch, deadline_ns);
    if (rc != GOS_OK)
        return rc;
    deadline_ns = gosi_until(s, cur, deadline_ns);
    if (GOSI_UNLIKELY(deadline_ns != GOS_FOREVER)) {
        rc = gosi_timer_start(s, cur, deadline_ns);
        if (rc != GOS_OK)
            return rc;
    }
    gosi_ring_unlink(s, cur);
    cur->value = *value;
    cur->wait.channel = ch;
    cur->direction = (int8_t)direction;
    cur->place = GOS_IN_CHANNEL;
    gosi_queue_append(ch, (gos_node *)cur, direction);
    rc = gosi_wait(s);
    if (rc != GOS_OK) { /* the caller's again: what is in the register by now, as the embedder may have replaced it */
        *value = cur->value;
        cur->value = NULL;
    }
    return rc;
}

/* direction 1: send *value; -1: receive (*value is NULL). After a failure *value belongs to the caller. */
static GOSI_INLINE int gosi_channel_operate(gos_sched *s, gos_channel *ch, int direction, void **value, int64_t deadline_ns)
{
    int done, rc = gosi_channel_try_hot(s, ch, direction, *value, &done);
    return done ? rc : gosi_channel_block(s, ch, direction, value, deadline_ns);
}

#endif
