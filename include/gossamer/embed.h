/* gossamer/embed.h - the core as language bindings see it: open structures, hooks, operations that name
 * their scheduler. Programs that only use tasklets include gossamer.h.
 *
 * Invariants
 * - The run queue (ring) is circular; its head is the current tasklet while code of the thread runs.
 * - A tasklet is in at most one place (enum gos_place). Ring, channel queues, timers and the watchdog
 *   stack own one reference each to the tasklets they hold (hooks hold/drop).
 * - Reserve, then commit: an operation that fails leaves ring, channels and values as they were.
 * - What a tasklet is resumed with lies in t->value; the operation's caller takes it out *before* it calls
 *   gos_settle, which releases what the switch left over and may run arbitrary code of the embedder.
 * Locking: none. Everything here is called on the thread of the scheduler, with two exceptions: gos_post and
 * gos_sched_nudge, from any thread; and if hooks->exclusive says that all threads of the embedder run one at a
 * time (Python's GIL), what names a tasklet or a channel works on those of other schedulers, too, which are then
 * as they are inside a hook: maybe in the middle of an operation, never in the middle of ours.
 */
#ifndef GOSSAMER_EMBED_H
#define GOSSAMER_EMBED_H

#ifndef __linux__
#include <pthread.h>
#endif

#include "../gossamer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gos_node gos_node;
typedef struct gos_slot gos_slot;
typedef struct gos_segment gos_segment;
typedef struct gos_segments gos_segments;
typedef struct gos_copy gos_copy;
typedef struct gos_copies gos_copies;
typedef struct gos_hooks gos_hooks;
typedef struct gos_timer gos_timer;
typedef struct gos_message gos_message;
typedef struct gos_poller gos_poller;

enum gos_node_kind { GOS_NODE_TASKLET = 0, GOS_NODE_SELECT = 1, GOS_NODE_SHARED = 2 };

enum gos_place {
    GOS_NOWHERE = 0, /* new, paused or dead */
    GOS_IN_RING,
    GOS_IN_CHANNEL, /* t->wait.channel */
    GOS_IN_SELECT,  /* t->wait.select */
    GOS_ASLEEP,     /* only the timer holds it */
    GOS_IN_WAITER,  /* t->wait.waiter: something else that is going to make it runnable */
};

enum gos_flag {
    GOS_F_READY = 1,          /* has a function to run: alive */
    GOS_F_STARTED = 2,        /* owns stack */
    GOS_F_MAIN = 4,           /* the thread's own stack */
    GOS_F_WATCHDOG = 8,       /* on the watchdog stack: inside run() */
    GOS_F_BLOCK_TRAP = 16,    /* channel operations that would block fail */
    GOS_F_ATOMIC = 32,        /* kept for the embedder */
    GOS_F_IGNORE_NESTING = 64,
    GOS_F_PIN = 128,          /* wants (or has) a stack of its own */
    GOS_F_THROWN = 256,       /* runs, and its register holds an error that another thread has thrown into it */
    GOS_F_LIMITED = 512,      /* hooks->limit says until when its waits may last */
    GOS_F_LIMIT_FIRST = 1024, /* the timer it has started stands for that, not for the wait's own deadline */
    GOS_F_USER = 2048,        /* first bit free for the embedder */
};

/* A link in a channel's queue (or in the ring). */
struct gos_node {
    gos_node *next, *prev;
    uint8_t kind; /* enum gos_node_kind */
};

struct gos_select;

/* First member of what a tasklet can wait for besides channels: a job, a descriptor, a partner on another thread. */
typedef struct gos_waiter gos_waiter;
struct gos_waiter {
    /* t, on its own thread, waits no longer: forget it. 1: too late, the wait has ended well; t->value is set. */
    int (*unlink)(gos_tasklet *t);
};

