/* poller.c - the life of a scheduler's poller, and how events become runnable tasklets. See poll.h. */
#include "poll.h"

#include <pthread.h>
#include <string.h>

#include "../base/bell.h"

enum {
    ALWAYS = GOS_POLL_HUP | GOS_POLL_ERR | GOS_POLL_NVAL,
    TURNS = 8,        /* scheduling points between looks at the coarse clock */
    PATIENCE = 8,     /* looks at a clock that stands still, until descriptors are looked at in any case */
    SPARE_KEPT = 1024, /* records for one descriptor, kept for use */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static gos_poller *all;
static uint32_t fork_count;
static const struct gosi_poll_backend *preferred;

void gosi_poller_prefer(const struct gosi_poll_backend *backend)
{
    __atomic_store_n(&preferred, backend, __ATOMIC_RELAXED);
}

/* ---- queues ---- */

static void queue_append(struct gosi_watch *w, gosi_fd_node *node)
{
    gosi_fd_node *last = w->last;
    node->next = last ? last->next : node;
    node->prev = last ? last : node;
    node->next->prev = node;
    node->prev->next = node;
    w->last = node;
}

static void queue_remove(struct gosi_watch *w, gosi_fd_node *node)
{
    if (node->next == node)
        w->last = NULL;
    else if (w->last == node)
        w->last = node->prev;
    node->next->prev = node->prev;
    node->prev->next = node->next;
}

static unsigned wanted(const struct gosi_watch *w)
{
    unsigned events = 0;
    for (gosi_fd_node *node = w->last; node; node = node->next == w->last ? NULL : node->next)
        events |= node->events;
    return events;
}

static void unlink_record(gosi_fd_wait *r)
{
    if (!r->linked)
        return;
    gos_poller *p = r->poller;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->nodes[i].fd >= 0)
            queue_remove(&p->watches[r->nodes[i].fd], &r->nodes[i]);
    r->linked = 0;
    __atomic_store_n(&p->waits, p->waits - 1, __ATOMIC_RELAXED);
    gos_sched_expect(p->sched, -1);
}

static int unlink_wait(gos_tasklet *t)
{
    unlink_record((gosi_fd_wait *)t->wait.waiter);
    return 0;
}

static void link_record(gosi_fd_wait *r)
{
    gos_poller *p = r->poller;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->nodes[i].fd >= 0)
            queue_append(&p->watches[r->nodes[i].fd], &r->nodes[i]);
    r->linked = 1;
    __atomic_store_n(&p->waits, p->waits + 1, __ATOMIC_RELAXED);
    gos_sched_expect(p->sched, 1);
    __atomic_fetch_or(&p->sched->attention, GOS_ATTENTION_POLLER, __ATOMIC_RELAXED);
}

/* It has begun to wait, unless its first switch away is still to come. */
static void wake_record(gosi_fd_wait *r, int status)
{
    gos_tasklet *t = r->t;
    unlink_record(r);
    if (t->place != GOS_IN_WAITER || t->wait.waiter != &r->waiter)
        return;
    if (status == GOS_OK)
        gos_sched_wake(t->sched, t, t->value);
    else
        gosi_wake(t->sched, t, status);
}

/* ---- events ---- */

/* Note what node's record has got; the records of one descriptor stand together. -> the first node of the next record, or
 * NULL. */
static gosi_fd_node *note_events(const struct gosi_watch *w, gosi_fd_node *node, unsigned events, unsigned *found)
{
    gosi_fd_wait *r = node->wait;
    for (;;) {
        unsigned got = events & (node->events | ALWAYS);
        node->ready |= (uint16_t)got;
        *found |= got;
        if (node == w->last)
            return NULL;
        node = node->next;
        if (node->wait != r)
            return node;
    }
}

static void deliver(gos_poller *p, int fd, unsigned events)
{
    if (fd < 0) { /* the bell. Rung too late to be noticed, it would go on telling; and a pipe would fill up */
        int drain = !p->backend->edges || p->bell_reading != p->sched->bell.fd;
        uint64_t rings[8];
        while (drain && gosi_platform_get()->read(p->bell_reading, rings, sizeof rings) > 0)
            ;
        return;
    }
    if ((uint32_t)fd >= p->room)
        return;
    struct gosi_watch *w = &p->watches[fd];
    unsigned taken = 0;
    if (events & ~(unsigned)GOS_POLL_OUT)
        w->state &= (uint8_t)~GOSI_EMPTIED;
    if (events & GOSI_POLL_MORE)
        w->state |= GOSI_UNSURE;
    gosi_fd_node *node = w->last ? w->last->next : NULL;
    while (node) {
        gosi_fd_wait *r = node->wait;
        unsigned found = 0;
        node = note_events(w, node, events, &found);
        taken |= found;
        if (found)
            wake_record(r, GOS_OK);
    }
    if (p->backend->edges) {
        w->ready |= (uint8_t)(events & ~taken);
        return;
    }
    p->backend->rest(p, fd);
    if (w->last)
        (void)p->backend->watch(p, fd, wanted(w), 0); /* has room: rest has made some */
}

