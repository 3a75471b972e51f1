/* poll.c - tasklets that wait for descriptors: what gossamer.net.select is made of.
 *
 * select and poll ask for states, the poller tells of changes: so the system's poll is asked first, without waiting; then
 * the tasklet waits for any change of its descriptors; then poll again. What is not ready at the first look changes later.
 * Locking: the GIL. Nothing here releases it, but waiting.
 */
#include "gosp.h"

#include "poll/platform.h"

#ifdef __linux__
#include <sys/epoll.h>
#endif

int gosp_poll_wait(gosp_thread *th, struct gos_poll_fd *fds, uint32_t count, int owned, int64_t deadline_ns)
{
    TaskletObject *cur = gosp_current(th);
    int error = 0, usual = th->sched.head == th->sched.current;
    if (cur->core.value)
        gosp_clear_register(th);
    int rc = gos_poll_wait(&th->sched, fds, count, owned, deadline_ns, &error);
    if (usual)
        cur->state.eval_top = NULL;
    if (rc == GOS_ECLOSED)
        error = EBADF;
    int as_error = rc == GOS_ECLOSED || ((rc == GOS_ENOTSUP || rc == GOS_EINVAL) && error);
    PyObject *result = gosp_resumed(th, cur, rc == GOS_ETIMEDOUT || as_error ? GOS_OK : rc);
    Py_XDECREF(result);
    if (!result)
        return -1;
    if (!as_error)
        return rc == GOS_OK;
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

static void note(gosp_thread *th, void *function, PyObject *const *args, Py_ssize_t nargs)
{
    if (th->sched.head == th->sched.current)
        gosp_frames_note_function(&gosp_current(th)->state, th->ts, function, args, nargs);
}

/* ---- states ---- */

struct question {
    struct pollfd *set;
    struct gos_poll_fd *fds;
    Py_ssize_t count;
};

static int ask(const struct question *q)
{
    int n = gosi_poll(q->set, (nfds_t)q->count, 0);
    if (n == -EINTR)
        return PyErr_CheckSignals() < 0 ? -1 : 0;
    if (n < 0) {
        errno = -n;
        PyErr_SetFromErrno(n == -ENOSYS ? PyExc_NotImplementedError : PyExc_OSError);
        return -1;
    }
    return n;
}

static void prepare(const struct question *q)
{
    for (Py_ssize_t i = 0; i < q->count; i++) {
        short events = q->set[i].events;
        q->fds[i].fd = q->set[i].fd;
        q->fds[i].events = (uint16_t)((events & (POLLIN | POLLRDNORM | POLLRDBAND) ? GOS_POLL_IN : 0) |
                                      (events & (POLLOUT | POLLWRNORM | POLLWRBAND) ? GOS_POLL_OUT : 0) |
                                      (events & POLLPRI ? GOS_POLL_PRI : 0));
    }
}

/* How many are ready, in their revents; -1 with an exception. */
static int ask_until(gosp_thread *th, const struct question *q, int64_t deadline_ns, void *function, PyObject *const *args,
                     Py_ssize_t nargs)
{
    for (;;) {
        int n = ask(q);
        if (n || deadline_ns == 0)
            return n;
        prepare(q);
        note(th, function, args, nargs);
        n = gosp_poll_wait(th, q->fds, (uint32_t)q->count, 0, deadline_ns);
        if (n < 0)
            return -1;
        if (n == 0)
            return ask(q); /* what became ready with the deadline */
    }
}

static int fill(const struct question *q, PyObject *list)
{
    for (Py_ssize_t i = 0; i < q->count; i++) {
        PyObject *pair = PyList_GET_ITEM(list, i);
        int fd = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 ? (int)PyLong_AsLong(PyTuple_GET_ITEM(pair, 0)) : -1;
        long events = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 ? PyLong_AsLong(PyTuple_GET_ITEM(pair, 1)) : 0;
        if (PyErr_Occurred())
            return -1;
        q->set[i] = (struct pollfd){.fd = fd, .events = (short)events};
    }
    return 0;
}

static PyObject *answer(const struct question *q)
{
    PyObject *list = PyList_New(q->count);
    for (Py_ssize_t i = 0; list && i < q->count; i++) {
        PyObject *events = PyLong_FromLong((unsigned short)q->set[i].revents);
        if (!events)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, events);
    }
    return list;
}

