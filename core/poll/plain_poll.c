/* plain_poll.c - the back end for systems that have only poll: one array, the bell first.
 *
 * The array is changed on the poller's own thread only, never while that sleeps in it. Who stops waiting leaves his
 * entry there; if it becomes ready, the thread wakes once for nothing, and rest takes it out.
 */
#include "poll.h"

static int plain_open(gos_poller *p)
{
    p->set_count = 0;
    int rc = gosi_reserve((void **)&p->set, p->set_count, &p->set_room, sizeof *p->set);
    if (rc != GOS_OK)
        return -ENOMEM;
    p->set[p->set_count++] = (struct pollfd){.fd = p->bell_reading, .events = POLLIN};
    return 0;
}

static void plain_close(gos_poller *p)
{
    gosi_free(p->set);
    p->set = NULL;
    p->set_count = p->set_room = 0;
}

static uint32_t find(const gos_poller *p, int fd)
{
    uint32_t at = 1;
    while (at < p->set_count && p->set[at].fd != fd)
        at++;
    return at;
}

static int plain_watch(gos_poller *p, int fd, unsigned events, int check)
{
    short wanted = (short)((events & GOS_POLL_IN ? POLLIN : 0) | (events & GOS_POLL_OUT ? POLLOUT : 0) |
                           (events & GOS_POLL_PRI ? POLLPRI : 0));
    (void)check;
    if (p->watches[fd].state & GOSI_WATCHED) {
        p->set[find(p, fd)].events |= wanted;
        return 0;
    }
    if (gosi_reserve((void **)&p->set, p->set_count, &p->set_room, sizeof *p->set) != GOS_OK)
        return -ENOMEM;
    p->set[p->set_count++] = (struct pollfd){.fd = fd, .events = wanted};
    p->watches[fd].state |= GOSI_WATCHED;
    return 0;
}

static void plain_forget(gos_poller *p, int fd)
{
    uint32_t at = find(p, fd);
    p->watches[fd].state &= (uint8_t)~GOSI_WATCHED;
    if (at < p->set_count)
        p->set[at] = p->set[--p->set_count];
}

static int plain_gather(gos_poller *p, int64_t timeout_ns)
{
    int n = gosi_poll(p->set, p->set_count, timeout_ns);
    for (uint32_t i = 0; n > 0 && i < p->set_count && !gosi_poller_full(p); i++) {
        short got = p->set[i].revents;
        unsigned events = (got & POLLIN ? GOS_POLL_IN : 0u) | (got & POLLOUT ? GOS_POLL_OUT : 0u) |
                          (got & POLLPRI ? GOS_POLL_PRI : 0u) | (got & POLLHUP ? GOS_POLL_HUP : 0u) |
                          (got & POLLERR ? GOS_POLL_ERR : 0u) | (got & POLLNVAL ? GOS_POLL_NVAL : 0u);
        if (events)
            gosi_poller_gather(p, i ? p->set[i].fd : -1, events);
    }
    return n;
}

const struct gosi_poll_backend gosi_poll_plain = {
    .name = "poll",
    .open = plain_open,
    .close = plain_close,
    .watch = plain_watch,
    .forget = plain_forget,
    .rest = plain_forget,
    .wait = plain_gather,
};
