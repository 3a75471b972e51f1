/* record.c - shapes (sets of keys in an order) and records, the mappings that share one.
 *
 * Shapes are interned in a registry that holds no reference: a shape goes when its last record does. A record that
 * is asked for a change of its keys turns into a Dict where it stands: the object stays, its type and layout change.
 */
#include "scan.h"

#include <string.h>

/* ---- registry ---- */

static struct {
    lean_shape **buckets;
    size_t size; /* a power of two, or 0 */
    size_t count;
    lean_shape *last; /* most recently found; no reference */
} registry;

static Py_hash_t hash_keys(PyObject *const *keys, size_t count)
{
    uint64_t h = count;
    for (size_t i = 0; i < count; i++)
        h = lean_mix((Py_hash_t)(h >> 7) ^ lean_hash(keys[i])) + i;
    return (Py_hash_t)h;
}

static int registry_grow(void)
{
    if (registry.count < registry.size)
        return 0;
    size_t size = registry.size ? registry.size * 2 : 64;
    lean_shape **buckets = PyMem_Calloc(size, sizeof *buckets);
    if (!buckets) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < registry.size; i++) {
        for (lean_shape *s = registry.buckets[i], *next; s; s = next) {
            next = s->next;
            lean_shape **at = &buckets[(size_t)s->hash & (size - 1)];
            s->next = *at;
            *at = s;
        }
    }
    PyMem_Free(registry.buckets);
    registry.buckets = buckets;
    registry.size = size;
    return 0;
}

static int same_keys(const lean_shape *s, PyObject *const *keys, size_t count)
{
    if (s->count != count)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (s->keys[i] != keys[i] && !lean_str_is(s->keys[i], keys[i], lean_hash(keys[i])))
            return 0;
    return 1;
}

static size_t keys_bytes(size_t count)
{
    return sizeof(lean_shape) + count * sizeof(PyObject *);
}

static size_t shape_bytes(size_t count)
{
    return keys_bytes(count) + ((count + 15) & ~(size_t)15);
}

/* NULL without an error: there is a key twice. */
static lean_shape *shape_make(PyObject *const *keys, size_t count, Py_hash_t hash)
{
    if (registry_grow() < 0)
        return NULL;
    lean_shape *s = PyObject_Malloc(shape_bytes(count));
    if (!s) {
        PyErr_NoMemory();
        return NULL;
    }
    memset(s, 0, sizeof *s);
    s->tags = (uint8_t *)s + keys_bytes(count);
    for (; s->count < count; s->count++) {
        Py_hash_t h = lean_hash(keys[s->count]);
        if (lean_shape_find(s, keys[s->count], h) != LEAN_ABSENT) {
            for (size_t i = 0; i < s->count; i++)
                Py_DECREF(s->keys[i]);
            PyObject_Free(s);
            return NULL;
        }
        s->keys[s->count] = Py_NewRef(keys[s->count]);
        s->tags[s->count] = lean_tag(h);
    }
    s->hash = hash;
    lean_shape **at = &registry.buckets[(size_t)hash & (registry.size - 1)];
    s->next = *at;
    *at = s;
    registry.count++;
    return (lean_shape *)PyObject_Init((PyObject *)s, lean.shape_type);
}

lean_shape *lean_shape_known(PyObject *const *keys, size_t count, Py_hash_t *hash)
{
    lean_shape *s = registry.last;
    if (s && s->count == count && memcmp(s->keys, keys, count * sizeof *keys) == 0)
        return s;
    *hash = hash_keys(keys, count);
    s = registry.size ? registry.buckets[(size_t)*hash & (registry.size - 1)] : NULL;
    while (s && !(s->hash == *hash && same_keys(s, keys, count)))
        s = s->next;
    if (s)
        registry.last = s;
    return s;
}

lean_shape *lean_shape_get(PyObject *const *keys, size_t count)
{
    Py_hash_t hash;
    lean_shape *s = lean_shape_known(keys, count, &hash);
    if (s)
        return (lean_shape *)Py_NewRef(s);
    return shape_make(keys, count, hash);
}

