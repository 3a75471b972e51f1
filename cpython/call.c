/* call.c - values and errors on their way out of an operation that may have switched. */
#include "gosp.h"

PyObject *gosp_resumed(gosp_thread *th, TaskletObject *cur, int rc)
{
    if (GOSP_LIKELY(rc == GOS_OK))
        return gosp_resumed_hot(th, cur);
    if (th->sched.head != th->sched.current) /* refused to a hook: the register is another operation's */
        return gosp_raise_status(th, rc);
    PyObject *value = cur->core.value; /* claimed before anything can run */
    cur->core.value = NULL;
    gosp_tracing_resumed(th->ts);
    gosp_settle(th);
    if (value && Bomb_Check(value)) {
        cur->core.flags &= ~(uint32_t)GOS_F_THROWN;
        return gosp_bomb_raise(value);
    }
    Py_XDECREF(value);
    if (GOSP_UNLIKELY(cur->core.flags & GOSP_INTERRUPT) && gosp_slice_at_resume(th) < 0)
        return NULL;
    gosp_raise_status(th, rc);
    th->failed_on = NULL;
    return NULL;
}

PyObject *gosp_raise_status(gosp_thread *th, int rc)
{
    PyObject *type = PyExc_RuntimeError;
    const char *text = gos_status_text(rc);
    switch (rc) {
    case GOS_ENOMEM:
        if (gosp.config.stacks != GOS_STACKS_OWN)
            return PyErr_NoMemory();
        type = PyExc_MemoryError;
        text = "no room for another stack: with GOSSAMER_STACKS=own each started tasklet maps one (limits: vm.max_map_count, "
               "RLIMIT_AS); GOSSAMER_STACKS=slots has no such limit";
        break;
    case GOS_EHOOK: return NULL; /* the hook has set it */
    case GOS_EDEADLOCK:
    case GOS_ENOSENDER:
    case GOS_ENORECEIVER:
        return gosp_deadlock(rc);
    case GOS_ETRAP: text = "switch_trap"; break;
    case GOS_EBLOCKTRAP: text = "this tasklet does not like to be blocked."; break;
    case GOS_ECLOSED:
        type = PyExc_ValueError;
        text = "Send/receive operation on a closed channel";
        break;
    case GOS_ETIMEDOUT:
        type = PyExc_TimeoutError;
        text = "timed out";
        break;
    case GOS_ELIMIT: return gosp_timeout_raise(gosp_current(th));
    case GOS_EINVAL: type = PyExc_ValueError; break;
    default: break;
    }
    PyErr_SetString(type, text);
    return NULL;
}

PyObject *gosp_not_yet(const char *what)
{
    PyErr_Format(PyExc_NotImplementedError, "%s is not in this release of Gossamer", what);
    return NULL;
}

/* For what only the thread of a tasklet can do. */
int gosp_check_owner(gosp_thread *th, TaskletObject *t)
{
    if (GOSP_LIKELY(t->core.sched == &th->sched))
        return 0;
    if (!t->core.sched)
        PyErr_SetString(PyExc_RuntimeError, "tasklet has no thread");
    else
        PyErr_SetString(PyExc_RuntimeError, "tasklet belongs to a different thread");
    return -1;
}
