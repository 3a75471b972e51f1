/* sync/wait.c - waiting in line for the types of gossamer.sync; what else they share. */
#include "../sync.h"

#include "../record.h"
#include "sched/sched.h"

gosp_sync_globals gosp_sync;

/* ---- records ----
 *
 * Those not in use are kept, linked through `next`, so that a wait needs no allocation. */

enum { RECORDS_KEPT = 256 };

static gosp_wait *spare;
static int spare_count;

static int unlink_wait(gos_tasklet *t)
{
    gosp_line_remove((gosp_wait *)t->wait.waiter);
    return 0;
}

gosp_wait *gosp_wait_new(gosp_thread *th, gosp_line *line, PyObject *on)
{
    gosp_wait *w = spare;
    if (GOSP_LIKELY(w != NULL)) {
        spare = w->next;
        spare_count--;
    } else if (!(w = PyMem_Malloc(sizeof *w))) {
        PyErr_NoMemory();
        return NULL;
    }
    *w = (gosp_wait){.waiter.unlink = unlink_wait, .t = th->sched.current, .on = Py_NewRef(on), .count = 1};
    gosp_line_append(line, w);
    return w;
}

void gosp_wait_free(gosp_wait *w)
{
    PyObject *on = w->on, *item = w->item;
    if (spare_count < RECORDS_KEPT) {
        w->next = spare;
        spare = w;
        spare_count++;
    } else {
        PyMem_Free(w);
    }
    Py_DECREF(on);
    if (GOSP_UNLIKELY(item != NULL)) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        Py_DECREF(item);
        PyErr_Restore(type, value, traceback);
    }
}

static gosp_wait *wait_of(const gos_tasklet *t)
{
    if (t->place != GOS_IN_WAITER || t->wait.waiter->unlink != unlink_wait)
        return NULL;
    return (gosp_wait *)t->wait.waiter;
}

int gosp_sync_is_wait(const gos_waiter *copy)
{
    return copy->unlink == unlink_wait;
}

PyObject *gosp_sync_waited_for(const TaskletObject *t)
{
    gosp_wait *w = wait_of(&t->core);
    return w ? w->on : NULL;
}

int gosp_sync_visit_wait(const TaskletObject *t, visitproc visit, void *arg)
{
    gosp_wait *w = wait_of(&t->core);
    if (!w)
        return 0;
    Py_VISIT(w->on);
    return w->with ? gosp_sync_visit_with(w->with, visit, arg) : 0;
}

/* ---- lines ---- */

void gosp_line_append(gosp_line *line, gosp_wait *w)
{
    w->line = line;
    w->next = NULL;
    w->prev = line->last;
    if (line->last)
        line->last->next = w;
    else
        line->first = w;
    line->last = w;
    line->count++;
}

void gosp_line_remove(gosp_wait *w)
{
    gosp_line *line = w->line;
    if (!line)
        return;
    if (w->next)
        w->next->prev = w->prev;
    else
        line->last = w->prev;
    if (w->prev)
        w->prev->next = w->next;
    else
        line->first = w->next;
    line->count--;
    w->line = NULL;
}

/* Between gosp_wait_new and gosp_wait_for, its tasklet may do anything. */
static int has_begun(const gosp_wait *w)
{
    return w->t->place == GOS_IN_WAITER && w->t->wait.waiter == &w->waiter;
}

void gosp_wait_grant(gosp_wait *w)
{
    gos_tasklet *t = w->t;
    gosp_line_remove(w);
    w->granted = 1;
    if (GOSP_UNLIKELY(gosi_tracing()) && Py_IS_TYPE(w->on, gosp_sync.lock))
        gosp_sync_record_hold(w->on, t);
    if (!has_begun(w))
        return;
    gos_sched_wake(t->sched, t, t->value); /* what is in its register is nobody's: gosp_wait_for drops it */
    if (!gosp_self || t->sched != &gosp_self->sched)
        gos_sched_nudge(t->sched);
}

void gosp_wait_move(gosp_wait *w, gosp_line *line, PyObject *on)
{
    if (has_begun(w) && w->t->timer)
        gosi_timer_stop(w->t->sched, w->t);
    gosp_line_remove(w);
    gosp_line_append(line, w);
    Py_DECREF(w->on); /* not the last reference: the caller is inside one of its methods */
    w->on = Py_NewRef(on);
}

int gosp_line_traverse(const gosp_line *line, visitproc visit, void *arg)
{
    for (const gosp_wait *w = line->first; w; w = w->next)
        if (has_begun(w)) {
            Py_VISIT(gosp_of(w->t));
            Py_VISIT(w->item);
        }
    return 0;
}

/* Whoever still waits is paused, and gets an error if it ever runs again. */
void gosp_line_clear(gosp_line *line)
{
    while (line->first) {
        gosp_wait *w = line->first;
        gos_tasklet *t = w->t;
        if (has_begun(w) && gos_sched_unlink(t->sched, t, GOS_ECANCELED))
            Py_DECREF(gosp_of(t));
        else
            gosp_line_remove(w);
    }
}

