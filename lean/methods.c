/* methods.c - the methods and operators that Dict and Record share; texts of errors are dict's. */
#include "index.h"
#include "table.h"

Py_ssize_t lean_length(PyObject *map)
{
    return lean_len(map);
}

int lean_contains(PyObject *map, PyObject *key)
{
    PyObject *value;
    Py_hash_t hash = lean_hash(key);
    return hash == -1 ? -1 : lean_get(map, key, hash, &value);
}

int lean_ass_subscript(PyObject *map, PyObject *key, PyObject *value)
{
    Py_hash_t hash = lean_hash(key);
    if (hash == -1)
        return -1;
    if (value)
        return lean_set(map, key, hash, value);
    PyObject *old;
    int found = lean_take(map, key, hash, &old);
    if (found > 0)
        Py_DECREF(old);
    else if (found == 0)
        lean_key_error(key);
    return found > 0 ? 0 : -1;
}

static int positional(const char *name, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most)
{
    if (count < least)
        PyErr_Format(PyExc_TypeError, "%s expected at least %zd argument%s, got %zd", name, least, least == 1 ? "" : "s", count);
    else if (count > most)
        PyErr_Format(PyExc_TypeError, "%s expected at most %zd argument%s, got %zd", name, most, most == 1 ? "" : "s", count);
    else
        return 0;
    return -1;
}

static PyObject *map_get(PyObject *map, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value;
    if (LEAN_UNLIKELY(count < 1 || count > 2))
        return positional("get", count, 1, 2), NULL;
    Py_hash_t hash = lean_hash(args[0]);
    if (LEAN_UNLIKELY(hash == -1))
        return NULL;
    int found = lean_get(map, args[0], hash, &value);
    if (found < 0)
        return NULL;
    return Py_NewRef(found ? value : count == 2 ? args[1] : Py_None);
}

static PyObject *map_setdefault(PyObject *map, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value;
    if (positional("setdefault", count, 1, 2) < 0)
        return NULL;
    Py_hash_t hash = lean_hash(args[0]);
    if (hash == -1)
        return NULL;
    int found = lean_get(map, args[0], hash, &value);
    if (found < 0)
        return NULL;
    if (found)
        return Py_NewRef(value);
    value = count == 2 ? args[1] : Py_None;
    if (LEAN_IS_RECORD(map) && lean_record_to_dict(map) < 0)
        return NULL;
    /* Not lean_set: that would compare once more. */
    if (lean_table_append((lean_dict *)map, args[0], hash, value) < 0)
        return NULL;
    lean_track(map, args[0], value);
    return Py_NewRef(value);
}

static PyObject *map_pop(PyObject *map, PyObject *const *args, Py_ssize_t count)
{
    PyObject *value;
    if (positional("pop", count, 1, 2) < 0)
        return NULL;
    if (lean_len(map) == 0) { /* like dict, which does not even hash then */
        if (count == 2)
            return Py_NewRef(args[1]);
        lean_key_error(args[0]);
        return NULL;
    }
    Py_hash_t hash = lean_hash(args[0]);
    if (hash == -1)
        return NULL;
    int found = lean_take(map, args[0], hash, &value);
    if (found > 0)
        return value;
    if (found == 0 && count == 2)
        return Py_NewRef(args[1]);
    if (found == 0)
        lean_key_error(args[0]);
    return NULL;
}

