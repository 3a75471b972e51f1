/* net_life.c - what happens to a socket besides its bytes: opening, connections, options, names, closing. See net.h. */
#include "net.h"

#include <netinet/in.h>

/* ---- opening and closing ---- */

static PyObject *sock_adopt(PyObject *op, PyObject *args)
{
    int fd, family, type, proto;
    gosp_sock *s = gosp_sock_of(op);
    if (!PyArg_ParseTuple(args, "iiii:_adopt", &fd, &family, &type, &proto))
        return NULL;
    if (gos_poll_close(gosp_self ? &gosp_self->sched : NULL, fd) == GOS_ENOMEM) /* whatever the poller knew of this number */
        return PyErr_NoMemory();
    s->fd = fd;
    s->family = (uint16_t)family;
    s->empties = (family == AF_INET || family == AF_INET6) && type == SOCK_STREAM && (proto == 0 || proto == IPPROTO_TCP);
    Py_RETURN_NONE;
}

/* The descriptor, which is nobody's now; -1: it was closed already. */
static PyObject *sock_release(PyObject *op, PyObject *unused)
{
    gosp_sock *s = gosp_sock_of(op);
    int fd = s->fd;
    (void)unused;
    if (fd >= 0 && gos_poll_close(gosp_self ? &gosp_self->sched : NULL, fd) == GOS_ENOMEM)
        return PyErr_NoMemory();
    s->fd = -1;
    return PyLong_FromLong(fd);
}

static PyObject *net_open(PyObject *module, PyObject *args)
{
    int family, type, proto;
    (void)module;
    if (!PyArg_ParseTuple(args, "iii:_open_socket", &family, &type, &proto))
        return NULL;
    int fd = GOSI_PLATFORM(socket, family, type, proto);
    return fd < 0 ? gosp_net_raise(fd) : PyLong_FromLong(fd);
}

static PyObject *net_open_pair(PyObject *module, PyObject *args)
{
    int family, type, proto, fds[2];
    (void)module;
    if (!PyArg_ParseTuple(args, "iii:_open_pair", &family, &type, &proto))
        return NULL;
    int rc = GOSI_PLATFORM(socketpair, family, type, proto, fds);
    return rc < 0 ? gosp_net_raise(rc) : Py_BuildValue("(ii)", fds[0], fds[1]);
}

static PyObject *net_close(PyObject *module, PyObject *arg)
{
    long fd = PyLong_AsLong(arg);
    (void)module;
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    int rc = GOSI_PLATFORM(close, (int)fd);
    if (rc < 0 && rc != -ECONNRESET) /* of the connection, not of closing */
        return gosp_net_raise(rc);
    Py_RETURN_NONE;
}

/* ---- connections ---- */

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

static PyObject *sock_accept(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_netcall c;
    enum gosp_next next = GOSP_AGAIN;
    struct sockaddr_storage storage;
    socklen_t size = 0;
    int fd = -1;
    if (gosp_net_begin(&c, op, args, nargs, NULL) < 0)
        return NULL;
    while (next == GOSP_AGAIN) {
        memset(&storage, 0, sizeof storage);
        size = sizeof storage;
        fd = GOSI_PLATFORM(accept, c.fd, (struct sockaddr *)&storage, &size);
        if (fd < 0 && is_of_the_connection(-fd))
            continue;
        next = gosp_net_after(&c, fd, GOS_POLL_IN);
    }
    if (next != GOSP_DONE)
        return NULL;
    PyObject *address = gosp_address_is_known(op) ? gosp_address_object(&storage, size) : Py_NewRef(Py_None);
    PyObject *result = address ? Py_BuildValue("(iN)", fd, address) : NULL;
    if (!result)
        (void)GOSI_PLATFORM(close, fd);
    return result;
}

