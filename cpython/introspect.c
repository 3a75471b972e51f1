/* introspect.c - looking at schedulers and tasklets; the report that comes with a deadlock. */
#include "gosp.h"

/* Those that the collector need not see: they are in a run queue, or inside run(). */
static int append_untracked(PyObject *list, gosp_thread *th)
{
    gos_sched *s = &th->sched;
    gos_tasklet *t = s->head;
    for (int32_t i = 0; i < s->runcount; i++, t = (gos_tasklet *)t->next)
        if ((t->flags & GOSP_UNTRACKED) && PyList_Append(list, (PyObject *)gosp_of(t)) < 0)
            return -1;
    return 0;
}

/* ---- those that the collector knows; a list of our own would cost each tasklet two pointers ---- */

struct look {
    gosp_thread *only;
    PyObject *list; /* NULL with an error */
};

static int look_at(PyObject *op, void *arg)
{
    struct look *look = arg;
    if (!Tasklet_Check(op) || (look->only && ((TaskletObject *)op)->core.sched != &look->only->sched))
        return 1;
    if (PyList_Append(look->list, op) < 0)
        Py_CLEAR(look->list);
    return look->list != NULL;
}

#if PY_VERSION_HEX >= 0x030C0000
static void look_at_all(struct look *look)
{
    PyUnstable_GC_VisitObjects(look_at, look);
}
#else
static void look_at_all(struct look *look)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *all = gc ? PyObject_CallMethod(gc, "get_objects", NULL) : NULL; /* nothing else runs from here on */
    if (!all)
        Py_CLEAR(look->list);
    for (Py_ssize_t i = 0; all && i < PyList_GET_SIZE(all); i++)
        if (!look_at(PyList_GET_ITEM(all, i), look))
            break;
    Py_XDECREF(all);
    Py_XDECREF(gc);
}
#endif

PyObject *gosp_list_tasklets(gosp_thread *only)
{
    struct look look = {.only = only, .list = PyList_New(0)};
    if (look.list && (!only || only->members > 1)) /* a look at all objects takes long where there are many */
        look_at_all(&look);
    for (gosp_thread *th = gosp.threads; look.list && th; th = th->next)
        if ((!only || th == only) && append_untracked(look.list, th) < 0)
            Py_CLEAR(look.list);
    return look.list;
}

static PyObject *list_alive(void)
{
    PyObject *list = gosp_list_tasklets(NULL);
    PyObject *alive = list ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; alive && i < PyList_GET_SIZE(list); i++) {
        PyObject *op = PyList_GET_ITEM(list, i);
        if (gosp_alive((TaskletObject *)op) && PyList_Append(alive, op) < 0)
            Py_CLEAR(alive);
    }
    Py_XDECREF(list);
    return alive;
}

static PyObject *tasklets(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return gosp_thread_current() ? list_alive() : NULL;
}

/* The same on a thread that is to get no scheduler by it. */
static PyObject *look_tasklets(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return list_alive();
}

/* ---- deadlock ---- */

static const char *deadlock_text(int status)
{
    switch (status) {
    case GOS_ENOSENDER: return "the main tasklet is receiving without a sender available.";
    case GOS_ENORECEIVER: return "the main tasklet is sending without a receiver available.";
    default: return "Deadlock: the last runnable tasklet cannot be blocked.";
    }
}

static PyObject *deadlock_report(gosp_thread *th, const char *text)
{
    PyObject *waited = th->failed_on ? th->failed_on : Py_None;
    PyObject *alive = list_alive();
    PyObject *report = alive ? PyImport_ImportModule("gossamer._report") : NULL;
    PyObject *graph = report ? PyObject_CallMethod(report, "deadlock_graph", "sOOOi", text, alive, gosp_current(th), waited,
                                                   th->failed_direction)
                             : NULL;
    Py_XDECREF(report);
    Py_XDECREF(alive);
    return graph;
}

