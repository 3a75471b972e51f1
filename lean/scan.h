/* scan.h - hashes, tags and the comparison of sixteen tags at a time.
 *
 * A tag is a byte made of the hash. Without an index all 256 values occur; in an index a tag has its highest bit set,
 * LEAN_EMPTY ends a search, and LEAN_DELETED does not.
 */
#ifndef LEAN_SCAN_H
#define LEAN_SCAN_H

#include "lean.h"
#include "../cpython/compat/lean/ints.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

enum { LEAN_EMPTY = 0, LEAN_DELETED = 1 };

#define LEAN_STIR 0x9E3779B97F4A7C15u

/* For a table without an index. Python's hashes of integers are the integers; the highest byte of the product
 * depends on all bits of them. */
static inline uint8_t lean_tag(Py_hash_t hash)
{
    return (uint8_t)(((uint64_t)(size_t)hash * LEAN_STIR) >> 56);
}

/* For an index. */
static inline uint64_t lean_mix(Py_hash_t hash)
{
    uint64_t x = (size_t)hash;
    return (x ^ x >> 32) * LEAN_STIR;
}

static inline uint8_t lean_index_tag(uint64_t mixed)
{
    return (uint8_t)(mixed >> 24) | 0x80;
}

/* The group that a search begins with: the upper half, scaled, which needs no power of two. */
static inline uint32_t lean_group(uint64_t mixed, uint32_t groups)
{
    return (uint32_t)(((mixed >> 32) * groups) >> 32);
}

/* Bit i is set if tags[i] == tag. Reads 16 bytes, whatever their number. */
static inline uint32_t lean_match16(const uint8_t *tags, uint8_t tag)
{
#if defined(__SSE2__)
    __m128i row = _mm_loadu_si128((const __m128i *)(const void *)tags);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(row, _mm_set1_epi8((char)tag)));
#elif defined(__aarch64__) && defined(__ARM_NEON)
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vandq_u8(vceqq_u8(vld1q_u8(tags), vdupq_n_u8(tag)), vld1q_u8(weights));
    return vaddv_u8(vget_low_u8(bits)) | (uint32_t)vaddv_u8(vget_high_u8(bits)) << 8;
#else
    uint32_t mask = 0;
    for (int i = 0; i < 16; i++)
        mask |= (uint32_t)(tags[i] == tag) << i;
    return mask;
#endif
}

/* The same for the first n of at most 64 tags, n > 0. Reads up to 15 bytes beyond: entries always follow. */
static inline uint64_t lean_match64(const uint8_t *tags, size_t n, uint8_t tag)
{
    uint64_t mask = lean_match16(tags, tag);
    if (n > 16) {
        mask |= lean_match16(tags + 16, tag) << 16;
        if (n > 32) {
            mask |= (uint64_t)lean_match16(tags + 32, tag) << 32;
            if (n > 48)
                mask |= (uint64_t)lean_match16(tags + 48, tag) << 48;
        }
    }
    return mask & (~(uint64_t)0 >> (64 - n));
}

static inline Py_hash_t lean_str_hash(PyObject *s)
{
    return ((PyASCIIObject *)s)->hash;
}

/* In map.c: PyObject_Hash with dict's text of the error. */
Py_hash_t lean_hash_slow(PyObject *key);

/* -1 means an error, as everywhere. */
static inline Py_hash_t lean_hash(PyObject *key)
{
    if (LEAN_LIKELY(PyUnicode_CheckExact(key))) {
        Py_hash_t hash = lean_str_hash(key);
        if (LEAN_LIKELY(hash != -1))
            return hash;
    } else if (PyLong_CheckExact(key) && lean_int_is_compact(key)) {
        Py_ssize_t value = lean_int_compact_value(key);
        return value == -1 ? -2 : (Py_hash_t)value;
    }
    return lean_hash_slow(key);
}

/* Two exact str with the same hash. Cannot fail. */
static inline int lean_str_equal(PyObject *a, PyObject *b)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(a);
    return length == PyUnicode_GET_LENGTH(b) && PyUnicode_KIND(a) == PyUnicode_KIND(b) &&
           memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)length * PyUnicode_KIND(a)) == 0;
}

/* Is str `found` the str `key`, which has that hash? */
static inline int lean_str_is(PyObject *found, PyObject *key, Py_hash_t hash)
{
    return found == key || (lean_str_hash(found) == hash && lean_str_equal(found, key));
}

/* Both strings are ready (3.11 still has others, made by old C code): else they count as no str at all. */
static inline int lean_is_str(PyObject *o)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_CheckExact(o) && PyUnicode_IS_READY(o);
#else
    return PyUnicode_CheckExact(o);
#endif
}

#endif
