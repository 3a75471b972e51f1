/* thread.c - a scheduler for each OS thread, and the hooks that the core calls.
 *
 * The scheduler of a thread is made when the thread first needs one. A guard object in the thread state's
 * dict ends it: CPython clears that dict when the thread ends, on the thread, while Python still works.
 */
#include "record.h"

gosp_globals gosp;
__thread gosp_thread *gosp_self __attribute__((tls_model("initial-exec")));

/* ---- hooks ---- */

/* Tracing moves between thread state and tasklet like the rest, but only few tasklets have any. */
__attribute__((noinline, cold)) static void swap_tracing(PyThreadState *ts, TaskletObject *from, TaskletObject *to)
{
    gosp_calls_leave(ts); /* it stays with the thread */
    if (gosp_is_traced(ts) && !gosp_extras_get(from)) /* even if it has ended: a callback may have set it since */
        PyErr_WriteUnraisable((PyObject *)from); /* out of memory: its trace function is lost */
    if (from->extras)
        gosp_trace_save(&from->extras->trace, ts);
    gosp_trace_restore(to->extras ? &to->extras->trace : NULL, ts);
    if (to->extras) /* moved, not copied */
        to->extras->trace = (gosp_trace){.event = GOSP_NO_EVENT};
    gosp_calls_enter(ts);
}

static inline void leave_state(gosp_thread *th, TaskletObject *from)
{
    PyThreadState *ts = th->ts;
    from->context = ts->context;
    if (GOSP_UNLIKELY(from == th->main))
        gosp_c_stack_leave_main(&th->main_c_stack, ts);
    if (from->core.place != GOS_IN_RING && gosp_alive(from))
        gosp_track(from);
    if (GOSP_LIKELY(from->core.flags & GOSP_HAS_STATE))
        gosp_state_save(&from->state, ts);
    else if (ts->datastack_chunk) /* dead, and a schedule callback has run since */
        gosp_chunk_release(th);
    if (GOSP_UNLIKELY(th->starting == from)) {
        /* Its function has begun, so the frame holds what it needs. */
        th->starting = NULL;
        th->late_func = th->start_func;
        th->late_tuple = th->start_tuple;
    }
}

static inline void enter_state(gosp_thread *th, TaskletObject *to)
{
    PyThreadState *ts = th->ts;
    uint32_t unusual = (to->core.flags ^ th->usual_flags) & GOSP_USUAL_MASK;
    if (GOSP_UNLIKELY(unusual)) {
        if (GOSP_LIKELY(unusual & GOSP_HAS_STATE)) {
            th->start_func = to->fresh.func;
            th->start_args = to->fresh.args;
            th->start_kwargs = to->fresh.kwargs;
            gosp_state_start(&to->state, ts);
            to->core.flags |= GOSP_HAS_STATE;
        }
        if (GOSP_UNLIKELY(unusual & GOS_F_ATOMIC))
            gosp_atomic_follow(th, (to->core.flags & GOS_F_ATOMIC) != 0);
    }
    if (GOSP_LIKELY(to != th->main))
        gosp_c_stack_enter(to->core.slot, ts); /* a fresh one has none yet: begin() does it again */
    else
        gosp_c_stack_enter_main(&th->main_c_stack, ts);
    gosp_state_restore(&to->state, ts);
    PyObject *context = to->context;
    if (context != ts->context) {
        ts->context = context;
        gosp_context_changed(ts);
    }
    to->context = NULL;
}

static void hook_swap(gos_tasklet *from_core, gos_tasklet *to_core)
{
    gosp_thread *th = gosp_thread_of(from_core->sched);
    TaskletObject *from = gosp_of(from_core), *to = gosp_of(to_core);
    const char *frame = (const char *)to->state.frame; /* of a fresh one: anything, which a prefetch may be given */
    __builtin_prefetch(frame);
    __builtin_prefetch(frame + 64);
    if (GOSP_UNLIKELY(from->extras || to->extras || gosp_is_traced(th->ts)))
        swap_tracing(th->ts, from, to);
    leave_state(th, from);
    enter_state(th, to);
}

