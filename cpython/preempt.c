/* preempt.c - interrupting tasklets: the delivery of what the timekeeper has found, and the functions that set limits.
 *
 * There are two places at which a tasklet is interrupted. Between two bytecodes (gosp_async_arrived), which needs
 * that nothing stands in the way: no C function between here and the outermost code of the tasklet, not atomic,
 * no trap. And where a tasklet is resumed anyway (gosp_slice_at_resume): it has switched away by itself, so being
 * resumed a little later makes no difference to it; that is where soft limits and counted switches take effect.
 *
 * Invariants
 * - Only a tasklet other than the caller of the limited run() is interrupted, and the first one it switches to
 *   gets to run: each run() makes progress.
 * - An interrupted tasklet is suspended inside of `interrupt`, and goes on from there like any other.
 * Locking: all of it on the owner's thread, with the GIL; see preempt.h.
 */
#include "capi.h"
#include "timekeeper.h"
#include "record.h"

#include "sched/sched.h"

#include "stall.h"

enum { CHASE_AGAIN_NS = 10 * 1000 * 1000 };

/* ---- what each switch does while any limit is set ---- */

static inline uint32_t due_now(const gosp_slice *sl)
{
    return __atomic_load_n(&sl->due, __ATOMIC_ACQUIRE);
}

/* Have the resumption of t call gosp_slice_at_resume: through its flag if it is new, through the slow way of
 * gosp_settle otherwise, since the fast one must not get a test more. */
static void flag_resumption(gosp_thread *th, gos_tasklet *from, gos_tasklet *to)
{
    to->flags |= GOSP_INTERRUPT;
    if (!th->late_func && th->starting != gosp_of(from)) /* that one will set it */
        th->late_func = Py_NewRef(Py_None);
}

void gosp_slice_switching(gos_tasklet *from, gos_tasklet *to)
{
    gosp_thread *th = gosp_thread_of(to->sched);
    gosp_slice *sl = &th->slice;
    gosp_async_withdraw(&sl->async, th->ts);
    if (GOSP_UNLIKELY(__atomic_load_n(&sl->stalled, __ATOMIC_RELAXED)) && !sl->hog)
        sl->hog = (TaskletObject *)Py_NewRef((PyObject *)gosp_of(from));
    uint32_t due = due_now(sl);
    if (sl->counts_switches) {
        int64_t charged = sl->charged + GOSP_CHARGE_NS;
        __atomic_store_n(&sl->charged, charged, __ATOMIC_RELAXED);
        if (charged + __atomic_load_n(&sl->used, __ATOMIC_RELAXED) >= sl->limits.budget)
            due = __atomic_or_fetch(&sl->due, GOSP_DUE_BUDGET, __ATOMIC_RELAXED);
    }
    if (GOSP_LIKELY(!due))
        goto callbacks;
    int in_time = __atomic_load_n(&sl->due_switches, __ATOMIC_RELAXED) == th->sched.switches;
    uint32_t over = GOSP_DUE_TURN | (sl->soft && in_time ? 0 : GOSP_DUE_QUANTUM); /* they yield by themselves */
    due = __atomic_and_fetch(&sl->due, ~over, __ATOMIC_RELAXED);
    if ((due & GOSP_DUE_QUANTUM)) /* soft: from here on it is about the whole run() */
        __atomic_or_fetch(&sl->due, GOSP_DUE_BUDGET, __ATOMIC_RELAXED);
    if ((due & GOSP_DUE_RETURN) && sl->watchdog && from != &sl->watchdog->core && to != &sl->watchdog->core)
        flag_resumption(th, from, to);
callbacks:
    if (gosp.schedule_callback || gosp.fast_schedule_callback)
        gosp_call_schedule_callback(from, to);
}

/* ---- the interruption ---- */

/* After being resumed: 0, or -1 with the exception that was thrown into it meanwhile. */
static int resumed(gosp_thread *th, TaskletObject *cur)
{
    PyObject *value = cur->core.value; /* claimed before anything can run */
    cur->core.value = NULL;
    gosp_tracing_resumed(th->ts);
    gosp_settle(th);
    if (value && Bomb_Check(value)) {
        gosp_bomb_raise(value);
        return -1;
    }
    Py_XDECREF(value);
    return 0;
}

/* The current tasklet loses control: to the caller of the limited run(), which gets it as its result unless the
 * limit is soft, or to the next in turn. 0: it was interrupted and goes on again, -1: with an exception. When the
 * switch is refused (for want of memory) nothing has happened, and it is tried again. */
