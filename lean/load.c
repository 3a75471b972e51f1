/* load.c - making lean mappings of heavy ones: the hook of lean.loads, and lean.shrink.
 *
 * A Maker remembers which sets of keys it has seen. The first mapping with some set becomes a Dict, each further one a
 * Record: a shape for a single record would cost more than it saves. It also remembers values, so that equal strings
 * and numbers are kept once. Both memories are small and lossy: what is forgotten costs memory, never correctness.
 */
#include "table.h"

#include <string.h>

enum { SEEN = 4096, SHARED = 4096, LONGEST = 40 }; /* entries, entries, characters of a string that is shared */

typedef struct maker {
    PyObject_HEAD
    int share;
    uint32_t seen[SEEN];      /* hash of the keys */
    PyObject *shared[SHARED]; /* values; exact str, int and float only, so no cycles */
} maker;

/* ---- values ---- */

static int shareable(PyObject *o)
{
    if (PyUnicode_CheckExact(o))
        return lean_is_str(o) && PyUnicode_GET_LENGTH(o) <= LONGEST;
    return PyFloat_CheckExact(o) || (PyLong_CheckExact(o) && lean_int_is_compact(o));
}

static int interchangeable(PyObject *a, PyObject *b)
{
    if (Py_TYPE(a) != Py_TYPE(b))
        return 0;
    if (PyUnicode_CheckExact(a))
        return lean_str_equal(a, b);
    if (PyLong_CheckExact(a))
        return lean_int_compact_value(a) == lean_int_compact_value(b);
    double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return memcmp(&x, &y, sizeof x) == 0; /* -0.0 is not 0.0 */
}

/* A new reference to o or to its equal. */
static PyObject *shared_value(maker *m, PyObject *o)
{
    if (!m->share || !shareable(o))
        return Py_NewRef(o);
    Py_hash_t hash = lean_hash(o);
    if (hash == -1) {
        PyErr_Clear();
        return Py_NewRef(o);
    }
    PyObject **at = &m->shared[lean_mix(hash) >> 52];
    if (*at && interchangeable(*at, o))
        return Py_NewRef(*at);
    Py_XSETREF(*at, Py_NewRef(o));
    return Py_NewRef(o);
}

/* ---- mappings ---- */

/* The shape for these keys if this is not their first time: a new reference. NULL with or without an error. */
static lean_shape *shape_for(maker *m, PyObject *const *keys, size_t count)
{
    Py_hash_t hash;
    if (count == 0 || count > LEAN_SHAPE_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!lean_is_str(keys[i]) || lean_hash(keys[i]) == -1)
            return NULL;
    lean_shape *shape = lean_shape_known(keys, count, &hash);
    if (shape)
        return (lean_shape *)Py_NewRef(shape);
    uint32_t *at = &m->seen[(size_t)hash % SEEN], mark = (uint32_t)((uint64_t)(size_t)hash >> 24) | 1;
    if (*at == mark)
        return lean_shape_get(keys, count);
    *at = mark;
    return NULL;
}

static PyObject *make_mapping(maker *m, PyObject *const *keys, PyObject *const *values, size_t count)
{
    lean_shape *shape = shape_for(m, keys, count);
    PyObject *made = shape ? lean_record_new(shape, values) : PyErr_Occurred() ? NULL : lean_dict_new();
    if (shape)
        Py_DECREF(shape);
    else if (made && count > 0 && lean_table_reserve((lean_dict *)made, count, 1) < 0)
        Py_CLEAR(made);
    for (size_t i = 0; made && !shape && i < count; i++) {
        Py_hash_t hash = lean_hash(keys[i]);
        if (hash == -1 || lean_set(made, keys[i], hash, values[i]) < 0)
            Py_CLEAR(made);
    }
    return made;
}

enum { ON_STACK = 64 };

