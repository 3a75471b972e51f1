/* dict.c - the type lean.Dict: life, and the fast ways of the hottest operations. */
#include "../cpython/compat/lean/special.h"
#include "index.h"
#include "table.h"

static PyObject *dict_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    if (type == lean.dict_type)
        return lean_dict_new();
    int policy = lean_policy_of_class(type);
    if (policy < 0)
        return NULL;
    lean_dict *d = (lean_dict *)type->tp_alloc(type, 0); /* zeroed, and tracked: a subclass may have attributes */
    if (d)
        d->policy = (uint8_t)policy;
    return (PyObject *)d;
}

static int dict_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return lean_update(self, args, kwargs, "Dict");
}

static PyObject *dict_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "Dict expected at most 1 argument, got %zd", count);
        return NULL;
    }
    PyObject *d = dict_new((PyTypeObject *)type, NULL, NULL);
    if (!d || (count == 1 && lean_merge(d, args[0]) < 0))
        goto failed;
    if (names && !((lean_dict *)d)->block && PyTuple_GET_SIZE(names) > 0 &&
        lean_table_reserve((lean_dict *)d, (size_t)PyTuple_GET_SIZE(names), 1) < 0)
        goto failed;
    for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *key = PyTuple_GET_ITEM(names, i);
        if (!PyUnicode_Check(key)) {
            PyErr_SetString(PyExc_TypeError, "keywords must be strings");
            goto failed;
        }
        Py_hash_t hash = lean_hash(key);
        if (hash == -1 || lean_set(d, key, hash, args[count + i]) < 0)
            goto failed;
    }
    return d;
failed:
    Py_XDECREF(d);
    return NULL;
}

static int dict_traverse(lean_dict *d, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(d));
    if (!d->block)
        return 0;
    enum lean_kind kind = lean_kind_of(d);
    char *entries = lean_entries(d);
    size_t n = lean_filled(d);
    if (kind != LEAN_HASHED) { /* such keys are no containers */
        for (lean_entry *e = (lean_entry *)(void *)entries, *end = e + n; e < end; e++)
            Py_VISIT(e->value);
        return 0;
    }
    for (lean_hashed *e = (lean_hashed *)(void *)entries, *end = e + n; e < end; e++) {
        Py_VISIT(e->key);
        Py_VISIT(e->value);
    }
    return 0;
}

static int dict_clear(lean_dict *d)
{
    lean_table_clear(d);
    return 0;
}

