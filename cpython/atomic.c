/* atomic.c - the atomic flag of tasklets, and the context manager atomic().
 *
 * An atomic tasklet is not interrupted: not by run(timeout), and not by other threads, for which it keeps the
 * GIL while it runs (ticker.c). The flag belongs to the tasklet; a switch to one without it gives the GIL free,
 * the switch back takes it again: enter_state in thread.c compares the flags of whoever comes with the usual_flags
 * of the thread, and calls gosp_atomic_follow if they differ.
 */
#include "compat/gil.h"
#include "record.h"

#include <structmember.h>

static const char *broken = "it was not looked at"; /* why it cannot work here, or NULL */

/* ---- the flag ---- */

void gosp_atomic_follow(gosp_thread *th, int atomic)
{
    if (atomic) {
        gosp_ticker_keep(th);
        return;
    }
    gosp_ticker_release(th);
    if (th->yield_due && !th->late_func)
        th->late_func = Py_NewRef(Py_None); /* sends who comes to gosp_settle_slow, which yields */
}

static int can_be_atomic(void)
{
    if (broken) {
        PyErr_Format(PyExc_NotImplementedError, "atomic() does not work on this Python: %s", broken);
        return -1;
    }
    return gosp_ticker_start();
}

/* Those who ask already are served first. */
static void serve_request(PyThreadState *ts)
{
    if (GOSP_UNLIKELY(gosp_gil_requested(ts)) && !gosp_finalizing()) {
        GOSP_BEGIN_ALLOW_THREADS
        GOSP_END_ALLOW_THREADS
    }
}

int gosp_atomic_set(TaskletObject *t, int wanted)
{
    int old = (t->core.flags & GOS_F_ATOMIC) != 0;
    if (old == wanted)
        return old;
    if (wanted && can_be_atomic() < 0)
        return -1;
    gos_sched *s = t->core.sched;
    gosp_thread *th = s && s->current == &t->core ? gosp_thread_of(s) : NULL;
    if (!th) {
        t->core.flags ^= GOS_F_ATOMIC;
        return old;
    }
    int here = gosp_ts_is_current(th->ts);
    if (wanted) {
        if (here)
            serve_request(th->ts);
        t->core.flags |= GOS_F_ATOMIC;
        gosp_ticker_keep(th);
    } else {
        t->core.flags &= ~(uint32_t)GOS_F_ATOMIC;
        gosp_ticker_release(th);
        if (GOSP_UNLIKELY(here && th->yield_due))
            gosp_ticker_yield(th);
        if (here)
            gosp_maybe_interrupted(th);
    }
    return old;
}

/* ---- the context manager ----
 *
 * CPython makes a bound method for each of the two that a with statement calls, which costs more than all we do.
 * So an instance has its two methods ready, and looking them up hands them out. A with statement keeps only those: the
 * instance is soon free for the next one, which may use it once nobody has its methods any more. */

typedef struct MethodObject {
    PyObject_HEAD
    vectorcallfunc call;
    struct MethodObject *exit; /* of an __enter__: the other */
    int old;                   /* of an __exit__: the flag as found on entry */
} MethodObject;

typedef struct {
    PyObject_HEAD
    MethodObject *enter, *exit;
} AtomicObject;

static PyTypeObject *method_type;
static AtomicObject *spare;

static PyObject *refuse(const char *what)
{
    PyErr_SetString(PyExc_TypeError, what);
    return NULL;
}

static PyObject *call_enter(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)args;
    if (GOSP_UNLIKELY(PyVectorcall_NARGS(nargsf) != 0 || kwnames))
        return refuse("atomic.__enter__() takes no arguments");
    gosp_thread *th = gosp_thread_current();
    int old = th ? gosp_atomic_set(gosp_current(th), 1) : -1;
    if (old < 0)
        return NULL;
    ((MethodObject *)self)->exit->old = old;
    Py_RETURN_NONE;
}

