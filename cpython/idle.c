/* idle.c - a thread with nothing to run: sleeping with the GIL released, and whether anybody can still wake it.
 *
 * A thread is lonely when it sleeps until another thread makes one of its tasklets runnable. It may do so while some
 * other thread is not lonely as well; the last one gets the deadlock error instead. When a thread ends, the question is
 * asked again, which needs a guard in the thread state's dict of each thread that does not use tasklets.
 * A thread that is blocked in a C call counts as awake: it may come back.
 * Locking: the GIL. Whatever may run Python code may give it up, so that everything has to be looked at again.
 */
#include "gosp.h"

static const char guard_name[] = "gossamer.leaving";

static unsigned falls_asleep; /* how many times somebody did: orders the lonely */

static int is_lonely(const gosp_thread *th)
{
    return th->lonely && !th->sched.head && !__atomic_load_n(&th->sched.attention, __ATOMIC_RELAXED);
}

/* Its guard has told that it ends; what else its state refers to may still run code while it is torn down. */
static int is_leaving(PyThreadState *ts)
{
    return ts->id <= gosp.guarded && !*gosp_ts_dict(ts);
}

/* Is there a thread, besides me (NULL: nobody) and the one that is leaving, that may do something? The interpreter's
 * main thread does not, for those that it waits for at its end. */
static int somebody_is_awake(const gosp_thread *me, const PyThreadState *leaving)
{
    const PyThreadState *main = me && me->is_daemon ? NULL : gosp.main_thread;
    Py_ssize_t asleep = __atomic_load_n(&gosp.passive_threads, __ATOMIC_SEQ_CST);
    for (gosp_thread *th = gosp.threads; th; th = th->next)
        asleep += th != me && th->ts != main && th->ts != leaving && is_lonely(th);
    PyThreadState *ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; ts && asleep >= 0; ts = PyThreadState_Next(ts))
        if ((!me || ts != me->ts) && ts != main && ts != leaving && !is_leaving(ts))
            asleep--;
    return asleep < 0;
}

/* ---- the end of a thread ---- */

static void thread_leaves(PyObject *capsule)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    gosp_idle_reconsider(PyCapsule_GetContext(capsule));
    PyErr_Restore(type, value, traceback);
}

/* New ones are at the head of the list, with higher numbers. */
static PyThreadState *oldest_unguarded(const PyThreadState *leaving)
{
    PyThreadState *oldest = NULL, *ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; ts && ts->id > gosp.guarded; ts = PyThreadState_Next(ts))
        if (ts != leaving)
            oldest = ts;
    return oldest;
}

/* So that we learn of the end of every thread that exists now. */
static int guard_all(const PyThreadState *leaving)
{
    while (oldest_unguarded(leaving)) {
        PyObject *guard = PyCapsule_New(&gosp, guard_name, thread_leaves), *dict = PyDict_New();
        PyThreadState *ts = oldest_unguarded(leaving); /* again: memory may have been had by running the collector */
        int rc = guard && dict ? 0 : -1;
        if (rc == 0 && ts) {
            PyObject **place = gosp_ts_dict(ts);
            if (!*place)
                *place = Py_NewRef(dict);
            rc = PyCapsule_SetContext(guard, ts) < 0 ? -1 : PyDict_SetItemString(*place, guard_name, guard);
        }
        if (rc == 0 && ts)
            gosp.guarded = ts->id;
        else if (guard)
            PyCapsule_SetDestructor(guard, NULL);
        Py_XDECREF(guard);
        Py_XDECREF(dict);
        if (rc < 0)
            return -1;
    }
    return 0;
}

void gosp_idle_reconsider(PyThreadState *leaving)
{
    gosp_thread *last = NULL;
    int anybody = 0;
    for (gosp_thread *th = gosp.threads; th && !anybody; th = th->next)
        anybody = is_lonely(th);
    if (!anybody || gosp_finalizing())
        return;
    if (guard_all(leaving) < 0) /* whoever has come since those went to sleep is what they hope for now */
        PyErr_WriteUnraisable(NULL);
    if (somebody_is_awake(NULL, leaving))
        return;
    for (gosp_thread *th = gosp.threads; th; th = th->next)
        if (is_lonely(th) && th->ts != leaving && (!last || th->lonely > last->lonely) && !(gosp.main_thread && th->is_daemon))
            last = th;
    if (last) {
        last->hopeless = 1;
        gos_sched_nudge(&last->sched);
    }
}

