/* table.c - a Dict's table: search, growth, insertion and removal, with and without an index.
 *
 * Up to LEAN_SMALL_MAX entries there is no index: the tags of all entries are compared, sixteen at a time. Removal
 * closes the gap. Beyond, removal leaves a hole; holes go away when the table is made anew.
 */
#include "index.h"
#include "table.h"

enum { TRIES = 100 }; /* searches that a comparison may spoil before it is an error */

/* ---- search ---- */

/* What a search has taken from its table and goes on with. Versions wrap: after 8,192 changes in one comparison, state
 * and block can be the same again, so all else that decides where something lies is compared, too. */
typedef struct shape_of_table {
    char *block;
    uint32_t used;
    uint16_t state;
    uint8_t cap;
    lean_index index;
} shape_of_table;

static void remember(const lean_dict *d, shape_of_table *t)
{
    memset(t, 0, sizeof *t); /* padding is compared, too */
    t->block = d->block;
    t->used = d->used;
    t->state = d->state;
    t->cap = d->cap;
    if (lean_indexed(d))
        memcpy(&t->index, d->block, sizeof t->index);
}

int lean_compare(lean_dict *d, PyObject *found, size_t i, PyObject *key)
{
    shape_of_table before, after;
    remember(d, &before);
    Py_INCREF(found);
    int same = PyObject_RichCompareBool(found, key, Py_EQ);
    Py_DECREF(found);
    if (same < 0)
        return LEAN_FAILED;
    remember(d, &after);
    if (memcmp(&before, &after, sizeof before) != 0 || i >= lean_filled(d) ||
        lean_entry_at(lean_entries(d), i, lean_kind_of(d))->key != found)
        return LEAN_CHANGED;
    return same;
}

static Py_ssize_t small_find(lean_dict *d, PyObject *key, Py_hash_t hash)
{
    uint8_t tag = lean_tag(hash);
    size_t n = d->used;
    enum lean_kind kind = lean_kind_of(d);
    for (size_t base = 0; base < n; base += 64) {
        uint64_t mask = lean_match64((uint8_t *)d->block + base, n - base < 64 ? n - base : 64, tag);
        char *entries = lean_entries(d);
        for (; mask; mask &= mask - 1) {
            size_t i = base + (unsigned)__builtin_ctzll(mask);
            int same = lean_candidate(d, lean_entry_at(entries, i, kind), i, kind, key, hash);
            if (same != LEAN_OTHER)
                return same == LEAN_SAME ? (Py_ssize_t)i : same == LEAN_FAILED ? LEAN_ERROR : LEAN_RETRY;
        }
    }
    return LEAN_ABSENT;
}

Py_ssize_t lean_table_find(lean_dict *d, PyObject *key, Py_hash_t hash)
{
    for (int tries = 0; tries < TRIES; tries++) {
        Py_ssize_t i = lean_indexed(d) ? lean_index_find(d, key, hash) : small_find(d, key, hash);
        if (LEAN_LIKELY(i != LEAN_RETRY))
            return i;
    }
    PyErr_SetString(PyExc_RuntimeError, "comparisons of keys keep changing the dictionary");
    return LEAN_ERROR;
}

Py_hash_t lean_table_hash(const lean_entry *e, enum lean_kind kind)
{
    return kind == LEAN_HASHED ? ((const lean_hashed *)e)->hash : lean_hash(e->key);
}

/* ---- sizes ---- */

static size_t small_bytes(size_t cap, enum lean_kind kind)
{
    return lean_tag_bytes(cap) + cap * lean_stride(kind);
}

size_t lean_table_bytes(const lean_dict *d)
{
    if (!d->block)
        return 0;
    if (!lean_indexed(d))
        return small_bytes(d->cap, lean_kind_of(d));
    const lean_index *ix = (const lean_index *)(const void *)d->block;
    return ix->entries + ix->cap * lean_stride(lean_kind_of(d));
}

size_t lean_builtin_bytes(size_t n, enum lean_kind kind)
{
    if (n == 0)
        return 0;
    size_t size = 8, width = 1;
    while (size * 2 / 3 < n)
        size *= 2;
    if (size >= 256)
        width = size < 65536 ? 2 : (uint64_t)size < (uint64_t)1 << 32 ? 4 : 8;
    size_t entry = kind == LEAN_STR ? 2 * sizeof(PyObject *) : 3 * sizeof(PyObject *);
    return 4 * sizeof(PyObject *) + size * width + size * 2 / 3 * entry;
}

/* limit 0: no index. */
typedef struct plan {
    size_t cap, limit, slots;
} plan;

