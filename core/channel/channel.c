/* channel.c - channels but for the hot path, which is in hot.h. */
#include "hot.h"

/* If the register is in use, either the embedder left something there, or the caller is a hook and it is what
 * the tasklet waits with, or is resumed with. */
int gosi_clear_register(gos_sched *s)
{
    if (s->trap || gosi_half_gone(s))
        return GOS_ETRAP;
    if (s->current->flags & GOS_F_THROWN)
        return GOS_ECANCELED;
    s->deferred_value = s->current->value;
    s->current->value = NULL;
    return GOS_OK;
}

/* t has become runnable; the other thread may be asleep for want of that. */
static void continue_there(gos_sched *s, gos_tasklet *t)
{
    gosi_ring_append(t->sched, t);
    if (t->sched != s)
        gos_sched_nudge(t->sched);
}

/* The rules of preference concern one thread only. */
int gosi_meet_foreign(gos_sched *s, gos_channel *ch, int direction, void *value)
{
    if (!s->hooks->exclusive)
        return GOS_ETHREAD;
    if (direction < 0) {
        int rc = gosi_take_register(s);
        if (rc != GOS_OK)
            return rc;
    }
    gos_tasklet *t = gosi_take_partner(ch, &value);
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(s, t, direction > 0 ? GOS_CAUSE_RECEIVED : GOS_CAUSE_SENT, ch);
    if (direction < 0)
        s->current->value = value;
    continue_there(s, t);
    return GOS_OK;
}

/* A full buffer may have senders waiting: one of them can put its value now, even on a closing channel, or a
 * sender after gos_open would overtake it. */
int gosi_receive_kept(gos_sched *s, gos_channel *ch)
{
    if (ch->waiting > 0 && gos_node_tasklet(ch->first)->sched != s && !s->hooks->exclusive)
        return GOS_ETHREAD;
    int rc = gosi_take_register(s);
    if (rc != GOS_OK)
        return rc;
    s->current->value = gosi_buffer_get(ch->buffer);
    GOSI_TRACE(GOS_TRACE_TAKE, 0, ch, ch->buffer->count, 0);
    if (ch->waiting > 0) {
        void *value = NULL;
        gos_tasklet *t = gosi_take_partner(ch, &value);
        gosi_buffer_put(ch->buffer, value);
        if (GOSI_UNLIKELY(gosi_tracing()))
            gosi_trace_wake(s, t, GOS_CAUSE_ROOM, ch);
        continue_there(s, t);
    }
    return GOS_OK;
}

int gosi_channel_try(gos_sched *s, gos_channel *ch, int direction, void *value, int *done)
{
    return gosi_channel_try_hot(s, ch, direction, value, done);
}

int gos_channel_send(gos_sched *s, gos_channel *ch, void *value, int64_t deadline_ns)
{
    return gosi_channel_operate(s, ch, 1, &value, deadline_ns);
}

int gos_channel_receive(gos_sched *s, gos_channel *ch, int64_t deadline_ns)
{
    void *nothing = NULL;
    return gosi_channel_operate(s, ch, -1, &nothing, deadline_ns);
}

int gosi_channel_may_block(gos_sched *s, const gos_channel *ch, int64_t deadline_ns)
{
    return gosi_may_block(s, ch, deadline_ns);
}

void gosi_channel_unlink(gos_tasklet *t)
{
    gosi_queue_unlink(t->wait.channel, (gos_node *)t, t->direction);
    t->wait.channel = NULL;
}

gos_tasklet *gos_node_tasklet(gos_node *node)
{
    return gosi_node_tasklet(node);
}

int gos_node_owns_tasklet(gos_node *node)
{
    return node->kind == GOS_NODE_TASKLET || (struct gosi_select_node *)node == gos_node_tasklet(node)->wait.select->nodes;
}

int gos_channel_would_block(const gos_channel *ch, int send)
{
    return gosi_would_block(ch, send);
}

int gos_channel_balance(const gos_channel *ch)
{
    return ch->waiting + (ch->buffer ? (int)ch->buffer->count : 0);
}

void gos_channel_init(gos_channel *ch)
{
    *ch = (gos_channel){.preference = -1};
}
