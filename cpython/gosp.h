/* gosp.h - what the files of the extension share: object layouts, the per-thread state, helpers.
 *
 * Layers, bottom up: compat/ (CPython's private structs), thread.c (a scheduler for each thread, the hooks
 * the core calls), call.c (values and errors in and out of a switch), then one file a type.
 *
 * Invariants
 * - core.value of a tasklet owns its object; who resumes takes it out before anything can run (gosp_resumed).
 * - The union in TaskletObject holds `fresh` until the tasklet is switched to for the first time, `state`
 *   from then to its death (HAS_STATE), `fresh` again afterwards.
 * - All of it under the GIL. What runs or switches tasklets does so on the thread of their scheduler; remote.c has
 *   what reaches those of other threads. They are then as they are inside of a hook: maybe in the middle of an
 *   operation, as the GIL is given up only where Python code may run.
 */
#ifndef GOSP_H
#define GOSP_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "compat/state.h"
#include "gossamer/embed.h"
#include "preempt.h"

#define GOSP_LIKELY(x) __builtin_expect(!!(x), 1)
#define GOSP_UNLIKELY(x) __builtin_expect(!!(x), 0)

enum {
    GOSP_HAS_STATE = GOS_F_USER,        /* the union holds `state` */
    GOSP_KEEP_RESULT = GOS_F_USER << 1, /* spawned: the outcome is kept for join */
    GOSP_OWNED = GOS_F_USER << 2,       /* in a Group: errors are the group's business, never main's */
    GOSP_ENDED = GOS_F_USER << 3,       /* its function has ended, and none was bound since */
    GOSP_TRACE_ME = GOS_F_USER << 5,    /* bound by traced code: starts with threading.settrace's function, if any */
    GOSP_UNTRACKED = GOS_F_USER << 4,   /* hidden from the collector, see gosp_track */
    GOSP_INTERRUPT = GOS_F_USER << 6,   /* to be interrupted when it is resumed, see gosp_slice_at_resume */
};

/* A switch looks closer at a tasklet whose flags differ here from gosp_thread.usual_flags. */
#define GOSP_USUAL_MASK (GOSP_HAS_STATE | GOS_F_ATOMIC)

typedef struct gosp_extras gosp_extras;

enum { GOSP_CACHED_CHUNKS = 32 };

typedef struct TaskletObject {
    PyObject_HEAD
    gos_tasklet core;
    PyObject *weakrefs;
    gosp_extras *extras; /* name, locals, outcome, trace functions...: few tasklets need them */
    PyObject *context;   /* contextvars.Context while not current; NULL: none yet */
    union {
        struct {
            PyObject *func, *args, *kwargs; /* the call it will start with, once it is complete */
        } fresh;
        gosp_state state;
    };
} TaskletObject;

struct gosp_extras {
    gosp_trace trace;     /* saved while not current */
    PyObject *name;       /* str or NULL */
    PyObject *locals;     /* dict of tasklet-local storage, or NULL */
    PyObject *result;     /* of a kept tasklet, once dead */
    PyObject *error;      /* exception likewise */
    PyObject *joined;     /* closed-over waiters: a channel the joiners wait on, or NULL */
    PyObject *joining;    /* the tasklet that this one waits for in join, or NULL */
    struct TimeoutObject *timeout; /* the innermost gossamer.timeout it is inside of, or NULL */
    unsigned long number; /* for the default name */
};

typedef struct {
    PyObject_HEAD
    gos_channel core;
    PyObject *weakrefs;
} ChannelObject;

typedef struct {
    PyObject_HEAD
    PyObject *type, *value, *traceback;
} BombObject;