void gosi_poller_gather(gos_poller *p, int fd, unsigned events)
{
    if (!gosi_poller_full(p))
        p->gathered[p->gathered_count++] = (struct gosi_event){.fd = fd, .events = (uint16_t)events};
}

/* May run without what guards the poller: see poll.h. */
static void ask(gos_poller *p, int64_t timeout_ns)
{
    int saved_errno = errno;
    p->asked++;
    int rc = p->backend->wait(p, timeout_ns);
    if (rc < 0 && gosi_poll_error_is_real(-rc))
        p->gathered_count = rc;
    if (p->gathered_count)
        __atomic_fetch_or(&p->sched->attention, GOS_ATTENTION_POLLER, __ATOMIC_RELAXED);
    errno = saved_errno;
}

/* ---- descriptors of the poller itself ---- */

static void close_all(gos_poller *p)
{
    gos_bell *bell = &p->sched->bell;
    const struct gosi_platform *platform = gosi_platform_get();
    if (p->backend) {
        p->backend->close(p);
        (void)platform->close(bell->fd);
        if (p->bell_reading != bell->fd)
            (void)platform->close(p->bell_reading);
    }
    p->backend = NULL;
    bell->fd = p->bell_reading = -1;
}

static int open_backend(gos_poller *p, const struct gosi_poll_backend *backend)
{
    int rc = backend->open(p);
    if (rc == 0)
        p->backend = backend;
    return rc;
}

static int is_missing(int rc)
{
    return rc != 0 && rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM;
}

static int open_all(gos_poller *p)
{
    const struct gosi_poll_backend *only = __atomic_load_n(&preferred, __ATOMIC_RELAXED);
    p->fork_count = __atomic_load_n(&fork_count, __ATOMIC_RELAXED);
    int rc = GOSI_PLATFORM(bell_open, &p->bell_reading);
    if (rc < 0)
        return rc;
    p->sched->bell.fd = rc;
    rc = open_backend(p, only ? only : &gosi_poll_epoll);
    if (!only && is_missing(rc))
        rc = open_backend(p, &gosi_poll_kqueue);
    if (!only && is_missing(rc))
        rc = open_backend(p, &gosi_poll_plain);
    if (rc == 0)
        return 0;
    (void)gosi_platform_get()->close(p->sched->bell.fd);
    if (p->bell_reading != p->sched->bell.fd)
        (void)gosi_platform_get()->close(p->bell_reading);
    p->sched->bell.fd = p->bell_reading = -1;
    return rc;
}

static void wake_all_of(struct gosi_watch *w, int status)
{
    while (w->last)
        wake_record(w->last->next->wait, status);
}

/* After a fork, in the child, where they are the parent's; or somebody has closed them. Whoever cannot be waited for any
 * more continues, tries again, and gets the error. */
static void reopen(gos_poller *p, int closed)
{
    if (closed && p->backend) { /* the numbers may be somebody else's by now */
        if (!p->backend->edges)
            p->backend->close(p);
        p->backend = NULL;
    }
    close_all(p);
    p->gathered_count = 0;
    int rc = open_all(p);
    for (uint32_t fd = 0; fd < p->room; fd++) {
        struct gosi_watch *w = &p->watches[fd];
        w->state = w->ready = 0;
        if (w->last && (rc < 0 || p->backend->watch(p, (int)fd, wanted(w), 1) < 0))
            wake_all_of(w, GOS_OK);
    }
}

/* ---- what the scheduler calls ---- */

static void attend(gos_sched *s)
{
    gos_poller *p = s->poller;
    if (GOSI_UNLIKELY(p->backend && p->fork_count != __atomic_load_n(&fork_count, __ATOMIC_RELAXED)))
        reopen(p, 0);
    if (!p->gathered_count) {
        if (!p->waits || !p->backend) {
            __atomic_fetch_and(&s->attention, ~(uint32_t)GOS_ATTENTION_POLLER, __ATOMIC_RELAXED);
            return;
        }
        if (--p->countdown > 0)
            return;
        p->countdown = TURNS;
        int64_t now = gosi_now_coarse();
        if (now == p->asked_at && --p->patience > 0)
            return;
        p->asked_at = now;
        p->patience = PATIENCE;
        ask(p, 0);
    }
    int32_t n = p->gathered_count;
    p->gathered_count = 0;
    if (GOSI_UNLIKELY(n < 0))
        reopen(p, n == -EBADF || n == -EINVAL);
    for (int32_t i = 0; i < n; i++)
        deliver(p, p->gathered[i].fd, p->gathered[i].events);
}