static size_t plan_bytes(plan made, enum lean_kind kind)
{
    return made.limit ? lean_index_bytes(made.cap, made.limit, made.slots, kind) : small_bytes(made.cap, kind);
}

/* Items for which a builtin dict of n items has room. */
static size_t builtin_room(size_t n)
{
    size_t size = 8;
    while (size * 2 / 3 < n)
        size *= 2;
    return size * 2 / 3;
}

/* The table in which the n-th item is the first to find no place in the one before. */
static size_t usable_for(const lean_policy *p, size_t n)
{
    size_t first = lean_policy_usable(p, p->min_slots);
    return n <= first ? first : lean_policy_usable(p, lean_policy_slots(p, n));
}

void lean_policy_fill(lean_policy *p)
{
    for (int kind = LEAN_STR; kind <= LEAN_HASHED; kind++) {
        for (size_t n = 1; n <= LEAN_SMALL_MAX; n++) {
            size_t cap = usable_for(p, n);
            if (p->bounded) {
                if (cap > LEAN_SMALL_MAX)
                    cap = LEAN_SMALL_MAX;
                while (cap > n && small_bytes(cap, (enum lean_kind)kind) > lean_builtin_bytes(n, (enum lean_kind)kind))
                    cap--;
            }
            p->small_caps[kind][n] = cap <= LEAN_SMALL_MAX ? (uint8_t)cap : 0;
        }
    }
}

/* A bounded table with an index can number as many entries as a builtin dict of that size has; it starts with room for
 * fewer, and the slots are as many as the bytes of the builtin dict allow, when it is full. */
static plan plan_index(const lean_policy *p, size_t n, enum lean_kind kind, int exact)
{
    plan made = {.cap = n, .limit = usable_for(p, n)};
    if (p->bounded) {
        size_t wanted = n + n / 3, most = lean_builtin_bytes(n, kind);
        made.limit = builtin_room(n);
        if (!exact)
            made.cap = wanted < made.limit ? wanted : made.limit;
        made.slots = (size_t)((double)made.limit / p->max_load) + 1;
        while (made.slots > made.limit + 16 && lean_index_bytes(made.limit, made.limit, made.slots, kind) > most)
            made.slots -= 16;
    } else {
        if (!exact)
            made.cap = made.limit;
        made.slots = (size_t)((double)made.limit / p->max_load) + 1;
    }
    if (made.limit > UINT32_MAX - 1)
        made.limit = UINT32_MAX - 1;
    if (made.cap > made.limit)
        made.cap = made.limit;
    return made;
}

static plan plan_for(const lean_dict *d, size_t n, enum lean_kind kind, int exact)
{
    const lean_policy *p = lean.policies[d->policy];
    if (LEAN_LIKELY(n <= LEAN_SMALL_MAX)) {
        size_t cap = exact ? n : p->small_caps[kind][n];
        if (cap)
            return (plan){.cap = cap};
    }
    return plan_index(p, n, kind, exact);
}

size_t lean_table_plan_bytes(const lean_dict *d, size_t n, enum lean_kind kind)
{
    return n ? plan_bytes(plan_for(d, n, kind, 1), kind) : 0;
}

/* ---- making anew ---- */

static void put(char *block, char *entries, size_t i, const lean_entry *e, Py_hash_t hash, enum lean_kind kind, int indexed)
{
    lean_entry *to = lean_entry_at(entries, i, kind);
    *to = *e;
    if (kind == LEAN_HASHED)
        ((lean_hashed *)to)->hash = hash;
    if (indexed)
        lean_index_add(block, hash, i);
    else
        ((uint8_t *)block)[i] = lean_tag(hash);
}

/* The items of d in a new block; references are not counted again. Same kind and no index: simply copied. */
static void fill(const lean_dict *d, char *block, char *entries, enum lean_kind kind, int indexed)
{
    enum lean_kind was = lean_kind_of(d);
    char *from = lean_entries(d);
    if (!indexed && !lean_indexed(d) && lean_stride(was) == lean_stride(kind)) {
        memcpy(block, d->block, d->used);
        memcpy(entries, from, d->used * lean_stride(kind));
        return;
    }
    size_t to = 0;
    for (size_t i = 0, n = lean_filled(d); i < n; i++) {
        const lean_entry *e = lean_entry_at(from, i, was);
        if (e->key)
            put(block, entries, to++, e, lean_table_hash(e, was), kind, indexed);
    }
}

static char *new_block(plan made, enum lean_kind kind)
{
    if (made.limit > (size_t)(PY_SSIZE_T_MAX / 40)) {
        PyErr_NoMemory();
        return NULL;
    }
    char *block = PyObject_Malloc(plan_bytes(made, kind));
    if (!block)
        PyErr_NoMemory();
    else if (made.limit)
        lean_index_start(block, made.cap, made.limit, made.slots);
    return block;
}

