/* capi_test.c - each function of stackless_api.h as a Python function of the same name.
 *
 * tests/python/test_capi.py builds and calls it. An argument `...` (Ellipsis) stands for NULL.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stackless_api.h>

#include "frames.h"

static void *nullable(PyObject *op)
{
    return op == Py_Ellipsis ? NULL : op;
}

static PyObject *from_int(int n)
{
    return n == -1 && PyErr_Occurred() ? NULL : PyLong_FromLong(n);
}

/* NULL without an exception becomes `...` again. */
static PyObject *from_pointer(void *op)
{
    return op || PyErr_Occurred() ? op : Py_NewRef(Py_Ellipsis);
}

/* ---- functions of one shape ---- */

#define INT_OF_OBJECT(function, type)                             \
    static PyObject *call_##function(PyObject *module, PyObject *op) \
    {                                                             \
        return from_int(function((type *)nullable(op)));          \
    }

#define INT_OF_OBJECT_INT(function, type)                           \
    static PyObject *call_##function(PyObject *module, PyObject *args) \
    {                                                               \
        PyObject *op;                                               \
        int n;                                                      \
        if (!PyArg_ParseTuple(args, "Oi", &op, &n))                 \
            return NULL;                                            \
        return from_int(function((type *)nullable(op), n));         \
    }

#define VOID_OF_OBJECT_INT(function, type)                          \
    static PyObject *call_##function(PyObject *module, PyObject *args) \
    {                                                               \
        PyObject *op;                                               \
        int n;                                                      \
        if (!PyArg_ParseTuple(args, "Oi", &op, &n))                 \
            return NULL;                                            \
        function((type *)op, n);                                    \
        Py_RETURN_NONE;                                             \
    }

#define OBJECT_OF_OBJECT(function, type)                          \
    static PyObject *call_##function(PyObject *module, PyObject *op) \
    {                                                             \
        return from_pointer(function((type *)nullable(op)));      \
    }

#define CHECK(function)                                           \
    static PyObject *call_##function(PyObject *module, PyObject *op) \
    {                                                             \
        return PyLong_FromLong(function(op));                     \
    }

CHECK(PyTasklet_Check)
CHECK(PyTasklet_CheckExact)
CHECK(PyChannel_Check)
CHECK(PyChannel_CheckExact)
CHECK(PyBomb_Check)
CHECK(PyCStack_Check)

INT_OF_OBJECT(PyTasklet_Run, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Run_nr, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Switch, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Switch_nr, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Insert, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Remove, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Kill, PyTaskletObject)
INT_OF_OBJECT_INT(PyTasklet_KillEx, PyTaskletObject)
INT_OF_OBJECT_INT(PyTasklet_SetAtomic, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_GetAtomic, PyTaskletObject)
INT_OF_OBJECT_INT(PyTasklet_SetIgnoreNesting, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_GetIgnoreNesting, PyTaskletObject)
VOID_OF_OBJECT_INT(PyTasklet_SetBlockTrap, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_GetBlockTrap, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_GetPendingIrq, PyTaskletObject)
OBJECT_OF_OBJECT(PyTasklet_GetFrame, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_IsMain, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_IsCurrent, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Alive, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Paused, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Scheduled, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_Restorable, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_GetRecursionDepth, PyTaskletObject)
INT_OF_OBJECT(PyTasklet_GetNestingLevel, PyTaskletObject)

OBJECT_OF_OBJECT(PyChannel_New, PyTypeObject)
OBJECT_OF_OBJECT(PyChannel_Receive, PyChannelObject)
OBJECT_OF_OBJECT(PyChannel_Receive_nr, PyChannelObject)
OBJECT_OF_OBJECT(PyChannel_GetQueue, PyChannelObject)
INT_OF_OBJECT(PyChannel_GetClosing, PyChannelObject)
INT_OF_OBJECT(PyChannel_GetClosed, PyChannelObject)
INT_OF_OBJECT(PyChannel_GetPreference, PyChannelObject)
VOID_OF_OBJECT_INT(PyChannel_SetPreference, PyChannelObject)
INT_OF_OBJECT(PyChannel_GetScheduleAll, PyChannelObject)
VOID_OF_OBJECT_INT(PyChannel_SetScheduleAll, PyChannelObject)
INT_OF_OBJECT(PyChannel_GetBalance, PyChannelObject)

