/* net.c - the type of tasklets' sockets, and their streams of bytes: recv, send and the like. See net.h.
 *
 * A buffer for recv is made after the wait, so that an idle connection has none; small reads go through one that all
 * share. A TCP socket whose last read was short is not asked again before the poller tells of a change.
 */
#include "net.h"

Py_ssize_t gosp_sock_offset;
PyTypeObject *gosp_sock_type;

/* ---- trying and waiting ---- */

enum gosp_next gosp_net_errno(int error)
{
    errno = error;
    PyErr_SetFromErrno(error == ENOSYS ? PyExc_NotImplementedError : PyExc_OSError);
    return GOSP_FAILED;
}

static int64_t deadline_of(double seconds)
{
    if (seconds < 0)
        return GOS_FOREVER;
    if (seconds == 0)
        return 0;
    return seconds > 3e9 ? GOS_FOREVER - 1 : gos_now() + (int64_t)(seconds * 1e9);
}

/* Has somebody closed it, and perhaps opened another with the same number, while we waited? */
static enum gosp_next still_open(const gosp_netcall *c)
{
    return GOSP_LIKELY(c->s->fd == c->fd) ? GOSP_AGAIN : gosp_net_errno(EBADF);
}

static void note(const gosp_netcall *c)
{
    gosp_thread *th = c->th;
    if (th->sched.head == th->sched.current)
        gosp_frames_note_method(&gosp_current(th)->state, th->ts, c->op, c->args, c->nargs);
}

/* The system is short of buffers for sending, and does not tell when there are some: a little later. */
static enum gosp_next wait_a_little(gosp_netcall *c, int error)
{
    TaskletObject *cur = gosp_current(c->th);
    int64_t soon = gos_now() + 1000000;
    if (soon > c->deadline)
        return gosp_net_errno(error);
    note(c);
    int rc = gos_sched_sleep(&c->th->sched, soon);
    PyObject *result = gosp_resumed(c->th, cur, rc);
    Py_XDECREF(result);
    return result ? still_open(c) : GOSP_FAILED;
}

enum gosp_next gosp_net_wait(gosp_netcall *c, unsigned events)
{
    struct gos_poll_fd one = {.fd = c->fd, .events = (uint16_t)events};
    if (!c->deadline)
        c->deadline = deadline_of(c->s->timeout);
    note(c);
    int n = gosp_poll_wait(c->th, &one, 1, 1, c->deadline);
    if (n == 0)
        PyErr_SetString(PyExc_TimeoutError, "timed out");
    return n > 0 ? still_open(c) : GOSP_FAILED;
}

enum gosp_next gosp_net_after(gosp_netcall *c, ssize_t rc, unsigned events)
{
    if (GOSP_LIKELY(rc >= 0))
        return GOSP_DONE;
    if (rc == -EINTR)
        return PyErr_CheckSignals() < 0 ? GOSP_FAILED : still_open(c);
    int full = events == GOS_POLL_OUT && rc == -ENOBUFS;
    if ((rc != -EAGAIN && rc != -EWOULDBLOCK && !full) || c->flags & MSG_DONTWAIT || c->s->timeout == 0)
        return gosp_net_errno((int)-rc);
    if (!full)
        return gosp_net_wait(c, events);
    if (!c->deadline)
        c->deadline = deadline_of(c->s->timeout);
    return wait_a_little(c, ENOBUFS);
}

int gosp_net_begin(gosp_netcall *c, PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    gosp_thread *th = gosp_thread_current();
    gosp_sock *s = gosp_sock_of(op);
    if (GOSP_UNLIKELY(!th))
        return -1;
    *c = (gosp_netcall){.th = th, .op = op, .s = s, .fd = s->fd, .args = args, .nargs = nargs};
    if (GOSP_UNLIKELY(kwnames != NULL))
        c->nargs += PyTuple_GET_SIZE(kwnames);
    if (GOSP_UNLIKELY(s->fd < 0)) {
        gosp_net_errno(EBADF);
        return -1;
    }
    return 0;
}

