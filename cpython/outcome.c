/* outcome.c - how a tasklet ends: result or error, who gets it, and waiting for it (join, spawn).
 *
 * An error goes, in this order, to: those who wait in join, or the group that owns the tasklet; the uncaught
 * hook; the error handler of Stackless; the innermost run() or main.
 */
#include "gosp.h"

/* Joiners wait on a channel of their own; they continue without a switch. Each life of a tasklet has another channel,
 * closed at its end: who was about to wait finds that out. Runs no Python code before that. */
static void wake_joiners(gosp_thread *th, TaskletObject *t)
{
    ChannelObject *ch = t->extras ? (ChannelObject *)t->extras->joined : NULL;
    t->core.flags |= GOSP_ENDED;
    if (!ch)
        return;
    while (ch->core.waiting < 0) {
        int rc = gos_channel_send(&th->sched, &ch->core, NULL, GOS_FOREVER);
        if (rc != GOS_OK)
            break;
    }
    gos_close(&ch->core);
    t->extras->joined = NULL;
    Py_DECREF(ch);
}

void gosp_outcome_lost(gosp_thread *th, TaskletObject *t)
{
    uint32_t ended = t->core.flags & GOSP_ENDED;
    wake_joiners(th, t);
    t->core.flags = (t->core.flags & ~(uint32_t)GOSP_ENDED) | ended;
}

static int somebody_joins(TaskletObject *t)
{
    ChannelObject *ch = t->extras ? (ChannelObject *)t->extras->joined : NULL;
    return ch && ch->core.waiting < 0;
}

/* 1 handled, 0 not; may replace the exception in *bomb when the handler raises. */
static int call_uncaught_hook(TaskletObject *t, PyObject **bomb)
{
    if (!gosp.uncaught_hook)
        return 0;
    BombObject *b = (BombObject *)*bomb;
    PyObject *hook = Py_NewRef(gosp.uncaught_hook);
    PyObject *answer = PyObject_CallFunctionObjArgs(hook, (PyObject *)t, b->value ? b->value : Py_None, NULL);
    int handled = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    Py_DECREF(hook);
    if (handled < 0) {
        Py_DECREF(*bomb);
        *bomb = gosp_bomb_from_error();
        return 0;
    }
    return handled;
}

static int call_error_handler(PyObject **bomb)
{
    if (!gosp.error_handler)
        return 0;
    BombObject *b = (BombObject *)*bomb;
    PyObject *handler = Py_NewRef(gosp.error_handler);
    PyObject *answer = PyObject_CallFunctionObjArgs(handler, b->type ? b->type : Py_None, b->value ? b->value : Py_None,
                                                    b->traceback ? b->traceback : Py_None, NULL);
    Py_DECREF(handler);
    if (answer) {
        Py_DECREF(answer);
        return 1;
    }
    Py_DECREF(*bomb);
    *bomb = gosp_bomb_from_error();
    return 0;
}

static void keep_result(TaskletObject *t, PyObject *result)
{
    if (!(t->core.flags & GOSP_KEEP_RESULT) || result == Py_None) {
        Py_DECREF(result);
        return;
    }
    gosp_extras *extras = gosp_extras_get(t);
    if (!extras) {
        PyErr_WriteUnraisable((PyObject *)t); /* out of memory for keeping it */
        Py_DECREF(result);
        return;
    }
    Py_XSETREF(extras->result, result);
}

static int keep_error(TaskletObject *t, PyObject *bomb)
{
    if (!(t->core.flags & GOSP_KEEP_RESULT))
        return 0;
    gosp_extras *extras = gosp_extras_get(t);
    if (!extras) {
        PyErr_Clear();
        return 0;
    }
    Py_XSETREF(extras->error, Py_XNewRef(((BombObject *)bomb)->value));
    return extras->error != NULL;
}

void *gosp_outcome_of(gosp_thread *th, TaskletObject *t, PyObject *result)
{
    if (GOSP_UNLIKELY(t->core.flags & GOS_F_LIMITED)) /* entered by hand, or by a generator that goes on elsewhere */
        gosp_timeout_forget(t);
    if (result) {
        keep_result(t, result);
        wake_joiners(th, t);
        return NULL;
    }
    if (PyErr_ExceptionMatches(gosp.tasklet_exit)) {
        PyErr_Clear();
        wake_joiners(th, t);
        return NULL;
    }
    PyObject *bomb = gosp_bomb_from_error();
    int kept = keep_error(t, bomb);
    int handled = kept && ((t->core.flags & GOSP_OWNED) || somebody_joins(t));
    if (!handled)
        handled = call_uncaught_hook(t, &bomb) || call_error_handler(&bomb);
    if (!handled && gosp_bomb_is(bomb, gosp.tasklet_exit))
        handled = 1; /* killed inside of the hook */
    wake_joiners(th, t);
    if (!handled)
        return bomb;
    Py_DECREF(bomb);
    return NULL;
}

