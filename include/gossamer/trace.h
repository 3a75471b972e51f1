/* gossamer/trace.h - a recording of what tasklets, threads and locks do: who ran when, who waited for whom.
 *
 * While recording is on, each thread writes records of 32 bytes into a ring of its own, without a lock. The rings keep
 * the latest, or a thread of the recorder empties them into a file. docs/internals/trace.md describes records and file.
 * Thread rule: any thread, unless a comment says otherwise. Strings are UTF-8.
 */
#ifndef GOSSAMER_TRACE_H
#define GOSSAMER_TRACE_H

#include "../gossamer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One event. what: the kind in bits 0 to 7, a detail in 8 to 15, the address of what it is about in 16 to 63. */
struct gos_record {
    uint64_t ticks; /* of the recorder's clock; see CLOCK chunks */
    uint64_t what;
    uint64_t a, b;
};

/* name, value, text; what it is about | a | b | detail. Values never change. */
#define GOS_TRACE_KINDS(X)                                                                                              \
    X(SWITCH, 1, "switch")           /* who leaves | who comes | what it waits for | enum gos_trace_why */               \
    X(IDLE, 2, "idle")               /* the current tasklet | - | what it waits for | why: the thread goes to sleep */   \
    X(BUSY, 3, "busy")               /* - : the thread is awake again */                                                 \
    X(RESUME, 4, "resume")           /* tasklet: goes on where it was, without a switch */                               \
    X(WAKE, 5, "wake")               /* tasklet | by whom, or 0 | through what | enum gos_trace_cause: it is runnable */ \
    X(KEEP, 6, "keep")               /* channel | values kept: a value was put into its buffer */                        \
    X(TAKE, 7, "take")               /* channel | values kept: a value was taken out of its buffer */                    \
    X(NEW, 8, "new")                 /* tasklet: this address is a new one */                                            \
    X(NAME, 9, "name")               /* tasklet | string | - | 1: it was given its function just now */                  \
    X(WAIT, 10, "wait")              /* lock or the like | owner tasklet, or 0 | string: of what type */                 \
    X(WAITED, 11, "waited")          /* the same | - | - | 1: got it, 0: the deadline has passed, 2: an error */         \
    X(HOLD, 12, "hold")              /* lock | tasklet that has it now | string: of what type */                         \
    X(RELEASE, 13, "release")        /* lock: nobody has it now */                                                       \
    X(EVICT, 14, "evict")            /* tasklet | stack bytes stored | bytes stored of all tasklets of the thread */     \
    X(RESTORE, 15, "restore")        /* tasklet | stack bytes | bytes stored of all tasklets of the thread */            \
    X(SPILL, 16, "spill")            /* - | bytes: the current tasklet goes on on a segment */                           \
    X(SPILLED, 17, "spilled")        /* - : it has left it */                                                            \
    X(JOB_BEGIN, 18, "job begin")    /* job | tasklet that waits for it: on a worker's thread */                         \
    X(JOB_END, 19, "job end")        /* job | tasklet */                                                                           \
    X(GIL_LEAVE, 20, "gil leave")    /* - : the thread gives the GIL away */                                             \
    X(GIL_WAIT, 21, "gil wait")      /* - : it wants it */                                                               \
    X(GIL_TAKE, 22, "gil take")      /* - : it has it */                                                                 \
    X(GC_BEGIN, 23, "gc begin")      /* - | - | - | generation */                                                        \
    X(GC_END, 24, "gc end")          /* - | objects collected | - | generation */                                        \
    X(ZONE_BEGIN, 25, "zone begin")  /* - | string | - | 0: the program's, 1: a Python function */                       \
    X(ZONE_END, 26, "zone end")      /* - | string | - | as at the begin */                                              \
    X(COUNTER, 27, "counter")        /* - | string | bits of a double */                                                 \
    X(MESSAGE, 28, "message")        /* - | string */                                                                    \
    X(LABEL, 29, "label")            /* channel, lock or the like | string: its name */                                  \
    X(THREAD, 30, "thread")          /* - | string: the name of this thread */

enum gos_trace_kind {
#define GOS_TRACE_ENUM(name, value, text) GOS_TRACE_##name = value,
    GOS_TRACE_KINDS(GOS_TRACE_ENUM)
#undef GOS_TRACE_ENUM
};

/* Why a tasklet stopped running. */
#define GOS_TRACE_WHYS(X)                                                                                               \
    X(YIELD, 1, "yield")         /* it lets others run, and is runnable itself */                                        \
    X(RECEIVE, 2, "receive")     /* waits on a channel */                                                                \
    X(SEND, 3, "send")           /* waits on a channel */                                                                \
    X(SELECT, 4, "select")       /* waits on several */                                                                  \
    X(SLEEP, 5, "sleep")         /* waits for a time */                                                                  \
    X(WAITER, 6, "wait")         /* waits for something else: a lock, a job */                                           \
    X(PARK, 7, "park")           /* until somebody inserts it */                                                         \
    X(RUN, 8, "run")             /* in run(), until nobody else can run */                                               \
    X(FINISHED, 9, "finished")   /* its function has ended */                                                            \
    X(PREEMPTED, 10, "preempted") /* its time was up */