static void shape_dealloc(lean_shape *s)
{
    PyTypeObject *type = Py_TYPE(s);
    if (registry.last == s)
        registry.last = NULL;
    lean_shape **at = &registry.buckets[(size_t)s->hash & (registry.size - 1)];
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    registry.count--;
    for (size_t i = 0; i < s->count; i++)
        Py_DECREF(s->keys[i]);
    PyObject_Free(s);
    Py_DECREF(type);
}

Py_ssize_t lean_shape_find(lean_shape *s, PyObject *key, Py_hash_t hash)
{
    if (s->count == 0)
        return LEAN_ABSENT;
    uint64_t mask = lean_match64(s->tags, s->count, lean_tag(hash));
    if (LEAN_LIKELY(lean_is_str(key))) {
        for (; mask; mask &= mask - 1) {
            unsigned i = (unsigned)__builtin_ctzll(mask);
            if (lean_str_is(s->keys[i], key, hash))
                return (Py_ssize_t)i;
        }
        return LEAN_ABSENT;
    }
    Py_ssize_t found = LEAN_ABSENT;
    Py_INCREF(s);
    for (; mask && found == LEAN_ABSENT; mask &= mask - 1) {
        unsigned i = (unsigned)__builtin_ctzll(mask);
        if (lean_str_hash(s->keys[i]) != hash)
            continue;
        int same = PyObject_RichCompareBool(s->keys[i], key, Py_EQ);
        if (same)
            found = same < 0 ? LEAN_ERROR : (Py_ssize_t)i;
    }
    Py_DECREF(s);
    return found;
}

/* ---- records ---- */

/* Values that there is room for at least, so that a lean_dict fits: 1 with pointers of 64 bits, 2 with 32. */
enum { LEAST = (sizeof(lean_dict) - offsetof(lean_record, values) + sizeof(PyObject *) - 1) / sizeof(PyObject *) };

/* The caller holds references to the shape and the values: taking the memory can run the collector, and that any code. */
PyObject *lean_record_new(lean_shape *shape, PyObject *const *values)
{
    Py_ssize_t room = shape->count > LEAST ? (Py_ssize_t)shape->count : LEAST;
    lean_record *r = (lean_record *)PyObject_GC_NewVar(PyVarObject, lean.record_type, room);
    if (!r)
        return NULL;
    r->shape = (lean_shape *)Py_NewRef(shape);
    for (size_t i = 0; i < shape->count; i++)
        r->values[i] = Py_NewRef(values[i]);
    for (size_t i = 0; i < shape->count; i++)
        lean_track((PyObject *)r, NULL, values[i]);
    return (PyObject *)r;
}

int lean_record_to_dict(PyObject *self)
{
    lean_record *r = (lean_record *)self;
    lean_shape *shape = r->shape;
    lean_dict made = {.policy = lean.default_policy};
    if (lean_table_reserve(&made, (size_t)shape->count + 1, 1) < 0)
        return -1;
    for (size_t i = 0; i < shape->count; i++)
        if (lean_table_append(&made, shape->keys[i], lean_str_hash(shape->keys[i]), r->values[i]) < 0)
            Py_UNREACHABLE(); /* there is room */
    for (size_t i = 0; i < shape->count; i++)
        Py_DECREF(r->values[i]); /* not the last reference */
    lean_dict *d = (lean_dict *)self;
    d->block = made.block;
    d->used = made.used;
    d->cap = made.cap;
    d->policy = made.policy;
    d->state = made.state;
    Py_SET_TYPE(self, (PyTypeObject *)Py_NewRef(lean.dict_type));
    Py_DECREF(lean.record_type);
    Py_DECREF(shape);
    return 0;
}

/* Of keys and values that are borrowed from a mapping. */
static PyObject *record_of_borrowed(lean_shape *shape, PyObject **values)
{
    size_t count = shape->count;
    Py_INCREF(shape);
    for (size_t i = 0; i < count; i++)
        Py_INCREF(values[i]);
    PyObject *record = lean_record_new(shape, values);
    for (size_t i = 0; i < count; i++)
        Py_DECREF(values[i]);
    Py_DECREF(shape);
    return record;
}

PyObject *lean_record_copy(PyObject *self)
{
    lean_record *r = (lean_record *)self;
    PyObject *values[LEAN_SHAPE_MAX];
    memcpy(values, r->values, r->shape->count * sizeof *values);
    return record_of_borrowed(r->shape, values);
}