static char *entries_of(char *block, plan made)
{
    return block + (made.limit ? ((lean_index *)(void *)block)->entries : lean_tag_bytes(made.cap));
}

/* Give d a block that its items have been filled into. */
static void install(lean_dict *d, char *block, plan made, uint32_t used, enum lean_kind kind)
{
    if (made.limit)
        ((lean_index *)(void *)block)->filled = used;
    d->block = block;
    d->used = used;
    d->cap = made.limit ? 0 : (uint8_t)made.cap;
    d->state = (uint16_t)((d->state & ~(LEAN_KIND | LEAN_INDEXED)) | kind | (made.limit ? LEAN_INDEXED : 0));
}

static int remake(lean_dict *d, plan made, enum lean_kind kind)
{
    char *block = new_block(made, kind), *old = d->block;
    if (!block)
        return -1;
    if (old)
        fill(d, block, entries_of(block, made), kind, made.limit != 0);
    install(d, block, made, d->used, kind);
    PyObject_Free(old);
    return 0;
}

static int too_many(size_t n)
{
    if ((uint64_t)n < UINT32_MAX)
        return 0;
    PyErr_SetString(PyExc_OverflowError, "a lean.Dict holds at most 4294967294 items");
    return -1;
}

/* Entries that can be appended before the table has to be made anew. */
static size_t spare(const lean_dict *d)
{
    if (!lean_indexed(d))
        return d->cap - d->used;
    const lean_index *ix = (const lean_index *)(const void *)d->block;
    size_t entries = ix->cap - ix->filled;
    return entries < ix->room ? entries : ix->room;
}

int lean_table_reserve(lean_dict *d, size_t n, int exact)
{
    if (too_many(n) < 0)
        return -1;
    if (exact) {
        if (n == 0) {
            PyObject_Free(d->block);
            d->block = NULL;
            d->cap = 0;
            d->state &= (uint16_t) ~(LEAN_INDEXED | LEAN_KIND);
            return 0;
        }
        plan made = plan_for(d, n, lean_kind_of(d), 1);
        if (d->block && plan_bytes(made, lean_kind_of(d)) == lean_table_bytes(d) && lean_filled(d) == d->used)
            return 0;
        int holes = d->block && lean_filled(d) != d->used;
        if (remake(d, made, lean_kind_of(d)) < 0)
            return -1;
        if (holes) /* entries have other numbers now, which iterators must not trust */
            d->state += LEAN_VERSION;
        return 0;
    }
    if (n <= d->used || n - d->used <= spare(d))
        return 0;
    return remake(d, plan_for(d, n, lean_kind_of(d), 0), lean_kind_of(d));
}

/* Make the block longer: the index stays as it is. */
static int lengthen(lean_dict *d, size_t cap, enum lean_kind kind)
{
    lean_index *ix = (lean_index *)(void *)d->block;
    char *block = PyObject_Realloc(d->block, ix->entries + cap * lean_stride(kind));
    if (!block) {
        PyErr_NoMemory();
        return -1;
    }
    d->block = block;
    ((lean_index *)(void *)block)->cap = (uint32_t)cap;
    return 0;
}

/* One more entry does not fit: more room, or a table without holes if they were the reason. */
static int grow(lean_dict *d, enum lean_kind kind)
{
    size_t n = (size_t)d->used + 1;
    if (too_many(n) < 0)
        return -1;
    plan made = plan_for(d, n, kind, 0);
    if (lean_indexed(d) && lean_stride(kind) == lean_stride(lean_kind_of(d))) {
        const lean_index *ix = (const lean_index *)(const void *)d->block;
        int few_holes = d->used >= ix->filled - ix->filled / 8;
        if (few_holes && ix->filled == ix->cap && ix->room > 0 && ix->cap < ix->limit && made.cap > ix->cap)
            return lengthen(d, made.cap < ix->limit ? made.cap : ix->limit, kind);
        if (!few_holes && d->used > ix->cap / 2)
            made = (plan){.cap = ix->cap, .limit = ix->limit, .slots = (size_t)ix->groups * 16};
    }
    return remake(d, made, kind);
}

/* ---- changes ---- */

static enum lean_kind kind_needed(PyObject *key)
{
    if (lean_is_str(key))
        return LEAN_STR;
    PyTypeObject *type = Py_TYPE(key);
    if (LEAN_LIKELY(type == &PyLong_Type) || type == &PyUnicode_Type || type == &PyFloat_Type || type == &PyBytes_Type ||
        type == &PyBool_Type || key == Py_None)
        return LEAN_PLAIN;
    return LEAN_HASHED;
}

