/* writer.c - the recorder's thread, which empties the rings into the file while a recording streams.
 *
 * It needs no lock of the embedder (Python's GIL), so whoever waits for it may hold that. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "trace.h"

#define rec gosi_recording
enum { PAUSE_NS = 1000000 };

/* The ring's new records go to the file; 1 if there were any. Without the lock: rings in the list stay, except that
 * this thread frees those that have ended. */
static int drain(struct gosi_trace_ring *r)
{
    uint64_t head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE), tail = r->tail;
    if (!r->announced) {
        gosi_file_thread(rec.file, r);
        r->announced = 1;
    }
    if (head == tail)
        return 0;
    gosi_file_records(rec.file, r, tail, head);
    __atomic_store_n(&r->tail, head, __ATOMIC_RELEASE);
    return 1;
}

/* The file is as large as it may be, or cannot be written. */
static int is_at_end(void)
{
    return rec.error || (rec.limit_bytes && rec.written >= rec.limit_bytes);
}

/* One round over the rings; with the lock, which is given up while the file is written. */
static int drain_all(void)
{
    int any = 0;
    struct gosi_trace_ring *r = rec.rings; /* rings come in at the front and go by this thread only */
    while (r) {
        if (r->epoch == rec.epoch) {
            int ended = __atomic_load_n(&r->ended, __ATOMIC_ACQUIRE);
            uint64_t tail = r->tail;
            pthread_mutex_unlock(&rec.lock);
            int some = drain(r);
            pthread_mutex_lock(&rec.lock);
            any |= some;
            rec.events += r->tail - tail;
            if (gosi_trace_on && is_at_end())
                gosi_end_recording();
            if (some)
                pthread_cond_broadcast(&rec.emptied);
            if (ended) {
                struct gosi_trace_ring **link = &rec.rings, *next = r->next;
                while (*link != r)
                    link = &(*link)->next;
                *link = next;
                rec.lost += r->lost;
                rec.ended_count--;
                gosi_ring_free(r);
                r = next;
                continue;
            }
        }
        r = r->next;
    }
    gosi_file_strings(rec.file, &rec.strings_written);
    return any;
}

static void pause_a_little(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PAUSE_NS;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&rec.wanted, &rec.lock, &until);
}

static void *write_all(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "gossamer-trace");
    pthread_mutex_lock(&rec.lock);
    while (!rec.stop_writer)
        if (!drain_all())
            pause_a_little();
    drain_all();
    pthread_mutex_unlock(&rec.lock);
    return NULL;
}

/* With the lock. The thread takes no signals: they are the program's. */
int gosi_writer_start(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rec.stop_writer = 0;
    int error = pthread_create(&rec.writer, NULL, write_all, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        fclose(rec.file);
        rec.file = NULL;
        return GOS_ENOMEM;
    }
    rec.streaming = 1;
    return GOS_OK;
}

void gosi_writer_stop(void)
{
    pthread_mutex_lock(&rec.lock);
    rec.stop_writer = 1;
    pthread_cond_signal(&rec.wanted);
    pthread_mutex_unlock(&rec.lock);
    pthread_join(rec.writer, NULL);
}
