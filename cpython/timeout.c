/* timeout.c - the type gossamer.timeout: a time limit on everything that a tasklet waits for inside of a with block.
 *
 * Entering starts no timer: the limit is looked at when the tasklet has to wait (gosi_until), and the timer of that wait is
 * then set to whichever comes first, the wait's own end or the limit. So a block whose calls need not wait costs two clock
 * readings, and a limit that is over ends every further wait until the block has been left.
 *
 * The blocks a tasklet is inside of are a chain, innermost first; each knows the earliest deadline from itself outwards.
 * Invariant: GOS_F_LIMITED is set only while the chain is not empty (the opposite does not hold: gosp_timeout_suspend).
 * Locking: the GIL.
 */
#include "gosp.h"

#include <structmember.h>

struct TimeoutObject {
    PyObject_HEAD
    PyObject *seconds;    /* as given */
    TimeoutObject *outer; /* while active: the next of the chain, owned; or NULL */
    TaskletObject *owner; /* whose chain it is in, borrowed; NULL: not active */
    int64_t deadline_ns;
    int64_t limit_ns;     /* the earliest deadline from here outwards */
    char expired;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t gosp_timeout_limit(gos_tasklet *t)
{
    gosp_extras *extras = gosp_of(t)->extras;
    return extras && extras->timeout ? extras->timeout->limit_ns : GOS_FOREVER;
}

/* The limit that is over is the earliest of the chain: of two that end together, the inner one's. */
PyObject *gosp_timeout_raise(TaskletObject *t)
{
    TimeoutObject *at = t->extras ? t->extras->timeout : NULL;
    while (at && at->deadline_ns != at->limit_ns)
        at = at->outer;
    if (!at) { /* another tasklet has left the block meanwhile */
        PyErr_SetString(PyExc_TimeoutError, "timed out");
        return NULL;
    }
    at->expired = 1;
    PyErr_Format(PyExc_TimeoutError, "timed out: the %R s of gossamer.timeout are over", at->seconds);
    return NULL;
}

/* ---- the chain ---- */

static int64_t earliest_from(const TimeoutObject *at)
{
    int64_t limit = at->deadline_ns;
    while ((at = at->outer))
        limit = earlier(limit, at->deadline_ns);
    return limit;
}

static void leave(TimeoutObject *self)
{
    TaskletObject *t = self->owner;
    TimeoutObject **link = &t->extras->timeout;
    while (*link != self)
        link = &(*link)->outer;
    *link = self->outer; /* with its reference */
    self->outer = NULL;
    self->owner = NULL;
    if (link == &t->extras->timeout) {
        if (!*link)
            (void)gosp_timeout_suspend(t);
    } else { /* blocks that were not left in order: those inside of it had its limit, too */
        for (TimeoutObject *at = t->extras->timeout; at; at = at->outer)
            at->limit_ns = earliest_from(at);
    }
    Py_DECREF(self); /* the chain's; the caller has another */
}

void gosp_timeout_forget(TaskletObject *t)
{
    (void)gosp_timeout_suspend(t);
    TimeoutObject *at = t->extras ? t->extras->timeout : NULL;
    if (!at)
        return;
    t->extras->timeout = NULL;
    while (at) {
        TimeoutObject *outer = at->outer;
        at->outer = NULL;
        at->owner = NULL;
        Py_DECREF(at);
        at = outer;
    }
}

static PyObject *timeout_enter(PyObject *op, PyObject *unused)
{
    TimeoutObject *self = (TimeoutObject *)op;
    int64_t deadline;
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    gosp_extras *extras = th ? gosp_extras_get(gosp_current(th)) : NULL;
    if (!extras)
        return NULL;
    if (self->owner) {
        PyErr_SetString(PyExc_RuntimeError, "this timeout is active already: each with block needs one of its own");
        return NULL;
    }
    if (gosp_deadline(self->seconds, &deadline) < 0)
        return NULL;
    self->deadline_ns = deadline ? deadline : gos_now();
    self->limit_ns = earlier(self->deadline_ns, extras->timeout ? extras->timeout->limit_ns : GOS_FOREVER);
    self->expired = 0;
    self->owner = gosp_current(th);
    self->outer = extras->timeout;
    extras->timeout = (TimeoutObject *)Py_NewRef(self);
    self->owner->core.flags |= GOS_F_LIMITED;
    return Py_NewRef(self);
}

static PyObject *timeout_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    TimeoutObject *self = (TimeoutObject *)op;
    (void)args;
    (void)nargs;
    if (self->owner) /* else its tasklet has ended, or been bound anew */
        leave(self);
    Py_RETURN_NONE;
}

