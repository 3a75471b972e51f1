/* table.h - how a key is compared with an entry. */
#ifndef LEAN_TABLE_H
#define LEAN_TABLE_H

#include "scan.h"

enum { LEAN_FAILED = -1, LEAN_OTHER, LEAN_SAME, LEAN_CHANGED };

/* Compare with Python's ==: anything can happen in it. LEAN_CHANGED: the table is not what it was, search again. */
int lean_compare(lean_dict *d, PyObject *found, size_t i, PyObject *key);

/* Is e, number i, the entry of that key? */
static inline int lean_candidate(lean_dict *d, const lean_entry *e, size_t i, enum lean_kind kind, PyObject *key, Py_hash_t hash)
{
    PyObject *found = e->key;
    if (found == key)
        return LEAN_SAME;
    if (kind == LEAN_HASHED) {
        if (((const lean_hashed *)e)->hash != hash)
            return LEAN_OTHER;
    } else {
        if (PyLong_CheckExact(found) && PyLong_CheckExact(key) && lean_int_is_compact(found) && lean_int_is_compact(key))
            return lean_int_compact_value(found) == lean_int_compact_value(key);
        if (lean_hash(found) != hash)
            return LEAN_OTHER;
    }
    if (lean_is_str(found) && lean_is_str(key))
        return lean_str_equal(found, key);
    return lean_compare(d, found, i, key);
}

/* The int `key`, which has that value, and something of a table of kind LEAN_PLAIN. Builtins only: runs no Python code. */
static inline int lean_int_is(PyObject *found, PyObject *key, Py_ssize_t value)
{
    if (found == key)
        return 1;
    if (LEAN_LIKELY(PyLong_CheckExact(found)))
        return lean_int_is_compact(found) && lean_int_compact_value(found) == value;
    return lean_hash(found) == lean_hash(key) && PyObject_RichCompareBool(found, key, Py_EQ) > 0;
}

/* Without an index, in a table of kind LEAN_PLAIN. */
static inline Py_ssize_t small_find_int(const lean_dict *d, PyObject *key, Py_ssize_t value, Py_hash_t hash)
{
    uint8_t tag = lean_tag(hash);
    size_t n = d->used;
    if (n == 0) /* there may be no block */
        return LEAN_ABSENT;
    const uint8_t *tags = (const uint8_t *)d->block;
    const lean_entry *entries = (const lean_entry *)(const void *)(d->block + lean_tag_bytes(d->cap));
    for (uint64_t mask = lean_match64(tags, n < 64 ? n : 64, tag); mask; mask &= mask - 1) {
        size_t i = (unsigned)__builtin_ctzll(mask);
        if (lean_int_is(entries[i].key, key, value))
            return (Py_ssize_t)i;
    }
    if (LEAN_LIKELY(n <= 64))
        return LEAN_ABSENT;
    for (uint64_t mask = lean_match64(tags + 64, n - 64, tag); mask; mask &= mask - 1) {
        size_t i = 64 + (unsigned)__builtin_ctzll(mask);
        if (lean_int_is(entries[i].key, key, value))
            return (Py_ssize_t)i;
    }
    return LEAN_ABSENT;
}

/* Without an index, without Python code: a table of str, and a str. */
static inline Py_ssize_t small_find_str(const lean_dict *d, PyObject *key, Py_hash_t hash)
{
    uint8_t tag = lean_tag(hash);
    size_t n = d->used;
    if (n == 0) /* there may be no block */
        return LEAN_ABSENT;
    const uint8_t *tags = (const uint8_t *)d->block;
    const lean_entry *entries = (const lean_entry *)(const void *)(d->block + lean_tag_bytes(d->cap));
    for (uint64_t mask = lean_match64(tags, n < 64 ? n : 64, tag); mask; mask &= mask - 1) {
        size_t i = (unsigned)__builtin_ctzll(mask);
        if (lean_str_is(entries[i].key, key, hash))
            return (Py_ssize_t)i;
    }
    if (LEAN_LIKELY(n <= 64))
        return LEAN_ABSENT;
    for (uint64_t mask = lean_match64(tags + 64, n - 64, tag); mask; mask &= mask - 1) {
        size_t i = 64 + (unsigned)__builtin_ctzll(mask);
        if (lean_str_is(entries[i].key, key, hash))
            return (Py_ssize_t)i;
    }
    return LEAN_ABSENT;
}

#endif
