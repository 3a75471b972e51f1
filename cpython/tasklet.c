/* tasklet.c - the tasklet type: making, binding, starting, and the operations on the run queue. */
#include "gosp.h"

#include <structmember.h>

/* ---- making and freeing ---- */

TaskletObject *gosp_tasklet_new(gosp_thread *th, PyTypeObject *type)
{
    TaskletObject *t = (TaskletObject *)type->tp_alloc(type, 0);
    if (!t)
        return NULL;
    gos_tasklet_init(&t->core, th ? &th->sched : NULL);
    if (th)
        th->members++;
    return t;
}

static PyObject *tasklet_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    gosp_thread *th = gosp_thread_current();
    return th ? (PyObject *)gosp_tasklet_new(th, type) : NULL;
}

static int tasklet_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"func", "args", "kwargs", NULL};
    PyObject *func = Py_None, *fargs = Py_None, *fkwargs = Py_None;
    gosp_thread *th = gosp_thread_current();
    if (!th || !PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:tasklet", names, &func, &fargs, &fkwargs))
        return -1;
    return gosp_tasklet_bind(th, (TaskletObject *)self, func, fargs, fkwargs);
}

/* tasklet(func), the usual call: no argument tuple, no parsing. */
static PyObject *tasklet_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    gosp_thread *th = gosp_thread_current();
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!th)
        return NULL;
    TaskletObject *t = gosp_tasklet_new(th, (PyTypeObject *)type);
    if (!t)
        return NULL;
    int rc;
    if (GOSP_LIKELY(n == 1 && !kwnames)) {
        rc = gosp_tasklet_bind(th, t, args[0], Py_None, Py_None);
    } else {
        PyObject *tuple = PyTuple_New(n), *dict = kwnames ? PyDict_New() : NULL;
        rc = !tuple || (kwnames && !dict) ? -1 : 0;
        for (Py_ssize_t i = 0; rc == 0 && i < n; i++)
            PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
        for (Py_ssize_t i = 0; rc == 0 && kwnames && i < PyTuple_GET_SIZE(kwnames); i++)
            rc = PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), args[n + i]);
        if (rc == 0)
            rc = tasklet_init((PyObject *)t, tuple, dict);
        Py_XDECREF(tuple);
        Py_XDECREF(dict);
    }
    if (rc < 0) {
        Py_DECREF(t);
        return NULL;
    }
    return (PyObject *)t;
}

static int tasklet_traverse(PyObject *self, visitproc visit, void *arg)
{
    TaskletObject *t = (TaskletObject *)self;
    int rc;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)t->core.value);
    Py_VISIT(t->context);
    if (t->extras) {
        rc = gosp_extras_traverse(t, visit, arg);
        if (rc)
            return rc;
    }
    if (t->core.place == GOS_IN_CHANNEL)
        Py_VISIT(gosp_channel_of(t->core.wait.channel));
    rc = gosp_sync_visit_wait(t, visit, arg);
    if (rc)
        return rc;
    size_t n;
    const struct gos_case *cases = gos_select_cases(&t->core, &n);
    for (size_t i = 0; i < n; i++) {
        Py_VISIT(gosp_channel_of(cases[i].channel));
        if (cases[i].send)
            Py_VISIT((PyObject *)cases[i].value);
    }
    if (!(t->core.flags & GOSP_HAS_STATE)) {
        Py_VISIT(t->fresh.func);
        Py_VISIT(t->fresh.args);
        Py_VISIT(t->fresh.kwargs);
        return 0;
    }
    /* A running tasklet's frames change; main's are roots. An orphan's are lost with its stack. */
    if ((t->core.flags & GOS_F_MAIN) || !t->core.sched || t->core.sched->current == &t->core)
        return 0;
    Py_VISIT(t->state.call);
    Py_VISIT(t->state.exc_state.exc_value);
    return gosp_frames_traverse(&t->state, visit, arg);
}

