/* map.c - what a Dict and a Record have in common, whichever layout the object has at the moment. */
#include "index.h"
#include "table.h"

enum { RECORD_VERSION = 0x10000 }; /* no version of a Dict */

Py_hash_t lean_hash_slow(PyObject *key)
{
    Py_hash_t hash = PyObject_Hash(key);
#if PY_VERSION_HEX >= 0x030E0000
    if (LEAN_UNLIKELY(hash == -1)) {
        PyObject *error = PyErr_GetRaisedException();
        if (Py_IS_TYPE(error, (PyTypeObject *)PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "cannot use '%T' as a dict key (%S)", key, error);
            Py_DECREF(error);
        } else {
            PyErr_SetRaisedException(error);
        }
    }
#endif
    return hash;
}

PyObject *lean_dict_new(void)
{
    lean_dict *d = PyObject_GC_New(lean_dict, lean.dict_type);
    if (!d)
        return NULL;
    d->block = NULL;
    d->used = 0;
    d->cap = 0;
    d->policy = lean.default_policy;
    d->state = 0;
    return (PyObject *)d;
}

int lean_get(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **value)
{
    while (LEAN_IS_RECORD(map)) {
        lean_record *r = (lean_record *)map;
        lean_shape *shape = r->shape;
        Py_ssize_t i = lean_shape_find(shape, key, hash);
        if (i == LEAN_ERROR)
            return -1;
        if (!LEAN_IS_RECORD(map)) /* a comparison has changed it; its shape would change no other way */
            break;
        if (i == LEAN_ABSENT)
            return 0;
        *value = r->values[i];
        return 1;
    }
    lean_dict *d = (lean_dict *)map;
    Py_ssize_t i = table_find(d, key, hash);
    if (i < 0)
        return i == LEAN_ABSENT ? 0 : -1;
    *value = lean_entry_at(lean_entries(d), (size_t)i, lean_kind_of(d))->value;
    return 1;
}

static int may_be_tracked(PyObject *o)
{
    return PyType_IS_GC(Py_TYPE(o)) && PyObject_IS_GC(o) && (!PyTuple_CheckExact(o) || PyObject_GC_IsTracked(o));
}

void lean_track(PyObject *map, PyObject *key, PyObject *value)
{
    if ((may_be_tracked(value) || (key && may_be_tracked(key))) && !PyObject_GC_IsTracked(map))
        PyObject_GC_Track(map);
}

int lean_set(PyObject *map, PyObject *key, Py_hash_t hash, PyObject *value)
{
    if (LEAN_IS_RECORD(map)) {
        lean_record *r = (lean_record *)map;
        Py_ssize_t i = lean_shape_find(r->shape, key, hash);
        if (i == LEAN_ERROR)
            return -1;
        if (LEAN_IS_RECORD(map)) {
            if (i >= 0) {
                lean_track(map, NULL, value);
                Py_SETREF(r->values[i], Py_NewRef(value));
                return 0;
            }
            if (lean_record_to_dict(map) < 0)
                return -1;
        }
    }
    lean_dict *d = (lean_dict *)map;
    Py_ssize_t i = table_find(d, key, hash);
    if (i == LEAN_ERROR)
        return -1;
    if (i == LEAN_ABSENT) {
        if (lean_table_append(d, key, hash, value) < 0)
            return -1;
        lean_track(map, key, value);
        return 0;
    }
    lean_track(map, NULL, value);
    lean_entry *e = lean_entry_at(lean_entries(d), (size_t)i, lean_kind_of(d));
    Py_SETREF(e->value, Py_NewRef(value));
    return 0;
}

int lean_take(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **value)
{
    PyObject *ignored;
    if (LEAN_IS_RECORD(map)) {
        int found = lean_get(map, key, hash, &ignored);
        if (found <= 0)
            return found;
        if (LEAN_IS_RECORD(map) && lean_record_to_dict(map) < 0)
            return -1;
    }
    lean_dict *d = (lean_dict *)map;
    Py_ssize_t i = table_find(d, key, hash);
    if (i < 0)
        return i == LEAN_ABSENT ? 0 : -1;
    PyObject *old;
    lean_table_remove(d, (size_t)i, &old, value);
    Py_DECREF(old);
    return 1;
}

int lean_next(PyObject *map, Py_ssize_t *pos, PyObject **key, PyObject **value)
{
    if (LEAN_IS_RECORD(map)) {
        lean_record *r = (lean_record *)map;
        if (*pos >= (Py_ssize_t)r->shape->count)
            return 0;
        *key = r->shape->keys[*pos];
        *value = r->values[(*pos)++];
        return 1;
    }
    lean_dict *d = (lean_dict *)map;
    if (d->used == 0)
        return 0;
    Py_ssize_t filled = (Py_ssize_t)lean_filled(d);
    enum lean_kind kind = lean_kind_of(d);
    char *entries = lean_entries(d);
    while (*pos < filled) {
        lean_entry *e = lean_entry_at(entries, (size_t)(*pos)++, kind);
        if (LEAN_LIKELY(e->key != NULL)) {
            *key = e->key;
            *value = e->value;
            return 1;
        }
    }
    return 0;
}

int lean_previous(PyObject *map, Py_ssize_t *pos, PyObject **key, PyObject **value)
{
    if (LEAN_IS_RECORD(map)) {
        lean_record *r = (lean_record *)map;
        if (*pos > (Py_ssize_t)r->shape->count)
            *pos = r->shape->count;
        if (*pos == 0)
            return 0;
        *key = r->shape->keys[--*pos];
        *value = r->values[*pos];
        return 1;
    }
    lean_dict *d = (lean_dict *)map;
    if (d->used == 0)
        return 0;
    Py_ssize_t filled = (Py_ssize_t)lean_filled(d);
    if (*pos > filled)
        *pos = filled;
    while (*pos > 0) {
        lean_entry *e = lean_entry_at(lean_entries(d), (size_t)--*pos, lean_kind_of(d));
        if (e->key) {
            *key = e->key;
            *value = e->value;
            return 1;
        }
    }
    return 0;
}

uint32_t lean_version(PyObject *map)
{
    return LEAN_IS_RECORD(map) ? RECORD_VERSION : (uint32_t)((lean_dict *)map)->state / LEAN_VERSION;
}

/* PyErr_SetObject would take a tuple for the arguments. */
void lean_key_error(PyObject *key)
{
    PyObject *args = PyTuple_Pack(1, key);
    if (args) {
        PyErr_SetObject(PyExc_KeyError, args);
        Py_DECREF(args);
    }
}