/* ---- join ---- */

static PyObject *stored_outcome(TaskletObject *t)
{
    if (!(t->core.flags & GOSP_ENDED) && !t->core.sched) {
        PyErr_SetString(PyExc_RuntimeError, "the thread of the tasklet has ended before it");
        return NULL;
    }
    if (!t->extras)
        Py_RETURN_NONE;
    if (t->extras->error) {
        PyObject *error = Py_NewRef(t->extras->error);
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
        return NULL;
    }
    return Py_NewRef(t->extras->result ? t->extras->result : Py_None);
}

static ChannelObject *join_channel(TaskletObject *t)
{
    gosp_extras *extras = gosp_extras_get(t);
    if (!extras)
        return NULL;
    if (!extras->joined) {
        extras->joined = PyObject_CallNoArgs((PyObject *)gosp.channel_type);
        if (extras->joined)
            ((ChannelObject *)extras->joined)->core.preference = 1; /* the dying tasklet goes on */
    }
    return (ChannelObject *)extras->joined;
}

PyObject *gosp_tasklet_join(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout"};
    PyObject *given[1] = {Py_None};
    TaskletObject *t = (TaskletObject *)self;
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    if (!th || gosp_parse(args, nargs, kwnames, "join", names, 1, 0, given) < 0 || gosp_deadline(given[0], &deadline) < 0)
        return NULL;
    TaskletObject *cur = gosp_current(th);
    if (t == cur) {
        PyErr_SetString(PyExc_RuntimeError, "a tasklet cannot join itself");
        return NULL;
    }
    gosp_extras *mine = gosp_extras_get(cur);
    ChannelObject *ch = mine && gosp_alive(t) ? join_channel(t) : NULL;
    if (!mine || PyErr_Occurred())
        return NULL;
    if (!gosp_alive(t) || (t->core.flags & GOSP_ENDED)) /* maybe only just now, while memory was asked for */
        return stored_outcome(t);
    t->core.flags |= GOSP_KEEP_RESULT;
    PyObject *interrupted = mine->joining; /* by a signal handler, which is about to be refused */
    mine->joining = Py_NewRef(self);
    Py_INCREF(ch);
    PyObject *woken = gosp_channel_receive_value(th, ch, deadline);
    int too_late = !woken && ch->core.closing && PyErr_ExceptionMatches(PyExc_ValueError); /* a callback took its time */
    Py_DECREF(ch);
    Py_XSETREF(mine->joining, interrupted);
    if (!woken && !too_late)
        return NULL;
    PyErr_Clear();
    Py_XDECREF(woken);
    return stored_outcome(t);
}

/* ---- spawn ---- */

static PyObject *named_arguments(PyObject *const *values, PyObject *kwnames, PyObject **name)
{
    PyObject *dict = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(key, "name") == 0) {
            *name = values[i];
            continue;
        }
        if (!dict && !(dict = PyDict_New()))
            return NULL;
        if (PyDict_SetItem(dict, key, values[i]) < 0) {
            Py_DECREF(dict);
            return NULL;
        }
    }
    return dict;
}

PyObject *gosp_spawn(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "spawn() missing required argument 'func' (pos 1)");
        return NULL;
    }
    PyObject *name = Py_None, *kwargs = kwnames ? named_arguments(args + nargs, kwnames, &name) : NULL;
    if (PyErr_Occurred())
        return NULL;
    TaskletObject *t = NULL;
    PyObject *tuple = PyTuple_New(nargs - 1);
    for (Py_ssize_t i = 1; tuple && i < nargs; i++)
        PyTuple_SET_ITEM(tuple, i - 1, Py_NewRef(args[i]));
    if (!PyCallable_Check(args[0]))
        PyErr_SetString(PyExc_TypeError, "tasklet function must be a callable");
    else if (name != Py_None && !PyUnicode_Check(name))
        PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.200s", Py_TYPE(name)->tp_name);
    else if (tuple)
        t = gosp_tasklet_new(th, gosp.tasklet_type);
    if (t) {
        t->core.flags |= GOSP_KEEP_RESULT;
        gosp_extras *extras = name != Py_None ? gosp_extras_get(t) : NULL;
        if (extras)
            extras->name = Py_NewRef(name);
        if (PyErr_Occurred() || gosp_tasklet_bind(th, t, args[0], Py_None, Py_None) < 0 ||
            gosp_tasklet_setup(th, t, tuple, kwargs) < 0)
            Py_CLEAR(t);
    }
    Py_XDECREF(tuple);
    Py_XDECREF(kwargs);
    return (PyObject *)t;
}
