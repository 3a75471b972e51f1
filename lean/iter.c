/* iter.c - iterators over keys, values and items, in both directions.
 *
 * An iterator remembers the version of its mapping and refuses to go on after a change of the key set. That is
 * stricter than dict, which notices only some changes that leave the size alone.
 */
#include "scan.h"

typedef struct lean_iterator {
    PyObject_HEAD
    PyObject *map; /* NULL: exhausted */
    Py_ssize_t pos;
    Py_ssize_t left;
    Py_ssize_t size;  /* of the mapping; -1 after an error, which stays */
    uint32_t version;
    int what;         /* 0 keys, 1 values, 2 items */
    PyObject *result; /* a tuple that is used again when nobody else has kept it, or NULL */
} lean_iterator;

PyObject *lean_iter_new(PyObject *map, int what, int reverse)
{
    lean_iterator *it = PyObject_GC_New(lean_iterator, reverse ? lean.reverse_types[what] : lean.iter_types[what]);
    if (!it)
        return NULL;
    it->map = Py_NewRef(map);
    it->left = it->size = lean_len(map);
    it->pos = reverse ? PY_SSIZE_T_MAX : 0;
    it->version = lean_version(map);
    it->what = what;
    it->result = NULL;
    if (what == 2) {
        it->result = PyTuple_Pack(2, Py_None, Py_None);
        if (!it->result) {
            PyObject_GC_Track(it);
            Py_DECREF(it);
            return NULL;
        }
    }
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

PyObject *lean_iter(PyObject *map)
{
    return lean_iter_new(map, 0, 0);
}

static int changed(lean_iterator *it)
{
    PyErr_SetString(PyExc_RuntimeError, it->size != lean_len(it->map) ? "dictionary changed size during iteration"
                                                                      : "dictionary keys changed during iteration");
    it->size = -1;
    it->version = UINT32_MAX;
    return -1;
}

/* 1 and a borrowed item, 0 at the end, -1 with an error set. */
static inline int step(lean_iterator *it, int reverse, PyObject **key, PyObject **value)
{
    PyObject *map = it->map;
    if (!map)
        return 0;
    lean_dict *d = (lean_dict *)map;
    if (!reverse && LEAN_LIKELY(Py_IS_TYPE(map, lean.dict_type) && (uint32_t)d->state / LEAN_VERSION == it->version)) {
        if (it->pos < (Py_ssize_t)lean_filled(d)) { /* versions wrap, so the bound is taken anew */
            enum lean_kind kind = lean_kind_of(d);
            lean_entry *e = lean_entry_at(lean_entries(d), (size_t)it->pos, kind);
            if (LEAN_LIKELY(e->key != NULL)) {
                it->pos++;
                it->left--;
                *key = e->key;
                *value = e->value;
                return 1;
            }
        }
    } else if (LEAN_UNLIKELY(lean_version(map) != it->version))
        return changed(it);
    if (LEAN_LIKELY(reverse ? lean_previous(map, &it->pos, key, value) : lean_next(map, &it->pos, key, value))) {
        it->left--;
        return 1;
    }
    it->map = NULL;
    Py_DECREF(map);
    return 0;
}

static inline PyObject *next_pair(lean_iterator *it, int reverse)
{
    PyObject *key, *value;
    if (step(it, reverse, &key, &value) <= 0)
        return NULL;
    Py_INCREF(key);
    Py_INCREF(value);
    PyObject *pair = it->result;
    if (Py_REFCNT(pair) == 1) {
        PyObject *old_key = PyTuple_GET_ITEM(pair, 0), *old_value = PyTuple_GET_ITEM(pair, 1);
        Py_INCREF(pair);
        PyTuple_SET_ITEM(pair, 0, key);
        PyTuple_SET_ITEM(pair, 1, value);
#if PY_VERSION_HEX >= 0x030E0000
        ((PyTupleObject *)pair)->ob_hash = -1; /* of the item before; not known, now */
#endif
        Py_DECREF(old_key);
        Py_DECREF(old_value);
        if (!PyObject_GC_IsTracked(pair)) /* the collector has let go of it while it held plain values */
            PyObject_GC_Track(pair);
        return pair;
    }
    pair = PyTuple_New(2);
    if (!pair) {
        Py_DECREF(key);
        Py_DECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, key);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static PyObject *next_key(lean_iterator *it)
{
    PyObject *key, *value;
    return step(it, 0, &key, &value) > 0 ? Py_NewRef(key) : NULL;
}

static PyObject *next_value(lean_iterator *it)
{
    PyObject *key, *value;
    return step(it, 0, &key, &value) > 0 ? Py_NewRef(value) : NULL;
}

static PyObject *next_item(lean_iterator *it)
{
    return next_pair(it, 0);
}

static PyObject *previous_key(lean_iterator *it)
{
    PyObject *key, *value;
    return step(it, 1, &key, &value) > 0 ? Py_NewRef(key) : NULL;
}

static PyObject *previous_value(lean_iterator *it)
{
    PyObject *key, *value;
    return step(it, 1, &key, &value) > 0 ? Py_NewRef(value) : NULL;
}

static PyObject *previous_item(lean_iterator *it)
{
    return next_pair(it, 1);
}

static int iterator_traverse(lean_iterator *it, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(it));
    Py_VISIT(it->map);
    Py_VISIT(it->result);
    return 0;
}

static void iterator_dealloc(lean_iterator *it)
{
    PyTypeObject *type = Py_TYPE(it);
    PyObject_GC_UnTrack(it);
    Py_XDECREF(it->map);
    Py_XDECREF(it->result);
    PyObject_GC_Del(it);
    Py_DECREF(type);
}

static PyObject *iterator_length_hint(lean_iterator *it, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(it->map && it->size == lean_len(it->map) ? it->left : 0);
}

/* Pickled and copied as an iterator over a list of what is left. */
static PyObject *iterator_reduce(lean_iterator *it, PyObject *unused)
{
    (void)unused;
    PyObject *builtins = PyEval_GetBuiltins();
    PyObject *iter = builtins ? PyDict_GetItemString(builtins, "iter") : NULL;
    int reverse = Py_TYPE(it) == lean.reverse_types[it->what];
    if (!iter) {
        PyErr_SetString(PyExc_RuntimeError, "there is no builtin iter");
        return NULL;
    }
    PyObject *rest = PyList_New(0);
    lean_iterator *twin = rest && it->map ? (lean_iterator *)lean_iter_new(it->map, it->what, reverse) : NULL;
    if (twin) {
        twin->pos = it->pos;
        twin->version = it->version;
        twin->size = it->size;
        PyObject *item;
        while ((item = Py_TYPE(twin)->tp_iternext((PyObject *)twin))) {
            int failed = PyList_Append(rest, item);
            Py_DECREF(item);
            if (failed)
                break;
        }
        Py_DECREF(twin);
    }
    if (!rest || PyErr_Occurred()) {
        Py_XDECREF(rest);
        return NULL;
    }
    return Py_BuildValue("O(N)", iter, rest);
}

static PyMethodDef iterator_methods[] = {
    {"__length_hint__", (PyCFunction)iterator_length_hint, METH_NOARGS, "Items that are left, at most."},
    {"__reduce__", (PyCFunction)iterator_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyTypeObject *make_type(PyObject *module, const char *name, void *next)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, iterator_dealloc},
        {Py_tp_traverse, iterator_traverse},
        {Py_tp_iter, PyObject_SelfIter},
        {Py_tp_iternext, next},
        {Py_tp_methods, iterator_methods},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(lean_iterator),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

int lean_iter_init(PyObject *module)
{
    static const struct {
        const char *name;
        void *next;
    } all[6] = {
        {"gossamer.lean.dict_keyiterator", next_key},
        {"gossamer.lean.dict_valueiterator", next_value},
        {"gossamer.lean.dict_itemiterator", next_item},
        {"gossamer.lean.dict_reversekeyiterator", previous_key},
        {"gossamer.lean.dict_reversevalueiterator", previous_value},
        {"gossamer.lean.dict_reverseitemiterator", previous_item},
    };
    for (int i = 0; i < 6; i++) {
        PyTypeObject *type = make_type(module, all[i].name, all[i].next);
        if (!type)
            return -1;
        *(i < 3 ? &lean.iter_types[i] : &lean.reverse_types[i - 3]) = type;
    }
    return 0;
}
