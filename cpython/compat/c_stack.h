/* compat/c_stack.h - the bounds of the C stack in the thread state, from 3.14 on. Part of state.h.
 *
 * CPython compares the stack pointer with these bounds: to end a C recursion with RecursionError, and to put
 * off nested destructors. Far away from them it would do neither, or put off all. So each slot has its own.
 * Invariant: while code of a tasklet runs, the bounds are those of the slot it runs on; main's are kept in its
 * thread's record meanwhile, whatever they were.
 */
#ifndef GOSP_COMPAT_C_STACK_H
#define GOSP_COMPAT_C_STACK_H

#include "gossamer/embed.h"

#if GOSP_C_RECURSION == GOSP_C_RECURSION_BOUNDS

typedef struct gosp_c_stack {
    uintptr_t top, soft_limit, hard_limit;
} gosp_c_stack;

/* From gosp_compat_init: where they lie in a thread state; guard page and hard limit, and from there to the
 * soft limit, in bytes. */
extern size_t gosp_c_stack_offset, gosp_c_stack_reserve, gosp_c_stack_margin;

static inline gosp_c_stack *gosp_c_stack_of(PyThreadState *ts)
{
    return (gosp_c_stack *)((char *)ts + gosp_c_stack_offset);
}

static inline void gosp_c_stack_leave_main(gosp_c_stack *mains, PyThreadState *ts)
{
    *mains = *gosp_c_stack_of(ts);
}

static inline void gosp_c_stack_enter_main(const gosp_c_stack *mains, PyThreadState *ts)
{
    *gosp_c_stack_of(ts) = *mains;
}

static inline void gosp_c_stack_enter(const gos_slot *slot, PyThreadState *ts)
{
    gosp_c_stack *bounds = gosp_c_stack_of(ts);
    bounds->top = (uintptr_t)slot->far_edge;
    bounds->hard_limit = (uintptr_t)slot->map + gosp_c_stack_reserve;
    bounds->soft_limit = bounds->hard_limit + gosp_c_stack_margin;
}

#else

typedef struct gosp_c_stack {
    char none;
} gosp_c_stack;

static inline void gosp_c_stack_leave_main(gosp_c_stack *mains, PyThreadState *ts)
{
    (void)mains;
    (void)ts;
}

static inline void gosp_c_stack_enter_main(const gosp_c_stack *mains, PyThreadState *ts)
{
    (void)mains;
    (void)ts;
}

static inline void gosp_c_stack_enter(const gos_slot *slot, PyThreadState *ts)
{
    (void)slot;
    (void)ts;
}

#endif
#endif