static int interrupt(gosp_thread *th, TaskletObject *cur, int back_to_run)
{
    gos_sched *s = &th->sched;
    TaskletObject *to = th->slice.watchdog;
    int taken_out = back_to_run && !th->slice.soft && !to->core.value; /* a value there: it gets an exception anyway */
    PyObject *kept = cur->core.value; /* a tempval */
    uint64_t switches = s->switches;
    cur->core.value = NULL;
    if (taken_out)
        to->core.value = Py_NewRef((PyObject *)cur);
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosi_trace_preempted();
    int rc = back_to_run ? gos_sched_switch(s, &to->core, taken_out) : gos_sched_yield(s);
    (void)rc;
    if (s->switches == switches) {
        if (taken_out) {
            to->core.value = NULL;
            Py_DECREF(cur); /* not the last: the ring has one */
        }
        cur->core.value = kept;
        return 0;
    }
    if (resumed(th, cur) < 0) {
        Py_XDECREF(kept);
        return -1;
    }
    if (cur->core.value)
        Py_XDECREF(kept);
    else
        cur->core.value = kept;
    return 0;
}

static void new_slice(gosp_thread *th)
{
    gosp_slice *sl = &th->slice;
    __atomic_store_n(&sl->start_wall, gos_now(), __ATOMIC_RELAXED);
    __atomic_store_n(&sl->start_switches, th->sched.switches + 1, __ATOMIC_RELEASE);
}

static inline int back_is_due(const gosp_thread *th, const TaskletObject *cur, uint32_t due)
{
    return (due & GOSP_DUE_RETURN) && th->slice.watchdog && th->slice.watchdog != cur;
}

/* ---- where it is resumed anyway ---- */

int gosp_slice_at_resume(gosp_thread *th)
{
    gos_sched *s = &th->sched;
    TaskletObject *cur = gosp_current(th);
    while (cur->core.flags & GOSP_INTERRUPT) {
        cur->core.flags &= ~(uint32_t)GOSP_INTERRUPT;
        if (!back_is_due(th, cur, due_now(&th->slice)) || s->trap || gosi_half_gone(s))
            return 0;
        if (interrupt(th, cur, 1) < 0)
            return -1;
    }
    return 0;
}

int gosp_settle_and_interrupt(gosp_thread *th)
{
    gosp_settle_slow(th);
    return gosp_current(th)->core.flags & GOSP_INTERRUPT ? gosp_slice_at_resume(th) : 0;
}

/* ---- between two bytecodes ---- */

/* How many evaluation loops the outermost code of t may have: more means that a C function is in between. One
 * that runs a function of C has none. */
static int loops_allowed(gosp_thread *th, TaskletObject *t)
{
    if (t == th->main)
        return th->slice.main_loops;
    PyObject *call = t->state.call, *func = call ? PyTuple_GET_ITEM(call, 0) : NULL;
    return func && (PyCFunction_Check(func) || Py_IS_TYPE(func, &PyMethodDescr_Type)) ? 0 : 1;
}

/* GOSP_ASYNC_DONE: go ahead. */
static int obstacle(gosp_thread *th, TaskletObject *cur)
{
    gos_sched *s = &th->sched;
    if (s->trap || gosi_half_gone(s) || (cur->core.flags & (GOS_F_ATOMIC | GOS_F_BLOCK_TRAP)))
        return GOSP_ASYNC_LATER;
    if (!(cur->core.flags & GOS_F_IGNORE_NESTING) && !th->slice.ignore_nesting) {
        int allowed = loops_allowed(th, cur);
        if (gosp_frames_loops(NULL, th->ts, allowed + 1) > allowed)
            return GOSP_ASYNC_LATER;
    }
    return gosp_frames_are_ours(th->ts) ? GOSP_ASYNC_LATER : GOSP_ASYNC_DONE;
}

static int deliver(gosp_thread *th, TaskletObject *cur, int back)
{
    gosp_async_saved saved;
    PyThreadState *ts = th->ts;
    if (gosp_pending(cur) < 0)
        return -1; /* another thread has thrown something at it meanwhile */
    if (cur->core.flags & GOSP_HAS_STATE)
        cur->state.eval_top = NULL; /* it speaks of an operation that is over */
    gosp_async_leave(ts, &saved);
    int rc = interrupt(th, cur, back);
    if (rc == 0 && (cur->core.flags & GOSP_INTERRUPT))
        rc = gosp_slice_at_resume(th);
    gosp_async_return(ts, &saved);
    return rc;
}

