/* plain.c - tasklets as plain C programs use them: gossamer.h over the scheduler and its channels.
 *
 * A C tasklet is a gos_tasklet with a function and a reference count; killing one makes its wait, and each
 * later one, end with GOS_ECANCELED.
 */
#include <string.h>

#include "plain.h"

#include "../channel/hot.h"

__thread struct c_sched *gosi_self;

#define self gosi_self /* in this file */

static void hold(gos_tasklet *t)
{
    c_tasklet(t)->references++;
}

static void drop(gos_tasklet *t)
{
    gosi_plain_unref(c_tasklet(t));
}

static void drop_value(void *value)
{
    (void)value; /* values are the program's */
}

static void *body(gos_tasklet *t)
{
    gos_settle(t->sched);
    if (!(t->flags & KILLED))
        c_tasklet(t)->fn(c_tasklet(t)->arg);
    return NULL;
}

static void swap(gos_tasklet *from, gos_tasklet *to)
{
    (void)from;
    (void)to;
}

static int idle(gos_sched *s, int64_t deadline_ns)
{
    int ending = !(s->current->flags & GOS_F_READY); /* and still counted */
    if (s->threadblock && s->live == (uint64_t)ending && !gosi_awaits(s)) /* gos_run_to_end: it is reached */
        return GOS_EDEADLOCK;
    return gosi_member_idle(&((struct c_sched *)s)->member, deadline_ns);
}

static void *take_error(gos_sched *s)
{
    (void)s;
    return NULL;
}

static const gos_hooks c_hooks = {
    .body = body,
    .swap = swap,
    .hold = hold,
    .drop = drop,
    .drop_value = drop_value,
    .idle = idle,
    .take_error = take_error,
};

static void leave_home(struct c_sched *home)
{
    if (--home->tasklets == 0)
        gosi_free(home);
}

int gos_sched_create(const struct gos_config *config)
{
    if (self)
        return GOS_EBUSY;
    struct c_sched *made = gosi_alloc(sizeof *made);
    if (!made)
        return GOS_ENOMEM;
    memset(made, 0, sizeof *made);
    made->main.references = 1;
    made->main.home = made;
    made->tasklets = 1;
    int rc = gos_sched_init(&made->base, &made->main.base, &c_hooks, config);
    if (rc != GOS_OK) {
        gosi_free(made);
        return rc;
    }
    gosi_member_join(&made->member, &made->base);
    self = made;
    return GOS_OK;
}

int gos_sched_destroy(void)
{
    if (!self)
        return GOS_OK;
    gos_sched *s = &self->base;
    if (s->current != s->main)
        return GOS_ECURRENT;
    if (s->live || s->runcount > 1 || s->watchdog_count)
        return GOS_EBUSY;
    gos_pool_forget(s);
    gos_poll_end(s);
    gosi_member_leave(&self->member);
    gosi_world_lock();
    self->closed = 1;
    gosi_world_unlock();
    gosi_attend(s); /* what came before that */
    gos_sched_fini(s);
    struct c_sched *home = self;
    self = NULL;
    gosi_world_lock();
    leave_home(home); /* its main tasklet does */
    gosi_world_unlock();
    return GOS_OK;
}

static int settled(gos_sched *s, int rc)
{
    gos_settle(s);
    return rc;
}

/* A killed tasklet cannot wait any more; a value that reached it before the kill is not lost. */
#define REQUIRE_SCHED(s)                                                                         \
    gos_sched *s = self ? &self->base : NULL;                                                    \
    GOS_CHECK(s && "gos_sched_create has not been called on this thread");                       \
    if (s->current->flags & KILLED)                                                              \
        return GOS_ECANCELED

int gos_run(void)
{
    REQUIRE_SCHED(s);
    return settled(s, gos_sched_run(s));
}

int gos_run_to_end(void)
{
    REQUIRE_SCHED(s);
    uint8_t outer = s->threadblock;
    s->threadblock = 1;
    int rc = settled(s, gos_sched_run(s));
    s->threadblock = outer;
    return rc == GOS_OK && s->live ? GOS_EDEADLOCK : rc;
}

int gos_yield(void)
{
    REQUIRE_SCHED(s);
    return settled(s, gosi_yield(s));
}

int gos_park(void)
{
    REQUIRE_SCHED(s);
    return settled(s, gos_sched_park(s));
}

int gos_sleep_until(int64_t deadline_ns)
{
    REQUIRE_SCHED(s);
    return settled(s, gos_sched_sleep(s, deadline_ns));
}

int gos_send(gos_channel *ch, void *value, int64_t deadline_ns)
{
    REQUIRE_SCHED(s);
    if (GOSI_UNLIKELY(ch->shared))
        return settled(s, gosi_shared_operate(&self->member, ch, 1, &value, deadline_ns));
    return settled(s, gosi_channel_operate(s, ch, 1, &value, deadline_ns));
}

