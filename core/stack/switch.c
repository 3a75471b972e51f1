/* switch.c - suspending one tasklet and resuming another: prepare may fail, the rest cannot.
 *
 * Cases of a switch, cheapest first:
 *   the target's bytes are in place         jump
 *   its slot is free or owned by a third    (prepare evicted the third) copy in, jump
 *   it shares the slot of the running one   from a scratch stack: copy out, copy in, jump
 * A tasklet that starts gets its slot in prepare (s->picked), so that mapping it can still fail there.
 */
#include "stack.h"

#ifdef GOS_ASAN
#include <sanitizer/asan_interface.h>
#endif
#ifdef GOS_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef GOS_VALGRIND
#include <valgrind/memcheck.h>
#endif

static int make_room(gos_sched *s, gos_tasklet *from, gos_slot *slot)
{
    if (!slot->owner || slot->owner == from)
        return GOS_OK;
    size_t bytes = (size_t)(slot->far_edge - gosi_near(slot->owner));
    if (gosi_spare_reserve(s, bytes + GOSI_SPARE_MARGIN) != GOS_OK)
        return GOS_ENOMEM;
    gosi_evict(s, slot);
    return GOS_OK;
}

/* The target, too: it then comes back from the heap, as in the worst case. */
static void evict_everybody(gos_sched *s, gos_tasklet *from)
{
    for (uint32_t i = 0; i < s->slot_count; i++)
        if (!s->slots[i]->pinned)
            (void)make_room(s, from, s->slots[i]);
}

int gosi_stack_prepare_slow(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    gosi_prefetch(to);
    gos_slot *slot = gosi_base(to);
    if (slot == &gosi_no_slot) {
        int rc = gosi_slot_pick(s, from, 0, &s->picked);
        if (rc != GOS_OK)
            return rc;
        slot = s->picked;
    }
    if (s->evict_always)
        evict_everybody(s, from);
    if (slot->owner != to && make_room(s, from, slot) != GOS_OK)
        return GOS_ENOMEM;
    if (from->flags & GOS_F_MAIN) /* never evicted */
        return GOS_OK;
    /* Last, since an eviction may have used up the spare. */
    char *near = from->slot->parent ? gosi_near(from) : (char *)__builtin_frame_address(0);
    ptrdiff_t used = gosi_base(from)->far_edge - near;
    return used > 0 ? gosi_spare_reserve(s, (size_t)used + 2 * GOSI_SPARE_MARGIN) : GOS_OK;
}

int gosi_stack_prepare_leave(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    return to->slot->owner == to ? GOS_OK : make_room(s, from, gosi_base(to));
}

/* ---- the jump itself, with the notes that sanitizers need about it ---- */

#ifdef GOS_ASAN
static __thread const void *main_bottom;
static __thread size_t main_size;
static __thread gos_tasklet *jumped_from; /* NULL: it has ended */

static void fiber_target(gos_tasklet *to, const void **bottom, size_t *size)
{
    if (to->flags & GOS_F_MAIN) {
        *bottom = main_bottom;
        *size = main_size;
    } else {
        *bottom = to->slot->map;
        *size = to->slot->map_size;
    }
}

/* Main may run on its native stack or on a segment of its: it is where it was last. */
static void left(const void *bottom, size_t size)
{
    if (jumped_from && (jumped_from->flags & GOS_F_MAIN)) {
        main_bottom = bottom;
        main_size = size;
    }
}

static void jump(void **save, gos_tasklet *from, gos_tasklet *to)
{
    const void *bottom, *old_bottom;
    size_t size, old_size;
    void *fake = NULL;
    fiber_target(to, &bottom, &size);
    jumped_from = from;
    __sanitizer_start_switch_fiber(from ? &fake : NULL, bottom, size);
    gosi_arch_switch(save, to->sp);
    __sanitizer_finish_switch_fiber(fake, &old_bottom, &old_size);
    left(old_bottom, old_size);
}

void gosi_stack_entered(void)
{
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(NULL, &bottom, &size);
    left(bottom, size);
}

/* The last frames of whoever ended here never returned: what they poisoned still is. */
static void renew_stack(gos_slot *slot)
{
    __asan_unpoison_memory_region(slot->map, slot->map_size);
}
#else
void gosi_stack_entered(void)
{
}
#endif

#ifdef GOS_TSAN
static __thread void *main_fiber;

/* The last calls of whoever ended here never returned: a new fiber does not know of them. */
static void renew_stack(gos_slot *slot)
{
    if (slot->fiber)
        __tsan_destroy_fiber(slot->fiber);
    slot->fiber = __tsan_create_fiber(0);
}

static void jump(void **save, gos_tasklet *from, gos_tasklet *to)
{
    if (from && (from->flags & GOS_F_MAIN))
        main_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->flags & GOS_F_MAIN ? main_fiber : gosi_base(to)->fiber, 0);
    gosi_arch_switch(save, to->sp);
}
#endif

