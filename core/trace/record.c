/* record.c - rings, and the beginning and end of a recording. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace.h"

enum { USUAL = 1 << 16, LEAST = 1 << 10, ENDED_KEPT = 16 };
#define MOST ((uint64_t)1 << 26)

uint32_t gosi_trace_on;
__thread struct gosi_trace_ring *gosi_ring_here __attribute__((tls_model("initial-exec")));

struct gosi_recording gosi_recording = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .emptied = PTHREAD_COND_INITIALIZER,
    .wanted = PTHREAD_COND_INITIALIZER,
};
#define rec gosi_recording

static pthread_key_t key; /* its destructor tells of the end of a thread */

/* ---- rings ---- */

static size_t ring_bytes(uint64_t mask)
{
    return (size_t)(mask + 1) * sizeof(struct gos_record);
}

void gosi_ring_free(struct gosi_trace_ring *r)
{
    munmap(r->records, ring_bytes(r->mask));
    free(r);
}

static struct gosi_trace_ring *ring_new(uint64_t mask)
{
    struct gosi_trace_ring *r = calloc(1, sizeof *r);
    void *map = r ? mmap(NULL, ring_bytes(mask), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (map == MAP_FAILED) {
        free(r);
        return NULL;
    }
    r->records = map;
    r->mask = mask;
    return r;
}

/* Without a writer nobody else frees rings: the oldest of those whose thread has ended go. */
static void forget_oldest_ended(void)
{
    struct gosi_trace_ring **oldest = NULL;
    for (struct gosi_trace_ring **link = &rec.rings; *link; link = &(*link)->next)
        if ((*link)->ended)
            oldest = link;
    if (!oldest)
        return;
    struct gosi_trace_ring *r = *oldest;
    *oldest = r->next;
    rec.forgotten += r->epoch == rec.epoch ? r->head : 0;
    rec.ended_count--;
    gosi_ring_free(r);
}

static void thread_ends(void *arg)
{
    struct gosi_trace_ring *r = arg;
    pthread_mutex_lock(&rec.lock);
    gosi_ring_here = NULL;
    __atomic_store_n(&r->ended, 1, __ATOMIC_RELEASE);
    rec.ended_count++;
    while (!rec.streaming && rec.ended_count > ENDED_KEPT)
        forget_oldest_ended();
    pthread_mutex_unlock(&rec.lock);
}

/* The thread's first event of this recording. */
struct gosi_trace_ring *gosi_ring_enter(void)
{
    struct gosi_trace_ring *r = gosi_ring_here;
    pthread_mutex_lock(&rec.lock);
    if (!gosi_trace_on) {
        pthread_mutex_unlock(&rec.lock);
        return NULL;
    }
    if (r && r->mask != rec.mask) {
        munmap(r->records, ring_bytes(r->mask));
        void *map = mmap(NULL, ring_bytes(rec.mask), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED) { /* a ring of one page always will do */
            struct gosi_trace_ring **link = &rec.rings;
            while (*link != r)
                link = &(*link)->next;
            *link = r->next;
            free(r);
            gosi_ring_here = r = NULL;
            pthread_setspecific(key, NULL);
        } else {
            r->records = map;
            r->mask = rec.mask;
        }
    } else if (!r && (r = ring_new(rec.mask)) != NULL) {
        if (pthread_setspecific(key, r) != 0) {
            gosi_ring_free(r);
            r = NULL;
        } else {
            r->next = rec.rings;
            rec.rings = gosi_ring_here = r;
        }
    }
    if (r) {
        r->head = r->tail = r->lost = 0;
        r->limit = rec.streaming ? r->mask + 1 : UINT64_MAX;
        r->number = rec.next_number++;
        r->tid = (uint32_t)syscall(SYS_gettid);
        r->preempted = r->announced = 0;
        prctl(PR_GET_NAME, r->name);
        r->epoch = gosi_trace_on;
    }
    pthread_mutex_unlock(&rec.lock);
    return r;
}

/* The ring is full as far as this thread knows: look how far the writer is, and wait for it if that is wanted. */
struct gosi_trace_ring *gosi_ring_full(struct gosi_trace_ring *r)
{
    uint64_t size = r->mask + 1;
    r->limit = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) + size;
    if (r->limit != r->head)
        return r;
    pthread_mutex_lock(&rec.lock);
    int64_t begun = rec.drop ? 0 : gos_now();
    pthread_cond_signal(&rec.wanted);
    while (!rec.drop && gosi_trace_on == r->epoch && __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) + size == r->head)
        pthread_cond_wait(&rec.emptied, &rec.lock);
    r->limit = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) + size;
    int room = gosi_trace_on == r->epoch && r->limit != r->head;
    if (begun)
        rec.stalled_ns += gos_now() - begun;
    if (!room && gosi_trace_on == r->epoch)
        __atomic_store_n(&r->lost, r->lost + 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&rec.lock);
    return room ? r : NULL;
}

/* ---- fork: the child does not record, and what the parent has recorded stays the parent's ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&rec.lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&rec.lock);
}

static void after_fork_in_child(void)
{
    __atomic_store_n(&gosi_trace_on, 0, __ATOMIC_RELAXED);
    while (rec.rings) {
        struct gosi_trace_ring *r = rec.rings;
        rec.rings = r->next;
        gosi_ring_free(r);
    }
    gosi_ring_here = NULL;
    pthread_setspecific(key, NULL);
    if (rec.file)
        close(fileno(rec.file)); /* what it has buffered is the parent's to write: the stream stays unused */
    rec.file = NULL;
    rec.streaming = rec.stop_writer = 0;
    rec.ended_count = 0;
    pthread_mutex_init(&rec.lock, NULL);
    pthread_cond_init(&rec.emptied, NULL);
    pthread_cond_init(&rec.wanted, NULL);
}

