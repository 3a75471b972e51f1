/* atomic.c - the context manager atomic(): the current tasklet is not to be interrupted. */
#include "gosp.h"

typedef struct {
    PyObject_HEAD
    int old; /* the flag as found on entry */
} AtomicObject;

static PyObject *atomic_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":atomic", names))
        return NULL;
    return type->tp_alloc(type, 0);
}

static void atomic_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *atomic_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    uint32_t *flags = &th->sched.current->flags;
    ((AtomicObject *)self)->old = (*flags & GOS_F_ATOMIC) != 0;
    *flags |= GOS_F_ATOMIC;
    Py_RETURN_NONE;
}

static PyObject *atomic_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args;
    (void)nargs;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (!((AtomicObject *)self)->old)
        th->sched.current->flags &= ~(uint32_t)GOS_F_ATOMIC;
    Py_RETURN_NONE;
}

static PyMethodDef atomic_methods[] = {
    {"__enter__", atomic_enter, METH_NOARGS, "Set the atomic flag of the current tasklet."},
    {"__exit__", (PyCFunction)(void (*)(void))atomic_exit, METH_FASTCALL, "Restore the flag as it was on entry."},
    {NULL},
};

static PyType_Slot atomic_slots[] = {
    {Py_tp_doc, "atomic()\n--\n\nContext manager: the current tasklet is not interrupted by run(timeout) inside. (Stackless)"},
    {Py_tp_new, atomic_new},
    {Py_tp_dealloc, atomic_dealloc},
    {Py_tp_methods, atomic_methods},
    {0, NULL},
};

static PyType_Spec atomic_spec = {
    .name = "gossamer.atomic",
    .basicsize = sizeof(AtomicObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = atomic_slots,
};

int gosp_atomic_init_type(PyObject *module)
{
    if (!gosp.atomic_type) {
        gosp.atomic_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &atomic_spec, NULL);
        if (!gosp.atomic_type)
            return -1;
    }
    return PyModule_AddObjectRef(module, "atomic", (PyObject *)gosp.atomic_type);
}
