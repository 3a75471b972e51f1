/* channel.c - send and receive.
 *
 * Who continues after a meeting (caller S, partner T, ring [S A B]):
 *     the caller is preferred, or nobody    [S A B T]
 *     T is preferred                        [T A B S]
 *     schedule_all                          [A B T S]
 * Preference -1 prefers the receiver, 1 the sender.
 */
#include "channel.h"

/* The first waiter leaves the queue with what it waited for; the caller puts it into the ring. Its place's
 * reference is the caller's. */
static gos_tasklet *take_partner(gos_sched *s, gos_channel *ch, void **value)
{
    gos_node *node = ch->first;
    gos_tasklet *t = gos_node_tasklet(node);
    int sending = ch->waiting > 0;
    void *sent;
    if (node->kind == GOS_NODE_SELECT) {
        struct gosi_select_node *sn = (struct gosi_select_node *)node;
        t->wait.select->chosen = (size_t)(sn - t->wait.select->nodes);
        sent = sn->value;
        t->value = NULL;
    } else {
        sent = t->value;
        t->value = NULL;
    }
    if (sending)
        *value = sent;
    else
        t->value = *value;
    int was_waiting = gos_sched_unlink(s, t, GOS_OK);
    GOS_CHECK(was_waiting);
    return t;
}

static int partner_waits(const gos_channel *ch, int direction)
{
    return direction > 0 ? ch->waiting < 0 : ch->waiting > 0;
}

/* A sender or receiver waits: the value passes, and the ring decides who continues. */
static int meet(gos_sched *s, gos_channel *ch, int direction, void *value)
{
    gos_tasklet *cur = s->current, *partner = gos_node_tasklet(ch->first);
    if (partner->sched != s)
        return GOS_ETHREAD;
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
    gos_tasklet *t = take_partner(s, ch, &value);
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

/* A full buffer had senders waiting: one of them can put its value now. */
static int refill(gos_sched *s, gos_channel *ch)
{
    if (ch->waiting <= 0 || !gosi_buffer_has_room(ch))
        return GOS_OK;
    void *value = NULL;
    if (gos_node_tasklet(ch->first)->sched != s)
        return GOS_ETHREAD;
    gos_tasklet *t = take_partner(s, ch, &value);
    gosi_buffer_put(ch->buffer, value);
    gosi_ring_append(s, t);
    return GOS_OK;
}

int gosi_channel_try(gos_sched *s, gos_channel *ch, int direction, void *value, int *done)
{
    *done = 1;
    if (direction < 0 && gosi_buffer_has_value(ch)) {
        s->current->value = gosi_buffer_get(ch->buffer);
        return refill(s, ch);
    }
    if (partner_waits(ch, direction))
        return meet(s, ch, direction, value);
    if (direction > 0 && gosi_buffer_has_room(ch)) {
        gosi_buffer_put(ch->buffer, value);
        return GOS_OK;
    }
    *done = 0;
    return GOS_OK;
}

int gosi_channel_may_block(gos_sched *s, const gos_channel *ch, int64_t deadline_ns)
{
    if (gosi_half_gone(s))
        return GOS_ETRAP;
    if (s->current->flags & GOS_F_BLOCK_TRAP)
        return GOS_EBLOCKTRAP;
    if (ch->closing)
        return GOS_ECLOSED;
    if (deadline_ns <= 0)
        return GOS_ETIMEDOUT;
    return GOS_OK;
}

static int block(gos_sched *s, gos_channel *ch, int direction, void *value, int64_t deadline_ns)
{
    gos_tasklet *cur = s->current;
    int rc = gosi_channel_may_block(s, ch, deadline_ns);
    if (rc != GOS_OK)
        return rc;
    if (deadline_ns != GOS_FOREVER) {
        rc = gosi_timer_start(s, cur, deadline_ns);
        if (rc != GOS_OK)
            return rc;
    }
    gosi_ring_unlink(s, cur);
    cur->value = value;
    cur->wait.channel = ch;
    cur->direction = (int8_t)direction;
    cur->place = GOS_IN_CHANNEL;
    gosi_queue_append(ch, (gos_node *)cur, direction);
    rc = gosi_wait(s);
    if (rc != GOS_OK)
        cur->value = NULL; /* the caller's again */
    return rc;
}

int gos_channel_send(gos_sched *s, gos_channel *ch, void *value, int64_t deadline_ns)
{
    int done, rc = gosi_channel_try(s, ch, 1, value, &done);
    return done ? rc : block(s, ch, 1, value, deadline_ns);
}

int gos_channel_receive(gos_sched *s, gos_channel *ch, int64_t deadline_ns)
{
    int done, rc = gosi_channel_try(s, ch, -1, NULL, &done);
    return done ? rc : block(s, ch, -1, NULL, deadline_ns);
}

void gosi_channel_unlink(gos_tasklet *t)
{
    gosi_queue_unlink(t->wait.channel, (gos_node *)t, t->direction);
    t->wait.channel = NULL;
}

gos_tasklet *gos_node_tasklet(gos_node *node)
{
    return node->kind == GOS_NODE_SELECT ? ((struct gosi_select_node *)node)->task : (gos_tasklet *)node;
}

int gos_node_owns_tasklet(gos_node *node)
{
    return node->kind == GOS_NODE_TASKLET || (struct gosi_select_node *)node == gos_node_tasklet(node)->wait.select->nodes;
}

int gos_channel_would_block(const gos_channel *ch, int send)
{
    if (send)
        return ch->waiting >= 0 && !gosi_buffer_has_room(ch);
    return ch->waiting <= 0 && !gosi_buffer_has_value(ch);
}

int gos_channel_balance(const gos_channel *ch)
{
    return ch->waiting + (ch->buffer ? (int)ch->buffer->count : 0);
}

void gos_channel_init(gos_channel *ch)
{
    *ch = (gos_channel){.preference = -1};
}

/* ---- gossamer.h ------------------------------------------------------------------------------- */

int gos_channel_create(size_t capacity, gos_channel **out)
{
    gos_channel *ch = gosi_alloc(sizeof *ch);
    if (!ch)
        return GOS_ENOMEM;
    gos_channel_init(ch);
    int rc = gos_channel_set_capacity(ch, capacity);
    if (rc != GOS_OK) {
        gosi_free(ch);
        return rc;
    }
    *out = ch;
    return GOS_OK;
}

int gos_channel_destroy(gos_channel *ch)
{
    if (!ch)
        return GOS_OK;
    if (ch->waiting)
        return GOS_EBUSY;
    gos_channel_fini(ch);
    gosi_free(ch);
    return GOS_OK;
}

void gos_close(gos_channel *ch)
{
    ch->closing = 1;
}

void gos_open(gos_channel *ch)
{
    ch->closing = 0;
}

int gos_balance(const gos_channel *ch)
{
    return gos_channel_balance(ch);
}

void gos_set_preference(gos_channel *ch, int preference)
{
    ch->preference = (int8_t)(preference < 0 ? -1 : preference > 0);
}
