/* compat/lean/builtin.h - what lies inside a builtin dict, for lean.audit and lean.compact. Included by facts.c only.
 *
 * The head of a key table is the same from 3.11 to 3.15; what differs is in py3NN.h.
 */
#ifndef LEAN_COMPAT_BUILTIN_H
#define LEAN_COMPAT_BUILTIN_H

#define Py_BUILD_CORE 1
#include <Python.h>
#include <internal/pycore_dict.h>
#include <internal/pycore_object.h>
#undef Py_BUILD_CORE

#if PY_VERSION_HEX >= 0x030F0000 && PY_VERSION_HEX < 0x03100000
#include "py315.h"
#elif PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030F0000
#include "py314.h"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#include "py313.h"
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#include "py312.h"
#elif PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "py311.h"
#else
#error "gossamer.lean supports CPython 3.11 to 3.15: another minor needs its table, cpython/compat/lean/py3NN.h."
#endif

typedef struct lean_builtin {
    int split, general;    /* values apart from shared keys; entries that keep their hash */
    unsigned log2_size;    /* of the index */
    size_t room;           /* entries allocated */
    size_t keys_bytes;     /* of the key table */
    size_t values_bytes;   /* of the values of a split table, if they are apart */
    Py_ssize_t keys_users; /* dicts and types that refer to the key table */
    const void *keys;
} lean_builtin;

/* Not dk_usable + dk_nentries: popitem() takes from the one without giving to the other. */
static inline size_t lean_keys_room(const PyDictKeysObject *k)
{
    return ((size_t)2 << k->dk_log2_size) / 3;
}

static inline size_t lean_keys_bytes(const PyDictKeysObject *k)
{
    size_t room = lean_keys_room(k);
    size_t entry = k->dk_kind == DICT_KEYS_GENERAL ? 3 * sizeof(PyObject *) : 2 * sizeof(PyObject *);
    return sizeof(PyDictKeysObject) + ((size_t)1 << k->dk_log2_index_bytes) + room * entry;
}

static inline void lean_builtin_look(PyObject *dict, lean_builtin *facts)
{
    PyDictObject *d = (PyDictObject *)dict;
    const PyDictKeysObject *k = d->ma_keys;
    facts->split = d->ma_values != NULL;
    facts->general = k->dk_kind == DICT_KEYS_GENERAL;
    facts->log2_size = k->dk_log2_size;
    facts->room = lean_keys_room(k);
    facts->keys_bytes = k->dk_log2_size == 0 ? 0 : lean_keys_bytes(k); /* 0: the one that all empty dicts share */
    facts->values_bytes = 0;
    if (facts->split) {
#if LEAN_VALUES_INSIDE
        if (!d->ma_values->embedded)
#endif
            facts->values_bytes = LEAN_SPLIT_BYTES((size_t)(k->dk_usable + k->dk_nentries));
    }
    facts->keys_users = k->dk_refcnt;
    facts->keys = k;
}

/* Bytes of the attribute values of one instance that has no dict yet, and how many keys they have; 0 if the type
 * keeps none that way. */
static inline size_t lean_instance_values(PyTypeObject *type, Py_ssize_t *keys)
{
    *keys = 0;
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || !(type->tp_flags & Py_TPFLAGS_MANAGED_DICT))
        return 0;
    const PyDictKeysObject *k = ((PyHeapTypeObject *)type)->ht_cached_keys;
    if (!k)
        return 0;
    *keys = k->dk_nentries;
    return LEAN_SPLIT_BYTES((size_t)(k->dk_usable + k->dk_nentries));
}

/* The dict that holds the attributes of an instance: borrowed, or NULL if it has none, or has made none so far. */
static inline PyObject *lean_instance_dict(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return NULL;
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT)
        return LEAN_MANAGED_DICT(o);
    if (type->tp_dictoffset <= 0 || PyType_Check(o))
        return NULL;
    return *(PyObject **)(void *)((char *)o + type->tp_dictoffset);
}

/* Exchange the tables of two dicts that both keep keys and values together. The dicts have the same items, so
 * watchers and version tags need not know; inline caches compare the key table's own version, which is new. */
static inline void lean_exchange_tables(PyObject *a, PyObject *b)
{
    PyDictKeysObject *keys = ((PyDictObject *)a)->ma_keys;
    ((PyDictObject *)a)->ma_keys = ((PyDictObject *)b)->ma_keys;
    ((PyDictObject *)b)->ma_keys = keys;
}

#endif
