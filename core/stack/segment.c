/* segment.c - more stack for a call that finds too little: the callee runs on a segment and returns to where it came from.
 *
 * A segment is a slot with a parent link. It belongs to the flow of control that called for it until the call
 * returns, and is then pooled or unmapped; the caller's frames stay where they are, so pointers into them hold.
 *
 *     slot (shared, evicted by turns)      segment            segment
 *     far edge                             far edge           far edge
 *     | frames       |   base_near         | frames  |        | frames  |
 *     | call_on -----+---+---------------> | call_on +------> | running |   t->slot is this one
 *     | (free)       |                     | (free)  |        | (free)  |   its parent the one before
 *
 * Invariants
 * - Only the bytes in the slot at the end of the chain ever move. t->slot->owner says, as without segments, whether
 *   all of t is in place: gosi_set_owner keeps the innermost segment in step with the slot.
 * - The spare is large enough for those bytes before t leaves its slot, since prepare then looks at the segment.
 * - The header lies in the mapping: taking and giving back need no allocator, and so no lock and no language runtime.
 * Locking: none; all of it on the thread of the pool, except that its end may come on any thread.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "stack.h"
#include "../trace/trace.h"

#ifdef GOS_ASAN
#include <sanitizer/asan_interface.h>
#endif
#ifdef GOS_VALGRIND
#include <valgrind/memcheck.h>
#endif

enum {
    LEAST = 16 * 1024,
    KEPT = 2,         /* segments in the pool, whatever memory they hold */
    KEPT_SLIM = 32,   /* and with those that hold no more than ... */
    SLIM = 64 * 1024, /* ... this */
};

/* ---- the pool ---- */

static gos_segment *segment_map(gos_segments *pool, size_t bytes)
{
    size_t size = bytes + gosi_page_size();
    char *map = gosi_map_stack(size);
    if (!map)
        return NULL;
#ifdef GOS_ASAN
    __asan_unpoison_memory_region(map, size); /* where a stack was unmapped whose last frames never returned */
#endif
    gos_segment *segment = (gos_segment *)(map + size - ((sizeof *segment + 63) & ~(size_t)63));
    segment->slot.map = map;
    segment->slot.map_size = size;
    segment->slot.far_edge = (char *)segment;
    segment->pool = pool;
#ifdef GOS_VALGRIND
    segment->slot.live = VALGRIND_STACK_REGISTER(map, map + size);
#endif
    return segment;
}

static void segment_unmap(gos_segment *segment)
{
    if (segment->pool->keep_mapped)
        return;
#ifdef GOS_VALGRIND
    VALGRIND_STACK_DEREGISTER(segment->slot.live);
#endif
#ifdef GOS_ASAN
    __asan_unpoison_memory_region(segment->slot.map, segment->slot.map_size);
#endif
    munmap(segment->slot.map, segment->slot.map_size);
}

void gos_segments_trim(gos_segments *pool)
{
    while (pool->pooled) {
        gos_segment *segment = pool->pooled;
        pool->pooled = segment->next;
        segment_unmap(segment);
    }
    pool->pooled_count = 0;
}

static gos_segment *take(gos_segments *pool, size_t bytes)
{
    bytes = bytes < LEAST ? LEAST : (bytes + gosi_page_size() - 1) & ~(gosi_page_size() - 1);
    if (pool->size != bytes) {
        gos_segments_trim(pool);
        pool->size = bytes;
    }
    gos_segment *segment = pool->pooled;
    if (!segment)
        return segment_map(pool, bytes);
    pool->pooled = segment->next;
    pool->pooled_count--;
    return segment;
}

/* Has it been used beyond SLIM? Its pages then are memory, even while it is pooled. */
static int is_slim(const gos_segment *segment)
{
    unsigned char resident = 1;
    char *page = (char *)segment->slot.map + segment->slot.map_size - gosi_page_size() - SLIM;
    return page <= (char *)segment->slot.map || (mincore(page, 1, &resident) == 0 && !(resident & 1));
}

/* A recursion that goes up and down over an edge finds its segment again; one that was deep gives most of them back.
 * Where the mark is low, each of many segments holds a few pages only: more of those are kept. */
static void give(gos_segments *pool, gos_segment *segment)
{
    if (pool->keep_mapped)
        return;
    if (segment->slot.map_size != pool->size + gosi_page_size() || pool->pooled_count >= KEPT_SLIM ||
        (pool->pooled_count >= KEPT && !is_slim(segment))) {
        segment_unmap(segment);
        return;
    }
    segment->next = pool->pooled;
    pool->pooled = segment;
    pool->pooled_count++;
}

