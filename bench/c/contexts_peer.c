/* contexts_peer.c - bare context switches, without a scheduler: swapcontext() of the C library, and
 * Boost.Context where its library is installed. Two contexts that switch to each other are the floor
 * for any scheduler on top of them; swapcontext also asks the kernel to set the signal mask each time.
 */
#include "cbench.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK (64 * 1024)

static char *new_stack(void)
{
    char *stack = malloc(STACK);
    if (!stack)
        cbench_die("out of memory");
    return stack;
}

/* ---- swapcontext ---- */

static ucontext_t main_context, one, two;

static void loop_one(void)
{
    for (;;)
        swapcontext(&one, &two);
}

static long laps;

static void loop_two(void)
{
    for (;;) {
        if (laps-- > 0)
            swapcontext(&two, &one);
        else
            swapcontext(&two, &main_context);
    }
}

static void work_ucontext(long n)
{
    laps = n;
    swapcontext(&main_context, &one);
}

int ucontext_sample(const char *workload, double budget_s)
{
    if (strcmp(workload, "switch"))
        return 0;
    getcontext(&one);
    one.uc_stack.ss_sp = new_stack();
    one.uc_stack.ss_size = STACK;
    makecontext(&one, loop_one, 0);
    getcontext(&two);
    two.uc_stack.ss_sp = new_stack();
    two.uc_stack.ss_size = STACK;
    makecontext(&two, loop_two, 0);
    cbench_rounds(work_ucontext, 2, budget_s);
    return 1;
}

/* ---- Boost.Context: its two assembly routines, which C++ headers declare as extern "C" ---- */

#ifdef HAVE_BOOST_CONTEXT
struct transfer {
    void *from, *data;
};
extern struct transfer jump_fcontext(void *to, void *data);
extern void *make_fcontext(void *stack_end, size_t size, void (*fn)(struct transfer));

static void *other; /* the one of the two that is suspended */

static void boost_one(struct transfer t)
{
    for (;;)
        t = jump_fcontext(t.from, NULL);
}

/* The second is the caller of work(): a switch there and one back is two. */
static void work_boost(long n)
{
    while (n-- > 0)
        other = jump_fcontext(other, NULL).from;
}

int boost_sample(const char *workload, double budget_s)
{
    if (strcmp(workload, "switch"))
        return 0;
    other = make_fcontext(new_stack() + STACK, STACK, boost_one);
    cbench_rounds(work_boost, 2, budget_s);
    return 1;
}
#endif