static int record_traverse(lean_record *r, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(r));
    for (size_t i = 0; i < r->shape->count; i++)
        Py_VISIT(r->values[i]);
    return 0;
}

/* A cycle is broken by emptying the values: the keys stay, and so does the layout, unless a finalizer gets hold of the
 * record in the middle of it and adds a key. */
static int record_clear(lean_record *r)
{
    for (size_t i = 0; LEAN_IS_RECORD(r) && i < r->shape->count; i++)
        Py_SETREF(r->values[i], Py_NewRef(Py_None));
    return 0;
}

static void record_dealloc(lean_record *r)
{
    PyTypeObject *type = Py_TYPE(r);
    PyObject_GC_UnTrack(r);
    Py_TRASHCAN_BEGIN(r, record_dealloc)
    for (size_t i = 0; i < r->shape->count; i++)
        Py_DECREF(r->values[i]);
    Py_DECREF(r->shape);
    PyObject_GC_Del(r);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

static int all_str(PyObject *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!lean_is_str(keys[i]) || lean_hash(keys[i]) == -1)
            return 0;
    return 1;
}

PyObject *lean_record_from(PyObject *map)
{
    PyObject *keys[LEAN_SHAPE_MAX], *values[LEAN_SHAPE_MAX], *key, *value;
    Py_ssize_t pos = 0, count = 0;
    if (LEAN_IS_RECORD(map))
        return Py_NewRef(map);
    if (lean_len(map) == 0 || lean_len(map) > LEAN_SHAPE_MAX)
        return Py_NewRef(map);
    while (lean_next(map, &pos, &key, &value)) {
        keys[count] = key;
        values[count++] = value;
    }
    if (!all_str(keys, (size_t)count))
        return Py_NewRef(map);
    lean_shape *shape = lean_shape_get(keys, (size_t)count);
    PyObject *record = shape ? record_of_borrowed(shape, values) : NULL;
    Py_XDECREF(shape);
    return record;
}

static PyObject *record_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type;
    PyObject *map = lean_dict_new();
    if (map && lean_update(map, args, kwargs, "Record") < 0)
        Py_CLEAR(map);
    PyObject *record = map ? lean_record_from(map) : NULL;
    Py_XDECREF(map);
    return record;
}

static PyObject *record_shape(lean_record *r, void *unused)
{
    (void)unused;
    return Py_NewRef(r->shape);
}

static PyGetSetDef record_getset[] = {
    {"shape", (getter)record_shape, NULL, "The Shape that this record shares with others.", NULL},
    {NULL},
};

static PyObject *record_subscript(PyObject *self, PyObject *key)
{
    Py_hash_t hash = lean_hash(key);
    if (LEAN_UNLIKELY(hash == -1))
        return NULL;
    lean_record *r = (lean_record *)self;
    if (LEAN_LIKELY(lean_is_str(key))) {
        Py_ssize_t i = lean_shape_find(r->shape, key, hash);
        if (LEAN_LIKELY(i >= 0))
            return Py_NewRef(r->values[i]);
        lean_key_error(key);
        return NULL;
    }
    PyObject *value;
    int found = lean_get(self, key, hash, &value);
    if (found == 0)
        lean_key_error(key);
    return found > 0 ? Py_NewRef(value) : NULL;
}

static PyType_Slot record_slots[] = {
    {Py_tp_doc, "Record(mapping_or_pairs=(), /, **items)\n--\n\n"
                "A mapping whose keys lie in a Shape, shared with all records of the same keys in the same order.\n\n"
                "Everything of a dict works. Values can change; a change of the keys turns the object into a lean.Dict, in place.\n"
                "The result is a Dict from the start when a key is no str, or there are none, or more than 64 of them."},
    {Py_tp_new, record_new},
    {Py_tp_dealloc, record_dealloc},
    {Py_tp_traverse, record_traverse},
    {Py_tp_clear, record_clear},
    {Py_tp_methods, lean_methods},
    {Py_tp_getset, record_getset},
    {Py_tp_repr, lean_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, lean_richcompare},
    {Py_tp_iter, lean_iter},
    {Py_nb_or, lean_or},
    {Py_nb_inplace_or, lean_inplace_or},
    {Py_mp_length, lean_length},
    {Py_mp_subscript, record_subscript},
    {Py_mp_ass_subscript, lean_ass_subscript},
    {Py_sq_contains, lean_contains},
    {0, NULL},
};