INT_OF_OBJECT(PyStackless_SetChannelCallback, PyObject)
INT_OF_OBJECT(PyStackless_SetScheduleCallback, PyObject)

/* ---- the others ---- */

static PyObject *call_PyTasklet_New(PyObject *module, PyObject *args)
{
    PyObject *type, *func;
    if (!PyArg_ParseTuple(args, "OO", &type, &func))
        return NULL;
    return from_pointer(PyTasklet_New((PyTypeObject *)nullable(type), (PyObject *)nullable(func)));
}

static PyObject *call_PyTasklet_Setup(PyObject *module, PyObject *args)
{
    PyObject *t, *a, *k;
    if (!PyArg_ParseTuple(args, "OOO", &t, &a, &k))
        return NULL;
    return from_int(PyTasklet_Setup(nullable(t), nullable(a), nullable(k)));
}

static PyObject *call_PyTasklet_BindEx(PyObject *module, PyObject *args)
{
    PyObject *t, *f, *a, *k;
    if (!PyArg_ParseTuple(args, "OOOO", &t, &f, &a, &k))
        return NULL;
    return from_int(PyTasklet_BindEx(nullable(t), nullable(f), nullable(a), nullable(k)));
}

static PyObject *call_PyTasklet_BindThread(PyObject *module, PyObject *args)
{
    PyObject *t;
    unsigned long id;
    if (!PyArg_ParseTuple(args, "Ok", &t, &id)) /* k: -1 becomes (unsigned long)-1 */
        return NULL;
    return from_int(PyTasklet_BindThread(nullable(t), id));
}

static PyObject *call_PyTasklet_RaiseException(PyObject *module, PyObject *args)
{
    PyObject *t, *klass, *a;
    if (!PyArg_ParseTuple(args, "OOO", &t, &klass, &a))
        return NULL;
    return from_int(PyTasklet_RaiseException(nullable(t), nullable(klass), nullable(a)));
}

static PyObject *call_PyTasklet_Throw(PyObject *module, PyObject *args)
{
    PyObject *t, *exc, *val, *tb;
    int pending;
    if (!PyArg_ParseTuple(args, "OiOOO", &t, &pending, &exc, &val, &tb))
        return NULL;
    return from_int(PyTasklet_Throw(nullable(t), pending, nullable(exc), nullable(val), nullable(tb)));
}

static PyObject *send(PyObject *args, int (*function)(PyChannelObject *, PyObject *))
{
    PyObject *ch, *value;
    if (!PyArg_ParseTuple(args, "OO", &ch, &value))
        return NULL;
    return from_int(function(nullable(ch), nullable(value)));
}

static PyObject *call_PyChannel_Send(PyObject *module, PyObject *args)
{
    return send(args, PyChannel_Send);
}

static PyObject *call_PyChannel_Send_nr(PyObject *module, PyObject *args)
{
    return send(args, PyChannel_Send_nr);
}

static PyObject *call_PyChannel_SendException(PyObject *module, PyObject *args)
{
    PyObject *ch, *klass, *value;
    if (!PyArg_ParseTuple(args, "OOO", &ch, &klass, &value))
        return NULL;
    return from_int(PyChannel_SendException(nullable(ch), nullable(klass), nullable(value)));
}

static PyObject *call_PyChannel_SendThrow(PyObject *module, PyObject *args)
{
    PyObject *ch, *exc, *val, *tb;
    if (!PyArg_ParseTuple(args, "OOOO", &ch, &exc, &val, &tb))
        return NULL;
    return from_int(PyChannel_SendThrow(nullable(ch), nullable(exc), nullable(val), nullable(tb)));
}