static int waits(const gos_sched *s)
{
    const gos_poller *p = s->poller;
    return p->backend && __atomic_load_n(&p->waits, __ATOMIC_RELAXED);
}

static void doze(gos_sched *s, int64_t deadline_ns)
{
    gos_poller *p = s->poller;
    if (!waits(s)) {
        gosi_bell_wait(&s->bell, deadline_ns);
        return;
    }
    if (p->gathered_count)
        return;
    if (gos_bell_poll_begin(&s->bell)) {
        int64_t span = -1;
        if (deadline_ns != GOS_FOREVER) {
            int64_t now = gos_now();
            span = deadline_ns > now ? deadline_ns - now : 0;
        }
        ask(p, span);
    }
    gos_bell_poll_end(&s->bell);
}

static const struct gos_poller_calls calls = {.attend = attend, .doze = doze, .waits = waits};

/* ---- life ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&all_lock);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&all_lock);
}

static void in_child(void)
{
    fork_count++;
    pthread_mutex_unlock(&all_lock);
}

static void register_fork(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

/* The poller of s, ready for use; made if need be. 0, or a negative errno. */
static int poller_of(gos_sched *s, gos_poller **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    gos_poller *p = s->poller;
    if (!p) {
        pthread_once(&once, register_fork);
        p = gosi_alloc(sizeof *p);
        if (!p)
            return -ENOMEM;
        memset(p, 0, offsetof(gos_poller, gathered));
        p->sched = s;
        p->bell_reading = p->fd = -1;
        p->patience = PATIENCE;
        pthread_mutex_lock(&all_lock);
        p->next = all;
        p->link = &all;
        if (all)
            all->link = &p->next;
        all = p;
        pthread_mutex_unlock(&all_lock);
        s->poller_calls = &calls;
        s->poller = p;
    } else if (p->backend && p->fork_count != __atomic_load_n(&fork_count, __ATOMIC_RELAXED)) {
        reopen(p, 0);
    }
    *out = p;
    return p->backend ? 0 : open_all(p);
}

int gos_poll_descriptor(const gos_sched *s)
{
    const gos_poller *p = s->poller;
    return p && p->backend == &gosi_poll_epoll && waits(s) && !p->gathered_count ? p->fd : -1;
}

void gos_poll_end(gos_sched *s)
{
    gos_poller *p = s->poller;
    if (!p)
        return;
    pthread_mutex_lock(&all_lock);
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    pthread_mutex_unlock(&all_lock);
    for (uint32_t fd = 0; fd < p->room; fd++)
        wake_all_of(&p->watches[fd], GOS_ECANCELED);
    s->poller = NULL;
    __atomic_fetch_and(&s->attention, ~(uint32_t)GOS_ATTENTION_POLLER, __ATOMIC_RELAXED);
    p->sched = s;
    close_all(p);
    while (p->spare) {
        gosi_fd_wait *r = p->spare;
        p->spare = r->spare;
        gosi_free(r);
    }
    gosi_free(p->watches);
    gosi_free(p);
}

/* ---- waiting ---- */

static gosi_fd_wait *take_record(gos_poller *p, uint32_t count)
{
    gosi_fd_wait *r = p->spare;
    if (count == 1 && r) {
        p->spare = r->spare;
        p->spare_count--;
    } else {
        r = gosi_alloc(sizeof *r + count * sizeof r->nodes[0]);
        if (!r)
            return NULL;
    }
    r->waiter.unlink = unlink_wait;
    r->t = p->sched->current;
    r->poller = p;
    r->count = count;
    r->linked = 0;
    return r;
}

static void free_record(gosi_fd_wait *r)
{
    gos_poller *p = r->t->sched ? r->t->sched->poller : NULL;
    if (r->count == 1 && p && p->spare_count < SPARE_KEPT) {
        r->spare = p->spare;
        p->spare = r;
        p->spare_count++;
    } else {
        gosi_free(r);
    }
}