struct gos_tasklet {
    gos_node *next, *prev;  /* neighbours in ring or channel queue; first, so that a tasklet is a gos_node */
    uint8_t kind;           /* GOS_NODE_TASKLET */
    uint8_t place;          /* enum gos_place */
    int8_t direction;       /* blocked on a channel: -1 receiving, 1 sending; else 0 */
    uint8_t slice_kind;     /* how the slice is stored: 0 raw, n: against template n-1 of the slot */
    uint32_t flags;         /* enum gos_flag */
    gos_sched *sched;       /* the owner; NULL: its thread has ended */
    void *value;            /* the exchange register: what it sends, or is resumed with (owned) */
    union {
        gos_channel *channel;
        struct gos_select *select;
        gos_waiter *waiter;
    } wait;
    void *sp;               /* stack pointer while suspended */
    gos_slot *slot;         /* its stack; a common dummy before the start */
    void *slice;            /* heap copy of its stack bytes while evicted, else NULL */
    uint32_t timer;         /* index in the timer heap + 1, 0: none */
    int32_t status;         /* how its wait ended */
};

struct gos_hooks {
    /* Run t's function to its end, on t's own stack. NULL, or a failure that its caller has to get: it
     * becomes the value of the innermost watchdog (or main), which is resumed at once. */
    void *(*body)(gos_tasklet *t);
    /* Exchange the embedder's per-tasklet state. Runs on from's stack; cannot fail, must not call back. */
    void (*swap)(gos_tasklet *from, gos_tasklet *to);
    /* Count references. drop may run arbitrary code. */
    void (*hold)(gos_tasklet *t);
    void (*drop)(gos_tasklet *t);
    void (*drop_value)(void *value);
    /* Wait until deadline_ns, a message (gos_post) or a nudge, without switching: gos_sched_doze does. It may
     * return early. GOS_OK; GOS_EHOOK to end the wait with an error; GOS_EDEADLOCK: only another thread could
     * wake somebody here (deadline_ns is GOS_FOREVER, and s->expected 0), and none ever will. Like the
     * listener notify, it may call operations: those that would switch fail with GOS_ETRAP, and so does a
     * receive while the exchange register of the current tasklet is in use. */
    int (*idle)(gos_sched *s, int64_t deadline_ns);
    /* After GOS_EHOOK in a tasklet that has ended, or whose wait the hook has ended as well: the failure, as
     * body returns it. */
    void *(*take_error)(gos_sched *s);
    /* t's stack bytes [near, far) are about to move out / are back in place. May be NULL. Cannot fail. */
    void (*evicting)(gos_tasklet *t, void *near_edge, void *far_edge);
    void (*restored)(gos_tasklet *t);
    /* t has GOS_F_LIMITED: no wait of it lasts longer than until then; it ends with GOS_ELIMIT. May be NULL if nothing sets
     * that flag. */
    int64_t (*limit)(gos_tasklet *t);
    int exclusive; /* the threads of all schedulers with these hooks run one at a time */
};

/* What another thread, or nobody's thread, wants to have done here. deliver runs on the thread of s at its next
 * scheduling point, and frees m if need be; it must not switch. */
struct gos_message {
    gos_message *next;
    void (*deliver)(gos_sched *s, gos_message *m);
};

/* Where an idle thread sleeps. */
typedef struct gos_bell {
    uint32_t word;
    int fd; /* an eventfd (or the writing end of a pipe), for threads that sleep in a poller; else -1 */
    uint8_t patience;   /* how often it may still give way for nothing before it sleeps, see bell.c; the owner's */
    uint8_t impatience; /* waits since it last tried, while patience is 0 */
#ifndef __linux__
    pthread_mutex_t lock;
    pthread_cond_t rung;
#endif
} gos_bell;

enum gos_attention { GOS_ATTENTION_TIMERS = 1, GOS_ATTENTION_INBOX = 2, GOS_ATTENTION_POLLER = 4 };

