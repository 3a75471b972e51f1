/* sync/condition.c - Condition: waiting with a lock released, until notified.
 *
 * notify() wakes nobody when the lock is one of ours: it moves waiters from the line of the condition to that of the
 * lock, which they need anyway, so that each is woken once, when it is its turn. With any other lock (of threading, or
 * a class of the user's) the waiter is woken, and acquires it itself.
 */
#include "../sync.h"

enum { OWN_LOCK, OWN_RLOCK, FOREIGN };

typedef struct {
    SyncObject base;
    PyObject *lock; /* NULL: __init__ has not been called */
    int kind;
} ConditionObject;

/* ---- the lock ---- */

static int check_lock(ConditionObject *self)
{
    if (GOSP_LIKELY(self->lock != NULL))
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "Condition.__init__() has not been called");
    return -1;
}

static int foreign_is_owned(PyObject *lock)
{
    PyObject *answer = PyObject_CallMethod(lock, "_is_owned", NULL);
    if (answer) {
        int owned = PyObject_IsTrue(answer);
        Py_DECREF(answer);
        return owned;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    answer = PyObject_CallMethod(lock, "acquire", "O", Py_False);
    int got = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    if (got <= 0)
        return got < 0 ? -1 : 1;
    answer = PyObject_CallMethod(lock, "release", NULL);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

/* 1, 0, or -1 with an error. */
static int is_owned(gosp_thread *th, ConditionObject *self)
{
    switch (self->kind) {
    case OWN_LOCK: return ((LockObject *)self->lock)->locked;
    case OWN_RLOCK: return ((RLockObject *)self->lock)->owner == th->sched.current;
    default: return foreign_is_owned(self->lock);
    }
}

/* The calling thread's scheduler if the lock is held, else NULL with an error. */
static gosp_thread *enter_owned(ConditionObject *self, const char *error)
{
    gosp_thread *th = check_lock(self) < 0 ? NULL : gosp_thread_current();
    int owned = th ? is_owned(th, self) : -1;
    if (GOSP_LIKELY(owned > 0))
        return th;
    if (owned == 0)
        PyErr_SetString(PyExc_RuntimeError, error);
    return NULL;
}

/* A foreign lock is released; *state is what it needs to be acquired again, or NULL if it needs nothing. */
static int foreign_release(PyObject *lock, PyObject **state)
{
    *state = PyObject_CallMethod(lock, "_release_save", NULL);
    if (*state)
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    PyObject *done = PyObject_CallMethod(lock, "release", NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Steals state. A pending exception stays, unless this brings another. */
static int foreign_acquire(TaskletObject *cur, PyObject *lock, PyObject *state)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    uint32_t limited = gosp_timeout_suspend(cur);
    PyObject *done = state ? PyObject_CallMethod(lock, "_acquire_restore", "(O)", state) : PyObject_CallMethod(lock, "acquire", NULL);
    gosp_timeout_resume(cur, limited);
    Py_XDECREF(state);
    if (!done) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        return -1;
    }
    Py_DECREF(done);
    PyErr_Restore(type, value, traceback);
    return 0;
}

/* Acquire a lock of ours again, however late it is, and however often the tasklet is killed or interrupted meanwhile: its
 * code is inside of a block that releases the lock. -1 with an exception: the last of those, or the one that was there
 * before; or it could not wait for the lock (block_trap, for one), and only then does it not have it. */
static int acquire_again(gosp_thread *th, ConditionObject *self, Py_ssize_t count)
{
    TaskletObject *cur = gosp_current(th);
    for (;;) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        uint32_t limited = gosp_timeout_suspend(cur);
        int rc = self->kind == OWN_LOCK ? gosp_lock_acquire((LockObject *)self->lock, GOS_FOREVER)
                                        : gosp_rlock_acquire(th, (RLockObject *)self->lock, count, GOS_FOREVER);
        gosp_timeout_resume(cur, limited);
        if (rc > 0) {
            int failed = type != NULL;
            PyErr_Restore(type, value, traceback);
            return failed ? -1 : 0;
        }
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        if (rc != GOSP_INTERRUPTED)
            return -1;
    }
}

/* ---- notify ---- */

static void notify_first(ConditionObject *self)
{
    gosp_wait *w = self->base.line.first;
    w->notified = 1;
    if (self->kind == OWN_LOCK) {
        LockObject *lock = (LockObject *)self->lock;
        gosp_wait_move(w, &lock->base.line, self->lock);
        if (!lock->locked) { /* only from wait(), when it could not get the lock again */
            lock->locked = 1;
            gosp_wait_grant(w);
        }
    } else if (self->kind == OWN_RLOCK) {
        RLockObject *lock = (RLockObject *)self->lock;
        gosp_wait_move(w, &lock->base.line, self->lock);
        if (!lock->owner)
            gosp_rlock_pass_on(lock);
    } else {
        gosp_wait_grant(w);
    }
}

static void notify_many(ConditionObject *self, Py_ssize_t n)
{
    for (; n > 0 && self->base.line.first; n--)
        notify_first(self);
}

static PyObject *condition_notify(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"n"};
    Py_ssize_t n = 1;
    if (GOSP_UNLIKELY(nargs || kwnames)) {
        PyObject *given[1] = {NULL};
        if (gosp_parse(args, nargs, kwnames, "notify", names, 1, 0, given) < 0)
            return NULL;
        n = given[0] ? PyNumber_AsSsize_t(given[0], NULL) : 1;
        if (n == -1 && PyErr_Occurred())
            return NULL;
    }
    if (!enter_owned((ConditionObject *)op, "cannot notify on un-acquired lock"))
        return NULL;
    notify_many((ConditionObject *)op, n);
    Py_RETURN_NONE;
}