static void hook_hold(gos_tasklet *t)
{
    Py_INCREF(gosp_of(t));
}

static void hook_drop(gos_tasklet *t)
{
    Py_DECREF(gosp_of(t));
}

static void hook_drop_value(void *value)
{
    Py_DECREF((PyObject *)value);
}

static void *hook_take_error(gos_sched *s)
{
    (void)s;
    return gosp_bomb_from_error();
}

static void hook_evicting(gos_tasklet *t, void *near_edge, void *far_edge)
{
    TaskletObject *self = gosp_of(t);
    if (!(t->flags & GOSP_HAS_STATE))
        return;
    gosp_chunk_learn(&self->state);
    gosp_frames_evicting(&self->state, near_edge, far_edge);
}

static void hook_restored(gos_tasklet *t)
{
    if (t->flags & GOSP_HAS_STATE)
        gosp_frames_restored(&gosp_of(t)->state);
}

/* ---- the body of a tasklet ----
 *
 * hook_body's frame, like all between the far edge of the stack and the tasklet's code, is part of each
 * suspended tasklet: it holds one pointer, and what has locals is in functions that have returned by then. */

/* value: what it was thrown before, if anything, and so the result. */
static __attribute__((noinline)) PyObject *begin_specially(gosp_thread *th, TaskletObject *t, PyObject *value)
{
    if (t->core.flags & GOSP_TRACE_ME) {
        t->core.flags &= ~(uint32_t)GOSP_TRACE_ME;
        gosp_trace_adopt();
    }
    if (gosp_slice_at_resume(th) < 0)
        Py_XSETREF(value, gosp_bomb_from_error());
    return value;
}

/* Before the call: claim what the tasklet starts with. Returns its function, or the bomb that was thrown into it,
 * with th->start_args and start_kwargs set; new references, all of them. */
static __attribute__((noinline)) PyObject *begin(gosp_thread *th, TaskletObject *t)
{
    PyObject *func = th->start_func, *args = th->start_args, *kwargs = th->start_kwargs, *value = t->core.value;
    size_t bytes;
    gosp_c_stack_enter(t->core.slot, th->ts); /* not earlier: now it is known which */
    t->core.value = NULL;
    th->start_func = th->start_args = th->start_kwargs = NULL;
    void *chunk = gosp_chunk_alloc(th, func, &bytes);
    if (chunk)
        gosp_chunk_install(th->ts, chunk, bytes); /* without, CPython maps its 16 KiB: more memory, same result */
    gosp_tracing_resumed(th->ts);
    gosp_settle(th); /* may run, switch to, and start others */
    if (GOSP_UNLIKELY(t->core.flags & (GOSP_TRACE_ME | GOSP_INTERRUPT)))
        value = begin_specially(th, t, value);
    if (GOSP_UNLIKELY(value != NULL)) {
        PyObject *unused = Bomb_Check(value) ? func : value;
        func = Bomb_Check(value) ? value : func;
        Py_DECREF(unused);
    }
    th->start_args = args;
    th->start_kwargs = kwargs;
    return func;
}

static vectorcallfunc plain_call;

static inline int is_plain(PyObject *func)
{
    return PyFunction_Check(func) && ((PyFunctionObject *)func)->vectorcall == plain_call;
}

/* What CPython calls a function by, unless a JIT has replaced it. */
static int find_plain_call(void)
{
    PyCodeObject *code = PyCode_NewEmpty("gossamer", "probe", 1);
    PyObject *globals = PyDict_New();
    PyObject *probe = code && globals ? PyFunction_New((PyObject *)code, globals) : NULL;
    if (probe)
        plain_call = ((PyFunctionObject *)probe)->vectorcall;
    Py_XDECREF(probe);
    Py_XDECREF(globals);
    Py_XDECREF(code);
    return plain_call ? 0 : -1;
}

/* Call anything but a plain function; steals all. What a C function borrows from its caller has to live until
 * it returns, where the collector can see it. */
