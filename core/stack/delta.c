/* delta.c - a slice as its differences from another slice of the same slot and length.
 *
 * Tasklets blocked at the same place on the same slot leave nearly equal bytes: return addresses, saved
 * registers and spilled locals differ in a dozen words of a hundred. So a slice is stored as one bit a
 * word (differs or not) followed by the words that differ. The first slice of a length becomes the
 * template for that length; a template lives as long as a slice refers to it, and longer if nothing
 * replaces it. Lossless, whatever the template holds.
 *
 * Layout of an encoded slice: ceil(count / 64) mask words, then the differing words in order.
 */
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "stack.h"

enum { TEMPLATES = 8, MISSES_TO_REPLACE = 16 };

struct gos_template {
    uint64_t *words; /* NULL: unused */
    size_t count;
    uint32_t users;  /* slices that refer to it */
    uint32_t misses; /* slices of its length that it did not help */
};

static struct gos_template *find_template(gos_sched *s, gos_slot *slot, const uint64_t *words, size_t count)
{
    if (!slot->templates) {
        slot->templates = gosi_alloc(TEMPLATES * sizeof *slot->templates);
        if (!slot->templates)
            return NULL;
        memset(slot->templates, 0, TEMPLATES * sizeof *slot->templates);
        s->evicted_bytes += TEMPLATES * sizeof *slot->templates;
    }
    struct gos_template *vacant = NULL;
    for (int i = 0; i < TEMPLATES; i++) {
        struct gos_template *tpl = &slot->templates[i];
        if (tpl->count == count && tpl->words && tpl->misses < MISSES_TO_REPLACE)
            return tpl;
        if (tpl->users == 0 && (!vacant || !tpl->words))
            vacant = tpl;
    }
    if (!vacant)
        return NULL;
    uint64_t *copy = gosi_alloc(count * 8);
    if (!copy)
        return NULL;
    memcpy(copy, words, count * 8);
    s->evicted_bytes += count * 8;
    if (vacant->words)
        s->evicted_bytes -= vacant->count * 8;
    gosi_free(vacant->words);
    *vacant = (struct gos_template){.words = copy, .count = count};
    return vacant;
}

/* One bit for each of n <= 64 words: does it differ? */
static uint64_t difference_mask(const uint64_t *a, const uint64_t *b, size_t n)
{
    uint64_t mask = 0;
    size_t i = 0;
#if defined(__SSE2__)
    for (; i + 2 <= n; i += 2) {
        __m128i equal = _mm_cmpeq_epi32(_mm_loadu_si128((const void *)(a + i)), _mm_loadu_si128((const void *)(b + i)));
        equal = _mm_and_si128(equal, _mm_shuffle_epi32(equal, 0xb1)); /* both halves of a word */
        mask |= (uint64_t)(unsigned)_mm_movemask_pd(_mm_castsi128_pd(equal)) << i;
    }
    mask = ~mask & (i < 64 ? ((uint64_t)1 << i) - 1 : ~(uint64_t)0);
#endif
    for (; i < n; i++)
        mask |= (uint64_t)(a[i] != b[i]) << i;
    return mask;
}

/* Encode count words into the spare. Returns the bytes written and sets *kind, or leaves *kind 0 when raw
 * is better. */
size_t gosi_delta_encode(gos_sched *s, gos_slot *slot, const uint64_t *words, size_t count, uint8_t *kind)
{
    uint64_t *out = s->spare;
    *kind = 0;
    struct gos_template *tpl = find_template(s, slot, words, count);
    if (!tpl)
        return 0;
    size_t masks = (count + 63) / 64, limit = count - count / 4; /* words; more are not worth it */
    size_t at = masks;
    for (size_t block = 0; block < masks; block++) {
        size_t begin = block * 64, n = count - begin < 64 ? count - begin : 64;
        uint64_t mask = difference_mask(words + begin, tpl->words + begin, n);
        out[block] = mask;
        for (; mask; mask &= mask - 1) {
            if (at == limit) {
                tpl->misses++;
                return 0;
            }
            out[at++] = words[begin + (size_t)__builtin_ctzll(mask)];
        }
    }
    tpl->users++;
    *kind = (uint8_t)(1 + (tpl - slot->templates));
    return at * 8;
}

/* Returns the bytes at in. */
size_t gosi_delta_decode(gos_slot *slot, uint8_t kind, const uint64_t *in, uint64_t *words, size_t count)
{
    const struct gos_template *tpl = &slot->templates[kind - 1];
    memcpy(words, tpl->words, count * 8);
    size_t masks = (count + 63) / 64;
    const uint64_t *next = in + masks;
    for (size_t block = 0; block < masks; block++)
        for (uint64_t mask = in[block]; mask; mask &= mask - 1)
            words[block * 64 + (size_t)__builtin_ctzll(mask)] = *next++;
    return (size_t)((const char *)next - (const char *)in);
}

void gosi_delta_release(gos_sched *s, gos_slot *slot, uint8_t kind)
{
    (void)s;
    slot->templates[kind - 1].users--;
}

void gosi_delta_fini(gos_sched *s, gos_slot *slot)
{
    if (!slot->templates)
        return;
    for (int i = 0; i < TEMPLATES; i++) {
        if (slot->templates[i].words)
            s->evicted_bytes -= slot->templates[i].count * 8;
        gosi_free(slot->templates[i].words);
    }
    s->evicted_bytes -= TEMPLATES * sizeof *slot->templates;
    gosi_free(slot->templates);
    slot->templates = NULL;
}