static int make_room(gos_poller *p, int highest)
{
    uint32_t room = p->room ? p->room : 16;
    if (highest < 0 || (uint32_t)highest < p->room)
        return 0;
    while (room <= (uint32_t)highest)
        room *= 2;
    struct gosi_watch *grown = gosi_resize(p->watches, room * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memset(grown + p->room, 0, (room - p->room) * sizeof *grown);
    p->watches = grown;
    p->room = room;
    return 0;
}

/* Tell the back end. 1: one is ready as far as we know, there is no need to wait; 0; or a negative errno. */
static int watch_all(gos_poller *p, struct gos_poll_fd *fds, uint32_t count, int owned)
{
    int ready = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (fds[i].fd < 0)
            continue;
        struct gosi_watch *w = &p->watches[fds[i].fd];
        if (!owned)
            w->ready = 0; /* of whatever this number was */
        unsigned known = w->ready & (fds[i].events | ALWAYS);
        int rc = p->backend->watch(p, fds[i].fd, fds[i].events, !owned);
        if (rc == -EPERM) /* a file or such: it never blocks */
            known = fds[i].events;
        else if (rc < 0)
            return rc;
        w->ready &= (uint8_t)~known;
        fds[i].ready = (uint16_t)known;
        ready |= known != 0;
    }
    return ready;
}

static int failed(int rc, int *error)
{
    if (error)
        *error = -rc;
    return rc == -ENOMEM ? GOS_ENOMEM : rc == -EBADF ? GOS_EINVAL : GOS_ENOTSUP;
}

static int wait_until_ready(gos_poller *p, struct gos_poll_fd *fds, uint32_t count, int64_t deadline_ns)
{
    gosi_fd_wait *r = take_record(p, count);
    if (!r)
        return GOS_ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        r->nodes[i] = (gosi_fd_node){.wait = r, .fd = fds[i].fd, .events = fds[i].events};
    link_record(r);
    int rc = gos_sched_wait(p->sched, &r->waiter, deadline_ns);
    unlink_record(r); /* it may have been made runnable by somebody else */
    for (uint32_t i = 0; i < count; i++)
        fds[i].ready = r->nodes[i].ready;
    free_record(r);
    return rc;
}

int gos_poll_wait(gos_sched *s, struct gos_poll_fd *fds, uint32_t count, int owned, int64_t deadline_ns, int *error)
{
    gos_poller *p;
    int highest = -1;
    for (uint32_t i = 0; i < count; i++) {
        fds[i].ready = 0;
        if (fds[i].fd > highest)
            highest = fds[i].fd;
    }
    int rc = poller_of(s, &p);
    if (rc == 0)
        rc = make_room(p, highest);
    if (rc == 0)
        rc = watch_all(p, fds, count, owned);
    if (rc < 0)
        return failed(rc, error);
    return rc ? GOS_OK : wait_until_ready(p, fds, count, deadline_ns);
}

void gos_poll_emptied(gos_sched *s, int fd)
{
    gos_poller *p = s->poller;
    if (!p || !p->backend || !p->backend->edges || (uint32_t)fd >= p->room || !gosi_platform_get()->short_read_empties)
        return;
    struct gosi_watch *w = &p->watches[fd];
    if ((w->state & (GOSI_WATCHED | GOSI_UNSURE)) == GOSI_WATCHED)
        w->state |= GOSI_EMPTIED;
}

int gos_poll_is_emptied(const gos_sched *s, int fd)
{
    const gos_poller *p = s->poller;
    return p && (uint32_t)fd < p->room && (p->watches[fd].state & GOSI_EMPTIED);
}

/* ---- closing ---- */

static void close_in(gos_poller *p, int fd, int here)
{
    if ((uint32_t)fd >= p->room || !p->backend)
        return;
    struct gosi_watch *w = &p->watches[fd];
    int anybody = w->last != NULL;
    wake_all_of(w, GOS_ECLOSED);
    if ((w->state & GOSI_WATCHED) && (here || p->backend->edges)) /* else its own thread finds it */
        p->backend->forget(p, fd);
    w->ready = 0;
    w->state &= GOSI_WATCHED;
    if (anybody && !here)
        gos_sched_nudge(p->sched);
}

struct closing {
    gos_message message; /* first */
    int fd;
};

static void deliver_closing(gos_sched *s, gos_message *m)
{
    if (s->poller)
        close_in(s->poller, ((struct closing *)m)->fd, 1);
    gosi_free(m);
}

static int tell(gos_poller *p, int fd)
{
    struct closing *c = gosi_alloc(sizeof *c);
    if (!c)
        return GOS_ENOMEM;
    *c = (struct closing){.message = {.deliver = deliver_closing}, .fd = fd};
    gos_post(p->sched, &c->message);
    return GOS_OK;
}

int gos_poll_close(gos_sched *me, int fd)
{
    int rc = GOS_OK;
    if (fd < 0)
        return GOS_EINVAL;
    pthread_mutex_lock(&all_lock);
    for (gos_poller *p = all; p; p = p->next) {
        if (p->sched == me || p->sched->hooks->exclusive)
            close_in(p, fd, p->sched == me);
        else if (tell(p, fd) != GOS_OK)
            rc = GOS_ENOMEM;
    }
    pthread_mutex_unlock(&all_lock);
    return rc;
}
