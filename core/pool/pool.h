/* pool.h - inside of worker pools.
 *
 * Life of a job: QUEUED, in its pool's queue; RUNNING, in the list of running ones, so that it can be told when its
 * scheduler ends; DONE, when it has been posted to its scheduler, which wakes the tasklet and disposes of it.
 * Locking: the pool's lock guards all of it, and the sched of its jobs: a job is posted under it, so that the
 * scheduler lives. The lock is never held while foreign code runs, nor while the world's lock is taken.
 */
#ifndef GOSI_POOL_H
#define GOSI_POOL_H

#include <pthread.h>

#include "../base/bell.h"
#include "../sched/sched.h"

enum { GOSI_JOB_QUEUED, GOSI_JOB_RUNNING, GOSI_JOB_DONE };

struct gosi_worker {
    gos_pool *pool;
    struct gosi_worker *below; /* in the stack of idle workers: who slept last is woken first */
    gos_bell bell;
    uint8_t idle;
};

struct gosi_job_list {
    gos_job *first, *last;
};

struct gos_pool {
    pthread_mutex_t lock;
    pthread_cond_t quiet; /* a job or a worker has ended, while somebody stops the pool; monotonic clock */
    struct gosi_job_list queue, running;
    struct gosi_worker *idle;
    uint32_t threads, idle_count, queued;
    uint64_t jobs;
    uint8_t stopped;
    uint8_t released; /* the last worker frees it */
    struct gos_pool_config config;
    gos_pool *next; /* all pools */
};

void gosi_jobs_append(struct gosi_job_list *list, gos_job *job);
void gosi_jobs_unlink(struct gosi_job_list *list, gos_job *job);

/* worker.c. With the lock held: somebody will take the job that has just been queued. GOS_OK or GOS_ENOMEM. */
int gosi_worker_summon(gos_pool *pool);

/* pool.c: job has been run; without the lock. */
void gosi_job_done(gos_pool *pool, gos_job *job);
/* Nobody uses it any more. */
void gosi_pool_free(gos_pool *pool);

#endif