typedef struct gosp_thread {
    gos_sched sched; /* first: the hooks get a gos_sched */
    PyThreadState *ts;
    TaskletObject *main;
    unsigned long thread_id;
    gosp_c_stack main_c_stack; /* while main is not current: its bounds */
    /* Between the first switch to a tasklet and its body; and until its first switch away. */
    PyObject *start_args, *start_kwargs; /* and start_func */
    TaskletObject *starting; /* its call's objects may be released at its first switch away: */
    PyObject *start_func, *start_tuple;
    PyObject *late_func, *late_tuple; /* ... to be released by whoever runs next */
    TaskletObject *channel_callback_in; /* inside the channel callback: no channel operations */
    void *chunks[GOSP_CACHED_CHUNKS]; /* free first chunks of the usual size */
    int chunk_count;
    PyObject *failed_on; /* what the last failed channel operation was on, for deadlock reports (borrowed) */
    int failed_direction;
    unsigned lonely; /* != 0: asleep until another thread wakes it; when, in the order of falling asleep */
    int hopeless;    /* told so by the last other thread, while it sleeps */
    gosp_slice slice; /* limits on how long its tasklets run */
    Py_ssize_t members; /* tasklets that belong to it, main included: those whose core.sched it is */
    uint8_t ended;      /* its thread state is gone: nothing can come to it, or be killed, any more */
    uint8_t goes_with_last; /* freed when the last member goes */
    uint8_t knows_daemon, is_daemon; /* the interpreter ends without waiting for it */
    uint8_t dozes; /* in idle, the GIL released: it has not chosen who runs next, even if there is somebody by now */
    struct gosp_bound *entering; /* of a with statement that is about to wait, see sync/with.c; else NULL */
    uint8_t sleeps_long; /* it has waited for a moment, for nothing, see doze.c */
    struct gosp_thread *next;
    /* atomic code, see ticker.c */
    uint32_t usual_flags; /* under GOSP_USUAL_MASK: what spares a switch a closer look; ATOMIC as the current tasklet has it */
    uint8_t yield_due;    /* its turn is over: others get the GIL when it is not atomic */
    uint8_t is_keeper;
    struct gosp_thread *next_keeper;
} gosp_thread;

/* Process-wide state. Subinterpreters are refused, so this is the main interpreter's. */
typedef struct {
    PyTypeObject *tasklet_type, *channel_type, *buffered_type, *bomb_type, *atomic_type;
    PyObject *tasklet_exit, *deadlock_error;
    PyObject *channel_callback, *schedule_callback, *error_handler, *uncaught_hook;
    void (*fast_schedule_callback)(PyObject *from, PyObject *to);
    PyObject *empty_tuple;
    PyObject *module;       /* gossamer._gossamer, borrowed */
    gosp_thread *threads;
    struct gos_config config;
    unsigned long next_number;
    int pickle_flags, pickle_flags_default;
    int passive_threads; /* pool workers without a job: they wake nobody by themselves. Atomic, as they have no GIL */
    int lonely_threads;  /* that have thread.lonely set. Atomic, for the same */
    uint64_t guarded;           /* thread states up to this id tell when they end, see idle.c */
    PyThreadState *main_thread; /* set once it only waits for the others to end; else NULL */
    BombObject *emergency_bomb; /* MemoryError, for when there is no memory for a bomb */
} gosp_globals;

extern gosp_globals gosp;

/* One pointer, in the static TLS block: dlopened modules have little of it. */
extern __thread gosp_thread *gosp_self __attribute__((tls_model("initial-exec")));

/* thread.c: the calling thread's scheduler, made on demand. NULL with an error set. */
gosp_thread *gosp_thread_enter(void);

static inline gosp_thread *gosp_thread_current(void)
{
    gosp_thread *th = gosp_self;
    if (GOSP_LIKELY(th != NULL) && GOSP_LIKELY(gosp_ts_is_current(th->ts)))
        return th;
    return gosp_thread_enter();
}

static inline TaskletObject *gosp_of(gos_tasklet *t)
{
    return (TaskletObject *)((char *)t - offsetof(TaskletObject, core));
}

static inline ChannelObject *gosp_channel_of(gos_channel *ch)
{
    return (ChannelObject *)((char *)ch - offsetof(ChannelObject, core));
}

static inline TaskletObject *gosp_current(gosp_thread *th)
{
    return gosp_of(th->sched.current);
}

