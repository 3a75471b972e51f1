/* tasklet_attrs.c - the attributes of tasklets, and the rarely used part of them (gosp_extras). */
#include "record.h"

/* ---- extras ---- */

gosp_extras *gosp_extras_get(TaskletObject *t)
{
    if (!t->extras) {
        gosp_extras *extras = PyMem_Calloc(1, sizeof *extras);
        if (!extras) {
            PyErr_NoMemory();
            return NULL;
        }
        extras->trace.event = GOSP_NO_EVENT;
        t->extras = extras;
    }
    return t->extras;
}

int gosp_extras_traverse(TaskletObject *t, visitproc visit, void *arg)
{
    gosp_extras *x = t->extras;
    if (!t->core.sched || t->core.sched->current != &t->core) { /* else the thread state owns them */
        Py_VISIT(x->trace.c_profileobj);
        Py_VISIT(x->trace.c_traceobj);
    }
    Py_VISIT(x->locals);
    Py_VISIT(x->result);
    Py_VISIT(x->error);
    Py_VISIT(x->joined);
    Py_VISIT(x->joining);
    Py_VISIT(x->timeout);
    return 0;
}

void gosp_extras_free(TaskletObject *t)
{
    gosp_extras *x = t->extras;
    if (!x)
        return;
    if (x->trace.c_tracefunc || x->trace.c_profilefunc)
        gosp_trace_forget(t);
    gosp_timeout_forget(t);
    t->extras = NULL;
    Py_XDECREF(x->name);
    Py_XDECREF(x->locals);
    Py_XDECREF(x->result);
    Py_XDECREF(x->error);
    Py_XDECREF(x->joined);
    Py_XDECREF(x->joining);
    PyMem_Free(x);
}

/* ---- state ---- */

static int is_current(TaskletObject *t)
{
    return t->core.sched && t->core.sched->current == &t->core;
}

static PyObject *get_alive(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(gosp_alive((TaskletObject *)self));
}

static PyObject *get_paused(PyObject *self, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    return PyBool_FromLong(gosp_alive(t) && (t->core.place == GOS_NOWHERE || t->core.place == GOS_ASLEEP));
}

static PyObject *get_blocked(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(gosp_blocked((TaskletObject *)self));
}

static PyObject *get_scheduled(PyObject *self, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    return PyBool_FromLong(t->core.place == GOS_IN_RING || gosp_blocked(t));
}

static PyObject *get_restorable(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(!(((TaskletObject *)self)->core.flags & GOS_F_STARTED));
}

static PyObject *get_flag(PyObject *self, void *flag)
{
    return PyBool_FromLong((((TaskletObject *)self)->core.flags & (uint32_t)(uintptr_t)flag) != 0);
}

static int set_block_trap(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    if (!value || !PyLong_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "block_trap must be set to a bool or integer");
        return -1;
    }
    int wanted = PyObject_IsTrue(value);
    if (wanted < 0)
        return -1;
    if (wanted)
        t->core.flags |= GOS_F_BLOCK_TRAP;
    else
        t->core.flags &= ~(uint32_t)GOS_F_BLOCK_TRAP;
    return 0;
}

static PyObject *get_is_main(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong((((TaskletObject *)self)->core.flags & GOS_F_MAIN) != 0);
}

static PyObject *get_is_current(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(is_current((TaskletObject *)self));
}

static PyObject *get_thread_id(PyObject *self, void *unused)
{
    (void)unused;
    gos_sched *s = ((TaskletObject *)self)->core.sched;
    return s ? PyLong_FromUnsignedLong(gosp_thread_of(s)->thread_id) : PyLong_FromLong(-1);
}

const char *gosp_tasklet_state(TaskletObject *t)
{
    if (is_current(t) && (t->core.place == GOS_IN_RING || t->core.place == GOS_NOWHERE))
        return "running"; /* else its thread sleeps, and so does it */
    switch (t->core.place) {
    case GOS_IN_RING: return "ready";
    case GOS_IN_CHANNEL:
    case GOS_IN_SELECT:
    case GOS_IN_WAITER: return "blocked";
    case GOS_ASLEEP: return "sleeping";
    default: break;
    }
    if (gosp_alive(t))
        return "paused";
    if (t->core.value)
        return "bound";
    return t->core.flags & GOSP_ENDED ? "dead" : "new";
}

