/* compat/async.c - deliveries between two bytecodes; see async.h. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <internal/pycore_ceval.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#undef Py_BUILD_CORE

#include "async.h"

#if GOSP_ASYNC_NEEDS_GIL
/* ---- 3.11: a trace function ---- */

enum { LONG_INTERVAL_US = 100000 };
enum { EVENTS_PATIENTLY = 200 }; /* then the next request has to try again: tracing is slow */

static void update_tracing(PyThreadState *ts)
{
    ts->cframe->use_tracing = (ts->c_tracefunc || ts->c_profilefunc) && !ts->tracing ? 255 : 0;
}

static int on_event(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg);

static void forget(gosp_async *a)
{
    PyFrameObject *frame = a->frame;
    a->installed = 0;
    a->frame = NULL;
    if (frame) {
        if (!a->had_opcodes)
            frame->f_trace_opcodes = 0;
        Py_DECREF(frame);
    }
}

void gosp_async_withdraw(gosp_async *a, PyThreadState *ts)
{
    if (!a->installed)
        return;
    if (ts->c_tracefunc == on_event) {
        ts->c_tracefunc = a->chained;
        update_tracing(ts);
    }
    forget(a);
}

/* It may be that no event comes although the code runs: a traced function that is called by a pending call cannot begin
 * while there is another one in the queue (CPython looks at it again and again). So nothing stays for ever.
 *
 * A loop of one instruction has no line events, so each opcode has to be one. The frame object is made without
 * the collector, which might run finalizers in the name of the wrong thread. */
int gosp_async_request(gosp_async *a, PyThreadState *ts)
{
    if (a->installed && ts->c_tracefunc == on_event && a->events != a->last_events) {
        a->last_events = a->events;
        return 0;
    }
    if (a->installed) { /* the program has set another one, or ours sees no events: next time, then */
        gosp_async_withdraw(a, ts);
        return -1;
    }
    if (ts->tracing)
        return -1;
    int collects = PyGC_Disable();
    PyFrameObject *frame = PyThreadState_GetFrame(ts);
    if (collects)
        PyGC_Enable();
    if (!frame)
        return -1;
    a->installed = 1;
    a->events = 1;
    a->last_events = 0;
    a->frame = frame;
    a->had_opcodes = frame->f_trace_opcodes;
    frame->f_trace_opcodes = 1;
    a->chained = ts->c_tracefunc;
    ts->c_tracefunc = on_event;
    update_tracing(ts);
    return 0;
}

/* What the user's function would have got without us. */
static int forward(PyThreadState *ts, gosp_async *a, PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    Py_tracefunc theirs = a && a->installed ? a->chained : ts->c_tracefunc;
    int ours = what == PyTrace_OPCODE && a && a->installed && frame == a->frame && !a->had_opcodes;
    return theirs && theirs != on_event && !ours ? theirs(obj, frame, what, arg) : 0;
}

static int on_event(PyObject *obj, PyFrameObject *frame, int what, PyObject *arg)
{
    PyThreadState *ts = PyThreadState_Get();
    gosp_async *a = gosp_async_here();
    if (forward(ts, a, obj, frame, what, arg) < 0)
        return -1;
    if (!a || !a->installed)
        return 0; /* the line event of this opcode has been the one, or the user's function has switched */
    if (ts->c_tracefunc != on_event) {
        forget(a);
        return 0;
    }
    a->events++;
    if (what != PyTrace_LINE && what != PyTrace_OPCODE && what != PyTrace_CALL)
        return 0;
    int rc = gosp_async_arrived(a->id);
    if (rc != GOSP_ASYNC_LATER || a->events > EVENTS_PATIENTLY)
        gosp_async_withdraw(a, ts);
    return rc < 0 ? -1 : 0;
}

/* The trace function stays for EVENTS_PATIENTLY in any case. */
int gosp_async_chase(gosp_async *a, PyThreadState *ts)
{
    (void)a;
    (void)ts;
    return 0;
}

void gosp_async_chased(PyThreadState *ts)
{
    (void)ts;
}

