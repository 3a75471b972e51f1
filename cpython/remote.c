/* remote.c - what a thread can do to the tasklets of another one: make them runnable there, throw into them.
 *
 * Nothing here switches: the caller goes on, and the other thread, if it sleeps, is woken. (Stackless)
 */
#include "gosp.h"

int gosp_remote_check(TaskletObject *t, const char *uninitialized)
{
    if (t->core.sched && !gosp_thread_of(t->core.sched)->ended)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, uninitialized);
    return -1;
}

void gosp_remote_insert(TaskletObject *t, int next)
{
    gos_sched *s = t->core.sched;
    if (next && !gosp_thread_of(s)->dozes) {
        gos_sched_insert_next(s, &t->core);
    } else {
        gos_sched_insert(s, &t->core);
        if (next)
            s->head = &t->core;
    }
    gos_sched_nudge(s);
}

PyObject *gosp_remote_throw(TaskletObject *t, PyObject *bomb, int pending)
{
    if (gosp_remote_check(t, "Target thread isn't initialised") < 0) {
        Py_DECREF(bomb);
        return NULL;
    }
    PyObject *old = t->core.value;
    t->core.value = bomb;
    if (t->core.place == GOS_IN_RING && t->core.sched->current == &t->core) {
        t->core.flags |= GOS_F_THROWN; /* it runs: it learns of it when it next schedules, waits or switches */
    } else {
        gosp_remote_insert(t, !pending);
        t->core.status = GOS_OK; /* a wait that ended meanwhile: the bomb comes first */
    }
    Py_XDECREF(old);
    Py_RETURN_NONE;
}