static __attribute__((noinline)) PyObject *call_other(TaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs)
{
    PyObject *keep, *result = NULL;
    if (Bomb_Check(func)) { /* thrown into before it ran */
        Py_DECREF(args);
        Py_XDECREF(kwargs);
        return gosp_bomb_raise(func);
    }
    keep = kwargs ? PyTuple_Pack(3, func, args, kwargs) : PyTuple_Pack(2, func, args);
    Py_DECREF(func);
    Py_DECREF(args);
    Py_XDECREF(kwargs);
    t->state.call = keep;
    if (keep)
        result = PyObject_Call(PyTuple_GET_ITEM(keep, 0), PyTuple_GET_ITEM(keep, 1),
                               PyTuple_GET_SIZE(keep) == 3 ? PyTuple_GET_ITEM(keep, 2) : NULL);
    Py_CLEAR(t->state.call);
    return result;
}

/* After the call: the outcome, and what the tasklet's code left in the thread state. */
static __attribute__((noinline)) void *end(TaskletObject *t, PyObject *result)
{
    gosp_thread *th = gosp_thread_of(t->core.sched);
    PyThreadState *ts = th->ts;
    void *failure = NULL;
    if (th->starting == t) { /* never switched away: see leave_state */
        th->starting = NULL;
        Py_DECREF(th->start_func);
        Py_DECREF(th->start_tuple);
    }
    if (GOSP_LIKELY(result && !(t->core.flags & GOSP_KEEP_RESULT) && !t->extras))
        Py_DECREF(result);
    else
        failure = gosp_outcome_of(th, t, result);
    if (GOSP_UNLIKELY(gosp_is_traced(ts) && !gosp_calls_here(ts))) { /* counted by the interpreter: switch off properly */
        ts->tracing = 0;
        PyEval_SetTrace(NULL, NULL);
        PyEval_SetProfile(NULL, NULL);
    }
    Py_CLEAR(t->state.exc_state.exc_value);
    gosp_chunk_release(th);
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosp_record_ends(t);
    t->core.flags = (t->core.flags & ~(uint32_t)GOSP_HAS_STATE) | GOSP_ENDED;
    t->fresh.func = t->fresh.args = t->fresh.kwargs = NULL;
    if (Py_REFCNT(t) > 1)
        gosp_track(t); /* somebody keeps it */
    return failure;
}

static void *hook_body(gos_tasklet *core)
{
    TaskletObject *t = gosp_of(core);
    gosp_thread *th = gosp_thread_of(core->sched);
    PyObject *func = begin(th, t), *args = th->start_args;
    if (GOSP_UNLIKELY(th->start_kwargs || !is_plain(func)))
        return end(t, call_other(t, func, args, th->start_kwargs));
    th->starting = t;
    th->start_func = func;
    th->start_tuple = args;
    return end(t, plain_call(func, &PyTuple_GET_ITEM(args, 0), (size_t)PyTuple_GET_SIZE(args), NULL));
}

void gosp_settle_slow(gosp_thread *th)
{
    PyObject *func = th->late_func, *tuple = th->late_tuple;
    th->late_func = th->late_tuple = NULL;
    gos_settle(&th->sched);
    Py_XDECREF(func);
    Py_XDECREF(tuple);
    if (th->yield_due)
        gosp_ticker_yield(th);
}

static const gos_hooks hooks = {
    .body = hook_body,
    .swap = hook_swap,
    .hold = hook_hold,
    .drop = hook_drop,
    .drop_value = hook_drop_value,
    .idle = gosp_idle,
    .take_error = hook_take_error,
    .evicting = hook_evicting,
    .restored = hook_restored,
    .limit = gosp_timeout_limit,
    .exclusive = 1,
};

/* ---- life of a thread ---- */

static const char guard_name[] = "gossamer.thread";

void gosp_update_notify(void)
{
    int listened = gosp.schedule_callback || gosp.fast_schedule_callback;
    for (gosp_thread *th = gosp.threads; th; th = th->next)
        th->sched.notify = th->slice.armed ? gosp_slice_switching : listened ? gosp_call_schedule_callback : NULL;
}

