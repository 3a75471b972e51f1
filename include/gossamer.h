/* gossamer.h - tasklets and channels for C programs.
 *
 * A tasklet is a flow of control with a C stack of its own; an OS thread can hold millions of them and
 * switches between them by a jump. A channel is a meeting point: a value passes when a sender and a
 * receiver meet. The model is that of Stackless Python; deadlines, select and buffered channels follow Go.
 *
 * Thread rule: every function works on the scheduler of the calling thread (gos_sched_create makes it),
 * and every object belongs to the thread that made it, unless a comment says otherwise. Threads run in parallel;
 * they meet on shared channels (gos_channel_create_shared).
 * Errors: int results are 0 (GOS_OK) or a negative GOS_E... status; gos_status_text explains one.
 * Times: absolute, in nanoseconds of the monotonic clock (gos_now).
 * Ownership: pointers passed as values are never looked at, copied or freed.
 *
 * Implementers (language bindings) include gossamer/embed.h, which shows the structures.
 */
#ifndef GOSSAMER_H
#define GOSSAMER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GOS_API __attribute__((visibility("default")))
#define GOS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define GOS_API
#define GOS_MUST_CHECK
#endif

#define GOS_VERSION "0.1.0"

/* name, value, text */
#define GOS_STATUS_LIST(X)                                                                       \
    X(GOS_OK, 0, "success")                                                                      \
    X(GOS_ENOMEM, -1, "out of memory")                                                           \
    X(GOS_EINVAL, -2, "invalid argument")                                                        \
    X(GOS_ETIMEDOUT, -3, "the deadline passed")                                                  \
    X(GOS_ECANCELED, -4, "the tasklet was killed")                                               \
    X(GOS_ECLOSED, -5, "the channel is closed")                                                  \
    X(GOS_EDEADLOCK, -6, "the last runnable tasklet cannot be blocked")                          \
    X(GOS_ENOSENDER, -7, "the main tasklet is receiving without a sender available")             \
    X(GOS_ENORECEIVER, -8, "the main tasklet is sending without a receiver available")           \
    X(GOS_ETRAP, -9, "switching is forbidden here (switch trap)")                                \
    X(GOS_EBLOCKTRAP, -10, "the tasklet must not block (block trap)")                            \
    X(GOS_ETHREAD, -11, "the object belongs to another thread")                                  \
    X(GOS_EBLOCKED, -12, "the tasklet is blocked")                                               \
    X(GOS_EDEAD, -13, "the tasklet has no function to run")                                      \
    X(GOS_ECURRENT, -14, "not possible for the current tasklet")                                 \
    X(GOS_EBUSY, -15, "still in use")                                                            \
    X(GOS_EHOOK, -16, "a hook of the embedding program reported an error")                       \
    X(GOS_ENOTSUP, -17, "not supported on this machine")                                         \
    X(GOS_ELIMIT, -18, "the time limit of the tasklet is over")                                  \
    X(GOS_EIO, -19, "a file could not be read or written")

enum gos_status {
#define GOS_STATUS_ENUM(name, value, text) name = value,
    GOS_STATUS_LIST(GOS_STATUS_ENUM)
#undef GOS_STATUS_ENUM
};

/* Name ("GOS_ENOMEM") and text of a status; "unknown status" for others. Any thread. Never NULL. */
GOS_API const char *gos_status_name(int status);
GOS_API const char *gos_status_text(int status);

#define GOS_FOREVER INT64_MAX /* a deadline that never passes */

/* Nanoseconds of CLOCK_MONOTONIC. Any thread. */
GOS_API int64_t gos_now(void);

typedef struct gos_sched gos_sched;
typedef struct gos_tasklet gos_tasklet;
typedef struct gos_channel gos_channel;

/* ---- scheduler: one a thread ------------------------------------------------------------------ */

enum gos_stacks {
    GOS_STACKS_SLOTS = 0, /* few stacks, shared; a suspended tasklet's bytes move out when another needs them */
    GOS_STACKS_OWN = 1,   /* a stack for each tasklet: for sanitizers, and C that keeps pointers to its stack */
};

enum gos_compress { GOS_COMPRESS_AUTO = 0, GOS_COMPRESS_ALWAYS = 1, GOS_COMPRESS_NEVER = 2 };

