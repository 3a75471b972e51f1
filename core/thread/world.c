/* world.c - which threads take part, and whether a sleeping one can still be woken.
 *
 * A member is lonely from when it decides to sleep without a deadline until somebody posts to it: the sender takes
 * the mark away, under the lock, so that a woken thread which has not come to run yet counts as awake. When all are
 * lonely, and nobody outside has promised to send (gos_outside_begin), the last one gets GOS_EDEADLOCK.
 */
#include "thread.h"

static pthread_mutex_t world = PTHREAD_MUTEX_INITIALIZER;
static struct gosi_member *members;
static uint32_t member_count, lonely_count;
static int64_t outside; /* threads without a scheduler, interrupt handlers and the like that may still send */

void gosi_world_lock(void)
{
    pthread_mutex_lock(&world);
}

void gosi_world_unlock(void)
{
    pthread_mutex_unlock(&world);
}

/* A child of fork has the calling thread only; nobody holds the lock in it. */
static void after_fork_in_child(void)
{
    struct gosi_member **link = &members;
    lonely_count = 0; /* this one runs */
    while (*link) {
        if (pthread_equal((*link)->thread, pthread_self())) {
            link = &(*link)->next;
        } else {
            *link = (*link)->next;
            member_count--;
        }
    }
    gosi_world_unlock();
}

static void register_fork(void)
{
    pthread_atfork(gosi_world_lock, gosi_world_unlock, after_fork_in_child);
}

static void set_lonely(struct gosi_member *m, uint8_t lonely)
{
    lonely_count += (uint32_t)lonely - m->lonely;
    m->lonely = lonely;
}

/* With the lock held. All sleep for ever? Then one of them has to be told. */
static void reconsider(void)
{
    if (outside > 0 || lonely_count < member_count || !members)
        return;
    members->hopeless = 1;
    gos_sched_nudge(members->sched);
}

void gosi_member_join(struct gosi_member *m, gos_sched *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_fork);
    gosi_world_lock();
    *m = (struct gosi_member){.sched = s, .next = members, .thread = pthread_self()};
    members = m;
    member_count++;
    gosi_world_unlock();
}

void gosi_member_leave(struct gosi_member *m)
{
    gosi_world_lock();
    for (struct gosi_member **link = &members; *link; link = &(*link)->next) {
        if (*link == m) {
            *link = m->next;
            member_count--;
            break;
        }
    }
    reconsider();
    gosi_world_unlock();
}

void gosi_member_post(struct gosi_member *m, gos_message *message)
{
    set_lonely(m, 0);
    m->hopeless = 0;
    gos_post(m->sched, message);
}

int gosi_member_idle(struct gosi_member *m, int64_t deadline_ns)
{
    gos_sched *s = m->sched;
    if (deadline_ns != GOS_FOREVER || s->expected) {
        gos_sched_doze(s, deadline_ns);
        return GOS_OK;
    }
    int rc = GOS_OK;
    gosi_world_lock();
    if (!gosi_attention(s)) {
        set_lonely(m, 1);
        if (outside <= 0 && lonely_count == member_count)
            rc = GOS_EDEADLOCK;
    }
    if (rc != GOS_OK || !m->lonely) {
        set_lonely(m, 0);
        gosi_world_unlock();
        return rc;
    }
    gosi_world_unlock();
    gos_sched_doze(s, GOS_FOREVER);
    gosi_world_lock();
    if (m->hopeless && m->lonely)
        rc = GOS_EDEADLOCK;
    set_lonely(m, 0);
    m->hopeless = 0;
    gosi_world_unlock();
    return rc;
}

void gos_outside_begin(void)
{
    gosi_world_lock();
    outside++;
    gosi_world_unlock();
}

void gos_outside_end(void)
{
    gosi_world_lock();
    GOS_CHECK(outside > 0 && "gos_outside_end without gos_outside_begin");
    outside--;
    reconsider();
    gosi_world_unlock();
}