static PyObject *condition_notify_all(PyObject *op, PyObject *unused)
{
    (void)unused;
    if (!enter_owned((ConditionObject *)op, "cannot notify on un-acquired lock"))
        return NULL;
    notify_many((ConditionObject *)op, PY_SSIZE_T_MAX);
    Py_RETURN_NONE;
}

/* ---- wait ---- */

static Py_ssize_t release_own(ConditionObject *self)
{
    Py_ssize_t count = 1;
    if (self->kind == OWN_LOCK) {
        gosp_lock_pass_on((LockObject *)self->lock);
    } else {
        count = ((RLockObject *)self->lock)->count;
        gosp_rlock_pass_on((RLockObject *)self->lock);
    }
    return count;
}

static int wait_own(gosp_thread *th, ConditionObject *self, int64_t deadline_ns)
{
    gosp_wait *w = gosp_wait_new(th, &self->base.line, (PyObject *)self);
    if (!w)
        return -1;
    w->count = release_own(self);
    int rc = gosp_wait_for(th, w, deadline_ns), notified = w->notified;
    if (!w->granted && acquire_again(th, self, w->count) < 0)
        rc = -1;
    gosp_wait_free(w);
    if (rc < 0 && notified)
        notify_many(self, 1); /* it is not going to act on it */
    return rc < 0 ? -1 : notified;
}

static int wait_foreign(gosp_thread *th, ConditionObject *self, int64_t deadline_ns)
{
    PyObject *state;
    TaskletObject *cur = gosp_current(th);
    gosp_wait *w = gosp_wait_new(th, &self->base.line, (PyObject *)self);
    if (!w)
        return -1;
    if (foreign_release(self->lock, &state) < 0) { /* in line already: as soon as it is free, others may notify */
        gosp_line_remove(w);
        gosp_wait_free(w);
        return -1;
    }
    int rc = gosp_wait_for(th, w, deadline_ns), notified = w->notified;
    gosp_wait_free(w);
    if (foreign_acquire(cur, self->lock, state) < 0)
        rc = -1;
    if (rc < 0 && notified)
        notify_many(self, 1);
    return rc < 0 ? -1 : notified;
}