struct gos_config {
    int stacks;        /* enum gos_stacks */
    int max_slots;     /* 1..64; 0: 64. Ignored with GOS_STACKS_OWN */
    size_t stack_size; /* bytes of address space a stack; 0: RLIMIT_STACK, at most 8 MiB (own: 256 KiB) */
    int compress;      /* enum gos_compress: moved-out stack bytes are stored as differences */
    int evict_always;  /* 1: move out whatever can be moved at each switch (for tests) */
};

/* Create the scheduler of the calling thread; config may be NULL. The caller becomes the main tasklet.
 * Each tasklet starts with the floating-point control words (rounding and such) that the thread has now.
 * GOS_EBUSY: it has one already. GOS_ENOTSUP: hardware shadow stacks are on, which any switch of stacks violates. */
GOS_API GOS_MUST_CHECK int gos_sched_create(const struct gos_config *config);

/* Destroy it, from its main tasklet. GOS_EBUSY: tasklets are alive (run or kill them first). */
GOS_API GOS_MUST_CHECK int gos_sched_destroy(void);

/* Run until no tasklet of this thread is runnable and none waits for a time. GOS_ENOMEM, from here and from every
 * other wait of the main tasklet: for want of memory somebody could not go on; call again. */
GOS_API GOS_MUST_CHECK int gos_run(void);

/* The same, but wait for other threads as well, until every tasklet of this thread has ended. GOS_EDEADLOCK: those
 * that are left will never be woken. */
GOS_API GOS_MUST_CHECK int gos_run_to_end(void);

/* Let the next runnable tasklet run; the caller goes to the end of the queue. */
GOS_API GOS_MUST_CHECK int gos_yield(void);

/* Leave the run queue until somebody calls gos_tasklet_insert. */
GOS_API GOS_MUST_CHECK int gos_park(void);

/* Sleep until deadline_ns; GOS_ECANCELED if killed meanwhile. */
GOS_API GOS_MUST_CHECK int gos_sleep_until(int64_t deadline_ns);

/* ---- tasklets --------------------------------------------------------------------------------- */

/* Create a tasklet that runs fn(arg), at the end of the run queue. If out is not NULL, *out gets a
 * reference that the caller gives back with gos_tasklet_unref. */
GOS_API GOS_MUST_CHECK int gos_spawn(void (*fn)(void *), void *arg, gos_tasklet **out);

/* Any thread. */
GOS_API void gos_tasklet_unref(gos_tasklet *t);

/* The calling tasklet (borrowed), or NULL if the thread has no scheduler. */
GOS_API gos_tasklet *gos_current(void);

GOS_API int gos_tasklet_alive(const gos_tasklet *t);

/* Put a parked tasklet at the end of the run queue; nothing if it is there already.
 * GOS_EBLOCKED, GOS_EDEAD. Any thread: from another one, by message, which has no effect if the tasklet turns out to
 * be blocked or dead; GOS_ENOMEM. */
GOS_API GOS_MUST_CHECK int gos_tasklet_insert(gos_tasklet *t);

/* End what t waits for with GOS_ECANCELED; it runs at its turn and should return from its function.
 * One that has not started ends without running. Nothing for a dead one; GOS_ECURRENT for the caller,
 * GOS_EINVAL for the main tasklet. Any thread: by message, as gos_tasklet_insert. */
GOS_API GOS_MUST_CHECK int gos_tasklet_kill(gos_tasklet *t);

/* Reserve t's stack for t alone, so that pointers into it stay valid while it is suspended.
 * GOS_EBUSY: t has started and already shares its stack. GOS_EDEAD. */
GOS_API GOS_MUST_CHECK int gos_tasklet_pin(gos_tasklet *t);

/* ---- channels --------------------------------------------------------------------------------- */

/* capacity 0: values pass only when both sides meet; n > 0: n values are kept (Go's buffered channel). */
GOS_API GOS_MUST_CHECK int gos_channel_create(size_t capacity, gos_channel **out);

/* The same, for tasklets of any number of threads, which meet there in the order in which they come; whoever finds a
 * partner continues, whatever the preference. Any thread may use, close and (once) destroy it. A select takes
 * shared channels, or others, not both. */
GOS_API GOS_MUST_CHECK int gos_channel_create_shared(size_t capacity, gos_channel **out);