/* One attempt, without waiting: 0, or an errno. */
static PyObject *sock_connect_once(PyObject *op, PyObject *address)
{
    struct sockaddr_storage storage;
    socklen_t size;
    gosp_netcall c;
    if (!gosp_address_of(op, address, &storage, &size))
        return gosp_net_base(op, "connect_ex", &address, 1);
    if (PySys_Audit("socket.connect", "OO", op, address) < 0 || gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
        return NULL;
    int rc = GOSI_PLATFORM(connect, c.fd, (const struct sockaddr *)&storage, size);
    return rc == -ENOSYS ? gosp_net_raise(rc) : PyLong_FromLong(-rc);
}

static PyObject *done(int rc)
{
    if (rc < 0)
        return gosp_net_raise(rc);
    Py_RETURN_NONE;
}

static PyObject *sock_bind(PyObject *op, PyObject *address)
{
    struct sockaddr_storage storage;
    socklen_t size;
    gosp_netcall c;
    if (!gosp_address_of(op, address, &storage, &size))
        return gosp_net_base(op, "bind", &address, 1);
    if (PySys_Audit("socket.bind", "OO", op, address) < 0 || gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
        return NULL;
    return done(GOSI_PLATFORM(bind, c.fd, (const struct sockaddr *)&storage, size));
}

static PyObject *sock_listen(PyObject *op, PyObject *args)
{
    int backlog = SOMAXCONN < 128 ? SOMAXCONN : 128;
    gosp_netcall c;
    if (!PyArg_ParseTuple(args, "|i:listen", &backlog) || gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
        return NULL;
    return done(GOSI_PLATFORM(listen, c.fd, backlog < 0 ? 0 : backlog));
}

static PyObject *sock_shutdown(PyObject *op, PyObject *arg)
{
    gosp_netcall c;
    int how;
    if (!PyArg_Parse(arg, "i:shutdown", &how) || gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
        return NULL;
    return done(GOSI_PLATFORM(shutdown, c.fd, how));
}

/* ---- names ---- */

static PyObject *name_of(PyObject *op, const char *method, int peer)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    gosp_netcall c;
    if (!gosp_address_is_known(op))
        return gosp_net_base(op, method, NULL, 0);
    if (gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
        return NULL;
    memset(&storage, 0, sizeof storage);
    int rc = peer ? GOSI_PLATFORM(getpeername, c.fd, (struct sockaddr *)&storage, &size)
                  : GOSI_PLATFORM(getsockname, c.fd, (struct sockaddr *)&storage, &size);
    return rc < 0 ? gosp_net_raise(rc) : gosp_address_object(&storage, size);
}

static PyObject *sock_getsockname(PyObject *op, PyObject *unused)
{
    (void)unused;
    return name_of(op, "getsockname", 0);
}

static PyObject *sock_getpeername(PyObject *op, PyObject *unused)
{
    (void)unused;
    return name_of(op, "getpeername", 1);
}

/* ---- options ---- */

static PyObject *sock_getsockopt(PyObject *op, PyObject *args)
{
    int level, name, room = 0, number = 0;
    char bytes[1024];
    gosp_netcall c;
    if (!PyArg_ParseTuple(args, "ii|i:getsockopt", &level, &name, &room) || gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
        return NULL;
    if (!gosp_address_is_known(op)) /* some families have options of their own */
        return PyTuple_GET_SIZE(args) == 2 ? gosp_net_base(op, "getsockopt", &PyTuple_GET_ITEM(args, 0), 2)
                                           : gosp_net_base(op, "getsockopt", &PyTuple_GET_ITEM(args, 0), 3);
    if (room < 0 || room > (int)sizeof bytes) {
        PyErr_SetString(PyExc_OSError, "getsockopt buflen out of range");
        return NULL;
    }
    socklen_t size = room ? (socklen_t)room : (socklen_t)sizeof number;
    memset(bytes, 0, sizeof bytes);
    int rc = GOSI_PLATFORM(getsockopt, c.fd, level, name, room ? (void *)bytes : (void *)&number, &size);
    if (rc < 0)
        return gosp_net_raise(rc);
    return room ? PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size) : PyLong_FromLong(number);
}

enum { TLS_IN_THE_KERNEL = 31 }; /* TCP_ULP of Linux: reads end with a record, whatever else is there */

static PyObject *sock_setsockopt(PyObject *op, PyObject *args)
{
    int level, name, number;
    unsigned size;
    PyObject *value, *none;
    Py_buffer buffer;
    gosp_netcall c;
    if (gosp_address_is_known(op) && PyArg_ParseTuple(args, "iii:setsockopt", &level, &name, &number)) {
        if (gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
            return NULL;
        return done(GOSI_PLATFORM(setsockopt, c.fd, level, name, &number, sizeof number));
    }
    PyErr_Clear();
    if (gosp_address_is_known(op) && PyArg_ParseTuple(args, "iiO!I:setsockopt", &level, &name, Py_TYPE(Py_None), &none, &size)) {
        if (gosp_net_begin(&c, op, NULL, 0, NULL) < 0)
            return NULL;
        return done(GOSI_PLATFORM(setsockopt, c.fd, level, name, NULL, size));
    }
    PyErr_Clear();
    if (gosp_address_is_known(op) && PyArg_ParseTuple(args, "iiO:setsockopt", &level, &name, &value) &&
        PyObject_GetBuffer(value, &buffer, PyBUF_SIMPLE) == 0) {
        int rc = gosp_net_begin(&c, op, NULL, 0, NULL);
        if (level == IPPROTO_TCP && name == TLS_IN_THE_KERNEL)
            gosp_sock_of(op)->empties = 0;
        if (rc == 0)
            rc = GOSI_PLATFORM(setsockopt, c.fd, level, name, buffer.buf, (socklen_t)buffer.len);
        PyBuffer_Release(&buffer);
        return PyErr_Occurred() ? NULL : done(rc);
    }
    PyErr_Clear();
    return gosp_net_base(op, "setsockopt", &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args));
}

/* ---- files ---- */

static PyObject *sock_sendfile(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    gosp_netcall c;
    enum gosp_next next;
    ssize_t n;
    if (nargs != 3) {
        PyErr_Format(PyExc_TypeError, "_send_file() takes 3 arguments (%zd given)", nargs);
        return NULL;
    }
    long in = PyLong_AsLong(args[0]);
    long long offset = PyLong_AsLongLong(args[1]), size = PyLong_AsLongLong(args[2]);
    if (PyErr_Occurred() || gosp_net_begin(&c, op, args, nargs, NULL) < 0)
        return NULL;
    do {
        int64_t at = offset;
        n = GOSI_PLATFORM(sendfile, c.fd, (int)in, &at, (size_t)size);
        next = gosp_net_after(&c, n, GOS_POLL_OUT);
    } while (next == GOSP_AGAIN);
    return next == GOSP_DONE ? PyLong_FromSsize_t(n) : NULL;
}

PyMethodDef gosp_net_life_methods[] = {
    {"_adopt", sock_adopt, METH_VARARGS, "_adopt($self, descriptor, family, type, proto, /)\n--\n\nIts descriptor is set."},
    {"_release", sock_release, METH_NOARGS,
     "_release($self, /)\n--\n\nThe descriptor is about to go: tasklets that wait get OSError (EBADF). Returns it, or -1."},
    {"_accept", (PyCFunction)(void (*)(void))sock_accept, METH_FASTCALL,
     "_accept($self, /)\n--\n\nA connection's descriptor, non-blocking, and its peer's address; None: ask for it."},
    {"_connect_once", sock_connect_once, METH_O, "_connect_once($self, address, /)\n--\n\n0, or an errno."},
    {"_send_file", (PyCFunction)(void (*)(void))sock_sendfile, METH_FASTCALL,
     "_send_file($self, descriptor, offset, size, /)\n--\n\nos.sendfile, waiting for room."},
    {"bind", sock_bind, METH_O, "bind($self, address, /)\n--\n\nGive it a local address."},
    {"listen", sock_listen, METH_VARARGS, "listen($self, backlog=128, /)\n--\n\nLet others connect to it."},
    {"shutdown", sock_shutdown, METH_O, "shutdown($self, how, /)\n--\n\nEnd one half of the connection, or both."},
    {"getsockname", sock_getsockname, METH_NOARGS, "getsockname($self, /)\n--\n\nIts local address."},
    {"getpeername", sock_getpeername, METH_NOARGS, "getpeername($self, /)\n--\n\nIts peer's address."},
    {"getsockopt", sock_getsockopt, METH_VARARGS,
     "getsockopt($self, level, option, buflen=0, /)\n--\n\nAn option, as an int; with buflen as bytes."},
    {"setsockopt", sock_setsockopt, METH_VARARGS,
     "setsockopt($self, level, option, value, optlen=0, /)\n--\n\nSet an option to an int, to bytes, or to nothing of optlen bytes."},
    {NULL},
};

PyMethodDef gosp_net_life_functions[] = {
    {"_open_socket", net_open, METH_VARARGS, "_open_socket($module, family, type, proto, /)\n--\n\nA new socket's descriptor."},
    {"_open_pair", net_open_pair, METH_VARARGS, "_open_pair($module, family, type, proto, /)\n--\n\nTwo descriptors, connected."},
    {"_close_socket", net_close, METH_O, "_close_socket($module, descriptor, /)\n--\n\nClose a descriptor that _release has given."},
    {NULL},
};
