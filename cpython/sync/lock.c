/* sync/lock.c - Lock: held by nobody in particular, so that anybody may release it. */
#include "../sync.h"

#include "../record.h"

/* ---- for the other types ---- */

static int wait_for_lock(LockObject *self, int64_t deadline_ns)
{
    if (deadline_ns <= 0)
        return 0;
    gosp_thread *th = gosp_thread_current();
    gosp_wait *w = th ? gosp_wait_new(th, &self->base.line, (PyObject *)self) : NULL;
    if (!w)
        return GOSP_REFUSED;
    int rc = gosp_wait_for(th, w, deadline_ns);
    if (GOSP_UNLIKELY(rc < 0) && w->granted)
        gosp_lock_pass_on(self);
    gosp_wait_free(w);
    return rc;
}

int gosp_lock_acquire(LockObject *self, int64_t deadline_ns)
{
    if (GOSP_UNLIKELY(self->locked))
        return wait_for_lock(self, deadline_ns);
    self->locked = 1;
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosp_sync_record_hold((PyObject *)self, NULL);
    return 1;
}

void gosp_lock_pass_on(LockObject *self)
{
    if (GOSP_UNLIKELY(self->base.line.first != NULL)) {
        gosp_wait_grant(self->base.line.first); /* locked as before, but by that */
    } else {
        self->locked = 0;
        GOSI_TRACE(GOS_TRACE_RELEASE, 0, self, 0, 0);
    }
}

int gosp_lock_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline_ns)
{
    static const char *const names[] = {"blocking", "timeout"};
    PyObject *given[2] = {Py_True, NULL};
    *deadline_ns = GOS_FOREVER;
    if (nargs == 0 && !kwnames)
        return 0;
    if (gosp_parse(args, nargs, kwnames, "acquire", names, 2, 0, given) < 0)
        return -1;
    int blocking = PyObject_IsTrue(given[0]);
    double seconds = given[1] ? PyFloat_AsDouble(given[1]) : -1.0;
    if (blocking < 0 || (seconds == -1.0 && PyErr_Occurred()))
        return -1;
    if (!blocking && seconds != -1.0) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (!blocking || seconds == -1.0) {
        *deadline_ns = blocking ? GOS_FOREVER : 0;
        return 0;
    }
    if (!(seconds >= 0)) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return -1;
    }
    if (seconds > (double)PY_TIMEOUT_MAX / 1e6) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return -1;
    }
    return gosp_deadline(given[1], deadline_ns);
}

/* ---- methods ---- */

static PyObject *lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    LockObject *lock = (LockObject *)self;
    int64_t deadline = GOS_FOREVER;
    if (GOSP_UNLIKELY(nargs || kwnames) && gosp_lock_arguments(args, nargs, kwnames, &deadline) < 0)
        return NULL;
    if (GOSP_LIKELY(!lock->locked)) {
        lock->locked = 1;
        if (GOSP_UNLIKELY(gosi_tracing()))
            gosp_sync_record_hold(self, NULL);
        Py_RETURN_TRUE;
    }
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    gosp_sync_note(th, self, args, nargs, kwnames);
    int rc = wait_for_lock(lock, deadline);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

PyObject *gosp_lock_enter(PyObject *self, PyObject *bound)
{
    LockObject *lock = (LockObject *)self;
    if (GOSP_LIKELY(!lock->locked)) {
        lock->locked = 1;
        if (GOSP_UNLIKELY(gosi_tracing()))
            gosp_sync_record_hold(self, NULL);
        Py_RETURN_TRUE;
    }
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    gosp_sync_note_with(th, bound);
    int rc = wait_for_lock(lock, GOS_FOREVER);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *lock_release(PyObject *self, PyObject *unused)
{
    (void)unused;
    LockObject *lock = (LockObject *)self;
    if (GOSP_UNLIKELY(!lock->locked)) {
        PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
        return NULL;
    }
    gosp_lock_pass_on(lock);
    Py_RETURN_NONE;
}

static PyObject *lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args;
    (void)nargs;
    return lock_release(self, NULL);
}

static PyObject *lock_locked(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((LockObject *)self)->locked);
}

/* In the child of a fork: who has held it, or waited for it, may be of a thread that is gone. */
static PyObject *lock_reinit(PyObject *self, PyObject *unused)
{
    (void)unused;
    ((LockObject *)self)->locked = 0;
    gosp_line_clear(&((SyncObject *)self)->line);
    Py_RETURN_NONE;
}

static PyObject *lock_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s %s object at %p>", ((LockObject *)self)->locked ? "locked" : "unlocked",
                                Py_TYPE(self)->tp_name, self);
}

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire, METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, blocking=True, timeout=-1)\n--\n\n"
     "Lock it; while it is locked, wait in line: other tasklets of this thread run meanwhile. True; False when it is\n"
     "locked and blocking is false, or timeout seconds have passed (-1: wait forever). Raises DeadlockError when nobody\n"
     "is left who could release it. (threading.Lock)"},
    {"release", lock_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Hand it over to the first in line, or unlock it. The caller goes on. Any tasklet of any thread may do so.\n"
     "RuntimeError if it is not locked. (threading.Lock)"},
    {"locked", lock_locked, METH_NOARGS, "locked($self, /)\n--\n\nWhether somebody holds it. (threading.Lock)"},
    {"__enter__", gosp_lock_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nacquire()"},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, "__exit__($self, /, *exc_info)\n--\n\nrelease()"},
    {"_at_fork_reinit", lock_reinit, METH_NOARGS, "_at_fork_reinit($self, /)\n--\n\nUnlock it; nobody waits any more."},
    {NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_doc, "Lock()\n--\n\nA mutual exclusion lock for tasklets and threads. (threading.Lock)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_dealloc, gosp_sync_dealloc},
    {Py_tp_traverse, gosp_sync_traverse},
    {Py_tp_clear, gosp_sync_clear},
    {Py_tp_repr, lock_repr},
    {Py_tp_methods, lock_methods},
    {Py_tp_members, gosp_sync_members},
    {0, NULL},
};

static PyType_Spec lock_spec = {
    .name = "gossamer.sync.Lock",
    .basicsize = sizeof(LockObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lock_slots,
};

static PyObject *lock_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return (PyObject *)gosp_sync_make(type, args, nargsf, kwnames, NULL, 0, 0, NULL);
}

int gosp_lock_init(PyObject *module)
{
    gosp_sync.lock = gosp_sync_type(module, &lock_spec, NULL, lock_call);
    return gosp_sync.lock ? gosp_sync_add_with(gosp_sync.lock) : -1;
}