int gos_receive(gos_channel *ch, void **value, int64_t deadline_ns)
{
    REQUIRE_SCHED(s);
    void *nothing = NULL;
    if (GOSI_UNLIKELY(ch->shared)) {
        *value = NULL;
        return settled(s, gosi_shared_operate(&self->member, ch, 0, value, deadline_ns));
    }
    int rc = gosi_channel_operate(s, ch, -1, &nothing, deadline_ns);
    *value = s->current->value;
    s->current->value = NULL;
    return settled(s, rc);
}

int gos_select(struct gos_case *cases, size_t n, int64_t deadline_ns, size_t *chosen)
{
    REQUIRE_SCHED(s);
    for (size_t i = 0; i < n; i++)
        if (cases[i].channel->shared)
            return settled(s, gosi_shared_select(&self->member, cases, n, deadline_ns, chosen));
    int rc = gos_channel_select(s, cases, n, deadline_ns, chosen);
    if (rc == GOS_OK && !cases[*chosen].send)
        cases[*chosen].value = s->current->value;
    s->current->value = NULL;
    return settled(s, rc);
}

int gos_spawn(void (*fn)(void *), void *arg, gos_tasklet **out)
{
    REQUIRE_SCHED(s);
    if (!fn)
        return GOS_EINVAL;
    struct c_tasklet *t = gosi_alloc(sizeof *t);
    if (!t)
        return GOS_ENOMEM;
    memset(t, 0, sizeof *t);
    gos_tasklet_init(&t->base, s);
    t->fn = fn;
    t->arg = arg;
    t->home = self;
    self->tasklets++;
    t->base.flags |= GOS_F_READY;
    gos_sched_insert(s, &t->base);
    if (out) {
        t->references++;
        *out = &t->base;
    }
    return GOS_OK;
}

/* It comes back from gos_park, or from gos_run. */
static void kill_parked(gos_tasklet *t)
{
    t->flags |= KILLED;
    gos_sched_insert(t->sched, t);
    t->status = GOS_ECANCELED;
}

void gosi_plain_free(struct c_tasklet *t)
{
    struct c_sched *home = t->home;
    gosi_free(t);
    leave_home(home);
}

void gosi_plain_unref(struct c_tasklet *t)
{
    if (--t->references > 0)
        return;
    if (t->base.flags & GOS_F_STARTED) /* nobody can insert it any more: it has to end */
        kill_parked(&t->base);
    else
        gosi_plain_free(t);
}

void gos_tasklet_unref(gos_tasklet *t)
{
    if (foreign(t))
        gosi_remote_unref(c_tasklet(t));
    else
        gosi_plain_unref(c_tasklet(t));
}

gos_tasklet *gos_current(void)
{
    return self ? self->base.current : NULL;
}

int gos_tasklet_alive(const gos_tasklet *t)
{
    return (t->flags & GOS_F_READY) != 0;
}

int gosi_plain_insert(gos_tasklet *t)
{
    if (!gos_tasklet_alive(t))
        return GOS_EDEAD;
    if (t->place == GOS_IN_CHANNEL || t->place == GOS_IN_SELECT || t->place == GOS_IN_WAITER)
        return GOS_EBLOCKED;
    gos_sched_insert(t->sched, t);
    return GOS_OK;
}

int gos_tasklet_insert(gos_tasklet *t)
{
    return foreign(t) ? gosi_remote_insert(t) : gosi_plain_insert(t);
}

/* A request of another thread may find it running, or in the middle of its wait. */
int gosi_plain_kill(gos_tasklet *t)
{
    if (!gos_tasklet_alive(t) || (t->flags & GOS_F_MAIN))
        return GOS_OK;
    if (t->place == GOS_NOWHERE) {
        kill_parked(t);
        return GOS_OK;
    }
    t->flags |= KILLED;
    if (t->place != GOS_IN_RING)
        gosi_wake(t->sched, t, GOS_ECANCELED);
    return GOS_OK;
}

int gos_tasklet_kill(gos_tasklet *t)
{
    if (foreign(t))
        return gosi_remote_kill(t);
    if (gos_tasklet_alive(t) && t == t->sched->current)
        return GOS_ECURRENT;
    if (gos_tasklet_alive(t) && (t->flags & GOS_F_MAIN))
        return GOS_EINVAL;
    return gosi_plain_kill(t);
}

int gos_tasklet_pin(gos_tasklet *t)
{
    if (!gos_tasklet_alive(t))
        return GOS_EDEAD;
    return foreign(t) ? GOS_ETHREAD : gos_sched_pin(t->sched, t);
}

void gos_get_stats(struct gos_stats *out)
{
    memset(out, 0, sizeof *out);
    if (!self)
        return;
    gos_sched *s = &self->base;
    *out = (struct gos_stats){
        .switches = s->switches,
        .evictions = s->evictions,
        .evicted = s->evicted,
        .evicted_bytes = s->evicted_bytes,
        .live = s->live,
        .slots = s->slot_count,
    };
}
