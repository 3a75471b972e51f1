/* epoll.c - the back end of Linux. Edge-triggered: a descriptor is registered once, for everything, and stays so until it
 * is closed; waits cost no system call then. */
#include "poll.h"

#ifdef __linux__
#include <string.h>
#include <sys/epoll.h>

static const uint64_t bell_mark = UINT64_MAX;

static int control(gos_poller *p, int what, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET, .data.u64 = (uint64_t)fd};
    return gosi_platform_get()->epoll_ctl(p->fd, what, fd, &event);
}

static int epoll_open(gos_poller *p)
{
    const struct gosi_platform *platform = gosi_platform_get();
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = bell_mark};
    if (!platform->epoll_create || !platform->epoll_ctl || !platform->epoll_wait)
        return -ENOSYS;
    int ep = platform->epoll_create();
    if (ep < 0)
        return ep;
    int rc = platform->epoll_ctl(ep, EPOLL_CTL_ADD, p->bell_reading, &event);
    if (rc < 0) {
        (void)platform->close(ep);
        return rc;
    }
    p->fd = ep;
    return 0;
}

static void epoll_close(gos_poller *p)
{
    (void)gosi_platform_get()->close(p->fd);
    p->fd = -1;
}

static int epoll_watch(gos_poller *p, int fd, unsigned events, int check)
{
    struct gosi_watch *w = &p->watches[fd];
    (void)events;
    if ((w->state & GOSI_WATCHED) && !check)
        return 0;
    /* Modifying it makes the kernel look anew; that it does not exist tells that the number was used again. */
    int rc = w->state & GOSI_WATCHED ? control(p, EPOLL_CTL_MOD, fd) : -ENOENT;
    if (rc == -ENOENT)
        rc = control(p, EPOLL_CTL_ADD, fd);
    if (rc == -EEXIST) /* by a copy of our epoll's descriptor, or a watch that was forgotten */
        rc = control(p, EPOLL_CTL_MOD, fd);
    if (rc == 0)
        w->state |= GOSI_WATCHED;
    else
        w->state &= (uint8_t)~GOSI_WATCHED;
    return rc;
}

static void epoll_forget(gos_poller *p, int fd)
{
    (void)control(p, EPOLL_CTL_DEL, fd);
    p->watches[fd].state &= (uint8_t)~GOSI_WATCHED;
}

static void epoll_rest(gos_poller *p, int fd)
{
    (void)p;
    (void)fd;
}

static unsigned translate(uint32_t events)
{
    return (events & (EPOLLIN | EPOLLRDHUP) ? GOS_POLL_IN : 0u) | (events & EPOLLOUT ? GOS_POLL_OUT : 0u) |
           (events & EPOLLPRI ? GOS_POLL_PRI : 0u) | (events & EPOLLHUP ? GOS_POLL_HUP : 0u) |
           (events & EPOLLERR ? GOS_POLL_ERR : 0u) |
           (events & (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR) ? (unsigned)GOSI_POLL_MORE : 0u);
}

static int epoll_gather(gos_poller *p, int64_t timeout_ns)
{
    struct epoll_event events[GOSI_GATHER];
    int n = gosi_platform_get()->epoll_wait(p->fd, events, GOSI_GATHER, timeout_ns);
    for (int i = 0; i < n; i++)
        gosi_poller_gather(p, events[i].data.u64 == bell_mark ? -1 : (int)events[i].data.u64, translate(events[i].events));
    return n;
}

const struct gosi_poll_backend gosi_poll_epoll = {
    .name = "epoll",
    .edges = 1,
    .open = epoll_open,
    .close = epoll_close,
    .watch = epoll_watch,
    .forget = epoll_forget,
    .rest = epoll_rest,
    .wait = epoll_gather,
};

#else

static int no_epoll(gos_poller *p)
{
    (void)p;
    return -ENOSYS;
}

const struct gosi_poll_backend gosi_poll_epoll = {.name = "epoll", .edges = 1, .open = no_epoll};

#endif