static PyObject *get_state(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(gosp_tasklet_state((TaskletObject *)self));
}

/* ---- neighbours ---- */

static PyObject *neighbour(PyObject *self, int forward)
{
    TaskletObject *t = (TaskletObject *)self;
    gos_node *node = NULL;
    if (t->core.place == GOS_IN_RING || t->core.place == GOS_IN_CHANNEL)
        node = forward ? t->core.next : t->core.prev;
    return Py_NewRef(node ? (PyObject *)gosp_of(gos_node_tasklet(node)) : Py_None);
}

static PyObject *get_next(PyObject *self, void *unused)
{
    (void)unused;
    return neighbour(self, 1);
}

static PyObject *get_prev(PyObject *self, void *unused)
{
    (void)unused;
    return neighbour(self, 0);
}

static PyObject *get_channel(PyObject *self, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    return Py_NewRef(t->core.place == GOS_IN_CHANNEL ? (PyObject *)gosp_channel_of(t->core.wait.channel) : Py_None);
}

PyObject *gosp_waiting_on(TaskletObject *t)
{
    if (t->extras && t->extras->joining)
        return Py_NewRef(t->extras->joining);
    if (t->core.place == GOS_IN_CHANNEL)
        return get_channel((PyObject *)t, NULL);
    PyObject *lock = gosp_sync_waited_for(t);
    if (lock)
        return Py_NewRef(lock);
    size_t n;
    const struct gos_case *cases = gos_select_cases(&t->core, &n);
    if (!cases)
        Py_RETURN_NONE;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++)
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef((PyObject *)gosp_channel_of(cases[i].channel)));
    return list;
}

static PyObject *get_waiting_on(PyObject *self, void *unused)
{
    (void)unused;
    return gosp_waiting_on((TaskletObject *)self);
}

/* ---- values and frames ---- */

static PyObject *get_tempval(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *value = ((TaskletObject *)self)->core.value;
    return Py_NewRef(value ? value : Py_None);
}

static int set_tempval(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "tempval cannot be deleted");
        return -1;
    }
    gos_tasklet *t = &((TaskletObject *)self)->core;
    if ((t->place == GOS_IN_CHANNEL && t->direction < 0) || t->place == GOS_IN_SELECT || t->place == GOS_IN_WAITER)
        return 0; /* what it is sent goes there, whatever is there now */
    if (t->flags & GOS_F_THROWN)
        return 0; /* an error that another thread has thrown comes first */
    PyObject *old = t->value;
    t->value = Py_NewRef(value);
    Py_XDECREF(old);
    return 0;
}

static PyObject *get_frame(PyObject *self, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    PyObject *frame = NULL;
    if (PySys_Audit("sys._getframe", NULL) < 0)
        return NULL;
    if (is_current(t))
        frame = (PyObject *)PyThreadState_GetFrame(gosp_thread_of(t->core.sched)->ts);
    else if (t->core.sched && (t->core.flags & GOSP_HAS_STATE))
        frame = gosp_frames_innermost(&t->state, PyThreadState_Get());
    if (!frame && PyErr_Occurred())
        return NULL;
    return frame ? frame : Py_NewRef(Py_None);
}

static PyObject *get_recursion_depth(PyObject *self, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    if (is_current(t))
        return PyLong_FromLong(GOSP_DEPTH(gosp_thread_of(t->core.sched)->ts));
    return PyLong_FromLong(t->core.flags & GOSP_HAS_STATE ? t->state.depth : 0);
}

static PyObject *get_zero(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    return PyLong_FromLong(0);
}

