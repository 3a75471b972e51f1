/* spill.c - deep recursion on small stacks: evaluations of Python frames that find too little stack go on in a segment.
 *
 * Armed by deep_stack() or set_spill() only. Every call from C into Python then comes through `evaluate`, which
 * compares the stack pointer with one cached range and passes the call on. Only outside of that range it has to find
 * out which stack this is, and may have to take a segment (core/stack/segment.c).
 *
 * Each thread has a pool of segments and the bounds of its native stack, in a pthread key and not with its scheduler:
 * a thread that knows nothing of tasklets can be deep as well, and its last Python code runs after its scheduler's end.
 *
 * Invariants
 * - A stack has `need` bytes left wherever Python code begins to run on it, unless there is no memory for segments.
 * - `fits` lies within a stack that exists. Who takes a stack away sets its span to 0; that one store may come without
 *   the GIL, from a thread that ends.
 * Locking: the GIL, but for that store.
 */
#include "spill.h"

#include "compat/moved.h"

#include <pthread.h>

static const size_t least_segment = 256 * GOSP_KIB; /* see deep.c, where it bounds what can be asked for */

gosp_spill_settings gosp_spill = {.mark = SIZE_MAX, .segment = 8 * GOSP_MIB, .need = GOSP_MIB};

/* The part of some stack, from limit on, in which calls run where they are. */
static struct {
    char *limit;
    size_t span;
} fits;

static pthread_key_t key;

static inline void forget_stacks(void)
{
    __atomic_store_n(&fits.span, 0, __ATOMIC_RELAXED);
}

void gosp_spill_stacks_gone(void)
{
    forget_stacks();
}

/* ---- the thread ---- */

/* Without the GIL, on the thread, after all else of it. */
static void thread_ends(void *arg)
{
    gosp_spill_thread *st = arg;
    forget_stacks();
    gos_segments_trim(&st->pool);
    gos_copies_free(&st->copies);
    free(st);
}

gosp_spill_thread *gosp_spill_this_thread(void)
{
    gosp_spill_thread *st = pthread_getspecific(key);
    if (GOSP_UNLIKELY(!st)) {
        st = calloc(1, sizeof *st); /* given back without the GIL */
        if (!st || pthread_setspecific(key, st) != 0) {
            free(st);
            return NULL;
        }
        (void)gos_native_bounds(&st->native); /* unknown: no stack at all, so nothing is ever moved */
    }
    if (GOSP_UNLIKELY(!st->segment || st->generation != gosp_spill.generation)) {
        st->segment = gosp_spill.segment;
        st->generation = gosp_spill.generation;
    }
    return st;
}

/* The tasklet whose stack this is, NULL for the thread's own flow. */
static gos_tasklet *running_tasklet(void)
{
    gosp_thread *th = gosp_self;
    return th && th->sched.current != &th->main->core ? th->sched.current : NULL;
}

/* Which stack is `here` on? 0: none that we know, as in a coroutine of somebody else's. */
static int find_stack(const gosp_spill_thread *st, const gos_tasklet *t, const char *here, struct gos_bounds *stack, size_t *need)
{
    *need = gosp_spill.need;
    if (t)
        *stack = gos_tasklet_bounds(t);
    else if (!gos_segments_bounds(&st->pool, stack))
        *stack = st->native;
    size_t room = SIZE_MAX; /* of a stack that is ours to divide */
    if (t ? t->slot->parent != NULL : st->pool.innermost != NULL)
        room = (size_t)(stack->high - stack->low);
    else if (!t && gosp_spill.copying && st->base)
        room = (size_t)(st->base - stack->low);
    if (*need > room / GOSP_ROOM_RATIO)
        *need = room / GOSP_ROOM_RATIO;
    return here >= stack->low && here < stack->high;
}

/* Calls below this address go to a segment. */
static char *limit_of(const struct gos_bounds *stack, size_t need)
{
    size_t size = (size_t)(stack->high - stack->low);
    if (need >= size)
        return stack->high;
    return stack->low + (gosp_spill.mark < size - need ? size - gosp_spill.mark : need);
}