PyObject *gosp_deadlock(int status)
{
    gosp_thread *th = gosp_self;
    const char *text = deadlock_text(status);
    PyObject *error = PyObject_CallFunction(gosp.deadlock_error, "s", text);
    if (!error)
        return NULL;
    PyObject *graph = deadlock_report(th, text);
    PyObject *noted = graph && PyObject_SetAttrString(error, "graph", graph) == 0
                          ? PyObject_CallMethod(error, "add_note", "O", graph)
                          : NULL;
    if (!noted)
        PyErr_Clear(); /* the error itself matters more than its report */
    Py_XDECREF(noted);
    Py_XDECREF(graph);
    PyErr_SetObject(gosp.deadlock_error, error);
    Py_DECREF(error);
    return NULL;
}

/* ---- the scheduler of this thread, and others ---- */

static PyObject *getcurrent(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return th ? Py_NewRef((PyObject *)gosp_current(th)) : NULL;
}

static PyObject *getmain(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return th ? Py_NewRef((PyObject *)th->main) : NULL;
}

static PyObject *getruncount(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return th ? PyLong_FromLong(th->sched.runcount) : NULL;
}

static PyObject *getcurrentid(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    TaskletObject *cur = gosp_current(th);
    return cur == th->main ? PyLong_FromUnsignedLong(th->thread_id) : PyLong_FromSsize_t(gosp_hash_pointer(cur));
}

static PyObject *getthreads(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = PyList_New(0);
    PyThreadState *ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; list && ts; ts = PyThreadState_Next(ts)) {
        PyObject *id = PyLong_FromUnsignedLong(ts->thread_id);
        if (!id || PyList_Append(list, id) < 0)
            Py_CLEAR(list);
        Py_XDECREF(id);
    }
    return list && PyList_Reverse(list) == 0 ? list : NULL; /* CPython lists the newest first */
}

static int thread_exists(unsigned long id)
{
    PyThreadState *ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; ts; ts = PyThreadState_Next(ts))
        if (ts->thread_id == id)
            return 1;
    return 0;
}

static PyObject *get_thread_info(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (nargs > 2) {
        PyErr_Format(PyExc_TypeError, "get_thread_info expected at most 2 arguments, got %zd", nargs);
        return NULL;
    }
    if (nargs > 1 && PyLong_AsLongLong(args[1]) == -1 && PyErr_Occurred())
        return NULL;
    unsigned long id = th->thread_id;
    PyObject *minus_one = PyLong_FromLong(-1);
    int calling = nargs == 0 ? 1 : minus_one ? PyObject_RichCompareBool(args[0], minus_one, Py_EQ) : -1;
    Py_XDECREF(minus_one);
    if (calling < 0)
        return NULL;
    if (!calling) {
        if (!PyLong_Check(args[0])) {
            PyErr_Format(PyExc_TypeError, "thread_id must be an int, not %.200s", Py_TYPE(args[0])->tp_name);
            return NULL;
        }
        id = PyLong_AsUnsignedLong(args[0]);
        if (PyErr_Occurred())
            return NULL;
    }
    for (gosp_thread *other = gosp.threads; other; other = other->next)
        if (other->thread_id == id)
            return Py_BuildValue("(OOi)", other->main, gosp_current(other), (int)other->sched.runcount);
    if (thread_exists(id))
        return Py_BuildValue("(OOi)", Py_None, Py_None, 0);
    PyErr_SetString(PyExc_RuntimeError, "Thread id not found");
    return NULL;
}

static PyObject *getuncollectables(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *list = gosp_list_tasklets(NULL);
    PyObject *suspended = list ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; suspended && i < PyList_GET_SIZE(list); i++) {
        TaskletObject *t = (TaskletObject *)PyList_GET_ITEM(list, i);
        int holds_stack = gosp_has_stack(t) && !(t->core.flags & GOS_F_MAIN) && t->core.sched && t->core.sched->current != &t->core;
        if (holds_stack && PyList_Append(suspended, (PyObject *)t) < 0)
            Py_CLEAR(suspended);
    }
    Py_XDECREF(list);
    return suspended;
}