/* A thread whose tasklets all wait on shared channels sleeps. When every thread that has a scheduler does, the last
 * one gets GOS_EDEADLOCK. Tell if somebody else may still send: a thread that has no scheduler yet, for instance,
 * between its creation and its gos_sched_create. Any thread. */
GOS_API void gos_outside_begin(void);
GOS_API void gos_outside_end(void);

/* GOS_EBUSY: tasklets are blocked on it. */
GOS_API GOS_MUST_CHECK int gos_channel_destroy(gos_channel *ch);

/* Both end with GOS_OK, GOS_ETIMEDOUT, GOS_ECANCELED (killed), GOS_ECLOSED, GOS_EDEADLOCK (nobody could
 * ever wake the caller) or GOS_ENOMEM; with an error no value has passed. */
GOS_API GOS_MUST_CHECK int gos_send(gos_channel *ch, void *value, int64_t deadline_ns);
GOS_API GOS_MUST_CHECK int gos_receive(gos_channel *ch, void **value, int64_t deadline_ns);

/* A closing channel still serves those who find a partner or a kept value; who would block gets GOS_ECLOSED. */
GOS_API void gos_close(gos_channel *ch);
GOS_API void gos_open(gos_channel *ch);

/* > 0: kept values and blocked senders; < 0: blocked receivers. */
GOS_API int gos_balance(const gos_channel *ch);

/* Who continues when both sides have met: -1 the receiver (default), 1 the sender, 0 the caller. */
GOS_API void gos_set_preference(gos_channel *ch, int preference);

struct gos_case {
    gos_channel *channel;
    int send;    /* 1: send value; 0: receive */
    void *value; /* send: what to send; receive: filled in when this case is chosen */
};

/* Perform one of n cases: the first in the list that is ready, or else the first that becomes ready.
 * *chosen gets its index. deadline_ns 0: do not wait (GOS_ETIMEDOUT). GOS_EINVAL: no case, or one channel
 * both to send and to receive. GOS_ECLOSED: a case that would block is on a closed channel. */
GOS_API GOS_MUST_CHECK int gos_select(struct gos_case *cases, size_t n, int64_t deadline_ns, size_t *chosen);

/* ---- pools: calls that block a thread --------------------------------------------------------- */

typedef struct gos_pool gos_pool;

/* Worker threads, made on demand up to max_threads (0: 32), ended after ten idle seconds. Any thread may use a pool. */
GOS_API GOS_MUST_CHECK int gos_pool_create(uint32_t max_threads, gos_pool **out);

/* Take no more jobs. wait 1: until those that have been handed in are done. Further calls get GOS_ECLOSED. Any thread. */
GOS_API void gos_pool_stop(gos_pool *pool, int wait);

/* Stop, wait, and free it. No tasklet may be waiting for one of its jobs. */
GOS_API void gos_pool_destroy(gos_pool *pool);

/* Run fn(arg) on a worker, while the calling tasklet waits and others run. GOS_ETIMEDOUT, GOS_ECANCELED: the tasklet
 * waits no longer, but fn, if it has begun, goes on and still uses arg; done(arg), if not NULL, tells that it has
 * ended or will not begin. GOS_ECLOSED, GOS_ENOMEM: it has not begun. done is called in every case, once. */
GOS_API GOS_MUST_CHECK int gos_call(gos_pool *pool, void (*fn)(void *arg), void *arg, void (*done)(void *arg),
                                    int64_t deadline_ns);

struct gos_pool_stats {
    uint32_t threads; /* that exist */
    uint32_t idle;    /* of them without a job */
    uint32_t queued;  /* jobs that wait for a worker */
    uint64_t jobs;    /* that have been done */
};
GOS_API void gos_pool_get_stats(gos_pool *pool, struct gos_pool_stats *out);

/* ---- figures ---------------------------------------------------------------------------------- */

struct gos_stats {
    uint64_t switches;      /* since the scheduler was created */
    uint64_t evictions;     /* stack slices moved out */
    uint64_t evicted;       /* of them out at present */
    uint64_t evicted_bytes; /* heap bytes they take, templates included */
    uint64_t live;          /* started and unfinished tasklets */
    uint64_t slots;         /* stacks mapped */
};
GOS_API void gos_get_stats(struct gos_stats *out);

#ifdef __cplusplus
}
#endif
#endif
