/* faults.c - see faults.h. */
#define _GNU_SOURCE
#include "faults.h"

#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>
#endif

static const char *const names[] = {
#define NAME(name, text) #name,
    GOSI_FAULTS(NAME)
#undef NAME
};

static uint64_t seed, calls, mask, counts[GOSI_FAULT_KINDS];
static unsigned per_mille;
static int needs_promise;
static struct gosi_platform faulty; /* the native table, with some entries replaced */

static uint64_t draw(void)
{
    uint64_t x = seed + 0x9e3779b97f4a7c15u * __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* A fault from first to last, or -1: none this time. */
static int choose(int first, int last)
{
    uint64_t x = draw();
    if (x % 1000 >= per_mille)
        return -1;
    int fault = first + (int)((x / 1000) % (uint64_t)(last - first + 1));
    return (mask >> fault) & 1 ? fault : -1;
}

static void count(int fault)
{
    __atomic_fetch_add(&counts[fault], 1, __ATOMIC_RELAXED);
}

/* ---- readiness ---- */

static void spoil(struct pollfd *fd, short events)
{
    if (fd->fd >= 0)
        fd->revents |= events;
}

static int faulty_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ns)
{
    int fault = choose(GOSI_FAULT_POLL_EINTR, GOSI_FAULT_POLL_COUNT), rc;
    struct pollfd *victim = n ? &fds[draw() % n] : NULL;
    if (fault < 0 || !victim)
        return gosi_platform_native.poll(fds, n, timeout_ns);
    count(fault);
    switch (fault) {
    case GOSI_FAULT_POLL_EINTR: return -EINTR;
    case GOSI_FAULT_POLL_ECONNRESET: return -ECONNRESET;
    case GOSI_FAULT_POLL_ECONNREFUSED: return -ECONNREFUSED;
    case GOSI_FAULT_POLL_EPIPE: return -EPIPE;
    case GOSI_FAULT_POLL_ENOTCONN: return -ENOTCONN;
    case GOSI_FAULT_POLL_NOTHING: return 0;
    default: break;
    }
    rc = gosi_platform_native.poll(fds, n, fault == GOSI_FAULT_POLL_COUNT ? timeout_ns : 0);
    switch (fault) {
    case GOSI_FAULT_POLL_HALF: return -ECONNRESET;
    case GOSI_FAULT_POLL_SPURIOUS: spoil(victim, victim->events); break;
    case GOSI_FAULT_POLL_NVAL: spoil(victim, POLLNVAL); break;
    case GOSI_FAULT_POLL_ERR: spoil(victim, POLLERR); break;
    case GOSI_FAULT_POLL_HUP: spoil(victim, POLLHUP); break;
    default: break;
    }
    return rc < 0 ? rc : rc ^ 1;
}

#ifdef __linux__

static __thread int last_ep = -1; /* of this thread: what its descriptors are registered with */

static int faulty_epoll_create(void)
{
    return last_ep = gosi_platform_native.epoll_create();
}

static int faulty_epoll_ctl(int ep, int what, int fd, struct epoll_event *event)
{
    last_ep = ep;
    return gosi_platform_native.epoll_ctl(ep, what, fd, event);
}

static int faulty_epoll_wait(int ep, struct epoll_event *events, int room, int64_t timeout_ns)
{
    int fault = choose(GOSI_FAULT_EPOLL_EINTR, GOSI_FAULT_EPOLL_ONE);
    last_ep = ep;
    if (fault >= 0)
        count(fault);
    switch (fault) {
    case GOSI_FAULT_EPOLL_EINTR: return -EINTR;
    case GOSI_FAULT_EPOLL_ECONNRESET: return -ECONNRESET;
    case GOSI_FAULT_EPOLL_EPIPE: return -EPIPE;
    case GOSI_FAULT_EPOLL_ONE: room = 1; break;
    default: break;
    }
    int n = gosi_platform_native.epoll_wait(ep, events, room, timeout_ns);
    struct epoll_event *victim = n > 0 ? &events[draw() % (unsigned)n] : NULL;
    if (victim && fault == GOSI_FAULT_EPOLL_SPURIOUS)
        victim->events |= EPOLLIN | EPOLLOUT;
    else if (victim && fault == GOSI_FAULT_EPOLL_ERR)
        victim->events |= EPOLLERR;
    else if (victim && fault == GOSI_FAULT_EPOLL_HUP)
        victim->events |= EPOLLHUP;
    return n;
}