static PyObject *getdebug(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *enable_softswitch(PyObject *module, PyObject *flag)
{
    (void)module;
    return PyObject_IsTrue(flag) < 0 ? NULL : Py_NewRef(Py_False);
}

static PyObject *pickle_flags_common(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *function, int *flags)
{
    const char *const names[] = {flags == &gosp.pickle_flags ? "new_flags" : "new_default", "mask"};
    PyObject *given[2] = {NULL, NULL};
    if (gosp_parse(args, nargs, kwnames, function, names, 2, 0, given) < 0)
        return NULL;
    long wanted = given[0] ? PyLong_AsLong(given[0]) : -1;
    if (wanted == -1 && PyErr_Occurred())
        return NULL;
    long mask = given[1] ? PyLong_AsLong(given[1]) : -1;
    if (mask == -1 && PyErr_Occurred())
        return NULL;
    int old = *flags;
    if (wanted != -1) {
        wanted = (wanted & mask) | (old & ~mask);
        if (wanted & ~15L) {
            PyErr_SetString(PyExc_ValueError, "you must not set an undefined pickle-flag");
            return NULL;
        }
        *flags = (int)wanted;
    }
    return PyLong_FromLong(old);
}

static PyObject *pickle_flags(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return pickle_flags_common(args, nargs, kwnames, "pickle_flags", &gosp.pickle_flags);
}

static PyObject *pickle_flags_default(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return pickle_flags_common(args, nargs, kwnames, "pickle_flags_default", &gosp.pickle_flags_default);
}

static PyObject *stats(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    gos_sched *s = &th->sched;
    return Py_BuildValue("{sKsKsKsKsKsIsI}", "switches", (unsigned long long)s->switches, "evictions",
                         (unsigned long long)s->evictions, "evicted", (unsigned long long)s->evicted, "evicted_bytes",
                         (unsigned long long)s->evicted_bytes, "live", (unsigned long long)s->live, "slots", s->slot_count, "due",
                         (unsigned)th->slice.due);
}

PyMethodDef gosp_introspect_functions[] = {
    {"getcurrent", getcurrent, METH_NOARGS, "getcurrent($module, /)\n--\n\nReturn the current tasklet of this thread. (Stackless)"},
    {"getmain", getmain, METH_NOARGS, "getmain($module, /)\n--\n\nReturn the main tasklet of this thread. (Stackless)"},
    {"getruncount", getruncount, METH_NOARGS,
     "getruncount($module, /)\n--\n\nReturn how many tasklets of this thread are runnable, the current one included. (Stackless)"},
    {"getcurrentid", getcurrentid, METH_NOARGS,
     "getcurrentid($module, /)\n--\n\nReturn an id of the current tasklet; for main the thread's id. (Stackless)"},
    {"getthreads", getthreads, METH_NOARGS, "getthreads($module, /)\n--\n\nReturn the ids of all threads, main first. (Stackless)"},
    {"get_thread_info", (PyCFunction)(void (*)(void))get_thread_info, METH_FASTCALL,
     "get_thread_info($module, thread_id=-1, flags=0, /)\n--\n\n"
     "Return (main, current, runcount) of a thread; -1: the calling one. (Stackless)"},
    {"getuncollectables", getuncollectables, METH_NOARGS,
     "getuncollectables($module, /)\n--\n\nReturn the tasklets that own C stack: started and suspended. (Stackless)"},
    {"getdebug", getdebug, METH_NOARGS, "getdebug($module, /)\n--\n\nReturn False. (Stackless)"},
    {"enable_softswitch", enable_softswitch, METH_O,
     "enable_softswitch($module, flag, /)\n--\n\nReturn False: on CPython every switch moves the C stack. (Stackless)"},
    {"pickle_flags", (PyCFunction)(void (*)(void))pickle_flags, METH_FASTCALL | METH_KEYWORDS,
     "pickle_flags($module, new_flags=-1, mask=-1)\n--\n\nSet the pickle flags; returns the old ones. (Stackless 3.8)"},
    {"pickle_flags_default", (PyCFunction)(void (*)(void))pickle_flags_default, METH_FASTCALL | METH_KEYWORDS,
     "pickle_flags_default($module, new_default=-1, mask=-1)\n--\n\nSet their default; returns the old one. (Stackless 3.8)"},
    {"tasklets", tasklets, METH_NOARGS, "tasklets($module, /)\n--\n\nReturn a list of all tasklets of the process that are alive."},
    {"_tasklets", look_tasklets, METH_NOARGS, "_tasklets($module, /)\n--\n\ntasklets() for threads that only look."},
    {"_stats", stats, METH_NOARGS, "_stats($module, /)\n--\n\nReturn figures of this thread's scheduler."},
    {NULL},
};