/* What a scheduler asks of its poller. */
struct gos_poller_calls {
    void (*attend)(gos_sched *s);                    /* at scheduling points, while GOS_ATTENTION_POLLER is set */
    void (*doze)(gos_sched *s, int64_t deadline_ns); /* as gos_sched_doze */
    int (*waits)(const gos_sched *s);                /* does anybody wait for a descriptor? */
};

struct gos_slot {
    char *far_edge;       /* where the stack begins (its highest address); NULL for main's */
    gos_tasklet *owner;   /* whose bytes are in place */
    uint32_t live;        /* started, unfinished tasklets bound to these addresses */
    uint8_t pinned;       /* reserved for its only tasklet */
    void *map;            /* the mapping, guard page included */
    size_t map_size;
    gos_slot *next_free;
    gos_slot *parent;     /* of a segment: where it returns to; else NULL */
    struct gos_template *templates; /* for delta compression, made on demand */
    void *fiber;          /* what the thread sanitizer calls this stack */
};

/* ---- segments: more stack for a call that finds too little ----
 *
 * gos_segments is the pool of one thread, zeroed at first. Segments in use belong to the flow of control that called
 * for them, a tasklet or (tasklet NULL) the thread itself with its main; they never move, and nobody shares them. */
struct gos_segments {
    gos_segment *pooled;    /* ready for use */
    gos_segment *innermost; /* of the thread's own flow: what it runs on, NULL: its native stack */
    uint32_t pooled_count;
    uint32_t live;          /* in use */
    uint64_t spills;        /* calls that went to a segment so far */
    size_t size;            /* bytes of those that are pooled */
    uint8_t keep_mapped;    /* set it, and no segment is used again or unmapped: somebody may still put bytes there */
};

/* Lowest usable and first unusable address of a stack. */
struct gos_bounds {
    char *low, *high;
};

/* ---- copies: the same without more address space ----
 *
 * gos_copies is what one thread has stored away of its native stack, zeroed at first. */
struct gos_copies {
    gos_copy *innermost; /* calls that run over the memory of their callers */
    gos_copy *spare;     /* a block for the next one */
    uint32_t live;
    uint64_t spills;     /* such calls so far */
    size_t bytes;        /* of memory that these take now */
};

/* What of the stack is stored away: the bytes from near to base are at copy. */
struct gos_moved {
    char *near, *base, *copy;
};

enum { GOS_BLOCK_CLASSES = 16, GOS_BLOCKS_KEPT = 32 };

struct gos_sched {
    gos_tasklet *current;
    gos_tasklet *head;        /* of the ring; equals current except in the middle of an operation */
    gos_tasklet *main;
    const gos_hooks *hooks;
    void (*notify)(gos_tasklet *from, gos_tasklet *to); /* before each switch; NULL: nobody listens */
    gos_tasklet *deferred;    /* reference to release after the switch, see gos_settle */
    void *deferred_value;     /* value likewise */
    size_t spare_size;        /* bytes at spare: at least the largest slice in place, so that evicting cannot fail */
    int32_t runcount;         /* members of the ring */
    int32_t trap;             /* != 0: switching is forbidden */
    uint32_t attention;       /* enum gos_attention: what scheduling points have to look at. Atomic */
    int32_t expected;         /* wake-ups promised from outside, by pool jobs and the like: worth waiting for */
    void *embedder;           /* free for the embedder */
    uint64_t switches;

    gos_tasklet **watchdogs;  /* inside run(), innermost last */
    uint32_t watchdog_count, watchdog_room;
    gos_timer *timers;        /* binary heap by deadline */
    uint32_t timer_count, timer_room;
    uint64_t timer_order;     /* timers started so far: equal times fire in this order */
    gos_message *inbox;       /* newest first. Atomic */
    gos_bell bell;
    gos_poller *poller;       /* NULL: no tasklet has waited for a descriptor yet */
    const struct gos_poller_calls *poller_calls;
    uint8_t threadblock;      /* the innermost run() waits for other threads as well */