static PyObject *call_PyChannel_Close(PyObject *module, PyObject *ch)
{
    PyChannel_Close((PyChannelObject *)ch);
    Py_RETURN_NONE;
}

static PyObject *call_PyChannel_Open(PyObject *module, PyObject *ch)
{
    PyChannel_Open((PyChannelObject *)ch);
    Py_RETURN_NONE;
}

static PyObject *schedule(PyObject *args, PyObject *(*function)(PyObject *, int))
{
    PyObject *retval;
    int remove;
    if (!PyArg_ParseTuple(args, "Oi", &retval, &remove))
        return NULL;
    return function(nullable(retval), remove);
}

static PyObject *call_PyStackless_Schedule(PyObject *module, PyObject *args)
{
    return schedule(args, PyStackless_Schedule);
}

static PyObject *call_PyStackless_Schedule_nr(PyObject *module, PyObject *args)
{
    return schedule(args, PyStackless_Schedule_nr);
}

static PyObject *call_PyStackless_GetRunCount(PyObject *module, PyObject *unused)
{
    return from_int(PyStackless_GetRunCount());
}

static PyObject *call_PyStackless_GetCurrent(PyObject *module, PyObject *unused)
{
    return PyStackless_GetCurrent();
}

static PyObject *call_PyStackless_GetCurrentId(PyObject *module, PyObject *unused)
{
    unsigned long without, with = PyStackless_GetCurrentId();
    Py_BEGIN_ALLOW_THREADS
    without = PyStackless_GetCurrentId();
    Py_END_ALLOW_THREADS
    if (with != without)
        return PyErr_Format(PyExc_AssertionError, "the id depends on the GIL: %lu, %lu", with, without);
    return PyLong_FromUnsignedLong(with);
}

static PyObject *call_PyStackless_RunWatchdog(PyObject *module, PyObject *args)
{
    long timeout;
    return PyArg_ParseTuple(args, "l", &timeout) ? PyStackless_RunWatchdog(timeout) : NULL;
}

static PyObject *call_PyStackless_RunWatchdogEx(PyObject *module, PyObject *args)
{
    long timeout;
    int flags;
    return PyArg_ParseTuple(args, "li", &timeout, &flags) ? PyStackless_RunWatchdogEx(timeout, flags) : NULL;
}

static PyObject *call_PyStackless_AdjustSwitchTrap(PyObject *module, PyObject *args)
{
    int change;
    return PyArg_ParseTuple(args, "i", &change) ? from_int(PyStackless_AdjustSwitchTrap(change)) : NULL;
}

/* With an exception pending, unless it is `...`. */
static PyObject *call_PyStackless_CallErrorHandler(PyObject *module, PyObject *exception)
{
    if (exception != Py_Ellipsis)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    return from_int(PyStackless_CallErrorHandler());
}

static PyObject *call_PyStackless_RunBudget(PyObject *module, PyObject *args)
{
    long quantum, budget;
    int flags;
    return PyArg_ParseTuple(args, "lli", &quantum, &budget, &flags) ? PyStackless_RunBudget(quantum, budget, flags) : NULL;
}

static PyObject *call_PyStackless_SetPreemption(PyObject *module, PyObject *args)
{
    long quantum;
    if (!PyArg_ParseTuple(args, "l", &quantum))
        return NULL;
    int rc = PyStackless_SetPreemption(quantum);
    return rc < 0 ? NULL : PyLong_FromLong(rc);
}

static PyObject *call_PyStackless_Call_Main(PyObject *module, PyObject *args)
{
    PyObject *func, *a, *k;
    if (!PyArg_ParseTuple(args, "OOO", &func, &a, &k))
        return NULL;
    return PyStackless_Call_Main(func, nullable(a), nullable(k));
}