/* A program that spends its time in C functions that call back (a sort with a key, again and again) is outside of them
 * only for moments, which none of the timekeeper's requests meets. So for a while, now and then, every occasion is
 * taken: 1. */
static int chase(gosp_thread *th)
{
    gosp_slice *sl = &th->slice;
    if (sl->chase_left <= 0) {
        int64_t now = gos_now();
        if (now < sl->chase_next)
            return 0;
        sl->chase_left = GOSP_CHASE_LENGTH;
        sl->chase_next = now + CHASE_AGAIN_NS;
    }
    return --sl->chase_left > 0 && gosp_async_chase(&sl->async, th->ts) == 0;
}

static int arrived(gosp_thread *th)
{
    gosp_slice *sl = &th->slice;
    TaskletObject *cur = gosp_current(th);
    uint32_t due = due_now(sl);
    if (__atomic_load_n(&sl->due_switches, __ATOMIC_RELAXED) != th->sched.switches)
        due &= GOSP_DUE_BUDGET; /* the rest is about a slice that is over */
    int back = !sl->soft && back_is_due(th, cur, due);
    int wanted = back || (due & GOSP_DUE_TURN);
    int rc = wanted ? obstacle(th, cur) : GOSP_ASYNC_DONE;
    if (rc == GOSP_ASYNC_LATER && chase(th))
        return rc;
    gosp_async_chased(th->ts);
    __atomic_store_n(&sl->posted, 0, __ATOMIC_RELAXED); /* the timekeeper may ask again */
    if (!wanted || rc != GOSP_ASYNC_DONE)
        return rc;
    sl->chase_left = 0;
    new_slice(th);
    if (!back)
        __atomic_and_fetch(&sl->due, ~(uint32_t)GOSP_DUE_TURN, __ATOMIC_RELAXED);
    return deliver(th, cur, back);
}

int gosp_async_arrived(uint64_t id)
{
    gosp_thread *th = gosp_self;
    if (th && th->slice.async.id == id && gosp_ts_is_current(th->ts))
        return arrived(th);
    gosp_async_chased(PyThreadState_Get());
    gosp_timekeeper_missed(id);
    return GOSP_ASYNC_DONE;
}

gosp_async *gosp_async_here(void)
{
    return gosp_self ? &gosp_self->slice.async : NULL;
}

void gosp_slice_unblocked(gosp_thread *th)
{
    (void)gosp_async_request(&th->slice.async, th->ts); /* refused: the timekeeper asks again */
}

/* ---- setting limits ---- */

/* The limits of th become those in sl->limits with these changes. */
static int change_limits(gosp_thread *th, const struct gosp_limits *limits, int begins_run)
{
    if (gosp_timekeeper_set(th, limits, begins_run) < 0)
        return -1;
    gosp_update_notify();
    return 0;
}

/* Main may have been called from anywhere: what it is inside of when limits are set does not count. */
static void note_main(gosp_thread *th)
{
    int loops = th->sched.current == &th->main->core ? gosp_frames_loops(NULL, th->ts, INT_MAX)
                                                     : gosp_frames_loops(&th->main->state, th->ts, INT_MAX);
    th->slice.main_loops = loops > 1 ? loops : 1;
}

int gosp_slice_begin_run(gosp_thread *th, const struct gosp_run_limits *wanted)
{
    gosp_slice *sl = &th->slice;
    struct gosp_limits limits = sl->limits;
    limits.quantum = wanted->quantum;
    limits.budget = wanted->budget;
    limits.cpu = wanted->cpu;
    limits.soft = wanted->soft;
    __atomic_store_n(&sl->charged, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&sl->used, 0, __ATOMIC_RELAXED);
    note_main(th);
    sl->watchdog = gosp_current(th);
    sl->soft = wanted->soft;
    sl->ignore_nesting = wanted->ignore_nesting;
    sl->counts_switches = wanted->cpu && wanted->budget;
    if (change_limits(th, &limits, 1) == 0)
        return 0;
    sl->watchdog = NULL;
    return -1;
}

void gosp_slice_end_run(gosp_thread *th)
{
    gosp_slice *sl = &th->slice;
    struct gosp_limits limits = sl->limits;
    limits.quantum = limits.budget = 0;
    limits.cpu = limits.soft = 0;
    gosp_async_withdraw(&sl->async, th->ts);
    sl->watchdog = NULL;
    sl->soft = sl->ignore_nesting = sl->counts_switches = 0;
    int rc = change_limits(th, &limits, 0); /* fewer than before: that cannot fail */
    if (rc < 0)
        PyErr_WriteUnraisable(NULL);
    __atomic_and_fetch(&sl->due, ~(uint32_t)GOSP_DUE_RETURN, __ATOMIC_RELAXED);
}