static int tasklet_clear(PyObject *self)
{
    TaskletObject *t = (TaskletObject *)self;
    if (gosp_has_stack(t))
        gosp_tasklet_finalize(self); /* CPython has not done so if the class has its own __del__, or a second time */
    if (gosp_has_stack(t))
        return 0; /* it could not be killed: it keeps what it has */
    PyObject *value = t->core.value;
    t->core.value = NULL;
    Py_XDECREF(value);
    Py_CLEAR(t->context);
    gosp_extras_free(t);
    if (!(t->core.flags & GOSP_HAS_STATE)) {
        Py_CLEAR(t->fresh.func);
        Py_CLEAR(t->fresh.args);
        Py_CLEAR(t->fresh.kwargs);
        t->core.flags &= ~(uint32_t)GOS_F_READY;
    }
    return 0;
}

/* Nobody refers to a tasklet that owns a stack: it must end before it can be freed. CPython calls a finalizer
 * only once in the life of an object, and the __del__ of a subclass instead of ours. 0: it may be freed. */
static int outlives_dealloc(PyObject *self)
{
    TaskletObject *t = (TaskletObject *)self;
    if (!gosp_has_stack(t) || (t->core.flags & GOS_F_MAIN))
        return 0;
    if (PyObject_CallFinalizerFromDealloc(self) < 0)
        return 1;
    if (!gosp_has_stack(t))
        return 0;
    Py_SET_REFCNT(self, 1);
    gosp_tasklet_finalize(self);
    if (gosp_has_stack(t) && Py_REFCNT(self) == 1)
        return 1; /* not even gc.garbage took it: better lost than freed under a living stack */
    Py_SET_REFCNT(self, Py_REFCNT(self) - 1);
    return Py_REFCNT(self) > 0;
}