static inline gosp_thread *gosp_thread_of(gos_sched *s)
{
    return (gosp_thread *)s;
}

static inline int gosp_alive(const TaskletObject *t)
{
    return (t->core.flags & GOS_F_READY) != 0;
}

/* It waits for somebody: at a channel, for a lock, for a job. */
static inline int gosp_blocked(const TaskletObject *t)
{
    int place = t->core.place;
    return place == GOS_IN_CHANNEL || place == GOS_IN_SELECT || place == GOS_IN_WAITER;
}

static inline int gosp_has_stack(const TaskletObject *t)
{
    return (t->core.flags & (GOS_F_STARTED | GOS_F_READY)) == (GOS_F_STARTED | GOS_F_READY);
}

/* A tasklet in the run queue is alive anyway, so the collector need not look at it: most tasklets of a busy
 * program never get tracked. It must be tracked wherever else it can be: before its first setup, and from
 * when it leaves the queue for the first time. */
static inline void gosp_track(TaskletObject *t)
{
    if (t->core.flags & GOSP_UNTRACKED) {
        t->core.flags &= ~(uint32_t)GOSP_UNTRACKED;
        if (!PyObject_GC_IsTracked((PyObject *)t)) /* CPython tracks what a __del__ brings back */
            PyObject_GC_Track(t);
    }
}

static inline void gosp_untrack(TaskletObject *t)
{
    if (!(t->core.flags & GOSP_UNTRACKED)) {
        t->core.flags |= GOSP_UNTRACKED;
        PyObject_GC_UnTrack(t);
    }
}

#define Tasklet_Check(op) PyObject_TypeCheck(op, gosp.tasklet_type)
#define Channel_Check(op) PyObject_TypeCheck(op, gosp.channel_type)
#define Bomb_Check(op) Py_IS_TYPE(op, gosp.bomb_type)

/* thread.c */
int gosp_threads_init(void);
void gosp_update_notify(void); /* after the schedule callback was set or removed */
void gosp_thread_kill_all(gosp_thread *th);
void gosp_thread_left(gosp_thread *th); /* by one of its members */
void gosp_settle_slow(gosp_thread *th);

/* Release what a switch left over. May run any Python code. */
static inline void gosp_settle(gosp_thread *th)
{
    if (GOSP_UNLIKELY(th->sched.deferred || th->sched.deferred_value || th->late_func))
        gosp_settle_slow(th);
}

/* bomb.c */
PyObject *gosp_bomb_new(PyObject *type, PyObject *value, PyObject *traceback); /* steals none */
PyObject *gosp_bomb_from_error(void);  /* takes the current exception; never NULL */
PyObject *gosp_bomb_raise(PyObject *bomb); /* steals the bomb; NULL */
PyObject *gosp_bomb_from_throw(PyObject *exc, PyObject *val, PyObject *tb); /* rules of raise e, v, t */
PyObject *gosp_bomb_from_class(PyObject *klass, PyObject *args, const char *message); /* klass(*args), later */
int gosp_bomb_is(PyObject *bomb, PyObject *exception_type);
int gosp_bomb_init(PyObject *module);

/* call.c: leaving an operation that may have switched. rc is its status, cur the tasklet that called it.
 * New reference to what it was resumed with (None if nothing), or NULL with the exception. */
PyObject *gosp_resumed(gosp_thread *th, TaskletObject *cur, int rc);

/* preempt.c: what gosp_settle does, and then the interruption of a tasklet that was resumed only for that. 0, or
 * -1 with an exception: it was thrown into meanwhile. */
int gosp_settle_and_interrupt(gosp_thread *th);

/* The same after GOS_OK, for inlining. */
static inline __attribute__((always_inline)) PyObject *gosp_resumed_hot(gosp_thread *th, TaskletObject *cur)
{
    PyObject *value = cur->core.value; /* claimed before anything can run */
    cur->core.value = NULL;
    gosp_tracing_resumed(th->ts);
    if (GOSP_UNLIKELY(th->sched.deferred || th->sched.deferred_value || th->late_func) && gosp_settle_and_interrupt(th) < 0) {
        Py_XDECREF(value);
        return NULL;
    }
    if (!value)
        return Py_NewRef(Py_None);
    if (GOSP_LIKELY(!Bomb_Check(value)))
        return value;
    cur->core.flags &= ~(uint32_t)GOS_F_THROWN;
    return gosp_bomb_raise(value);
}

