/* index.h - the index of a large table: groups of 16 tags, and for each tag the number of an entry.
 *
 * A group is 16 tags and, right behind them, its 16 numbers: one or two cache lines for a search instead of three.
 * A key belongs to the group that its hash selects, or to the next one with a free tag; a search ends at the first
 * group with an empty tag, and there is always one. The numbers have just as many bits as the largest needs.
 */
#ifndef LEAN_INDEX_H
#define LEAN_INDEX_H

#include "table.h"

#include <string.h>

/* Bytes of a group. */
static inline size_t index_stride(uint32_t width)
{
    return 16 + 2 * (size_t)width;
}

/* Group g: its tags, and behind them its numbers. */
static inline uint8_t *index_row(const char *block, uint32_t g, uint32_t width)
{
    return (uint8_t *)block + sizeof(lean_index) + g * index_stride(width);
}

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Number i of a group. May read beyond the numbers, never beyond the block: entries follow. */
static inline size_t index_position(const uint8_t *row, unsigned i, uint32_t width)
{
    uint32_t bit = i * width;
    return (size_t)((load64(row + 16 + (bit >> 3)) >> (bit & 7)) & (((uint64_t)1 << width) - 1));
}

/* The place in its group that an entry takes if it is free: most are found there, and a processor guesses that ahead of
 * the comparison of the whole group. */
static inline unsigned index_home(uint64_t mixed)
{
    return (unsigned)(mixed >> 33) & 15;
}

/* Runs no Python code: a table of str, and a str. */
static inline Py_ssize_t index_find_str(const lean_dict *d, PyObject *key, Py_hash_t hash)
{
    const lean_index *ix = (const lean_index *)(const void *)d->block;
    uint64_t mixed = lean_mix(hash);
    uint8_t tag = lean_index_tag(mixed);
    uint32_t width = ix->width;
    const lean_entry *entries = (const lean_entry *)(const void *)(d->block + ix->entries);
    uint32_t g = lean_group(mixed, ix->groups);
    const uint8_t *row = index_row(d->block, g, width);
    unsigned home = index_home(mixed);
    if (row[home] == tag) {
        size_t i = index_position(row, home, width);
        if (LEAN_LIKELY(lean_str_is(entries[i].key, key, hash)))
            return (Py_ssize_t)i;
    }
    for (;;) {
        for (uint32_t mask = lean_match16(row, tag); mask; mask &= mask - 1) {
            size_t i = index_position(row, (unsigned)__builtin_ctz(mask), width);
            if (lean_str_is(entries[i].key, key, hash))
                return (Py_ssize_t)i;
        }
        if (LEAN_LIKELY(lean_match16(row, LEAN_EMPTY)))
            return LEAN_ABSENT;
        if (++g == ix->groups)
            g = 0;
        row = index_row(d->block, g, width);
    }
}

/* The same for an int in a table of kind LEAN_PLAIN. */
static inline Py_ssize_t index_find_int(const lean_dict *d, PyObject *key, Py_ssize_t value, Py_hash_t hash)
{
    const lean_index *ix = (const lean_index *)(const void *)d->block;
    uint64_t mixed = lean_mix(hash);
    uint8_t tag = lean_index_tag(mixed);
    uint32_t width = ix->width;
    const lean_entry *entries = (const lean_entry *)(const void *)(d->block + ix->entries);
    uint32_t g = lean_group(mixed, ix->groups);
    const uint8_t *row = index_row(d->block, g, width);
    unsigned home = index_home(mixed);
    if (row[home] == tag) {
        size_t i = index_position(row, home, width);
        if (LEAN_LIKELY(lean_int_is(entries[i].key, key, value)))
            return (Py_ssize_t)i;
    }
    for (;;) {
        for (uint32_t mask = lean_match16(row, tag); mask; mask &= mask - 1) {
            size_t i = index_position(row, (unsigned)__builtin_ctz(mask), width);
            if (lean_int_is(entries[i].key, key, value))
                return (Py_ssize_t)i;
        }
        if (LEAN_LIKELY(lean_match16(row, LEAN_EMPTY)))
            return LEAN_ABSENT;
        if (++g == ix->groups)
            g = 0;
        row = index_row(d->block, g, width);
    }
}

/* Number of the entry with that key, LEAN_ABSENT or LEAN_ERROR: str and small ints without a call. */
static inline Py_ssize_t table_find(lean_dict *d, PyObject *key, Py_hash_t hash)
{
    enum lean_kind kind = lean_kind_of(d);
    if (kind == LEAN_STR && lean_is_str(key))
        return lean_indexed(d) ? index_find_str(d, key, hash) : small_find_str(d, key, hash);
    if (kind != LEAN_HASHED && PyLong_CheckExact(key) && lean_int_is_compact(key)) {
        if (kind == LEAN_STR) /* no str equals an int */
            return LEAN_ABSENT;
        Py_ssize_t value = lean_int_compact_value(key);
        return lean_indexed(d) ? index_find_int(d, key, value, hash) : small_find_int(d, key, value, hash);
    }
    return lean_table_find(d, key, hash);
}

#endif