static PyObject *call_exit(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)args;
    if (GOSP_UNLIKELY(PyVectorcall_NARGS(nargsf) != 3 || kwnames))
        return refuse("atomic.__exit__() takes exactly three arguments");
    gosp_thread *th = gosp_thread_current();
    if (!th || (!((MethodObject *)self)->old && gosp_atomic_set(gosp_current(th), 0) < 0))
        return NULL;
    Py_RETURN_NONE;
}

static MethodObject *method_new(vectorcallfunc call, MethodObject *exit)
{
    MethodObject *m = PyObject_New(MethodObject, method_type);
    if (m) {
        m->call = call;
        m->exit = (MethodObject *)Py_XNewRef(exit);
        m->old = 0;
    }
    return m;
}

static PyObject *atomic_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)args;
    if (GOSP_UNLIKELY(PyVectorcall_NARGS(nargsf) != 0 || kwnames))
        return refuse("atomic() takes no arguments");
    AtomicObject *a = spare;
    if (GOSP_LIKELY(a && Py_REFCNT(a->enter) == 1 && Py_REFCNT(a->exit) == 2)) {
        spare = NULL;
        _Py_NewReference((PyObject *)a);
        a->exit->old = 0;
        return (PyObject *)a;
    }
    if (!(a = PyObject_New(AtomicObject, (PyTypeObject *)type)))
        return NULL;
    a->exit = method_new(call_exit, NULL);
    a->enter = a->exit ? method_new(call_enter, a->exit) : NULL;
    if (!a->enter)
        Py_CLEAR(a);
    return (PyObject *)a;
}

static PyObject *atomic_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":atomic", names))
        return NULL;
    return atomic_vectorcall((PyObject *)type, NULL, 0, NULL);
}

static void atomic_dealloc(PyObject *self)
{
    AtomicObject *a = (AtomicObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (!spare && a->enter) {
        spare = a; /* with its reference to the type */
        return;
    }
    Py_XDECREF(a->enter);
    Py_XDECREF(a->exit);
    PyObject_Free(self);
    Py_DECREF(type);
}

static void method_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((MethodObject *)self)->exit);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* What the class has as __enter__ and __exit__. */
typedef struct {
    PyObject_HEAD
    Py_ssize_t offset; /* of the method in an instance */
    PyObject *unbound; /* for those who ask the class */
} LookupObject;

static PyObject *lookup_get(PyObject *self, PyObject *instance, PyObject *type)
{
    (void)type;
    LookupObject *lookup = (LookupObject *)self;
    if (GOSP_LIKELY(instance && Py_IS_TYPE(instance, gosp.atomic_type)))
        return Py_NewRef(*(PyObject **)((char *)instance + lookup->offset));
    return Py_NewRef(lookup->unbound);
}

static void lookup_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((LookupObject *)self)->unbound);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* ---- its types ---- */

static PyObject *unbound_enter(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return call_enter((PyObject *)((AtomicObject *)self)->enter, args, (size_t)nargs, NULL);
}

static PyObject *unbound_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return call_exit((PyObject *)((AtomicObject *)self)->exit, args, (size_t)nargs, NULL);
}

static PyMethodDef unbound_methods[] = {
    {"__enter__", (PyCFunction)(void (*)(void))unbound_enter, METH_FASTCALL, "Set the atomic flag of the current tasklet."},
    {"__exit__", (PyCFunction)(void (*)(void))unbound_exit, METH_FASTCALL, "Restore the flag as it was on entry."},
};

static PyMemberDef method_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(MethodObject, call), READONLY},
    {NULL},
};

static PyType_Slot method_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, method_dealloc},
    {Py_tp_members, method_members},
    {0, NULL},
};

