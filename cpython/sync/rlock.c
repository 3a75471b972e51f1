/* sync/rlock.c - RLock: belongs to the tasklet that has acquired it, which may do so again. */
#include "../sync.h"

#include "../record.h"

/* The old owner is the current tasklet, or none, or gone: no code runs here. */
static void set_owner(RLockObject *self, gos_tasklet *t, Py_ssize_t count)
{
    gos_tasklet *old = self->owner;
    if (t)
        Py_INCREF(gosp_of(t));
    self->owner = t;
    self->count = count;
    if (GOSP_UNLIKELY(gosi_tracing())) {
        if (t)
            gosp_sync_record_hold((PyObject *)self, t);
        else
            gosi_trace_event(GOS_TRACE_RELEASE, 0, self, 0, 0);
    }
    if (old)
        Py_DECREF(gosp_of(old));
}

/* ---- for Condition ---- */

int gosp_rlock_acquire(gosp_thread *th, RLockObject *self, Py_ssize_t count, int64_t deadline_ns)
{
    if (GOSP_LIKELY(!self->owner)) {
        set_owner(self, th->sched.current, count);
        return 1;
    }
    if (deadline_ns <= 0)
        return 0;
    gosp_wait *w = gosp_wait_new(th, &self->base.line, (PyObject *)self);
    if (!w)
        return GOSP_REFUSED;
    w->count = count;
    int rc = gosp_wait_for(th, w, deadline_ns);
    if (GOSP_UNLIKELY(rc < 0) && w->granted)
        gosp_rlock_pass_on(self);
    gosp_wait_free(w);
    return rc;
}

void gosp_rlock_pass_on(RLockObject *self)
{
    gosp_wait *w = self->base.line.first;
    if (GOSP_LIKELY(!w)) {
        set_owner(self, NULL, 0);
        return;
    }
    set_owner(self, w->t, w->count);
    gosp_wait_grant(w);
}

/* ---- methods ---- */

int gosp_rlock_acquire_again(RLockObject *self)
{
    if (GOSP_UNLIKELY(self->count == PY_SSIZE_T_MAX)) {
        PyErr_SetString(PyExc_OverflowError, "lock acquired too often");
        return -1;
    }
    self->count++;
    return 1;
}

static PyObject *rlock_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    RLockObject *self = (RLockObject *)op;
    int64_t deadline = GOS_FOREVER;
    if (GOSP_UNLIKELY(nargs || kwnames) && gosp_lock_arguments(args, nargs, kwnames, &deadline) < 0)
        return NULL;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (self->owner == th->sched.current)
        return gosp_rlock_acquire_again(self) < 0 ? NULL : Py_NewRef(Py_True);
    if (self->owner)
        gosp_sync_note(th, op, args, nargs, kwnames);
    int rc = gosp_rlock_acquire(th, self, 1, deadline);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

PyObject *gosp_rlock_enter(PyObject *op, PyObject *bound)
{
    RLockObject *self = (RLockObject *)op;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (self->owner == th->sched.current)
        return gosp_rlock_acquire_again(self) < 0 ? NULL : Py_NewRef(Py_True);
    if (self->owner)
        gosp_sync_note_with(th, bound);
    int rc = gosp_rlock_acquire(th, self, 1, GOS_FOREVER);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : Py_NewRef(Py_True);
}

static gosp_thread *check_owner(RLockObject *self)
{
    gosp_thread *th = gosp_thread_current();
    if (th && GOSP_UNLIKELY(self->owner != th->sched.current)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    return th;
}

static PyObject *rlock_release(PyObject *op, PyObject *unused)
{
    (void)unused;
    RLockObject *self = (RLockObject *)op;
    if (!check_owner(self))
        return NULL;
    if (--self->count == 0)
        gosp_rlock_pass_on(self);
    Py_RETURN_NONE;
}

static PyObject *rlock_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args;
    (void)nargs;
    return rlock_release(op, NULL);
}

static PyObject *rlock_locked(PyObject *op, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((RLockObject *)op)->owner != NULL);
}

static PyObject *rlock_is_owned(PyObject *op, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return th ? PyBool_FromLong(((RLockObject *)op)->owner == th->sched.current) : NULL;
}

static PyObject *rlock_recursion_count(PyObject *op, PyObject *unused)
{
    (void)unused;
    RLockObject *self = (RLockObject *)op;
    gosp_thread *th = gosp_thread_current();
    return th ? PyLong_FromSsize_t(self->owner == th->sched.current ? self->count : 0) : NULL;
}

/* What threading.Condition asks of a lock. */
static PyObject *rlock_release_save(PyObject *op, PyObject *unused)
{
    (void)unused;
    RLockObject *self = (RLockObject *)op;
    gosp_thread *th = check_owner(self);
    PyObject *state = th ? Py_BuildValue("(nk)", self->count, th->thread_id) : NULL;
    if (state)
        gosp_rlock_pass_on(self);
    return state;
}

