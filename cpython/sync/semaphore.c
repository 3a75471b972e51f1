/* sync/semaphore.c - Semaphore and BoundedSemaphore: permits, counted. */
#include "../sync.h"

typedef struct {
    SyncObject base;
    Py_ssize_t value;   /* permits to be had; 0 while somebody waits */
    Py_ssize_t initial; /* bounded: the most there may be */
    int bounded;
} SemaphoreObject;

/* One permit goes to the first in line, or is there to be had. */
static void pass_on(SemaphoreObject *self)
{
    if (GOSP_UNLIKELY(self->base.line.first != NULL))
        gosp_wait_grant(self->base.line.first);
    else
        self->value++;
}

static int wait_for_permit(SemaphoreObject *self, int64_t deadline_ns)
{
    if (deadline_ns <= 0)
        return 0;
    gosp_thread *th = gosp_thread_current();
    gosp_wait *w = th ? gosp_wait_new(th, &self->base.line, (PyObject *)self) : NULL;
    if (!w)
        return -1;
    int rc = gosp_wait_for(th, w, deadline_ns);
    if (GOSP_UNLIKELY(rc < 0) && w->granted)
        pass_on(self);
    gosp_wait_free(w);
    return rc;
}

static int acquire_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline_ns)
{
    static const char *const names[] = {"blocking", "timeout"};
    PyObject *given[2] = {Py_True, Py_None};
    if (gosp_parse(args, nargs, kwnames, "acquire", names, 2, 0, given) < 0)
        return -1;
    int blocking = PyObject_IsTrue(given[0]);
    if (blocking < 0)
        return -1;
    if (!blocking && given[1] != Py_None) {
        PyErr_SetString(PyExc_ValueError, "can't specify timeout for non-blocking acquire");
        return -1;
    }
    if (blocking)
        return gosp_sync_deadline(given[1], deadline_ns);
    *deadline_ns = 0;
    return 0;
}

static PyObject *semaphore_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SemaphoreObject *self = (SemaphoreObject *)op;
    int64_t deadline = GOS_FOREVER;
    if (GOSP_UNLIKELY(nargs || kwnames) && acquire_arguments(args, nargs, kwnames, &deadline) < 0)
        return NULL;
    if (GOSP_LIKELY(self->value > 0)) {
        self->value--;
        Py_RETURN_TRUE;
    }
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    gosp_sync_note(th, op, args, nargs, kwnames);
    int rc = wait_for_permit(self, deadline);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *semaphore_enter(PyObject *op, PyObject *bound)
{
    SemaphoreObject *self = (SemaphoreObject *)op;
    if (GOSP_LIKELY(self->value > 0)) {
        self->value--;
        Py_RETURN_TRUE;
    }
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    gosp_sync_note_with(th, bound);
    int rc = wait_for_permit(self, GOS_FOREVER);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : Py_NewRef(Py_True);
}

static int release_many(SemaphoreObject *self, Py_ssize_t n)
{
    if (GOSP_UNLIKELY(n < 1)) {
        PyErr_SetString(PyExc_ValueError, "n must be one or more");
        return -1;
    }
    if (self->bounded && GOSP_UNLIKELY(self->value > self->initial - n)) {
        PyErr_SetString(PyExc_ValueError, "Semaphore released too many times");
        return -1;
    }
    if (GOSP_UNLIKELY(self->value > PY_SSIZE_T_MAX - n)) {
        PyErr_SetString(PyExc_OverflowError, "semaphore value is too large");
        return -1;
    }
    for (; n && self->base.line.first; n--)
        gosp_wait_grant(self->base.line.first);
    self->value += n;
    return 0;
}

