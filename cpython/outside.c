/* outside.c - what all tasklets do, seen without the GIL: for when the program is stuck with it.
 *
 * Everything is looked at through the kernel (compat/peek.h), and what is followed was checked as far as can be: a type,
 * a place, a count. While the holder of the GIL is stuck in C, or waits, nothing changes and the picture is exact. Otherwise
 * lines may be missing or wrong, and the last line says so if that was noticed.
 * The lines are the protocol of telemetry.c, which the package's _protocol.py reads.
 */
#define _GNU_SOURCE
#include "outside.h"

#include <stdarg.h>
#include <sys/mman.h>

#include "compat/gil.h"
#include "sync.h"

enum {
    FIRST_ROOM = 1 << 16,
    MOST_ROOM = 256 << 20,
    MOST_THREADS = 4096,
    KNOWN_TYPES = 64,
    MOST_BASES = 20,
    LOOK_NS = 2000000000, /* how long it may look for tasklets */
};

/* ---- text ---- */

static int make_room(struct gosp_text *text, size_t n)
{
    if (text->room - text->used > n)
        return 1;
    size_t room = text->room ? text->room : FIRST_ROOM;
    while (room - text->used <= n)
        room *= 2;
    if (room > MOST_ROOM)
        return 0;
    void *bytes = text->bytes ? mremap(text->bytes, text->room, room, MREMAP_MAYMOVE)
                              : mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return 0;
    text->bytes = bytes;
    text->room = room;
    return 1;
}

