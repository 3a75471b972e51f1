/* select.c - waiting on several channels at once.
 *
 * First every case is tried in order; only then one node for each case is put into the queues, so a select
 * takes part in FIFO order like everybody else. Whoever meets one of the nodes removes all of them.
 */
#include <string.h>

#include "channel.h"

static int try_cases(gos_sched *s, struct gos_case *cases, size_t n, size_t *chosen, int *done)
{
    for (size_t i = 0; i < n; i++) {
        int rc = gosi_channel_try(s, cases[i].channel, cases[i].send ? 1 : -1, cases[i].value, done);
        if (*done || rc != GOS_OK) {
            *chosen = i;
            return rc;
        }
    }
    *done = 0;
    return GOS_OK;
}

static int may_block(gos_sched *s, const struct gos_case *cases, size_t n, int64_t deadline_ns)
{
    for (size_t i = 0; i < n; i++) {
        int rc = gosi_channel_may_block(s, cases[i].channel, deadline_ns);
        if (rc != GOS_OK)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (cases[j].channel == cases[i].channel && !cases[j].send != !cases[i].send)
                return GOS_EINVAL;
    }
    return GOS_OK;
}

static struct gos_select *make_select(gos_tasklet *t, const struct gos_case *cases, size_t n)
{
    size_t nodes = sizeof(struct gos_select) + n * sizeof(struct gosi_select_node);
    struct gos_select *sel = gosi_alloc(nodes + n * sizeof *cases);
    if (!sel)
        return NULL;
    sel->count = n;
    sel->chosen = n;
    sel->cases = (struct gos_case *)((char *)sel + nodes);
    memcpy(sel->cases, cases, n * sizeof *cases);
    for (size_t i = 0; i < n; i++)
        sel->nodes[i] = (struct gosi_select_node){
            .link = {.kind = GOS_NODE_SELECT},
            .task = t,
            .channel = cases[i].channel,
            .value = cases[i].value,
            .direction = cases[i].send ? 1 : -1,
        };
    return sel;
}

int gos_channel_select(gos_sched *s, struct gos_case *cases, size_t n, int64_t deadline_ns, size_t *chosen)
{
    gos_tasklet *cur = s->current;
    if (n == 0 || n > INT32_MAX)
        return GOS_EINVAL;
    int done, rc = try_cases(s, cases, n, chosen, &done);
    if (done || rc != GOS_OK)
        return rc;
    rc = may_block(s, cases, n, deadline_ns);
    if (rc != GOS_OK)
        return rc;
    struct gos_select *sel = make_select(cur, cases, n);
    if (!sel)
        return GOS_ENOMEM;
    deadline_ns = gosi_until(s, cur, deadline_ns);
    if (deadline_ns != GOS_FOREVER && (rc = gosi_timer_start(s, cur, deadline_ns)) != GOS_OK) {
        gosi_free(sel);
        return rc;
    }
    gosi_ring_unlink(s, cur);
    cur->wait.select = sel;
    cur->place = GOS_IN_SELECT;
    for (size_t i = 0; i < n; i++)
        gosi_queue_append(sel->nodes[i].channel, &sel->nodes[i].link, sel->nodes[i].direction);
    rc = gosi_wait(s);
    *chosen = sel->chosen;
    gosi_free(sel);
    return rc;
}

void gosi_select_unlink(gos_tasklet *t)
{
    struct gos_select *sel = t->wait.select;
    for (size_t i = 0; i < sel->count; i++)
        gosi_queue_unlink(sel->nodes[i].channel, &sel->nodes[i].link, sel->nodes[i].direction);
    t->wait.select = NULL;
}

const struct gos_case *gos_select_cases(const gos_tasklet *t, size_t *n)
{
    *n = t->place == GOS_IN_SELECT ? t->wait.select->count : 0;
    return *n ? t->wait.select->cases : NULL;
}
