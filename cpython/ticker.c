/* ticker.c - who keeps the GIL for atomic code, and the thread that looks after them once a millisecond.
 *
 * A thread whose current tasklet is atomic keeps the GIL (compat/gil.h). Nothing tells us when such a thread
 * releases it in a blocking call, nor when it has it back: then others would wait a long interval for a thread
 * that never was to be protected, and the atomic code would be exposed. So while there is atomic code, the
 * ticker compares once a millisecond who has the GIL with who is atomic, and sets it right.
 *
 * Invariants
 * - The ticker knows no Python: it takes the GIL's mutex, never the GIL.
 * - gosp_is_atomic(th) if and only if the thread's current tasklet has GOS_F_ATOMIC.
 * - Once nobody has been atomic for QUIET_TICKS, the ticker sleeps until somebody is.
 * Locking: `keepers` and what the ticker reads of gosp_thread under gosp_gil_lock(); that inside ticker.lock.
 * fork() takes ticker.lock, so it never finds the ticker in the middle of something.
 */
#include "compat/gil.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "record.h"

enum {
    TICK_NS = 1000000,
    QUIET_TICKS = 50,
    STACK_BYTES = 128 * 1024,
    /* Atomic code that waits for the GIL gets a head start: with less, others could ask for it before the tick. */
    CALM_US = 5003, /* no round number: a program that sets it is told from us */
    /* A thread that was asked to yield while nobody wanted the GIL is asked less often, down to this. */
    MAX_PATIENCE = 4,
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int prepared, started, stop, awake;
    int off; /* the interpreter goes down: atomic code is left to itself */
    /* under gosp_gil_lock() */
    gosp_thread *keepers; /* threads that have been atomic once */
    int ticking;          /* 0: it sleeps, and has to be woken */
    int quiet;
    int patience;
    unsigned long kept;
    /* the turn of the thread that has the GIL */
    PyThreadState *holder;
    unsigned long turns;
    int64_t since;
} ticker = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- a tick ---- */

/* For how long the holder may go on before it is asked to yield. */
static int64_t turn_ns(void)
{
    int64_t interval = (int64_t)gosp_gil_interval() * 1000;
    return (interval > TICK_NS ? interval : TICK_NS) << ticker.patience;
}

/* Atomic code restarts the clocks of those who wait. A thread that is atomic again and again would keep the GIL for
 * ever: so after an ordinary turn it is asked to yield, once it is not atomic. */
static void watch_turn(PyThreadState *holder, gosp_thread *keeper)
{
    int64_t now = now_ns();
    unsigned long kept = gosp_gil_kept();
    if (holder != ticker.holder || gosp_gil_turns() != ticker.turns) {
        ticker.holder = holder;
        ticker.turns = gosp_gil_turns();
        ticker.since = now;
        for (gosp_thread *th = ticker.keepers; th; th = th->next_keeper)
            th->yield_due = 0;
    } else if (keeper && (gosp_is_atomic(keeper) || kept != ticker.kept) && now - ticker.since > turn_ns()) {
        keeper->yield_due = 1;
    }
    ticker.kept = kept;
}

static void tick(void)
{
    gosp_gil_lock();
    PyThreadState *holder = gosp_gil_holder();
    gosp_thread *keeper = NULL;
    int open = 0;
    for (gosp_thread *th = ticker.keepers; th; th = th->next_keeper) {
        open |= gosp_is_atomic(th);
        if (th->ts == holder)
            keeper = th;
    }
    ticker.quiet = open || gosp_gil_kept() != ticker.kept ? 0 : ticker.quiet + 1;
    if (keeper && gosp_is_atomic(keeper))
        gosp_gil_keep(holder);
    else
        gosp_gil_share(open ? CALM_US : 0);
    watch_turn(holder, keeper);
    if (ticker.quiet >= QUIET_TICKS)
        ticker.ticking = 0;
    gosp_gil_unlock();
}

static void *run(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&ticker.lock);
    while (!ticker.stop) {
        if (!ticker.ticking) { /* only we clear it */
            while (!ticker.awake && !ticker.stop)
                pthread_cond_wait(&ticker.wake, &ticker.lock);
            ticker.awake = 0;
            continue;
        }
        struct timespec until;
        int64_t ns = now_ns() + TICK_NS;
        until.tv_sec = ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        while (!ticker.stop && pthread_cond_timedwait(&ticker.wake, &ticker.lock, &until) == 0)
            ;
        if (!ticker.stop)
            tick();
    }
    pthread_mutex_unlock(&ticker.lock);
    return NULL;
}

static void wake(void)
{
    pthread_mutex_lock(&ticker.lock);
    ticker.awake = 1;
    pthread_cond_signal(&ticker.wake);
    pthread_mutex_unlock(&ticker.lock);
}

