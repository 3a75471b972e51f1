/* callbacks.c - the schedule and channel callbacks, the error handler and the uncaught hook.
 *
 * All are global to the interpreter. A callback observes: while one runs, switching is trapped, and its own
 * errors are reported as unraisable.
 */
#include "gosp.h"

static PyObject *object_or_none(gos_tasklet *t)
{
    return t ? (PyObject *)gosp_of(t) : Py_None;
}

void gosp_call_schedule_callback(gos_tasklet *from, gos_tasklet *to)
{
    if (gosp.fast_schedule_callback)
        gosp.fast_schedule_callback(from ? (PyObject *)gosp_of(from) : NULL, (PyObject *)gosp_of(to));
    if (!gosp.schedule_callback)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *callback = Py_NewRef(gosp.schedule_callback);
    PyObject *answer = PyObject_CallFunctionObjArgs(callback, object_or_none(from), object_or_none(to), NULL);
    if (!answer)
        PyErr_WriteUnraisable(callback);
    Py_XDECREF(answer);
    Py_DECREF(callback);
    PyErr_Restore(type, value, traceback);
}

/* value: what is sent, visible as tempval meanwhile and replaceable there; NULL when receiving. */
int gosp_call_channel_callback(gosp_thread *th, ChannelObject *ch, int sending, PyObject **value)
{
    TaskletObject *cur = gosp_current(th);
    PyObject *callback = Py_NewRef(gosp.channel_callback);
    int will_block = gos_channel_would_block(&ch->core, sending);
    void *taken = cur->core.value; /* by an operation that a hook interrupts, or a tempval */
    uint32_t thrown = cur->core.flags & GOS_F_THROWN;
    cur->core.flags &= ~(uint32_t)GOS_F_THROWN;
    cur->core.value = Py_XNewRef(*value);
    th->channel_callback_in = cur;
    th->sched.trap++;
    PyObject *answer = PyObject_CallFunction(callback, "OOii", ch, cur, sending, will_block);
    th->sched.trap--;
    th->channel_callback_in = NULL;
    if (!answer)
        PyErr_WriteUnraisable(callback);
    PyObject *shown = cur->core.value;
    if (cur->core.flags & GOS_F_THROWN) { /* by another thread, meanwhile: that stays for the operation to find */
        shown = NULL;
        Py_XDECREF((PyObject *)taken);
    } else {
        cur->core.value = taken;
        cur->core.flags |= thrown;
    }
    if (sending && shown) {
        Py_DECREF(*value);
        *value = shown;
    } else {
        Py_XDECREF(shown);
    }
    Py_XDECREF(answer);
    Py_DECREF(callback);
    return 0;
}

static PyObject *exchange(PyObject **where, PyObject *callable, const char *problem)
{
    if (problem && callable != Py_None && !PyCallable_Check(callable)) {
        PyErr_SetString(PyExc_TypeError, problem);
        return NULL;
    }
    PyObject *old = *where;
    *where = callable == Py_None ? NULL : Py_NewRef(callable);
    return old ? old : Py_NewRef(Py_None);
}

static PyObject *shown(PyObject *callback)
{
    return Py_NewRef(callback ? callback : Py_None);
}

static PyObject *set_schedule_callback(PyObject *module, PyObject *callable)
{
    (void)module;
    if (!gosp_thread_current())
        return NULL;
    PyObject *old = exchange(&gosp.schedule_callback, callable, "schedule callback must be callable");
    gosp_update_notify();
    return old;
}

static PyObject *get_schedule_callback(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return shown(gosp.schedule_callback);
}

static PyObject *set_channel_callback(PyObject *module, PyObject *callable)
{
    (void)module;
    return exchange(&gosp.channel_callback, callable, "channel callback must be callable");
}

static PyObject *get_channel_callback(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return shown(gosp.channel_callback);
}

static PyObject *set_error_handler(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"handler"};
    PyObject *given[1] = {Py_None};
    (void)module;
    if (gosp_parse(args, nargs, kwnames, "set_error_handler", names, 1, 0, given) < 0)
        return NULL;
    return exchange(&gosp.error_handler, given[0], NULL);
}

static PyObject *set_uncaught_hook(PyObject *module, PyObject *callable)
{
    (void)module;
    return exchange(&gosp.uncaught_hook, callable, "uncaught hook must be callable or None");
}

static PyObject *get_uncaught_hook(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return shown(gosp.uncaught_hook);
}

PyMethodDef gosp_callback_functions[] = {
    {"set_schedule_callback", set_schedule_callback, METH_O,
     "set_schedule_callback($module, callable, /)\n--\n\n"
     "Call callable(previous, next) before each switch; None switches off. Returns the previous callback or None. It must\n"
     "not switch (RuntimeError: switch_trap); its errors are unraisable. (Stackless)"},
    {"get_schedule_callback", get_schedule_callback, METH_NOARGS,
     "get_schedule_callback($module, /)\n--\n\nReturn the schedule callback or None. (Stackless 3.8)"},
    {"set_channel_callback", set_channel_callback, METH_O,
     "set_channel_callback($module, callable, /)\n--\n\n"
     "Call callable(channel, tasklet, sending, willblock) before each channel operation; None switches off. Returns the\n"
     "previous callback or None. Errors in it are unraisable; the operation goes on. (Stackless)"},
    {"get_channel_callback", get_channel_callback, METH_NOARGS,
     "get_channel_callback($module, /)\n--\n\nReturn the channel callback or None. (Stackless 3.8)"},
    {"set_error_handler", (PyCFunction)(void (*)(void))set_error_handler, METH_FASTCALL | METH_KEYWORDS,
     "set_error_handler($module, handler=None)\n--\n\n"
     "handler(type, value, traceback) is called in a tasklet that an exception ends; the error is handled then, unless the\n"
     "handler raises. Returns the previous handler or None. (Stackless)"},
    {"set_uncaught_hook", set_uncaught_hook, METH_O,
     "set_uncaught_hook($module, hook, /)\n--\n\n"
     "hook(tasklet, exception) is called in a tasklet that an exception ends and that nobody joins; a true result means\n"
     "handled, otherwise the error goes on to the error handler and to run(). Returns the previous hook or None."},
    {"get_uncaught_hook", get_uncaught_hook, METH_NOARGS,
     "get_uncaught_hook($module, /)\n--\n\nReturn the uncaught hook or None."},
    {NULL},
};