void gosp_text_add(struct gosp_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0 && make_room(text, (size_t)n)) {
        vsnprintf(text->bytes + text->used, (size_t)n + 1, format, again);
        text->used += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void gosp_text_free(struct gosp_text *text)
{
    if (text->bytes)
        munmap(text->bytes, text->room);
    *text = (struct gosp_text){NULL, 0, 0};
}

/* ---- one tasklet ---- */

void gosp_outside_name(gosp_peek *p, const TaskletObject *at, char *out, size_t room)
{
    TaskletObject t;
    gosp_extras extras;
    int known = gosp_peek_copy(p, &t, at, sizeof t) == 0;
    int more = known && t.extras && gosp_peek_copy(p, &extras, t.extras, sizeof extras) == 0;
    if (more && extras.name)
        gosp_peek_text(p, extras.name, out, room);
    else if (known && (t.core.flags & GOS_F_MAIN))
        snprintf(out, room, "main");
    else if (more && extras.number)
        snprintf(out, room, "tasklet-%lu", extras.number);
    else
        snprintf(out, room, "at %p", (const void *)at);
}

/* A C string of another's, such as a type's name. */
static void copy_string(gosp_peek *p, const char *from, char *out, size_t room)
{
    size_t n = 0;
    for (; n + 1 < room && gosp_peek_copy(p, out + n, from + n, 1) == 0 && out[n] > ' ' && out[n] < 127; n++)
        ;
    out[n] = 0;
}

static void put_object(gosp_peek *p, const PyObject *at, struct gosp_text *out)
{
    PyObject object;
    PyTypeObject type;
    char name[64];
    if (gosp_peek_copy(p, &object, at, sizeof object) < 0 || gosp_peek_copy(p, &type, object.ob_type, sizeof type) < 0)
        return;
    copy_string(p, type.tp_name, name, sizeof name);
    gosp_text_add(out, "waits for %s at %p", name, (const void *)at);
}

static void put_wait(gosp_peek *p, const TaskletObject *t, struct gosp_text *out)
{
    gosp_extras extras;
    gosp_wait wait;
    char name[512];
    if (t->extras && gosp_peek_copy(p, &extras, t->extras, sizeof extras) == 0 && extras.joining) {
        gosp_outside_name(p, (const TaskletObject *)extras.joining, name, sizeof name);
        gosp_text_add(out, "waits for the end of \"%s\"", name);
    } else if (t->core.place == GOS_IN_CHANNEL) {
        gosp_text_add(out, "waits to %s on channel at %p", t->core.direction > 0 ? "send" : "receive",
                      (const void *)gosp_channel_of(t->core.wait.channel));
    } else if (t->core.place == GOS_IN_SELECT) {
        gosp_text_add(out, "waits in select()");
    } else if (t->core.place == GOS_IN_WAITER) {
        if (gosp_peek_copy(p, &wait.waiter, t->core.wait.waiter, sizeof wait.waiter) == 0 && gosp_sync_is_wait(&wait.waiter) &&
            gosp_peek_copy(p, &wait, t->core.wait.waiter, sizeof wait) == 0)
            put_object(p, wait.on, out);
        else
            gosp_text_add(out, "waits for a descriptor or a job");
    }
}

/* As gosp_tasklet_state. */
static const char *state_of(const TaskletObject *t, int current)
{
    if (current && (t->core.place == GOS_IN_RING || t->core.place == GOS_NOWHERE))
        return "running";
    switch (t->core.place) {
    case GOS_IN_RING: return "ready";
    case GOS_IN_CHANNEL:
    case GOS_IN_SELECT:
    case GOS_IN_WAITER: return "blocked";
    case GOS_ASLEEP: return "sleeping";
    default: return "paused";
    }
}

struct view {
    gosp_peek *p;
    struct gosp_text *out;
    unsigned limit, shown, more;
    int frames;
    PyTypeObject *types[KNOWN_TYPES];
    uint8_t is_tasklet[KNOWN_TYPES];
    int type_count;
    char stack[1 << 16];
};

static void put_stack(struct view *v, const TaskletObject *t, const gosp_thread *th, int current)
{
    size_t n = 0;
    if (current)
        n = gosp_peek_stack(v->p, th->ts, v->frames, v->stack, sizeof v->stack);
    else if (t->core.flags & GOSP_HAS_STATE)
        n = gosp_peek_frames(v->p, t->state.frame, v->frames, v->stack, sizeof v->stack);
    gosp_text_add(v->out, "%.*s", (int)n, v->stack);
}

static void put_tasklet(struct view *v, const TaskletObject *at, const TaskletObject *t)
{
    gosp_thread th;
    char name[512];
    if (v->shown == v->limit) {
        v->more++;
        return;
    }
    int has_thread = t->core.sched && gosp_peek_copy(v->p, &th, t->core.sched, sizeof th) == 0;
    int current = has_thread && th.sched.current == &at->core;
    gosp_outside_name(v->p, at, name, sizeof name);
    gosp_text_add(v->out, "tasklet\t%p\t%s\t%lx\t%s\t", (const void *)at, name, has_thread ? th.thread_id : 0, state_of(t, current));
    put_wait(v->p, t, v->out);
    gosp_text_add(v->out, "\n");
    if (v->frames > 0)
        put_stack(v, t, &th, current);
    v->shown++;
}

/* ---- all of them ---- */

static int is_tasklet_type(struct view *v, PyTypeObject *type)
{
    for (int i = 0; i < v->type_count; i++)
        if (v->types[i] == type)
            return v->is_tasklet[i];
    PyTypeObject *base = type;
    for (int i = 0; base && base != gosp.tasklet_type && i < MOST_BASES; i++) {
        PyTypeObject copy;
        if (gosp_peek_copy(v->p, &copy, base, sizeof copy) < 0)
            return 0;
        base = copy.tp_base;
    }
    int is = base == gosp.tasklet_type, place = v->type_count < KNOWN_TYPES ? v->type_count++ : KNOWN_TYPES - 1;
    v->types[place] = type;
    v->is_tasklet[place] = (uint8_t)is;
    return is;
}

static void look(PyObject *op, PyTypeObject *type, void *arg)
{
    struct view *v = arg;
    TaskletObject t;
    if (is_tasklet_type(v, type) && gosp_peek_copy(v->p, &t, op, sizeof t) == 0 && (t.core.flags & GOS_F_READY))
        put_tasklet(v, (const TaskletObject *)op, &t);
}

/* The collector does not know those in a run queue, see gosp_untrack. */
static void look_at_ring(struct view *v, const gosp_thread *where, const gosp_thread *th)
{
    const gos_tasklet *at = th->sched.head ? th->sched.head : th->sched.current;
    for (int32_t i = 0; at && i < th->sched.runcount; i++) {
        TaskletObject t;
        if (gosp_peek_copy(v->p, &t, (const char *)at - offsetof(TaskletObject, core), sizeof t) < 0 || t.core.sched != &where->sched)
            return;
        if ((t.core.flags & (GOSP_UNTRACKED | GOS_F_READY)) == (GOSP_UNTRACKED | GOS_F_READY))
            put_tasklet(v, gosp_of((gos_tasklet *)at), &t);
        at = (const gos_tasklet *)t.core.next;
    }
}

typedef void (*each_thread)(gosp_peek *p, const gosp_thread *at, const gosp_thread *copy, void *arg);

static void for_each_thread(gosp_peek *p, each_thread call, void *arg)
{
    const gosp_thread *at = __atomic_load_n(&gosp.threads, __ATOMIC_RELAXED);
    gosp_thread copy;
    for (int i = 0; at && i < MOST_THREADS && gosp_peek_copy(p, &copy, at, sizeof copy) == 0; i++, at = copy.next)
        call(p, at, &copy, arg);
}

static void ring_of(gosp_peek *p, const gosp_thread *at, const gosp_thread *copy, void *arg)
{
    (void)p;
    look_at_ring(arg, at, copy);
}

void gosp_outside_tasklets(gosp_peek *p, unsigned limit, int frames, struct gosp_text *out)
{
    static struct view v; /* only one thread looks, and its stack is small */
    memset(&v, 0, offsetof(struct view, stack));
    v.p = p;
    v.out = out;
    v.limit = limit;
    v.frames = frames;
    for_each_thread(p, ring_of, &v);
    if (gosp_peek_objects(p, PyInterpreterState_Main(), gos_now() + LOOK_NS, look, &v) < 0)
        gosp_text_add(out, "incomplete\tthe program went on while it was looked at\n");
    if (v.more)
        gosp_text_add(out, "more\t%u\n", v.more);
}

static void put_thread(gosp_peek *p, const gosp_thread *at, const gosp_thread *th, void *arg)
{
    char name[512];
    const gos_sched *s = &th->sched;
    (void)at;
    gosp_outside_name(p, gosp_of(s->current), name, sizeof name);
    gosp_text_add(arg, "thread\t%lx\t%s\t%d\t%llu\t%llu\t%llu\t%llu\t%d\t%d\n", th->thread_id, name, (int)s->runcount,
                  (unsigned long long)s->switches, (unsigned long long)s->evictions, (unsigned long long)s->evicted,
                  (unsigned long long)s->evicted_bytes, s->head != s->current,
                  !gosp_gil_is_free() && gosp_gil_holder() == th->ts);
}

void gosp_outside_threads(gosp_peek *p, struct gosp_text *out)
{
    for_each_thread(p, put_thread, out);
}