int lean_table_append(lean_dict *d, PyObject *key, Py_hash_t hash, PyObject *value)
{
    enum lean_kind kind = lean_kind_of(d), needed = kind_needed(key);
    if (LEAN_UNLIKELY(needed > kind)) {
        if (lean_stride(needed) != lean_stride(kind) && d->block) {
            if (grow(d, needed) < 0)
                return -1;
        } else if (d->block && spare(d) == 0 && grow(d, kind) < 0) {
            return -1;
        }
        kind = needed;
        if (!d->block) {
            if (remake(d, plan_for(d, 1, kind, 0), kind) < 0)
                return -1;
        }
        d->state = (uint16_t)((d->state & ~LEAN_KIND) | kind);
    } else if (LEAN_UNLIKELY(!d->block || spare(d) == 0) && grow(d, kind) < 0) {
        return -1;
    }
    lean_entry e = {Py_NewRef(key), Py_NewRef(value)};
    size_t i = lean_filled(d);
    put(d->block, lean_entries(d), i, &e, hash, kind, lean_indexed(d));
    if (lean_indexed(d))
        ((lean_index *)(void *)d->block)->filled++;
    d->used++;
    d->state += LEAN_VERSION;
    return 0;
}

void lean_table_remove(lean_dict *d, size_t i, PyObject **key, PyObject **value)
{
    enum lean_kind kind = lean_kind_of(d);
    char *entries = lean_entries(d);
    lean_entry *e = lean_entry_at(entries, i, kind);
    *key = e->key;
    *value = e->value;
    if (lean_indexed(d)) {
        lean_index *ix = (lean_index *)(void *)d->block;
        lean_index_remove(d->block, lean_table_hash(e, kind), i);
        e->key = e->value = NULL;
        while (ix->filled > 0 && !lean_entry_at(entries, ix->filled - 1, kind)->key)
            ix->filled--;
    } else {
        size_t behind = d->used - i - 1, stride = lean_stride(kind);
        memmove(d->block + i, d->block + i + 1, behind);
        memmove(entries + i * stride, entries + (i + 1) * stride, behind * stride);
    }
    d->used--;
    d->state += LEAN_VERSION;
}

void lean_block_drop(char *block, uint16_t state, uint8_t cap, uint32_t used)
{
    lean_dict old = {.block = block, .state = state, .cap = cap, .used = used};
    enum lean_kind kind = lean_kind_of(&old);
    char *entries = lean_entries(&old);
    for (size_t i = 0, n = lean_filled(&old); i < n; i++) {
        lean_entry *e = lean_entry_at(entries, i, kind);
        Py_XDECREF(e->key);
        Py_XDECREF(e->value);
    }
    PyObject_Free(block);
}

void lean_table_clear(lean_dict *d)
{
    char *block = d->block;
    uint16_t state = d->state;
    uint8_t cap = d->cap;
    uint32_t used = d->used;
    if (!block)
        return;
    d->block = NULL;
    d->cap = 0;
    d->used = 0;
    d->state = (uint16_t)((state & ~(LEAN_KIND | LEAN_INDEXED)) + LEAN_VERSION);
    lean_block_drop(block, state, cap, used);
}

/* Without holes a block can be copied as it is, index and all; its room for more is left behind. */
static char *copy_block(const lean_dict *from)
{
    const lean_index *ix = (const lean_index *)(const void *)from->block;
    size_t bytes = ix->entries + from->used * lean_stride(lean_kind_of(from));
    char *block = PyObject_Malloc(bytes);
    if (!block) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(block, from->block, bytes);
    ((lean_index *)(void *)block)->cap = from->used;
    return block;
}

int lean_table_copy(lean_dict *to, lean_dict *from)
{
    enum lean_kind kind = lean_kind_of(from);
    if (from->used == 0)
        return 0;
    plan made = plan_for(to, from->used, kind, 1);
    int alike = lean_indexed(from) && made.limit == ((lean_index *)(void *)from->block)->limit &&
                lean_filled(from) == from->used;
    char *block = alike ? copy_block(from) : new_block(made, kind);
    if (!block)
        return -1;
    char *entries = entries_of(block, made);
    if (!alike)
        fill(from, block, entries, kind, made.limit != 0);
    size_t stride = lean_stride(kind);
    for (char *at = entries, *end = entries + from->used * stride; at < end; at += stride) {
        Py_INCREF(((lean_entry *)(void *)at)->key);
        Py_INCREF(((lean_entry *)(void *)at)->value);
    }
    install(to, block, made, from->used, kind);
    to->state += LEAN_VERSION;
    return 0;
}