static PyObject *rlock_acquire_restore(PyObject *op, PyObject *state)
{
    RLockObject *self = (RLockObject *)op;
    Py_ssize_t count;
    unsigned long thread_id;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (!PyTuple_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "_acquire_restore needs what _release_save has returned");
        return NULL;
    }
    if (!PyArg_ParseTuple(state, "nk:_acquire_restore", &count, &thread_id))
        return NULL;
    if (count < 1 || self->owner == th->sched.current) {
        PyErr_SetString(PyExc_RuntimeError, "_acquire_restore needs what _release_save has returned");
        return NULL;
    }
    return gosp_rlock_acquire(th, self, count, GOS_FOREVER) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *rlock_reinit(PyObject *op, PyObject *unused)
{
    (void)unused;
    set_owner((RLockObject *)op, NULL, 0);
    gosp_line_clear(&((SyncObject *)op)->line);
    Py_RETURN_NONE;
}

static PyObject *rlock_repr(PyObject *op)
{
    RLockObject *self = (RLockObject *)op;
    return PyUnicode_FromFormat("<%s %s object owner=%p count=%zd at %p>", self->owner ? "locked" : "unlocked",
                                Py_TYPE(op)->tp_name, (void *)self->owner, self->count, op);
}

static PyMethodDef rlock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))rlock_acquire, METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, blocking=True, timeout=-1)\n--\n\n"
     "Acquire it for the current tasklet, once more if that has it already; else as Lock.acquire. (threading.RLock)"},
    {"release", rlock_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Undo one acquire(); after the first one's, hand it over to the first in line. RuntimeError if the current tasklet\n"
     "does not hold it. (threading.RLock)"},
    {"locked", rlock_locked, METH_NOARGS, "locked($self, /)\n--\n\nWhether somebody holds it. (threading.RLock of 3.14)"},
    {"__enter__", gosp_rlock_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nacquire()"},
    {"__exit__", (PyCFunction)(void (*)(void))rlock_exit, METH_FASTCALL, "__exit__($self, /, *exc_info)\n--\n\nrelease()"},
    {"_is_owned", rlock_is_owned, METH_NOARGS, "_is_owned($self, /)\n--\n\nWhether the current tasklet holds it."},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS,
     "_recursion_count($self, /)\n--\n\nHow many times the current tasklet has acquired it."},
    {"_release_save", rlock_release_save, METH_NOARGS,
     "_release_save($self, /)\n--\n\nRelease it, however often it was acquired; returns what _acquire_restore needs."},
    {"_acquire_restore", rlock_acquire_restore, METH_O,
     "_acquire_restore($self, state, /)\n--\n\nAcquire it as often as it was before _release_save."},
    {"_at_fork_reinit", rlock_reinit, METH_NOARGS, "_at_fork_reinit($self, /)\n--\n\nUnlock it; nobody waits any more."},
    {NULL},
};

static int rlock_traverse(PyObject *op, visitproc visit, void *arg)
{
    gos_tasklet *owner = ((RLockObject *)op)->owner;
    if (owner)
        Py_VISIT(gosp_of(owner));
    return gosp_sync_traverse(op, visit, arg);
}

static int rlock_clear(PyObject *op)
{
    set_owner((RLockObject *)op, NULL, 0);
    return gosp_sync_clear(op);
}

static void rlock_dealloc(PyObject *op)
{
    gosp_sync_end(op, rlock_clear);
}

static PyType_Slot rlock_slots[] = {
    {Py_tp_doc, "RLock()\n--\n\n"
                "A lock that its owner may acquire again. The owner is a tasklet; for a thread without tasklets that is the\n"
                "thread. (threading.RLock)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_dealloc, rlock_dealloc},
    {Py_tp_traverse, rlock_traverse},
    {Py_tp_clear, rlock_clear},
    {Py_tp_repr, rlock_repr},
    {Py_tp_methods, rlock_methods},
    {Py_tp_members, gosp_sync_members},
    {0, NULL},
};

static PyType_Spec rlock_spec = {
    .name = "gossamer.sync.RLock",
    .basicsize = sizeof(RLockObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rlock_slots,
};

static PyObject *rlock_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return (PyObject *)gosp_sync_make(type, args, nargsf, kwnames, NULL, 0, 0, NULL);
}

int gosp_rlock_init(PyObject *module)
{
    gosp_sync.rlock = gosp_sync_type(module, &rlock_spec, NULL, rlock_call);
    return gosp_sync.rlock ? gosp_sync_add_with(gosp_sync.rlock) : -1;
}
