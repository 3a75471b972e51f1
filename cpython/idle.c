/* idle.c - a thread with nothing to run: sleeping with the GIL released, and whether anybody can still wake it.
 *
 * A thread is lonely when it sleeps until another thread makes one of its tasklets runnable. It may do so while some
 * other thread is not lonely as well; the last one gets the deadlock error instead. When a thread ends, the question is
 * asked again, which needs a guard in the thread state's dict of each thread that does not use tasklets.
 * A thread that is blocked in a C call counts as awake: it may come back. Locking: the GIL.
 */
#include "gosp.h"

static const char guard_name[] = "gossamer.leaving";

static unsigned falls_asleep; /* how many times somebody did: orders the lonely */

static int is_lonely(const gosp_thread *th)
{
    return th->lonely && !th->sched.head && !__atomic_load_n(&th->sched.attention, __ATOMIC_RELAXED);
}

/* Is there a thread, besides me (NULL: nobody) and the one that is leaving, that may do something? */
static int somebody_is_awake(const PyThreadState *me, const PyThreadState *leaving)
{
    Py_ssize_t asleep = __atomic_load_n(&gosp.passive_threads, __ATOMIC_SEQ_CST);
    for (gosp_thread *th = gosp.threads; th; th = th->next)
        asleep += th->ts != me && th->ts != leaving && is_lonely(th);
    PyThreadState *ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (; ts && asleep >= 0; ts = PyThreadState_Next(ts))
        if (ts != me && ts != leaving && ts != gosp.main_thread)
            asleep--;
    return asleep < 0;
}

static void thread_leaves(PyObject *capsule)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    gosp_idle_reconsider(PyCapsule_GetContext(capsule));
    PyErr_Restore(type, value, traceback);
}

/* So that we learn of the end of every thread that exists now. New ones are at the head, with higher numbers. */
static int guard_all(void)
{
    PyThreadState *head = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
    for (PyThreadState *ts = head; ts && ts->id > gosp.guarded; ts = PyThreadState_Next(ts)) {
        PyObject *guard = PyCapsule_New(&gosp, guard_name, thread_leaves);
        int rc = guard ? PyCapsule_SetContext(guard, ts) : -1;
        PyObject *dict = rc == 0 ? gosp_ts_dict(ts) : NULL;
        if (dict)
            rc = PyDict_SetItemString(dict, guard_name, guard);
        if (guard && (!dict || rc < 0))
            PyCapsule_SetDestructor(guard, NULL);
        Py_XDECREF(guard);
        if (!dict || rc < 0)
            return -1;
    }
    gosp.guarded = head->id;
    return 0;
}

/* threading's main thread waits only for those that are not daemons. */
static int is_daemon(unsigned long thread_id)
{
    PyObject *threading = PyImport_ImportModule("threading");
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
    PyErr_Clear();
    return answer;
}

void gosp_idle_reconsider(PyThreadState *leaving)
{
    if (gosp_finalizing() || somebody_is_awake(NULL, leaving))
        return;
    gosp_thread *last = NULL;
    for (gosp_thread *th = gosp.threads; th; th = th->next)
        if (is_lonely(th) && th->ts != leaving && (!last || th->lonely > last->lonely) &&
            !(gosp.main_thread && is_daemon(th->thread_id)))
            last = th;
    if (last) {
        last->hopeless = 1;
        gos_sched_nudge(&last->sched);
    }
}

/* ---- the interpreter's main thread, waiting for the others to end ---- */

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

int gosp_idle(gos_sched *s, int64_t deadline_ns)
{
    gosp_thread *th = gosp_thread_of(s);
    if (deadline_ns == GOS_FOREVER && !s->expected) {
        int rc = guard_all() < 0 || hear_of_main() < 0 ? GOS_EHOOK : GOS_OK;
        set_lonely(th, ++falls_asleep);
        if (rc == GOS_OK && !somebody_is_awake(th->ts, NULL))
            rc = GOS_EDEADLOCK;
        if (rc != GOS_OK) {
            set_lonely(th, 0);
            return rc;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    gos_sched_doze(s, deadline_ns);
    Py_END_ALLOW_THREADS
    int told = th->hopeless && is_lonely(th);
    set_lonely(th, 0);
    if (PyErr_CheckSignals() < 0) /* handled at once on the main thread; a handler may have made somebody runnable */
        return GOS_EHOOK;
    return told && !s->head ? GOS_EDEADLOCK : GOS_OK;
}
