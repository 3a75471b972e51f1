/* slice.c - moving the stack bytes of a suspended tasklet out of its slot, and back.
 *
 * Small populations keep raw slices (a copy is quick); from COLD slices on, new ones are stored as
 * differences to a template of their slot, which is smaller and, with many, also faster (page faults).
 */
#include <string.h>

#include "stack.h"
#include "../trace/trace.h"

#ifdef GOS_VALGRIND
#include <valgrind/memcheck.h>
#endif

enum { COLD = 1024, BIGGEST_DELTA = 32 * 1024, CLASS = 128 };

/* Raw slices come and go at every switch of a few hundred tasklets, so their blocks are kept, by size: the
 * block that one has just left is still in the cache when the next is moved out. */
static size_t class_of(size_t bytes)
{
    return (bytes + CLASS - 1) / CLASS;
}

static void *take_block(gos_sched *s, size_t bytes)
{
    size_t class = class_of(bytes);
    void *block = class < GOS_BLOCK_CLASSES ? s->blocks[class] : NULL;
    if (!block)
        return gosi_alloc(class * CLASS);
    s->blocks[class] = *(void **)block;
    s->block_count--;
    return block;
}

static void give_block(gos_sched *s, void *block, size_t bytes)
{
    size_t class = class_of(bytes);
    if (class >= GOS_BLOCK_CLASSES || s->block_count >= GOS_BLOCKS_KEPT) {
        gosi_free(block);
        return;
    }
    *(void **)block = s->blocks[class];
    s->blocks[class] = block;
    s->block_count++;
}

void gosi_blocks_fini(gos_sched *s)
{
    for (size_t class = 0; class < GOS_BLOCK_CLASSES; class++) {
        while (s->blocks[class]) {
            void *block = s->blocks[class];
            s->blocks[class] = *(void **)block;
            gosi_free(block);
        }
    }
    s->block_count = 0;
}

static int wants_delta(const gos_sched *s, size_t bytes)
{
    if (bytes > BIGGEST_DELTA || s->compress == GOS_COMPRESS_NEVER)
        return 0;
    return s->compress == GOS_COMPRESS_ALWAYS || s->evicted >= COLD;
}

/* The block itself when nothing smaller can be had: this is what the spare is for. */
static void *hand_over_spare(gos_sched *s)
{
    void *block = s->spare;
    s->spare = NULL;
    s->spare_size = 0;
    (void)gosi_spare_reserve(s, GOSI_SPARE_MARGIN * 2); /* when this fails, the next prepare reports it */
    return block;
}

void gosi_evict(gos_sched *s, gos_slot *slot)
{
    gos_tasklet *t = slot->owner;
    char *near = gosi_near(t);
    size_t bytes = (size_t)(slot->far_edge - near);
    GOS_ASSERT(!t->slice && bytes <= s->spare_size);
    if (s->hooks->evicting)
        s->hooks->evicting(t, near, slot->far_edge);
    size_t stored = 0;
    t->slice_kind = 0;
    if (wants_delta(s, bytes))
        stored = gosi_delta_encode(s, slot, (const uint64_t *)near, bytes / 8, &t->slice_kind);
    const void *source = t->slice_kind ? s->spare : near;
    if (!t->slice_kind)
        stored = bytes;
    t->slice = t->slice_kind ? gosi_alloc(stored) : take_block(s, stored);
    if (t->slice) {
        memcpy(t->slice, source, stored);
    } else {
        if (!t->slice_kind)
            memcpy(s->spare, source, stored);
        t->slice = hand_over_spare(s);
    }
    gosi_set_owner(t, slot, NULL);
    s->evictions++;
    s->evicted++;
    s->evicted_bytes += stored;
    GOSI_TRACE(GOS_TRACE_EVICT, 0, t, stored, s->evicted_bytes);
}

void gosi_restore(gos_sched *s, gos_tasklet *t)
{
    gos_slot *slot = gosi_base(t);
    char *near = gosi_near(t);
    size_t bytes = (size_t)(slot->far_edge - near);
    size_t stored = bytes;
#ifdef GOS_VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(near, bytes); /* beyond what the last owner used: not a stack yet, to it */
#endif
    if (t->slice_kind) {
        stored = gosi_delta_decode(slot, t->slice_kind, t->slice, (uint64_t *)near, bytes / 8);
        gosi_delta_release(s, slot, t->slice_kind);
        gosi_free(t->slice);
    } else {
        memcpy(near, t->slice, bytes);
        give_block(s, t->slice, bytes);
    }
    t->slice = NULL;
    t->slice_kind = 0;
    gosi_set_owner(t, slot, t);
    s->evicted--;
    s->evicted_bytes -= stored;
    GOSI_TRACE(GOS_TRACE_RESTORE, 0, t, stored, s->evicted_bytes);
    if (s->hooks->restored)
        s->hooks->restored(t);
}
