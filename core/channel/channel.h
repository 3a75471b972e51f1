/* channel.h - inside of channels: queues of waiters, kept values.
 *
 * A channel's queue holds gos_nodes: tasklets in a plain send or receive, or cases of a select. All wait in
 * the same direction; ch->waiting counts them, with the sign of the direction. In a buffered channel,
 * receivers wait only while nothing is kept, senders only while it is full.
 */
#ifndef GOSI_CHANNEL_H
#define GOSI_CHANNEL_H

#include "../sched/sched.h"

struct gos_buffer {
    size_t capacity, count, first;
    void *values[];
};

/* One case of a tasklet in select. Lives on the heap: its tasklet's stack may be evicted. */
struct gosi_select_node {
    gos_node link; /* first: kind GOS_NODE_SELECT */
    gos_tasklet *task;
    gos_channel *channel;
    void *value;
    int8_t direction; /* 1 send, -1 receive; 0 not linked */
};

struct gos_select {
    size_t count;
    size_t chosen;
    struct gos_case *cases; /* a copy, for reports */
    struct gosi_select_node nodes[];
};

static inline void gosi_queue_append(gos_channel *ch, gos_node *node, int direction)
{
    node->next = NULL;
    node->prev = ch->last;
    if (ch->last)
        ch->last->next = node;
    else
        ch->first = node;
    ch->last = node;
    ch->waiting += direction;
}

static inline void gosi_queue_unlink(gos_channel *ch, gos_node *node, int direction)
{
    if (node->prev)
        node->prev->next = node->next;
    else
        ch->first = node->next;
    if (node->next)
        node->next->prev = node->prev;
    else
        ch->last = node->prev;
    node->next = node->prev = NULL;
    ch->waiting -= direction;
}

static inline int gosi_buffer_has_room(const gos_channel *ch)
{
    return ch->buffer && !ch->closing && ch->buffer->count < ch->buffer->capacity;
}

static inline int gosi_buffer_has_value(const gos_channel *ch)
{
    return ch->buffer && ch->buffer->count > 0;
}

/* gos_node_tasklet and gos_channel_would_block, for inlining: they are part of each message. */
static inline gos_tasklet *gosi_node_tasklet(gos_node *node)
{
    return node->kind == GOS_NODE_SELECT ? ((struct gosi_select_node *)node)->task : (gos_tasklet *)node;
}

static inline int gosi_would_block(const gos_channel *ch, int send)
{
    if (send)
        return ch->waiting >= 0 && !gosi_buffer_has_room(ch);
    return ch->waiting <= 0 && !gosi_buffer_has_value(ch);
}

void gosi_buffer_put(struct gos_buffer *buffer, void *value);
void *gosi_buffer_get(struct gos_buffer *buffer);

/* Nobody needed to wait: perform the operation on the spot, if it can be. *done tells. */
int gosi_channel_try(gos_sched *s, gos_channel *ch, int direction, void *value, int *done);

/* Receive the oldest kept value; there is one. */
int gosi_receive_kept(gos_sched *s, gos_channel *ch);

/* The first waiter belongs to another scheduler: it continues there, and the caller here. */
int gosi_meet_foreign(gos_sched *s, gos_channel *ch, int direction, void *value);

/* See gosi_take_register. */
int gosi_clear_register(gos_sched *s);

/* May the current tasklet wait on ch? */
int gosi_channel_may_block(gos_sched *s, const gos_channel *ch, int64_t deadline_ns);

#endif