/* CallMethod_Main(object, name, n): with n arguments, 0 to 3: none, a number, or a pair of texts; 9: a bad format. */
static PyObject *call_PyStackless_CallMethod_Main(PyObject *module, PyObject *args)
{
    PyObject *o;
    const char *name;
    int n;
    if (!PyArg_ParseTuple(args, "Osi", &o, &name, &n))
        return NULL;
    switch (n) {
    case 0: return PyStackless_CallMethod_Main(o, name, NULL);
    case 1: return PyStackless_CallMethod_Main(o, name, "i", 41);
    case 2: return PyStackless_CallMethod_Main(o, name, "s#s", "abcdef", (Py_ssize_t)3, "xyz");
    default: return PyStackless_CallMethod_Main(o, name, "?");
    }
}

static PyObject *pair_of(PyObject *self, PyObject *args)
{
    return PyTuple_Pack(2, self, args);
}

static PyObject *call_PyStackless_CallCMethod_Main(PyObject *module, PyObject *self)
{
    static PyMethodDef method = {"pair_of", pair_of, METH_VARARGS, NULL};
    return PyStackless_CallCMethod_Main(&method, self, "(is)", 1, "two");
}

/* ---- the fast callback ---- */

static long fast_calls;
static PyObject *fast_log; /* list of pairs, or NULL */
static int fast_mode;      /* 0 quiet, 1 fails, 2 fails without an exception, 3 tries to switch */

static int fast_callback(PyTaskletObject *from, PyTaskletObject *to)
{
    fast_calls++;
    if (PyErr_Occurred())
        Py_FatalError("the fast callback got a pending exception");
    if (fast_log) {
        PyObject *pair = PyTuple_Pack(2, from ? (PyObject *)from : Py_None, (PyObject *)to);
        int rc = pair ? PyList_Append(fast_log, pair) : -1;
        Py_XDECREF(pair);
        if (rc < 0)
            return -1;
    }
    if (fast_mode == 1)
        PyErr_SetString(PyExc_KeyError, "from the fast callback");
    if (fast_mode == 3) {
        PyObject *answer = PyStackless_Schedule(NULL, 0);
        Py_XDECREF(answer);
        return answer ? 0 : -1;
    }
    return fast_mode ? -1 : 0;
}

/* SetScheduleFastcallback(log, mode): log a list; None: only count; `...`: remove the callback. */
static PyObject *call_PyStackless_SetScheduleFastcallback(PyObject *module, PyObject *args)
{
    PyObject *log;
    if (!PyArg_ParseTuple(args, "Oi", &log, &fast_mode))
        return NULL;
    PyStackless_SetScheduleFastcallback(log == Py_Ellipsis ? NULL : fast_callback);
    Py_XSETREF(fast_log, PyList_Check(log) ? Py_NewRef(log) : NULL);
    Py_RETURN_NONE;
}

static PyObject *get_fast_calls(PyObject *module, PyObject *unused)
{
    return PyLong_FromLong(fast_calls);
}

/* Slots of the table that are NULL: there must be none. */
static PyObject *count_empty_slots(PyObject *module, PyObject *unused)
{
    void *const *slot = (void *const *)&PyStackless_API->tasklet_type;
    void *const *end = (void *const *)((const char *)PyStackless_API + PyStackless_API->size);
    long empty = 0;
    for (; slot < end; slot++)
        empty += *slot == NULL;
    return PyLong_FromLong(empty);
}

#define NOARGS(name) {#name, call_##name, METH_NOARGS, NULL}
#define ONE(name) {#name, call_##name, METH_O, NULL}
#define MANY(name) {#name, call_##name, METH_VARARGS, NULL}

