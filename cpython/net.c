/* net.c - reading from and writing to sockets, for gossamer.net.socket: try, wait, try again.
 *
 * The descriptor is non-blocking, and its owner tells the poller before it is closed (_close_fd). Buffers are made anew
 * after each wait, so that an idle connection has none.
 * Locking: the GIL, held during the calls, which do not block.
 */
#include "gosp.h"

#include "poll/platform.h"

struct call {
    gosp_thread *th;
    int fd, flags;
    PyObject *timeout; /* None, or seconds; 0: do not wait */
    int64_t deadline;  /* 0: not needed yet */
    void *function;
    PyObject *const *args;
    Py_ssize_t nargs;
};

/* What becomes of a call that has returned rc. */
enum next { DONE, AGAIN, FAILED };

static enum next raise_errno(int error)
{
    errno = error;
    PyErr_SetFromErrno(error == ENOSYS ? PyExc_NotImplementedError : PyExc_OSError);
    return FAILED;
}

static int has_deadline(struct call *c)
{
    return c->deadline || gosp_deadline(c->timeout, &c->deadline) == 0;
}

/* The system is short of buffers for sending, and does not tell when there are some: a little later. */
static enum next wait_a_little(struct call *c, int error)
{
    TaskletObject *cur = gosp_current(c->th);
    int64_t soon = gos_now() + 1000000;
    if (soon > c->deadline)
        return raise_errno(error);
    int rc = gos_sched_sleep(&c->th->sched, soon);
    PyObject *result = gosp_resumed(c->th, cur, rc);
    Py_XDECREF(result);
    return result ? AGAIN : FAILED;
}

static enum next after(struct call *c, ssize_t rc, unsigned events)
{
    if (GOSP_LIKELY(rc >= 0))
        return DONE;
    if (rc == -EINTR)
        return PyErr_CheckSignals() < 0 ? FAILED : AGAIN;
    int full = events == GOS_POLL_OUT && rc == -ENOBUFS;
    if (rc != -EAGAIN && rc != -EWOULDBLOCK && !full)
        return raise_errno((int)-rc);
    if (!(c->flags & MSG_DONTWAIT) && !has_deadline(c))
        return FAILED;
    if (c->deadline == 0) /* it must not wait */
        return raise_errno((int)-rc);
    gosp_thread *th = c->th;
    if (th->sched.head == th->sched.current)
        gosp_frames_note_function(&gosp_current(th)->state, th->ts, c->function, c->args, c->nargs);
    if (full)
        return wait_a_little(c, ENOBUFS);
    struct gos_poll_fd one = {.fd = c->fd, .events = (uint16_t)events};
    int n = gosp_poll_wait(th, &one, 1, 1, c->deadline);
    if (n == 0)
        PyErr_SetString(PyExc_TimeoutError, "timed out");
    return n > 0 ? AGAIN : FAILED;
}

/* args: descriptor, something, flags, timeout. */
static int begin(struct call *c, const char *name, void *function, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return -1;
    if (nargs != 4) {
        PyErr_Format(PyExc_TypeError, "%s() takes 4 arguments (%zd given)", name, nargs);
        return -1;
    }
    long fd = PyLong_AsLong(args[0]), flags = PyLong_AsLong(args[2]);
    if (PyErr_Occurred())
        return -1;
    if (fd < 0 || fd > INT32_MAX) {
        raise_errno(EBADF);
        return -1;
    }
    *c = (struct call){.th = th, .fd = (int)fd, .flags = (int)flags, .timeout = args[3], .function = function, .args = args, .nargs = nargs};
    return 0;
}

static PyObject *net_recv(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct call c;
    enum next next = AGAIN;
    PyObject *bytes = NULL;
    ssize_t n = -1;
    (void)module;
    if (begin(&c, "_recv", (void *)net_recv, args, nargs) < 0)
        return NULL;
    Py_ssize_t size = PyLong_AsSsize_t(args[1]);
    if (size < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    while (next == AGAIN) {
        bytes = PyBytes_FromStringAndSize(NULL, size);
        if (!bytes)
            return NULL;
        n = GOSI_PLATFORM(recv, c.fd, PyBytes_AS_STRING(bytes), (size_t)size, c.flags);
        if (n < 0)
            Py_CLEAR(bytes);
        next = after(&c, n, GOS_POLL_IN);
    }
    if (next == DONE && n < size)
        (void)_PyBytes_Resize(&bytes, n);
    return bytes;
}

static PyObject *net_recv_into(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct call c;
    enum next next = AGAIN;
    Py_buffer buffer;
    ssize_t n = -1;
    (void)module;
    if (begin(&c, "_recv_into", (void *)net_recv_into, args, nargs) < 0 ||
        PyObject_GetBuffer(args[1], &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    while (next == AGAIN) {
        n = GOSI_PLATFORM(recv, c.fd, buffer.buf, (size_t)buffer.len, c.flags);
        next = after(&c, n, GOS_POLL_IN);
    }
    PyBuffer_Release(&buffer);
    return next == DONE ? PyLong_FromSsize_t(n) : NULL;
}

static PyObject *net_send(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct call c;
    enum next next = AGAIN;
    Py_buffer buffer;
    ssize_t n = -1;
    (void)module;
    if (begin(&c, "_send", (void *)net_send, args, nargs) < 0 || PyObject_GetBuffer(args[1], &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    while (next == AGAIN) {
        n = GOSI_PLATFORM(send, c.fd, buffer.buf, (size_t)buffer.len, c.flags);
        next = after(&c, n, GOS_POLL_OUT);
    }
    PyBuffer_Release(&buffer);
    return next == DONE ? PyLong_FromSsize_t(n) : NULL;
}

static PyObject *net_sendall(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct call c;
    enum next next = AGAIN;
    Py_buffer buffer;
    size_t sent = 0;
    (void)module;
    if (begin(&c, "_sendall", (void *)net_sendall, args, nargs) < 0 || PyObject_GetBuffer(args[1], &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    do {
        ssize_t n = GOSI_PLATFORM(send, c.fd, (const char *)buffer.buf + sent, (size_t)buffer.len - sent, c.flags);
        next = after(&c, n, GOS_POLL_OUT);
        if (next == DONE)
            sent += (size_t)n;
    } while (next == AGAIN || (next == DONE && sent < (size_t)buffer.len));
    PyBuffer_Release(&buffer);
    if (next != DONE)
        return NULL;
    Py_RETURN_NONE;
}

PyMethodDef gosp_net_functions[] = {
    {"_recv", (PyCFunction)(void (*)(void))net_recv, METH_FASTCALL,
     "_recv($module, descriptor, size, flags, timeout, /)\n--\n\nsocket.recv"},
    {"_recv_into", (PyCFunction)(void (*)(void))net_recv_into, METH_FASTCALL,
     "_recv_into($module, descriptor, buffer, flags, timeout, /)\n--\n\nsocket.recv_into"},
    {"_send", (PyCFunction)(void (*)(void))net_send, METH_FASTCALL,
     "_send($module, descriptor, data, flags, timeout, /)\n--\n\nsocket.send"},
    {"_sendall", (PyCFunction)(void (*)(void))net_sendall, METH_FASTCALL,
     "_sendall($module, descriptor, data, flags, timeout, /)\n--\n\nsocket.sendall"},
    {NULL},
};
