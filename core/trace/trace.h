/* trace.h - inside of the recorder, and what an event site costs: one test of one global.
 *
 * A site is `if (GOSI_UNLIKELY(gosi_tracing())) gosi_trace_...(...)`. The rest is out of line.
 *
 * Rings: a ring belongs to its thread, which alone moves `head`. Whoever reads it moves `tail` (the writer), or copies
 * and then looks at `head` again (gos_trace_save). All words of a record are written with relaxed atomic stores, so
 * that a reader may see a torn record, but never undefined behaviour; what it saw is thrown away if head has passed it.
 * Locking: `lock` guards the list of rings, the strings, the state of recording; it is taken at a thread's first event,
 * never at later ones. Memory comes from the system, not from gosi_alloc, which may need the embedder's lock.
 */
#ifndef GOSI_TRACE_H
#define GOSI_TRACE_H

#include <pthread.h>
#include <stdio.h>

#include "../base/base.h"
#include "gossamer/embed.h"
#include "gossamer/trace.h"

/* Which recording is on; 0: none. Hidden, so that it is read without a detour through a table of addresses. */
extern uint32_t gosi_trace_on __attribute__((visibility("hidden")));

/* A plain load is as good as an atomic one, since whoever sees the old value for a moment records, or does not; and the
 * compiler may make one instruction of load and test. */
static GOSI_INLINE int gosi_tracing(void)
{
#ifdef GOS_TSAN
    return __atomic_load_n(&gosi_trace_on, __ATOMIC_RELAXED) != 0;
#else
    return gosi_trace_on != 0;
#endif
}

/* ---- sites of the core; events.c ---- */

void gosi_trace_switch(gos_sched *s, gos_tasklet *from, gos_tasklet *to);
void gosi_trace_finish(gos_sched *s, gos_tasklet *from, gos_tasklet *to);
void gosi_trace_idle(gos_sched *s);
void gosi_trace_event(int kind, int detail, const void *object, uint64_t a, uint64_t b);
/* t has become runnable by the doing of s's current tasklet (s NULL: nobody's), through object. */
void gosi_trace_wake(gos_sched *s, gos_tasklet *t, int cause, const void *object);

#define GOSI_TRACE(...)                                                                          \
    do {                                                                                         \
        if (GOSI_UNLIKELY(gosi_tracing()))                                                       \
            gosi_trace_event(__VA_ARGS__);                                                       \
    } while (0)

/* The next switch of this thread is somebody else's will: it counts as preempted. */
void gosi_trace_preempted(void);

/* ---- clock.c ---- */

/* 1: the CPU's counter is no clock here, and gosi_ticks asks the system. */
extern int gosi_clock_is_slow __attribute__((visibility("hidden")));

static GOSI_INLINE uint64_t gosi_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    if (GOSI_LIKELY(!gosi_clock_is_slow))
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    if (GOSI_LIKELY(!gosi_clock_is_slow)) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    return (uint64_t)gos_now();
}

/* Ticks and nanoseconds of one moment. */
struct gosi_clock_pair {
    uint64_t ticks;
    int64_t ns;
};

void gosi_clock_init(void);
struct gosi_clock_pair gosi_clock_read(void);

/* ---- record.c ---- */

struct gosi_trace_ring {
    struct gos_record *records;
    uint64_t head;  /* records written so far; atomic */
    uint64_t limit; /* head must not reach it without asking the writer; without one, UINT64_MAX */
    uint64_t tail;  /* records that the writer has taken; atomic */
    uint64_t mask;
    uint64_t lost;  /* dropped for want of room; atomic */
    uint32_t epoch; /* the recording that the contents belong to */
    uint32_t number, tid;
    uint8_t preempted; /* see gosi_trace_preempted */
    uint8_t ended;     /* its thread has; atomic */
    uint8_t announced; /* its THREAD chunk is in the file */
    char name[16];
    struct gosi_trace_ring *next;
};

extern __thread struct gosi_trace_ring *gosi_ring_here
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's ring with room for a record, or NULL: recording is off, or the record is lost. */
struct gosi_trace_ring *gosi_ring_enter(void);
struct gosi_trace_ring *gosi_ring_full(struct gosi_trace_ring *r);

