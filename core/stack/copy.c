/* copy.c - more stack for a call that finds too little, where there is no address space for segments: the used part of the
 * stack is stored away, the callee runs over the same memory, and the bytes come back before it returns.
 *
 *     far edge                      far edge                      far edge
 *     | stays          |            | stays          |            | stays          |
 *     | frames    base +---+        | frames of the  | base       | frames    base +
 *     | ...            |   | heap   | callee         |            | ...            |
 *     | caller    near +---+        |                |            | caller    near +
 *     | (free)         |            | (free)         |            | (free)         |
 *
 * What moves bytes must not stand on them, so that is done on a scratch stack, a piece of the block that holds the bytes.
 * It stays in use until the callee returns: through it leads the way back.
 *
 * Invariants
 * - While the callee runs, addresses of the frames between near and base mean other things. Who calls knows that nobody
 *   uses them: this is for code that keeps its hands off its callers' locals. Nothing can be unwound or jumped over the
 *   edge; debuggers see the stack end there.
 * - The bytes come back to where they were, so the frames themselves notice nothing.
 * - Blocks come from malloc itself: the end of a thread frees them, when an allocator with a lock may be out of reach.
 * Locking: none; all of it on the thread whose stack it is.
 */
#include <stdlib.h>
#include <string.h>

#include "stack.h"

enum {
    SCRATCH = 12 * 1024, /* a signal may come while bytes are copied, with some KiB of registers */
    EDGE = 64,           /* zeros at its far edge: here unwinders stop */
};

struct gos_copy {
    gos_copy *outer;
    size_t room;
    void *sp;
    char *base;
    struct gos_moved moved;
    void (*call)(void *arg, const struct gos_moved *moved);
    void *arg;
    _Alignas(16) char scratch[SCRATCH];
    char bytes[];
};

#if defined(GOS_ASAN) || defined(GOS_TSAN) || defined(GOS_VALGRIND)
/* Sanitizers keep books about stack memory, which would be about the wrong frames. */
int gos_copy_call(gos_copies *copies, char *base, void (*call)(void *, const struct gos_moved *), void *arg, size_t size)
{
    (void)copies;
    (void)base;
    (void)call;
    (void)arg;
    (void)size;
    return GOS_ENOMEM;
}
#else

/* First code at base. */
static void begin(void *arg)
{
    gos_copy *c = arg;
    c->call(c->arg, &c->moved);
}

/* On the scratch stack; returns what is to be resumed. */
static void *run_over(void *arg)
{
    gos_copy *c = arg;
    void *way_back;
    size_t size = (size_t)(c->base - (char *)c->sp);
    GOS_CHECK(size <= c->room);
    memcpy(c->bytes, c->sp, size);
    c->moved = (struct gos_moved){.near = c->sp, .base = c->base, .copy = c->bytes};
    gosi_arch_call_on(c->base, begin, c, &way_back);
    memcpy(c->sp, c->bytes, size);
    return c->sp;
}

static gos_copy *take(gos_copies *copies, size_t room)
{
    gos_copy *c = copies->spare;
    if (c && c->room >= room && c->room / 2 <= room) {
        copies->spare = NULL;
        return c;
    }
    c = malloc(sizeof *c + room);
    if (c)
        c->room = room;
    return c;
}

/* A recursion that goes up and down over the edge finds its block again. */
static void give(gos_copies *copies, gos_copy *c)
{
    free(copies->spare);
    copies->spare = c;
}

int gos_copy_call(gos_copies *copies, char *base, void (*call)(void *, const struct gos_moved *), void *arg, size_t size)
{
    base = (char *)((uintptr_t)base & ~(uintptr_t)63);
    ptrdiff_t used = base - (char *)__builtin_frame_address(0);
    size_t room = (used > 0 ? (size_t)used : 0) + GOSI_SPARE_MARGIN + size;
    gos_copy *c = take(copies, room);
    if (!c)
        return GOS_ENOMEM;
    char *kept = c->bytes + c->room - size; /* of the arguments, which lie in what is moved */
    c->room -= size;
    memcpy(kept, arg, size);
    c->base = base;
    c->call = call;
    c->arg = kept;
    c->outer = copies->innermost;
    copies->innermost = c;
    copies->live++;
    copies->spills++;
    copies->bytes += sizeof *c + room;
    memset(c->scratch + SCRATCH - EDGE, 0, EDGE);
    gosi_arch_switch_via(&c->sp, c->scratch + SCRATCH - EDGE, run_over, c);
    memcpy(arg, kept, size);
    c->room += size;
    copies->bytes -= sizeof *c + room;
    copies->live--;
    copies->innermost = c->outer;
    give(copies, c);
    return GOS_OK;
}
#endif

/* Blocks in use belong to calls that never returned: a thread that was ended inside of one. */
void gos_copies_free(gos_copies *copies)
{
    free(copies->spare);
    copies->spare = NULL;
    while (copies->innermost) {
        gos_copy *c = copies->innermost;
        copies->innermost = c->outer;
        free(c);
    }
    copies->live = 0;
    copies->bytes = 0;
}