/* ---- the interpreter's main thread, waiting for the others to end ---- */

/* threading's main thread waits only for those that are not daemons; who is not known there is one. */
static int ask_daemon(unsigned long thread_id)
{
    PyObject *name = PyUnicode_FromString("threading");
    PyObject *threading = name ? PyImport_GetModule(name) : NULL;
    PyObject *active = threading ? PyObject_GetAttrString(threading, "_active") : NULL;
    PyObject *id = active ? PyLong_FromUnsignedLong(thread_id) : NULL;
    PyObject *thread = id ? PyObject_GetItem(active, id) : NULL;
    PyObject *daemon = thread ? PyObject_GetAttrString(thread, "daemon") : NULL;
    int answer = daemon ? PyObject_IsTrue(daemon) : 1;
    Py_XDECREF(daemon);
    Py_XDECREF(thread);
    Py_XDECREF(id);
    Py_XDECREF(active);
    Py_XDECREF(threading);
    Py_XDECREF(name);
    PyErr_Clear();
    return answer != 0;
}

static PyObject *main_leaves(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp.main_thread = PyThreadState_Get();
    gosp_idle_reconsider(NULL);
    Py_RETURN_NONE;
}

void gosp_idle_main_exits(void)
{
    gosp.main_thread = NULL;
}

/* threading tells before it joins the threads that are not daemons; who never imported it has none to join. */
static int hear_of_main(void)
{
    static PyMethodDef def = {"_main_leaves", main_leaves, METH_NOARGS, "The main thread waits for the others to end."};
    static int heard;
    PyObject *name = heard ? NULL : PyUnicode_FromString("threading");
    PyObject *threading = name ? PyImport_GetModule(name) : NULL;
    PyObject *function = threading ? PyCFunction_New(&def, NULL) : NULL;
    PyObject *done = function ? PyObject_CallMethod(threading, "_register_atexit", "O", function) : NULL;
    heard |= done != NULL;
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_RuntimeError)) /* "can't register atexit after shutdown" */
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(threading);
    Py_XDECREF(name);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- the hook ---- */

static void set_lonely(gosp_thread *th, unsigned lonely)
{
    __atomic_fetch_add(&gosp.lonely_threads, (lonely != 0) - (th->lonely != 0), __ATOMIC_SEQ_CST);
    th->lonely = lonely;
    th->hopeless = 0;
}

/* First it says that it is lonely, then it looks for others; a worker that falls asleep does it the other way round.
 * So one of the two sees the other. */
void gosp_idle_passive(int change)
{
    __atomic_fetch_add(&gosp.passive_threads, change, __ATOMIC_SEQ_CST);
}

/* What th must have done before it can be told that it sleeps in vain. May run any Python code. */
static int prepare_to_be_lonely(gosp_thread *th)
{
    if (!th->knows_daemon) {
        th->is_daemon = (uint8_t)ask_daemon(th->thread_id);
        th->knows_daemon = 1;
    }
    return guard_all(NULL) < 0 ? -1 : hear_of_main();
}

int gosp_idle(gos_sched *s, int64_t deadline_ns)
{
    gosp_thread *th = gosp_thread_of(s);
    if (deadline_ns == GOS_FOREVER && !s->expected) {
        if (prepare_to_be_lonely(th) < 0)
            return GOS_EHOOK;
        if (s->head) /* somebody has woken a tasklet meanwhile */
            return GOS_OK;
        set_lonely(th, ++falls_asleep);
        if (!somebody_is_awake(th, NULL)) {
            set_lonely(th, 0);
            return GOS_EDEADLOCK;
        }
    }
    TaskletObject *cur = gosp_current(th);
    if (cur->core.place != GOS_IN_RING && gosp_alive(cur))
        gosp_track(cur); /* as when it leaves the ring by a switch: others look for it, and fork may end it here */
    th->dozes = 1;
    int rc = gosp_doze(th, deadline_ns);
    th->dozes = 0;
    int told = th->hopeless && is_lonely(th);
    set_lonely(th, 0);
    if (rc < 0 || PyErr_CheckSignals() < 0) /* handled at once on the main thread; a handler may have made somebody runnable */
        return GOS_EHOOK;
    return told && !s->head ? GOS_EDEADLOCK : GOS_OK;
}