/* Its tasklets get TaskletExit, as at the end of a thread in Stackless; what survives is abandoned. */
void gosp_thread_kill_all(gosp_thread *th)
{
    PyObject *list = gosp_list_tasklets(th);
    if (!list) {
        PyErr_WriteUnraisable(NULL);
        return;
    }
    /* Nobody else may get a turn: first empty the ring, then kill one by one. */
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        TaskletObject *t = (TaskletObject *)PyList_GET_ITEM(list, i);
        if (t->core.place == GOS_IN_RING && &t->core != th->sched.current) {
            gosp_track(t);
            gos_sched_remove(&th->sched, &t->core);
        }
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        TaskletObject *t = (TaskletObject *)PyList_GET_ITEM(list, i);
        if (t == th->main || &t->core == th->sched.current || !gosp_has_stack(t))
            continue;
        if (gosp_kill(th, t, 0) < 0) /* what leaves a dying tasklet is discarded */
            PyErr_Clear();
    }
    Py_DECREF(list);
}

static void orphan(gosp_thread *th, TaskletObject *t)
{
    if (t->core.place == GOS_IN_RING && t != th->main)
        gos_sched_remove(&th->sched, &t->core);
    else if (gos_sched_unlink(&th->sched, &t->core, GOS_OK))
        Py_DECREF(t);
    if (t->core.flags & GOSP_HAS_STATE) { /* its stack goes with the thread; what that referred to is lost */
        t->core.flags = (t->core.flags & ~(uint32_t)GOSP_HAS_STATE) | GOSP_ENDED;
        t->fresh.func = t->fresh.args = t->fresh.kwargs = NULL;
    }
    gosp_outcome_lost(th, t);
    gos_sched_abandon(&th->sched, &t->core);
    gosp_thread_left(th);
}

/* A lock that is granted to somebody who waits for it even while it dies (in Condition.wait) must be released by its own
 * code: whoever has become runnable since it was killed gets a turn more. */
static void kill_again(gosp_thread *th, TaskletObject *t)
{
    gosp_track(t);
    gos_sched_remove(&th->sched, &t->core);
    if (gosp_kill(th, t, 0) < 0)
        PyErr_Clear();
}

/* Tasklets that outlive their thread are dead, with their stacks gone. What they drop may make more, and other threads
 * may bring some. here: it is this thread, where they can still run. */
static void orphan_all(gosp_thread *th, int here)
{
    PyObject *list = gosp_list_tasklets(th);
    if (!list) {
        PyErr_WriteUnraisable(NULL);
        return;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        TaskletObject *t = (TaskletObject *)PyList_GET_ITEM(list, i);
        if (t == th->main || t->core.sched != &th->sched)
            continue;
        if (here && t->core.place == GOS_IN_RING && gosp_has_stack(t))
            kill_again(th, t);
        if (t->core.sched == &th->sched)
            orphan(th, t);
    }
    Py_DECREF(list);
}

void gosp_thread_left(gosp_thread *th)
{
    if (--th->members == 0 && th->goes_with_last)
        PyMem_Free(th);
}

/* At the end of the interpreter tasklets stay as they are; only the thread state goes. */
static void cut_all(gosp_thread *th)
{
    PyObject *list = gosp_list_tasklets(th);
    if (!list) {
        PyErr_Clear();
        return;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        TaskletObject *t = (TaskletObject *)PyList_GET_ITEM(list, i);
        if ((t->core.flags & GOSP_HAS_STATE) && &t->core != th->sched.current)
            gosp_frames_cut(&t->state, th->ts);
    }
    Py_DECREF(list);
}

enum { ORPHAN_ROUNDS = 10 };

