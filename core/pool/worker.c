/* worker.c - the threads of a pool: made when a job finds none idle, ended when they have been idle for long. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "pool.h"

static void call(void (*hook)(void))
{
    if (hook)
        hook();
}

static void work(gos_pool *pool, gos_job *job)
{
    gosi_jobs_unlink(&pool->queue, job);
    pool->queued--;
    gosi_jobs_append(&pool->running, job);
    job->state = GOSI_JOB_RUNNING;
    gos_tasklet *task = job->task;
    pthread_mutex_unlock(&pool->lock);
    GOSI_TRACE(GOS_TRACE_JOB_BEGIN, 0, job, (uintptr_t)task, 0);
    job->run(job);
    GOSI_TRACE(GOS_TRACE_JOB_END, 0, job, (uintptr_t)task, 0);
    gosi_job_done(pool, job);
    pthread_mutex_lock(&pool->lock);
}

static void leave_idle(gos_pool *pool, struct gosi_worker *w)
{
    for (struct gosi_worker **link = &pool->idle; *link; link = &(*link)->below) {
        if (*link == w) {
            *link = w->below;
            break;
        }
    }
    w->idle = 0;
    pool->idle_count--;
}

/* With the lock held. 1: there may be a job now; 0: it has been idle for long. */
static int sleep_well(gos_pool *pool, struct gosi_worker *w)
{
    int64_t until = gos_now() + pool->config.idle_ns;
    w->idle = 1;
    w->below = pool->idle;
    pool->idle = w;
    pool->idle_count++;
    pthread_mutex_unlock(&pool->lock);
    call(pool->config.sleeps);
    while (__atomic_load_n(&w->idle, __ATOMIC_ACQUIRE) && gos_now() < until)
        gosi_bell_wait(&w->bell, until);
    call(pool->config.awakes);
    pthread_mutex_lock(&pool->lock);
    if (!w->idle)
        return 1;
    leave_idle(pool, w);
    return 0;
}

static void *worker_main(void *arg)
{
    struct gosi_worker w = {.pool = arg};
    gos_pool *pool = w.pool;
    gosi_bell_init(&w.bell);
    call(pool->config.thread_begin);
    pthread_mutex_lock(&pool->lock);
    while (pool->queue.first || (!pool->stopped && sleep_well(pool, &w)))
        if (pool->queue.first)
            work(pool, pool->queue.first);
    pthread_mutex_unlock(&pool->lock);
    call(pool->config.thread_end);
    gosi_bell_fini(&w.bell);
    pthread_mutex_lock(&pool->lock); /* not earlier: who waits for the end may free the pool */
    int last = --pool->threads == 0 && pool->released;
    pthread_cond_broadcast(&pool->quiet);
    pthread_mutex_unlock(&pool->lock);
    if (last)
        gosi_pool_free(pool);
    return NULL;
}

/* Signals are for the threads of the program. */
static int start_worker(gos_pool *pool)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return GOS_ENOMEM;
    int rc = pthread_attr_setstacksize(&attributes, pool->config.stack_size);
    if (rc == 0)
        rc = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (rc == 0) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = pthread_create(&thread, &attributes, worker_main, pool);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    if (rc != 0)
        return GOS_ENOMEM;
    pool->threads++;
    return GOS_OK;
}

int gosi_worker_summon(gos_pool *pool)
{
    struct gosi_worker *w = pool->idle;
    if (w) {
        pool->idle = w->below;
        pool->idle_count--;
        __atomic_store_n(&w->idle, 0, __ATOMIC_RELEASE);
        gosi_bell_ring(&w->bell);
        return GOS_OK;
    }
    if (pool->threads >= pool->config.max_threads)
        return GOS_OK;
    int rc = start_worker(pool);
    return pool->threads > 0 ? GOS_OK : rc; /* the others will come to it */
}