enum gos_trace_why {
#define GOS_TRACE_ENUM(name, value, text) GOS_WHY_##name = value,
    GOS_TRACE_WHYS(GOS_TRACE_ENUM)
#undef GOS_TRACE_ENUM
};

/* What made a tasklet runnable. */
#define GOS_TRACE_CAUSES(X)                                                                                             \
    X(RECEIVED, 1, "received")   /* it got the value that the waker sent: the value goes from waker to woken */          \
    X(SENT, 2, "sent")           /* the waker took the value that it sent: from woken to waker */                        \
    X(TIME, 3, "time")           /* its time has come */                                                                 \
    X(GRANTED, 4, "granted")     /* it has got a lock, or the result of a job */                                         \
    X(INSERTED, 5, "inserted")   /* somebody put it into the run queue */                                                \
    X(ROOM, 6, "room")           /* its value went into the buffer, where the waker has made room */

enum gos_trace_cause {
#define GOS_TRACE_ENUM(name, value, text) GOS_CAUSE_##name = value,
    GOS_TRACE_CAUSES(GOS_TRACE_ENUM)
#undef GOS_TRACE_ENUM
};

struct gos_trace_config {
    const char *path;     /* file to stream to; NULL: keep the latest in memory, for gos_trace_save */
    uint64_t records;     /* in each thread's ring; rounded up to a power of two; 0: 65,536 (2 MiB) */
    uint64_t limit_bytes; /* the file grows to about this size, then recording ends; 0: no limit */
    int drop;             /* streaming, and the ring is full: 0: the thread waits for the writer, 1: the record is lost */
};

/* Begin to record. GOS_EBUSY: it is on already. GOS_EIO: the file cannot be made (errno tells). GOS_ENOMEM. */
GOS_API GOS_MUST_CHECK int gos_trace_start(const struct gos_trace_config *config);

/* End it; with a path, complete the file. info: a JSON object that goes into the file, or NULL. GOS_EINVAL: it was not
 * on. GOS_EIO: something could not be written (errno tells); what could is in the file. */
GOS_API GOS_MUST_CHECK int gos_trace_stop(const char *info);

/* Write what the rings hold to a file. Recording without a path, which may go on meanwhile, or has just been stopped.
 * GOS_EINVAL otherwise. GOS_EIO, GOS_ENOMEM. */
GOS_API GOS_MUST_CHECK int gos_trace_save(const char *path, const char *info);

struct gos_trace_stats {
    int on;
    uint64_t events;    /* recorded since gos_trace_start */
    uint64_t lost;      /* of them overwritten or dropped */
    uint64_t threads;   /* that have recorded something */
    uint64_t bytes;     /* written to the file so far */
    int64_t stalled_ns; /* for which threads waited for the writer */
};
GOS_API void gos_trace_get_stats(struct gos_trace_stats *out);

/* The number of a string in the present recording; 0 if recording is off, or there is no room for more. */
GOS_API uint32_t gos_trace_string(const char *text, size_t length);

/* Record an event of the calling thread; nothing while recording is off. Strings: from gos_trace_string. */
GOS_API void gos_trace_record(int kind, int detail, const void *object, uint64_t a, uint64_t b);
/* A part of the current tasklet's time with a name; zones nest. */
GOS_API void gos_trace_zone_begin(uint32_t name);
GOS_API void gos_trace_zone_end(uint32_t name);
GOS_API void gos_trace_counter(uint32_t name, double value);
GOS_API void gos_trace_message(uint32_t text);

/* For implementers: what t, which is alive, is called. at_begin 1: after gos_trace_start, of those that exist already;
 * 0: before gos_trace_stop or gos_trace_save, of those that exist then, since the records of their begin may be lost. */
GOS_API void gos_trace_name(const gos_tasklet *t, uint32_t name, int at_begin);

struct gos_convert_stats {
    uint64_t records;   /* read */
    uint64_t lost;      /* missing in the file */
    uint64_t events;    /* TrackEvents written */
    uint64_t bytes;     /* of the output */
    uint64_t tasklets, threads;
};

/* Convert a file of the recorder to Perfetto's format (a protobuf Trace of TrackEvents). GOS_EIO: errno tells.
 * GOS_EINVAL: it is no such file, or damaged: *what (static) says how. out may be NULL. */
GOS_API GOS_MUST_CHECK int gos_trace_convert(const char *path, const char *output, struct gos_convert_stats *out,
                                             const char **what);

#ifdef __cplusplus
}
#endif
#endif