void gosp_sync_record_hold(PyObject *lock, const gos_tasklet *t)
{
    gosi_trace_event(GOS_TRACE_HOLD, 0, lock, (uintptr_t)t, gosp_record_type(Py_TYPE(lock)));
}

/* ---- waiting ---- */

/* What a tasklet has in its register while it runs is what somebody has assigned to tempval. */
void gosp_clear_register(gosp_thread *th)
{
    gos_tasklet *cur = th->sched.current;
    if (cur->value && th->sched.head == cur && !th->sched.trap && !(cur->flags & GOS_F_THROWN)) {
        PyObject *old = cur->value;
        cur->value = NULL;
        Py_DECREF(old);
    }
}

int gosp_wait_for(gosp_thread *th, gosp_wait *w, int64_t deadline_ns)
{
    TaskletObject *cur = gosp_current(th);
    w->with = th->entering; /* before anything else can run */
    th->entering = NULL;
    if (GOSP_UNLIKELY(w->granted))
        return 1;
    if (GOSP_UNLIKELY(cur->core.value != NULL))
        gosp_clear_register(th);
    int usual = th->sched.head == th->sched.current;
    const void *on = w->on; /* it may have been moved on when the wait ends */
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosi_trace_event(GOS_TRACE_WAIT, 0, on, 0, gosp_record_type(Py_TYPE(w->on)));
    int rc = gos_sched_wait(&th->sched, &w->waiter, deadline_ns);
    GOSI_TRACE(GOS_TRACE_WAITED, w->granted ? 1 : rc == GOS_ETIMEDOUT ? 0 : 2, on, 0, 0);
    if (usual)
        cur->state.eval_top = NULL;
    if (rc == GOS_OK && !w->granted && !cur->core.value)
        rc = GOS_ECANCELED;
    int interrupted = rc == GOS_OK || rc == GOS_EHOOK || rc == GOS_ECANCELED || rc == GOS_ELIMIT;
    th->failed_on = w->on;
    th->failed_direction = 0;
    PyObject *result = gosp_resumed(th, cur, rc == GOS_ETIMEDOUT ? GOS_OK : rc);
    th->failed_on = NULL;
    Py_XDECREF(result);
    if (!result)
        return interrupted || rc == GOS_ETIMEDOUT ? GOSP_INTERRUPTED : GOSP_REFUSED;
    return w->granted;
}

int gosp_sync_deadline(PyObject *timeout, int64_t *deadline_ns)
{
    if (timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred())
            return -1;
        if (seconds <= 0) {
            *deadline_ns = 0;
            return 0;
        }
    }
    return gosp_deadline(timeout, deadline_ns);
}

/* ---- life ---- */

int gosp_sync_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return gosp_line_traverse(&((SyncObject *)self)->line, visit, arg);
}

int gosp_sync_clear(PyObject *self)
{
    gosp_line_clear(&((SyncObject *)self)->line);
    return 0;
}

void gosp_sync_end(PyObject *self, inquiry clear)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((SyncObject *)self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

void gosp_sync_dealloc(PyObject *self)
{
    gosp_sync_end(self, gosp_sync_clear);
}

PyObject *gosp_sync_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return type->tp_alloc(type, 0);
}

PyMemberDef gosp_sync_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(SyncObject, weakrefs), READONLY},
    {NULL},
};

SyncObject *gosp_sync_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames, const char *const *names,
                           int n, int required, PyObject **out)
{
    const char *name = strrchr(((PyTypeObject *)type)->tp_name, '.') + 1;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if ((nargs || kwnames || required) && gosp_parse(args, nargs, kwnames, name, names, n, required, out) < 0)
        return NULL;
    return (SyncObject *)((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
}

/* ---- the types ---- */

PyTypeObject *gosp_sync_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, vectorcallfunc call)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (!type)
        return NULL;
    type->tp_vectorcall = call;
    if (PyModule_AddObjectRef(module, strrchr(spec->name, '.') + 1, (PyObject *)type) < 0)
        Py_CLEAR(type);
    return type;
}

static PyObject *make_types(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "_init_sync needs Empty, Full, ShutDown and BrokenBarrierError");
        return NULL;
    }
    if (gosp_sync.lock)
        Py_RETURN_NONE;
    gosp_sync.empty = Py_NewRef(args[0]);
    gosp_sync.full = Py_NewRef(args[1]);
    gosp_sync.shut_down = Py_NewRef(args[2]);
    gosp_sync.broken_barrier = Py_NewRef(args[3]);
    if (gosp_rlock_init(module) < 0 || gosp_condition_init(module) < 0 || gosp_semaphore_init(module) < 0 ||
        gosp_event_init(module) < 0 || gosp_barrier_init(module) < 0 || gosp_queue_init(module) < 0 ||
        gosp_simple_init(module) < 0 || gosp_lock_init(module) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyMethodDef gosp_sync_functions[] = {
    {"_init_sync", (PyCFunction)(void (*)(void))make_types, METH_FASTCALL,
     "_init_sync($module, empty, full, shut_down, broken_barrier, /)\n--\n\n"
     "Add the types of gossamer.sync to this module, which raise these exceptions."},
    {NULL},
};
