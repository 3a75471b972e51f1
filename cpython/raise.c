/* raise.c - raising exceptions in tasklets: throw, raise_exception, kill, and the finalizer.
 *
 * The exception travels as a bomb in the target's exchange register, so it also reaches a tasklet that has
 * not started (whose function then does not run).
 */
#include "gosp.h"

enum { KILL_ATTEMPTS = 10 };

static PyObject *throw_later(gosp_thread *th, TaskletObject *t, PyObject *bomb)
{
    PyObject *old = t->core.value;
    t->core.value = bomb;
    gos_sched_insert(&th->sched, &t->core);
    t->core.status = GOS_OK; /* a wait that ended meanwhile: the bomb comes first */
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *throw_now(gosp_thread *th, TaskletObject *t, PyObject *bomb)
{
    TaskletObject *cur = gosp_current(th);
    PyObject *old = t->core.value;
    int old_status = t->core.status;
    t->core.value = bomb;
    t->core.status = GOS_OK;
    int rc = gos_sched_switch(&th->sched, &t->core, 0);
    if (rc != GOS_OK) { /* it has not happened */
        t->core.value = old;
        t->core.status = old_status;
        Py_DECREF(bomb);
        return gosp_raise_status(th, rc);
    }
    PyObject *result = gosp_resumed(th, cur, rc);
    Py_XDECREF(old);
    return result;
}

PyObject *gosp_throw_bomb(gosp_thread *th, TaskletObject *t, PyObject *bomb, int pending)
{
    if (t == gosp_current(th))
        return gosp_bomb_raise(bomb);
    const char *problem = NULL;
    int harmless = gosp_bomb_is(bomb, gosp.tasklet_exit);
    if (!gosp_alive(t)) {
        if (harmless) {
            Py_DECREF(bomb);
            Py_RETURN_NONE;
        }
        problem = t->core.sched ? "You cannot throw to a dead tasklet" : "tasklet has no thread";
        PyErr_SetString(PyExc_RuntimeError, problem);
    } else if (t->core.sched && t->core.sched != &th->sched) {
        return gosp_remote_throw(t, bomb, pending);
    } else if (gosp_check_owner(th, t) == 0) {
        return pending ? throw_later(th, t, bomb) : throw_now(th, t, bomb);
    }
    Py_DECREF(bomb);
    return NULL;
}

int gosp_kill(gosp_thread *th, TaskletObject *t, int pending)
{
    if (!gosp_alive(t))
        return 0;
    PyObject *bomb = gosp_bomb_new(gosp.tasklet_exit, NULL, NULL);
    PyObject *result = bomb ? gosp_throw_bomb(th, t, bomb, pending) : NULL;
    Py_XDECREF(result);
    return result ? 0 : -1;
}

PyObject *gosp_tasklet_throw(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"exc", "val", "tb", "pending"};
    PyObject *given[4] = {NULL, Py_None, Py_None, Py_False};
    gosp_thread *th = gosp_thread_current();
    if (!th || gosp_parse(args, nargs, kwnames, "throw", names, 4, 1, given) < 0)
        return NULL;
    int pending = PyObject_IsTrue(given[3]);
    if (pending < 0)
        return NULL;
    PyObject *bomb = gosp_bomb_from_throw(given[0], given[1], given[2]);
    return bomb ? gosp_throw_bomb(th, (TaskletObject *)self, bomb, pending) : NULL;
}

PyObject *gosp_tasklet_raise_exception(PyObject *self, PyObject *args)
{
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (PyTuple_GET_SIZE(args) == 0) {
        PyErr_SetString(PyExc_TypeError, "raise_exception() takes at least 1 argument");
        return NULL;
    }
    PyObject *rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    PyObject *bomb = rest ? gosp_bomb_from_class(PyTuple_GET_ITEM(args, 0), rest,
                                                 "tasklet.raise_exception needs Exception or string subclass as first parameter")
                          : NULL;
    Py_XDECREF(rest);
    return bomb ? gosp_throw_bomb(th, (TaskletObject *)self, bomb, 0) : NULL;
}

PyObject *gosp_tasklet_kill(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"pending"};
    PyObject *given[1] = {Py_False};
    gosp_thread *th = gosp_thread_current();
    if (!th || gosp_parse(args, nargs, kwnames, "kill", names, 1, 0, given) < 0)
        return NULL;
    int pending = PyObject_IsTrue(given[0]);
    if (pending < 0 || gosp_kill(th, (TaskletObject *)self, pending) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the finalizer: nobody refers to a suspended tasklet any more ---- */

static void into_garbage(TaskletObject *t)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *garbage = gc ? PyObject_GetAttrString(gc, "garbage") : NULL;
    if (!garbage || !PyList_Check(garbage) || PyList_Append(garbage, (PyObject *)t) < 0)
        PyErr_WriteUnraisable((PyObject *)t);
    Py_XDECREF(garbage);
    Py_XDECREF(gc);
}

void gosp_tasklet_finalize(PyObject *self)
{
    TaskletObject *t = (TaskletObject *)self;
    if (!gosp_has_stack(t) || (t->core.flags & GOS_F_MAIN) || !t->core.sched)
        return;
    if (gosp_thread_of(t->core.sched)->ended)
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    gosp_thread *th = gosp_thread_current();
    t->core.flags |= GOS_F_BLOCK_TRAP; /* it must come to an end here */
    if (!th) {
        PyErr_WriteUnraisable(self);
    } else if (t->core.sched != &th->sched) {
        if (gosp_kill(th, t, 0) < 0) /* its own thread will, and has a reference until then */
            PyErr_WriteUnraisable(self);
    } else {
        for (int i = 0; i < KILL_ATTEMPTS && gosp_has_stack(t); i++) {
            if (gosp_kill(th, t, 0) == 0)
                continue;
            if (th->sched.trap || th->sched.head != th->sched.current) { /* no switching now: at its turn, then */
                PyErr_Clear();
                if (gosp_kill(th, t, 1) < 0)
                    PyErr_WriteUnraisable(self);
                break;
            }
            PyErr_WriteUnraisable(self); /* somebody's error came out here, since this is main or a watchdog */
        }
        if (gosp_has_stack(t) && t->core.place == GOS_NOWHERE)
            into_garbage(t);
    }
    PyErr_Restore(type, value, traceback);
}
