/* net_message.c - datagrams, scattered buffers and ancillary data: recvfrom, sendto, recvmsg, sendmsg and the like. See net.h.
 *
 * Families that are not known to net_address.c, and arguments that are not in order, go to the standard library's methods,
 * which have the errors.
 */
#include "net.h"

enum { MOST_BUFFERS = 1024, MOST_CONTROL = 65536 };

/* ---- recvfrom ---- */

static ssize_t receive_from(gosp_netcall *c, void *bytes, size_t size, struct sockaddr_storage *storage, socklen_t *address_size)
{
    enum gosp_next next;
    ssize_t n;
    do {
        memset(storage, 0, sizeof *storage);
        *address_size = sizeof *storage;
        n = GOSI_PLATFORM(recvfrom, c->fd, bytes, size, c->flags, (struct sockaddr *)storage, address_size);
        next = gosp_net_after(c, n, GOS_POLL_IN);
    } while (next == GOSP_AGAIN);
    return next == GOSP_DONE ? n : -1;
}

static PyObject *sock_recvfrom(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct sockaddr_storage storage;
    socklen_t address_size;
    gosp_netcall c;
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "recvfrom() takes 1 or 2 arguments (%zd given)", nargs);
        return NULL;
    }
    Py_ssize_t size = PyLong_AsSsize_t(args[0]);
    if (size < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "negative buffersize in recvfrom");
        return NULL;
    }
    if (gosp_net_begin(&c, op, args, nargs, NULL) < 0 || (nargs == 2 && gosp_net_flags(&c, args[1]) < 0))
        return NULL;
    if (!gosp_address_is_known(op))
        return gosp_net_base_again(&c, GOS_POLL_IN, "recvfrom", args, nargs);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    ssize_t n = bytes ? receive_from(&c, PyBytes_AS_STRING(bytes), (size_t)size, &storage, &address_size) : -1;
    PyObject *sender = n >= 0 ? gosp_address_object(&storage, address_size) : NULL;
    if (!sender) {
        Py_XDECREF(bytes);
        return NULL;
    }
    if (n < size && _PyBytes_Resize(&bytes, n) < 0) {
        Py_DECREF(sender);
        return NULL;
    }
    return Py_BuildValue("(NN)", bytes, sender);
}

static PyObject *sock_recvfrom_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"buffer", "nbytes", "flags"};
    PyObject *given[3] = {NULL}, *result = NULL;
    struct sockaddr_storage storage;
    socklen_t address_size;
    gosp_netcall c;
    Py_buffer buffer;
    if (gosp_parse(args, nargs, kwnames, "recvfrom_into", names, 3, 1, given) < 0)
        return NULL;
    Py_ssize_t size = given[1] ? PyLong_AsSsize_t(given[1]) : 0;
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (gosp_net_begin(&c, op, args, nargs, kwnames) < 0 || gosp_net_flags(&c, given[2]) < 0)
        return NULL;
    if (!gosp_address_is_known(op)) {
        PyObject *all[3] = {given[0], given[1], given[2]};
        return gosp_net_base_again(&c, GOS_POLL_IN, "recvfrom_into", all, given[2] ? 3 : given[1] ? 2 : 1);
    }
    if (PyObject_GetBuffer(given[0], &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recvfrom_into");
    } else if (size > buffer.len) {
        PyErr_SetString(PyExc_ValueError, "nbytes is greater than the length of the buffer");
    } else {
        ssize_t n = receive_from(&c, buffer.buf, (size_t)(size ? size : buffer.len), &storage, &address_size);
        PyObject *sender = n >= 0 ? gosp_address_object(&storage, address_size) : NULL;
        result = sender ? Py_BuildValue("(nN)", (Py_ssize_t)n, sender) : NULL;
    }
    PyBuffer_Release(&buffer);
    return result;
}

/* ---- sendto ---- */