static void init_once(void)
{
    gosi_clock_init();
    pthread_key_create(&key, thread_ends);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- begin and end ---- */

static uint64_t mask_for(uint64_t records)
{
    uint64_t size = LEAST;
    records = !records ? USUAL : records > MOST ? MOST : records;
    while (size < records)
        size *= 2;
    return size - 1;
}

static void forget_all_ended(void)
{
    for (struct gosi_trace_ring **link = &rec.rings; *link;) {
        struct gosi_trace_ring *r = *link;
        if (r->ended) {
            *link = r->next;
            gosi_ring_free(r);
        } else {
            link = &r->next;
        }
    }
    rec.ended_count = 0;
}

int gos_trace_start(const struct gos_trace_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const struct gos_trace_config usual;
    config = config ? config : &usual;
    pthread_once(&once, init_once);
    pthread_mutex_lock(&rec.lock);
    int rc = gosi_trace_on || rec.streaming ? GOS_EBUSY : GOS_OK;
    if (rc == GOS_OK) {
        forget_all_ended();
        gosi_strings_clear();
        rec.mask = mask_for(config->records);
        rec.next_number = rec.name_count = rec.strings_written = 0;
        rec.forgotten = rec.written = rec.events = rec.lost = 0;
        rec.stalled_ns = 0;
        rec.error = 0;
        rec.drop = config->drop != 0;
        rec.limit_bytes = config->limit_bytes;
        rec.first = gosi_clock_read();
        rec.last.ticks = 0;
        if (config->path)
            rc = gosi_file_begin(config->path, &rec.file);
        if (rc == GOS_OK && config->path)
            rc = gosi_writer_start();
    }
    if (rc == GOS_OK) {
        rec.epoch = rec.epoch + 1 ? rec.epoch + 1 : 1;
        __atomic_store_n(&gosi_trace_on, rec.epoch, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&rec.lock);
    return rc;
}

void gosi_end_recording(void)
{
    if (!rec.last.ticks)
        rec.last = gosi_clock_read();
    __atomic_store_n(&gosi_trace_on, 0, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&rec.emptied);
}

int gos_trace_stop(const char *info)
{
    pthread_mutex_lock(&rec.lock);
    if (!gosi_trace_on && !rec.streaming) {
        pthread_mutex_unlock(&rec.lock);
        return GOS_EINVAL;
    }
    gosi_end_recording();
    if (!rec.streaming) {
        pthread_mutex_unlock(&rec.lock);
        return GOS_OK;
    }
    pthread_mutex_unlock(&rec.lock);
    gosi_writer_stop();
    pthread_mutex_lock(&rec.lock);
    for (struct gosi_trace_ring *r = rec.rings; r; r = r->next) {
        if (r->epoch == rec.epoch)
            rec.lost += r->lost;
        r->lost = 0;
    }
    gosi_file_end(rec.file, info);
    if (fclose(rec.file) != 0 && !rec.error)
        rec.error = errno ? errno : EIO;
    rec.file = NULL;
    rec.streaming = 0;
    forget_all_ended();
    int error = rec.error;
    pthread_mutex_unlock(&rec.lock);
    errno = error ? error : errno;
    return error ? GOS_EIO : GOS_OK;
}

void gos_trace_get_stats(struct gos_trace_stats *out)
{
    pthread_mutex_lock(&rec.lock);
    *out = (struct gos_trace_stats){
        .on = gosi_trace_on != 0,
        .events = rec.forgotten + rec.events,
        .lost = rec.forgotten + rec.lost,
        .threads = rec.next_number,
        .bytes = rec.written,
        .stalled_ns = rec.stalled_ns,
    };
    for (struct gosi_trace_ring *r = rec.rings; r; r = r->next) {
        if (r->epoch != rec.epoch)
            continue;
        uint64_t head = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE), size = r->mask + 1;
        out->events += head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
        out->lost += __atomic_load_n(&r->lost, __ATOMIC_RELAXED);
        if (r->limit == UINT64_MAX && head > size)
            out->lost += head - size;
    }
    pthread_mutex_unlock(&rec.lock);
}

uint32_t gos_trace_string(const char *text, size_t length)
{
    pthread_mutex_lock(&rec.lock);
    uint32_t n = gosi_trace_on || rec.streaming ? gosi_strings_number(text, length) : 0;
    pthread_mutex_unlock(&rec.lock);
    return n;
}

void gos_trace_name(const gos_tasklet *t, uint32_t name, int at_begin)
{
    pthread_mutex_lock(&rec.lock);
    if (rec.name_count == rec.name_room) {
        uint32_t room = rec.name_room ? 2 * rec.name_room : 256;
        struct gosi_name *names = realloc(rec.names, room * sizeof *names);
        if (names) {
            rec.names = names;
            rec.name_room = room;
        }
    }
    if (name && rec.name_count < rec.name_room)
        rec.names[rec.name_count++] = (struct gosi_name){(uintptr_t)t | !at_begin, name};
    pthread_mutex_unlock(&rec.lock);
}
