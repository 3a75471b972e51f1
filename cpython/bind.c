/* bind.c - what a tasklet will run: its function, the arguments of the call, its thread.
 *
 * A tasklet that is only bound keeps its function in the exchange register, where Stackless shows it as tempval;
 * once the call is complete, function and arguments lie in `fresh` until the start.
 */
#include "record.h"

static int check_binding(PyObject *func, PyObject *args, PyObject *kwargs)
{
    if (func != Py_None && !PyCallable_Check(func))
        PyErr_SetString(PyExc_TypeError, "tasklet function must be a callable or None");
    else if (args != Py_None && !PyTuple_Check(args))
        PyErr_SetString(PyExc_TypeError, "tasklet args must be a tuple or None");
    else if (kwargs != Py_None && !PyDict_Check(kwargs))
        PyErr_SetString(PyExc_TypeError, "tasklet kwargs must be a dictionary or None");
    else
        return 0;
    return -1;
}

static int check_rebinding(gosp_thread *th, TaskletObject *t, PyObject *func)
{
    const char *problem = NULL;
    gos_sched *s = t->core.sched;
    if (s && s->current == &t->core)
        problem = "can't (re)bind the current tasklet";
    else if (t->core.place != GOS_NOWHERE)
        problem = "tasklet is scheduled";
    else if (t->core.flags & GOS_F_MAIN && func == Py_None && s != &th->sched)
        problem = "can't unbind the main tasklet";
    else if (t->core.flags & GOS_F_STARTED)
        problem = "tasklet has C state on its stack";
    if (problem)
        PyErr_SetString(PyExc_RuntimeError, problem);
    return problem ? -1 : 0;
}

/* Replace the call a tasklet starts with. Steals; NULLs clear. old: to be released when t is complete again. */
static void set_call(TaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs, PyObject *old[3])
{
    old[0] = t->fresh.func;
    old[1] = t->fresh.args;
    old[2] = t->fresh.kwargs;
    t->fresh.func = func;
    t->fresh.args = args;
    t->fresh.kwargs = kwargs;
    if (func)
        t->core.flags |= GOS_F_READY;
    else
        t->core.flags &= ~(uint32_t)GOS_F_READY;
}

/* The function it is bound to (borrowed), or NULL: in the exchange register until its call is complete. */
static PyObject *bound_function(TaskletObject *t)
{
    if (gosp_alive(t))
        return t->fresh.func;
    PyObject *value = t->core.value;
    return value && PyCallable_Check(value) ? value : NULL;
}

/* What its last function left for join. */
static void forget_outcome(TaskletObject *t)
{
    gosp_extras *x = t->extras;
    if (!x || (!x->result && !x->error))
        return;
    PyObject *result = x->result, *error = x->error;
    x->result = x->error = NULL;
    Py_XDECREF(result);
    Py_XDECREF(error);
}

static int check_call(TaskletObject *t, PyObject *func, int with_args)
{
    const char *problem = NULL;
    if (with_args && func == Py_None && !bound_function(t))
        problem = "the tasklet was not bound to a function";
    else if (with_args && !t->core.sched)
        problem = "tasklet has no thread";
    if (problem)
        PyErr_SetString(PyExc_RuntimeError, problem);
    return problem ? -1 : 0;
}

int gosp_tasklet_bind(gosp_thread *th, TaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs)
{
    PyObject *context = NULL, *old[5] = {NULL, NULL, NULL, NULL, NULL};
    /* First of all, since this may set off the collector and so any Python code. */
    if (check_binding(func, args, kwargs) < 0 || (func != Py_None && !(context = gosp_context_share(th))))
        return -1;
    int with_args = args != Py_None || kwargs != Py_None;
    if (check_rebinding(th, t, func) < 0 || check_call(t, func, with_args) < 0) {
        Py_XDECREF(context);
        return -1;
    }
    if (GOSP_UNLIKELY(gosp_is_traced(th->ts) && !gosp_calls_here(th->ts)))
        t->core.flags |= GOSP_TRACE_ME;
    PyObject *bound = func != Py_None ? func : with_args ? bound_function(t) : NULL;
    Py_XINCREF(bound);
    if (with_args)
        set_call(t, bound, Py_NewRef(args != Py_None ? args : gosp.empty_tuple), kwargs != Py_None ? Py_NewRef(kwargs) : NULL, old);
    else
        set_call(t, NULL, NULL, NULL, old);
    old[3] = t->core.value;
    t->core.value = with_args ? NULL : bound;
    t->core.flags &= ~(uint32_t)GOSP_ENDED;
    if (func != Py_None || !with_args) {
        old[4] = t->context;
        t->context = context;
        forget_outcome(t);
    }
    if (GOSP_UNLIKELY(gosi_tracing()) && bound)
        gosp_record_begins(t, bound);
    for (int i = 0; i < 5; i++)
        Py_XDECREF(old[i]); /* may run code that uses t */
    return 0;
}

