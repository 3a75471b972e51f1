/* stall.c - on_stall: who hogs the thread?
 *
 * The timekeeper finds out that a tasklet has not switched for too long although somebody waits for the thread, and
 * writes what it can see to standard error at once: that needs no GIL, which the tasklet may hold for a long time
 * yet. The callback needs it, and is called on a thread of its own as soon as it can be had, once for each stall.
 *
 * Locking: what describes runs with the timekeeper's lock, what tells without any; the callback and the hog are the
 * owner's, under the GIL.
 */
#define _GNU_SOURCE
#include "stall.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "outside.h"
#include "timekeeper.h"

enum { MOST_FRAMES = 40, THREAD_STACK = 1024 * 1024 };

static int starting; /* atomic: threads on their way to the GIL */

/* ---- without the GIL ---- */

int gosp_stall_is_new(const gosp_thread *th, int64_t ran)
{
    const gosp_slice *sl = &th->slice;
    const gos_sched *s = &th->sched;
    if (!sl->limits.stall || sl->told || ran < sl->limits.stall)
        return 0;
    gos_tasklet *current = __atomic_load_n(&s->current, __ATOMIC_RELAXED);
    if (__atomic_load_n(&s->head, __ATOMIC_RELAXED) != current)
        return 0; /* the thread itself waits */
    return current != s->main || __atomic_load_n(&s->runcount, __ATOMIC_RELAXED) > 1;
}

void gosp_stall_describe(struct gosp_stall *stall, gosp_thread *th, int64_t ran)
{
    gosp_peek peek;
    char name[512] = "?";
    stall->id = th->slice.async.id;
    stall->ran = ran;
    stall->calls_back = __atomic_load_n(&th->slice.stall_callback, __ATOMIC_RELAXED) != NULL;
    if (stall->calls_back)
        __atomic_store_n(&th->slice.stalled, 1, __ATOMIC_RELAXED);
    stall->length = 0;
    if (!th->slice.limits.dump)
        return;
    int can_look = gosp_peek_open(&peek) == 0;
    if (can_look)
        gosp_outside_name(&peek, gosp_of(__atomic_load_n(&th->sched.current, __ATOMIC_RELAXED)), name, sizeof name);
    int n = snprintf(stall->text, sizeof stall->text,
                     "gossamer: tasklet %s has not switched for %lld ms; thread 0x%016lx, %d runnable, most recent call first:\n", name,
                     (long long)(ran / 1000000), th->thread_id, (int)__atomic_load_n(&th->sched.runcount, __ATOMIC_RELAXED));
    stall->length = (size_t)n;
    if (!can_look) {
        stall->length += (size_t)snprintf(stall->text + n, sizeof stall->text - (size_t)n, "  (no file descriptors left)\n");
        return;
    }
    stall->length += gosp_peek_stack(&peek, th->ts, MOST_FRAMES, stall->text + n, sizeof stall->text - (size_t)n);
    gosp_peek_close(&peek);
}

/* ---- the callback ---- */

static void call_back(gosp_thread *th, int64_t ran)
{
    gosp_slice *sl = &th->slice;
    PyObject *callback = Py_XNewRef(sl->stall_callback);
    TaskletObject *hog = sl->hog ? sl->hog : (TaskletObject *)Py_NewRef((PyObject *)gosp_current(th));
    sl->hog = NULL;
    __atomic_store_n(&sl->stalled, 0, __ATOMIC_RELAXED);
    if (callback) {
        PyObject *answer = PyObject_CallFunction(callback, "OL", hog, (long long)(ran / 1000000));
        if (!answer)
            PyErr_WriteUnraisable(callback);
        Py_XDECREF(answer);
        Py_DECREF(callback);
    }
    Py_DECREF(hog);
}

static void *callback_thread(void *arg)
{
    struct gosp_stall *stall = arg;
    gosp_gil_hurry(PyInterpreterState_Main());
    PyGILState_STATE gil = PyGILState_Ensure();
    __atomic_sub_fetch(&starting, 1, __ATOMIC_SEQ_CST);
    gosp_thread *th = gosp_timekeeper_find(stall->id);
    if (th)
        call_back(th, stall->ran);
    PyGILState_Release(gil);
    free(stall);
    return NULL;
}

static void start_callback(const struct gosp_stall *stall)
{
    struct gosp_stall *copy = malloc(sizeof *copy);
    pthread_t thread;
    pthread_attr_t attr;
    if (!copy)
        return; /* the report on standard error has to do */
    *copy = *stall;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    __atomic_add_fetch(&starting, 1, __ATOMIC_SEQ_CST);
    if (pthread_create(&thread, &attr, callback_thread, copy) != 0) { /* signals are blocked, as in the timekeeper */
        __atomic_sub_fetch(&starting, 1, __ATOMIC_SEQ_CST);
        free(copy);
    }
    pthread_attr_destroy(&attr);
}

void gosp_stall_tell(const struct gosp_stall *stall)
{
    size_t done = 0;
    while (done < stall->length) {
        ssize_t n = write(STDERR_FILENO, stall->text + done, stall->length - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (stall->calls_back)
        start_callback(stall);
}

void gosp_stall_wait(void)
{
    const struct timespec soon = {.tv_nsec = 1000000};
    Py_BEGIN_ALLOW_THREADS
    while (__atomic_load_n(&starting, __ATOMIC_SEQ_CST))
        nanosleep(&soon, NULL);
    Py_END_ALLOW_THREADS
}

void gosp_stall_after_fork(void)
{
    starting = 0;
}

/* ---- for programs ---- */

static PyObject *on_stall(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"after_ms", "callback", "dump"};
    PyObject *given[3] = {NULL, Py_None, Py_True};
    (void)module;
    gosp_thread *th = gosp_thread_current();
    int64_t ns;
    if (!th || gosp_parse(args, nargs, kwnames, "on_stall", names, 3, 1, given) < 0 ||
        gosp_microseconds(given[0], "after_ms", &ns) < 0)
        return NULL;
    int dump = PyObject_IsTrue(given[2]);
    if (dump < 0)
        return NULL;
    if (given[1] != Py_None && !PyCallable_Check(given[1])) {
        PyErr_SetString(PyExc_TypeError, "on_stall() needs a callable or None");
        return NULL;
    }
    PyObject *callback = given[1] == Py_None || !ns ? NULL : Py_NewRef(given[1]);
    PyObject *old = th->slice.stall_callback; /* changed before the limit, which may be reached at once */
    __atomic_store_n(&th->slice.stall_callback, callback, __ATOMIC_RELAXED);
    if (gosp_slice_set_stall(th, ns > GOS_FOREVER / 4000 ? GOS_FOREVER / 4 : ns * 1000, dump) < 0) {
        __atomic_store_n(&th->slice.stall_callback, old, __ATOMIC_RELAXED);
        Py_XDECREF(callback);
        return NULL;
    }
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

PyMethodDef gosp_stall_functions[] = {
    {"on_stall", (PyCFunction)(void (*)(void))on_stall, METH_FASTCALL | METH_KEYWORDS,
     "on_stall($module, after_ms, callback=None, dump=True)\n--\n\n"
     "From now on, when a tasklet of this thread has not switched for so many milliseconds while another one, or run(),\n"
     "waits for the thread: write its stack to standard error at once, even while it holds the GIL (unless dump is False),\n"
     "and call callback(tasklet, milliseconds) on another thread as soon as the GIL is free. Once for each stall. None or 0:\n"
     "no more. (faulthandler.dump_traceback_later, for tasklets)"},
    {NULL},
};