static PyObject *sock_sendto(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct sockaddr_storage storage;
    socklen_t size;
    gosp_netcall c;
    Py_buffer buffer;
    enum gosp_next next;
    ssize_t n;
    if (nargs < 2 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "sendto() takes 2 or 3 arguments (%zd given)", nargs);
        return NULL;
    }
    if (gosp_net_begin(&c, op, args, nargs, NULL) < 0 || gosp_net_flags(&c, nargs == 3 ? args[1] : NULL) < 0)
        return NULL;
    PyObject *address = args[nargs - 1];
    if (!gosp_address_of(op, address, &storage, &size))
        return gosp_net_base_again(&c, GOS_POLL_OUT, "sendto", args, nargs);
    if (PySys_Audit("socket.sendto", "OO", op, address) < 0 || PyObject_GetBuffer(args[0], &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    do {
        n = GOSI_PLATFORM(sendto, c.fd, buffer.buf, (size_t)buffer.len, c.flags, (const struct sockaddr *)&storage, size);
        next = gosp_net_after(&c, n, GOS_POLL_OUT);
    } while (next == GOSP_AGAIN);
    PyBuffer_Release(&buffer);
    return next == GOSP_DONE ? PyLong_FromSsize_t(n) : NULL;
}

/* ---- buffers ---- */

typedef struct {
    Py_buffer *buffers;
    struct iovec *parts;
    Py_ssize_t count; /* of buffers that are held */
} scatter;

static void scatter_end(scatter *sc)
{
    while (sc->count > 0)
        PyBuffer_Release(&sc->buffers[--sc->count]);
    PyMem_Free(sc->buffers);
    PyMem_Free(sc->parts);
}

/* list: a list or tuple. kind: "w*" or "y*", of PyArg_Parse. */
static int scatter_begin(scatter *sc, PyObject *list, const char *kind)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
    *sc = (scatter){.buffers = PyMem_Calloc((size_t)n + 1, sizeof *sc->buffers), .parts = PyMem_Calloc((size_t)n + 1, sizeof *sc->parts)};
    if (!sc->buffers || !sc->parts) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n && i < PySequence_Fast_GET_SIZE(list); i++) {
        if (!PyArg_Parse(PySequence_Fast_GET_ITEM(list, i), kind, &sc->buffers[i]))
            return -1;
        sc->parts[i] = (struct iovec){.iov_base = sc->buffers[i].buf, .iov_len = (size_t)sc->buffers[i].len};
        sc->count = i + 1;
    }
    return 0;
}

/* ---- recvmsg ---- */

static void close_received(const struct msghdr *m)
{
    for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR((struct msghdr *)m, cm)) {
        if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS || cm->cmsg_len < CMSG_LEN(0))
            continue;
        for (size_t at = 0; at + sizeof(int) <= cm->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(cm) + at, sizeof fd);
            (void)GOSI_PLATFORM(close, fd);
        }
    }
}

static PyObject *ancillary_of(const struct msghdr *m)
{
    PyObject *list = PyList_New(0);
    for (struct cmsghdr *cm = list && m->msg_controllen ? CMSG_FIRSTHDR(m) : NULL; cm; cm = CMSG_NXTHDR((struct msghdr *)m, cm)) {
        const unsigned char *data = CMSG_DATA(cm);
        const unsigned char *end = (const unsigned char *)m->msg_control + m->msg_controllen;
        size_t size = cm->cmsg_len > CMSG_LEN(0) ? cm->cmsg_len - CMSG_LEN(0) : 0;
        if (data > end)
            size = 0;
        else if (size > (size_t)(end - data)) /* cut off */
            size = (size_t)(end - data);
        PyObject *item = Py_BuildValue("(iiy#)", cm->cmsg_level, cm->cmsg_type, (const char *)data, (Py_ssize_t)size);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
        if (!list)
            break;
    }
    return list;
}

/* first: what the result begins with, a new reference or NULL with an exception. */
static PyObject *message_of(const struct msghdr *m, PyObject *first)
{
    PyObject *ancillary = first ? ancillary_of(m) : NULL;
    PyObject *sender = ancillary ? gosp_address_object(m->msg_name, m->msg_namelen) : NULL;
    if (sender)
        return Py_BuildValue("(NNiN)", first, ancillary, m->msg_flags, sender);
    close_received(m);
    Py_XDECREF(first);
    Py_XDECREF(ancillary);
    return NULL;
}

/* m's iovec is set. */
static ssize_t receive_message(gosp_netcall *c, struct msghdr *m, struct sockaddr_storage *storage, size_t control_room)
{
    enum gosp_next next;
    ssize_t n;
    do {
        memset(storage, 0, sizeof *storage);
        m->msg_name = storage;
        m->msg_namelen = sizeof *storage;
        m->msg_controllen = control_room;
        m->msg_flags = 0;
        n = GOSI_PLATFORM(recvmsg, c->fd, m, c->flags);
        next = gosp_net_after(c, n, GOS_POLL_IN);
    } while (next == GOSP_AGAIN);
    return next == GOSP_DONE ? n : -1;
}