static PyObject *semaphore_release(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"n"};
    Py_ssize_t n = 1;
    if (GOSP_UNLIKELY(nargs || kwnames)) {
        PyObject *given[1] = {NULL};
        if (gosp_parse(args, nargs, kwnames, "release", names, 1, 0, given) < 0)
            return NULL;
        n = given[0] ? PyNumber_AsSsize_t(given[0], PyExc_OverflowError) : 1;
        if (n == -1 && PyErr_Occurred())
            return NULL;
    }
    if (release_many((SemaphoreObject *)op, n) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *semaphore_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args;
    (void)nargs;
    return release_many((SemaphoreObject *)op, 1) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *semaphore_repr(PyObject *op)
{
    SemaphoreObject *self = (SemaphoreObject *)op;
    if (self->bounded)
        return PyUnicode_FromFormat("<%s at %p: value=%zd/%zd>", Py_TYPE(op)->tp_name, op, self->value, self->initial);
    return PyUnicode_FromFormat("<%s at %p: value=%zd>", Py_TYPE(op)->tp_name, op, self->value);
}

static PyMethodDef semaphore_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))semaphore_acquire, METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, blocking=True, timeout=None)\n--\n\n"
     "Take a permit; while there is none, wait in line. True; False when there is none and blocking is false, or timeout\n"
     "seconds have passed. Raises DeadlockError when nobody is left who could release one. (threading.Semaphore)"},
    {"release", (PyCFunction)(void (*)(void))semaphore_release, METH_FASTCALL | METH_KEYWORDS,
     "release($self, n=1)\n--\n\n"
     "Hand n permits over to the first in line; what is left is there to be had. ValueError if n is less than one, or a\n"
     "BoundedSemaphore would have more than at first. (threading.Semaphore)"},
    {"__enter__", semaphore_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nacquire()"},
    {"__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL, "__exit__($self, /, *exc_info)\n--\n\nrelease()"},
    {NULL},
};

static PyMemberDef semaphore_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(SyncObject, weakrefs), READONLY},
    {"_value", T_PYSSIZET, offsetof(SemaphoreObject, value), READONLY, "The permits that can be had."},
    {NULL},
};

/* ---- making ---- */

static const char *const init_names[] = {"value"};

static int set_up(SemaphoreObject *self, PyObject *value)
{
    Py_ssize_t n = 1;
    if (value) {
        n = PyNumber_AsSsize_t(value, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred())
            return -1;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "semaphore initial value must be >= 0");
        return -1;
    }
    self->value = self->initial = n;
    self->bounded = PyType_IsSubtype(Py_TYPE(self), gosp_sync.bounded);
    return 0;
}

static int semaphore_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"value", NULL};
    PyObject *value = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Semaphore", names, &value))
        return -1;
    return set_up((SemaphoreObject *)self, value);
}

static PyObject *semaphore_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *value = NULL;
    SyncObject *self = gosp_sync_make(type, args, nargsf, kwnames, init_names, 1, 0, &value);
    if (self && set_up((SemaphoreObject *)self, value) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyType_Slot semaphore_slots[] = {
    {Py_tp_doc, "Semaphore(value=1)\n--\n\nA number of permits, for tasklets and threads. (threading.Semaphore)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_init, semaphore_init},
    {Py_tp_dealloc, gosp_sync_dealloc},
    {Py_tp_traverse, gosp_sync_traverse},
    {Py_tp_clear, gosp_sync_clear},
    {Py_tp_repr, semaphore_repr},
    {Py_tp_methods, semaphore_methods},
    {Py_tp_members, semaphore_members},
    {0, NULL},
};

static PyType_Spec semaphore_spec = {
    .name = "gossamer.sync.Semaphore",
    .basicsize = sizeof(SemaphoreObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = semaphore_slots,
};

static PyType_Slot bounded_slots[] = {
    {Py_tp_doc, "BoundedSemaphore(value=1)\n--\n\n"
                "A semaphore that never has more permits than at first: releasing too often is a ValueError.\n"
                "(threading.BoundedSemaphore)"},
    {Py_tp_traverse, gosp_sync_traverse},
    {Py_tp_clear, gosp_sync_clear},
    {0, NULL},
};

static PyType_Spec bounded_spec = {
    .name = "gossamer.sync.BoundedSemaphore",
    .basicsize = sizeof(SemaphoreObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bounded_slots,
};

int gosp_semaphore_init(PyObject *module)
{
    gosp_sync.semaphore = gosp_sync_type(module, &semaphore_spec, NULL, semaphore_call);
    if (!gosp_sync.semaphore || gosp_sync_add_with(gosp_sync.semaphore) < 0)
        return -1;
    gosp_sync.bounded = gosp_sync_type(module, &bounded_spec, gosp_sync.semaphore, semaphore_call);
    return gosp_sync.bounded ? 0 : -1;
}
