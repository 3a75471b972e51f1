/* net_address.c - addresses of AF_INET, AF_INET6 and AF_UNIX, from and to what the methods of socket take and show.
 *
 * Hosts are numbers here: names have been looked up before. What is not in order is left to the standard library, which has the errors.
 */
#include "net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

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

PyObject *gosp_address_object(const struct sockaddr_storage *storage, socklen_t size)
{
    const struct sockaddr_in *in4 = (const void *)storage;
    const struct sockaddr_in6 *in6 = (const void *)storage;
    if (size == 0) /* a peer without an address, or the one peer of a connection */
        Py_RETURN_NONE;
    if (size > sizeof *storage)
        size = sizeof *storage;
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
    return Py_BuildValue("(iy#)", (int)storage->ss_family, (const char *)&((const struct sockaddr *)storage)->sa_data,
                         (Py_ssize_t)(size > sizeof(sa_family_t) ? size - sizeof(sa_family_t) : 0));
}

/* A number that is no bool, from 0 to most: 1; else 0, without an exception. */
static int number_of(PyObject *op, unsigned long most, unsigned long *value)
{
    if (!PyLong_CheckExact(op))
        return 0;
    *value = PyLong_AsUnsignedLong(op);
    if (PyErr_Occurred())
        PyErr_Clear();
    else if (*value <= most)
        return 1;
    return 0;
}

static int host_of(int family, PyObject *host, void *ip)
{
    if (!PyUnicode_CheckExact(host))
        return 0;
    const char *text = PyUnicode_AsUTF8(host);
    if (!text) {
        PyErr_Clear();
        return 0;
    }
    if (family == AF_INET && (!*text || strcmp(text, "<broadcast>") == 0)) {
        ((struct in_addr *)ip)->s_addr = htonl(*text ? INADDR_BROADCAST : INADDR_ANY);
        return 1;
    }
    if (family == AF_INET6 && !*text) {
        *(struct in6_addr *)ip = in6addr_any;
        return 1;
    }
    return inet_pton(family, text, ip) == 1;
}

static int internet_of(int family, PyObject *address, struct sockaddr_storage *storage, socklen_t *size)
{
    unsigned long port, flow = 0, scope = 0;
    if (!PyTuple_Check(address))
        return 0;
    Py_ssize_t n = PyTuple_GET_SIZE(address);
    if (n < 2 || n > (family == AF_INET ? 2 : 4) || !number_of(PyTuple_GET_ITEM(address, 1), 0xffff, &port) ||
        (n > 2 && !number_of(PyTuple_GET_ITEM(address, 2), 0xfffff, &flow)) ||
        (n > 3 && !number_of(PyTuple_GET_ITEM(address, 3), 0xffffffff, &scope)))
        return 0;
    if (family == AF_INET) {
        struct sockaddr_in *in4 = (void *)storage;
        *in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        *size = sizeof *in4;
        return host_of(family, PyTuple_GET_ITEM(address, 0), &in4->sin_addr);
    }
    struct sockaddr_in6 *in6 = (void *)storage;
    *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port),
                                 .sin6_flowinfo = htonl((uint32_t)flow), .sin6_scope_id = (uint32_t)scope};
    *size = sizeof *in6;
    return host_of(family, PyTuple_GET_ITEM(address, 0), &in6->sin6_addr);
}

static int unix_of(PyObject *address, struct sockaddr_storage *storage, socklen_t *size)
{
    struct sockaddr_un *un = (void *)storage;
    Py_buffer path;
    PyObject *bytes = PyUnicode_Check(address) ? PyUnicode_EncodeFSDefault(address) : Py_NewRef(address);
    int known = 0;
    if (bytes && PyObject_GetBuffer(bytes, &path, PyBUF_SIMPLE) == 0) {
        int is_abstract = path.len == 0 || !((const char *)path.buf)[0];
        known = (size_t)path.len < sizeof un->sun_path + (is_abstract ? 1u : 0u);
        if (known) {
            memset(un, 0, sizeof *un);
            un->sun_family = AF_UNIX;
            memcpy(un->sun_path, path.buf, (size_t)path.len);
            *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)path.len + (is_abstract ? 0u : 1u));
        }
        PyBuffer_Release(&path);
    }
    PyErr_Clear();
    Py_XDECREF(bytes);
    return known;
}

int gosp_address_is_known(PyObject *op)
{
    int family = gosp_sock_of(op)->family;
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

int gosp_address_of(PyObject *op, PyObject *address, struct sockaddr_storage *storage, socklen_t *size)
{
    int family = gosp_sock_of(op)->family;
    if (family == AF_UNIX)
        return unix_of(address, storage, size);
    return (family == AF_INET || family == AF_INET6) && internet_of(family, address, storage, size);
}
