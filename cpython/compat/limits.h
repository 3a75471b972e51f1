/* compat/limits.h - what CPython believes about the room for C recursion, and frame evaluation (PEP 523).
 *
 * While frames are evaluated on a stack that CPython knows nothing of, its counters have to fit that stack: too high
 * and recursion in C runs over the edge, too low and it ends in a RecursionError long before Python's own limit.
 * How a minor version counts is said in py3NN.h by GOSP_C_RECURSION.
 */
#ifndef GOSP_COMPAT_LIMITS_H
#define GOSP_COMPAT_LIMITS_H

#include "state.h"

/* Bytes of stack for each level of C recursion that CPython counts: 8 MiB for 10,000, as in its own limits. */
enum { GOSP_C_LEVEL_BYTES = 800 };

/* The same for the lightest of them: freeing what is nested. */
enum { GOSP_C_LIGHT_LEVEL_BYTES = 256 };

/* With 100 levels or fewer, the trash can of 3.13 is only filled: all that is in it would go at once, later. */
enum { GOSP_LEAST_C_LEVELS = 110 };

#if GOSP_C_RECURSION != GOSP_C_RECURSION_BOUNDS
/* What C functions between two evaluations may need at least. */
enum { GOSP_C_RESERVE_BYTES = 24 * 1024 };
#endif

#if GOSP_C_RECURSION == GOSP_C_RECURSION_SHARED

/* One counter for Python and C: Python's limit, which is none of the stack's business. */
typedef struct gosp_c_limits {
    int remaining;
} gosp_c_limits;

static inline int gosp_c_room_below(PyThreadState *ts, size_t bytes)
{
    (void)ts;
    (void)bytes;
    return 0;
}

static inline void gosp_c_limits_enter(PyThreadState *ts, gosp_c_limits *saved, const char *low, const char *here)
{
    (void)ts;
    (void)saved;
    (void)low;
    (void)here;
}

static inline void gosp_c_limits_leave(PyThreadState *ts, const gosp_c_limits *saved)
{
    (void)ts;
    (void)saved;
}

static inline int gosp_c_limits_lower(PyThreadState *ts, const char *low, const char *here, int level_bytes)
{
    (void)ts;
    (void)low;
    (void)here;
    (void)level_bytes;
    return 0;
}

static inline void gosp_c_limits_raise(PyThreadState *ts, int by)
{
    (void)ts;
    (void)by;
}

static inline void gosp_c_limits_unknown(PyThreadState *ts)
{
    (void)ts; /* a counter fits any stack */
}

/* No room at all: the next evaluation fails at once, in CPython's own way. */
static inline void gosp_c_limits_exhaust(PyThreadState *ts, gosp_c_limits *saved)
{
    saved->remaining = ts->recursion_remaining;
    ts->recursion_remaining = 0;
}

static inline void gosp_c_limits_recover(PyThreadState *ts, const gosp_c_limits *saved)
{
    ts->recursion_remaining = saved->remaining;
}

#elif GOSP_C_RECURSION == GOSP_C_RECURSION_COUNTER

typedef struct gosp_c_limits {
    int remaining;
} gosp_c_limits;

/* Would the counter end recursion in C before `bytes` of stack are used? */
static inline int gosp_c_room_below(PyThreadState *ts, size_t bytes)
{
    return (size_t)ts->c_recursion_remaining * GOSP_C_LEVEL_BYTES < bytes || ts->c_recursion_remaining < 0;
}

/* Frames are going to be evaluated between low and here. */
static inline void gosp_c_limits_enter(PyThreadState *ts, gosp_c_limits *saved, const char *low, const char *here)
{
    saved->remaining = ts->c_recursion_remaining;
    ts->c_recursion_remaining = (int)((size_t)(here - low) / GOSP_C_LEVEL_BYTES);
}

static inline void gosp_c_limits_leave(PyThreadState *ts, const gosp_c_limits *saved)
{
    ts->c_recursion_remaining = saved->remaining;
}

/* CPython takes every stack for a big one: lower the limits to what is left; returns by how much, for raise. */
static inline int gosp_c_limits_lower(PyThreadState *ts, const char *low, const char *here, int level_bytes)
{
    int levels = (int)((size_t)(here - low) / (size_t)level_bytes);
    int by = ts->c_recursion_remaining - (levels > GOSP_LEAST_C_LEVELS ? levels : GOSP_LEAST_C_LEVELS);
    if (by <= 0)
        return 0;
    ts->c_recursion_remaining -= by;
    return by;
}