static PyMethodDef functions[] = {
    ONE(PyTasklet_Check), ONE(PyTasklet_CheckExact), ONE(PyChannel_Check), ONE(PyChannel_CheckExact),
    ONE(PyBomb_Check), ONE(PyCStack_Check),
    MANY(PyTasklet_New), MANY(PyTasklet_Setup), MANY(PyTasklet_BindEx), MANY(PyTasklet_BindThread),
    ONE(PyTasklet_Run), ONE(PyTasklet_Run_nr), ONE(PyTasklet_Switch), ONE(PyTasklet_Switch_nr),
    ONE(PyTasklet_Insert), ONE(PyTasklet_Remove),
    MANY(PyTasklet_RaiseException), MANY(PyTasklet_Throw), MANY(PyTasklet_KillEx), ONE(PyTasklet_Kill),
    MANY(PyTasklet_SetAtomic), ONE(PyTasklet_GetAtomic), MANY(PyTasklet_SetIgnoreNesting), ONE(PyTasklet_GetIgnoreNesting),
    MANY(PyTasklet_SetBlockTrap), ONE(PyTasklet_GetBlockTrap), ONE(PyTasklet_GetPendingIrq), ONE(PyTasklet_GetFrame),
    ONE(PyTasklet_IsMain), ONE(PyTasklet_IsCurrent), ONE(PyTasklet_Alive), ONE(PyTasklet_Paused),
    ONE(PyTasklet_Scheduled), ONE(PyTasklet_Restorable), ONE(PyTasklet_GetRecursionDepth), ONE(PyTasklet_GetNestingLevel),
    ONE(PyChannel_New), MANY(PyChannel_Send), MANY(PyChannel_Send_nr), ONE(PyChannel_Receive), ONE(PyChannel_Receive_nr),
    MANY(PyChannel_SendException), MANY(PyChannel_SendThrow), ONE(PyChannel_GetQueue), ONE(PyChannel_Close),
    ONE(PyChannel_Open), ONE(PyChannel_GetClosing), ONE(PyChannel_GetClosed), ONE(PyChannel_GetPreference),
    MANY(PyChannel_SetPreference), ONE(PyChannel_GetScheduleAll), MANY(PyChannel_SetScheduleAll), ONE(PyChannel_GetBalance),
    MANY(PyStackless_Schedule), MANY(PyStackless_Schedule_nr), NOARGS(PyStackless_GetRunCount),
    NOARGS(PyStackless_GetCurrent), NOARGS(PyStackless_GetCurrentId), MANY(PyStackless_RunWatchdog),
    MANY(PyStackless_RunWatchdogEx), MANY(PyStackless_RunBudget), MANY(PyStackless_SetPreemption), ONE(PyStackless_SetChannelCallback), ONE(PyStackless_SetScheduleCallback),
    MANY(PyStackless_SetScheduleFastcallback), MANY(PyStackless_AdjustSwitchTrap), ONE(PyStackless_CallErrorHandler),
    MANY(PyStackless_Call_Main), MANY(PyStackless_CallMethod_Main), ONE(PyStackless_CallCMethod_Main),
    {"fast_calls", get_fast_calls, METH_NOARGS, "How often the fast callback was called."},
    {"empty_slots", count_empty_slots, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int module_exec(PyObject *module)
{
    if (PyStackless_Import() < 0 || PyStackless_Import() < 0) /* the second time does nothing */
        return -1;
    if (PyModule_AddObjectRef(module, "PyTasklet_Type", (PyObject *)&PyTasklet_Type) < 0 ||
        PyModule_AddObjectRef(module, "PyChannel_Type", (PyObject *)&PyChannel_Type) < 0 ||
        PyModule_AddObjectRef(module, "PyBomb_Type", (PyObject *)&PyBomb_Type) < 0 ||
        PyModule_AddObjectRef(module, "PyCStack_Type", (PyObject *)&PyCStack_Type) < 0 ||
        PyModule_AddIntMacro(module, Py_WATCHDOG_THREADBLOCK) < 0 || PyModule_AddIntMacro(module, PY_WATCHDOG_SOFT) < 0 ||
        PyModule_AddIntMacro(module, PY_WATCHDOG_IGNORE_NESTING) < 0 ||
        PyModule_AddIntMacro(module, PY_WATCHDOG_TOTALTIMEOUT) < 0)
        return -1;
    return PyModule_AddFunctions(module, frame_functions);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)module_exec}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "capi_test",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_capi_test(void)
{
    return PyModuleDef_Init(&definition);
}
