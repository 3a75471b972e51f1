/* net.h - inside of gossamer.net.socket: sockets whose calls try, wait, and try again.
 *
 * The type is made at the first import of gossamer.net.socket, as a subclass of the standard library's socket.socket, whose
 * fields stay its own; ours lie behind them. The descriptor is non-blocking; the timeout is ours. Whoever closes it tells the
 * poller first. All system calls go through the platform table (core/poll/platform.h), but those of address families
 * that are not known here: these are left to the standard library's methods.
 * Locking: the GIL, held during the calls, which do not block.
 */
#ifndef GOSP_NET_H
#define GOSP_NET_H

#include "gosp.h"
#include "poll/platform.h"

typedef struct {
    double timeout;  /* seconds; negative: None */
    int fd;          /* -1: closed. As the base's, which is set and closed by us only */
    uint16_t family;
    uint8_t empties; /* TCP: a short read has taken all there was */
} gosp_sock;

extern Py_ssize_t gosp_sock_offset;
extern PyTypeObject *gosp_sock_type; /* NULL: not made yet */

static inline gosp_sock *gosp_sock_of(PyObject *op)
{
    return (gosp_sock *)((char *)op + gosp_sock_offset);
}

/* One call of a method, with the waits in it. */
typedef struct {
    gosp_thread *th;
    PyObject *op;
    gosp_sock *s;
    int fd, flags;
    int64_t deadline; /* 0: not needed yet */
    PyObject *const *args;
    Py_ssize_t nargs; /* keyword arguments included */
} gosp_netcall;

enum gosp_next { GOSP_DONE, GOSP_AGAIN, GOSP_FAILED };

/* -1 with an exception. kwnames may be NULL. */
int gosp_net_begin(gosp_netcall *c, PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* The call has returned rc, or a negative errno; it needs one of events. Waits if that helps. */
enum gosp_next gosp_net_after(gosp_netcall *c, ssize_t rc, unsigned events);
/* Wait for events. */
enum gosp_next gosp_net_wait(gosp_netcall *c, unsigned events);
/* FAILED; ENOSYS: the platform has no such call, NotImplementedError. */
enum gosp_next gosp_net_errno(int error);
/* As gosp_net_errno: NULL. */
static inline PyObject *gosp_net_raise(ssize_t rc)
{
    (void)gosp_net_errno((int)-rc);
    return NULL;
}

/* The method of the standard library's class. */
PyObject *gosp_net_base(PyObject *op, const char *method, PyObject *const *args, Py_ssize_t nargs);

/* As gosp_net_base, waiting for events as often as it takes. */
PyObject *gosp_net_base_again(gosp_netcall *c, unsigned events, const char *method, PyObject *const *args, Py_ssize_t nargs);
/* An int, for c->flags; NULL is 0. -1 with an exception. */
int gosp_net_flags(gosp_netcall *c, PyObject *flags);

/* ---- net_address.c ---- */

/* An address as the methods of socket show it; for families that are not known here, (family, bytes). */
PyObject *gosp_address_object(const struct sockaddr_storage *storage, socklen_t size);
/* 1: storage holds it; 0: it is none that is known here, or not in order: the standard library knows. No exceptions. */
int gosp_address_of(PyObject *op, PyObject *address, struct sockaddr_storage *storage, socklen_t *size);
/* AF_INET, AF_INET6 or AF_UNIX? */
int gosp_address_is_known(PyObject *op);

/* Methods and functions, for net.c to gather. */
extern PyMethodDef gosp_net_methods[], gosp_net_message_methods[], gosp_net_life_methods[];

#endif
