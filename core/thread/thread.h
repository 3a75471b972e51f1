/* thread.h - schedulers of several OS threads: shared channels, messages, who can still be woken.
 *
 * For embedders whose threads run in parallel; those with hooks->exclusive need none of it. One lock, the world's,
 * guards every shared channel and the counts of who sleeps. It is held for a few dozen instructions, never while
 * anything waits, and never while another lock of ours is taken.
 */
#ifndef GOSI_THREAD_H
#define GOSI_THREAD_H

#include <pthread.h>

#include "../channel/channel.h"

/* Part of each scheduler that takes part; guarded by the world's lock. */
struct gosi_member {
    gos_sched *sched;
    struct gosi_member *next;
    pthread_t thread;
    uint8_t lonely;   /* sleeps until another thread wakes it */
    uint8_t hopeless; /* told so by the last other thread */
};

void gosi_world_lock(void);
void gosi_world_unlock(void);

void gosi_member_join(struct gosi_member *m, gos_sched *s);
void gosi_member_leave(struct gosi_member *m);

/* The idle hook: sleep, unless nobody could ever end the sleep. */
int gosi_member_idle(struct gosi_member *m, int64_t deadline_ns);

/* With the lock held: post to a member, which is awake from now on. */
void gosi_member_post(struct gosi_member *m, gos_message *message);

#endif