    gos_slot main_slot;
    gos_slot **slots;
    uint32_t slot_count, slot_room, slot_max, slot_cursor;
    gos_slot *free_slots;     /* live == 0 */
    gos_slot *picked;         /* reserved for a tasklet about to start */
    size_t slot_size;
    void *spare;
    char *scratch;            /* a small stack for exchanging two tasklets of one slot */
    uint64_t evictions, evicted, evicted_bytes, live;
    void *blocks[GOS_BLOCK_CLASSES]; /* free blocks for raw slices, linked through their first word */
    uint32_t block_count;
    uint8_t compress, evict_always, own;
    uint8_t no_waiting;       /* run() returns rather than wait for timers */
    uint64_t fp_control;      /* floating-point control words that tasklets start with: the thread's own, at init */
    int *errno_place;         /* errno of this thread: asking for its address at each switch costs 3 ns */
    void *cxa;                /* C++ exception globals of this thread, NULL without a C++ runtime */
};

struct gos_channel {
    gos_node *first, *last;   /* queue of waiters, all in one direction */
    int32_t waiting;          /* > 0: senders, < 0: receivers */
    int8_t preference;
    uint8_t schedule_all;
    uint8_t closing;
    uint8_t shared;           /* gos_channel_create_shared */
    struct gos_buffer *buffer; /* NULL: unbuffered */
};

/* Prepare s, with main as its main tasklet (caller-owned memory, zeroed). */
GOS_API GOS_MUST_CHECK int gos_sched_init(gos_sched *s, gos_tasklet *main, const gos_hooks *hooks,
                                          const struct gos_config *config);
GOS_API void gos_sched_fini(gos_sched *s);

/* A new tasklet in caller-owned, zeroed memory. It is "not ready" until GOS_F_READY is set. */
GOS_API void gos_tasklet_init(gos_tasklet *t, gos_sched *s);

/* Release what the last switch left over. Call after each operation below that may have switched, and
 * at the start of body, once t->value is taken out. */
GOS_API void gos_settle_slow(gos_sched *s);
static inline void gos_settle(gos_sched *s)
{
    if (s->deferred || s->deferred_value)
        gos_settle_slow(s);
}

/* Operations of the current tasklet; statuses as in gossamer.h. */
GOS_API GOS_MUST_CHECK int gos_sched_yield(gos_sched *s);
GOS_API GOS_MUST_CHECK int gos_sched_park(gos_sched *s);
GOS_API GOS_MUST_CHECK int gos_sched_run(gos_sched *s);
GOS_API GOS_MUST_CHECK int gos_sched_sleep(gos_sched *s, int64_t deadline_ns);

/* Wait for something else: whoever ends that calls gos_sched_wake on this thread. GOS_ECLOSED and such do not occur:
 * the result is what gos_sched_wake or gos_sched_unlink say, or GOS_ETIMEDOUT, GOS_ETRAP, GOS_EBLOCKTRAP, GOS_ENOMEM,
 * GOS_EDEADLOCK. After a failure the waiter has been unlinked. */
GOS_API GOS_MUST_CHECK int gos_sched_wait(gos_sched *s, gos_waiter *w, int64_t deadline_ns);
/* t, which waits for a waiter, becomes runnable, with value in its register. */
GOS_API void gos_sched_wake(gos_sched *s, gos_tasklet *t, void *value);

/* Continue with t now. leave 0: the caller stays in the ring (tasklet.run), 1: it leaves (tasklet.switch).
 * The ring is rotated if t is in it, else t is put directly before the caller. t must be ready and neither
 * blocked nor current. */
GOS_API GOS_MUST_CHECK int gos_sched_switch(gos_sched *s, gos_tasklet *t, int leave);

/* Append t (ready, nowhere or asleep) to the ring / take t (neither current nor the head) out of it. */
GOS_API void gos_sched_insert(gos_sched *s, gos_tasklet *t);
GOS_API void gos_sched_remove(gos_sched *s, gos_tasklet *t);

