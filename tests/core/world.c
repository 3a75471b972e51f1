/* world.c - see world.h. */
#include <stdarg.h>
#include <time.h>

#include "world.h"

static struct toy *toy_of(gos_tasklet *t)
{
    return (struct toy *)t;
}

static struct world *world_of(gos_sched *s)
{
    return (struct world *)s;
}

struct toy *current_toy(struct world *w)
{
    return toy_of(w->s.current);
}

void say(struct world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->log + w->logged, sizeof w->log - w->logged, format, args);
    va_end(args);
    w->logged += (size_t)n;
    if (w->logged >= sizeof w->log)
        w->logged = sizeof w->log - 1;
}

const char *ring_text(struct world *w)
{
    static char text[256];
    size_t at = 0;
    gos_tasklet *t = w->s.head;
    for (int32_t i = 0; i < w->s.runcount && at + 3 < sizeof text; i++, t = (gos_tasklet *)t->next) {
        CHECK_PTR(t->next->prev, ==, (gos_node *)t);
        CHECK_INT(t->place, ==, GOS_IN_RING);
        if (i)
            text[at++] = ' ';
        text[at++] = toy_of(t)->name;
    }
    text[at] = 0;
    CHECK_PTR(t, ==, w->s.head); /* it is a circle of runcount members */
    return text;
}

/* ---- values ---- */

struct box *box_new(struct world *w, long number, int failure)
{
    struct box *b = malloc(sizeof *b);
    *b = (struct box){.references = 1, .number = number, .failure = failure, .w = w};
    w->boxes++;
    return b;
}

void box_unref(struct box *b)
{
    if (!b || --b->references > 0)
        return;
    CHECK_INT(b->references, ==, 0);
    struct world *w = b->w;
    long number = b->number;
    w->boxes--;
    free(b);
    if (w->on_drop_value)
        w->on_drop_value(w, number);
}

/* ---- hooks ---- */

static void *body(gos_tasklet *base)
{
    struct toy *t = toy_of(base);
    struct box *given = base->value;
    base->value = NULL;
    gos_settle(base->sched);
    box_unref(given);
    if (!t->killed)
        t->fn(t);
    struct box *failure = t->failure;
    t->failure = NULL;
    return failure;
}

static void swap(gos_tasklet *from, gos_tasklet *to)
{
    struct world *w = world_of(from->sched);
    CHECK_INT(w->in_swap, ==, 0);
    toy_of(from)->swapped_out++;
    toy_of(to)->swapped_in++;
}

static void hold(gos_tasklet *t)
{
    CHECK_INT(toy_of(t)->references, >=, 0);
    toy_of(t)->references++;
}

void toy_unref(struct toy *t)
{
    CHECK_INT(t->references, >, 0);
    if (--t->references > 0)
        return;
    struct world *w = t->w;
    if (t == &w->main) {
        test_fail(__FILE__, __LINE__, "the last reference to main was dropped");
        return;
    }
    if (w->on_last_drop)
        w->on_last_drop(t);
    if (t->base.flags & GOS_F_STARTED) { /* nobody can reach it any more: it has to end */
        t->killed = 1;
        gos_sched_insert(t->base.sched, &t->base);
        return;
    }
    gos_sched_forget(&w->s, &t->base);
    struct box *value = t->base.value;
    memset(t, 0xdd, sizeof *t); /* whoever still uses it will notice */
    free(t);
    w->toys--;
    box_unref(value);
}

static void drop(gos_tasklet *t)
{
    toy_unref(toy_of(t));
}

static void drop_value(void *value)
{
    box_unref(value);
}

static int idle(gos_sched *s, int64_t deadline_ns)
{
    struct world *w = world_of(s);
    if (w->on_idle)
        return w->on_idle(w, deadline_ns);
    if (deadline_ns == GOS_FOREVER && !s->expected)
        return GOS_EDEADLOCK; /* a world has one thread */
    gos_sched_doze(s, deadline_ns);
    return GOS_OK;
}

static void *take_error(gos_sched *s)
{
    struct box *error = world_of(s)->error;
    world_of(s)->error = NULL;
    return error;
}

static void evicting(gos_tasklet *t, void *near_edge, void *far_edge)
{
    struct world *w = world_of(t->sched);
    CHECK((char *)near_edge < (char *)far_edge);
    CHECK((char *)far_edge - (char *)near_edge >= 64);
    w->evicted++;
}

static void restored(gos_tasklet *t)
{
    world_of(t->sched)->restored++;
}