static inline void gosp_c_limits_raise(PyThreadState *ts, int by)
{
    ts->c_recursion_remaining += by;
}

static inline void gosp_c_limits_unknown(PyThreadState *ts)
{
    (void)ts; /* a counter fits any stack */
}

/* No room at all: the next evaluation fails at once, in CPython's own way. */
static inline void gosp_c_limits_exhaust(PyThreadState *ts, gosp_c_limits *saved)
{
    saved->remaining = ts->c_recursion_remaining;
    ts->c_recursion_remaining = 0;
}

static inline void gosp_c_limits_recover(PyThreadState *ts, const gosp_c_limits *saved)
{
    ts->c_recursion_remaining = saved->remaining;
}

#elif GOSP_C_RECURSION == GOSP_C_RECURSION_BOUNDS

typedef gosp_c_stack gosp_c_limits;

/* With less stack than this, CPython is about to raise an error of its own. */
enum { GOSP_C_RESERVE_BYTES = 40 * 1024 };

/* The bounds are those of the stack, so recursion goes on for as long as there is any. */
static inline int gosp_c_room_below(PyThreadState *ts, size_t bytes)
{
    (void)ts;
    (void)bytes;
    return 0;
}

static inline void gosp_c_limits_enter(PyThreadState *ts, gosp_c_limits *saved, const char *low, const char *here)
{
    gosp_c_stack *bounds = gosp_c_stack_of(ts);
    *saved = *bounds;
    bounds->top = (uintptr_t)here + 1;
    bounds->hard_limit = (uintptr_t)low + gosp_c_stack_margin;
    bounds->soft_limit = bounds->hard_limit + gosp_c_stack_margin;
}

static inline void gosp_c_limits_leave(PyThreadState *ts, const gosp_c_limits *saved)
{
    *gosp_c_stack_of(ts) = *saved;
}

/* CPython knows how much is left. */
static inline int gosp_c_limits_lower(PyThreadState *ts, const char *low, const char *here, int level_bytes)
{
    (void)ts;
    (void)low;
    (void)here;
    (void)level_bytes;
    return 0;
}

static inline void gosp_c_limits_raise(PyThreadState *ts, int by)
{
    (void)ts;
    (void)by;
}

/* From now on the thread may be on stacks that others switch to, greenlets that began on a segment: CPython would take the
 * bounds of the native stack for theirs, and put off each destructor there. So there are none any more: recursion that is
 * in C alone is then bounded by the stack itself. */
static inline void gosp_c_limits_unknown(PyThreadState *ts)
{
    *gosp_c_stack_of(ts) = (gosp_c_stack){.top = UINTPTR_MAX, .soft_limit = 2, .hard_limit = 1};
}

/* No room at all: the next evaluation finds itself below the soft limit, though not by so much that CPython would take
 * the bounds for those of another stack. */
static inline __attribute__((always_inline)) void gosp_c_limits_exhaust(PyThreadState *ts, gosp_c_limits *saved)
{
    gosp_c_stack *bounds = gosp_c_stack_of(ts);
    *saved = *bounds;
    bounds->soft_limit = (uintptr_t)__builtin_frame_address(0) + 1;
    bounds->hard_limit = bounds->soft_limit - 2 * gosp_c_stack_margin;
}

static inline void gosp_c_limits_recover(PyThreadState *ts, const gosp_c_limits *saved)
{
    *gosp_c_stack_of(ts) = *saved;
}

#else
#error "cpython/compat/limits.h does not know how this CPython bounds recursion in C: say so with GOSP_C_RECURSION in py3NN.h, and add a branch here."
#endif

/* ---- frame evaluation: eval.c ---- */

typedef struct _PyInterpreterFrame gosp_eval_frame; /* what a hook is given, and hands on: PEP 523 */

/* Have `hook` evaluate frames instead of what does so now, which gosp_eval_next calls. Twice does no harm. */
void gosp_eval_install(_PyFrameEvalFunction hook);
/* Undo it, if nobody has put a hook of his own on top: else ours stays, and has to pass everything on. */
void gosp_eval_remove(_PyFrameEvalFunction hook);
extern _PyFrameEvalFunction gosp_eval_next;

#endif