/* As gos_sched_insert, but t gets the next turn. */
GOS_API void gos_sched_insert_next(gos_sched *s, gos_tasklet *t);

/* Any thread. m belongs to s from now on. Lock-free; messages of one sender arrive in order. s must live. */
GOS_API void gos_post(gos_sched *s, gos_message *m);
/* Any thread. Wake the thread of s if it is idle: somebody has become runnable there. */
GOS_API void gos_sched_nudge(gos_sched *s);
/* For idle hooks: sleep until deadline_ns, a message, a nudge, or a signal. */
GOS_API void gos_sched_doze(gos_sched *s, int64_t deadline_ns);
/* The owner, after it was rung, waits for something that the ringer still has: give way, if s has the patience for it
 * (bell->patience) and until this says 0. since_ns: when that began. */
GOS_API int gos_bell_give_way(gos_bell *bell, int64_t since_ns);
/* For idle hooks that sleep in a poller: 1: bell->fd becomes readable at a message or nudge, until poll_end;
 * 0: there is one already, do not sleep. */
GOS_API int gos_bell_poll_begin(gos_bell *bell);
GOS_API void gos_bell_poll_end(gos_bell *bell);
/* Somebody outside will make a tasklet of s runnable (1), or has done so (-1): run() and blocked tasklets wait
 * for it, as for a timer. */
GOS_API void gos_sched_expect(gos_sched *s, int change);

/* End t's wait on channel, select or timer, with status; t is nowhere afterwards, and the reference that
 * its place held belongs to the caller. Nothing, and 0, if t waits for nothing; else 1; 2 if the wait had already
 * ended well by another thread's doing, and that is its result. */
GOS_API GOS_MUST_CHECK int gos_sched_unlink(gos_sched *s, gos_tasklet *t, int status);

/* Reserve a stack for t alone; see gos_tasklet_pin. */
GOS_API GOS_MUST_CHECK int gos_sched_pin(gos_sched *s, gos_tasklet *t);

/* Call call(arg) on a segment of `bytes` (rounded up to pages; at least 16 KiB) and return when it returns. t is the
 * current tasklet, or NULL on a thread without a scheduler and in main: those stay where they are, so that only the
 * pool needs to know. GOS_ENOMEM: nothing was called. */
GOS_API GOS_MUST_CHECK int gos_segment_call(gos_segments *pool, gos_tasklet *t, size_t bytes, void (*call)(void *), void *arg);

/* Store the native stack of the calling thread away from here to base (an address on it, rounded down to 64; further out than
 * the caller), call call(arg, what was moved) with the stack beginning at base, put the bytes back, and return. `size`
 * bytes at arg, which may lie on that stack, are moved aside for the call, and back. Nothing may use an address of a
 * frame between here and base meanwhile. GOS_ENOMEM: nothing was called; always so under sanitizers. */
GOS_API GOS_MUST_CHECK int gos_copy_call(gos_copies *copies, char *base, void (*call)(void *arg, const struct gos_moved *moved),
                                         void *arg, size_t size);

/* The thread ends: free what is left. */
GOS_API void gos_copies_free(gos_copies *copies);

/* Unmap the segments that are ready for use. Needs no scheduler and no allocator: good at a thread's end. */
GOS_API void gos_segments_trim(gos_segments *pool);

/* The stack that t, current and not main, is running on. */
GOS_API struct gos_bounds gos_tasklet_bounds(const gos_tasklet *t);
/* The same of the innermost segment of the thread's own flow; 0 if it runs on its native stack. */
GOS_API int gos_segments_bounds(const gos_segments *pool, struct gos_bounds *out);
/* The native stack of the calling thread; 0 if the system does not tell. */
GOS_API int gos_native_bounds(struct gos_bounds *out);

/* The thread of s ends, and t will outlive it: t loses its stack, as it is, and belongs to no scheduler. */
GOS_API void gos_sched_abandon(gos_sched *s, gos_tasklet *t);