/* ---- the call ---- */

#ifdef GOS_ASAN
struct errand {
    gos_segment *segment;
    void (*call)(void *);
    void *arg;
};

static void run_errand(void *arg)
{
    struct errand errand = *(struct errand *)arg;
    gos_segment *segment = errand.segment;
    __sanitizer_finish_switch_fiber(NULL, &segment->old_stack, &segment->old_size);
    errand.call(errand.arg);
    __sanitizer_start_switch_fiber(NULL, segment->old_stack, segment->old_size);
}

static void call_on(gos_segment *segment, void (*call)(void *), void *arg, void **near)
{
    struct errand errand = {segment, call, arg};
    __sanitizer_start_switch_fiber(&segment->old_fake, segment->slot.map, segment->slot.map_size);
    gosi_arch_call_on(segment->slot.far_edge, run_errand, &errand, near);
    __sanitizer_finish_switch_fiber(segment->old_fake, NULL, NULL);
}
#else
static inline void call_on(gos_segment *segment, void (*call)(void *), void *arg, void **near)
{
    gosi_arch_call_on(segment->slot.far_edge, call, arg, near);
}
#endif

/* The thread's own flow: its stack never moves, whoever runs meanwhile. */
static void call_of_thread(gos_segments *pool, gos_segment *segment, void (*call)(void *), void *arg)
{
    void *near;
    segment->next = pool->innermost;
    pool->innermost = segment;
    call_on(segment, call, arg, &near);
    pool->innermost = segment->next;
}

static int call_of_tasklet(gos_segment *segment, gos_tasklet *t, void (*call)(void *), void *arg)
{
    gos_slot *parent = t->slot;
    void *near;
    segment->slot.parent = parent;
    segment->slot.owner = t;
    segment->base = gosi_base(t);
    if (parent->parent) {
        segment->base_near = gosi_near(t);
        t->slot = &segment->slot;
        call_on(segment, call, arg, &near);
    } else {
        ptrdiff_t used = parent->far_edge - (char *)__builtin_frame_address(0);
        if (gosi_spare_reserve(t->sched, (size_t)used + 2 * GOSI_SPARE_MARGIN) != GOS_OK)
            return GOS_ENOMEM;
        t->slot = &segment->slot;
        call_on(segment, call, arg, &segment->base_near);
    }
    GOS_CHECK(t->slot == &segment->slot);
    t->slot = parent;
    return GOS_OK;
}

int gos_segment_call(gos_segments *pool, gos_tasklet *t, size_t bytes, void (*call)(void *), void *arg)
{
    int rc = GOS_OK;
    gos_segment *segment = take(pool, bytes);
    if (!segment)
        return GOS_ENOMEM;
    pool->live++;
    pool->spills++;
    GOSI_TRACE(GOS_TRACE_SPILL, 0, NULL, bytes, 0);
    if (t && !(t->flags & GOS_F_MAIN))
        rc = call_of_tasklet(segment, t, call, arg);
    else
        call_of_thread(pool, segment, call, arg);
    pool->live--;
    GOSI_TRACE(GOS_TRACE_SPILLED, 0, NULL, 0, 0);
    give(pool, segment);
    return rc;
}

void gosi_segments_abandon(gos_tasklet *t)
{
    char *here = __builtin_frame_address(0);
    while (t->slot->parent) {
        gos_segment *segment = (gos_segment *)t->slot;
        t->slot = segment->slot.parent;
        segment->pool->live--;
        if (here < (char *)segment->slot.map || here >= segment->slot.far_edge) /* a thread that ends from inside */
            segment_unmap(segment);
    }
}

/* ---- where stacks end ---- */

static struct gos_bounds bounds_of(const gos_slot *slot)
{
    return (struct gos_bounds){(char *)slot->map + gosi_page_size(), slot->far_edge};
}

struct gos_bounds gos_tasklet_bounds(const gos_tasklet *t)
{
    return bounds_of(t->slot);
}

int gos_segments_bounds(const gos_segments *pool, struct gos_bounds *out)
{
    if (!pool->innermost)
        return 0;
    *out = bounds_of(&pool->innermost->slot);
    return 1;
}

int gos_native_bounds(struct gos_bounds *out)
{
    pthread_attr_t attributes;
    void *low;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return 0;
    int rc = pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    if (rc != 0)
        return 0;
    out->low = low;
    out->high = (char *)low + size;
    return 1;
}