PyObject *gosp_net_base(PyObject *op, const char *method, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *function = PyObject_GetAttrString((PyObject *)gosp_sock_type->tp_base, method);
    PyObject *all = function ? PyTuple_New(nargs + 1) : NULL, *result = NULL;
    if (all) {
        PyTuple_SET_ITEM(all, 0, Py_NewRef(op));
        for (Py_ssize_t i = 0; i < nargs; i++)
            PyTuple_SET_ITEM(all, i + 1, Py_NewRef(args[i]));
        result = PyObject_Call(function, all, NULL);
    }
    Py_XDECREF(function);
    Py_XDECREF(all);
    return result;
}

PyObject *gosp_net_base_again(gosp_netcall *c, unsigned events, const char *method, PyObject *const *args, Py_ssize_t nargs)
{
    for (;;) {
        PyObject *result = gosp_net_base(c->op, method, args, nargs);
        if (result || c->flags & MSG_DONTWAIT || c->s->timeout == 0 || !PyErr_ExceptionMatches(PyExc_BlockingIOError))
            return result;
        PyErr_Clear();
        if (gosp_net_wait(c, events) == GOSP_FAILED)
            return NULL;
    }
}

int gosp_net_flags(gosp_netcall *c, PyObject *flags)
{
    return !flags || PyArg_Parse(flags, "i", &c->flags) ? 0 : -1; /* 0 when it begins */
}

/* ---- reading ---- */

/* recv, as often as it takes: number of bytes, or -1 with an exception. */
static ssize_t read_into(gosp_netcall *c, char *bytes, size_t size)
{
    enum gosp_next next;
    ssize_t n;
    do {
        n = GOSI_PLATFORM(recv, c->fd, bytes, size, c->flags);
        next = gosp_net_after(c, n, GOS_POLL_IN);
    } while (next == GOSP_AGAIN);
    if (next != GOSP_DONE)
        return -1;
    if (c->s->empties && !c->flags && n > 0 && (size_t)n < size)
        gos_poll_emptied(&c->th->sched, c->fd);
    return n;
}

/* 0; -1 with an exception. */
static int wait_if_emptied(gosp_netcall *c)
{
    if (!c->s->empties || c->flags || c->s->timeout == 0 || !gos_poll_is_emptied(&c->th->sched, c->fd))
        return 0;
    return gosp_net_wait(c, GOS_POLL_IN) == GOSP_FAILED ? -1 : 0;
}

static PyObject *small_recv(gosp_netcall *c, size_t size)
{
    static char shared[8192]; /* guarded by the GIL, and nothing runs between recv and the copy but failures */
    enum gosp_next next;
    ssize_t n;
    do {
        n = GOSI_PLATFORM(recv, c->fd, shared, size, c->flags);
        if (GOSP_LIKELY(n >= 0)) {
            if (c->s->empties && !c->flags && n > 0 && (size_t)n < size)
                gos_poll_emptied(&c->th->sched, c->fd);
            return PyBytes_FromStringAndSize(shared, n);
        }
        next = gosp_net_after(c, n, GOS_POLL_IN);
    } while (next == GOSP_AGAIN);
    return NULL;
}

static PyObject *large_recv(gosp_netcall *c, Py_ssize_t size)
{
    PyObject *bytes = NULL;
    enum gosp_next next;
    ssize_t n;
    do {
        bytes = PyBytes_FromStringAndSize(NULL, size);
        if (!bytes)
            return NULL;
        n = GOSI_PLATFORM(recv, c->fd, PyBytes_AS_STRING(bytes), (size_t)size, c->flags);
        if (n < 0)
            Py_CLEAR(bytes);
        next = gosp_net_after(c, n, GOS_POLL_IN);
    } while (next == GOSP_AGAIN);
    if (next != GOSP_DONE)
        return NULL;
    if (c->s->empties && !c->flags && n > 0 && n < size)
        gos_poll_emptied(&c->th->sched, c->fd);
    if (n < size)
        (void)_PyBytes_Resize(&bytes, n);
    return bytes;
}

