/* slots.c - the pool of C stacks of one thread: mapping them, picking one for a tasklet that starts.
 *
 * Back ends: `slots` shares up to slot_max stacks among all tasklets; `own` is the same pool without a
 * limit and without sharing, so that nothing is ever moved (sanitizers, C that keeps pointers to its stack).
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stack.h"

#ifdef GOS_VALGRIND
#include <valgrind/memcheck.h>
#endif

#ifdef GOS_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef GOS_ASAN
#include <sanitizer/asan_interface.h>
#endif

#if defined(GOS_ASAN) || defined(GOS_TSAN)
#define FORCE_OWN 1 /* what sanitizers note about bytes does not move with them */
#else
#define FORCE_OWN 0
#endif

enum {
    MAX_SLOTS = 64,
    SCRATCH_SIZE = 32 * 1024,
    FIRST_SPARE = 4096,
    MIN_STACK = 64 * 1024,
    OWN_STACK = 256 * 1024,
    BIGGEST_STACK = 8 * 1024 * 1024,
    CANDIDATES = 4,
};

gos_slot gosi_no_slot;

size_t gosi_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t gosi_default_stack_size(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > BIGGEST_STACK)
        return BIGGEST_STACK;
    return limit.rlim_cur < MIN_STACK ? MIN_STACK : (size_t)limit.rlim_cur;
}

char *gosi_map_stack(size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
#ifdef MAP_STACK
    flags |= MAP_STACK;
#endif
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    if (mprotect(map, gosi_page_size(), PROT_NONE) != 0) {
        munmap(map, size);
        return NULL;
    }
#ifdef MADV_NOHUGEPAGE
    (void)madvise(map, size, MADV_NOHUGEPAGE); /* a huge page a slot would be 2 MiB for 10 KiB of use */
#endif
    return map;
}

/* Map one more stack; under a tight address-space limit, a smaller one. */
static int slot_create(gos_sched *s, gos_slot **out)
{
    if (gosi_reserve((void **)&s->slots, s->slot_count, &s->slot_room, sizeof *s->slots) != GOS_OK)
        return GOS_ENOMEM;
    gos_slot *slot = gosi_alloc(sizeof *slot);
    if (!slot)
        return GOS_ENOMEM;
    char *map;
    while (!(map = gosi_map_stack(s->slot_size + gosi_page_size()))) {
        if (s->slot_size / 2 < MIN_STACK || s->slot_count > 0) {
            gosi_free(slot);
            return GOS_ENOMEM;
        }
        s->slot_size /= 2;
    }
    memset(slot, 0, sizeof *slot);
    slot->map = map;
    slot->map_size = s->slot_size + gosi_page_size();
    /* Staggered, so that hot frames of different slots do not fall on the same cache sets. */
    slot->far_edge = map + slot->map_size - (s->slot_count % 16) * 256;
#ifdef GOS_VALGRIND
    (void)VALGRIND_STACK_REGISTER(map, map + slot->map_size);
#endif
    s->slots[s->slot_count++] = slot;
    gosi_find_cxx(s);
    *out = slot;
    return GOS_OK;
}

static void slot_destroy(gos_sched *s, gos_slot *slot)
{
    gosi_delta_fini(s, slot);
#ifdef GOS_TSAN
    if (slot->fiber)
        __tsan_destroy_fiber(slot->fiber);
#endif
#ifdef GOS_ASAN /* frames that never returned have left it poisoned: a thread may get the place for its stack, errno included */
    __asan_unpoison_memory_region(slot->map, slot->map_size);
#endif
    munmap(slot->map, slot->map_size);
    gosi_free(slot);
}

/* How bad an idea it is to share this slot: tasklets bound to it, and the weight of who is in place. */
static size_t slot_cost(const gos_slot *slot)
{
    size_t heavy = slot->owner ? (size_t)(slot->far_edge - gosi_near(slot->owner)) / 4096 : 0;
    return slot->live + heavy;
}

static gos_slot *share_slot(gos_sched *s, gos_tasklet *from)
{
    gos_slot *best = NULL, *last_resort = NULL;
    for (uint32_t tried = 0, found = 0; tried < s->slot_count && found < CANDIDATES; tried++) {
        gos_slot *slot = s->slots[s->slot_cursor++ % s->slot_count];
        if (slot->pinned)
            continue;
        if (from && slot == gosi_base(from)) {
            last_resort = slot; /* works, but costs a trip over the scratch stack */
            continue;
        }
        found++;
        if (!best || slot_cost(slot) < slot_cost(best))
            best = slot;
    }
    return best ? best : last_resort;
}