static PyType_Spec method_spec = {
    .name = "gossamer._atomic_method",
    .basicsize = sizeof(MethodObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = method_slots,
};

static PyType_Slot lookup_slots[] = {
    {Py_tp_descr_get, lookup_get},
    {Py_tp_dealloc, lookup_dealloc},
    {0, NULL},
};

static PyType_Spec lookup_spec = {
    .name = "gossamer._atomic_lookup",
    .basicsize = sizeof(LookupObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lookup_slots,
};

static PyType_Slot atomic_slots[] = {
    {Py_tp_doc, "atomic()\n--\n\n"
                "Context manager: inside, the current tasklet is not interrupted by run(timeout), and no other thread gets the\n"
                "GIL unless the tasklet waits. It nests. A switch to another tasklet suspends it. NotImplementedError, with the\n"
                "reason, on a Python whose GIL is not as expected. (Stackless)"},
    {Py_tp_new, atomic_new},
    {Py_tp_dealloc, atomic_dealloc},
    {0, NULL},
};

static PyType_Spec atomic_spec = {
    .name = "gossamer.atomic",
    .basicsize = sizeof(AtomicObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = atomic_slots,
};

static int add_lookup(PyTypeObject *lookup_type, PyMethodDef *method, Py_ssize_t offset)
{
    LookupObject *lookup = PyObject_New(LookupObject, lookup_type);
    if (!lookup)
        return -1;
    lookup->offset = offset;
    lookup->unbound = PyDescr_NewMethod(gosp.atomic_type, method);
    int rc = lookup->unbound ? PyDict_SetItemString(gosp.atomic_type->tp_dict, method->ml_name, (PyObject *)lookup) : -1;
    Py_DECREF(lookup);
    return rc;
}

static int add_methods(void)
{
    PyTypeObject *lookup_type = (PyTypeObject *)PyType_FromSpec(&lookup_spec);
    method_type = (PyTypeObject *)PyType_FromSpec(&method_spec);
    int rc = !lookup_type || !method_type ||
                     add_lookup(lookup_type, &unbound_methods[0], offsetof(AtomicObject, enter)) < 0 ||
                     add_lookup(lookup_type, &unbound_methods[1], offsetof(AtomicObject, exit)) < 0
                 ? -1
                 : 0;
    PyType_Modified(gosp.atomic_type);
    Py_XDECREF(lookup_type);
    return rc;
}

/* ---- at import ---- */

/* -1 with an error only if the question itself fails; a GIL that does not fit is an error of those who need it. */
static int check_gil(void)
{
    PyObject *ask = PySys_GetObject("getswitchinterval"); /* borrowed */
    PyObject *seconds = ask ? PyObject_CallNoArgs(ask) : NULL;
    double interval = seconds ? PyFloat_AsDouble(seconds) : -1;
    Py_XDECREF(seconds);
    if (PyErr_Occurred())
        return -1;
    broken = gosp_gil_find(PyThreadState_Get(), (unsigned long)(interval * 1e6 + 0.5));
    return 0;
}

static PyObject *after_fork(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_ticker_forked(gosp_self);
    Py_RETURN_NONE;
}

static PyMethodDef after_fork_def = {"_after_fork", after_fork, METH_NOARGS, "Atomic code goes on in the child."};

static int register_after_fork(PyObject *module)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *ask = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
    PyObject *function = ask ? PyCFunction_New(&after_fork_def, module) : NULL;
    PyObject *kwnames = function ? Py_BuildValue("(s)", "after_in_child") : NULL;
    PyObject *done = kwnames ? PyObject_Vectorcall(ask, &function, 0, kwnames) : NULL;
    Py_XDECREF(os);
    Py_XDECREF(ask);
    Py_XDECREF(function);
    Py_XDECREF(kwnames);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int gosp_atomic_init_type(PyObject *module)
{
    if (!gosp.atomic_type) {
        gosp.atomic_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &atomic_spec, NULL);
        if (!gosp.atomic_type)
            return -1;
        gosp.atomic_type->tp_vectorcall = atomic_vectorcall;
        if (add_methods() < 0 || check_gil() < 0 || register_after_fork(module) < 0)
            return -1;
    }
    return PyModule_AddObjectRef(module, "atomic", (PyObject *)gosp.atomic_type);
}