static PyObject *sock_recv(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_netcall c;
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "recv() takes 1 or 2 arguments (%zd given)", nargs);
        return NULL;
    }
    Py_ssize_t size = PyLong_AsSsize_t(args[0]);
    if (size < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    if (gosp_net_begin(&c, op, args, nargs, NULL) < 0 || (nargs == 2 && gosp_net_flags(&c, args[1]) < 0) || wait_if_emptied(&c) < 0)
        return NULL;
    return size <= 8192 ? small_recv(&c, (size_t)size) : large_recv(&c, size);
}

static PyObject *sock_recv_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"buffer", "nbytes", "flags"};
    PyObject *given[3] = {NULL};
    gosp_netcall c;
    Py_buffer buffer;
    ssize_t n = -1;
    if (gosp_parse(args, nargs, kwnames, "recv_into", names, 3, 1, given) < 0)
        return NULL;
    Py_ssize_t size = given[1] ? PyLong_AsSsize_t(given[1]) : 0;
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (gosp_net_begin(&c, op, args, nargs, kwnames) < 0 || gosp_net_flags(&c, given[2]) < 0 ||
        PyObject_GetBuffer(given[0], &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    if (size < 0)
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv_into");
    else if (size > buffer.len)
        PyErr_SetString(PyExc_ValueError, "buffer too small for requested bytes");
    else if (wait_if_emptied(&c) == 0)
        n = read_into(&c, buffer.buf, (size_t)(size ? size : buffer.len));
    PyBuffer_Release(&buffer);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

/* ---- writing ---- */

static int begin_sending(gosp_netcall *c, const char *name, PyObject *op, PyObject *const *args, Py_ssize_t nargs, Py_buffer *buffer)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "%s() takes 1 or 2 arguments (%zd given)", name, nargs);
        return -1;
    }
    if (gosp_net_begin(c, op, args, nargs, NULL) < 0 || (nargs == 2 && gosp_net_flags(c, args[1]) < 0))
        return -1;
    return PyObject_GetBuffer(args[0], buffer, PyBUF_SIMPLE);
}

static PyObject *sock_send(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_netcall c;
    Py_buffer buffer;
    enum gosp_next next;
    ssize_t n;
    if (begin_sending(&c, "send", op, args, nargs, &buffer) < 0)
        return NULL;
    do {
        n = GOSI_PLATFORM(send, c.fd, buffer.buf, (size_t)buffer.len, c.flags);
        next = gosp_net_after(&c, n, GOS_POLL_OUT);
    } while (next == GOSP_AGAIN);
    PyBuffer_Release(&buffer);
    return next == GOSP_DONE ? PyLong_FromSsize_t(n) : NULL;
}

static PyObject *sock_sendall(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_netcall c;
    Py_buffer buffer;
    enum gosp_next next;
    size_t sent = 0;
    if (begin_sending(&c, "sendall", op, args, nargs, &buffer) < 0)
        return NULL;
    do {
        ssize_t n = GOSI_PLATFORM(send, c.fd, (const char *)buffer.buf + sent, (size_t)buffer.len - sent, c.flags);
        next = gosp_net_after(&c, n, GOS_POLL_OUT);
        if (next == GOSP_DONE)
            sent += (size_t)n;
    } while (next == GOSP_AGAIN || (next == GOSP_DONE && sent < (size_t)buffer.len));
    PyBuffer_Release(&buffer);
    if (next != GOSP_DONE)
        return NULL;
    Py_RETURN_NONE;
}

