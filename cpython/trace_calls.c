/* trace_calls.c - calls of Python functions as zones, in every tasklet and thread.
 *
 * From 3.12 on that is a tool of sys.monitoring, which knows no threads: gossamer/trace/__init__.py registers the callbacks
 * here. Before, it is a profile function in each thread state. Tasklets have profile functions of their own, but this one
 * stays with the thread when they change places (gosp_calls_leave), so that nobody has to visit a million tasklets.
 */
#include "record.h"

#if PY_VERSION_HEX < 0x030C0000

static int profile(PyObject *unused, PyFrameObject *frame, int what, PyObject *arg)
{
    (void)unused;
    (void)arg;
    if (!gosi_tracing() || (what != PyTrace_CALL && what != PyTrace_RETURN))
        return 0;
    PyCodeObject *code = PyFrame_GetCode(frame);
    uint32_t name = gosp_record_code((PyObject *)code);
    Py_DECREF(code); /* the frame has it */
    gosi_trace_event(what == PyTrace_CALL ? GOS_TRACE_ZONE_BEGIN : GOS_TRACE_ZONE_END, 1, NULL, name, 0);
    return 0;
}

int gosp_calls_here(PyThreadState *ts)
{
    return ts->c_profilefunc == profile;
}

static int is_on;

void gosp_calls_leave(PyThreadState *ts)
{
    if (ts->c_profilefunc == profile)
        ts->c_profilefunc = NULL;
}

void gosp_calls_enter(PyThreadState *ts)
{
    if (is_on && !ts->c_profilefunc)
        ts->c_profilefunc = profile;
}

/* As the profile function of a new thread, which threading knows how to set: it makes place for the real one. */
static PyObject *thread_begins(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    (void)args;
    (void)nargs;
    PyEval_SetProfile(is_on ? profile : NULL, NULL);
    Py_RETURN_NONE;
}

/* Every thread but those that another profiler has. */
static int set_all(int on)
{
    PyThreadState *ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; ts; ts = PyThreadState_Next(ts))
        if (on ? !ts->c_profilefunc : ts->c_profilefunc == profile)
            if (gosp_ts_set_profile(ts, on ? profile : NULL) < 0)
                return -1;
    return 0;
}

static PyObject *calls(PyObject *module, PyObject *on)
{
    (void)module;
    PyThreadState *ts = PyThreadState_Get();
    if (on == Py_True && ts->c_profilefunc) {
        PyErr_SetString(PyExc_RuntimeError, "another profiler is active: functions cannot be recorded");
        return NULL;
    }
    is_on = on == Py_True;
    return set_all(is_on) < 0 ? NULL : Py_NewRef(Py_None);
}

PyMethodDef gosp_calls_functions[] = {
    {"_trace_calls", calls, METH_O, "_trace_calls($module, on, /)\n--\n\nRecord calls in every thread, or no more."},
    {"_trace_thread_begins", (PyCFunction)(void (*)(void))thread_begins, METH_FASTCALL,
     "_trace_thread_begins($module, frame, event, arg, /)\n--\n\nFor threading.setprofile."},
    {NULL},
};

#else

static inline PyObject *record(PyObject *const *args, Py_ssize_t nargs, int kind)
{
    if (GOSP_LIKELY(nargs > 0 && gosi_tracing() && PyCode_Check(args[0])))
        gosi_trace_event(kind, 1, NULL, gosp_record_code(args[0]), 0);
    Py_RETURN_NONE;
}

/* PY_START, PY_RESUME, PY_THROW */
static PyObject *begins(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    return record(args, nargs, GOS_TRACE_ZONE_BEGIN);
}

/* PY_RETURN, PY_YIELD, PY_UNWIND */
static PyObject *ends(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    return record(args, nargs, GOS_TRACE_ZONE_END);
}

PyMethodDef gosp_calls_functions[] = {
    {"_trace_begins", (PyCFunction)(void (*)(void))begins, METH_FASTCALL,
     "_trace_begins($module, code, /, *unused)\n--\n\nFor sys.monitoring: a call of code begins, or goes on."},
    {"_trace_ends", (PyCFunction)(void (*)(void))ends, METH_FASTCALL,
     "_trace_ends($module, code, /, *unused)\n--\n\nFor sys.monitoring: a call of code ends, or waits as a generator."},
    {NULL},
};

#endif
