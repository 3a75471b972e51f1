/* stack.h - the seam between scheduler and C stacks.
 *
 * Stack edges are "near" (where it is growing) and "far" (where it began), whatever the direction.
 * A thread owns a few slots; a tasklet is bound to one when it starts and stays at its addresses for
 * life. While its bytes are in place (slot->owner) resuming it is a jump; when another tasklet needs the
 * slot, the bytes between its near and far edge move to the heap: it is evicted.
 *
 * Reserve, then commit: gosi_stack_prepare may fail, gosi_stack_switch cannot. To make that true, s->spare
 * is always at least as large as the largest slice in place, so an eviction has memory even when malloc fails.
 *
 * A tasklet that runs out of its slot goes on in segments: t->slot is then the innermost one, with the others and the
 * slot behind it through `parent`. Segments are nobody else's and never move; what moves is always the bytes in the
 * slot at the end of the chain, gosi_base(t), from gosi_near(t) on.
 */
#ifndef GOSI_STACK_H
#define GOSI_STACK_H

#include "../base/base.h"
#include "gossamer/embed.h"

/* arch/: save the callee-saved state on the current stack, its pointer in *save, and resume load. */
void gosi_arch_switch(void **save, void *load);
/* Save likewise, run pick(arg) on the scratch stack that begins at scratch, and resume what it returns. */
void gosi_arch_switch_via(void **save, void *scratch, void *(*pick)(void *), void *arg);
/* call(arg) on the stack that begins at stack, then return; where the present stack ends meanwhile, in *near. */
void gosi_arch_call_on(char *stack, void (*call)(void *), void *arg, void **near);
/* The floating-point control words of the thread; writing them costs next to nothing if they are set already. */
uint64_t gosi_arch_fp_control(void);
void gosi_arch_set_fp_control(uint64_t control);
/* Lay out a stack that, when resumed, calls gosi_entry(t); returns its stack pointer. */
void *gosi_arch_make(char *far_edge, gos_tasklet *t);

/* First code on a new stack; in sched/. Never returns. It begins with gosi_stack_entered. */
_Noreturn void gosi_entry(gos_tasklet *t);
void gosi_stack_entered(void);

/* The slot of tasklets that have none yet; it never has an owner. */
extern gos_slot gosi_no_slot;

/* ---- segments: see segment.c ---- */

/* A slot that a tasklet runs on while its parent has too little room. It lies at the far edge of its mapping. */
struct gos_segment {
    gos_slot slot;         /* first: t->slot is the innermost; slot.parent is what it returns to */
    gos_slot *base;        /* where the chain of parents ends: a slot of the pool, or main's */
    void *base_near;       /* where the tasklet left base: the near edge of the slice, if it is evicted */
    gos_segments *pool;
    gos_segment *next;     /* in the pool */
    const void *old_stack; /* what the address sanitizer calls the stack below: its bounds ... */
    size_t old_size;
    void *old_fake;        /* ... and its fake frames */
};

/* The slot of the pool that t is bound to, spilled or not. */
static inline gos_slot *gosi_base(const gos_tasklet *t)
{
    return GOSI_UNLIKELY(t->slot->parent != NULL) ? ((gos_segment *)t->slot)->base : t->slot;
}

/* The near edge of suspended t's bytes in that slot: only these ever move. */
static inline char *gosi_near(const gos_tasklet *t)
{
    return GOSI_UNLIKELY(t->slot->parent != NULL) ? ((gos_segment *)t->slot)->base_near : t->sp;
}

/* All of t's bytes are in place / some are not. */
static inline void gosi_set_owner(gos_tasklet *t, gos_slot *base, gos_tasklet *owner)
{
    base->owner = owner;
    t->slot->owner = owner;
}

/* t, which will never run again, gives its segments back to the system; its slot is the base again. */
void gosi_segments_abandon(gos_tasklet *t);

char *gosi_map_stack(size_t size);
size_t gosi_page_size(void);
size_t gosi_default_stack_size(void);

/* In sched/: has a C++ runtime been loaded meanwhile? */
void gosi_find_cxx(gos_sched *s);

int gosi_stack_init(gos_sched *s, const struct gos_config *config);
void gosi_stack_fini(gos_sched *s);

#define GOSI_SPARE_MARGIN 1024 /* what may lie between the estimate in prepare and the final stack pointer */

int gosi_stack_prepare_slow(gos_sched *s, gos_tasklet *from, gos_tasklet *to);
int gosi_spare_reserve(gos_sched *s, size_t bytes);
int gosi_slot_pick(gos_sched *s, gos_tasklet *from, int exclusive, gos_slot **out);
void gosi_slot_hold(gos_sched *s, gos_slot *slot);
void gosi_slot_release(gos_sched *s, gos_slot *slot);

/* Can from suspend and to resume? GOS_OK or GOS_ENOMEM, nothing changed for the caller. */
static inline int gosi_stack_prepare(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    ptrdiff_t used = from->slot->far_edge - (char *)__builtin_frame_address(0);
    if (GOSI_LIKELY(to->slot->owner == to && used + GOSI_SPARE_MARGIN <= (ptrdiff_t)s->spare_size && !s->evict_always))
        return GOS_OK;
    return gosi_stack_prepare_slow(s, from, to);
}

/* Can from leave its stack for ever and to resume? Needs memory only to move a third tasklet out. */
int gosi_stack_prepare_leave(gos_sched *s, gos_tasklet *from, gos_tasklet *to);

/* Suspend from, resume to (after a successful prepare). Returns when from is resumed.
 *
 * This and its callers up to the Python method are inlined into one function: two suspended tasklets then
 * differ in one return address only, and each return address that differs is a mispredicted return. */
void gosi_stack_switch_slow(gos_sched *s, gos_tasklet *from, gos_tasklet *to);

static GOSI_INLINE void gosi_stack_switch(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
#if !defined(GOS_ASAN) && !defined(GOS_TSAN)
    if (GOSI_LIKELY(to->slot->owner == to)) {
        gosi_arch_switch(&from->sp, to->sp);
        return;
    }
#endif
    gosi_stack_switch_slow(s, from, to);
}

/* from has ended and gives up its stack: resume to, a started tasklet. */
_Noreturn void gosi_stack_leave(gos_sched *s, gos_tasklet *from, gos_tasklet *to);

/* from has ended: to, which has not started, takes over its stack as it is. */
void gosi_stack_adopt(gos_sched *s, gos_tasklet *from, gos_tasklet *to);

/* slice.c: move the owner of slot out (memory: malloc or the spare, cannot fail) / t back in place. */
void gosi_evict(gos_sched *s, gos_slot *slot);
void gosi_restore(gos_sched *s, gos_tasklet *t);
void gosi_blocks_fini(gos_sched *s);

/* t is about to be restored: have the memory that takes fetched while something else is done. */
static GOSI_INLINE void gosi_prefetch(const gos_tasklet *t)
{
    if (!t->slice)
        return;
    for (size_t at = 0; at < 768; at += 64)
        __builtin_prefetch((const char *)t->slice + at);
    for (size_t at = 0; at < 768; at += 64)
        __builtin_prefetch(gosi_near(t) + at, 1);
}

/* delta.c */
size_t gosi_delta_encode(gos_sched *s, gos_slot *slot, const uint64_t *words, size_t count, uint8_t *kind);
size_t gosi_delta_decode(gos_slot *slot, uint8_t kind, const uint64_t *in, uint64_t *words, size_t count);
void gosi_delta_release(gos_sched *s, gos_slot *slot, uint8_t kind);
void gosi_delta_fini(gos_sched *s, gos_slot *slot);

#endif