static void tasklet_dealloc(PyObject *self)
{
    TaskletObject *t = (TaskletObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (outlives_dealloc(self))
        return;
    PyObject_GC_UnTrack(self);
    if (t->weakrefs)
        PyObject_ClearWeakRefs(self);
    tasklet_clear(self);
    if (t->core.sched && (t->core.flags & GOS_F_PIN))
        gos_sched_forget(t->core.sched, &t->core);
    if (t->core.sched)
        gosp_thread_left(gosp_thread_of(t->core.sched));
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- methods that bind (bind.c) ---- */

static PyObject *tasklet_bind(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"func", "args", "kwargs", NULL};
    PyObject *func = Py_None, *fargs = Py_None, *fkwargs = Py_None;
    gosp_thread *th = gosp_thread_current();
    if (!th || !PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:bind", names, &func, &fargs, &fkwargs))
        return NULL;
    return gosp_tasklet_bind(th, (TaskletObject *)self, func, fargs, fkwargs) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *tasklet_setup(PyObject *self, PyObject *args, PyObject *kwargs)
{
    gosp_thread *th = gosp_thread_current();
    return !th || gosp_tasklet_setup(th, (TaskletObject *)self, args, kwargs) < 0 ? NULL : Py_NewRef(self);
}

/* ---- the run queue ---- */

static int check_runnable(TaskletObject *t)
{
    if (gosp_blocked(t))
        PyErr_SetString(PyExc_RuntimeError, "You cannot run a blocked tasklet");
    else if (!gosp_alive(t))
        PyErr_SetString(PyExc_RuntimeError, "You cannot run an unbound(dead) tasklet");
    else
        return 0;
    return -1;
}

int gosp_tasklet_insert(gosp_thread *th, TaskletObject *t)
{
    if (t->core.place == GOS_IN_RING)
        return 0;
    if (!t->core.sched && gosp_alive(t)) {
        PyErr_SetString(PyExc_RuntimeError, "Target thread isn't initialized");
        return -1;
    }
    if (check_runnable(t) < 0)
        return -1;
    if (t->core.sched == &th->sched)
        gos_sched_insert(&th->sched, &t->core);
    else if (gosp_remote_check(t, "Target thread isn't initialized") < 0)
        return -1;
    else
        gosp_remote_insert(t, 0);
    return 0;
}

int gosp_tasklet_remove(gosp_thread *th, TaskletObject *t)
{
    const char *problem = NULL;
    if (gosp_blocked(t))
        problem = "You cannot remove a blocked tasklet.";
    else if (t->core.sched && (t->core.sched->current == &t->core ||
                               (t->core.sched->head == &t->core && !gosp_thread_of(t->core.sched)->dozes)))
        problem = "The current tasklet cannot be removed.";
    if (problem) {
        PyErr_SetString(PyExc_RuntimeError, problem);
        return -1;
    }
    if (t->core.place != GOS_IN_RING)
        return 0;
    (void)th; /* whichever thread it is */
    gosp_track(t);
    gos_sched_remove(t->core.sched, &t->core);
    return 0;
}

PyObject *gosp_tasklet_switch(gosp_thread *th, TaskletObject *t, int leave)
{
    TaskletObject *cur = gosp_current(th);
    if (t == cur)
        Py_RETURN_NONE;
    if (check_runnable(t) < 0)
        return NULL;
    if (leave && t->core.sched && t->core.sched != &th->sched) {
        PyErr_SetString(PyExc_RuntimeError, "can't switch to a different thread.");
        return NULL;
    }
    if (t->core.sched && t->core.sched != &th->sched) {
        if (gosp_remote_check(t, "Target thread isn't initialised") < 0)
            return NULL;
        gosp_remote_insert(t, 1);
        Py_RETURN_NONE;
    }
    if (gosp_check_owner(th, t) < 0 || gosp_pending(cur) < 0)
        return NULL;
    return gosp_resumed(th, cur, gos_sched_switch(&th->sched, &t->core, leave));
}

static PyObject *tasklet_insert(PyObject *self, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return !th || gosp_tasklet_insert(th, (TaskletObject *)self) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *tasklet_remove(PyObject *self, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return !th || gosp_tasklet_remove(th, (TaskletObject *)self) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *tasklet_run(PyObject *self, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return th ? gosp_tasklet_switch(th, (TaskletObject *)self, 0) : NULL;
}

static PyObject *tasklet_switch(PyObject *self, PyObject *unused)
{
    (void)unused;
    gosp_thread *th = gosp_thread_current();
    return th ? gosp_tasklet_switch(th, (TaskletObject *)self, 1) : NULL;
}

static PyObject *tasklet_pin(PyObject *self, PyObject *unused)
{
    (void)unused;
    TaskletObject *t = (TaskletObject *)self;
    gosp_thread *th = gosp_thread_current();
    if (!th || gosp_check_owner(th, t) < 0)
        return NULL;
    if (t->core.flags & GOS_F_MAIN)
        return Py_NewRef(self); /* never moves */
    int rc = gos_sched_pin(&th->sched, &t->core);
    if (rc == GOS_EBUSY) {
        PyErr_SetString(PyExc_RuntimeError, "the tasklet already shares its stack with others: pin it before it starts");
        return NULL;
    }
    return rc == GOS_OK ? Py_NewRef(self) : gosp_raise_status(th, rc);
}

/* The truth of the only argument, or -1 with an error. */
static int flag_argument(PyObject *const *args, Py_ssize_t nargs, const char *function)
{
    if (nargs != 1 || !PyLong_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "%s needs exactly one bool or integer", function);
        return -1;
    }
    return PyObject_IsTrue(args[0]);
}

static PyObject *tasklet_set_atomic(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    int wanted = flag_argument(args, nargs, "set_atomic");
    int old = wanted < 0 ? -1 : gosp_atomic_set((TaskletObject *)self, wanted);
    return old < 0 ? NULL : PyBool_FromLong(old);
}

static PyObject *tasklet_set_ignore_nesting(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    TaskletObject *t = (TaskletObject *)self;
    int wanted = flag_argument(args, nargs, "set_ignore_nesting"), old = (t->core.flags & GOS_F_IGNORE_NESTING) != 0;
    if (wanted < 0)
        return NULL;
    if (wanted != old)
        t->core.flags ^= GOS_F_IGNORE_NESTING;
    if (gosp_self)
        gosp_maybe_interrupted(gosp_self);
    return PyBool_FromLong(old);
}

static PyObject *tasklet_locals(PyObject *self, PyObject *unused)
{
    (void)unused;
    gosp_extras *extras = gosp_extras_get((TaskletObject *)self);
    if (extras && !extras->locals)
        extras->locals = PyDict_New();
    return extras ? Py_XNewRef(extras->locals) : NULL;
}

static PyObject *tasklet_stack(PyObject *self, PyObject *unused)
{
    (void)unused;
    PyObject *report = PyImport_ImportModule("gossamer._report");
    PyObject *stack = report ? PyObject_CallMethod(report, "stack_of", "O", self) : NULL;
    Py_XDECREF(report);
    return stack;
}

static PyObject *tasklet_reduce(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return gosp_not_yet("pickling tasklets");
}

PyMethodDef gosp_tasklet_methods[] = {
    {"bind", (PyCFunction)(void (*)(void))tasklet_bind, METH_VARARGS | METH_KEYWORDS,
     "bind($self, func=None, args=None, kwargs=None)\n--\n\n"
     "Bind the function that the tasklet will run, and with args or kwargs also its call; then it is paused\n"
     "and ready for insert(). bind() unbinds. Returns self. Raises RuntimeError for a tasklet that is current,\n"
     "scheduled or started. (Stackless)"},
    {"setup", (PyCFunction)(void (*)(void))tasklet_setup, METH_VARARGS | METH_KEYWORDS,
     "setup($self, /, *args, **kwargs)\n--\n\n"
     "Bind the arguments and append the tasklet to the run queue, as calling the tasklet does. Returns self. (Stackless)"},
    {"insert", tasklet_insert, METH_NOARGS,
     "insert($self, /)\n--\n\nAppend the tasklet to the run queue of its thread, if it is not in it. Returns self. (Stackless)"},
    {"remove", tasklet_remove, METH_NOARGS,
     "remove($self, /)\n--\n\nTake the tasklet out of the run queue; it is paused then. Returns self. (Stackless)"},
    {"run", tasklet_run, METH_NOARGS,
     "run($self, /)\n--\n\nContinue with this tasklet now; the caller stays in the run queue. (Stackless)"},
    {"switch", tasklet_switch, METH_NOARGS,
     "switch($self, /)\n--\n\nContinue with this tasklet now; the caller is paused. (Stackless)"},
    {"throw", (PyCFunction)(void (*)(void))gosp_tasklet_throw, METH_FASTCALL | METH_KEYWORDS,
     "throw($self, exc, val=None, tb=None, pending=False)\n--\n\n"
     "Raise an exception in the tasklet, now or (pending) at its next turn. (Stackless)"},
    {"raise_exception", gosp_tasklet_raise_exception, METH_VARARGS,
     "raise_exception($self, exc_class, /, *args)\n--\n\nRaise exc_class(*args) in the tasklet now. (Stackless)"},
    {"kill", (PyCFunction)(void (*)(void))gosp_tasklet_kill, METH_FASTCALL | METH_KEYWORDS,
     "kill($self, pending=False)\n--\n\nRaise TaskletExit in the tasklet, which normally ends it. (Stackless)"},
    {"join", (PyCFunction)(void (*)(void))gosp_tasklet_join, METH_FASTCALL | METH_KEYWORDS,
     "join($self, timeout=None)\n--\n\n"
     "Wait until the tasklet has ended. Returns the result of a spawned tasklet or raises its exception; None\n"
     "after a kill, and for tasklets that were not made by spawn unless somebody joined before they ended.\n"
     "timeout: seconds; TimeoutError. (threading.Thread.join, with the outcome)"},
    {"pin", tasklet_pin, METH_NOARGS,
     "pin($self, /)\n--\n\n"
     "Reserve a C stack for this tasklet alone, so that foreign C code may keep pointers into it while the tasklet is\n"
     "suspended. Call it before the tasklet starts. Returns self."},
    {"bind_thread", (PyCFunction)(void (*)(void))gosp_tasklet_bind_thread, METH_FASTCALL,
     "bind_thread($self, thread_id=-1, /)\n--\n\nMove a tasklet that has no C stack (not started, or dead) to the thread with that id, -1: the calling one.\n"
     "Raises RuntimeError if it is runnable or has started, ValueError if that thread has no scheduler. (Stackless)"},
    {"set_atomic", (PyCFunction)(void (*)(void))tasklet_set_atomic, METH_FASTCALL,
     "set_atomic($self, flag, /)\n--\n\nSet whether run(timeout) must not interrupt it; returns the old value. (Stackless)"},
    {"set_ignore_nesting", (PyCFunction)(void (*)(void))tasklet_set_ignore_nesting, METH_FASTCALL,
     "set_ignore_nesting($self, flag, /)\n--\n\n"
     "Set whether run(timeout) may interrupt it inside nested C calls; returns the old value. (Stackless)"},
    {"set_context", gosp_tasklet_set_context, METH_O,
     "set_context($self, context, /)\n--\n\n"
     "Replace the contextvars.Context that the tasklet runs in. Returns self. RuntimeError if it has\n"
     "begun and its context has been entered by Context.run. (Stackless 3.8)"},
    {"context_run", (PyCFunction)(void (*)(void))gosp_tasklet_context_run, METH_FASTCALL | METH_KEYWORDS,
     "context_run($self, callable, /, *args, **kwargs)\n--\n\n"
     "Call in the calling tasklet, but in this tasklet's context; return the result. (Stackless 3.8)"},
    {"_locals", tasklet_locals, METH_NOARGS, "_locals($self, /)\n--\n\nThe dict behind gossamer.local."},
    {"stack", tasklet_stack, METH_NOARGS,
     "stack($self, /)\n--\n\nIts Python stack as a traceback.StackSummary, outermost frame first; empty if it has none."},
    {"__reduce__", tasklet_reduce, METH_NOARGS, "Pickling is not in this release: NotImplementedError."},
    {"__reduce_ex__", tasklet_reduce, METH_O, "Pickling is not in this release: NotImplementedError."},
    {"__setstate__", tasklet_reduce, METH_O, "Pickling is not in this release: NotImplementedError."},
    {NULL},
};

/* ---- the type ---- */

static PyMemberDef tasklet_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TaskletObject, weakrefs), READONLY},
    {NULL},
};

static PyObject *tasklet_repr(PyObject *self)
{
    TaskletObject *t = (TaskletObject *)self;
    if (t->extras && t->extras->name)
        return PyUnicode_FromFormat("<%s object %R at %p, %s>", Py_TYPE(self)->tp_name, t->extras->name, self,
                                    gosp_tasklet_state(t));
    return PyUnicode_FromFormat("<%s object at %p, %s>", Py_TYPE(self)->tp_name, self, gosp_tasklet_state(t));
}

static PyType_Slot tasklet_slots[] = {
    {Py_tp_doc, "tasklet(func=None, args=None, kwargs=None)\n--\n\n"
                "A microthread. tasklet(func)(*args, **kwargs) makes one that is ready to run; stackless.run() runs it.\n"
                "It belongs to the thread that made it. (Stackless)"},
    {Py_tp_new, tasklet_new},
    {Py_tp_init, tasklet_init},
    {Py_tp_call, tasklet_setup},
    {Py_tp_dealloc, tasklet_dealloc},
    {Py_tp_finalize, gosp_tasklet_finalize},
    {Py_tp_traverse, tasklet_traverse},
    {Py_tp_clear, tasklet_clear},
    {Py_tp_repr, tasklet_repr},
    {Py_tp_methods, gosp_tasklet_methods},
    {Py_tp_getset, gosp_tasklet_getset},
    {Py_tp_members, tasklet_members},
    {0, NULL},
};

static PyType_Spec tasklet_spec = {
    .name = "gossamer.tasklet",
    .basicsize = sizeof(TaskletObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tasklet_slots,
};

int gosp_tasklet_init_type(PyObject *module)
{
    if (!gosp.tasklet_type) {
        gosp.tasklet_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tasklet_spec, NULL);
        if (!gosp.tasklet_type)
            return -1;
        gosp.tasklet_type->tp_vectorcall = tasklet_vectorcall;
    }
    return PyModule_AddObjectRef(module, "tasklet", (PyObject *)gosp.tasklet_type);
}
