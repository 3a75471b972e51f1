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
 * Locking: none. Everything here is called on the thread of the scheduler.
 */
#ifndef GOSSAMER_EMBED_H
#define GOSSAMER_EMBED_H

#include "../gossamer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gos_node gos_node;
typedef struct gos_slot gos_slot;
typedef struct gos_hooks gos_hooks;
typedef struct gos_timer gos_timer;

enum gos_node_kind { GOS_NODE_TASKLET = 0, GOS_NODE_SELECT = 1 };

enum gos_place {
    GOS_NOWHERE = 0, /* new, paused or dead */
    GOS_IN_RING,
    GOS_IN_CHANNEL, /* t->wait.channel */
    GOS_IN_SELECT,  /* t->wait.select */
    GOS_ASLEEP,     /* only the timer holds it */
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
    GOS_F_USER = 256,         /* first bit free for the embedder */
};

/* A link in a channel's queue (or in the ring). */
struct gos_node {
    gos_node *next, *prev;
    uint8_t kind; /* enum gos_node_kind */
};

struct gos_select;

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
    /* Wait until deadline_ns, without switching. GOS_OK, or GOS_EHOOK to end the wait with an error. Like the
     * listener notify, it may call operations: those that would switch fail with GOS_ETRAP, and so does a
     * receive while the exchange register of the current tasklet is in use. */
    int (*idle)(gos_sched *s, int64_t deadline_ns);
    /* After GOS_EHOOK in a tasklet that has ended, or whose wait the hook has ended as well: the failure, as
     * body returns it. */
    void *(*take_error)(gos_sched *s);
    /* t's stack bytes [near, far) are about to move out / are back in place. May be NULL. Cannot fail. */
    void (*evicting)(gos_tasklet *t, void *near_edge, void *far_edge);
    void (*restored)(gos_tasklet *t);
};

struct gos_slot {
    char *far_edge;       /* where the stack begins (its highest address); NULL for main's */
    gos_tasklet *owner;   /* whose bytes are in place */
    uint32_t live;        /* started, unfinished tasklets bound to these addresses */
    uint8_t pinned;       /* reserved for its only tasklet */
    void *map;            /* the mapping, guard page included */
    size_t map_size;
    gos_slot *next_free;
    struct gos_template *templates; /* for delta compression, made on demand */
    void *fiber;          /* what the thread sanitizer calls this stack */
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
    void *embedder;           /* free for the embedder */
    uint64_t switches;

    gos_tasklet **watchdogs;  /* inside run(), innermost last */
    uint32_t watchdog_count, watchdog_room;
    gos_timer *timers;        /* binary heap by deadline */
    uint32_t timer_count, timer_room;
    uint64_t timer_order;     /* timers started so far: equal times fire in this order */

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

/* Continue with t now. leave 0: the caller stays in the ring (tasklet.run), 1: it leaves (tasklet.switch).
 * The ring is rotated if t is in it, else t is put directly before the caller. t must be ready and neither
 * blocked nor current. */
GOS_API GOS_MUST_CHECK int gos_sched_switch(gos_sched *s, gos_tasklet *t, int leave);

/* Append t (ready, nowhere or asleep) to the ring / take t (neither current nor the head) out of it. */
GOS_API void gos_sched_insert(gos_sched *s, gos_tasklet *t);
GOS_API void gos_sched_remove(gos_sched *s, gos_tasklet *t);

/* End t's wait on channel, select or timer, with status; t is nowhere afterwards, and the reference that
 * its place held belongs to the caller. Nothing, and 0, if t waits for nothing; else 1. */
GOS_API GOS_MUST_CHECK int gos_sched_unlink(gos_sched *s, gos_tasklet *t, int status);

/* Reserve a stack for t alone; see gos_tasklet_pin. */
GOS_API GOS_MUST_CHECK int gos_sched_pin(gos_sched *s, gos_tasklet *t);

/* The thread of s ends, and t will outlive it: t loses its stack, as it is, and belongs to no scheduler. */
GOS_API void gos_sched_abandon(gos_sched *s, gos_tasklet *t);

/* t is about to be freed without having started: give back the stack that pin reserved. */
GOS_API void gos_sched_forget(gos_sched *s, gos_tasklet *t);

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