/* t is about to be freed without having started: give back the stack that pin reserved. */
GOS_API void gos_sched_forget(gos_sched *s, gos_tasklet *t);

/* ---- pools: core/pool ----
 *
 * A job is a call that blocks its thread, done on a worker while the tasklet waits. Memory: the submitter's; dispose
 * gives it back. */
typedef struct gos_job gos_job;
struct gos_job {
    gos_message message;
    gos_waiter waiter;
    void (*run)(gos_job *job);     /* on the worker; leaves its result in value */
    void (*dispose)(gos_job *job); /* exactly once, when nobody needs it any more: on the thread of its scheduler, or
                                      on a worker if that has ended. value is NULL if it has been handed over */
    void *value;
    /* The pool's: */
    gos_pool *pool;
    gos_sched *sched;              /* NULL: ended */
    gos_tasklet *task;             /* NULL: waits no longer */
    gos_job *next, *prev;
    uint8_t state;
    uint8_t lost;                  /* the worker did not survive a fork */
};

struct gos_pool_config {
    uint32_t max_threads;  /* 0: 32 */
    size_t stack_size;     /* bytes a worker; 0: 1 MiB; at least 64 KiB */
    int64_t idle_ns;       /* how long a worker waits for a job before it ends; 0: 10 seconds */
    /* On each worker, at its begin and end, and before and after it sleeps for want of a job. May be NULL. */
    void (*thread_begin)(void);
    void (*thread_end)(void);
    void (*sleeps)(void);
    void (*awakes)(void);
};

GOS_API GOS_MUST_CHECK int gos_pool_create_with(const struct gos_pool_config *config, gos_pool **out);

/* Have job done and wait for it: GOS_OK, job->value lies in the exchange register. GOS_ETIMEDOUT, GOS_ECANCELED and such:
 * the tasklet waits no longer; if the job has begun, it goes on, and its result is dropped. GOS_ECLOSED: the pool has
 * been stopped. GOS_ENOMEM: no worker could be started. GOS_EBUSY: a fork in another tasklet has taken the workers away.
 * job belongs to the pool, whatever the result. */
GOS_API GOS_MUST_CHECK int gos_pool_perform(gos_sched *s, gos_pool *pool, gos_job *job, int64_t deadline_ns);

/* As gos_pool_stop with wait, but only until deadline_ns, and for the end of the workers as well: GOS_ETIMEDOUT then. */
GOS_API GOS_MUST_CHECK int gos_pool_wait(gos_pool *pool, int64_t deadline_ns);

/* Stop it, and free it when its last worker has ended: nobody waits. Any thread. */
GOS_API void gos_pool_release(gos_pool *pool);

/* s is about to end: results that it waits for go nowhere. On the thread of s, before gos_sched_fini. */
GOS_API void gos_pool_forget(gos_sched *s);

/* ---- descriptors: core/poll ----
 *
 * Waiting until a descriptor is ready. Try the call first, wait when it would block, then try again: a wait may end although
 * the descriptor is not ready (any more), and of several that wait for the same all are woken, longest waiting first. */
enum gos_poll_events {
    GOS_POLL_IN = 1,
    GOS_POLL_OUT = 2,
    GOS_POLL_PRI = 4,
    GOS_POLL_HUP = 8,   /* these are reported, whether they have been asked for or not, to all who wait for the descriptor */
    GOS_POLL_ERR = 16,
    GOS_POLL_NVAL = 32,
};

struct gos_poll_fd {
    int fd;         /* negative: ignored */
    uint16_t events; /* IN, OUT, PRI */
    uint16_t ready;  /* out: what ended the wait; others may be ready as well */
};

/* The current tasklet waits until one of them is ready. owned 1: whoever closes these descriptors calls gos_poll_close
 * first; saves a system call for each wait. GOS_OK; GOS_ETIMEDOUT, GOS_ECANCELED and such; GOS_ECLOSED: gos_poll_close;
 * GOS_EINVAL: no such descriptor; GOS_ENOTSUP: no poller can be had: *error is the errno (may be NULL). */