static int64_t limit(gos_tasklet *t)
{
    return ((struct toy *)t)->limit_ns;
}

static const gos_hooks hooks = {
    .body = body,
    .swap = swap,
    .hold = hold,
    .drop = drop,
    .drop_value = drop_value,
    .idle = idle,
    .take_error = take_error,
    .evicting = evicting,
    .restored = restored,
    .limit = limit,
};

/* ---- worlds and tasklets ---- */

void world_open(struct world *w, const struct gos_config *config)
{
    memset(w, 0, sizeof *w);
    w->main.w = w;
    w->main.name = 'M';
    w->main.references = 1;
    CHECK_OK(gos_sched_init(&w->s, &w->main.base, &hooks, config));
}

void world_close(struct world *w)
{
    CHECK_STR(ring_text(w), "M");
    CHECK_INT(w->s.live, ==, 0);
    CHECK_INT(w->s.watchdog_count, ==, 0);
    CHECK_INT(w->s.timer_count, ==, 0);
    CHECK_INT(w->s.evicted, ==, 0);
    CHECK_INT(w->s.trap, ==, 0);
    CHECK_PTR(w->s.deferred, ==, NULL);
    CHECK_PTR(w->s.deferred_value, ==, NULL);
    CHECK_INT(w->main.references, ==, 2); /* the ring's and ours */
    CHECK_INT(w->evicted, ==, w->restored);
    gos_sched_fini(&w->s);
    CHECK_INT(w->s.evicted_bytes, ==, 0);
    CHECK_INT(w->toys, ==, 0);
    CHECK_INT(w->boxes, ==, 0);
}

struct toy *toy_new(struct world *w, char name, void (*fn)(struct toy *), void *arg)
{
    struct toy *t = calloc(1, sizeof *t);
    gos_tasklet_init(&t->base, &w->s);
    t->base.flags |= GOS_F_READY;
    t->w = w;
    t->name = name;
    t->fn = fn;
    t->arg = arg;
    t->references = 1;
    w->toys++;
    return t;
}

struct toy *toy_start(struct world *w, char name, void (*fn)(struct toy *), void *arg)
{
    struct toy *t = toy_new(w, name, fn, arg);
    gos_sched_insert(&w->s, &t->base);
    toy_unref(t);
    return t;
}

/* ---- operations ---- */

int toy_resumed(struct world *w, int rc, long *got)
{
    struct toy *t = current_toy(w);
    struct box *b = t->base.value;
    t->base.value = NULL;
    gos_settle(&w->s);
    CHECK_PTR(w->s.current, ==, &t->base);
    CHECK_PTR(w->s.head, ==, &t->base);
    t->status = rc;
    if (b) {
        t->got = b->number;
        if (got)
            *got = b->number;
        if (b->failure)
            t->status = GOS_EHOOK;
        CHECK(rc == GOS_OK);
        box_unref(b);
    }
    if (t->killed)
        t->status = GOS_ECANCELED;
    return t->status;
}

int toy_yield(struct world *w)
{
    return toy_resumed(w, gos_sched_yield(&w->s), NULL);
}

int toy_park(struct world *w)
{
    return toy_resumed(w, gos_sched_park(&w->s), NULL);
}

int toy_run(struct world *w)
{
    return toy_resumed(w, gos_sched_run(&w->s), NULL);
}

int toy_sleep(struct world *w, int64_t deadline_ns)
{
    return toy_resumed(w, gos_sched_sleep(&w->s, deadline_ns), NULL);
}

int toy_switch(struct world *w, struct toy *t, int leave)
{
    return toy_resumed(w, gos_sched_switch(&w->s, &t->base, leave), NULL);
}

/* As an embedder kills: an exception that is raised in t at once. */
int toy_kill(struct world *w, struct toy *t)
{
    t->killed = 1;
    struct box *pending = t->base.value;
    t->base.value = NULL;
    int rc = toy_switch(w, t, 0);
    box_unref(pending);
    return rc;
}

int toy_send(struct world *w, gos_channel *ch, long number, int64_t deadline_ns)
{
    struct box *b = box_new(w, number, 0);
    int rc = gos_channel_send(&w->s, ch, b, deadline_ns);
    int seen = toy_resumed(w, rc, NULL);
    if (rc != GOS_OK)
        box_unref(b);
    return seen;
}

int toy_receive(struct world *w, gos_channel *ch, long *number, int64_t deadline_ns)
{
    return toy_resumed(w, gos_channel_receive(&w->s, ch, deadline_ns), number);
}