/* args[1:]: room for ancillary data, flags. 1: in order; 0: it is the standard library's. -1 with an exception. */
static int begin_message(gosp_netcall *c, PyObject *op, PyObject *const *args, Py_ssize_t nargs, int *room)
{
    if (nargs < 1 || nargs > 3)
        return 0;
    if (gosp_net_begin(c, op, args, nargs, NULL) < 0 || gosp_net_flags(c, nargs == 3 ? args[2] : NULL) < 0)
        return -1;
    long wanted = nargs > 1 ? PyLong_AsLong(args[1]) : 0;
    if (wanted == -1 && PyErr_Occurred())
        return -1;
    *room = (int)wanted;
    return gosp_address_is_known(op) && wanted >= 0 && wanted <= MOST_CONTROL;
}

static PyObject *sock_recvmsg(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct sockaddr_storage storage;
    gosp_netcall c = {.op = op, .s = gosp_sock_of(op)};
    int room = 0, ok = begin_message(&c, op, args, nargs, &room);
    if (ok < 0)
        return NULL;
    Py_ssize_t size = ok ? PyLong_AsSsize_t(args[0]) : 0;
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (!ok || size < 0)
        return c.th ? gosp_net_base_again(&c, GOS_POLL_IN, "recvmsg", args, nargs) : gosp_net_base(op, "recvmsg", args, nargs);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size), *result = NULL;
    char *control = PyMem_Malloc((size_t)room + 1);
    if (bytes && control) {
        struct iovec part = {.iov_base = PyBytes_AS_STRING(bytes), .iov_len = (size_t)size};
        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
        ssize_t n = receive_message(&c, &m, &storage, (size_t)room);
        if (n >= 0 && n < size && _PyBytes_Resize(&bytes, n) < 0)
            close_received(&m);
        else if (n >= 0)
            result = message_of(&m, Py_NewRef(bytes));
    } else if (bytes) {
        PyErr_NoMemory();
    }
    PyMem_Free(control);
    Py_XDECREF(bytes);
    return result;
}

static PyObject *sock_recvmsg_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct sockaddr_storage storage;
    gosp_netcall c = {.op = op, .s = gosp_sock_of(op)};
    int room = 0, ok = begin_message(&c, op, args, nargs, &room);
    if (ok < 0)
        return NULL;
    PyObject *list = nargs ? PySequence_Fast(args[0], "recvmsg_into() argument 1 must be an iterable") : NULL, *result = NULL;
    if (nargs && !list)
        return NULL;
    if (!ok || PySequence_Fast_GET_SIZE(list) > MOST_BUFFERS) {
        PyObject *all[3] = {list, nargs > 1 ? args[1] : NULL, nargs > 2 ? args[2] : NULL};
        result = c.th ? gosp_net_base_again(&c, GOS_POLL_IN, "recvmsg_into", all, nargs)
                      : gosp_net_base(op, "recvmsg_into", nargs && nargs <= 3 ? all : args, nargs);
        Py_XDECREF(list);
        return result;
    }
    scatter sc;
    char *control = PyMem_Malloc((size_t)room + 1);
    int rc = scatter_begin(&sc, list, "w*");
    if (rc == 0 && control) {
        struct msghdr m = {.msg_iov = sc.parts, .msg_iovlen = (size_t)sc.count, .msg_control = control};
        ssize_t n = receive_message(&c, &m, &storage, (size_t)room);
        result = n >= 0 ? message_of(&m, PyLong_FromSsize_t(n)) : NULL;
    } else if (rc == 0) {
        PyErr_NoMemory();
    }
    scatter_end(&sc);
    PyMem_Free(control);
    Py_DECREF(list);
    return result;
}

/* ---- sendmsg ---- */

/* The control block for a list of (level, type, data): *size bytes. NULL without an exception: not in order, or with one. */
static char *control_of(PyObject *list, size_t *size)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
    char *control = PyMem_Calloc(1, MOST_CONTROL);
    if (!control) {
        PyErr_NoMemory();
        return NULL;
    }
    *size = 0;
    for (Py_ssize_t i = 0; i < n && i < PySequence_Fast_GET_SIZE(list); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(list, i);
        int level, type;
        Py_buffer data;
        if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "iiy*", &level, &type, &data))
            goto odd;
        size_t length = (size_t)data.len;
        if (length > MOST_CONTROL || *size + CMSG_SPACE(length) > MOST_CONTROL) {
            PyBuffer_Release(&data);
            goto odd;
        }
        struct cmsghdr *cm = (struct cmsghdr *)(void *)(control + *size);
        cm->cmsg_level = level;
        cm->cmsg_type = type;
        cm->cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(cm), data.buf, length);
        *size += CMSG_SPACE(length);
        PyBuffer_Release(&data);
    }
    return control;
odd:
    PyErr_Clear();
    PyMem_Free(control);
    return NULL;
}