/* object_pairs_hook of json: a list of pairs. */
static PyObject *maker_call(maker *m, PyObject *args, PyObject *kwargs)
{
    PyObject *pairs, *few[2 * ON_STACK], **keys = few, *made = NULL;
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "a Maker takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!:Maker", &PyList_Type, &pairs))
        return NULL;
    size_t count = (size_t)PyList_GET_SIZE(pairs), got = 0;
    if (count > ON_STACK && !(keys = PyMem_New(PyObject *, 2 * count)))
        return PyErr_NoMemory();
    PyObject **values = keys + count;
    for (; got < count && got < (size_t)PyList_GET_SIZE(pairs); got++) {
        PyObject *pair = PyList_GET_ITEM(pairs, (Py_ssize_t)got);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "a Maker needs a list of pairs");
            break;
        }
        keys[got] = Py_NewRef(PyTuple_GET_ITEM(pair, 0));
        values[got] = shared_value(m, PyTuple_GET_ITEM(pair, 1));
    }
    if (!PyErr_Occurred())
        made = make_mapping(m, keys, values, got);
    for (size_t i = 0; i < got; i++) {
        Py_DECREF(keys[i]);
        Py_DECREF(values[i]);
    }
    if (keys != few)
        PyMem_Free(keys);
    return made;
}

/* ---- shrink ---- */

typedef struct walk {
    maker *m;
    PyObject *done; /* address -> (what was there, what came of it), for what has more than one reference */
} walk;

static PyObject *shrunk(walk *w, PyObject *o, Py_ssize_t usual);

static PyObject *look_done(walk *w, PyObject *o)
{
    PyObject *address = PyLong_FromVoidPtr(o);
    PyObject *pair = address ? PyDict_GetItemWithError(w->done, address) : NULL;
    Py_XDECREF(address);
    return pair ? Py_NewRef(PyTuple_GET_ITEM(pair, 1)) : NULL;
}

/* Keeps both alive, so that no address comes twice. */
static int note_done(walk *w, PyObject *o, PyObject *made)
{
    PyObject *address = PyLong_FromVoidPtr(o), *pair = address ? PyTuple_Pack(2, o, made) : NULL;
    int status = pair ? PyDict_SetItem(w->done, address, pair) : -1;
    Py_XDECREF(address);
    Py_XDECREF(pair);
    return status;
}

/* Put what came of the values of a lean mapping into it. */
static int shrink_values(walk *w, PyObject *map, Py_ssize_t usual)
{
    Py_ssize_t pos = 0;
    PyObject *key, *value;
    uint32_t version = lean_version(map);
    while (lean_next(map, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_hash_t hash = lean_hash(key);
        Py_INCREF(value);
        PyObject *made = hash == -1 ? NULL : shrunk(w, value, usual);
        int status = !made ? -1 : made == value ? 0 : lean_version(map) == version ? lean_set(map, key, hash, made) : 0;
        Py_XDECREF(made);
        Py_DECREF(value);
        Py_DECREF(key);
        if (status < 0)
            return -1;
        if (lean_version(map) != version) {
            PyErr_SetString(PyExc_RuntimeError, "dictionary changed during shrink()");
            return -1;
        }
    }
    return 0;
}

static PyObject *shrink_dict(walk *w, PyObject *dict, int shared)
{
    size_t count = (size_t)PyDict_GET_SIZE(dict), got = 0;
    PyObject **keys = PyMem_New(PyObject *, 2 * count + 1), **values = keys + count, *key, *value, *made = NULL;
    Py_ssize_t pos = 0;
    if (!keys)
        return PyErr_NoMemory();
    for (; got < count && PyDict_Next(dict, &pos, &key, &value); got++) {
        keys[got] = Py_NewRef(key);
        values[got] = shared_value(w->m, value);
    }
    made = make_mapping(w->m, keys, values, got);
    for (size_t i = 0; i < got; i++) {
        Py_DECREF(keys[i]);
        Py_DECREF(values[i]);
    }
    PyMem_Free(keys);
    if (made && ((shared && note_done(w, dict, made) < 0) || shrink_values(w, made, 3) < 0)) /* the old dict has its values, too */
        Py_CLEAR(made);
    return made;
}

static PyObject *shrink_list(walk *w, PyObject *list)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *item = Py_NewRef(PyList_GET_ITEM(list, i));
        PyObject *made = shrunk(w, item, 2);
        int status = !made ? -1 : made == item || i >= PyList_GET_SIZE(list) ? 0 : PyList_SetItem(list, i, Py_NewRef(made));
        Py_XDECREF(made);
        Py_DECREF(item);
        if (status < 0)
            return NULL;
    }
    return Py_NewRef(list);
}