int gosp_tasklet_setup(gosp_thread *th, TaskletObject *t, PyObject *args, PyObject *kwargs)
{
    const char *problem = NULL;
    PyObject *old[3], *func = bound_function(t);
    if (gosp_alive(t))
        problem = "tasklet is alive";
    else if (t->core.sched && t->core.sched->current == &t->core) /* it has ended, but its stack is still in use */
        problem = "can't (re)bind the current tasklet";
    else if (!func)
        problem = "the tasklet was not bound to a function";
    if (problem) {
        PyErr_SetString(PyExc_RuntimeError, problem);
        return -1;
    }
    if (t->core.sched != &th->sched && gosp_remote_check(t, "tasklet has no thread") < 0)
        return -1;
    t->core.value = NULL; /* its reference moves to the call */
    set_call(t, func, Py_NewRef(args), kwargs && PyDict_GET_SIZE(kwargs) ? Py_NewRef(kwargs) : NULL, old);
    gos_sched_insert(t->core.sched, &t->core);
    gosp_untrack(t);
    if (GOSP_UNLIKELY(t->core.sched != &th->sched))
        gos_sched_nudge(t->core.sched);
    for (int i = 0; i < 3; i++)
        Py_XDECREF(old[i]);
    return 0;
}

PyObject *gosp_tasklet_bind_thread(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    TaskletObject *t = (TaskletObject *)self;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "bind_thread expected at most 1 argument, got %zd", nargs);
        return NULL;
    }
    unsigned long id = th->thread_id;
    if (nargs == 1) {
        long long wanted = PyLong_AsLongLong(args[0]);
        if (wanted == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError))
                return NULL;
            PyErr_Clear();
            id = PyLong_AsUnsignedLong(args[0]);
            if (PyErr_Occurred())
                return NULL;
        } else if (wanted < -1) {
            PyErr_SetString(PyExc_OverflowError, "can't convert negative value to unsigned int");
            return NULL;
        } else if (wanted != -1) {
            id = (unsigned long)wanted;
        }
    }
    int without_id = nargs == 0 || (PyLong_Check(args[0]) && PyLong_AsLongLong(args[0]) == -1);
    if (without_id && t->core.sched == &th->sched)
        Py_RETURN_NONE;
    if (t->core.place != GOS_NOWHERE) {
        PyErr_SetString(PyExc_RuntimeError, "can't (re)bind a runnable tasklet");
        return NULL;
    }
    if (t->core.flags & GOS_F_STARTED) {
        PyErr_SetString(PyExc_RuntimeError, "tasklet has C state on its stack");
        return NULL;
    }
    gosp_thread *target = gosp.threads;
    while (target && (target->thread_id != id || target->ended))
        target = target->next;
    if (!target) {
        PyErr_SetString(PyExc_ValueError, "bad thread");
        return NULL;
    }
    if (t->core.sched && t->core.sched != &target->sched && (t->core.flags & GOS_F_PIN)) {
        gos_sched_forget(t->core.sched, &t->core); /* the stack that is reserved for it */
        t->core.flags &= ~(uint32_t)GOS_F_PIN;
    }
    target->members++;
    if (t->core.sched)
        gosp_thread_left(gosp_thread_of(t->core.sched));
    t->core.sched = &target->sched;
    if (t->fresh.func) /* its thread had ended before it began: it has something to run again */
        t->core.flags |= GOS_F_READY;
    Py_RETURN_NONE;
}