static ssize_t send_message(gosp_netcall *c, const struct msghdr *m)
{
    enum gosp_next next;
    ssize_t n;
    do {
        n = GOSI_PLATFORM(sendmsg, c->fd, m, c->flags);
        next = gosp_net_after(c, n, GOS_POLL_OUT);
    } while (next == GOSP_AGAIN);
    return next == GOSP_DONE ? n : -1;
}

/* address: None, or it has been put into m. */
static PyObject *send_parts(gosp_netcall *c, PyObject *buffers, PyObject *address, struct msghdr *m)
{
    scatter sc;
    ssize_t n = -1;
    if (scatter_begin(&sc, buffers, "y*") == 0 && PySys_Audit("socket.sendmsg", "OO", c->op, address) == 0) {
        m->msg_iov = sc.parts;
        m->msg_iovlen = (size_t)sc.count;
        n = send_message(c, m);
    }
    scatter_end(&sc);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *send_lists(gosp_netcall *c, PyObject *const *args, Py_ssize_t nargs, PyObject *buffers, PyObject *ancillary)
{
    struct sockaddr_storage storage;
    socklen_t address_size = 0;
    size_t control_size = 0;
    PyObject *address = nargs > 3 ? args[3] : Py_None, *result = NULL;
    PyObject *all[4] = {buffers, ancillary, nargs > 2 ? args[2] : NULL, address};
    char *control = NULL;
    int ok = address == Py_None ? gosp_address_is_known(c->op) : gosp_address_of(c->op, address, &storage, &address_size);
    ok &= PySequence_Fast_GET_SIZE(buffers) <= MOST_BUFFERS;
    if (ok && ancillary && PySequence_Fast_GET_SIZE(ancillary)) {
        control = control_of(ancillary, &control_size);
        if (PyErr_Occurred())
            return NULL;
        ok = control != NULL;
    }
    if (ok) {
        struct msghdr m = {.msg_name = address_size ? &storage : NULL, .msg_namelen = address_size,
                           .msg_control = control, .msg_controllen = control_size};
        result = send_parts(c, buffers, address, &m);
    } else {
        result = gosp_net_base_again(c, GOS_POLL_OUT, "sendmsg", all, nargs);
    }
    PyMem_Free(control);
    return result;
}

static PyObject *sock_sendmsg(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_netcall c;
    if (nargs < 1 || nargs > 4)
        return gosp_net_base(op, "sendmsg", args, nargs);
    if (gosp_net_begin(&c, op, args, nargs, NULL) < 0 || gosp_net_flags(&c, nargs > 2 ? args[2] : NULL) < 0)
        return NULL;
    /* They may come from generators, but a call may have to be repeated. */
    PyObject *buffers = PySequence_Fast(args[0], "sendmsg(): argument 1 must be iterable");
    PyObject *ancillary = buffers && nargs > 1 ? PySequence_Fast(args[1], "sendmsg(): argument 2 must be iterable") : NULL;
    PyObject *result = buffers && (nargs == 1 || ancillary) ? send_lists(&c, args, nargs, buffers, ancillary) : NULL;
    Py_XDECREF(buffers);
    Py_XDECREF(ancillary);
    return result;
}

PyMethodDef gosp_net_message_methods[] = {
    {"recvfrom", (PyCFunction)(void (*)(void))sock_recvfrom, METH_FASTCALL,
     "recvfrom($self, bufsize, flags=0, /)\n--\n\n(data, address of the sender)."},
    {"recvfrom_into", (PyCFunction)(void (*)(void))sock_recvfrom_into, METH_FASTCALL | METH_KEYWORDS,
     "recvfrom_into($self, buffer, nbytes=0, flags=0)\n--\n\n(number of bytes, address of the sender)."},
    {"sendto", (PyCFunction)(void (*)(void))sock_sendto, METH_FASTCALL, "sendto(data, [flags,] address): how many bytes."},
    {"recvmsg", (PyCFunction)(void (*)(void))sock_recvmsg, METH_FASTCALL,
     "recvmsg($self, bufsize, ancbufsize=0, flags=0, /)\n--\n\n(data, ancillary data, flags, address)."},
    {"recvmsg_into", (PyCFunction)(void (*)(void))sock_recvmsg_into, METH_FASTCALL,
     "recvmsg_into($self, buffers, ancbufsize=0, flags=0, /)\n--\n\n(number of bytes, ancillary data, flags, address)."},
    {"sendmsg", (PyCFunction)(void (*)(void))sock_sendmsg, METH_FASTCALL,
     "sendmsg($self, buffers, ancdata=(), flags=0, address=None, /)\n--\n\nHow many bytes."},
    {NULL},
};