PyMethodDef gosp_net_methods[] = {
    {"recv", (PyCFunction)(void (*)(void))sock_recv, METH_FASTCALL,
     "recv($self, bufsize, flags=0, /)\n--\n\nAt most bufsize bytes; none: the peer has closed."},
    {"recv_into", (PyCFunction)(void (*)(void))sock_recv_into, METH_FASTCALL | METH_KEYWORDS,
     "recv_into($self, buffer, nbytes=0, flags=0)\n--\n\nInto buffer, at most nbytes (0: as many as fit): how many."},
    {"send", (PyCFunction)(void (*)(void))sock_send, METH_FASTCALL,
     "send($self, data, flags=0, /)\n--\n\nSome of data: how many bytes."},
    {"sendall", (PyCFunction)(void (*)(void))sock_sendall, METH_FASTCALL,
     "sendall($self, data, flags=0, /)\n--\n\n"
     "All of data, however long it takes. After an error nobody knows how much has been sent."},
    {NULL},
};

/* ---- the type ---- */

static PyObject *get_timeout(PyObject *op, void *closure)
{
    double seconds = gosp_sock_of(op)->timeout;
    (void)closure;
    return seconds < 0 ? Py_NewRef(Py_None) : PyFloat_FromDouble(seconds);
}

static int set_timeout(PyObject *op, PyObject *value, void *closure)
{
    double seconds = !value || value == Py_None ? -1 : PyFloat_AsDouble(value);
    (void)closure;
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    gosp_sock_of(op)->timeout = seconds;
    return 0;
}

static PyObject *sock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *op = gosp_sock_type->tp_base->tp_new(type, args, kwargs);
    if (op)
        *gosp_sock_of(op) = (gosp_sock){.fd = -1, .timeout = -1};
    return op;
}

static PyGetSetDef sock_getset[] = {
    {"_timeout", get_timeout, set_timeout, "Seconds that calls may wait, or None.", NULL},
    {NULL},
};

static PyType_Slot *slots_of(PyMethodDef *methods)
{
    static PyType_Slot slots[5];
    slots[0] = (PyType_Slot){Py_tp_doc, "What gossamer.net.socket.socket is made of."};
    slots[1] = (PyType_Slot){Py_tp_methods, methods};
    slots[2] = (PyType_Slot){Py_tp_getset, sock_getset};
    slots[3] = (PyType_Slot){Py_tp_new, sock_new};
    slots[4] = (PyType_Slot){0, NULL};
    return slots;
}

static PyMethodDef *all_methods(void)
{
    static PyMethodDef all[48];
    PyMethodDef *const parts[] = {gosp_net_methods, gosp_net_message_methods, gosp_net_life_methods};
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (const PyMethodDef *m = parts[i]; m->ml_name && n + 1 < sizeof all / sizeof *all; m++)
            all[n++] = *m;
    return all;
}

static PyObject *make_type(PyObject *module, PyObject *base)
{
    (void)module;
    if (gosp_sock_type)
        return Py_NewRef((PyObject *)gosp_sock_type);
    if (!PyType_Check(base)) {
        PyErr_SetString(PyExc_TypeError, "_socket_type() needs the class that is to be the base");
        return NULL;
    }
    Py_ssize_t size = ((PyTypeObject *)base)->tp_basicsize;
    gosp_sock_offset = (size + 7) & ~(Py_ssize_t)7;
    PyType_Spec spec = {
        .name = "gossamer._gossamer.SocketBase",
        .basicsize = (int)(gosp_sock_offset + (Py_ssize_t)sizeof(gosp_sock)),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
        .slots = slots_of(all_methods()),
    };
    gosp_sock_type = (PyTypeObject *)PyType_FromSpecWithBases(&spec, base);
    return Py_XNewRef((PyObject *)gosp_sock_type);
}

PyMethodDef gosp_net_functions[] = {
    {"_socket_type", make_type, METH_O, "_socket_type($module, base, /)\n--\n\nThe base of gossamer.net.socket.socket, made once."},
    {NULL},
};
