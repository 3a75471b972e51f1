/* index.c - making, filling and searching the index of a large table. */
#include "index.h"
#include "table.h"

static uint32_t width_for(size_t limit)
{
    uint32_t width = 1;
    while ((uint64_t)1 << width < limit)
        width++;
    return width;
}

/* One slot at least stays empty, or a search would not end. */
static size_t groups_for(size_t limit, size_t slots)
{
    if (slots <= limit)
        slots = limit + 1;
    return slots / 16 + (slots % 16 != 0);
}

static size_t entries_offset(size_t groups, uint32_t width)
{
    return (sizeof(lean_index) + groups * index_stride(width) + 7) & ~(size_t)7;
}

size_t lean_index_bytes(size_t cap, size_t limit, size_t slots, enum lean_kind kind)
{
    return entries_offset(groups_for(limit, slots), width_for(limit)) + cap * lean_stride(kind);
}

void lean_index_start(char *block, size_t cap, size_t limit, size_t slots)
{
    lean_index *ix = (lean_index *)(void *)block;
    size_t groups = groups_for(limit, slots);
    ix->cap = (uint32_t)cap;
    ix->limit = (uint32_t)limit;
    ix->filled = 0;
    ix->groups = (uint32_t)groups;
    ix->room = (uint32_t)(groups * 16 - 1);
    ix->width = width_for(limit);
    ix->entries = entries_offset(groups, ix->width);
    for (uint32_t g = 0; g < ix->groups; g++)
        memset(index_row(block, g, ix->width), LEAN_EMPTY, 16);
}

static void store(uint8_t *row, unsigned i, uint32_t width, size_t value)
{
    uint32_t bit = i * width;
    uint8_t *at = row + 16 + (bit >> 3);
    uint64_t mask = (((uint64_t)1 << width) - 1) << (bit & 7);
    uint64_t word = (load64(at) & ~mask) | (uint64_t)value << (bit & 7);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(at, &word, sizeof word);
}

void lean_index_add(char *block, Py_hash_t hash, size_t position)
{
    lean_index *ix = (lean_index *)(void *)block;
    uint64_t mixed = lean_mix(hash);
    for (uint32_t g = lean_group(mixed, ix->groups);; g = g + 1 == ix->groups ? 0 : g + 1) {
        uint8_t *row = index_row(block, g, ix->width);
        unsigned i = index_home(mixed);
        if (row[i] > LEAN_DELETED) { /* taken */
            uint32_t free = lean_match16(row, LEAN_EMPTY) | lean_match16(row, LEAN_DELETED);
            if (!free)
                continue;
            i = (unsigned)__builtin_ctz(free);
        }
        ix->room -= row[i] == LEAN_EMPTY;
        row[i] = lean_index_tag(mixed);
        store(row, i, ix->width, position);
        return;
    }
}

static void clear_slot(lean_index *ix, uint8_t *row, unsigned i)
{
    int ends_here = lean_match16(row, LEAN_EMPTY) != 0; /* no search goes beyond this group */
    row[i] = ends_here ? LEAN_EMPTY : LEAN_DELETED;
    ix->room += (uint32_t)ends_here;
}

void lean_index_remove(char *block, Py_hash_t hash, size_t position)
{
    lean_index *ix = (lean_index *)(void *)block;
    uint64_t mixed = lean_mix(hash);
    uint8_t tag = lean_index_tag(mixed);
    uint32_t g = lean_group(mixed, ix->groups);
    uint8_t *row = index_row(block, g, ix->width);
    unsigned home = index_home(mixed);
    if (row[home] == tag && index_position(row, home, ix->width) == position) { /* nearly always */
        clear_slot(ix, row, home);
        return;
    }
    for (;; g = g + 1 == ix->groups ? 0 : g + 1) {
        row = index_row(block, g, ix->width);
        for (uint32_t mask = lean_match16(row, tag); mask; mask &= mask - 1) {
            unsigned i = (unsigned)__builtin_ctz(mask);
            if (index_position(row, i, ix->width) == position) {
                clear_slot(ix, row, i);
                return;
            }
        }
    }
}

Py_ssize_t lean_index_find(lean_dict *d, PyObject *key, Py_hash_t hash)
{
    uint64_t mixed = lean_mix(hash);
    uint8_t tag = lean_index_tag(mixed);
    const lean_index *ix = (const lean_index *)(void *)d->block;
    enum lean_kind kind = lean_kind_of(d);
    char *entries = d->block + ix->entries;
    for (uint32_t g = lean_group(mixed, ix->groups);; g = g + 1 == ix->groups ? 0 : g + 1) {
        const uint8_t *row = index_row(d->block, g, ix->width);
        for (uint32_t mask = lean_match16(row, tag); mask; mask &= mask - 1) {
            size_t i = index_position(row, (unsigned)__builtin_ctz(mask), ix->width);
            if (i >= ix->filled || !lean_entry_at(entries, i, kind)->key)
                continue; /* a comparison has changed the table so often that its version is the same again */
            int same = lean_candidate(d, lean_entry_at(entries, i, kind), i, kind, key, hash);
            if (same != LEAN_OTHER)
                return same == LEAN_SAME ? (Py_ssize_t)i : same == LEAN_FAILED ? LEAN_ERROR : LEAN_RETRY;
        }
        if (lean_match16(row, LEAN_EMPTY))
            return LEAN_ABSENT;
    }
}
