/* timekeeper.c - the C thread that finds out that a limit is reached.
 *
 * It sleeps until the earliest moment at which a limit of some thread can be reached, for ever when none is
 * set. Then it looks at the thread's scheduler from outside: the count of switches tells whether the same
 * tasklet still runs. What it finds it writes to slice.due and asks for a delivery; what it cannot know (is
 * the tasklet atomic? is it inside a C function?) the delivery decides, and it asks again until the delivery
 * has been made or the reason has gone.
 *
 * Locking: `lock` guards the list of armed records and their timekeeper's fields. The timekeeper never waits for
 * anything while it holds it, the GIL least of all; the owners take it with the GIL held. A record is in the
 * list only while its thread state exists.
 */
#include "timekeeper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "stall.h"

enum {
    RETRY_SOON_NS = 200 * 1000, /* it may be in a short call of C into Python */
    RETRY_LATE_NS = 1000 * 1000,
    RETRIES_SOON = 20,
    SHORTEST_WAIT_NS = 50 * 1000,
    IDLE_WAIT_NS = 5 * 1000 * 1000,
    THREAD_STACK = 256 * 1024,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake; /* on CLOCK_MONOTONIC; made with the thread */
static pthread_t thread;
static gosp_thread *armed;  /* linked through slice.next */
static int running, stopping, closed;
static int64_t wakes_at;    /* when the timekeeper looks next */
static uint64_t next_id;

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t cpu_time(const gosp_slice *sl)
{
    struct timespec t;
    if (clock_gettime(sl->clock, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- looking at one thread ---- */

/* What another thread may be changing at this moment. */
struct glance {
    uint64_t switches;
    int waiting; /* the thread waits for a timer, or is in the middle of a switch */
    int others;  /* somebody else could run */
};

static struct glance look(const gosp_thread *th)
{
    const gos_sched *s = &th->sched;
    struct glance g = {.switches = __atomic_load_n(&s->switches, __ATOMIC_RELAXED)};
    gos_tasklet *current = __atomic_load_n(&s->current, __ATOMIC_RELAXED);
    g.waiting = __atomic_load_n(&s->head, __ATOMIC_RELAXED) != current;
    g.others = __atomic_load_n(&s->runcount, __ATOMIC_RELAXED) > 1 || __atomic_load_n(&s->timer_count, __ATOMIC_RELAXED) ||
               __atomic_load_n(&s->attention, __ATOMIC_RELAXED);
    return g;
}

static void begin_slice(gosp_slice *sl, const struct glance *g, int64_t now, int64_t cpu)
{
    int exact = __atomic_load_n(&sl->start_switches, __ATOMIC_ACQUIRE) == g->switches;
    sl->seen = g->switches;
    sl->since_wall = exact ? __atomic_load_n(&sl->start_wall, __ATOMIC_RELAXED) : now;
    sl->since_cpu = exact && sl->limits.cpu ? __atomic_load_n(&sl->start_cpu, __ATOMIC_RELAXED) : cpu;
    sl->told = 0;
    sl->attempts = 0;
    sl->retry_at = 0;
}

static void set_due(gosp_slice *sl, uint32_t bit, uint64_t switches)
{
    if (bit != GOSP_DUE_BUDGET)
        __atomic_store_n(&sl->due_switches, switches, __ATOMIC_RELAXED);
    __atomic_or_fetch(&sl->due, bit, __ATOMIC_RELEASE);
}

/* A slice began between two looks, so a long wait would let the next one get too long. */
static int64_t look_again(int64_t now, int64_t left, int64_t limit)
{
    int64_t wait = earliest(left, limit / 4);
    return now + (wait > SHORTEST_WAIT_NS ? wait : SHORTEST_WAIT_NS);
}

static int64_t check_slice(gosp_slice *sl, const struct glance *g, int64_t limit, int64_t used, uint32_t bit, int64_t now)
{
    if (!limit)
        return GOS_FOREVER;
    if (g->waiting)
        return now + (limit > IDLE_WAIT_NS ? limit : IDLE_WAIT_NS);
    if (used >= limit) {
        set_due(sl, bit, g->switches);
        return now + RETRY_LATE_NS;
    }
    return look_again(now, limit - used, limit);
}

static int64_t check_budget(gosp_slice *sl, int64_t now, int64_t cpu)
{
    const struct gosp_limits *l = &sl->limits;
    if (!l->budget)
        return GOS_FOREVER;
    int64_t used = now - sl->run_wall;
    if (l->cpu) {
        used = cpu - sl->run_cpu;
        __atomic_store_n(&sl->used, used, __ATOMIC_RELAXED);
        used += __atomic_load_n(&sl->charged, __ATOMIC_RELAXED);
    }
    if (used >= l->budget) {
        set_due(sl, GOSP_DUE_BUDGET, 0);
        return now + RETRY_LATE_NS;
    }
    int64_t left = l->budget - used;
    return now + (left > SHORTEST_WAIT_NS ? left : SHORTEST_WAIT_NS);
}

/* Is there something that an interruption, now, would serve? */
static int wants_delivery(const gosp_slice *sl, const struct glance *g)
{
    uint32_t due = __atomic_load_n(&sl->due, __ATOMIC_ACQUIRE);
    if (g->waiting)
        return 0;
    if (sl->limits.soft)
        due &= GOSP_DUE_TURN;
    if (__atomic_load_n(&sl->due_switches, __ATOMIC_RELAXED) != g->switches)
        due &= GOSP_DUE_BUDGET;
    return due != 0;
}

/* Look at th; *post: a delivery is wanted now. Returns when to look again. */
static int64_t examine(gosp_thread *th, int64_t now, int *post)
{
    gosp_slice *sl = &th->slice;
    const struct gosp_limits *l = &sl->limits;
    struct glance g = look(th);
    int64_t cpu = l->cpu ? cpu_time(sl) : 0;
    if (g.switches != sl->seen || g.waiting)
        begin_slice(sl, &g, now, cpu);
    int64_t ran = now - sl->since_wall;
    int64_t at = check_slice(sl, &g, l->quantum, l->cpu ? cpu - sl->since_cpu : ran, GOSP_DUE_QUANTUM, now);
    at = earliest(at, check_budget(sl, now, cpu));
    if (l->turn)
        at = earliest(at, g.others ? check_slice(sl, &g, l->turn, ran, GOSP_DUE_TURN, now)
                                   : now + (l->turn > RETRY_LATE_NS ? l->turn : RETRY_LATE_NS));
    if (l->stall && !g.waiting)
        at = earliest(at, ran < l->stall ? look_again(now, l->stall - ran, l->stall) : now + l->stall / 4 + RETRY_LATE_NS);
    *post = 0;
    if (!wants_delivery(sl, &g))
        return at;
    if (now >= sl->retry_at && !__atomic_load_n(&sl->posted, __ATOMIC_RELAXED)) {
        /* One that sleeps in C finds the request when it comes back. */
        *post = 1;
        sl->attempts++;
    }
    if (now >= sl->retry_at)
        sl->retry_at = now + (sl->attempts < RETRIES_SOON ? RETRY_SOON_NS : RETRY_LATE_NS);
    return earliest(at, sl->retry_at);
}

/* ---- what is done about it, without the lock ---- */

static gosp_thread *find(uint64_t id)
{
    gosp_thread *th = armed;
    while (th && th->slice.async.id != id)
        th = th->slice.next;
    return th;
}

#if GOSP_ASYNC_NEEDS_GIL
/* The GIL may take long to get, so it is used for all. With it no owner runs, and the records stay as they are. */
static void post_request(uint64_t id)
{
    (void)id;
    gosp_gil_hurry(PyInterpreterState_Main());
    PyGILState_STATE gil = PyGILState_Ensure();
    pthread_mutex_lock(&lock);
    gosp_thread *th = armed;
    pthread_mutex_unlock(&lock);
    for (; th; th = th->slice.next) {
        struct glance g = look(th);
        if (wants_delivery(&th->slice, &g))
            (void)gosp_async_request(&th->slice.async, th->ts); /* refused: the next look tries again */
    }
    PyGILState_Release(gil);
}
#else
static void post_request(uint64_t id)
{
    if (gosp_async_post(PyInterpreterState_Main(), id) == 0)
        return;
    pthread_mutex_lock(&lock); /* CPython's queue is full */
    gosp_thread *th = find(id);
    if (th)
        __atomic_store_n(&th->slice.posted, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}
#endif

/* ---- the thread ---- */

static void sleep_until(int64_t at)
{
    wakes_at = at;
    if (at == GOS_FOREVER) {
        pthread_cond_wait(&wake, &lock);
        return;
    }
    struct timespec t = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
    pthread_cond_timedwait(&wake, &lock, &t);
}

/* One look at everybody. Acting on what is seen needs the lock released, so then the list may change, and the
 * look begins anew. */
static void tick(void)
{
    int64_t now = gos_now(), at = GOS_FOREVER;
    for (gosp_thread *th = armed; th; th = th->slice.next) {
        int post;
        uint64_t id = th->slice.async.id;
        at = earliest(at, examine(th, now, &post));
        if (gosp_stall_is_new(th, now - th->slice.since_wall)) {
            struct gosp_stall stall;
            th->slice.told = 1;
            gosp_stall_describe(&stall, th, now - th->slice.since_wall);
            pthread_mutex_unlock(&lock);
            gosp_stall_tell(&stall);
            pthread_mutex_lock(&lock);
            return;
        }
        if (post) {
            __atomic_store_n(&th->slice.posted, !GOSP_ASYNC_NEEDS_GIL, __ATOMIC_RELAXED);
            pthread_mutex_unlock(&lock);
            post_request(id);
            pthread_mutex_lock(&lock);
            return;
        }
    }
    sleep_until(at);
}

static void *timekeeper(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "gossamer-time");
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; the usual 50 us are a quarter of a short quantum */
    pthread_mutex_lock(&lock);
    while (!stopping)
        tick();
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* With the lock. Signals are for threads that can handle them. */
static int start_thread(void)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_condattr_t on_monotonic;
    pthread_condattr_init(&on_monotonic);
    pthread_condattr_setclock(&on_monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wake, &on_monotonic);
    pthread_condattr_destroy(&on_monotonic);
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&thread, &attr, timekeeper, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        running = 1;
    return rc;
}

/* ---- for the owners ---- */

static int is_armed(const struct gosp_limits *l)
{
    return l->quantum || l->budget || l->turn || l->stall;
}

static void link_record(gosp_thread *th)
{
    th->slice.next = armed;
    armed = th;
    th->slice.armed = 1;
    th->slice.posted = 0;
}

static void unlink_record(gosp_thread *th)
{
    gosp_thread **link = &armed;
    while (*link != th)
        link = &(*link)->slice.next;
    *link = th->slice.next;
    th->slice.next = NULL;
    th->slice.armed = 0;
}

static int64_t shortest(const struct gosp_limits *l)
{
    const int64_t all[] = {l->quantum, l->budget, l->turn, l->stall};
    int64_t least = GOS_FOREVER;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            least = earliest(least, all[i]);
    return least;
}

/* A limited run() switches as the next thing: that is where its first slice begins. */
static void begin(gosp_thread *th, int begins_run)
{
    gosp_slice *sl = &th->slice;
    struct glance g = look(th);
    int64_t now = gos_now(), cpu = sl->limits.cpu ? cpu_time(sl) : 0;
    __atomic_store_n(&sl->start_wall, now, __ATOMIC_RELAXED);
    __atomic_store_n(&sl->start_cpu, cpu, __ATOMIC_RELAXED);
    __atomic_store_n(&sl->start_switches, g.switches + (begins_run != 0), __ATOMIC_RELEASE);
    begin_slice(sl, &g, now, cpu);
    if (begins_run) {
        sl->run_wall = now;
        sl->run_cpu = cpu;
    }
    if (now + shortest(&sl->limits) / 4 < wakes_at)
        pthread_cond_signal(&wake);
}

/* Called with the lock; 0, or an errno. */
static int set_limits(gosp_thread *th, const struct gosp_limits *limits, int begins_run)
{
    gosp_slice *sl = &th->slice;
    int rc = 0;
    if (!sl->async.id)
        sl->async.id = ++next_id;
    if (!is_armed(limits)) {
        if (sl->armed)
            unlink_record(th);
        sl->limits = *limits;
        return 0;
    }
    if (limits->cpu && (rc = pthread_getcpuclockid(pthread_self(), &sl->clock)) != 0)
        return rc;
    if (!running && (rc = start_thread()) != 0)
        return rc;
    int fresh = !sl->armed;
    sl->limits = *limits;
    if (fresh)
        link_record(th);
    begin(th, begins_run);
    return 0;
}

int gosp_timekeeper_set(gosp_thread *th, const struct gosp_limits *limits, int begins_run)
{
    int refused = 0, rc = 0;
    pthread_mutex_lock(&lock);
    if (closed && is_armed(limits))
        refused = 1;
    else
        rc = set_limits(th, limits, begins_run);
    pthread_mutex_unlock(&lock);
    if (refused) {
        PyErr_SetString(PyExc_RuntimeError, "time limits need a thread, and none can be started while the interpreter exits");
    } else if (rc != 0) {
        errno = rc;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return refused || rc != 0 ? -1 : 0;
}

void gosp_timekeeper_missed(uint64_t id)
{
    pthread_mutex_lock(&lock);
    gosp_thread *th = find(id);
    if (th)
        __atomic_store_n(&th->slice.posted, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&lock);
}

gosp_thread *gosp_timekeeper_find(uint64_t id)
{
    pthread_mutex_lock(&lock);
    gosp_thread *th = find(id);
    pthread_mutex_unlock(&lock);
    return th;
}

void gosp_timekeeper_stop(void)
{
    pthread_mutex_lock(&lock);
    closed = 1;
    while (armed) {
        gosp_thread *th = armed;
        unlink_record(th);
        memset(&th->slice.limits, 0, sizeof th->slice.limits);
    }
    int join = running;
    stopping = 1;
    if (running)
        pthread_cond_signal(&wake);
    pthread_mutex_unlock(&lock);
    if (join) {
        Py_BEGIN_ALLOW_THREADS /* on its way it may want the GIL */
        pthread_join(thread, NULL);
        Py_END_ALLOW_THREADS
    }
    running = stopping = 0;
    gosp_stall_wait();
}

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&lock);
}

/* The timekeeper exists in the parent only. */
static void after_fork_in_child(void)
{
    running = 0;
    pthread_mutex_init(&lock, NULL);
    gosp_stall_after_fork();
}

/* Called by CPython, which has removed all other threads by then. */
static PyObject *restart(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_self;
    if (!th || !th->slice.armed || closed)
        Py_RETURN_NONE;
    gosp_slice *sl = &th->slice;
    pthread_mutex_lock(&lock);
    sl->posted = 0;
    sl->stalled = 0;
    int rc = pthread_getcpuclockid(pthread_self(), &sl->clock);
    if (rc == 0)
        rc = start_thread();
    int64_t run_cpu = cpu_time(sl) - __atomic_load_n(&sl->used, __ATOMIC_RELAXED), run_wall = sl->run_wall;
    wakes_at = GOS_FOREVER;
    begin(th, 1);
    sl->run_wall = run_wall; /* the same clock as before, unlike that of CPU time */
    sl->run_cpu = run_cpu;
    pthread_mutex_unlock(&lock);
    if (rc != 0) {
        errno = rc;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef restart_def = {"_restart_timekeeper", restart, METH_NOARGS, "Time limits in a forked child."};

int gosp_timekeeper_init(void)
{
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *os = PyImport_ImportModule("os"), *function = PyCFunction_New(&restart_def, NULL);
    PyObject *method = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
    PyObject *kwargs = function ? Py_BuildValue("{sO}", "after_in_child", function) : NULL;
    PyObject *done = method && kwargs ? PyObject_Call(method, gosp.empty_tuple, kwargs) : NULL;
    Py_XDECREF(os);
    Py_XDECREF(function);
    Py_XDECREF(method);
    Py_XDECREF(kwargs);
    Py_XDECREF(done);
    return done ? 0 : -1;
}
