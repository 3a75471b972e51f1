/* shared.c - channels that several threads use at once.
 *
 * A waiter is not the tasklet itself, as in an ordinary channel, but a record on the heap: a partner on another
 * thread touches the record only, under the world's lock, and then posts it to the waiter's thread, which does the
 * rest. So a tasklet is only ever touched by its own thread. The partner always continues.
 *
 * Life of a record: WAITING in one or more queues; TAKEN, by a partner, who has posted it; DELIVERED, or taken out of
 * the queues by its own thread (deadline, kill). Its tasklet frees it when it continues, or, if the message is
 * still on its way then, the delivery does.
 */
#include "shared.h"

enum { WAITING, TAKEN, DELIVERED };

struct shared_node {
    gos_node link; /* first */
    struct gosi_shared_wait *wait;
    gos_channel *channel;
    void *value;
    int8_t direction; /* 1 send, -1 receive */
};

struct gosi_shared_wait {
    gos_message message; /* first */
    gos_waiter waiter;
    struct gosi_member *member;
    gos_tasklet *task; /* NULL: it does not wait for the message any more */
    void *value;       /* what a receiver gets */
    size_t count, chosen;
    uint8_t state;
    uint8_t abandoned; /* the delivery frees it */
    struct shared_node nodes[];
};

/* ---- waking ---- */

static void continue_with(gos_sched *s, struct gosi_shared_wait *w)
{
    gos_tasklet *t = w->task;
    w->state = DELIVERED;
    if (t) {
        gos_sched_wake(s, t, w->value);
    } else if (w->abandoned) {
        gosi_free(w);
    }
}

static void deliver(gos_sched *s, gos_message *m)
{
    continue_with(s, (struct gosi_shared_wait *)m);
}

/* With the lock held: the first waiter leaves the queues with what it waited for. Gives it back if it is the
 * caller's own to continue, once the lock is released; others are posted. */
static struct gosi_shared_wait *take_partner(struct gosi_member *me, gos_channel *ch, void **value)
{
    struct shared_node *node = (struct shared_node *)ch->first;
    struct gosi_shared_wait *w = node->wait;
    w->chosen = (size_t)(node - w->nodes);
    if (node->direction > 0)
        *value = node->value;
    else
        w->value = *value;
    for (size_t i = 0; i < w->count; i++)
        gosi_queue_unlink(w->nodes[i].channel, &w->nodes[i].link, w->nodes[i].direction);
    w->state = TAKEN;
    if (GOSI_UNLIKELY(gosi_tracing()))
        gosi_trace_wake(me->sched, w->task, node->direction > 0 ? GOS_CAUSE_SENT : GOS_CAUSE_RECEIVED, ch);
    if (w->member == me)
        return w;
    gosi_member_post(w->member, &w->message);
    return NULL;
}

/* With the lock held: perform the operation without waiting, if that is possible. */
static int try_case(struct gosi_member *me, gos_channel *ch, int send, void **value, struct gosi_shared_wait **mine)
{
    void *passed = NULL;
    if (send ? ch->waiting < 0 : ch->waiting > 0 && !gosi_buffer_has_value(ch)) {
        *mine = take_partner(me, ch, value);
    } else if (send) {
        if (!gosi_buffer_has_room(ch))
            return 0;
        gosi_buffer_put(ch->buffer, *value);
    } else {
        if (!gosi_buffer_has_value(ch))
            return 0;
        *value = gosi_buffer_get(ch->buffer);
        if (ch->waiting > 0) { /* there is room for the first sender's, now */
            *mine = take_partner(me, ch, &passed);
            gosi_buffer_put(ch->buffer, passed);
        }
    }
    return 1;
}

static int try_cases(struct gosi_member *me, struct gos_case *cases, size_t n, size_t *chosen, struct gosi_shared_wait **mine)
{
    for (size_t i = 0; i < n; i++) {
        if (try_case(me, cases[i].channel, cases[i].send, &cases[i].value, mine)) {
            *chosen = i;
            return 1;
        }
    }
    return 0;
}

/* ---- waiting ---- */

static int check_cases(struct gos_case *cases, size_t n)
{
    if (n == 0 || n > INT32_MAX)
        return GOS_EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (!cases[i].channel->shared)
            return GOS_EINVAL;
        for (size_t j = 0; j < i; j++)
            if (cases[j].channel == cases[i].channel && !cases[j].send != !cases[i].send)
                return GOS_EINVAL;
    }
    return GOS_OK;
}