/* 1: notified, 0: the deadline has passed, -1 with an exception. The lock is held again in any case, unless it could
 * not be waited for. */
static int condition_wait_until(gosp_thread *th, ConditionObject *self, int64_t deadline_ns)
{
    if (self->kind == FOREIGN)
        return wait_foreign(th, self, deadline_ns);
    if (deadline_ns > 0)
        return wait_own(th, self, deadline_ns);
    return acquire_again(th, self, release_own(self)) < 0 ? -1 : 0; /* others had a chance to take it */
}

static PyObject *condition_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout"};
    PyObject *given[1] = {Py_None};
    int64_t deadline = GOS_FOREVER;
    if (GOSP_UNLIKELY(nargs || kwnames) && (gosp_parse(args, nargs, kwnames, "wait", names, 1, 0, given) < 0 ||
                                            gosp_sync_deadline(given[0], &deadline) < 0))
        return NULL;
    gosp_thread *th = enter_owned((ConditionObject *)op, "cannot wait on un-acquired lock");
    if (!th)
        return NULL;
    gosp_sync_note(th, op, args, nargs, kwnames);
    int rc = condition_wait_until(th, (ConditionObject *)op, deadline);
    gosp_sync_note_over(th);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *condition_wait_for(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"predicate", "timeout"};
    PyObject *given[2] = {NULL, Py_None};
    int64_t deadline = GOS_FOREVER;
    if (gosp_parse(args, nargs, kwnames, "wait_for", names, 2, 1, given) < 0 || gosp_sync_deadline(given[1], &deadline) < 0)
        return NULL;
    for (;;) {
        PyObject *result = PyObject_CallNoArgs(given[0]);
        int truth = result ? PyObject_IsTrue(result) : -1;
        if (truth < 0)
            Py_CLEAR(result);
        if (truth || deadline == 0 || (deadline != GOS_FOREVER && gos_now() >= deadline))
            return result;
        Py_DECREF(result);
        gosp_thread *th = enter_owned((ConditionObject *)op, "cannot wait on un-acquired lock");
        if (!th)
            return NULL;
        gosp_sync_note(th, op, args, nargs, kwnames);
        int rc = condition_wait_until(th, (ConditionObject *)op, deadline);
        gosp_sync_note_over(th);
        if (rc < 0)
            return NULL;
    }
}

/* ---- the lock's methods ---- */

static PyObject *call_lock(PyObject *op, const char *method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    ConditionObject *self = (ConditionObject *)op;
    PyObject *function = check_lock(self) < 0 ? NULL : PyObject_GetAttrString(self->lock, method);
    PyObject *result = function ? PyObject_Vectorcall(function, args, (size_t)nargs, kwnames) : NULL;
    Py_XDECREF(function);
    return result;
}

static inline int is_own_rlock(ConditionObject *self)
{
    return self->lock && self->kind == OWN_RLOCK;
}

static inline int is_own_lock(ConditionObject *self)
{
    return self->lock && self->kind == OWN_LOCK;
}

static PyObject *condition_acquire(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    ConditionObject *self = (ConditionObject *)op;
    if (GOSP_LIKELY(is_own_rlock(self) && !nargs && !kwnames))
        return gosp_rlock_enter(self->lock, NULL);
    return call_lock(op, "acquire", args, nargs, kwnames);
}

/* Once, or the last of several times. 0: no, it is for its own method. */
static inline int release_at_once(ConditionObject *self)
{
    if (is_own_rlock(self)) {
        RLockObject *lock = (RLockObject *)self->lock;
        gosp_thread *th = lock->count == 1 ? gosp_thread_current() : NULL;
        if (!th || lock->owner != th->sched.current)
            return 0;
        gosp_rlock_pass_on(lock);
        return 1;
    }
    if (!is_own_lock(self) || !((LockObject *)self->lock)->locked)
        return 0;
    gosp_lock_pass_on((LockObject *)self->lock);
    return 1;
}

