/* posix.c - the platform table of Linux and its like. */
#define _GNU_SOURCE
#include "platform.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#endif

#define RESULT(call)                                                                             \
    do {                                                                                         \
        __typeof__(call) posix_result = (call);                                                  \
        return posix_result < 0 ? -errno : posix_result;                                         \
    } while (0)

static struct timespec *span(int64_t timeout_ns, struct timespec *ts)
{
    if (timeout_ns < 0)
        return NULL;
    *ts = (struct timespec){.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    return ts;
}

static int posix_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns)
{
    struct timespec ts;
    RESULT(ppoll(fds, count, span(timeout_ns, &ts), NULL));
}

#ifdef __linux__

static int posix_epoll_create(void)
{
    RESULT(epoll_create1(EPOLL_CLOEXEC));
}

static int posix_epoll_ctl(int ep, int what, int fd, struct epoll_event *event)
{
    RESULT(epoll_ctl(ep, what, fd, event));
}

/* Rounded up: waking before the deadline would mean to spin until it. */
static int milliseconds(int64_t timeout_ns)
{
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + 999999) / 1000000;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int posix_epoll_wait(int ep, struct epoll_event *events, int room, int64_t timeout_ns)
{
#ifdef SYS_epoll_pwait2
    static int missing; /* before Linux 5.11, or forbidden: it waits in whole milliseconds */
    if (timeout_ns > 0 && sizeof(long) == 8 && !__atomic_load_n(&missing, __ATOMIC_RELAXED)) {
        struct timespec ts;
        long n = syscall(SYS_epoll_pwait2, ep, events, room, span(timeout_ns, &ts), NULL, 0);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n < 0 ? -errno : (int)n;
        __atomic_store_n(&missing, 1, __ATOMIC_RELAXED);
    }
#endif
    RESULT(epoll_wait(ep, events, room, milliseconds(timeout_ns)));
}

static int posix_bell_open(int *reading)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    *reading = fd;
    return fd < 0 ? -errno : fd;
}

static ssize_t posix_sendfile(int out, int in, int64_t *offset, size_t size)
{
    off_t at = (off_t)(offset ? *offset : 0);
    ssize_t n = sendfile(out, in, offset ? &at : NULL, size);
    if (n < 0)
        return -errno;
    if (offset)
        *offset = at;
    return n;
}

#else

static int posix_bell_open(int *reading)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
        return -errno;
    *reading = ends[0];
    return ends[1];
}

#endif

static int posix_socket(int family, int type, int protocol)
{
    RESULT(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

static int posix_socketpair(int family, int type, int protocol, int fds[2])
{
    RESULT(socketpair(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol, fds));
}

static int posix_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    RESULT(bind(fd, address, size));
}

static int posix_listen(int fd, int backlog)
{
    RESULT(listen(fd, backlog));
}

static int posix_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    RESULT(accept4(fd, address, size, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

static int posix_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    RESULT(connect(fd, address, size));
}

static ssize_t posix_recv(int fd, void *bytes, size_t size, int flags)
{
    RESULT(recv(fd, bytes, size, flags));
}

static ssize_t posix_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address, socklen_t *address_size)
{
    RESULT(recvfrom(fd, bytes, size, flags, address, address_size));
}

static ssize_t posix_recvmsg(int fd, struct msghdr *message, int flags)
{
    RESULT(recvmsg(fd, message, flags));
}

/* A socket whose peer has gone is EPIPE, never the death of the process. */
static ssize_t posix_send(int fd, const void *bytes, size_t size, int flags)
{
    RESULT(send(fd, bytes, size, flags | MSG_NOSIGNAL));
}

static ssize_t posix_sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address, socklen_t address_size)
{
    RESULT(sendto(fd, bytes, size, flags | MSG_NOSIGNAL, address, address_size));
}

static ssize_t posix_sendmsg(int fd, const struct msghdr *message, int flags)
{
    RESULT(sendmsg(fd, message, flags | MSG_NOSIGNAL));
}

static int posix_shutdown(int fd, int how)
{
    RESULT(shutdown(fd, how));
}

static int posix_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    RESULT(getsockopt(fd, level, name, value, size));
}

static int posix_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    RESULT(setsockopt(fd, level, name, value, size));
}

static int posix_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    RESULT(getsockname(fd, address, size));
}

static int posix_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    RESULT(getpeername(fd, address, size));
}

static int posix_set_blocking(int fd, int blocking)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (flags < 0 || (flags != wanted && fcntl(fd, F_SETFL, wanted) < 0))
        return -errno;
    return 0;
}

static ssize_t posix_read(int fd, void *bytes, size_t size)
{
    RESULT(read(fd, bytes, size));
}

static ssize_t posix_write(int fd, const void *bytes, size_t size)
{
    RESULT(write(fd, bytes, size));
}

static int posix_is_open(int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? -errno : 1;
}

static int posix_close(int fd)
{
    RESULT(close(fd));
}

const struct gosi_platform gosi_platform_native = {
    .name = "posix",
#ifdef __linux__
    .short_read_empties = 1, /* epoll(7) promises it; urgent data is told of by EPOLLPRI */
#endif
    .poll = posix_poll,
#ifdef __linux__
    .epoll_create = posix_epoll_create,
    .epoll_ctl = posix_epoll_ctl,
    .epoll_wait = posix_epoll_wait,
    .sendfile = posix_sendfile,
#endif
    .bell_open = posix_bell_open,
    .socket = posix_socket,
    .socketpair = posix_socketpair,
    .bind = posix_bind,
    .listen = posix_listen,
    .accept = posix_accept,
    .connect = posix_connect,
    .recv = posix_recv,
    .recvfrom = posix_recvfrom,
    .recvmsg = posix_recvmsg,
    .send = posix_send,
    .sendto = posix_sendto,
    .sendmsg = posix_sendmsg,
    .shutdown = posix_shutdown,
    .getsockopt = posix_getsockopt,
    .setsockopt = posix_setsockopt,
    .getsockname = posix_getsockname,
    .getpeername = posix_getpeername,
    .set_blocking = posix_set_blocking,
    .read = posix_read,
    .write = posix_write,
    .is_open = posix_is_open,
    .close = posix_close,
};
