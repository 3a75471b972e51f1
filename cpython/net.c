/* net.c - reading from and writing to sockets, for gossamer.net.socket: try, wait, try again.
 *
 * The descriptor is non-blocking, and its owner tells the poller before it is closed (_close_fd). Buffers are made anew
 * after each wait, so that an idle connection has none.
 * Locking: the GIL, held during the calls, which do not block.
 */
#include "gosp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "poll/faults.h"

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

/* ---- accept ---- */

static PyObject *internet_address(int family, const void *ip, unsigned port)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(family, ip, text, sizeof text))
        return PyErr_SetFromErrno(PyExc_OSError);
    return Py_BuildValue("(sI)", text, port);
}

static PyObject *unix_address(const struct sockaddr_un *address, socklen_t size)
{
    const char *path = address->sun_path;
    size_t length = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;
    if (length && !path[0]) /* Linux' abstract names */
        return PyBytes_FromStringAndSize(path, (Py_ssize_t)length);
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, length));
}

/* As the methods of socket show it; None for families that are not known here. */
static PyObject *address_of(const struct sockaddr_storage *storage, socklen_t size)
{
    const struct sockaddr_in *in4 = (const void *)storage;
    const struct sockaddr_in6 *in6 = (const void *)storage;
    if (size >= sizeof *in4 && storage->ss_family == AF_INET)
        return internet_address(AF_INET, &in4->sin_addr, ntohs(in4->sin_port));
    if (size >= sizeof *in6 && storage->ss_family == AF_INET6) {
        PyObject *pair = internet_address(AF_INET6, &in6->sin6_addr, ntohs(in6->sin6_port));
        PyObject *rest = pair ? Py_BuildValue("(kk)", (unsigned long)ntohl(in6->sin6_flowinfo), (unsigned long)in6->sin6_scope_id) : NULL;
        PyObject *all = rest ? PySequence_Concat(pair, rest) : NULL;
        Py_XDECREF(pair);
        Py_XDECREF(rest);
        return all;
    }
    if (storage->ss_family == AF_UNIX)
        return unix_address((const void *)storage, size);
    Py_RETURN_NONE;
}

/* Failures of one connection, which Linux tells of here: the next one may be good. */
static int is_of_the_connection(int error)
{
    switch (error) {
    case ECONNABORTED: case ENETDOWN: case EPROTO: case ENOPROTOOPT: case EHOSTDOWN: case EHOSTUNREACH: case ENETUNREACH:
#ifdef ENONET
    case ENONET:
#endif
        return 1;
    default: return 0;
    }
}

static PyObject *net_accept(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct call c;
    enum next next = AGAIN;
    struct sockaddr_storage storage;
    socklen_t size = 0;
    int fd = -1;
    (void)module;
    if (begin(&c, "_accept", (void *)net_accept, args, nargs) < 0)
        return NULL;
    while (next == AGAIN) {
        memset(&storage, 0, sizeof storage);
        size = sizeof storage;
        fd = GOSI_PLATFORM(accept, c.fd, (struct sockaddr *)&storage, &size);
        if (fd < 0 && is_of_the_connection(-fd))
            continue;
        next = after(&c, fd, GOS_POLL_IN);
    }
    if (next != DONE)
        return NULL;
    PyObject *address = address_of(&storage, size < sizeof storage ? size : sizeof storage);
    PyObject *result = address ? Py_BuildValue("(iN)", fd, address) : NULL;
    if (!result)
        (void)GOSI_PLATFORM(close, fd);
    return result;
}

/* ---- for tests ---- */

static PyObject *start_faults(PyObject *module, PyObject *args)
{
    unsigned long long seed, mask = UINT64_MAX;
    unsigned per_mille;
    (void)module;
    if (!PyArg_ParseTuple(args, "KI|K:_start_faults", &seed, &per_mille, &mask))
        return NULL;
    gosi_faults_start(seed, per_mille, mask, 1);
    Py_RETURN_NONE;
}

static PyObject *stop_faults(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosi_faults_stop();
    PyObject *counts = PyDict_New();
    for (int i = 0; counts && i < GOSI_FAULT_KINDS; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(gosi_fault_count(i));
        if (!count || PyDict_SetItemString(counts, gosi_fault_name(i), count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(count);
    }
    return counts;
}

PyMethodDef gosp_net_functions[] = {
    {"_accept", (PyCFunction)(void (*)(void))net_accept, METH_FASTCALL,
     "_accept($module, descriptor, unused, flags, timeout, /)\n--\n\n"
     "A connection's descriptor, non-blocking, and its peer's address; None: unknown family."},
    {"_start_faults", start_faults, METH_VARARGS,
     "_start_faults($module, seed, per_mille, mask=-1, /)\n--\n\nFor tests: system calls fail at random, until _stop_faults."},
    {"_stop_faults", stop_faults, METH_NOARGS, "_stop_faults($module, /)\n--\n\nHow often each fault has been put in."},
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
