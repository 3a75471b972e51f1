/* poll.h - inside of pollers: which tasklets of a thread wait for which descriptors.
 *
 * A poller belongs to a scheduler, from its first wait for a descriptor to its end. Each descriptor has a watch: the
 * queue of those who wait, and what has become ready while nobody did. A wait is a record on the heap (the stack of
 * whoever waits may be evicted), with a node in the queue of each of its descriptors.
 *
 *     wait      gos_poll_wait puts a record into the queues, tells the back end, and lets others run
 *     doze      the thread has nothing to run: it sleeps in the back end, which only gathers events
 *     attend    at scheduling points: events become runnable tasklets. A busy thread asks the back end now and then
 *
 * Locking: a poller is its thread's. With hooks->exclusive other threads may unlink waits and close descriptors while
 * its thread dozes: doze, and with it the back end's wait, therefore touches nothing but the back end and `gathered`;
 * and nobody else touches those.
 */
#ifndef GOSI_POLL_H
#define GOSI_POLL_H

#include "../sched/sched.h"
#include "platform.h"

typedef struct gosi_fd_node gosi_fd_node;
typedef struct gosi_fd_wait gosi_fd_wait;

struct gosi_fd_node {
    gosi_fd_node *next; /* in the queue of its descriptor, a circle */
    gosi_fd_node *prev;
    gosi_fd_wait *wait;
    int fd;
    uint16_t events, ready; /* enum gos_poll_events: wanted; found */
};

struct gosi_fd_wait {
    gos_waiter waiter; /* first */
    gos_tasklet *t;
    struct gos_poller *poller;
    gosi_fd_wait *spare; /* the next of those kept for use */
    uint32_t count;      /* of nodes */
    uint8_t linked;      /* in the queues */
    gosi_fd_node nodes[];
};

enum gosi_watch_state {
    GOSI_WATCHED = 1, /* the back end knows the descriptor */
    GOSI_EMPTIED = 2, /* the last read took all there was, and no change has been told of since */
    GOSI_UNSURE = 4,  /* something has happened that reads may hide behind: never again EMPTIED */
};

/* In struct gosi_event: not only data has come; the peer has ended its half, say. */
enum { GOSI_POLL_MORE = 0x100 };

struct gosi_watch {
    gosi_fd_node *last; /* of the queue; NULL: nobody waits */
    uint8_t state;
    uint8_t ready; /* what came while nobody waited for it */
};

struct gosi_event {
    int fd; /* -1: the bell */
    uint16_t events;
};

enum { GOSI_GATHER = 256 };

struct gosi_poll_backend {
    const char *name;
    uint8_t edges; /* it tells of each change once: what nobody waits for has to be remembered */
    int (*open)(gos_poller *p); /* 0, or a negative errno */
    void (*close)(gos_poller *p);
    /* Somebody waits for events of fd. check: the descriptor may be another one than last time, although its number is
     * not; or may have been ready for long. 0, or a negative errno: -EPERM for what is always ready. */
    int (*watch)(gos_poller *p, int fd, unsigned events, int check);
    /* fd is about to be closed. */
    void (*forget)(gos_poller *p, int fd);
    /* Nobody waits for anything of fd any more; whoever tells of states, and not of changes, should stop. */
    void (*rest)(gos_poller *p, int fd);
    /* Wait, gather events into p->gathered: how many, or a negative errno. */
    int (*wait)(gos_poller *p, int64_t timeout_ns);
};

struct gos_poller {
    gos_sched *sched;
    const struct gosi_poll_backend *backend;
    gos_poller *next, **link; /* all pollers; guarded by the lock in poller.c */
    struct gosi_watch *watches; /* by descriptor */
    uint32_t room;
    uint32_t waits; /* records in queues */
    gosi_fd_wait *spare;
    uint32_t spare_count;
    uint32_t fork_count; /* of the process, when the descriptors below were opened */
    int bell_reading;    /* the readable end of the bell */
    int fd;              /* epoll's */
    struct pollfd *set;  /* poll's: the bell first */
    uint32_t set_count, set_room;
    int32_t countdown;   /* scheduling points until the next look at the clock */
    int32_t patience;    /* ... looks at the clock until the back end is asked in any case */
    int64_t asked_at;    /* by the coarse clock */
    uint64_t asked;      /* how often the back end has been asked */
    int32_t gathered_count; /* events not delivered yet, or a negative errno */
    struct gosi_event gathered[GOSI_GATHER];
};

extern const struct gosi_poll_backend gosi_poll_epoll, gosi_poll_kqueue, gosi_poll_plain;

/* For tests: pollers opened from now on use this one. NULL: epoll, kqueue or poll, the first that there is. */
void gosi_poller_prefer(const struct gosi_poll_backend *backend);

/* For back ends. */
void gosi_poller_gather(gos_poller *p, int fd, unsigned events);
static inline int gosi_poller_full(const gos_poller *p)
{
    return p->gathered_count >= GOSI_GATHER;
}

#endif