static void end_thread(PyObject *capsule)
{
    gosp_thread *th = PyCapsule_GetPointer(capsule, guard_name);
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int here = gosp_self == th && th->sched.current == &th->main->core;
    gosp_slice_forget(th);
    if (gosp_finalizing()) {
        /* The exit handler has killed what could be killed. Whoever survived is still to be seen by the last
         * collections: so the stacks, and this record, stay until the process ends. */
        if (GOSP_FRAMES_NEED_CUT)
            cut_all(th);
        th->ended = 1;
        gosp_ticker_stop();
        PyErr_Restore(type, value, traceback);
        return;
    }
    th->sched.trap = 0; /* left set: nobody can lower it any more */
    if (here)
        gosp_thread_kill_all(th);
    orphan_all(th, here);
    gos_pool_forget(&th->sched);
    for (int i = 0; i < ORPHAN_ROUNDS && th->members > 1; i++)
        orphan_all(th, here); /* nothing runs between finding only main left and what follows */
    orphan(th, th->main);
    gos_poll_end(&th->sched);
    gosp_ticker_forget(th);
    for (gosp_thread **link = &gosp.threads; *link; link = &(*link)->next) {
        if (*link == th) {
            *link = th->next;
            break;
        }
    }
    if (gosp_self == th)
        gosp_self = NULL;
    __atomic_fetch_sub(&gosp.lonely_threads, th->lonely != 0, __ATOMIC_SEQ_CST); /* in the child of a fork */
    gosp_idle_reconsider(th->ts);
    TaskletObject *main = th->main;
    gosp_spill_stacks_gone();
    gosp_chunk_cache_clear(th);
    if (here) {
        main->core.place = GOS_NOWHERE;
        Py_DECREF(main); /* the ring's reference */
    }
    Py_DECREF(main);
    th->ended = 1;
    if (here && !th->members) /* else somebody may still look at it: one that is being freed, or that came too late */
        gos_sched_fini(&th->sched);
    th->goes_with_last = 1;
    th->members++;
    gosp_thread_left(th);
    PyErr_Restore(type, value, traceback);
}

static gosp_thread *thread_new(PyThreadState *ts)
{
    gosp_thread *th = PyMem_Calloc(1, sizeof *th);
    if (!th) {
        PyErr_NoMemory();
        return NULL;
    }
    TaskletObject *main = gosp_tasklet_new(NULL, gosp.tasklet_type);
    if (!main) {
        PyMem_Free(th);
        return NULL;
    }
    int rc = gos_sched_init(&th->sched, &main->core, &hooks, &gosp.config);
    if (rc != GOS_OK) {
        if (rc == GOS_ENOTSUP)
            PyErr_SetString(PyExc_ImportError, "this process runs with hardware shadow stacks, which stack switching "
                                               "violates: switch them off (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)");
        else
            PyErr_NoMemory();
        Py_DECREF(main);
        PyMem_Free(th);
        return NULL;
    }
    main->core.flags |= GOSP_HAS_STATE;
    gosp_state_start(&main->state, ts);
    th->main = main;
    th->members = 1;
    th->ts = ts;
    th->thread_id = ts->thread_id;
    th->usual_flags = GOSP_HAS_STATE;
    th->sched.embedder = th;
    return th;
}

gosp_thread *gosp_thread_enter(void)
{
    PyThreadState *ts = PyThreadState_Get();
    gosp_thread *th = gosp_self;
    if (th && th->ts == ts)
        return th;
    if (th) {
        PyErr_SetString(PyExc_RuntimeError, "tasklets cannot be used from a second thread state of the same thread");
        return NULL;
    }
    if (ts->interp != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_RuntimeError, "tasklets cannot be used in a subinterpreter");
        return NULL;
    }
    PyObject *dict = PyThreadState_GetDict();
    th = dict ? thread_new(ts) : NULL;
    if (!th) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    th->next = gosp.threads;
    gosp.threads = th;
    gosp_self = th;
    PyObject *guard = PyCapsule_New(th, guard_name, end_thread);
    if (!guard || PyDict_SetItemString(dict, guard_name, guard) < 0) {
        if (!guard) {
            gosp.threads = th->next;
            gosp_self = NULL;
            gos_sched_fini(&th->sched);
            PyMem_Free(th);
        }
        Py_XDECREF(guard); /* ends the thread's scheduler, if it was made */
        return NULL;
    }
    Py_DECREF(guard);
    gosp_update_notify();
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosp_record_thread(th);
    if (th->sched.notify)
        gosp_call_schedule_callback(NULL, &th->main->core);
    return th;
}

int gosp_threads_init(void)
{
    return find_plain_call() == 0 && gosp_thread_current() ? 0 : -1;
}
