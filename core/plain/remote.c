/* remote.c - reaching a tasklet of another thread: by message to that thread.
 *
 * The world's lock keeps the other scheduler from being destroyed between the look and the post.
 */
#include "plain.h"

struct request {
    gos_message message; /* first */
    gos_tasklet *task;
    int (*perform)(gos_tasklet *t);
};

static void deliver_request(gos_sched *s, gos_message *m)
{
    struct request *r = (struct request *)m;
    (void)s;
    (void)r->perform(r->task); /* it may have become blocked, or have died, since it was asked for */
    gosi_free(r);
}

static int request(gos_tasklet *t, int (*perform)(gos_tasklet *t))
{
    struct c_sched *home = c_tasklet(t)->home;
    struct request *r = gosi_alloc(sizeof *r);
    if (!r)
        return GOS_ENOMEM;
    *r = (struct request){.message = {.deliver = deliver_request}, .task = t, .perform = perform};
    gosi_world_lock();
    int closed = home->closed;
    if (!closed)
        gosi_member_post(&home->member, &r->message);
    gosi_world_unlock();
    if (closed)
        gosi_free(r);
    return closed ? GOS_EDEAD : GOS_OK;
}

int gosi_remote_insert(gos_tasklet *t)
{
    return request(t, gosi_plain_insert);
}

int gosi_remote_kill(gos_tasklet *t)
{
    int rc = request(t, gosi_plain_kill);
    return rc == GOS_EDEAD ? GOS_OK : rc;
}

static void deliver_unref(gos_sched *s, gos_message *m)
{
    (void)s;
    gosi_plain_unref((struct c_tasklet *)((char *)m - offsetof(struct c_tasklet, unref)));
}

void gosi_remote_unref(struct c_tasklet *t)
{
    gosi_world_lock();
    int closed = t->home->closed;
    if (!closed) {
        t->unref.deliver = deliver_unref;
        gosi_member_post(&t->home->member, &t->unref);
    } else if (--t->references == 0) {
        gosi_plain_free(t);
    }
    gosi_world_unlock();
}