static PyType_Spec record_spec = {
    .name = "gossamer.lean.Record",
    .basicsize = offsetof(lean_record, values),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MAPPING | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = record_slots,
};

/* ---- the type Shape ---- */

static PyObject *shape_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type;
    size_t count = (size_t)PyTuple_GET_SIZE(args);
    PyObject *const *keys = ((PyTupleObject *)args)->ob_item;
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Shape() takes no keyword arguments");
        return NULL;
    }
    if (count == 0 || count > LEAN_SHAPE_MAX) {
        PyErr_Format(PyExc_ValueError, "a Shape has from 1 to %d keys, not %zu", LEAN_SHAPE_MAX, count);
        return NULL;
    }
    if (!all_str(keys, count)) {
        PyErr_SetString(PyExc_TypeError, "the keys of a Shape must be str");
        return NULL;
    }
    lean_shape *s = lean_shape_get(keys, count);
    if (!s && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "the keys of a Shape must differ");
    return (PyObject *)s;
}

static PyObject *shape_call(lean_shape *s, PyObject *args, PyObject *kwargs)
{
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "a Shape takes no keyword arguments");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) != (Py_ssize_t)s->count) {
        PyErr_Format(PyExc_TypeError, "this Shape takes %u values, not %zd", (unsigned)s->count, PyTuple_GET_SIZE(args));
        return NULL;
    }
    return lean_record_new(s, ((PyTupleObject *)args)->ob_item);
}

static PyObject *shape_keys(lean_shape *s, void *unused)
{
    (void)unused;
    PyObject *keys = PyTuple_New(s->count);
    for (size_t i = 0; keys && i < s->count; i++)
        PyTuple_SET_ITEM(keys, (Py_ssize_t)i, Py_NewRef(s->keys[i]));
    return keys;
}

static PyObject *shape_repr(lean_shape *s)
{
    PyObject *keys = shape_keys(s, NULL);
    PyObject *text = keys ? PyUnicode_FromFormat(s->count == 1 ? "Shape(%R)" : "Shape%R", s->count == 1 ? s->keys[0] : keys) : NULL;
    Py_XDECREF(keys);
    return text;
}

static PyObject *shape_reduce(lean_shape *s, PyObject *unused)
{
    (void)unused;
    PyObject *keys = shape_keys(s, NULL);
    return keys ? Py_BuildValue("ON", Py_TYPE(s), keys) : NULL;
}

static PyObject *shape_sizeof(lean_shape *s, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(shape_bytes(s->count));
}

static PyMethodDef shape_methods[] = {
    {"__reduce__", (PyCFunction)shape_reduce, METH_NOARGS, NULL},
    {"__sizeof__", (PyCFunction)shape_sizeof, METH_NOARGS, "Bytes of the key table."},
    {NULL},
};

static PyGetSetDef shape_getset[] = {
    {"keys", (getter)shape_keys, NULL, "The keys, a tuple.", NULL},
    {NULL},
};

static PyType_Slot shape_slots[] = {
    {Py_tp_doc, "Shape(*keys)\n--\n\nThe keys that records share, in their order. Calling it with as many values makes a Record.\n\n"
                "There is one Shape for the same keys: it lives as long as a record, or the program, refers to it."},
    {Py_tp_new, shape_new},
    {Py_tp_dealloc, shape_dealloc},
    {Py_tp_call, shape_call},
    {Py_tp_repr, shape_repr},
    {Py_tp_methods, shape_methods},
    {Py_tp_getset, shape_getset},
    {0, NULL},
};

static PyType_Spec shape_spec = {
    .name = "gossamer.lean.Shape",
    .basicsize = sizeof(lean_shape),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = shape_slots,
};

int lean_record_init(PyObject *module)
{
    lean.shape_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &shape_spec, NULL);
    lean.record_type = lean.shape_type ? (PyTypeObject *)PyType_FromModuleAndSpec(module, &record_spec, NULL) : NULL;
    return lean.record_type && PyModule_AddType(module, lean.shape_type) == 0 && PyModule_AddType(module, lean.record_type) == 0 ? 0 : -1;
}
