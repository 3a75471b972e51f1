/* kqueue.c - the back end of the BSDs and macOS. As epoll: a descriptor is registered once, for reading and for writing, with
 * EV_CLEAR (changes, not states), and stays so until it is closed. The kernel forgets it by itself then.
 *
 * It calls kqueue itself, not through the platform table: there is no other call of that kind that could stand in for it.
 */
#include "poll.h"

/* GOSI_KQUEUE: a test compiles this file where there is none. */
#if defined(GOSI_KQUEUE) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__) || defined(__APPLE__)

#include <fcntl.h>
#include <sys/event.h>
#include <sys/time.h>
#include <time.h>

/* One of the two ways of fd; no event is fetched. 0, or a negative errno. */
static int change(gos_poller *p, int fd, int filter, int flags)
{
    struct kevent one;
    EV_SET(&one, (uintptr_t)fd, filter, flags, 0, 0, 0);
    return kevent(p->fd, &one, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

static int kqueue_open(gos_poller *p)
{
    int kq = kqueue(), rc = kq < 0 || fcntl(kq, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
    p->fd = kq;
    if (rc == 0)
        rc = change(p, p->bell_reading, EVFILT_READ, EV_ADD | EV_CLEAR);
    if (rc == 0)
        return 0;
    if (kq >= 0)
        (void)gosi_platform_get()->close(kq);
    p->fd = -1;
    return rc;
}

static void kqueue_close(gos_poller *p)
{
    (void)gosi_platform_get()->close(p->fd);
    p->fd = -1;
}

/* Adding what is there already makes the kernel look anew, which is what check asks for. A descriptor that can be only read, or
 * only written, refuses the other filter; one that refuses both is always ready, like a file. */
static int kqueue_watch(gos_poller *p, int fd, unsigned events, int check)
{
    struct gosi_watch *w = &p->watches[fd];
    (void)events;
    if ((w->state & GOSI_WATCHED) && !check)
        return 0;
    int in = change(p, fd, EVFILT_READ, EV_ADD | EV_CLEAR), out = change(p, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
    if (in == 0 || out == 0) {
        w->state |= GOSI_WATCHED;
        return 0;
    }
    w->state &= (uint8_t)~GOSI_WATCHED;
    return in == -EINVAL || in == -ENODEV || in == -EOPNOTSUPP ? -EPERM : in;
}

static void kqueue_forget(gos_poller *p, int fd)
{
    (void)change(p, fd, EVFILT_READ, EV_DELETE);
    (void)change(p, fd, EVFILT_WRITE, EV_DELETE);
    p->watches[fd].state &= (uint8_t)~GOSI_WATCHED;
}

static void kqueue_rest(gos_poller *p, int fd)
{
    (void)p;
    (void)fd;
}

/* EV_EOF: the peer has ended its half (READ), or reads no more (WRITE); fflags: the socket's error, which its owner asks for. */
static unsigned translate(const struct kevent *event)
{
    unsigned events = event->filter == EVFILT_READ ? GOS_POLL_IN : event->filter == EVFILT_WRITE ? GOS_POLL_OUT : 0u;
    if (event->flags & EV_EOF) {
        events |= GOSI_POLL_MORE;
        if (event->filter == EVFILT_WRITE)
            events |= GOS_POLL_HUP;
        if (event->fflags)
            events |= GOS_POLL_ERR;
    }
    if (event->flags & EV_ERROR)
        events |= GOS_POLL_ERR | GOSI_POLL_MORE;
    return events;
}

static int kqueue_gather(gos_poller *p, int64_t timeout_ns)
{
    struct kevent events[GOSI_GATHER];
    struct timespec ts = {.tv_sec = (time_t)(timeout_ns / 1000000000), .tv_nsec = (long)(timeout_ns % 1000000000)};
    int n = kevent(p->fd, NULL, 0, events, GOSI_GATHER, timeout_ns < 0 ? NULL : &ts);
    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        int fd = (int)events[i].ident;
        gosi_poller_gather(p, fd == p->bell_reading ? -1 : fd, translate(&events[i]));
    }
    return n;
}

const struct gosi_poll_backend gosi_poll_kqueue = {
    .name = "kqueue",
    .edges = 1,
    .open = kqueue_open,
    .close = kqueue_close,
    .watch = kqueue_watch,
    .forget = kqueue_forget,
    .rest = kqueue_rest,
    .wait = kqueue_gather,
};

#else

static int no_kqueue(gos_poller *p)
{
    (void)p;
    return -ENOSYS;
}

const struct gosi_poll_backend gosi_poll_kqueue = {.name = "kqueue", .edges = 1, .open = no_kqueue};

#endif
