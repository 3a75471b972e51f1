/* pool.c - pools and their jobs, as seen from the scheduler that hands them in. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pool.h"

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static gos_pool *all; /* guarded by all_lock, which is taken before any pool's */

void gosi_jobs_append(struct gosi_job_list *list, gos_job *job)
{
    job->next = NULL;
    job->prev = list->last;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

void gosi_jobs_unlink(struct gosi_job_list *list, gos_job *job)
{
    if (job->prev)
        job->prev->next = job->next;
    else
        list->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        list->last = job->prev;
}

/* ---- the end of a job ---- */

/* On the thread of its scheduler. */
static void deliver(gos_sched *s, gos_message *m)
{
    gos_job *job = (gos_job *)m;
    gos_tasklet *t = job->task;
    gos_sched_expect(s, -1);
    if (t) {
        void *value = job->value;
        job->value = NULL;
        gos_sched_wake(s, t, value);
        if (job->lost)
            t->status = GOS_EBUSY;
    }
    job->dispose(job);
}

/* With the lock held: the scheduler hears of it. 0: there is none any more. */
static int report(gos_job *job)
{
    job->state = GOSI_JOB_DONE;
    job->message.deliver = deliver;
    if (!job->sched)
        return 0;
    gos_post(job->sched, &job->message);
    return 1;
}

void gosi_job_done(gos_pool *pool, gos_job *job)
{
    pthread_mutex_lock(&pool->lock);
    gosi_jobs_unlink(&pool->running, job);
    pool->jobs++;
    int reported = report(job);
    if (pool->stopped)
        pthread_cond_broadcast(&pool->quiet);
    pthread_mutex_unlock(&pool->lock);
    if (!reported)
        job->dispose(job);
}

/* ---- waiting for one ---- */

/* 1 if it has not begun, and will not. */
static int withdraw(gos_job *job)
{
    gos_pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    job->task = NULL; /* a worker that begins it tells the recorder whose it is */
    int queued = job->state == GOSI_JOB_QUEUED;
    if (queued) {
        gosi_jobs_unlink(&pool->queue, job);
        pool->queued--;
    }
    pthread_mutex_unlock(&pool->lock);
    return queued;
}

/* Its tasklet does not wait any more. */
static int unlink_waiter(gos_tasklet *t)
{
    gos_job *job = (gos_job *)((char *)t->wait.waiter - offsetof(gos_job, waiter));
    if (withdraw(job)) {
        gos_sched_expect(t->sched, -1);
        job->dispose(job);
    }
    return 0;
}

static int submit(gos_pool *pool, gos_job *job)
{
    int rc = GOS_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->stopped) {
        rc = GOS_ECLOSED;
    } else {
        job->state = GOSI_JOB_QUEUED;
        gosi_jobs_append(&pool->queue, job);
        pool->queued++;
        rc = gosi_worker_summon(pool);
        if (rc != GOS_OK) {
            gosi_jobs_unlink(&pool->queue, job);
            pool->queued--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return rc;
}

int gos_pool_perform(gos_sched *s, gos_pool *pool, gos_job *job, int64_t deadline_ns)
{
    if (gosi_half_gone(s) || s->trap || (s->current->flags & GOS_F_BLOCK_TRAP)) {
        job->dispose(job); /* it has not begun, for sure */
        return s->current->flags & GOS_F_BLOCK_TRAP ? GOS_EBLOCKTRAP : GOS_ETRAP;
    }
    job->pool = pool;
    job->sched = s;
    job->task = s->current;
    job->waiter.unlink = unlink_waiter;
    int rc = submit(pool, job);
    if (rc != GOS_OK) {
        job->dispose(job);
        return rc;
    }
    gos_sched_expect(s, 1);
    return gos_sched_wait(s, &job->waiter, deadline_ns); /* the job may be gone afterwards */
}

/* ---- the life of pools and schedulers ---- */

static gos_job *forget_in(gos_pool *pool, gos_sched *s, gos_job *withdrawn)
{
    gos_job *job, *next;
    pthread_mutex_lock(&pool->lock);
    for (job = pool->queue.first; job; job = next) {
        next = job->next;
        if (job->sched == s) {
            gosi_jobs_unlink(&pool->queue, job);
            pool->queued--;
            job->next = withdrawn;
            withdrawn = job;
        }
    }
    for (job = pool->running.first; job; job = job->next)
        if (job->sched == s)
            job->sched = NULL;
    pthread_mutex_unlock(&pool->lock);
    return withdrawn;
}

void gos_pool_forget(gos_sched *s)
{
    gos_job *withdrawn = NULL;
    pthread_mutex_lock(&all_lock);
    for (gos_pool *pool = all; pool; pool = pool->next)
        withdrawn = forget_in(pool, s, withdrawn);
    pthread_mutex_unlock(&all_lock);
    while (withdrawn) { /* without the lock: this may free a pool */
        gos_job *job = withdrawn;
        withdrawn = job->next;
        job->dispose(job);
    }
    gosi_attend(s); /* what they have posted already */
}

static void before_fork(void)
{
    pthread_mutex_lock(&all_lock);
    for (gos_pool *pool = all; pool; pool = pool->next)
        pthread_mutex_lock(&pool->lock);
}

static void in_parent(void)
{
    for (gos_pool *pool = all; pool; pool = pool->next)
        pthread_mutex_unlock(&pool->lock);
    pthread_mutex_unlock(&all_lock);
}

/* The workers are not in the child: what they had, or would have had, is lost, and who waits for it is told. */
static void in_child(void)
{
    for (gos_pool *pool = all; pool; pool = pool->next) {
        struct gosi_job_list *lists[2] = {&pool->running, &pool->queue};
        for (int i = 0; i < 2; i++) {
            while (lists[i]->first) {
                gos_job *job = lists[i]->first;
                gosi_jobs_unlink(lists[i], job);
                job->lost = 1;
                (void)report(job);
            }
        }
        pool->idle = NULL;
        pool->threads = pool->idle_count = pool->queued = 0;
    }
    in_parent();
}

static void register_fork(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

int gos_pool_create_with(const struct gos_pool_config *config, gos_pool **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_condattr_t attributes;
    if (config->stack_size && config->stack_size < 65536)
        return GOS_EINVAL;
    /* Not the host's allocator: the last worker may free it, and holds no lock of the host (no GIL) then. */
    gos_pool *pool = malloc(sizeof *pool);
    if (!pool)
        return GOS_ENOMEM;
    memset(pool, 0, sizeof *pool);
    pool->config = *config;
    if (!config->max_threads)
        pool->config.max_threads = 32;
    if (!config->stack_size)
        pool->config.stack_size = 1 << 20;
    if (!config->idle_ns)
        pool->config.idle_ns = INT64_C(10000000000);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->quiet, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_once(&once, register_fork);
    pthread_mutex_lock(&all_lock);
    pool->next = all;
    all = pool;
    pthread_mutex_unlock(&all_lock);
    *out = pool;
    return GOS_OK;
}

void gos_pool_stop(gos_pool *pool, int wait)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopped = 1;
    while (pool->idle)
        (void)gosi_worker_summon(pool);
    while (wait && (pool->queue.first || pool->running.first))
        pthread_cond_wait(&pool->quiet, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

int gos_pool_wait(gos_pool *pool, int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    int rc = 0;
    gos_pool_stop(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->threads && rc == 0)
        rc = pthread_cond_timedwait(&pool->quiet, &pool->lock, &until);
    int left = pool->threads != 0;
    pthread_mutex_unlock(&pool->lock);
    return left ? GOS_ETIMEDOUT : GOS_OK;
}

static void leave_list(gos_pool *pool)
{
    pthread_mutex_lock(&all_lock);
    for (gos_pool **link = &all; *link; link = &(*link)->next) {
        if (*link == pool) {
            *link = pool->next;
            break;
        }
    }
    pthread_mutex_unlock(&all_lock);
}

void gosi_pool_free(gos_pool *pool)
{
    leave_list(pool);
    pthread_cond_destroy(&pool->quiet);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void gos_pool_release(gos_pool *pool)
{
    gos_pool_stop(pool, 0);
    pthread_mutex_lock(&pool->lock);
    pool->released = 1;
    int last = pool->threads == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        gosi_pool_free(pool);
}

void gos_pool_destroy(gos_pool *pool)
{
    if (!pool)
        return;
    gos_pool_stop(pool, 1);
    pthread_mutex_lock(&pool->lock);
    while (pool->threads)
        pthread_cond_wait(&pool->quiet, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    gosi_pool_free(pool);
}

void gos_pool_get_stats(gos_pool *pool, struct gos_pool_stats *out)
{
    pthread_mutex_lock(&pool->lock);
    *out = (struct gos_pool_stats){
        .threads = pool->threads, .idle = pool->idle_count, .queued = pool->queued, .jobs = pool->jobs};
    pthread_mutex_unlock(&pool->lock);
}