/* A call that could have gone on is to fail with EAGAIN: there has to be a change that wakes who waits then. */
static int promise_event(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET, .data.u64 = (uint64_t)fd};
    if (!needs_promise)
        return 1;
    if (last_ep < 0)
        return 0;
    return gosi_platform_native.epoll_ctl(last_ep, EPOLL_CTL_MOD, fd, &event) == 0 ||
           gosi_platform_native.epoll_ctl(last_ep, EPOLL_CTL_ADD, fd, &event) == 0;
}

#else

static int promise_event(int fd)
{
    (void)fd;
    return !needs_promise;
}

#endif

/* ---- sockets ---- */

static ssize_t faulty_recv(int fd, void *bytes, size_t size, int flags)
{
    int fault = size ? choose(GOSI_FAULT_RECV_EINTR, GOSI_FAULT_RECV_SHORT) : -1;
    if ((fault == GOSI_FAULT_RECV_EAGAIN || fault == GOSI_FAULT_RECV_SHORT) && !promise_event(fd))
        fault = -1;
    if (fault >= 0)
        count(fault);
    switch (fault) {
    case GOSI_FAULT_RECV_EINTR: return -EINTR;
    case GOSI_FAULT_RECV_EAGAIN: return -EAGAIN;
    case GOSI_FAULT_RECV_SHORT: size = 1; break;
    default: break;
    }
    return gosi_platform_native.recv(fd, bytes, size, flags);
}

static ssize_t faulty_send(int fd, const void *bytes, size_t size, int flags)
{
    int fault = size ? choose(GOSI_FAULT_SEND_EINTR, GOSI_FAULT_SEND_ENOBUFS) : -1;
    if (fault == GOSI_FAULT_SEND_EAGAIN && !promise_event(fd))
        fault = -1;
    if (fault >= 0)
        count(fault);
    switch (fault) {
    case GOSI_FAULT_SEND_EINTR: return -EINTR;
    case GOSI_FAULT_SEND_EAGAIN: return -EAGAIN;
    case GOSI_FAULT_SEND_ENOBUFS: return -ENOBUFS;
    case GOSI_FAULT_SEND_SHORT: size = 1; break;
    default: break;
    }
    return gosi_platform_native.send(fd, bytes, size, flags);
}

static int faulty_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    int fault = choose(GOSI_FAULT_ACCEPT_EINTR, GOSI_FAULT_ACCEPT_EMFILE);
    if (fault == GOSI_FAULT_ACCEPT_EAGAIN && !promise_event(fd))
        fault = -1;
    if (fault >= 0)
        count(fault);
    switch (fault) {
    case GOSI_FAULT_ACCEPT_EINTR: return -EINTR;
    case GOSI_FAULT_ACCEPT_EAGAIN: return -EAGAIN;
    case GOSI_FAULT_ACCEPT_ECONNABORTED: return -ECONNABORTED;
    case GOSI_FAULT_ACCEPT_EMFILE: return -EMFILE;
    default: break;
    }
    return gosi_platform_native.accept(fd, address, size);
}

/* ---- the table ---- */

void gosi_faults_start(uint64_t first_seed, unsigned probability, uint64_t which, int edges)
{
    needs_promise = edges;
    seed = first_seed;
    calls = 0;
    per_mille = probability;
    mask = which;
    for (int i = 0; i < GOSI_FAULT_KINDS; i++)
        counts[i] = 0;
    faulty = gosi_platform_native;
    faulty.name = "faulty";
    faulty.poll = faulty_poll;
#ifdef __linux__
    faulty.epoll_create = faulty_epoll_create;
    faulty.epoll_ctl = faulty_epoll_ctl;
    faulty.epoll_wait = faulty_epoll_wait;
#endif
    faulty.recv = faulty_recv;
    faulty.send = faulty_send;
    faulty.accept = faulty_accept;
    gosi_platform_set(&faulty);
}

void gosi_faults_stop(void)
{
    gosi_platform_set(NULL);
}

const char *gosi_fault_name(int fault)
{
    return names[fault];
}

uint64_t gosi_fault_count(int fault)
{
    return __atomic_load_n(&counts[fault], __ATOMIC_RELAXED);
}