/* ---- the type ---- */

static PyObject *make(PyTypeObject *type, PyObject *seconds)
{
    int64_t deadline;
    if (gosp_deadline(seconds, &deadline) < 0) /* now rather than at the block */
        return NULL;
    TimeoutObject *self = (TimeoutObject *)type->tp_alloc(type, 0);
    if (self)
        self->seconds = Py_NewRef(seconds);
    return (PyObject *)self;
}

static PyObject *timeout_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"seconds"};
    PyObject *given[1] = {NULL};
    if (gosp_parse(args, PyVectorcall_NARGS(nargsf), kwnames, "timeout", names, 1, 1, given) < 0)
        return NULL;
    return make((PyTypeObject *)type, given[0]);
}

static PyObject *timeout_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"seconds", NULL};
    PyObject *seconds;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:timeout", names, &seconds))
        return NULL;
    return make(type, seconds);
}

static int timeout_traverse(PyObject *op, visitproc visit, void *arg)
{
    TimeoutObject *self = (TimeoutObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->seconds);
    Py_VISIT(self->outer);
    return 0;
}

static void timeout_dealloc(PyObject *op)
{
    TimeoutObject *self = (TimeoutObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(self->seconds); /* it is in no chain: that would refer to it */
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *timeout_repr(PyObject *op)
{
    TimeoutObject *self = (TimeoutObject *)op;
    return PyUnicode_FromFormat("<gossamer.timeout(%R)%s>", self->seconds,
                                self->expired ? ", expired" : self->owner ? ", active" : "");
}

static PyMethodDef timeout_methods[] = {
    {"__enter__", timeout_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe time begins; returns the object."},
    {"__exit__", (PyCFunction)(void (*)(void))timeout_exit, METH_FASTCALL,
     "__exit__($self, /, *exc)\n--\n\nThe limit is lifted. Exceptions pass."},
    {NULL},
};

static PyMemberDef timeout_members[] = {
    {"seconds", T_OBJECT_EX, offsetof(TimeoutObject, seconds), READONLY, "The limit, as given."},
    {"expired", T_BOOL, offsetof(TimeoutObject, expired), READONLY, "Whether this limit, and no other one, has ended a wait."},
    {NULL},
};

static PyType_Slot timeout_slots[] = {
    {Py_tp_doc, "timeout(seconds)\n--\n\n"
                "Context manager: whatever the current tasklet waits for inside of the block (channels, sleep, join, sockets, locks,\n"
                "queues, pools) ends with TimeoutError once `seconds` have passed since its beginning, and so does every further\n"
                "wait until it is left. None: no limit. Blocks nest: the earliest end counts. A tasklet that computes is not\n"
                "interrupted, and what need not wait succeeds. `as t`: t.expired tells whether this limit ended a wait.\n"
                "(asyncio.timeout; stacklesslib.util.timeout)"},
    {Py_tp_new, timeout_new},
    {Py_tp_dealloc, timeout_dealloc},
    {Py_tp_traverse, timeout_traverse},
    {Py_tp_repr, timeout_repr},
    {Py_tp_methods, timeout_methods},
    {Py_tp_members, timeout_members},
    {0, NULL},
};

static PyType_Spec timeout_spec = {
    .name = "gossamer.timeout",
    .basicsize = sizeof(TimeoutObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = timeout_slots,
};

int gosp_timeout_init_type(PyObject *module)
{
    static PyTypeObject *type;
    if (!type) {
        type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &timeout_spec, NULL);
        if (!type)
            return -1;
        type->tp_vectorcall = timeout_vectorcall;
    }
    return PyModule_AddObjectRef(module, "timeout", (PyObject *)type);
}
