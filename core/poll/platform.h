/* platform.h - the system calls of pollers and sockets, as one table: a port is one file with another table.
 *
 * Each function returns what the system call does, or a negative errno value of this machine's errno.h: a port whose
 * system has other error values translates them there, and nowhere else. None of them waits, but for wait and poll.
 * NULL: the platform has no such call; callers get -ENOSYS, Python's NotImplementedError.
 * Locking: none; the table is constant, and the choice of one is atomic.
 */
#ifndef GOSI_PLATFORM_H
#define GOSI_PLATFORM_H

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "../base/base.h"

struct epoll_event;

struct gosi_platform {
    const char *name;
    /* A read from a TCP socket that gets less than it asked for has taken all there was: what comes later is a change. */
    int short_read_empties;
    /* Readiness. timeout_ns < 0: forever. poll may report the error of one descriptor as its own failure: see rules.c. */
    int (*poll)(struct pollfd *fds, nfds_t count, int64_t timeout_ns);
    int (*epoll_create)(void);
    int (*epoll_ctl)(int ep, int what, int fd, struct epoll_event *event);
    int (*epoll_wait)(int ep, struct epoll_event *events, int room, int64_t timeout_ns);
    int (*bell_open)(int *reading); /* what gos_bell rings: the descriptor to write to; non-blocking, closed at exec */
    /* Sockets. New descriptors are non-blocking, and closed at exec. */
    int (*socket)(int family, int type, int protocol);
    int (*socketpair)(int family, int type, int protocol, int fds[2]);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
    int (*listen)(int fd, int backlog);
    int (*accept)(int fd, struct sockaddr *address, socklen_t *size);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
    ssize_t (*recv)(int fd, void *bytes, size_t size, int flags);
    ssize_t (*recvfrom)(int fd, void *bytes, size_t size, int flags, struct sockaddr *address, socklen_t *address_size);
    ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
    ssize_t (*send)(int fd, const void *bytes, size_t size, int flags);
    ssize_t (*sendto)(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address, socklen_t address_size);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    ssize_t (*sendfile)(int out, int in, int64_t *offset, size_t size);
    int (*shutdown)(int fd, int how);
    int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *size);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t size);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *size);
    int (*getpeername)(int fd, struct sockaddr *address, socklen_t *size);
    int (*set_blocking)(int fd, int blocking);
    /* Any descriptor. */
    ssize_t (*read)(int fd, void *bytes, size_t size);
    ssize_t (*write)(int fd, const void *bytes, size_t size);
    int (*is_open)(int fd); /* 1, or -EBADF */
    int (*close)(int fd);
};

/* The one of this machine: posix.c. */
extern const struct gosi_platform gosi_platform_native;

/* Never NULL. Any thread. */
const struct gosi_platform *gosi_platform_get(void);
/* For tests. NULL: the native one. Pollers that exist go on with what they have opened. Any thread. */
void gosi_platform_set(const struct gosi_platform *platform);

/* Call an entry, if there is one. */
#define GOSI_PLATFORM(entry, ...) (gosi_platform_get()->entry ? gosi_platform_get()->entry(__VA_ARGS__) : -ENOSYS)

/* ---- rules.c: what all platforms need on top ---- */

/* A failed poll (error: positive errno): is it one of the call itself? Others are a socket's, or an interruption, and
 * hide nothing else: the call counts as done. */
int gosi_poll_error_is_real(int error);

/* poll, by that rule: the number of descriptors with revents, counted anew where the system's count cannot be trusted,
 * or the negative errno of a real failure; -EINTR: a signal, and no descriptor is ready. A descriptor that makes every call
 * fail is found and reported with POLLERR, so that its owner gets the error from his next call. POLLNVAL for one that is
 * open after all (some systems cannot poll terminals) becomes what was asked for: it counts as always ready, like a file. */
int gosi_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ns);

#endif
