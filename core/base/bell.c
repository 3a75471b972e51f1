/* bell.c - bells on a futex, where there is one; elsewhere on a condition variable. */
#define _GNU_SOURCE
#include "bell.h"

#include <errno.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum { QUIET = 0, RUNG = 1, ASLEEP = 2, POLLING = 3 };

static int fall_asleep(gos_bell *bell, uint32_t how)
{
    uint32_t expected = QUIET;
    return __atomic_compare_exchange_n(&bell->word, &expected, how, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* ---- patience ----
 *
 * Falling asleep and being woken cost several times what it takes to give way to somebody who answers at once. So a
 * thread gives way for a moment before it sleeps, as long as that has paid off lately; otherwise it tries once in a
 * while. Where others want the processor for longer, giving way costs a turn of theirs: then it stops at once. */

enum { PATIENCE_MOST = 8, PATIENCE_RARELY = 32 };
static const int64_t patience_ns = 20000, crowded_ns = 200000;

int gos_bell_give_way(gos_bell *bell, int64_t since_ns)
{
    sched_yield();
    int64_t taken = gos_now() - since_ns;
    if (taken > crowded_ns)
        bell->patience = 0;
    return taken < patience_ns;
}

static int is_rung(const gos_bell *bell)
{
    return __atomic_load_n(&bell->word, __ATOMIC_RELAXED) == RUNG;
}

static int rung_at_once(gos_bell *bell)
{
    if (is_rung(bell))
        return 1;
    if (!bell->patience && ++bell->impatience < PATIENCE_RARELY)
        return 0;
    int64_t begin = gos_now();
    int more = 1;
    bell->impatience = 0;
    while (more && !is_rung(bell))
        more = gos_bell_give_way(bell, begin);
    if (more)
        bell->patience = bell->patience + 2 < PATIENCE_MOST ? bell->patience + 2 : PATIENCE_MOST;
    else if (bell->patience)
        bell->patience--;
    return more;
}

static void wake_up(gos_bell *bell)
{
    __atomic_store_n(&bell->word, QUIET, __ATOMIC_SEQ_CST);
}

static void ring_poller(gos_bell *bell)
{
    uint64_t one = 1;
    while (write(bell->fd, &one, sizeof one) < 0 && errno == EINTR)
        ; /* EAGAIN: it is full of rings */
}

#ifdef __linux__

#include <linux/futex.h>
#include <sys/syscall.h>

void gosi_bell_init(gos_bell *bell)
{
    *bell = (gos_bell){.fd = -1};
}

void gosi_bell_fini(gos_bell *bell)
{
    (void)bell;
}

void gosi_bell_ring(gos_bell *bell)
{
    uint32_t was = __atomic_exchange_n(&bell->word, RUNG, __ATOMIC_SEQ_CST);
    int saved_errno = errno;
    if (was == ASLEEP)
        syscall(SYS_futex, &bell->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (was == POLLING)
        ring_poller(bell);
    errno = saved_errno;
}

void gosi_bell_wait(gos_bell *bell, int64_t deadline_ns)
{
    int saved_errno = errno; /* the tasklet's, which waits */
    if (!rung_at_once(bell) && fall_asleep(bell, ASLEEP)) {
        struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
        /* WAIT_BITSET takes an absolute time of the monotonic clock. */
        syscall(SYS_futex, &bell->word, FUTEX_WAIT_BITSET_PRIVATE, ASLEEP, deadline_ns == GOS_FOREVER ? NULL : &until, NULL,
                FUTEX_BITSET_MATCH_ANY);
    }
    errno = saved_errno;
    wake_up(bell);
}

#else

void gosi_bell_init(gos_bell *bell)
{
    pthread_condattr_t attributes;
    *bell = (gos_bell){.fd = -1};
    pthread_mutex_init(&bell->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&bell->rung, &attributes);
    pthread_condattr_destroy(&attributes);
}

void gosi_bell_fini(gos_bell *bell)
{
    pthread_cond_destroy(&bell->rung);
    pthread_mutex_destroy(&bell->lock);
}

void gosi_bell_ring(gos_bell *bell)
{
    pthread_mutex_lock(&bell->lock);
    uint32_t was = __atomic_exchange_n(&bell->word, RUNG, __ATOMIC_SEQ_CST);
    if (was == ASLEEP)
        pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->lock);
    if (was == POLLING)
        ring_poller(bell);
}

void gosi_bell_wait(gos_bell *bell, int64_t deadline_ns)
{
    int rung = rung_at_once(bell);
    pthread_mutex_lock(&bell->lock);
    if (!rung && fall_asleep(bell, ASLEEP)) {
        struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
        if (deadline_ns == GOS_FOREVER)
            pthread_cond_wait(&bell->rung, &bell->lock);
        else
            pthread_cond_timedwait(&bell->rung, &bell->lock, &until);
    }
    wake_up(bell);
    pthread_mutex_unlock(&bell->lock);
}

#endif

int gos_bell_poll_begin(gos_bell *bell)
{
    return fall_asleep(bell, POLLING);
}

void gos_bell_poll_end(gos_bell *bell)
{
    uint64_t rings;
    int saved_errno = errno;
    if (__atomic_exchange_n(&bell->word, QUIET, __ATOMIC_SEQ_CST) != POLLING)
        while (read(bell->fd, &rings, sizeof rings) < 0 && errno == EINTR)
            ; /* EAGAIN: the ringer has not come to write yet; the poller is woken once for nothing then */
    errno = saved_errno;
}