/* NULL, with the exception that belongs to the status. */
PyObject *gosp_raise_status(gosp_thread *th, int rc);
/* Error NotImplementedError, for what a later release brings. */
PyObject *gosp_not_yet(const char *what);
int gosp_check_owner(gosp_thread *th, TaskletObject *t);

/* remote.c: tasklets of other threads */
int gosp_remote_check(TaskletObject *t, const char *uninitialized);
void gosp_remote_insert(TaskletObject *t, int next);
PyObject *gosp_remote_throw(TaskletObject *t, PyObject *bomb, int pending); /* steals bomb */

/* An error that another thread has thrown into the current tasklet, before it does anything that could take long:
 * -1 with the exception set. */
static inline int gosp_pending(TaskletObject *cur)
{
    if (GOSP_LIKELY(!(cur->core.flags & GOS_F_THROWN)))
        return 0;
    PyObject *bomb = cur->core.value;
    cur->core.value = NULL;
    cur->core.flags &= ~(uint32_t)GOS_F_THROWN;
    gosp_bomb_raise(bomb);
    return -1;
}

/* pool.c */
int gosp_pool_init_type(PyObject *module);
extern PyMethodDef gosp_pool_functions[];

/* idle.c: waiting for other threads */
int gosp_idle(gos_sched *s, int64_t deadline_ns);
void gosp_idle_reconsider(PyThreadState *leaving); /* a thread ends: may those that sleep still hope? */
void gosp_idle_passive(int change); /* without the GIL: a worker is about to sleep (1), or has woken (-1) */
void gosp_idle_main_exits(void); /* the others have ended: it is itself again */

/* doze.c: sleep until s is rung or the deadline passes; may return early. -1 with the exception of a signal handler. */
int gosp_doze(gosp_thread *th, int64_t deadline_ns);