static PyObject *condition_release(PyObject *op, PyObject *unused)
{
    (void)unused;
    if (GOSP_LIKELY(release_at_once((ConditionObject *)op)))
        Py_RETURN_NONE;
    return call_lock(op, "release", NULL, 0, NULL);
}

static PyObject *condition_enter(PyObject *op, PyObject *bound)
{
    ConditionObject *self = (ConditionObject *)op;
    if (GOSP_LIKELY(is_own_rlock(self)))
        return gosp_rlock_enter(self->lock, bound);
    return is_own_lock(self) ? gosp_lock_enter(self->lock, bound) : call_lock(op, "__enter__", NULL, 0, NULL);
}

static PyObject *condition_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (GOSP_LIKELY(release_at_once((ConditionObject *)op)))
        Py_RETURN_NONE;
    return call_lock(op, "__exit__", args, nargs, NULL);
}

static PyObject *condition_is_owned(PyObject *op, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = check_lock((ConditionObject *)op) < 0 ? NULL : gosp_thread_current();
    int owned = th ? is_owned(th, (ConditionObject *)op) : -1;
    return owned < 0 ? NULL : PyBool_FromLong(owned);
}

static PyObject *condition_release_save(PyObject *op, PyObject *unused)
{
    (void)unused;
    return call_lock(op, "_release_save", NULL, 0, NULL);
}

static PyObject *condition_acquire_restore(PyObject *op, PyObject *state)
{
    return call_lock(op, "_acquire_restore", &state, 1, NULL);
}

static PyObject *condition_recursion_count(PyObject *op, PyObject *unused)
{
    (void)unused;
    return call_lock(op, "_recursion_count", NULL, 0, NULL);
}

static PyObject *condition_reinit(PyObject *op, PyObject *unused)
{
    (void)unused;
    gosp_line_clear(&((SyncObject *)op)->line);
    return call_lock(op, "_at_fork_reinit", NULL, 0, NULL);
}

static PyObject *condition_repr(PyObject *op)
{
    ConditionObject *self = (ConditionObject *)op;
    if (!self->lock)
        return PyUnicode_FromFormat("<%s at %p>", Py_TYPE(op)->tp_name, op);
    return PyUnicode_FromFormat("<%s(%R, %zd)>", Py_TYPE(op)->tp_name, self->lock, self->base.line.count);
}

static PyMethodDef condition_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))condition_acquire, METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, *args, **kwargs)\n--\n\nacquire() of its lock. (threading.Condition)"},
    {"release", condition_release, METH_NOARGS, "release($self, /)\n--\n\nrelease() of its lock. (threading.Condition)"},
    {"wait", (PyCFunction)(void (*)(void))condition_wait, METH_FASTCALL | METH_KEYWORDS,
     "wait($self, timeout=None)\n--\n\n"
     "Release the lock, wait until notified, and acquire the lock again: True. False when timeout seconds have passed\n"
     "first. RuntimeError if the lock is not held; DeadlockError when nobody is left who could notify.\n"
     "(threading.Condition)"},
    {"wait_for", (PyCFunction)(void (*)(void))condition_wait_for, METH_FASTCALL | METH_KEYWORDS,
     "wait_for($self, predicate, timeout=None)\n--\n\n"
     "wait() until predicate() is true, at most timeout seconds; returns what it returned last. (threading.Condition)"},
    {"notify", (PyCFunction)(void (*)(void))condition_notify, METH_FASTCALL | METH_KEYWORDS,
     "notify($self, n=1)\n--\n\n"
     "The first n that wait get the lock next, one after the other. The caller goes on. RuntimeError if the lock is not\n"
     "held. (threading.Condition)"},
    {"notify_all", condition_notify_all, METH_NOARGS,
     "notify_all($self, /)\n--\n\nnotify() for all that wait. (threading.Condition)"},
    {"__enter__", condition_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nacquire()"},
    {"__exit__", (PyCFunction)(void (*)(void))condition_exit, METH_FASTCALL, "__exit__($self, /, *exc_info)\n--\n\nrelease()"},
    {"_is_owned", condition_is_owned, METH_NOARGS, "_is_owned($self, /)\n--\n\nWhether its lock is held."},
    {"_recursion_count", condition_recursion_count, METH_NOARGS, "_recursion_count($self, /)\n--\n\n_recursion_count() of its lock."},
    {"_release_save", condition_release_save, METH_NOARGS, "_release_save($self, /)\n--\n\n_release_save() of its lock."},
    {"_acquire_restore", condition_acquire_restore, METH_O,
     "_acquire_restore($self, state, /)\n--\n\n_acquire_restore() of its lock."},
    {"_at_fork_reinit", condition_reinit, METH_NOARGS, "_at_fork_reinit($self, /)\n--\n\nUnlock it; nobody waits any more."},
    {NULL},
};

