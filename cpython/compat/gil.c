/* compat/gil.c - the switch interval and the drop requests of CPython's GIL; see gil.h. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <internal/pycore_ceval.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#undef Py_BUILD_CORE

#include "gil.h"
#include "state.h"

#ifndef GOSP_GIL
#error "cpython/compat/py3NN.h of this CPython minor does not say where its GIL is: add GOSP_GIL and what follows it in py313.h."
#endif

/* Long, not endless: it bounds the harm if nobody should ever come to restore it. Nobody chooses this by hand. */
#define KEEP_US 1000003

static struct _gil_runtime_state *gil;
static unsigned long saved;  /* the program's interval while ours is in place */
static unsigned long placed; /* ours, 0: none */
static unsigned long kept;   /* how much we have added to the GIL's counter of switches */
static int untold;           /* threads may be waiting for an interval of ours that is over */

const char *gosp_gil_find(PyThreadState *ts, unsigned long interval_us)
{
    struct _gil_runtime_state *found = GOSP_GIL(ts->interp);
    if (!found || found->interval != interval_us)
        return "its switch interval is not where we look for it";
    if (!GOSP_GIL_LOCKED(found))
        return "its GIL does not look locked";
    if (GOSP_GIL_HOLDER(found) != ts)
        return "its GIL does not name the running thread";
    gil = found;
    return NULL;
}

void gosp_gil_lock(void)
{
    pthread_mutex_lock(&gil->mutex);
}

void gosp_gil_unlock(void)
{
    pthread_mutex_unlock(&gil->mutex);
}

PyThreadState *gosp_gil_holder(void)
{
    return GOSP_GIL_LOCKED(gil) ? GOSP_GIL_HOLDER(gil) : NULL;
}

int gosp_gil_is_free(void)
{
    return !gil || !GOSP_GIL_LOCKED(gil);
}

int gosp_handles_signals(void)
{
    return PyThread_get_thread_ident() == _PyRuntime.main_thread;
}

unsigned long gosp_gil_turns(void)
{
    return gil->switch_number - kept;
}

unsigned long gosp_gil_kept(void)
{
    return kept;
}

int gosp_gil_requested(PyThreadState *ts)
{
    return GOSP_DROP_REQUESTED(ts) != 0;
}

/* sys.setswitchinterval() writes without the lock, and wins: hence the exchanges. */

unsigned long gosp_gil_interval(void)
{
    unsigned long now = __atomic_load_n(&gil->interval, __ATOMIC_RELAXED);
    return now == placed ? saved : now;
}

static void place(unsigned long interval)
{
    unsigned long before = __atomic_exchange_n(&gil->interval, interval, __ATOMIC_RELAXED);
    if (before != placed)
        saved = before;
    placed = interval;
}

void gosp_gil_keep(PyThreadState *ts)
{
    place(KEEP_US);
    gil->switch_number++;
    kept++;
    untold = 1;
    if (GOSP_DROP_REQUESTED(ts))
        GOSP_DROP_REQUEST_CLEAR(ts);
}

void gosp_gil_restore(void)
{
    unsigned long ours = placed;
    if (ours)
        __atomic_compare_exchange_n(&gil->interval, &ours, saved, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    placed = 0;
}

void gosp_gil_share(unsigned long at_least_us)
{
    if (gosp_gil_interval() < at_least_us)
        place(at_least_us);
    else
        gosp_gil_restore();
    if (untold)
        pthread_cond_broadcast(&gil->cond);
    untold = 0;
}