#if !defined(GOS_ASAN) && !defined(GOS_TSAN)
static inline void renew_stack(gos_slot *slot)
{
#ifdef GOS_VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(slot->far_edge - 256, 256); /* for the first frame */
#endif
    (void)slot;
}


static inline void jump(void **save, gos_tasklet *from, gos_tasklet *to)
{
    (void)from;
    gosi_arch_switch(save, to->sp);
}
#endif

static void bind_slot(gos_sched *s, gos_tasklet *t, gos_slot *slot)
{
    gosi_slot_hold(s, slot);
    t->slot = slot;
}

int gos_sched_pin(gos_sched *s, gos_tasklet *t)
{
    if (t->flags & GOS_F_PIN)
        return GOS_OK;
    gos_slot *slot = gosi_base(t);
    if (slot == &gosi_no_slot) {
        int rc = gosi_slot_pick(s, NULL, 1, &slot);
        if (rc != GOS_OK)
            return rc;
        bind_slot(s, t, slot);
    } else if (slot->live > 1) {
        return GOS_EBUSY;
    }
    slot->pinned = 1;
    t->flags |= GOS_F_PIN;
    return GOS_OK;
}

void gos_sched_abandon(gos_sched *s, gos_tasklet *t)
{
    (void)s;
    gosi_segments_abandon(t);
    gosi_free(t->slice);
    t->slice = NULL;
    t->slice_kind = 0;
    t->slot = &gosi_no_slot;
    t->sched = NULL;
    t->flags &= ~(uint32_t)(GOS_F_MAIN | GOS_F_READY | GOS_F_STARTED | GOS_F_PIN | GOS_F_WATCHDOG);
}

void gos_sched_forget(gos_sched *s, gos_tasklet *t)
{
    GOS_CHECK(!(t->flags & GOS_F_STARTED));
    if (t->slot != &gosi_no_slot)
        gosi_slot_release(s, t->slot);
    t->slot = &gosi_no_slot;
    t->flags &= ~(uint32_t)GOS_F_PIN;
}

/* Bring to's bytes into its vacant slot, or lay out its first frame. */
static void occupy(gos_sched *s, gos_tasklet *to)
{
    if (to->slice) {
        gosi_restore(s, to);
    } else {
        renew_stack(to->slot);
        to->slot->owner = to;
        to->sp = gosi_arch_make(to->slot->far_edge, to);
        to->flags |= GOS_F_STARTED;
        s->live++;
    }
}

struct exchange {
    gos_sched *s;
    gos_tasklet *from, *to;
};

/* On the scratch stack: from's stack pointer is saved, its slot is to's as well. */
static void *exchange_on_scratch(void *arg)
{
    struct exchange ex = *(struct exchange *)arg; /* lies in the bytes that are about to move */
    if (ex.from)
        gosi_evict(ex.s, gosi_base(ex.from));
    occupy(ex.s, ex.to);
    return ex.to->sp;
}

void gosi_stack_switch_slow(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    gos_slot *slot = to->slot;
    if (GOSI_LIKELY(slot->owner == to)) {
        jump(&from->sp, from, to);
        return;
    }
    if (slot == &gosi_no_slot) {
        slot = s->picked;
        bind_slot(s, to, slot);
    }
    slot = gosi_base(to);
    if (slot->owner == from) {
        struct exchange ex = {s, from, to};
        gosi_arch_switch_via(&from->sp, s->scratch, exchange_on_scratch, &ex);
        return;
    }
    GOS_ASSERT(!slot->owner);
    occupy(s, to);
    jump(&from->sp, from, to);
}

void gosi_stack_adopt(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    gosi_arch_set_fp_control(s->fp_control);
    to->slot = from->slot;
    to->slot->owner = to;
    to->slot->pinned = 0;
    to->flags |= GOS_F_STARTED;
    from->slot = &gosi_no_slot;
    from->flags &= ~(uint32_t)(GOS_F_STARTED | GOS_F_PIN);
}

void gosi_stack_leave(gos_sched *s, gos_tasklet *from, gos_tasklet *to)
{
    gos_slot *slot = from->slot;
    slot->owner = NULL;
    from->slot = &gosi_no_slot;
    from->flags &= ~(uint32_t)(GOS_F_STARTED | GOS_F_PIN);
    s->live--;
    gosi_slot_release(s, slot);
    void *ended; /* its stack pointer goes nowhere */
    if (gosi_base(to) == slot) {
        struct exchange ex = {s, NULL, to};
        gosi_arch_switch_via(&ended, s->scratch, exchange_on_scratch, &ex);
    } else {
        if (to->slot->owner != to)
            occupy(s, to);
        jump(&ended, NULL, to);
    }
    __builtin_unreachable();
}
