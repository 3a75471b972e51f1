/* lean.h - what the files of the extension gossamer._lean share: object layouts and the operations on them.
 *
 * Layers, bottom up: scan.h (hashes and tags), policy.c (how large a table shall be), table.c and index.c (a Dict's
 * table), record.c (shapes, and the mappings that share them), map.c (one face for both layouts), then views,
 * iterators, methods and types. Only cpython/compat/lean/ knows private structures of CPython.
 *
 * Invariants
 * - Entries lie in insertion order. A table without an index has no holes; one with an index may have some
 *   (key NULL), and its last entry is never one.
 * - Python code can run wherever two keys are compared, a hash is taken or a reference is dropped. What was read
 *   from a mapping before is stale afterwards: lookups compare block and version, and start again.
 * - A reference is dropped only after the mapping is whole again.
 * - All of it under the GIL.
 */
#ifndef LEAN_H
#define LEAN_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>

#define LEAN_LIKELY(x) __builtin_expect(!!(x), 1)
#define LEAN_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- layouts ---- */

/* Which keys a table holds, from the narrowest on; a table only ever widens until it is cleared. */
enum lean_kind {
    LEAN_STR,    /* exact str only: compared without running Python code */
    LEAN_PLAIN,  /* immutable builtins whose hash is quickly taken again: str, int, float, bool, bytes, None */
    LEAN_HASHED, /* anything: each entry keeps its hash */
};

enum {
    LEAN_KIND = 3,       /* bits of `state` that hold the kind */
    LEAN_INDEXED = 4,    /* bit of `state`: the block starts with a struct lean_index */
    LEAN_VERSION = 8,    /* one change of the key set, in `state`; wraps */
    LEAN_SMALL_MAX = 85, /* entries that are found by scanning all tags, at most 128; beyond, there is an index */
    LEAN_SHAPE_MAX = 64, /* keys of a shape */
};

/* Without an index, the block is: a tag for each of `cap` entries, rounded up to 8 bytes, then the entries. */
typedef struct lean_dict {
    PyObject_HEAD
    char *block;    /* NULL: nothing allocated */
    uint32_t used;  /* items */
    uint8_t cap;    /* entries there is room for; only without an index */
    uint8_t policy; /* index into lean.policies */
    uint16_t state;
} lean_dict;

/* With an index, the block is: this, 16 tags for each group, one position of `width` bits for each tag, the entries. */
typedef struct lean_index {
    uint32_t cap;    /* entries there is room for */
    uint32_t limit;  /* entries that the index can number; up to there the block is only made longer */
    uint32_t filled; /* entries in use, holes included */
    uint32_t groups;
    uint32_t room; /* tags that are still LEAN_EMPTY and may be taken; 0: make the index anew */
    uint32_t width;
    size_t entries; /* where they begin, from the start of the block */
} lean_index;

typedef struct lean_entry {
    PyObject *key, *value;
} lean_entry;

typedef struct lean_hashed {
    PyObject *key, *value;
    Py_hash_t hash;
} lean_hashed;

/* Keys that records share. Not collected: strings make no cycles. */
typedef struct lean_shape {
    PyObject_HEAD
    struct lean_shape *next; /* in its bucket of the registry, which holds no reference */
    Py_hash_t hash;          /* of the sequence of keys */
    uint32_t count;
    uint8_t *tags; /* in the same allocation, behind the keys */
    PyObject *keys[];
} lean_shape;

/* The type is declared as one with items (that is how the collector's allocator takes a size), but the shape lies
 * where the number of items would be. Never smaller than a lean_dict, because a record can turn into one. */
typedef struct lean_record {
    PyObject_HEAD
    lean_shape *shape;
    PyObject *values[];
} lean_record;

typedef struct lean_policy {
    PyObject_HEAD
    uint32_t min_slots;
    double max_load, growth, growth_large;
    char powers_of_two, bounded;
    uint8_t id;
    uint8_t small_caps[3][LEAN_SMALL_MAX + 1]; /* by kind and items: entries of a table without an index; 0: it has one */
} lean_policy;

/* ---- the process's state ---- */

enum { LEAN_POLICIES = 255 };