/* ---- evaluation ---- */

typedef struct {
    PyThreadState *ts;
    gosp_eval_frame *frame;
    int throwflag;
    char *low; /* of the segment */
    PyObject *result;
} evaluation;

static void now_on(char *limit, const char *high)
{
    fits.limit = limit;
    fits.span = (size_t)(high - limit);
}

/* First code on a segment. */
static void evaluate_here(void *arg)
{
    evaluation *e = arg;
    char *here = __builtin_frame_address(0);
    struct gos_bounds stack;
    size_t need;
    gosp_c_limits saved;
    gosp_spill_thread *st = pthread_getspecific(key);
    find_stack(st, running_tasklet(), here, &stack, &need);
    now_on(limit_of(&stack, need), stack.high);
    gosp_c_limits_enter(e->ts, &saved, stack.low, here);
    e->result = gosp_eval_next(e->ts, e->frame, e->throwflag);
    gosp_c_limits_leave(e->ts, &saved);
    if (GOSP_UNLIKELY(gosp_greenlets_used())) { /* since this call, then: some may lie here */
        st->pool.keep_mapped = 1;
        gosp_c_limits_unknown(e->ts);
    }
}

/* CPython has to take the frame down itself, so it is the one to fail; then the error gets its true name. */
static PyObject *fail(evaluation *e)
{
    gosp_c_limits saved;
    gosp_c_limits_exhaust(e->ts, &saved);
    e->result = gosp_eval_next(e->ts, e->frame, e->throwflag);
    gosp_c_limits_recover(e->ts, &saved);
    if (!e->result && PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear();
        PyErr_SetString(PyExc_MemoryError, "no memory for another segment of stack");
    }
    return e->result;
}

static int call_on_segment(gosp_spill_thread *st, gos_tasklet *t, evaluation *e)
{
    while (gos_segment_call(&st->pool, t, st->segment, evaluate_here, e) != GOS_OK) {
        if (st->segment / 2 < least_segment)
            return -1;
        st->segment /= 2;
    }
    return 0;
}

/* Here, with CPython's counter set to the stack that is left: it counts levels, whatever their size. */
static __attribute__((noinline)) PyObject *evaluate_recounted(evaluation *e)
{
    gosp_c_limits saved;
    gosp_c_limits_enter(e->ts, &saved, e->low, __builtin_frame_address(0));
    e->result = gosp_eval_next(e->ts, e->frame, e->throwflag);
    gosp_c_limits_leave(e->ts, &saved);
    return e->result;
}

/* First code at the base of the copies. */
static void evaluate_over(void *arg, const struct gos_moved *where)
{
    evaluation *e = arg;
    gosp_spill_thread *st = pthread_getspecific(key);
    gosp_moved moved = {.from = where->near, .to = where->base, .copy = where->copy, .until = st->moved};
    gosp_moved_away(&moved, e->ts);
    st->moved = moved.innermost;
    evaluate_here(e);
    st->moved = moved.until;
    gosp_moved_back(&moved, e->ts);
}

/* Not where somebody may have the address of something on this stack: CPython's collector, a callback's caller, which may
 * be in the middle of an operation with another thread. */
static int can_copy(const gosp_spill_thread *st, const gos_tasklet *t, const evaluation *e)
{
    gosp_thread *th = gosp_self;
    return gosp_spill.copying && !t && !st->pool.innermost && st->base &&
           st->base - st->native.low >= 2 * GOSP_C_RESERVE_BYTES && !gosp_stack_is_linked(e->ts) && !(th && th->sched.trap);
}

static __attribute__((noinline)) PyObject *evaluate_spilled(gosp_spill_thread *st, gos_tasklet *t, evaluation *e)
{
    if (gosp_greenlets_used())
        return gosp_eval_next(e->ts, e->frame, e->throwflag);
    if (can_copy(st, t, e) && gos_copy_call(&st->copies, st->base, evaluate_over, e, sizeof *e) == GOS_OK)
        return e->result;
    if (call_on_segment(st, t, e) == 0)
        return e->result;
    st->segment = gosp_spill.segment; /* it may be another time */
    if ((char *)__builtin_frame_address(0) - e->low < GOSP_C_RESERVE_BYTES)
        return fail(e);
    return evaluate_recounted(e);
}