void gosp_async_leave(PyThreadState *ts, gosp_async_saved *saved)
{
    gosp_async *a = gosp_async_here();
    if (a)
        gosp_async_withdraw(a, ts);
    saved->flag = ts->tracing;
    saved->event = ts->tracing_what;
    ts->tracing = 0;
}

void gosp_async_return(PyThreadState *ts, const gosp_async_saved *saved)
{
    ts->tracing = saved->flag;
    ts->tracing_what = saved->event;
}

void gosp_gil_hurry(PyInterpreterState *interp)
{
    if (_PyRuntime.ceval.gil.interval > LONG_INTERVAL_US)
        return; /* somebody wants to keep it: atomic does so */
    _Py_atomic_store_relaxed(&interp->ceval.gil_drop_request, 1);
    _Py_atomic_store_relaxed(&interp->ceval.eval_breaker, 1);
}

#else
/* ---- 3.12 and later: pending calls ---- */

static int on_pending_call(void *arg)
{
    return gosp_async_arrived((uint64_t)(uintptr_t)arg) < 0 ? -1 : 0;
}

int gosp_async_post(PyInterpreterState *interp, uint64_t id)
{
    return _PyEval_AddPendingCall(interp, on_pending_call, (void *)(uintptr_t)id, 0) == 0 ? 0 : -1;
}

int gosp_async_request(gosp_async *a, PyThreadState *ts)
{
    return gosp_async_post(ts->interp, a->id);
}

/* CPython calls what is in the queue several times in a row, so a call that queues itself is made as often as there are
 * places (3.12), or as a limit says that can be lowered meanwhile (from 3.13 on). */
#if PY_VERSION_HEX >= 0x030D0000
static int32_t usual_loop = -1; /* the limit that was lowered; -1: none */

int gosp_async_chase(gosp_async *a, PyThreadState *ts)
{
    int32_t *limit = &ts->interp->ceval.pending.maxloop;
    if (usual_loop < 0) {
        usual_loop = *limit;
        *limit = 1;
    }
    return gosp_async_request(a, ts);
}

void gosp_async_chased(PyThreadState *ts)
{
    if (usual_loop >= 0)
        ts->interp->ceval.pending.maxloop = usual_loop;
    usual_loop = -1;
}
#else
int gosp_async_chase(gosp_async *a, PyThreadState *ts)
{
    return gosp_async_request(a, ts);
}

void gosp_async_chased(PyThreadState *ts)
{
    (void)ts;
}
#endif

void gosp_async_withdraw(gosp_async *a, PyThreadState *ts)
{
    (void)a;
    (void)ts;
}

/* CPython serves no pending call while it believes that one is being served. Other calls may still be in the
 * queue, and only this thread knew. */
#if PY_VERSION_HEX < 0x030D0000
void gosp_async_leave(PyThreadState *ts, gosp_async_saved *saved)
{
    struct _ceval_state *ceval = &ts->interp->ceval;
    saved->flag = ceval->pending.busy;
    ceval->pending.busy = 0;
    _Py_atomic_store_relaxed(&ceval->pending.calls_to_do, 1);
    _Py_atomic_store_relaxed(&ceval->eval_breaker, 1);
}

void gosp_async_return(PyThreadState *ts, const gosp_async_saved *saved)
{
    if (!ts->interp->ceval.pending.busy)
        ts->interp->ceval.pending.busy = saved->flag;
}
#else
void gosp_async_leave(PyThreadState *ts, gosp_async_saved *saved)
{
    saved->flag = ts->interp->ceval.pending.handling_thread == ts;
    if (saved->flag)
        ts->interp->ceval.pending.handling_thread = NULL;
    _Py_set_eval_breaker_bit(ts, _PY_CALLS_TO_DO_BIT);
}

void gosp_async_return(PyThreadState *ts, const gosp_async_saved *saved)
{
    if (saved->flag && !ts->interp->ceval.pending.handling_thread)
        ts->interp->ceval.pending.handling_thread = ts;
}
#endif

void gosp_gil_hurry(PyInterpreterState *interp)
{
    (void)interp; /* whoever needs the GIL here is in no hurry */
}

#endif