/* ---- its life ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&ticker.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&ticker.lock);
}

static void init_wake(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ticker.wake, &attr);
    pthread_condattr_destroy(&attr);
}

/* The child has no ticker: see gosp_ticker_forked. */
static void after_fork_in_child(void)
{
    pthread_mutex_init(&ticker.lock, NULL);
    init_wake();
    ticker.started = ticker.ticking = ticker.awake = 0;
}

int gosp_ticker_start(void)
{
    if (GOSP_LIKELY(ticker.started || ticker.off))
        return 0;
    if (!ticker.prepared) {
        init_wake();
        if (pthread_atfork(before_fork, after_fork, after_fork_in_child) != 0) {
            PyErr_NoMemory();
            return -1;
        }
        ticker.prepared = 1;
    }
    pthread_attr_t attr;
    sigset_t all, old;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for Python's threads */
    int error = pthread_create(&ticker.thread, &attr, run, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error) {
        PyErr_SetString(PyExc_RuntimeError, "atomic() cannot start the thread that looks after it: out of threads or memory");
        return -1;
    }
    ticker.started = 1;
    return 0;
}

int gosp_ticker_started(void)
{
    return ticker.started;
}

/* The threads of the parent are gone, and with them their schedulers and whatever they needed; this one goes on. */
void gosp_ticker_forked(gosp_thread *th)
{
    if (!ticker.prepared || ticker.off)
        return;
    gosp_gil_lock();
    gosp_gil_share(0);
    gosp_gil_unlock();
    if (!th || !gosp_is_atomic(th))
        return;
    if (gosp_ticker_start() < 0)
        PyErr_WriteUnraisable(NULL);
    gosp_ticker_keep(th);
}

void gosp_ticker_stop(void)
{
    if (ticker.off)
        return;
    ticker.off = 1;
    if (!ticker.started)
        return;
    pthread_mutex_lock(&ticker.lock);
    ticker.stop = 1;
    pthread_cond_signal(&ticker.wake);
    pthread_mutex_unlock(&ticker.lock);
    pthread_join(ticker.thread, NULL);
    gosp_gil_lock();
    gosp_gil_share(0);
    gosp_gil_unlock();
}

/* ---- threads that keep the GIL ---- */

static void enlist(gosp_thread *th)
{
    if (!th->is_keeper) {
        th->is_keeper = 1;
        th->next_keeper = ticker.keepers;
        ticker.keepers = th;
    }
}

void gosp_ticker_keep(gosp_thread *th)
{
    if (GOSP_UNLIKELY(ticker.off)) {
        th->usual_flags |= GOS_F_ATOMIC;
        return;
    }
    gosp_gil_lock();
    enlist(th);
    th->usual_flags |= GOS_F_ATOMIC;
    if (GOSP_LIKELY(gosp_ts_is_current(th->ts))) /* else at the tick after it has got the GIL */
        gosp_gil_keep(th->ts);
    int sleeps = !ticker.ticking;
    ticker.ticking = 1;
    gosp_gil_unlock();
    if (GOSP_UNLIKELY(sleeps)) {
        ticker.quiet = 0;
        wake();
    }
}

void gosp_ticker_release(gosp_thread *th)
{
    if (GOSP_UNLIKELY(ticker.off)) {
        th->usual_flags &= ~(uint32_t)GOS_F_ATOMIC;
        return;
    }
    gosp_gil_lock();
    th->usual_flags &= ~(uint32_t)GOS_F_ATOMIC;
    if (GOSP_LIKELY(gosp_ts_is_current(th->ts)))
        gosp_gil_restore();
    gosp_gil_unlock();
}

void gosp_ticker_forget(gosp_thread *th)
{
    if (!th->is_keeper)
        return;
    gosp_ticker_release(th);
    if (ticker.off)
        return;
    gosp_gil_lock();
    for (gosp_thread **link = &ticker.keepers; *link; link = &(*link)->next_keeper) {
        if (*link == th) {
            *link = th->next_keeper;
            break;
        }
    }
    th->is_keeper = 0;
    gosp_gil_unlock();
}

/* ---- fairness ---- */

static int is_alone(PyThreadState *ts)
{
    return !PyThreadState_Next(PyInterpreterState_ThreadHead(ts->interp));
}

void gosp_ticker_yield(gosp_thread *th)
{
    th->yield_due = 0;
    if (gosp_is_atomic(th) || ticker.off || is_alone(th->ts))
        return;
    unsigned long turns = gosp_gil_turns();
    int64_t pause = turn_ns() / 64; /* what it costs if nobody wants the GIL */
    struct timespec rest = {.tv_nsec = pause < TICK_NS ? (long)pause : TICK_NS};
    GOSP_BEGIN_ALLOW_THREADS
    nanosleep(&rest, NULL);
    GOSP_END_ALLOW_THREADS
    if (gosp_gil_turns() != turns)
        ticker.patience = 0;
    else if (ticker.patience < MAX_PATIENCE)
        ticker.patience++;
}
