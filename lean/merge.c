/* merge.c - filling a mapping from another one, from pairs, from keywords; copying. */
#include "scan.h"

#include <string.h>

/* An empty Dict is about to get `more` items: exactly that much room. 1 if so, 0 if not, -1 with an error set. */
static int make_room(PyObject *map, Py_ssize_t more)
{
    if (LEAN_IS_RECORD(map) || more == 0 || ((lean_dict *)map)->block)
        return 0;
    return lean_table_reserve((lean_dict *)map, (size_t)more, 1) < 0 ? -1 : 1;
}

/* Keys that came twice have left room unused. */
static void give_back(PyObject *map, Py_ssize_t more)
{
    if (LEAN_IS_RECORD(map) || lean_len(map) >= more)
        return;
    if (lean_table_reserve((lean_dict *)map, (size_t)lean_len(map), 1) < 0)
        PyErr_Clear(); /* it stays as large as it is */
}

static int merge_dict(PyObject *map, PyObject *source)
{
    Py_ssize_t pos = 0, size = PyDict_GET_SIZE(source);
    PyObject *key, *value;
    while (PyDict_Next(source, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        Py_hash_t hash = lean_hash(key);
        int failed = hash == -1 || lean_set(map, key, hash, value) < 0;
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed)
            return -1;
        if (PyDict_GET_SIZE(source) != size) {
            PyErr_SetString(PyExc_RuntimeError, "dict mutated during update");
            return -1;
        }
    }
    return 0;
}

static int merge_lean(PyObject *map, PyObject *source)
{
    Py_ssize_t pos = 0;
    PyObject *key, *value;
    uint32_t version = lean_version(source);
    if (map == source)
        return 0;
    if (LEAN_IS_DICT(map) && LEAN_IS_DICT(source) && !((lean_dict *)map)->block) {
        if (lean_table_copy((lean_dict *)map, (lean_dict *)source) < 0)
            return -1;
        if (PyObject_GC_IsTracked(source) && !PyObject_GC_IsTracked(map))
            PyObject_GC_Track(map);
        return 0;
    }
    while (lean_next(source, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        Py_hash_t hash = lean_hash(key);
        int failed = hash == -1 || lean_set(map, key, hash, value) < 0;
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed)
            return -1;
        if (lean_version(source) != version) {
            PyErr_SetString(PyExc_RuntimeError, "dict mutated during update");
            return -1;
        }
    }
    return 0;
}

static int merge_keys(PyObject *map, PyObject *source)
{
    PyObject *keys = PyObject_CallMethodNoArgs(source, lean.str_keys);
    PyObject *iter = keys ? PyObject_GetIter(keys) : NULL, *key;
    Py_XDECREF(keys);
    if (!iter)
        return -1;
    while ((key = PyIter_Next(iter))) {
        PyObject *value = PyObject_GetItem(source, key);
        Py_hash_t hash = value ? lean_hash(key) : -1;
        int failed = hash == -1 || lean_set(map, key, hash, value) < 0;
        Py_XDECREF(value);
        Py_DECREF(key);
        if (failed)
            break;
    }
    Py_DECREF(iter);
    return PyErr_Occurred() ? -1 : 0;
}

/* An item is no pair: what dict says, which is a note from 3.14 on. */
static void say_no_sequence(Py_ssize_t number)
{
#if PY_VERSION_HEX >= 0x030E0000
    PyObject *error = PyErr_GetRaisedException();
    PyObject *note = PyUnicode_FromFormat("Cannot convert dictionary update sequence element #%zd to a sequence", number);
    PyObject *done = note ? PyObject_CallMethod(error, "add_note", "O", note) : NULL;
    Py_XDECREF(note);
    Py_XDECREF(done);
    PyErr_SetRaisedException(error);
#else
    PyErr_Format(PyExc_TypeError, "cannot convert dictionary update sequence element #%zd to a sequence", number);
#endif
}

/* One pair of a sequence of them. */
static int merge_pair(PyObject *map, PyObject *item, Py_ssize_t number)
{
    PyObject *pair = PySequence_Fast(item, "object is not iterable");
    if (!pair) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            say_no_sequence(number);
        return -1;
    }
    int status = -1;
    if (PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "dictionary update sequence element #%zd has length %zd; 2 is required", number,
                     PySequence_Fast_GET_SIZE(pair));
    } else {
        PyObject *key = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 0)), *value = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 1));
        Py_hash_t hash = lean_hash(key);
        if (hash != -1)
            status = lean_set(map, key, hash, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_DECREF(pair);
    return status;
}

static int merge_pairs(PyObject *map, PyObject *source)
{
    PyObject *iter = PyObject_GetIter(source), *item;
    if (!iter)
        return -1;
    for (Py_ssize_t number = 0; (item = PyIter_Next(iter)); number++) {
        int status = merge_pair(map, item, number);
        Py_DECREF(item);
        if (status < 0)
            break;
    }
    Py_DECREF(iter);
    return PyErr_Occurred() ? -1 : 0;
}

int lean_merge(PyObject *map, PyObject *source)
{
    Py_ssize_t more = 0;
    int (*merge)(PyObject *, PyObject *) = merge_pairs;
    if (PyDict_Check(source) && Py_TYPE(source)->tp_iter == PyDict_Type.tp_iter) {
        more = PyDict_GET_SIZE(source);
        merge = merge_dict;
    } else if (LEAN_IS_MAP(source) && Py_TYPE(source)->tp_iter == lean_iter) {
        more = LEAN_IS_RECORD(source) ? lean_len(source) : 0;
        merge = merge_lean;
    } else if (PyList_CheckExact(source) || PyTuple_CheckExact(source)) {
        more = Py_SIZE(source);
    } else {
        PyObject *keys = PyObject_GetAttr(source, lean.str_keys);
        if (!keys && !PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        if (!keys)
            PyErr_Clear();
        else
            merge = merge_keys;
        Py_XDECREF(keys);
    }
    int roomy = make_room(map, more);
    if (roomy < 0)
        return -1;
    int status = merge(map, source);
    if (roomy)
        give_back(map, more);
    return status;
}

int lean_update(PyObject *map, PyObject *args, PyObject *kwargs, const char *name)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "%s expected at most 1 argument, got %zd", name, count);
        return -1;
    }
    if (count == 1 && lean_merge(map, PyTuple_GET_ITEM(args, 0)) < 0)
        return -1;
    if (!kwargs)
        return 0;
    return PyArg_ValidateKeywordArguments(kwargs) ? lean_merge(map, kwargs) : -1;
}

PyObject *lean_copy(PyObject *map)
{
    PyObject *copy = lean_dict_new();
    if (!copy)
        return NULL;
    if (!LEAN_IS_RECORD(map))
        ((lean_dict *)copy)->policy = ((lean_dict *)map)->policy;
    Py_ssize_t n = lean_len(map);
    int status;
    if (LEAN_IS_RECORD(map)) {
        status = lean_table_reserve((lean_dict *)copy, (size_t)n, 1) < 0 ? -1 : merge_lean(copy, map);
    } else {
        status = lean_table_copy((lean_dict *)copy, (lean_dict *)map);
        if (status == 0 && PyObject_GC_IsTracked(map))
            PyObject_GC_Track(copy);
    }
    if (status < 0)
        Py_CLEAR(copy);
    return copy;
}