/* What begins the thread stays where it is: whatever is further out than the first Python code that is seen here. */
static void note_base(gosp_spill_thread *st, char *here)
{
    if (!st->copies.innermost && here > st->base && here >= st->native.low && here < st->native.high)
        st->base = here;
}

static __attribute__((noinline)) PyObject *evaluate_slow(PyThreadState *ts, gosp_eval_frame *frame, int throwflag)
{
    char *here = __builtin_frame_address(0);
    gosp_spill_thread *st = gosp_spill.blocks || gosp_spill.always ? gosp_spill_this_thread() : NULL;
    gos_tasklet *t = running_tasklet();
    struct gos_bounds stack;
    size_t need;
    if (st && !t && !st->pool.innermost)
        note_base(st, here);
    if (!st || !find_stack(st, t, here, &stack, &need))
        return gosp_eval_next(ts, frame, throwflag);
    if (!t && !st->pool.innermost)
        gosp_spill_fit_native(st, ts);
    evaluation e = {ts, frame, throwflag, stack.low, NULL};
    char *limit = limit_of(&stack, need);
    now_on(limit, stack.high);
    if (here < limit) {
        PyObject *result = evaluate_spilled(st, t, &e);
        now_on(limit, stack.high); /* the segment may be gone */
        return result;
    }
    if (gosp_c_room_below(ts, need))
        return evaluate_recounted(&e);
    return gosp_eval_next(ts, frame, throwflag);
}

static PyObject *evaluate(PyThreadState *ts, gosp_eval_frame *frame, int throwflag)
{
    size_t at = (size_t)((char *)__builtin_frame_address(0) - fits.limit);
    if (GOSP_LIKELY(at < fits.span) && GOSP_LIKELY(!gosp_c_room_below(ts, gosp_spill.need)))
        return gosp_eval_next(ts, frame, throwflag);
    return evaluate_slow(ts, frame, throwflag);
}

/* ---- for deep.c ---- */

void gosp_spill_settings_changed(void)
{
    gosp_spill.generation++;
    forget_stacks();
    if (gosp_spill.blocks || gosp_spill.always) {
        gosp_eval_install(evaluate);
        return;
    }
    gosp_eval_remove(evaluate);
    gosp_spill_thread *st = gosp_spill_known_thread();
    if (st)
        gos_segments_trim(&st->pool);
}

/* The calling thread, if it is on its native stack. Frames that are there already stay there; so while calls into Python
 * are taken care of, what these frames do in C (comparing, printing, freeing what is nested) must fit that stack. */
gosp_spill_thread *gosp_spill_native_thread(void)
{
    gosp_spill_thread *st = gosp_spill_this_thread();
    return st && !running_tasklet() && !st->pool.innermost ? st : NULL;
}

/* CPython takes every stack for a big one, and from 3.13 on frees what is nested as deep as its limits allow: the traceback of
 * a deep recursion, once it has come back to a small stack. The thread keeps the lower limits. */
void gosp_spill_fit_native(gosp_spill_thread *st, PyThreadState *ts)
{
    char *here = __builtin_frame_address(0);
    if (st->fitted || here < st->native.low || here >= st->native.high)
        return;
    st->fitted = 1;
    (void)gosp_c_limits_lower(ts, st->native.low, here, GOSP_C_LIGHT_LEVEL_BYTES);
}

gosp_spill_thread *gosp_spill_known_thread(void)
{
    return pthread_getspecific(key);
}

int gosp_spill_init_key(void)
{
    static int done;
    if (!done && pthread_key_create(&key, thread_ends) != 0) {
        PyErr_SetString(PyExc_ImportError, "this process has no thread-specific key left (pthread_key_create)");
        return -1;
    }
    done = 1;
    return 0;
}