static PyObject *poll_states(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    (void)module;
    if (!th)
        return NULL;
    if (nargs != 2 || !PyList_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "_poll() needs a list of (descriptor, events) and a timeout");
        return NULL;
    }
    if (gosp_deadline(args[1], &deadline) < 0)
        return NULL;
    struct question q = {.count = PyList_GET_SIZE(args[0])};
    size_t n = (size_t)q.count + 1;
    PyObject *result = NULL;
    q.set = PyMem_Calloc(n, sizeof *q.set);
    q.fds = PyMem_Calloc(n, sizeof *q.fds);
    if (!q.set || !q.fds)
        PyErr_NoMemory();
    else if (fill(&q, args[0]) == 0 && ask_until(th, &q, deadline, (void *)poll_states, args, nargs) >= 0)
        result = answer(&q);
    PyMem_Free(q.set);
    PyMem_Free(q.fds);
    return result;
}

/* ---- one descriptor ---- */

static PyObject *wait_one(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    (void)module;
    if (!th)
        return NULL;
    if (nargs != 4) {
        PyErr_Format(PyExc_TypeError, "_wait_fd() takes 4 arguments (%zd given)", nargs);
        return NULL;
    }
    long fd = PyLong_AsLong(args[0]), events = PyLong_AsLong(args[1]), owned = PyLong_AsLong(args[2]);
    if (PyErr_Occurred() || gosp_deadline(args[3], &deadline) < 0)
        return NULL;
    if (fd < 0 || fd > INT32_MAX) {
        errno = EBADF;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    struct gos_poll_fd one = {.fd = (int)fd, .events = (uint16_t)events};
    note(th, (void *)wait_one, args, nargs);
    int n = gosp_poll_wait(th, &one, 1, owned != 0, deadline);
    return n < 0 ? NULL : PyBool_FromLong(n);
}

static PyObject *close_one(PyObject *module, PyObject *arg)
{
    (void)module;
    long fd = PyLong_AsLong(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    if (fd >= 0 && gos_poll_close(gosp_self ? &gosp_self->sched : NULL, (int)fd) == GOS_ENOMEM)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *fileno_of(PyObject *module, PyObject *arg)
{
    (void)module;
    int fd = PyObject_AsFileDescriptor(arg);
    return fd < 0 ? NULL : PyLong_FromLong(fd);
}

/* ---- epoll objects ---- */

#ifdef __linux__

enum { EPOLL_ROOM = 1023, EPOLL_MOST = 1 << 24 };

static PyObject *pairs_of(const struct epoll_event *events, int n)
{
    PyObject *list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        PyObject *pair = Py_BuildValue("(iI)", events[i].data.fd, events[i].events);
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, pair);
    }
    return list;
}

/* What is ready now. An error that is one socket's is nobody else's, as with poll. */
static PyObject *epoll_now(PyObject *module, PyObject *args)
{
    int fd, room;
    (void)module;
    if (!PyArg_ParseTuple(args, "ii:_epoll_now", &fd, &room))
        return NULL;
    if (room < 1)
        room = EPOLL_ROOM; /* as many as the standard library gets by default */
    if (room > EPOLL_MOST)
        room = EPOLL_MOST;
    struct epoll_event *events = PyMem_Malloc((size_t)room * sizeof *events);
    if (!events)
        return PyErr_NoMemory();
    int n = GOSI_PLATFORM(epoll_wait, fd, events, room, 0);
    PyObject *result = NULL;
    if (n < 0 && gosi_poll_error_is_real(-n)) {
        errno = -n;
        PyErr_SetFromErrno(n == -ENOSYS ? PyExc_NotImplementedError : PyExc_OSError);
    } else if (n != -EINTR || PyErr_CheckSignals() == 0) {
        result = pairs_of(events, n < 0 ? 0 : n);
    }
    PyMem_Free(events);
    return result;
}
#endif

PyMethodDef gosp_poll_functions[] = {
#ifdef __linux__
    {"_epoll_now", epoll_now, METH_VARARGS, "_epoll_now($module, epoll, room, /)\n--\n\nThe events that are there."},
#endif
    {"_poll", (PyCFunction)(void (*)(void))poll_states, METH_FASTCALL,
     "_poll($module, descriptors, timeout, /)\n--\n\nThe events of each (descriptor, events); wait, in seconds, for the first."},
    {"_wait_fd", (PyCFunction)(void (*)(void))wait_one, METH_FASTCALL,
     "_wait_fd($module, descriptor, events, owned, timeout, /)\n--\n\n"
     "Wait until the descriptor may be ready: True; False: the time is over."},
    {"_close_fd", close_one, METH_O,
     "_close_fd($module, descriptor, /)\n--\n\nIt is about to be closed: tasklets that wait for it get OSError (EBADF)."},
    {"_fileno", fileno_of, METH_O, "_fileno($module, object, /)\n--\n\nThe descriptor of an int, or of what has fileno()."},
    {NULL},
};
