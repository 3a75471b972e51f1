/* plain.h - what the files behind gossamer.h share. */
#ifndef GOSI_PLAIN_H
#define GOSI_PLAIN_H

#include "../thread/shared.h"

struct c_sched;

struct c_tasklet {
    gos_tasklet base; /* first */
    void (*fn)(void *);
    void *arg;
    uint32_t references; /* the thread's business; others send messages */
    struct c_sched *home;
    gos_message unref; /* from another thread: of the one reference that the program has */
};

/* Lives as long as one of its tasklets. */
struct c_sched {
    gos_sched base; /* first */
    struct gosi_member member;
    struct c_tasklet main;
    size_t tasklets; /* that exist */
    uint8_t closed;  /* the thread has destroyed it; guarded by the world's lock, as tasklets is from then on */
};

enum { KILLED = GOS_F_USER };

extern __thread struct c_sched *gosi_self;

static inline struct c_tasklet *c_tasklet(gos_tasklet *t)
{
    return (struct c_tasklet *)t;
}

static inline int foreign(const gos_tasklet *t)
{
    return ((const struct c_tasklet *)t)->home != gosi_self;
}

/* plain.c: on the tasklet's own thread */
void gosi_plain_unref(struct c_tasklet *t);
int gosi_plain_insert(gos_tasklet *t);
int gosi_plain_kill(gos_tasklet *t);
/* Free t and, if it was the last one, its scheduler. Once that is closed: with the world's lock held. */
void gosi_plain_free(struct c_tasklet *t);

/* remote.c: from any other */
void gosi_remote_unref(struct c_tasklet *t);
int gosi_remote_insert(gos_tasklet *t);
int gosi_remote_kill(gos_tasklet *t);

#endif