/* tasklet.c and its neighbours */
int gosp_tasklet_init_type(PyObject *module);
TaskletObject *gosp_tasklet_new(gosp_thread *th, PyTypeObject *type);
/* bind.c */
PyObject *gosp_tasklet_bind_thread(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
int gosp_tasklet_bind(gosp_thread *th, TaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs);
int gosp_tasklet_setup(gosp_thread *th, TaskletObject *t, PyObject *args, PyObject *kwargs);
int gosp_tasklet_insert(gosp_thread *th, TaskletObject *t);
int gosp_tasklet_remove(gosp_thread *th, TaskletObject *t);
PyObject *gosp_tasklet_switch(gosp_thread *th, TaskletObject *t, int leave);
gosp_extras *gosp_extras_get(TaskletObject *t); /* NULL with MemoryError */
void gosp_extras_free(TaskletObject *t);
int gosp_extras_traverse(TaskletObject *t, visitproc visit, void *arg);
extern PyMethodDef gosp_tasklet_methods[];
extern PyGetSetDef gosp_tasklet_getset[];

/* raise.c: throwing into tasklets. bomb is stolen. */
PyObject *gosp_throw_bomb(gosp_thread *th, TaskletObject *t, PyObject *bomb, int pending);
int gosp_kill(gosp_thread *th, TaskletObject *t, int pending);
void gosp_tasklet_finalize(PyObject *self);
PyObject *gosp_tasklet_throw(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *gosp_tasklet_raise_exception(PyObject *self, PyObject *args);
PyObject *gosp_tasklet_kill(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* outcome.c: results, join, uncaught errors */
void *gosp_outcome_of(gosp_thread *th, TaskletObject *t, PyObject *result); /* steals; failure for main or NULL */
void gosp_outcome_lost(gosp_thread *th, TaskletObject *t); /* its thread ends: those who wait in join need not */
PyObject *gosp_tasklet_join(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *gosp_spawn(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* timeout.c */
typedef struct TimeoutObject TimeoutObject;
int gosp_timeout_init_type(PyObject *module);
int64_t gosp_timeout_limit(gos_tasklet *t); /* the hook */
PyObject *gosp_timeout_raise(TaskletObject *t); /* NULL, with TimeoutError */
void gosp_timeout_forget(TaskletObject *t); /* none of them concerns it any more */

/* What must be waited for, however late it is. */
static inline uint32_t gosp_timeout_suspend(TaskletObject *t)
{
    uint32_t limited = t->core.flags & GOS_F_LIMITED;
    t->core.flags &= ~(uint32_t)(GOS_F_LIMITED | GOS_F_LIMIT_FIRST);
    return limited;
}
static inline void gosp_timeout_resume(TaskletObject *t, uint32_t limited)
{
    t->core.flags |= limited;
}

/* channel.c */
int gosp_channel_init_type(PyObject *module);
extern PyGetSetDef gosp_channel_getset[];
/* steals value */
PyObject *gosp_channel_send_value(gosp_thread *th, ChannelObject *ch, PyObject *value, int64_t deadline_ns);
PyObject *gosp_channel_receive_value(gosp_thread *th, ChannelObject *ch, int64_t deadline_ns);
PyObject *gosp_select(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* callbacks.c */
int gosp_call_channel_callback(gosp_thread *th, ChannelObject *ch, int sending, PyObject **value);
void gosp_call_schedule_callback(gos_tasklet *from, gos_tasklet *to);
extern PyMethodDef gosp_callback_functions[];

/* preempt.c: limits. run() begins and ends those of its call; see preempt.h. */
struct gosp_run_limits {
    int64_t quantum, budget; /* ns */
    uint8_t cpu, soft, ignore_nesting, threadblock;
};
PyObject *gosp_run(gosp_thread *th, const struct gosp_run_limits *limits); /* scheduler.c */
int gosp_slice_begin_run(gosp_thread *th, const struct gosp_run_limits *wanted);
void gosp_slice_end_run(gosp_thread *th);
void gosp_slice_forget(gosp_thread *th); /* the thread ends */
void gosp_slice_switching(gos_tasklet *from, gos_tasklet *to); /* before each switch, while there are limits */
int gosp_slice_at_resume(gosp_thread *th);
void gosp_slice_unblocked(gosp_thread *th);
int gosp_microseconds(PyObject *value, const char *name, int64_t *ns); /* None: 0. -1 with an error */
int gosp_slice_set_turn(gosp_thread *th, int64_t turn_ns); /* set_preemption */
int gosp_slice_set_stall(gosp_thread *th, int64_t stall_ns, int dump);
extern PyMethodDef gosp_preempt_functions[];
extern PyMethodDef gosp_stall_functions[]; /* stall.c */
extern PyMethodDef gosp_telemetry_functions[]; /* telemetry.c */
void gosp_telemetry_stop(void); /* releases the GIL for a while */

/* Something that stands in the way of interruptions is gone: one may be waiting. */
static inline void gosp_maybe_interrupted(gosp_thread *th)
{
    if (GOSP_UNLIKELY(th->slice.armed && th->slice.due))
        gosp_slice_unblocked(th);
}

/* parse.c: arguments of a vectorcall function; out holds the defaults. 0, or -1 with TypeError. n <= 32. */
int gosp_parse(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *function, const char *const *names,
               int n, int required, PyObject **out);

/* sync/wait.c: what a tasklet in line waits for, borrowed; NULL: it waits for nothing of gossamer.sync */
PyObject *gosp_sync_waited_for(const TaskletObject *t);
int gosp_sync_is_wait(const gos_waiter *copy); /* the waiter that it was copied from is a gosp_wait's */
int gosp_sync_visit_wait(const TaskletObject *t, visitproc visit, void *arg);
extern PyMethodDef gosp_sync_functions[];
void gosp_clear_register(gosp_thread *th); /* before the current tasklet waits for what leaves nothing there */

/* poll.c: until one of fds is ready (1), or the deadline passes (0); -1 with an exception. May end early. fds is
 * touched only while the calling tasklet runs. */
int gosp_poll_wait(gosp_thread *th, struct gos_poll_fd *fds, uint32_t count, int owned, int64_t deadline_ns);
extern PyMethodDef gosp_poll_functions[];

/* net.c, net_life.c, net_test.c */
extern PyMethodDef gosp_net_functions[], gosp_net_life_functions[], gosp_net_test_functions[];

/* scheduler.c, introspect.c, atomic.c, context.c, tracing.c */
extern PyMethodDef gosp_scheduler_functions[];
extern PyMethodDef gosp_introspect_functions[];
int gosp_atomic_init_type(PyObject *module);
int gosp_atomic_set(TaskletObject *t, int wanted); /* the old flag, or -1 with an error; may release the GIL */
void gosp_atomic_follow(gosp_thread *th, int atomic); /* at a switch: whoever comes is atomic, or is not */
int gosp_cstack_init_type(PyObject *module);
PyObject *gosp_schedule_trapped(gosp_thread *th, PyObject *retval, int remove); /* schedule, without the register */
int gosp_deadline(PyObject *timeout, int64_t *deadline_ns); /* None: forever. -1 with an error */
/* All that exist, or those of one thread besides its main. */
PyObject *gosp_list_tasklets(gosp_thread *only);
PyObject *gosp_deadlock(int status); /* sets DeadlockError with its report; NULL */
const char *gosp_tasklet_state(TaskletObject *t);
PyObject *gosp_tasklet_name(TaskletObject *t);
PyObject *gosp_waiting_on(TaskletObject *t);
/* context.c */
PyObject *gosp_context_share(gosp_thread *th); /* new reference to the current tasklet's context */
PyObject *gosp_get_context_id(PyObject *self, void *unused);
PyObject *gosp_tasklet_set_context(PyObject *self, PyObject *context);
PyObject *gosp_tasklet_context_run(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *gosp_get_trace(PyObject *self, void *unused);
PyObject *gosp_get_profile(PyObject *self, void *unused);
int gosp_set_trace(PyObject *self, PyObject *value, void *unused);
int gosp_set_profile(PyObject *self, PyObject *value, void *unused);
void gosp_trace_forget(TaskletObject *t);
void gosp_trace_adopt(void); /* take what threading.settrace and setprofile say for new threads */

/* ticker.c: who keeps the GIL. keep and release: the current tasklet of th is atomic now / is not. */
int gosp_ticker_start(void); /* -1 with an error; before anybody's first gosp_ticker_keep */
int gosp_ticker_started(void);
void gosp_ticker_keep(gosp_thread *th);
static inline int gosp_is_atomic(const gosp_thread *th)
{
    return (th->usual_flags & GOS_F_ATOMIC) != 0;
}
void gosp_ticker_release(gosp_thread *th);
void gosp_ticker_yield(gosp_thread *th);  /* let others have the GIL for a turn, unless th is atomic */
void gosp_ticker_forget(gosp_thread *th); /* th is about to be freed */
void gosp_ticker_forked(gosp_thread *th); /* in the child; th NULL: this thread has no scheduler */
void gosp_ticker_stop(void);              /* for good: the interpreter goes down */

/* deep.c, spill.c: deep recursion on small stacks */
int gosp_deep_init(PyObject *module);
void gosp_spill_stacks_gone(void); /* stacks of this thread were unmapped */

/* greenlets.c */
int gosp_greenlets_used(void);
int gosp_greenlets_init(void);

/* chunks.c: the first chunk of the data stack, sized by what the code has used before */
void *gosp_chunk_alloc(gosp_thread *th, PyObject *func, size_t *bytes);
void gosp_chunk_release(gosp_thread *th); /* the current one; no frame is left on it */
void gosp_chunk_cache_clear(gosp_thread *th);
void gosp_chunk_learn(const gosp_state *st);
int gosp_arena_install(void);

#endif