static PyObject *map_popitem(PyObject *map, PyObject *unused)
{
    (void)unused;
    if (lean_len(map) == 0) {
        PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
        return NULL;
    }
    PyObject *pair = PyTuple_New(2), *key, *value;
    if (!pair)
        return NULL;
    if (LEAN_IS_RECORD(map) && lean_record_to_dict(map) < 0) {
        Py_DECREF(pair);
        return NULL;
    }
    lean_dict *d = (lean_dict *)map;
    if (d->used == 0) { /* allocating the pair has run the collector, and that a finalizer */
        Py_DECREF(pair);
        PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
        return NULL;
    }
    lean_table_remove(d, lean_filled(d) - 1, &key, &value);
    PyTuple_SET_ITEM(pair, 0, key);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static PyObject *map_keys(PyObject *map, PyObject *unused)
{
    (void)unused;
    return lean_view_new(map, 0);
}

static PyObject *map_values(PyObject *map, PyObject *unused)
{
    (void)unused;
    return lean_view_new(map, 1);
}

static PyObject *map_items(PyObject *map, PyObject *unused)
{
    (void)unused;
    return lean_view_new(map, 2);
}

static PyObject *map_reversed(PyObject *map, PyObject *unused)
{
    (void)unused;
    return lean_iter_new(map, 0, 1);
}

static PyObject *map_update(PyObject *map, PyObject *args, PyObject *kwargs)
{
    if (lean_update(map, args, kwargs, "update") < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *map_clear(PyObject *map, PyObject *unused)
{
    (void)unused;
    if (LEAN_IS_RECORD(map) && lean_record_to_dict(map) < 0)
        return NULL;
    lean_table_clear((lean_dict *)map);
    Py_RETURN_NONE;
}

static PyObject *map_copy(PyObject *map, PyObject *unused)
{
    (void)unused;
    return LEAN_IS_RECORD(map) ? lean_record_copy(map) : lean_copy(map);
}

static PyObject *map_fromkeys(PyObject *cls, PyObject *const *args, Py_ssize_t count)
{
    if (positional("fromkeys", count, 1, 2) < 0)
        return NULL;
    PyObject *value = count == 2 ? args[1] : Py_None;
    int record = cls == (PyObject *)lean.record_type;
    PyObject *map = record ? lean_dict_new() : PyObject_CallNoArgs(cls);
    PyObject *iter = map ? PyObject_GetIter(args[0]) : NULL, *key;
    if (!iter) {
        Py_XDECREF(map);
        return NULL;
    }
    int plain = Py_IS_TYPE(map, lean.dict_type), status = 0;
    while (status == 0 && (key = PyIter_Next(iter))) {
        if (plain) {
            Py_hash_t hash = lean_hash(key);
            status = hash == -1 ? -1 : lean_set(map, key, hash, value);
        } else {
            status = PyObject_SetItem(map, key, value);
        }
        Py_DECREF(key);
    }
    Py_DECREF(iter);
    if (PyErr_Occurred())
        Py_CLEAR(map);
    if (record && map)
        Py_SETREF(map, lean_record_from(map));
    return map;
}

static PyObject *map_sizeof(PyObject *map, PyObject *unused)
{
    (void)unused;
    if (LEAN_IS_RECORD(map))
        return PyLong_FromSize_t(offsetof(lean_record, values) + (size_t)lean_len(map) * sizeof(PyObject *));
    return PyLong_FromSize_t((size_t)Py_TYPE(map)->tp_basicsize + lean_table_bytes((lean_dict *)map));
}

static PyObject *map_shrink(PyObject *map, PyObject *unused)
{
    (void)unused;
    if (!LEAN_IS_RECORD(map) && lean_table_reserve((lean_dict *)map, (size_t)lean_len(map), 1) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* As pickle and copy want it: how to make an empty one, its attributes, nothing, its items. */
static PyObject *map_reduce(PyObject *map, PyObject *unused)
{
    (void)unused;
    if (LEAN_IS_RECORD(map)) {
        PyObject *values = PyTuple_New(lean_len(map));
        for (Py_ssize_t i = 0; values && i < lean_len(map); i++)
            PyTuple_SET_ITEM(values, i, Py_NewRef(((lean_record *)map)->values[i]));
        return values ? Py_BuildValue("ON", ((lean_record *)map)->shape, values) : NULL;
    }
    PyObject *state = PyObject_CallMethodNoArgs(map, lean.str_getstate);
    PyObject *view = state ? PyObject_CallMethod(map, "items", NULL) : NULL;
    PyObject *items = view ? PyObject_GetIter(view) : NULL;
    Py_XDECREF(view);
    int usual = lean_policy_of_class(Py_TYPE(map));
    if (!items || usual < 0) {
        Py_XDECREF(state);
        Py_XDECREF(items);
        return NULL;
    }
    lean_policy *own = lean.policies[((lean_dict *)map)->policy];
    if (own->id == usual)
        return Py_BuildValue("O(O)NON", lean.newobj, Py_TYPE(map), state, Py_None, items);
    return Py_BuildValue("O(OO)NON", lean.restore, Py_TYPE(map), own, state, Py_None, items);
}

/* ---- operators ---- */

/* repr() of a key or a value, with ": " or a separator. */
static int add_repr(PyObject *parts, PyObject *o, const char *before)
{
    PyObject *text = PyUnicode_FromFormat("%s%R", before, o);
    int status = text ? PyList_Append(parts, text) : -1;
    Py_XDECREF(text);
    return status;
}

PyObject *lean_repr(PyObject *map)
{
    int inside = Py_ReprEnter(map);
    if (inside)
        return inside > 0 ? PyUnicode_FromString("{...}") : NULL;
    PyObject *parts = PyList_New(0), *key, *value, *text = NULL, *nothing = PyUnicode_FromString("");
    Py_ssize_t pos = 0;
    int status = parts && nothing ? 0 : -1;
    for (int first = 1; status == 0 && lean_next(map, &pos, &key, &value); first = 0) {
        Py_INCREF(key);
        Py_INCREF(value);
        status = add_repr(parts, key, first ? "{" : ", ");
        if (status == 0)
            status = add_repr(parts, value, ": ");
        Py_DECREF(key);
        Py_DECREF(value);
    }
    if (status == 0) {
        PyObject *body = PyUnicode_Join(nothing, parts);
        text = body ? PyUnicode_FromFormat(PyList_GET_SIZE(parts) ? "%U}" : "{}", body) : NULL;
        Py_XDECREF(body);
    }
    Py_XDECREF(parts);
    Py_XDECREF(nothing);
    Py_ReprLeave(map);
    return text;
}

static int look_up(PyObject *other, PyObject *key, PyObject **value)
{
    Py_hash_t hash = lean_hash(key);
    if (hash == -1)
        return -1;
    if (!PyDict_Check(other))
        return lean_get(other, key, hash, value);
    *value = PyDict_GetItemWithError(other, key);
    return *value ? 1 : PyErr_Occurred() ? -1 : 0;
}

static int equal(PyObject *map, PyObject *other)
{
    Py_ssize_t pos = 0;
    PyObject *key, *mine, *theirs;
    if (lean_len(map) != (PyDict_Check(other) ? PyDict_GET_SIZE(other) : lean_len(other)))
        return 0;
    while (lean_next(map, &pos, &key, &mine)) {
        Py_INCREF(key);
        Py_INCREF(mine);
        int same = look_up(other, key, &theirs);
        if (same > 0)
            Py_INCREF(theirs);
        Py_DECREF(key); /* may run a destructor */
        if (same > 0) {
            same = PyObject_RichCompareBool(mine, theirs, Py_EQ);
            Py_DECREF(theirs);
        }
        Py_DECREF(mine);
        if (same <= 0)
            return same;
    }
    return 1;
}

PyObject *lean_richcompare(PyObject *map, PyObject *other, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !(PyDict_Check(other) || LEAN_IS_MAP(other)))
        Py_RETURN_NOTIMPLEMENTED;
    int same = equal(map, other);
    return same < 0 ? NULL : PyBool_FromLong(same == (op == Py_EQ));
}

static int is_operand(PyObject *o)
{
    return PyDict_Check(o) || LEAN_IS_MAP(o);
}

/* The result is of the kind of the left side: a dict for a dict, a lean.Dict for ours. */
PyObject *lean_or(PyObject *left, PyObject *right)
{
    if (!is_operand(left) || !is_operand(right))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *result = PyDict_Check(left) ? PyDict_Copy(left) : lean_copy(left);
    if (!result)
        return NULL;
    int status = PyDict_Check(result) ? PyDict_Update(result, right) : lean_merge(result, right);
    if (status < 0)
        Py_CLEAR(result);
    return result;
}

PyObject *lean_inplace_or(PyObject *left, PyObject *right)
{
    return lean_merge(left, right) < 0 ? NULL : Py_NewRef(left);
}

PyMethodDef lean_methods[] = {
    {"get", (PyCFunction)(void (*)(void))map_get, METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\nThe value for key if it is in the mapping, else default."},
    {"setdefault", (PyCFunction)(void (*)(void))map_setdefault, METH_FASTCALL,
     "setdefault($self, key, default=None, /)\n--\n\nThe value for key; default is put there if there was none."},
    {"pop", (PyCFunction)(void (*)(void))map_pop, METH_FASTCALL,
     "pop($self, key[, default], /)\n\nRemove key and return its value; without it, default, or KeyError."},
    {"popitem", map_popitem, METH_NOARGS, "popitem($self, /)\n--\n\nRemove the last item and return it as a tuple; KeyError if there is none."},
    {"keys", map_keys, METH_NOARGS, "keys($self, /)\n--\n\nA view of the keys."},
    {"values", map_values, METH_NOARGS, "values($self, /)\n--\n\nA view of the values."},
    {"items", map_items, METH_NOARGS, "items($self, /)\n--\n\nA view of the items, as tuples."},
    {"update", (PyCFunction)(void (*)(void))map_update, METH_VARARGS | METH_KEYWORDS,
     "update([mapping_or_pairs], /, **items)\n\nPut items in, from a mapping, pairs or keywords."},
    {"fromkeys", (PyCFunction)(void (*)(void))map_fromkeys, METH_FASTCALL | METH_CLASS,
     "fromkeys($type, iterable, value=None, /)\n--\n\nA new mapping with these keys and one value for all."},
    {"clear", map_clear, METH_NOARGS, "clear($self, /)\n--\n\nRemove all items."},
    {"copy", map_copy, METH_NOARGS, "copy($self, /)\n--\n\nA shallow copy, as small as can be."},
    {"shrink", map_shrink, METH_NOARGS, "shrink($self, /)\n--\n\nGive back what the table has spare."},
    {"__reversed__", map_reversed, METH_NOARGS, "An iterator over the keys, the last one first."},
    {"__sizeof__", map_sizeof, METH_NOARGS, "Bytes of object and table."},
    {"__reduce__", map_reduce, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Dict[K, V] for annotations."},
    {NULL},
};