int gosi_slot_pick(gos_sched *s, gos_tasklet *from, int exclusive, gos_slot **out)
{
    exclusive |= s->own;
    if (s->free_slots) {
        *out = s->free_slots;
        return GOS_OK;
    }
    uint32_t limit = exclusive ? UINT32_MAX : s->slot_max;
    if (s->slot_count < limit) {
        gos_slot *slot;
        if (slot_create(s, &slot) == GOS_OK) {
            slot->next_free = NULL;
            s->free_slots = slot;
            *out = slot;
            return GOS_OK;
        }
        if (exclusive)
            return GOS_ENOMEM;
    }
    gos_slot *shared = share_slot(s, from);
    if (!shared) /* all are pinned */
        return slot_create(s, &s->free_slots) == GOS_OK ? (*out = s->free_slots, GOS_OK) : GOS_ENOMEM;
    *out = shared;
    return GOS_OK;
}

/* One more tasklet for the slot, as gosi_slot_pick chose it. */
void gosi_slot_hold(gos_sched *s, gos_slot *slot)
{
    if (slot == s->free_slots) {
        s->free_slots = slot->next_free;
        slot->next_free = NULL;
    }
    slot->live++;
}

/* A tasklet of the slot has ended (or never started). */
void gosi_slot_release(gos_sched *s, gos_slot *slot)
{
    if (--slot->live > 0)
        return;
    slot->pinned = 0;
    /* With a stack each, a peak would keep its pages: those of a free stack that is not the next to be used go
     * back, but not of the one just released, which may be what we run on. */
    if (s->own && s->free_slots)
        (void)madvise((char *)s->free_slots->map + gosi_page_size(), s->free_slots->map_size - gosi_page_size(), MADV_DONTNEED);
    slot->next_free = s->free_slots;
    s->free_slots = slot;
}

int gosi_spare_reserve(gos_sched *s, size_t bytes)
{
    if (bytes <= s->spare_size)
        return GOS_OK;
    bytes += bytes / 4;
    void *bigger = gosi_alloc(bytes);
    if (!bigger)
        return GOS_ENOMEM;
    gosi_free(s->spare);
    s->spare = bigger;
    s->spare_size = bytes;
    return GOS_OK;
}

static int valid(const struct gos_config *config)
{
    return (config->stacks == GOS_STACKS_SLOTS || config->stacks == GOS_STACKS_OWN) && config->max_slots >= 0 &&
           config->max_slots <= MAX_SLOTS && config->compress >= GOS_COMPRESS_AUTO &&
           config->compress <= GOS_COMPRESS_NEVER && config->stack_size <= PTRDIFF_MAX / 2;
}

int gosi_stack_init(gos_sched *s, const struct gos_config *config)
{
    if (config && !valid(config))
        return GOS_EINVAL;
    s->own = FORCE_OWN || (config && config->stacks == GOS_STACKS_OWN);
    if (gosi_shadow_stack_active())
        return GOS_ENOTSUP;
    s->slot_max = config && config->max_slots ? (uint32_t)config->max_slots : MAX_SLOTS;
    s->slot_size = config && config->stack_size ? config->stack_size : s->own ? OWN_STACK : gosi_default_stack_size();
    s->slot_size = (s->slot_size + gosi_page_size() - 1) & ~(gosi_page_size() - 1);
    if (s->slot_size < MIN_STACK)
        s->slot_size = MIN_STACK;
    s->compress = config ? (uint8_t)config->compress : GOS_COMPRESS_AUTO;
    s->evict_always = config && config->evict_always && !s->own;
#ifdef GOS_TORTURE
    s->evict_always = !s->own;
    if (s->compress == GOS_COMPRESS_AUTO)
        s->compress = GOS_COMPRESS_ALWAYS;
#endif
    gos_slot *first;
    char *scratch = gosi_alloc(SCRATCH_SIZE);
    if (!scratch)
        return GOS_ENOMEM;
    s->scratch = scratch + SCRATCH_SIZE;
#ifdef GOS_VALGRIND
    (void)VALGRIND_STACK_REGISTER(scratch, s->scratch);
#endif
    if (gosi_spare_reserve(s, FIRST_SPARE) != GOS_OK || slot_create(s, &first) != GOS_OK) {
        gosi_stack_fini(s);
        return GOS_ENOMEM;
    }
    s->free_slots = first;
    return GOS_OK;
}

void gosi_stack_fini(gos_sched *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++)
        slot_destroy(s, s->slots[i]);
    gosi_blocks_fini(s);
    gosi_free(s->slots);
    gosi_free(s->spare);
    if (s->scratch) {
#ifdef GOS_VALGRIND
        (void)VALGRIND_MAKE_MEM_UNDEFINED(s->scratch - SCRATCH_SIZE, SCRATCH_SIZE); /* a stack no more */
#endif
        gosi_free(s->scratch - SCRATCH_SIZE);
    }
    s->slots = NULL;
    s->spare = NULL;
    s->scratch = NULL;
    s->free_slots = NULL;
    s->slot_count = s->slot_room = 0;
    s->spare_size = 0;
}
