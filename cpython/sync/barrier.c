/* sync/barrier.c - Barrier: a number of parties meet, and all go on together.
 *
 * Those that have come stand in line. The last one runs the action, while those of the next round, if they come
 * already, stand at the entry; then it grants everybody in line an index, and lets the entry in.
 */
#include "../sync.h"

enum { FILLING, ACTING, BROKEN };

typedef struct {
    SyncObject base;     /* in line: those that have come */
    gosp_line entry;     /* those that have to wait for the end of an action first */
    Py_ssize_t parties;
    PyObject *action;    /* NULL: none */
    PyObject *timeout;   /* NULL: none */
    int state;
    uint64_t round;      /* grows when a reset or an abort ends a round */
} BarrierObject;

static PyObject *raise_broken(void)
{
    PyErr_SetNone(gosp_sync.broken_barrier);
    return NULL;
}

/* All who have come get index -1: it is broken. */
static void turn_away(BarrierObject *self)
{
    for (gosp_wait *w = self->base.line.first; w; w = w->next)
        w->count = -1;
    gosp_line_grant_all(&self->base.line);
    gosp_line_grant_all(&self->entry);
    self->round++;
}

static void break_up(BarrierObject *self)
{
    self->state = BROKEN;
    turn_away(self);
}

/* The last one has come. */
static PyObject *open_up(BarrierObject *self)
{
    if (self->action) {
        uint64_t round = self->round;
        self->state = ACTING;
        PyObject *action = Py_NewRef(self->action), *done = PyObject_CallNoArgs(action);
        Py_DECREF(action);
        if (self->round != round) { /* aborted or reset meanwhile */
            Py_XDECREF(done);
            return done ? raise_broken() : NULL;
        }
        if (!done) {
            break_up(self);
            return NULL;
        }
        Py_DECREF(done);
        self->state = FILLING;
    }
    Py_ssize_t index = 0;
    for (gosp_wait *w = self->base.line.first; w; w = w->next)
        w->count = index++;
    gosp_line_grant_all(&self->base.line);
    gosp_line_grant_all(&self->entry);
    return PyLong_FromSsize_t(index);
}

/* 1: granted, 0: too late, negative with an exception; *index is what was granted with. */
static int stand(BarrierObject *self, gosp_line *line, int64_t deadline_ns, Py_ssize_t *index)
{
    if (deadline_ns <= 0)
        return 0;
    gosp_thread *th = gosp_thread_current();
    gosp_wait *w = th ? gosp_wait_new(th, line, (PyObject *)self) : NULL;
    if (!w)
        return -1;
    int rc = gosp_wait_for(th, w, deadline_ns);
    *index = w->count;
    gosp_wait_free(w);
    return rc;
}

static PyObject *wait_until(BarrierObject *self, int64_t deadline_ns)
{
    Py_ssize_t index;
    while (self->state == ACTING) {
        int rc = stand(self, &self->entry, deadline_ns, &index);
        if (rc < 0)
            return NULL;
        if (rc == 0) {
            break_up(self);
            return raise_broken();
        }
    }
    if (self->state == BROKEN)
        return raise_broken();
    if (self->base.line.count + 1 >= self->parties)
        return open_up(self);
    uint64_t round = self->round;
    int rc = stand(self, &self->base.line, deadline_ns, &index);
    if (rc > 0)
        return index < 0 ? raise_broken() : PyLong_FromSsize_t(index);
    if (self->round == round && self->state != BROKEN) /* the others would wait for nothing */
        break_up(self);
    return rc < 0 ? NULL : raise_broken();
}

static PyObject *barrier_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout"};
    BarrierObject *self = (BarrierObject *)op;
    PyObject *given[1] = {Py_None};
    int64_t deadline = GOS_FOREVER;
    if ((nargs || kwnames) && gosp_parse(args, nargs, kwnames, "wait", names, 1, 0, given) < 0)
        return NULL;
    if (given[0] == Py_None && self->timeout)
        given[0] = self->timeout;
    if (gosp_sync_deadline(given[0], &deadline) < 0)
        return NULL;
    if (self->parties < 1) {
        PyErr_SetString(PyExc_RuntimeError, "Barrier.__init__() has not been called");
        return NULL;
    }
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (!self->action)
        gosp_sync_note(th, op, args, nargs, kwnames);
    PyObject *index = wait_until(self, deadline);
    gosp_sync_note_over(th);
    return index;
}

static PyObject *barrier_reset(PyObject *op, PyObject *unused)
{
    (void)unused;
    BarrierObject *self = (BarrierObject *)op;
    self->state = FILLING;
    turn_away(self);
    Py_RETURN_NONE;
}