static GOSI_INLINE void gosi_put(uint64_t what, uint64_t a, uint64_t b)
{
    struct gosi_trace_ring *r = gosi_ring_here;
    if (GOSI_UNLIKELY(!r || r->epoch != __atomic_load_n(&gosi_trace_on, __ATOMIC_RELAXED)) && !(r = gosi_ring_enter()))
        return;
    uint64_t head = r->head;
    if (GOSI_UNLIKELY(head == r->limit) && !(r = gosi_ring_full(r)))
        return;
    struct gos_record *record = &r->records[head & r->mask];
    __atomic_store_n(&record->ticks, gosi_ticks(), __ATOMIC_RELAXED);
    __atomic_store_n(&record->what, what, __ATOMIC_RELAXED);
    __atomic_store_n(&record->a, a, __ATOMIC_RELAXED);
    __atomic_store_n(&record->b, b, __ATOMIC_RELAXED);
    __atomic_store_n(&r->head, head + 1, __ATOMIC_RELEASE);
}

static GOSI_INLINE uint64_t gosi_what(int kind, int detail, const void *object)
{
    return (uint64_t)(uintptr_t)object << 16 | (uint64_t)(detail & 255) << 8 | (uint64_t)kind;
}

/* ---- the state of recording, under the lock ---- */

struct gosi_name {
    uint64_t object, string;
};

struct gosi_recording {
    pthread_mutex_t lock;
    pthread_cond_t emptied; /* the writer has made room, or has ended */
    pthread_cond_t wanted;  /* the writer shall look at once, or end */
    struct gosi_trace_ring *rings; /* newest first */
    uint64_t mask;          /* of rings to be made */
    uint32_t epoch;         /* of the latest recording */
    uint32_t next_number;
    uint32_t ended_count;   /* rings of threads that have ended */
    uint64_t forgotten;     /* events in rings of ended threads that were given up */
    int64_t stalled_ns;
    struct gosi_clock_pair first, last; /* begin and end; last.ticks 0: not ended yet */
    struct gosi_name *names; /* gos_trace_name: as in NAMES chunks */
    uint32_t name_count, name_room;
    uint8_t drop, streaming, stop_writer;
    /* streaming: the writer's alone, while it runs */
    pthread_t writer;
    FILE *file;
    uint64_t written, limit_bytes; /* bytes */
    uint64_t events, lost;  /* in the file; lost by rings that are gone */
    int error;              /* errno of the first failure */
    uint32_t strings_written;
};

extern struct gosi_recording gosi_recording __attribute__((visibility("hidden")));

void gosi_ring_free(struct gosi_trace_ring *r);
/* No more records; whoever waits for room goes on. With the lock held. */
void gosi_end_recording(void);

/* ---- strings.c; under the lock ---- */

struct gosi_strings {
    char *bytes;
    uint32_t *starts; /* string i (from 1) is bytes[starts[i-1]] to starts[i] */
    uint32_t *slots;  /* hash table of numbers, 0: free */
    uint32_t count, slot_count;
    size_t size, room;
    uint32_t start_room;
};
extern struct gosi_strings gosi_strings __attribute__((visibility("hidden")));
void gosi_strings_clear(void);
uint32_t gosi_strings_number(const char *text, size_t length);

/* ---- file.c: chunks. Failures stay in gosi_recording.error; under the lock or by the writer. ---- */

#define GOSI_TRACE_MAGIC "gostrace"
#define GOSI_TRACE_VERSION 1

struct gosi_trace_header {
    char magic[8];
    uint32_t version, record_size;
};

enum gosi_chunk_type {
    GOSI_CHUNK_CLOCK = 1,   /* pairs: ticks, ns */
    GOSI_CHUNK_STRINGS = 2, /* u32 first number, u32 count, then of each u32 length and its bytes */
    GOSI_CHUNK_THREAD = 3,  /* u32 number, u32 tid, 16 bytes name */
    GOSI_CHUNK_RECORDS = 4, /* u32 number of the thread, u32 zero, u64 how many it had recorded before; records */
    GOSI_CHUNK_NAMES = 5,   /* pairs: address of a tasklet that was alive at the begin (plus 1: at the end), string */
    GOSI_CHUNK_INFO = 6,    /* JSON */
    GOSI_CHUNK_END = 7,     /* u64 events, u64 lost */
};

struct gosi_chunk {
    uint32_t type;
    uint32_t length; /* of what is not padding, if that is less than size */
    uint64_t size;   /* of what follows, a multiple of 8 */
};

int gosi_file_begin(const char *path, FILE **out);
void gosi_file_chunk(FILE *file, int type, const void *head, size_t head_size, const void *body, size_t body_size);
void gosi_file_strings(FILE *file, uint32_t *written);
void gosi_file_thread(FILE *file, struct gosi_trace_ring *r);
void gosi_file_records(FILE *file, const struct gosi_trace_ring *r, uint64_t from, uint64_t to);
void gosi_file_end(FILE *file, const char *info);

/* ---- writer.c ---- */

int gosi_writer_start(void);
void gosi_writer_stop(void); /* without the lock */

#endif
