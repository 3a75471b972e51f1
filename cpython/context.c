/* context.c - per-tasklet contextvars.Context, trace and profile functions.
 *
 * While a tasklet runs, its context and tracing are the thread state's; otherwise they lie in the tasklet.
 */
#include "gosp.h"

PyObject *gosp_context_share(gosp_thread *th)
{
    PyThreadState *ts = th->ts;
    if (GOSP_UNLIKELY(!ts->context)) { /* an absent context and an empty one are the same thing */
        ts->context = PyContext_New();
        if (!ts->context)
            return NULL;
        gosp_context_changed(ts);
    }
    return Py_NewRef(ts->context);
}

/* Where the tasklet's context is right now. */
static PyObject **context_place(TaskletObject *t)
{
    gos_sched *s = t->core.sched;
    return s && s->current == &t->core ? &gosp_thread_of(s)->ts->context : &t->context;
}

static PyObject *context_of(TaskletObject *t)
{
    PyObject **place = context_place(t);
    if (!*place) {
        *place = PyContext_New();
        if (*place && place != &t->context)
            gosp_context_changed(gosp_thread_of(t->core.sched)->ts);
    }
    return *place;
}

PyObject *gosp_get_context_id(PyObject *self, void *unused)
{
    (void)unused;
    PyObject *context = context_of((TaskletObject *)self);
    return context ? PyLong_FromVoidPtr(context) : NULL;
}

PyObject *gosp_tasklet_set_context(PyObject *self, PyObject *context)
{
    TaskletObject *t = (TaskletObject *)self;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (!PyContext_CheckExact(context)) {
        PyErr_Format(PyExc_TypeError, "set_context() argument 1 must be Context, not %.200s", Py_TYPE(context)->tp_name);
        return NULL;
    }
    if (t->core.sched && t->core.sched != &th->sched && (t->core.place != GOS_NOWHERE || t->core.sched->current == &t->core)) {
        PyErr_SetString(PyExc_RuntimeError, "tasklet belongs to a different thread");
        return NULL;
    }
    PyObject **place = context_place(t), *old = *place;
    /* Who has entered the context of a tasklet that has not begun is somebody else, Thread.start of 3.14 for one. */
    if (old && (t->core.flags & GOS_F_STARTED) && gosp_context_entered(old)) {
        PyErr_SetString(PyExc_RuntimeError, "the current context of the tasklet has been entered.");
        return NULL;
    }
    *place = Py_NewRef(context);
    if (place != &t->context)
        gosp_context_changed(th->ts);
    Py_XDECREF(old);
    return Py_NewRef(self);
}

PyObject *gosp_tasklet_context_run(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    TaskletObject *t = (TaskletObject *)self;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "run() missing 1 required positional argument");
        return NULL;
    }
    PyObject *context = context_of(t);
    if (!context)
        return NULL;
    PyThreadState *ts = th->ts;
    PyObject *own = ts->context;
    ts->context = Py_NewRef(context);
    gosp_context_changed(ts);
    PyObject *result = PyObject_Vectorcall(args[0], args + 1, (size_t)(nargs - 1), kwnames);
    PyObject *used = ts->context;
    ts->context = own;
    gosp_context_changed(ts);
    Py_XDECREF(used);
    return result;
}

/* ---- tracing ---- */

/* Call sys.settrace or sys.setprofile as though t were running: the interpreter counts traced threads. */
static int set_for(gosp_thread *th, TaskletObject *t, const char *function, PyObject *value)
{
    PyObject *setter = PySys_GetObject(function);
    if (!setter) {
        PyErr_Format(PyExc_RuntimeError, "lost sys.%s", function);
        return -1;
    }
    if (&t->core == th->sched.current) {
        PyObject *done = PyObject_CallOneArg(setter, value);
        Py_XDECREF(done);
        return done ? 0 : -1;
    }
    gosp_extras *extras = gosp_extras_get(t);
    if (!extras)
        return -1;
    gosp_trace own;
    PyObject *type, *error, *traceback;
    Py_INCREF(setter);
    gosp_trace_save(&own, th->ts);
    gosp_trace_restore(&extras->trace, th->ts);
    PyObject *done = PyObject_CallOneArg(setter, value);
    gosp_trace_save(&extras->trace, th->ts);
    gosp_trace_restore(&own, th->ts);
    gosp_tracing_resumed(th->ts);
    Py_DECREF(setter);
    PyErr_Fetch(&type, &error, &traceback);
    Py_XDECREF(done);
    PyErr_Restore(type, error, traceback);
    return done ? 0 : -1;
}

/* t is about to be freed with a trace function in it. */
void gosp_trace_forget(TaskletObject *t)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    gosp_thread *th = gosp_thread_current();
    if (!th || &t->core == th->sched.current || set_for(th, t, "settrace", Py_None) < 0 ||
        set_for(th, t, "setprofile", Py_None) < 0)
        PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

static void adopt(PyObject *threading, const char *getter, const char *setter)
{
    PyObject *function = PyObject_CallMethod(threading, getter, NULL);
    PyObject *set = PySys_GetObject(setter);
    if (function && function != Py_None && set) {
        PyObject *done = PyObject_CallOneArg(set, function);
        Py_XDECREF(done);
    }
    Py_XDECREF(function);
}

/* Tools that follow new threads (coverage, debuggers) leave a function with threading; a tasklet that their
 * code starts is as new. Nobody called threading.settrace: nothing happens, as on Stackless. */
void gosp_trace_adopt(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    if (threading) {
        adopt(threading, "getprofile", "setprofile");
        if (!PyErr_Occurred())
            adopt(threading, "gettrace", "settrace");
        Py_DECREF(threading);
    }
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(NULL);
}

static const gosp_trace *trace_of(TaskletObject *t, gosp_trace *buffer)
{
    gos_sched *s = t->core.sched;
    if (s && s->current == &t->core) {
        gosp_trace_save(buffer, gosp_thread_of(s)->ts);
        return buffer;
    }
    return t->extras ? &t->extras->trace : NULL;
}

PyObject *gosp_get_trace(PyObject *self, void *unused)
{
    (void)unused;
    gosp_trace buffer;
    const gosp_trace *trace = trace_of((TaskletObject *)self, &buffer);
    return Py_NewRef(trace && trace->c_traceobj ? trace->c_traceobj : Py_None);
}

PyObject *gosp_get_profile(PyObject *self, void *unused)
{
    (void)unused;
    gosp_trace buffer;
    const gosp_trace *trace = trace_of((TaskletObject *)self, &buffer);
    return Py_NewRef(trace && trace->c_profileobj ? trace->c_profileobj : Py_None);
}

static int set_function(PyObject *self, PyObject *value, const char *function, const char *what)
{
    TaskletObject *t = (TaskletObject *)self;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return -1;
    if (!value) {
        PyErr_Format(PyExc_AttributeError, "%s_function cannot be deleted: set it to None", what);
        return -1;
    }
    if (t->core.sched && t->core.sched != &th->sched && t->core.sched->current == &t->core) {
        PyErr_Format(PyExc_RuntimeError, "You cannot set the %s function of the current tasklet of another thread", what);
        return -1;
    }
    return set_for(th, t, function, value);
}

int gosp_set_trace(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    return set_function(self, value, "settrace", "trace");
}

int gosp_set_profile(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    return set_function(self, value, "setprofile", "profile");
}