static PyObject *get_none(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

/* ---- name and locals ---- */

PyObject *gosp_tasklet_name(TaskletObject *t)
{
    if (t->extras && t->extras->name)
        return Py_NewRef(t->extras->name);
    if (t->core.flags & GOS_F_MAIN)
        return PyUnicode_FromString("main");
    gosp_extras *extras = gosp_extras_get(t);
    if (!extras)
        return NULL;
    if (!extras->number)
        extras->number = ++gosp.next_number;
    return PyUnicode_FromFormat("tasklet-%lu", extras->number);
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)unused;
    return gosp_tasklet_name((TaskletObject *)self);
}

static int set_name(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (!value || !PyUnicode_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "name must be set to a str");
        return -1;
    }
    gosp_extras *extras = gosp_extras_get((TaskletObject *)self);
    if (!extras)
        return -1;
    Py_XSETREF(extras->name, Py_NewRef(value));
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosp_record_renamed((TaskletObject *)self);
    return 0;
}

static int set_quiet(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    int quiet = value ? PyObject_IsTrue(value) : 0;
    if (quiet < 0)
        return -1;
    if (quiet)
        t->core.flags |= GOSP_OWNED | GOSP_KEEP_RESULT;
    else
        t->core.flags &= ~(uint32_t)GOSP_OWNED;
    return 0;
}

#define FLAG(f) (void *)(uintptr_t)(f)

PyGetSetDef gosp_tasklet_getset[] = {
    {"alive", get_alive, NULL, "It has something to run."},
    {"paused", get_paused, NULL, "Alive, but neither in the run queue nor blocked."},
    {"blocked", get_blocked, NULL, "It waits for a channel, a lock, or a job."},
    {"scheduled", get_scheduled, NULL, "It is in the run queue, or blocked."},
    {"restorable", get_restorable, NULL, "It does not own C stack: not started, or dead."},
    {"atomic", get_flag, NULL, "It must not be interrupted by run(timeout).", FLAG(GOS_F_ATOMIC)},
    {"ignore_nesting", get_flag, NULL, "It may be interrupted inside nested C calls.", FLAG(GOS_F_IGNORE_NESTING)},
    {"block_trap", get_flag, set_block_trap, "Channel operations that would block raise RuntimeError.", FLAG(GOS_F_BLOCK_TRAP)},
    {"is_main", get_is_main, NULL, "It is the main tasklet of its thread."},
    {"is_current", get_is_current, NULL, "It is the current tasklet of its thread."},
    {"thread_id", get_thread_id, NULL, "threading.get_ident() of its thread, -1 after that has ended."},
    {"next", get_next, NULL, "The next tasklet in its run queue or channel queue, or None."},
    {"prev", get_prev, NULL, "The previous one, or None."},
    {"frame", get_frame, NULL, "Innermost Python frame, or None before the start and after the end."},
    {"tempval", get_tempval, set_tempval, "What it will be resumed with; before the start, its function."},
    {"recursion_depth", get_recursion_depth, NULL, "The interpreter's recursion counter of this tasklet."},
    {"nesting_level", get_zero, NULL, "0: nested interpreter calls are not counted."},
    {"cstate", get_none, NULL, "None: saved stacks are not objects here."},
    {"_channel", get_channel, NULL, "The channel it is blocked on, or None."},
    {"name", get_name, set_name, "For people: tasklet-N unless set. The main tasklet is main."},
    {"state", get_state, NULL, "new, bound, ready, running, blocked, sleeping, paused or dead."},
    {"waiting_on", get_waiting_on, NULL, "What it waits for: a channel, a list of channels (select), a tasklet (join),\n"
                                         "an object of gossamer.sync, or None."},
    {"_quiet", get_flag, set_quiet, "True: its error is kept for join and never goes to main; a Group sets it.", FLAG(GOSP_OWNED)},
    {"context_id", gosp_get_context_id, NULL, "id() of its contextvars.Context."},
    {"trace_function", gosp_get_trace, gosp_set_trace, "Its sys.settrace function, or None."},
    {"profile_function", gosp_get_profile, gosp_set_profile, "Its sys.setprofile function, or None."},
    {NULL},
};