typedef struct lean_state {
    PyTypeObject *dict_type, *record_type, *shape_type, *policy_type;
    PyTypeObject *keys_type, *values_type, *items_type;
    PyTypeObject *iter_types[3], *reverse_types[3]; /* keys, values, items */
    lean_policy *policies[LEAN_POLICIES];           /* interned, kept for ever */
    int policy_count;
    uint8_t default_policy;
    PyObject *str_keys, *str_policy, *str_missing, *str_getstate; /* names */
    PyObject *empty_tuple, *newobj, *restore;
} lean_state;

extern lean_state lean;

#define LEAN_IS_DICT(o) PyObject_TypeCheck(o, lean.dict_type)
#define LEAN_IS_RECORD(o) Py_IS_TYPE(o, lean.record_type)
#define LEAN_IS_MAP(o) (LEAN_IS_RECORD(o) || LEAN_IS_DICT(o))

static inline enum lean_kind lean_kind_of(const lean_dict *d)
{
    return (enum lean_kind)(d->state & LEAN_KIND);
}

static inline int lean_indexed(const lean_dict *d)
{
    return d->state & LEAN_INDEXED;
}

static inline size_t lean_tag_bytes(size_t cap)
{
    return (cap + 7) & ~(size_t)7;
}

static inline size_t lean_stride(enum lean_kind kind)
{
    return kind == LEAN_HASHED ? sizeof(lean_hashed) : sizeof(lean_entry);
}

/* Where the entries begin; only with a block. */
static inline char *lean_entries(const lean_dict *d)
{
    return d->block + (lean_indexed(d) ? ((lean_index *)d->block)->entries : lean_tag_bytes(d->cap));
}

static inline size_t lean_filled(const lean_dict *d)
{
    return lean_indexed(d) ? ((lean_index *)d->block)->filled : d->used;
}

static inline lean_entry *lean_entry_at(char *entries, size_t i, enum lean_kind kind)
{
    return (lean_entry *)(entries + i * lean_stride(kind));
}

/* ---- policy.c ---- */

int lean_policy_init(PyObject *module);
/* Slots of a table in which the n-th item has just found no place. */
size_t lean_policy_slots(const lean_policy *p, size_t n);
/* Items that fit `slots` slots. */
size_t lean_policy_usable(const lean_policy *p, size_t slots);
/* Fill in small_caps; in table.c, where bytes are known. */
void lean_policy_fill(lean_policy *p);
/* The policy of new objects of that class: an id, or -1 with an error set. */
int lean_policy_of_class(PyTypeObject *type);

/* ---- table.c: a Dict's table ---- */

enum { LEAN_ABSENT = -1, LEAN_ERROR = -2, LEAN_RETRY = -3 };

/* Number of the entry with that key, LEAN_ABSENT or LEAN_ERROR. Slower than table_find of index.h. */
Py_ssize_t lean_table_find(lean_dict *d, PyObject *key, Py_hash_t hash);
/* The key must not be there. 0, or -1 with MemoryError or OverflowError and nothing changed. */
int lean_table_append(lean_dict *d, PyObject *key, Py_hash_t hash, PyObject *value);
/* Take entry i out; its two references are the caller's. Cannot fail. */
void lean_table_remove(lean_dict *d, size_t i, PyObject **key, PyObject **value);
/* Room for n items altogether, exactly that if `exact`: 0, or -1 with an error set. */
int lean_table_reserve(lean_dict *d, size_t n, int exact);
/* Same keys and new references in an empty Dict: 0 or -1. */
int lean_table_copy(lean_dict *to, lean_dict *from);
/* Drop all. */
void lean_table_clear(lean_dict *d);
/* Bytes of a block that was asked for, not counting the allocator's rounding. */
size_t lean_table_bytes(const lean_dict *d);
/* The hash of the key of an entry. */
Py_hash_t lean_table_hash(const lean_entry *e, enum lean_kind kind);
/* Bytes that a builtin dict with n items takes beside its object. */
size_t lean_builtin_bytes(size_t n, enum lean_kind kind);
/* What the table of d would take with exactly n items. */
size_t lean_table_plan_bytes(const lean_dict *d, size_t n, enum lean_kind kind);
/* Free a block and drop the references in it. */
void lean_block_drop(char *block, uint16_t state, uint8_t cap, uint32_t used);

/* ---- index.c ---- */