static PyObject *barrier_abort(PyObject *op, PyObject *unused)
{
    (void)unused;
    break_up((BarrierObject *)op);
    Py_RETURN_NONE;
}

static PyObject *get_waiting(PyObject *op, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((BarrierObject *)op)->base.line.count);
}

static PyObject *get_broken(PyObject *op, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((BarrierObject *)op)->state == BROKEN);
}

static PyObject *barrier_repr(PyObject *op)
{
    BarrierObject *self = (BarrierObject *)op;
    if (self->state == BROKEN)
        return PyUnicode_FromFormat("<%s at %p: broken>", Py_TYPE(op)->tp_name, op);
    return PyUnicode_FromFormat("<%s at %p: waiters=%zd/%zd>", Py_TYPE(op)->tp_name, op, self->base.line.count, self->parties);
}

static PyMethodDef barrier_methods[] = {
    {"wait", (PyCFunction)(void (*)(void))barrier_wait, METH_FASTCALL | METH_KEYWORDS,
     "wait($self, timeout=None)\n--\n\n"
     "Wait until all parties have come; the last one runs the action first. Returns a number from 0 to parties - 1, another\n"
     "one for each. When timeout seconds have passed, or a party is killed, the barrier is broken: BrokenBarrierError for\n"
     "all. (threading.Barrier)"},
    {"reset", barrier_reset, METH_NOARGS,
     "reset($self, /)\n--\n\nStart anew; whoever waits gets BrokenBarrierError. (threading.Barrier)"},
    {"abort", barrier_abort, METH_NOARGS,
     "abort($self, /)\n--\n\nBreak it: BrokenBarrierError for all who wait, or come later. (threading.Barrier)"},
    {NULL},
};

static PyGetSetDef barrier_getset[] = {
    {"n_waiting", get_waiting, NULL, "How many have come. (threading.Barrier)"},
    {"broken", get_broken, NULL, "Whether it is broken. (threading.Barrier)"},
    {NULL},
};

static PyMemberDef barrier_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(SyncObject, weakrefs), READONLY},
    {"parties", T_PYSSIZET, offsetof(BarrierObject, parties), READONLY, "How many it takes. (threading.Barrier)"},
    {NULL},
};

/* ---- life ---- */

static int barrier_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"parties", "action", "timeout", NULL};
    BarrierObject *self = (BarrierObject *)op;
    PyObject *action = Py_None, *timeout = Py_None;
    Py_ssize_t parties;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|OO:Barrier", names, &parties, &action, &timeout))
        return -1;
    if (parties < 1) {
        PyErr_SetString(PyExc_ValueError, "parties must be > 0");
        return -1;
    }
    self->parties = parties;
    Py_XSETREF(self->action, action == Py_None ? NULL : Py_NewRef(action));
    Py_XSETREF(self->timeout, timeout == Py_None ? NULL : Py_NewRef(timeout));
    return 0;
}

static int barrier_traverse(PyObject *op, visitproc visit, void *arg)
{
    BarrierObject *self = (BarrierObject *)op;
    Py_VISIT(self->action);
    Py_VISIT(self->timeout);
    int rc = gosp_line_traverse(&self->entry, visit, arg);
    return rc ? rc : gosp_sync_traverse(op, visit, arg);
}

static int barrier_clear(PyObject *op)
{
    BarrierObject *self = (BarrierObject *)op;
    gosp_line_clear(&self->entry);
    gosp_sync_clear(op);
    Py_CLEAR(self->action);
    Py_CLEAR(self->timeout);
    return 0;
}

static void barrier_dealloc(PyObject *op)
{
    gosp_sync_end(op, barrier_clear);
}

static PyType_Slot barrier_slots[] = {
    {Py_tp_doc, "Barrier(parties, action=None, timeout=None)\n--\n\n"
                "A place where a number of tasklets or threads wait for each other; the last one calls action. timeout: seconds,\n"
                "for those who wait without one. (threading.Barrier)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_init, barrier_init},
    {Py_tp_dealloc, barrier_dealloc},
    {Py_tp_traverse, barrier_traverse},
    {Py_tp_clear, barrier_clear},
    {Py_tp_repr, barrier_repr},
    {Py_tp_methods, barrier_methods},
    {Py_tp_getset, barrier_getset},
    {Py_tp_members, barrier_members},
    {0, NULL},
};

static PyType_Spec barrier_spec = {
    .name = "gossamer.sync.Barrier",
    .basicsize = sizeof(BarrierObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = barrier_slots,
};

int gosp_barrier_init(PyObject *module)
{
    gosp_sync.barrier = gosp_sync_type(module, &barrier_spec, NULL, NULL);
    return gosp_sync.barrier ? 0 : -1;
}