GOS_API GOS_MUST_CHECK int gos_poll_wait(gos_sched *s, struct gos_poll_fd *fds, uint32_t count, int owned,
                                         int64_t deadline_ns, int *error);

/* Spares a call that would find nothing. emptied: a read from fd, a TCP socket, has just got some bytes, but fewer than it
 * asked for. is_emptied: a read now would get EAGAIN as far as the poller of s knows, so wait for GOS_POLL_IN at once. Both
 * for owned descriptors; on the thread of s. Where the system makes no promise about short reads, nothing is emptied. */
GOS_API void gos_poll_emptied(gos_sched *s, int fd);
GOS_API int gos_poll_is_emptied(const gos_sched *s, int fd);

/* fd is about to be closed: whoever waits for it, in any thread, is woken with GOS_ECLOSED. Any thread; me: its scheduler,
 * or NULL. GOS_ENOMEM: some thread could not be told. */
GOS_API GOS_MUST_CHECK int gos_poll_close(gos_sched *me, int fd);

/* A descriptor that becomes readable when a tasklet of s can go on, for hosts that wait for more than gos_sched_doze can:
 * it still has to be called then, with a deadline that has passed. -1: nobody waits for a descriptor, or the back end has
 * none. It belongs to the poller. Thread rule: the thread of s. */
GOS_API int gos_poll_descriptor(const gos_sched *s);

/* s is about to end. On the thread of s, before gos_sched_fini, when no tasklet waits for a descriptor. */
GOS_API void gos_poll_end(gos_sched *s);

GOS_API void gos_channel_init(gos_channel *ch);
GOS_API GOS_MUST_CHECK int gos_channel_set_capacity(gos_channel *ch, size_t capacity);
/* Take what is kept in the buffer out, oldest first; 0 when empty. */
GOS_API int gos_channel_take_kept(gos_channel *ch, void **value);
GOS_API int gos_channel_visit_kept(gos_channel *ch, int (*visit)(void *value, void *arg), void *arg);
GOS_API void gos_channel_fini(gos_channel *ch);
GOS_API int gos_channel_balance(const gos_channel *ch);
GOS_API size_t gos_channel_capacity(const gos_channel *ch);

/* Would the operation have to wait? */
GOS_API int gos_channel_would_block(const gos_channel *ch, int send);

/* On success the value belongs to the channel, the receiver (send), or the caller (receive: it lies in
 * current->value); on failure nothing has passed, and send's value is in the caller's hands again. */
GOS_API GOS_MUST_CHECK int gos_channel_send(gos_sched *s, gos_channel *ch, void *value, int64_t deadline_ns);
GOS_API GOS_MUST_CHECK int gos_channel_receive(gos_sched *s, gos_channel *ch, int64_t deadline_ns);

/* As gos_select; the value received lies in current->value. Sent values that were not chosen stay the caller's. */
GOS_API GOS_MUST_CHECK int gos_channel_select(gos_sched *s, struct gos_case *cases, size_t n, int64_t deadline_ns,
                                              size_t *chosen);
/* The channels of a tasklet in select, for reports: *n of them; valid until it is resumed. */
GOS_API const struct gos_case *gos_select_cases(const gos_tasklet *t, size_t *n);

/* The tasklet behind a link of a channel's queue; and whether this link stands for the one reference that
 * the place holds (a select has several links). */
GOS_API gos_tasklet *gos_node_tasklet(gos_node *node);
GOS_API int gos_node_owns_tasklet(gos_node *node);

/* Replace malloc, realloc and free for everything of the core, before any scheduler exists. */
GOS_API void gos_set_allocator(void *(*alloc)(size_t), void *(*resize)(void *, size_t), void (*release)(void *));

#ifdef __cplusplus
}
#endif
#endif