static PyObject *shrink_tuple(walk *w, PyObject *tuple)
{
    PyObject *made = PyTuple_New(PyTuple_GET_SIZE(tuple));
    int different = 0;
    for (Py_ssize_t i = 0; made && i < PyTuple_GET_SIZE(tuple); i++) {
        PyObject *item = shrunk(w, PyTuple_GET_ITEM(tuple, i), 1);
        if (!item) {
            Py_CLEAR(made);
            break;
        }
        different |= item != PyTuple_GET_ITEM(tuple, i);
        PyTuple_SET_ITEM(made, i, item);
    }
    if (made && !different)
        Py_SETREF(made, Py_NewRef(tuple));
    return made;
}

/* What comes of o: a new reference. If it has more references than usual, it can be met again. */
static PyObject *shrunk(walk *w, PyObject *o, Py_ssize_t usual)
{
    int dict = PyDict_CheckExact(o), list = PyList_CheckExact(o), tuple = PyTuple_CheckExact(o), ours = LEAN_IS_MAP(o);
    if (!dict && !list && !tuple && !ours)
        return shared_value(w->m, o);
    int shared = Py_REFCNT(o) > usual;
    PyObject *made = shared ? look_done(w, o) : NULL;
    if (made || PyErr_Occurred())
        return made;
    if (Py_EnterRecursiveCall(" in shrink()"))
        return NULL;
    if (dict) {
        made = shrink_dict(w, o, shared);
    } else if (tuple) {
        made = shrink_tuple(w, o);
        if (made && shared && note_done(w, o, made) < 0)
            Py_CLEAR(made);
    } else if (!shared || note_done(w, o, o) == 0) { /* before its items: they may lead back to it */
        if (list)
            made = shrink_list(w, o);
        else
            made = shrink_values(w, o, 2) < 0 ? NULL : Py_NewRef(o);
    }
    Py_LeaveRecursiveCall();
    return made;
}

static PyObject *maker_shrink(maker *m, PyObject *o)
{
    walk w = {.m = m, .done = PyDict_New()};
    PyObject *made = w.done ? shrunk(&w, o, 0) : NULL;
    Py_XDECREF(w.done);
    return made;
}

/* ---- the type ---- */

static PyObject *maker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"share", NULL};
    int share = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p:Maker", names, &share))
        return NULL;
    maker *m = (maker *)type->tp_alloc(type, 0);
    if (m)
        m->share = share;
    return (PyObject *)m;
}

static void maker_dealloc(maker *m)
{
    PyTypeObject *type = Py_TYPE(m);
    for (size_t i = 0; i < SHARED; i++)
        Py_XDECREF(m->shared[i]);
    type->tp_free(m);
    Py_DECREF(type);
}

static PyMethodDef maker_methods[] = {
    {"shrink", (PyCFunction)maker_shrink, METH_O, "shrink($self, obj, /)\n--\n\nSee lean.shrink."},
    {NULL},
};

static PyType_Slot maker_slots[] = {
    {Py_tp_doc, "_Maker(*, share=True)\n--\n\nMakes Dicts and Records of lists of pairs; remembers shapes and values."},
    {Py_tp_new, maker_new},
    {Py_tp_dealloc, maker_dealloc},
    {Py_tp_call, maker_call},
    {Py_tp_methods, maker_methods},
    {0, NULL},
};

static PyType_Spec maker_spec = {
    .name = "gossamer._lean._Maker",
    .basicsize = sizeof(maker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = maker_slots,
};

int lean_load_init(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &maker_spec, NULL);
    int status = type ? PyModule_AddObjectRef(module, "_Maker", type) : -1;
    Py_XDECREF(type);
    return status;
}