size_t lean_index_bytes(size_t cap, size_t limit, size_t slots, enum lean_kind kind);
/* Fill in the head, and empty the tags, of a block of lean_index_bytes. */
void lean_index_start(char *block, size_t cap, size_t limit, size_t slots);
void lean_index_add(char *block, Py_hash_t hash, size_t position);
/* Forget entry `position`, which has that hash. */
void lean_index_remove(char *block, Py_hash_t hash, size_t position);
/* One try: LEAN_RETRY if a comparison has changed the table. */
Py_ssize_t lean_index_find(lean_dict *d, PyObject *key, Py_hash_t hash);

/* ---- record.c ---- */

int lean_record_init(PyObject *module);
/* The shape with these keys, exact str without a repetition: a new reference, or NULL with an error set. */
lean_shape *lean_shape_get(PyObject *const *keys, size_t count);
/* The same if it exists, else NULL without an error, and in any case no new reference; *hash is of the keys. */
lean_shape *lean_shape_known(PyObject *const *keys, size_t count, Py_hash_t *hash);
/* New references to the values. The caller holds some itself, and one to the shape. */
PyObject *lean_record_new(lean_shape *shape, PyObject *const *values);
PyObject *lean_record_copy(PyObject *record);
Py_ssize_t lean_shape_find(lean_shape *shape, PyObject *key, Py_hash_t hash);
/* Turn the object into a Dict, with room for one more: 0, or -1 with an error set and nothing changed. */
int lean_record_to_dict(PyObject *record);
/* A Record of the items of a mapping or of pairs, or a Dict where no record can be made of them. */
PyObject *lean_record_from(PyObject *items);

/* ---- map.c: Dict and Record alike ---- */

/* 1 and a borrowed value, 0, or -1 with an error set. */
int lean_get(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **value);
int lean_set(PyObject *map, PyObject *key, Py_hash_t hash, PyObject *value);
/* 1 and, unless key_out is NULL, the references that the mapping had; 0 if it is not there; -1. */
int lean_take(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **value);
/* Next item from *pos on, borrowed; 0 at the end. Nothing may run between the calls. */
int lean_next(PyObject *map, Py_ssize_t *pos, PyObject **key, PyObject **value);
/* The last item before position *pos, likewise. */
int lean_previous(PyObject *map, Py_ssize_t *pos, PyObject **key, PyObject **value);
/* Changes whenever the set of keys does. */
uint32_t lean_version(PyObject *map);
/* Put the object under the collector's eyes if it refers to something that is. */
void lean_track(PyObject *map, PyObject *key, PyObject *value);
void lean_key_error(PyObject *key);
PyObject *lean_dict_new(void);

static inline Py_ssize_t lean_len(PyObject *map)
{
    return LEAN_IS_RECORD(map) ? ((lean_record *)map)->shape->count : ((lean_dict *)map)->used;
}

/* ---- merge.c ---- */

/* Like dict.update with one argument, dict.__init__ with all of them. */
int lean_merge(PyObject *map, PyObject *source);
int lean_update(PyObject *map, PyObject *args, PyObject *kwargs, const char *name);
/* As a new Dict, of type lean.Dict. */
PyObject *lean_copy(PyObject *map);

/* ---- the types ---- */

extern PyMethodDef lean_methods[];
extern PySequenceMethods lean_sequence;
PyObject *lean_subscript(PyObject *map, PyObject *key);
int lean_ass_subscript(PyObject *map, PyObject *key, PyObject *value);
int lean_contains(PyObject *map, PyObject *key);
Py_ssize_t lean_length(PyObject *map);
PyObject *lean_repr(PyObject *map);
PyObject *lean_richcompare(PyObject *map, PyObject *other, int op);
PyObject *lean_or(PyObject *left, PyObject *right);
PyObject *lean_inplace_or(PyObject *left, PyObject *right);
PyObject *lean_iter(PyObject *map);
PyObject *lean_iter_new(PyObject *map, int what, int reverse);
PyObject *lean_view_new(PyObject *map, int what);
int lean_dict_init(PyObject *module);
int lean_views_init(PyObject *module);
int lean_iter_init(PyObject *module);
int lean_load_init(PyObject *module);
int lean_facts_init(PyObject *module);

#endif
