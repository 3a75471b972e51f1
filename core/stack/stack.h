/* stack.h - the seam between scheduler and C stacks.
 *
 * Stack edges are "near" (where it is growing) and "far" (where it began), whatever the direction.
 * A thread owns a few slots; a tasklet is bound to one when it starts and stays at its addresses for
 * life. While its bytes are in place (slot->owner) resuming it is a jump; when another tasklet needs the
 * slot, the bytes between its near and far edge move to the heap: it is evicted.
 *
 * Reserve, then commit: gosi_stack_prepare may fail, gosi_stack_switch cannot. To make that true, s->spare
 * is always at least as large as the largest slice in place, so an eviction has memory even when malloc fails.
 */
#ifndef GOSI_STACK_H
#define GOSI_STACK_H

#include "../base/base.h"
#include "gossamer/embed.h"

/* arch/: save the callee-saved state on the current stack, its pointer in *save, and resume load. */
void gosi_arch_switch(void **save, void *load);
/* Save likewise, run pick(arg) on the scratch stack that begins at scratch, and resume what it returns. */
void gosi_arch_switch_via(void **save, void *scratch, void *(*pick)(void *), void *arg);
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
        __builtin_prefetch((const char *)t->sp + at, 1);
}

/* delta.c */
size_t gosi_delta_encode(gos_sched *s, gos_slot *slot, const uint64_t *words, size_t count, uint8_t *kind);
size_t gosi_delta_decode(gos_slot *slot, uint8_t kind, const uint64_t *in, uint64_t *words, size_t count);
void gosi_delta_release(gos_sched *s, gos_slot *slot, uint8_t kind);
void gosi_delta_fini(gos_sched *s, gos_slot *slot);

#endif