static void dict_dealloc(lean_dict *d)
{
    PyTypeObject *type = Py_TYPE(d);
    PyObject_GC_UnTrack(d);
    Py_TRASHCAN_BEGIN(d, dict_dealloc)
    if (d->block)
        lean_block_drop(d->block, d->state, d->cap, d->used);
    if (type == lean.dict_type)
        PyObject_GC_Del(d);
    else
        type->tp_free(d);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

static PyObject *missing(PyObject *self, PyObject *key)
{
    if (!Py_IS_TYPE(self, lean.dict_type)) {
        PyObject *method = lean_special(self, lean.str_missing);
        if (method) {
            PyObject *value = PyObject_CallOneArg(method, key);
            Py_DECREF(method);
            return value;
        }
        if (PyErr_Occurred())
            return NULL;
    }
    lean_key_error(key);
    return NULL;
}

/* The hottest way of all: hash and search in one, so that the key's type is looked at once. */
static inline Py_ssize_t look_up(lean_dict *d, PyObject *key)
{
    enum lean_kind kind = lean_kind_of(d);
    if (LEAN_LIKELY(kind == LEAN_STR && lean_is_str(key))) {
        Py_hash_t hash = lean_str_hash(key);
        if (LEAN_UNLIKELY(hash == -1))
            hash = PyObject_Hash(key); /* cannot fail */
        return lean_indexed(d) ? index_find_str(d, key, hash) : small_find_str(d, key, hash);
    }
    if (kind == LEAN_PLAIN && PyLong_CheckExact(key) && lean_int_is_compact(key)) {
        Py_ssize_t value = lean_int_compact_value(key);
        Py_hash_t hash = value == -1 ? -2 : (Py_hash_t)value;
        return lean_indexed(d) ? index_find_int(d, key, value, hash) : small_find_int(d, key, value, hash);
    }
    Py_hash_t hash = lean_hash(key);
    return hash == -1 ? LEAN_ERROR : table_find(d, key, hash);
}

static PyObject *dict_subscript(PyObject *self, PyObject *key)
{
    lean_dict *d = (lean_dict *)self;
    Py_ssize_t i = look_up(d, key);
    if (LEAN_LIKELY(i >= 0))
        return Py_NewRef(lean_entry_at(lean_entries(d), (size_t)i, lean_kind_of(d))->value);
    return i == LEAN_ABSENT ? missing(self, key) : NULL;
}

static int dict_contains(PyObject *self, PyObject *key)
{
    Py_ssize_t i = look_up((lean_dict *)self, key);
    return i >= 0 ? 1 : i == LEAN_ABSENT ? 0 : -1;
}

static PyObject *get_policy(lean_dict *d, void *unused)
{
    (void)unused;
    return Py_NewRef(lean.policies[d->policy]);
}

/* Holds from the next growth on. */
static int set_policy(lean_dict *d, PyObject *policy, void *unused)
{
    (void)unused;
    if (!policy || !Py_IS_TYPE(policy, lean.policy_type)) {
        PyErr_SetString(PyExc_TypeError, "policy must be a Policy");
        return -1;
    }
    d->policy = ((lean_policy *)policy)->id;
    return 0;
}

static PyGetSetDef dict_getset[] = {
    {"policy", (getter)get_policy, (setter)set_policy, "How large the table is made, from the next growth on.", NULL},
    {NULL},
};

/* class D(Dict, policy=FAST) */
static PyObject *dict_init_subclass(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    PyObject *policy = NULL;
    static char *names[] = {"policy", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:__init_subclass__", names, &policy))
        return NULL;
    if (policy) {
        if (policy != Py_None && !Py_IS_TYPE(policy, lean.policy_type)) {
            PyErr_SetString(PyExc_TypeError, "policy must be a Policy");
            return NULL;
        }
        if (PyObject_SetAttr(cls, lean.str_policy, policy) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef class_methods[] = {
    {"__init_subclass__", (PyCFunction)(void (*)(void))dict_init_subclass, METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "A subclass may name its policy: class Small(Dict, policy=TIGHT)."},
    {NULL},
};

static PyType_Slot dict_slots[] = {
    {Py_tp_doc, "Dict(mapping_or_pairs=(), /, **items)\n--\n\n"
                "A mapping that works like dict and takes less memory. It is no subclass of dict: dict(d) makes one."},
    {Py_tp_new, dict_new},
    {Py_tp_init, dict_init},
    {Py_tp_dealloc, dict_dealloc},
    {Py_tp_traverse, dict_traverse},
    {Py_tp_clear, dict_clear},
    {Py_tp_methods, lean_methods},
    {Py_tp_getset, dict_getset},
    {Py_tp_repr, lean_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, lean_richcompare},
    {Py_tp_iter, lean_iter},
    {Py_nb_or, lean_or},
    {Py_nb_inplace_or, lean_inplace_or},
    {Py_mp_length, lean_length},
    {Py_mp_subscript, dict_subscript},
    {Py_mp_ass_subscript, lean_ass_subscript},
    {Py_sq_contains, dict_contains},
    {0, NULL},
};

static PyType_Spec dict_spec = {
    .name = "gossamer.lean.Dict",
    .basicsize = sizeof(lean_dict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_MAPPING | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = dict_slots,
};

int lean_dict_init(PyObject *module)
{
    lean.dict_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &dict_spec, NULL);
    if (!lean.dict_type)
        return -1;
    lean.dict_type->tp_vectorcall = dict_vectorcall;
    PyObject *hook = PyDescr_NewClassMethod(lean.dict_type, class_methods);
    int status = hook ? PyDict_SetItemString(lean.dict_type->tp_dict, "__init_subclass__", hook) : -1;
    Py_XDECREF(hook);
    if (status == 0)
        status = PyDict_SetItem(lean.dict_type->tp_dict, lean.str_policy, Py_None);
    PyType_Modified(lean.dict_type);
    return status < 0 ? -1 : PyModule_AddType(module, lean.dict_type);
}