int gosp_slice_set_turn(gosp_thread *th, int64_t turn_ns)
{
    struct gosp_limits limits = th->slice.limits;
    limits.turn = turn_ns;
    if (turn_ns)
        note_main(th);
    if (change_limits(th, &limits, 0) < 0)
        return -1;
    __atomic_and_fetch(&th->slice.due, ~(uint32_t)GOSP_DUE_TURN, __ATOMIC_RELAXED);
    return 0;
}

int gosp_slice_set_stall(gosp_thread *th, int64_t stall_ns, int dump)
{
    struct gosp_limits limits = th->slice.limits;
    limits.stall = stall_ns;
    limits.dump = dump != 0;
    return change_limits(th, &limits, 0);
}

void gosp_slice_forget(gosp_thread *th)
{
    static const struct gosp_limits none;
    gosp_slice *sl = &th->slice;
    if (sl->armed) {
        if (gosp_self == th)
            gosp_async_withdraw(&sl->async, th->ts);
        (void)change_limits(th, &none, 0);
    }
    sl->watchdog = NULL;
    __atomic_store_n(&sl->due, 0, __ATOMIC_RELAXED);
    Py_CLEAR(sl->hog);
    Py_CLEAR(sl->stall_callback);
}

int gosp_microseconds(PyObject *value, const char *name, int64_t *ns)
{
    *ns = 0;
    if (!value || value == Py_None)
        return 0;
    double us = PyFloat_AsDouble(value);
    if (us == -1.0 && PyErr_Occurred())
        return -1;
    if (!(us >= 0)) {
        PyErr_Format(PyExc_ValueError, "%s must not be negative", name);
        return -1;
    }
    *ns = us >= 9e12 ? INT64_C(9000000000000000) : (int64_t)(us * 1000); /* a hundred days will do */
    if (*ns == 0 && us > 0)
        *ns = 1;
    return 0;
}

/* ---- for programs, in C and in Python ---- */

enum { WATCHDOG_SOFT = 2, WATCHDOG_IGNORE_NESTING = 4 }; /* as in stackless_api.h */

/* us to ns; what is too much is as good as a hundred days. */
static int64_t nanoseconds(long us)
{
    return us > GOS_FOREVER / 4000 ? GOS_FOREVER / 4 : us > 0 ? us * INT64_C(1000) : 0;
}

PyObject *gosp_capi_run_budget(long quantum_us, long budget_us, int flags)
{
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (flags & ~(WATCHDOG_SOFT | WATCHDOG_IGNORE_NESTING)) {
        PyErr_Format(PyExc_ValueError, "unknown watchdog flags: %d", flags & ~(WATCHDOG_SOFT | WATCHDOG_IGNORE_NESTING));
        return NULL;
    }
    struct gosp_run_limits limits = {
        .quantum = nanoseconds(quantum_us),
        .budget = nanoseconds(budget_us),
        .soft = (flags & WATCHDOG_SOFT) != 0,
        .ignore_nesting = (flags & WATCHDOG_IGNORE_NESTING) != 0,
    };
    return gosp_run(th, &limits);
}

int gosp_capi_set_preemption(long quantum_us)
{
    gosp_thread *th = gosp_thread_current();
    return th ? gosp_slice_set_turn(th, nanoseconds(quantum_us)) : -1;
}

static PyObject *set_preemption(PyObject *module, PyObject *quantum_us)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    int64_t ns;
    if (!th || gosp_microseconds(quantum_us, "quantum_us", &ns) < 0)
        return NULL;
    int64_t old = th->slice.limits.turn;
    if (gosp_slice_set_turn(th, ns) < 0)
        return NULL;
    return old % 1000 ? PyFloat_FromDouble((double)old / 1000) : PyLong_FromLongLong(old / 1000);
}

PyMethodDef gosp_preempt_functions[] = {
    {"set_preemption", set_preemption, METH_O,
     "set_preemption($module, quantum_us, /)\n--\n\n"
     "From now on a tasklet of this thread that has run for so many microseconds (of real time) without a switch is\n"
     "interrupted, and becomes the last of the run queue, as if it had called schedule(). None or 0: no more. Returns the\n"
     "old value. Not while it is atomic, or inside a C function that calls Python, unless it ignores nesting."},
    {NULL},
};