static int may_block(gos_sched *s, struct gos_case *cases, size_t n, int64_t deadline_ns)
{
    int closing = 0;
    for (size_t i = 0; i < n; i++)
        closing |= __atomic_load_n(&cases[i].channel->closing, __ATOMIC_RELAXED);
    if (deadline_ns <= 0)
        return closing ? GOS_ECLOSED : GOS_ETIMEDOUT;
    if (gosi_half_gone(s) || s->trap)
        return GOS_ETRAP;
    if (s->current->flags & GOS_F_BLOCK_TRAP)
        return GOS_EBLOCKTRAP;
    return closing ? GOS_ECLOSED : GOS_OK;
}

/* Its own thread ends the wait: 0, or 1 if a partner was faster. */
static int unlink_waiter(gos_tasklet *t)
{
    struct gosi_shared_wait *w = (struct gosi_shared_wait *)((char *)t->wait.waiter - offsetof(struct gosi_shared_wait, waiter));
    gosi_world_lock();
    int taken = w->state == TAKEN;
    for (size_t i = 0; !taken && i < w->count; i++)
        gosi_queue_unlink(w->nodes[i].channel, &w->nodes[i].link, w->nodes[i].direction);
    gosi_world_unlock();
    if (taken)
        t->value = w->value;
    else
        w->state = DELIVERED;
    w->task = NULL;
    return taken;
}

static struct gosi_shared_wait *make_wait(struct gosi_member *me, const struct gos_case *cases, size_t n)
{
    struct gosi_shared_wait *w = gosi_alloc(sizeof *w + n * sizeof w->nodes[0]);
    if (!w)
        return NULL;
    *w = (struct gosi_shared_wait){
        .message = {.deliver = deliver},
        .waiter = {.unlink = unlink_waiter},
        .member = me,
        .task = me->sched->current,
        .count = n,
    };
    for (size_t i = 0; i < n; i++)
        w->nodes[i] = (struct shared_node){
            .link = {.kind = GOS_NODE_SHARED},
            .wait = w,
            .channel = cases[i].channel,
            .value = cases[i].value,
            .direction = cases[i].send ? 1 : -1,
        };
    return w;
}

/* In the queues, unless a partner has come since the last look: 1 then, and the operation is done. */
static int enqueue(struct gosi_shared_wait *w, struct gos_case *cases, size_t *chosen, struct gosi_shared_wait **mine)
{
    gosi_world_lock();
    int done = try_cases(w->member, cases, w->count, chosen, mine);
    for (size_t i = 0; !done && i < w->count; i++)
        gosi_queue_append(w->nodes[i].channel, &w->nodes[i].link, w->nodes[i].direction);
    gosi_world_unlock();
    return done;
}

static int wait_for_partner(struct gosi_member *me, struct gos_case *cases, size_t n, int64_t deadline_ns, size_t *chosen)
{
    gos_sched *s = me->sched;
    gos_tasklet *cur = s->current;
    struct gosi_shared_wait *mine = NULL, *w = make_wait(me, cases, n);
    if (!w)
        return GOS_ENOMEM;
    if (enqueue(w, cases, chosen, &mine)) {
        gosi_free(w);
        if (mine)
            continue_with(s, mine);
        return GOS_OK;
    }
    int rc = gos_sched_wait(s, &w->waiter, deadline_ns);
    *chosen = w->chosen;
    if (rc == GOS_OK && !cases[w->chosen].send) {
        cases[w->chosen].value = cur->value;
        cur->value = NULL;
    }
    if (w->state == TAKEN)
        w->abandoned = 1;
    else
        gosi_free(w);
    return rc;
}

int gosi_shared_select(struct gosi_member *me, struct gos_case *cases, size_t n, int64_t deadline_ns, size_t *chosen)
{
    struct gosi_shared_wait *mine = NULL;
    int rc = check_cases(cases, n);
    if (rc != GOS_OK)
        return rc;
    gosi_world_lock();
    int done = try_cases(me, cases, n, chosen, &mine);
    gosi_world_unlock();
    if (mine)
        continue_with(me->sched, mine);
    if (done)
        return GOS_OK;
    rc = may_block(me->sched, cases, n, deadline_ns);
    return rc == GOS_OK ? wait_for_partner(me, cases, n, deadline_ns, chosen) : rc;
}

int gosi_shared_operate(struct gosi_member *me, gos_channel *ch, int send, void **value, int64_t deadline_ns)
{
    struct gos_case one = {.channel = ch, .send = send, .value = *value};
    size_t chosen;
    int rc = gosi_shared_select(me, &one, 1, deadline_ns, &chosen);
    *value = rc == GOS_OK || send ? one.value : NULL;
    return rc;
}

int gosi_shared_balance(gos_channel *ch)
{
    gosi_world_lock();
    int balance = gos_channel_balance(ch);
    gosi_world_unlock();
    return balance;
}