static PyMemberDef condition_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(SyncObject, weakrefs), READONLY},
    {"_lock", T_OBJECT, offsetof(ConditionObject, lock), READONLY, "Its lock."},
    {NULL},
};

/* ---- life ---- */

static const char *const init_names[] = {"lock"};

static int set_up(ConditionObject *self, PyObject *lock)
{
    PyObject *own = NULL;
    if (self->base.line.first) {
        PyErr_SetString(PyExc_RuntimeError, "Condition.__init__() while somebody waits");
        return -1;
    }
    if (!lock || lock == Py_None)
        own = PyObject_CallNoArgs((PyObject *)gosp_sync.rlock);
    else
        own = Py_NewRef(lock);
    if (!own)
        return -1;
    self->kind = Py_IS_TYPE(own, gosp_sync.lock) ? OWN_LOCK : Py_IS_TYPE(own, gosp_sync.rlock) ? OWN_RLOCK : FOREIGN;
    Py_XSETREF(self->lock, own);
    return 0;
}

static int condition_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", NULL};
    PyObject *lock = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Condition", names, &lock))
        return -1;
    return set_up((ConditionObject *)self, lock);
}

static PyObject *condition_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *lock = NULL;
    SyncObject *self = gosp_sync_make(type, args, nargsf, kwnames, init_names, 1, 0, &lock);
    if (self && set_up((ConditionObject *)self, lock) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int condition_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((ConditionObject *)self)->lock);
    return gosp_sync_traverse(self, visit, arg);
}

static int condition_clear(PyObject *self)
{
    gosp_sync_clear(self);
    Py_CLEAR(((ConditionObject *)self)->lock);
    return 0;
}

static void condition_dealloc(PyObject *self)
{
    gosp_sync_end(self, condition_clear);
}

static PyType_Slot condition_slots[] = {
    {Py_tp_doc, "Condition(lock=None)\n--\n\n"
                "A condition variable for tasklets and threads; lock is an RLock of its own unless given: a Lock or RLock of\n"
                "this module (fastest), or anything with acquire() and release(). (threading.Condition)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_init, condition_init},
    {Py_tp_dealloc, condition_dealloc},
    {Py_tp_traverse, condition_traverse},
    {Py_tp_clear, condition_clear},
    {Py_tp_repr, condition_repr},
    {Py_tp_methods, condition_methods},
    {Py_tp_members, condition_members},
    {0, NULL},
};

static PyType_Spec condition_spec = {
    .name = "gossamer.sync.Condition",
    .basicsize = sizeof(ConditionObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = condition_slots,
};

int gosp_condition_init(PyObject *module)
{
    gosp_sync.condition = gosp_sync_type(module, &condition_spec, NULL, condition_call);
    return gosp_sync.condition ? gosp_sync_add_with(gosp_sync.condition) : -1;
}
