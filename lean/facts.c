/* facts.c - what builtin dicts take, and shrinking them in place: the C part of lean.audit and lean.compact. */
#include "../cpython/compat/lean/builtin.h"
#include "lean.h"

enum { GC_HEAD = 2 * sizeof(void *) };

/* (items, room, bytes of the dict itself, bytes of the key table, its users, its address, split, general) */
static PyObject *dict_facts(PyObject *module, PyObject *dict)
{
    lean_builtin facts;
    (void)module;
    if (!PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "a dict is needed, not %.200s", Py_TYPE(dict)->tp_name);
        return NULL;
    }
    lean_builtin_look(dict, &facts);
    size_t own = (size_t)Py_TYPE(dict)->tp_basicsize + GC_HEAD + facts.values_bytes;
    return Py_BuildValue("nnnnnNOO", PyDict_GET_SIZE(dict), (Py_ssize_t)facts.room, (Py_ssize_t)own,
                         (Py_ssize_t)facts.keys_bytes, facts.keys_users, PyLong_FromVoidPtr((void *)facts.keys),
                         facts.split ? Py_True : Py_False, facts.general ? Py_True : Py_False);
}

/* (dict or None, bytes of attribute values, how many) */
static PyObject *instance_facts(PyObject *module, PyObject *o)
{
    Py_ssize_t keys;
    (void)module;
    PyObject *dict = lean_instance_dict(o);
    size_t bytes = dict ? 0 : lean_instance_values(Py_TYPE(o), &keys);
    return Py_BuildValue("Onn", dict ? dict : Py_None, (Py_ssize_t)bytes, bytes ? keys : 0);
}

static int take(PyObject *o, void *list)
{
    return Py_REFCNT(o) > 0 ? PyList_Append(list, o) : 0;
}

/* gc.get_referents of one object, without the dead: the module _asyncio of 3.12 shows the collector its list of free
 * objects, and a reference to one of those would free it again when it goes, and so tie the list to a ring. */
static PyObject *referents(PyObject *module, PyObject *o)
{
    (void)module;
    PyObject *list = PyList_New(0);
    traverseproc traverse = PyObject_IS_GC(o) ? Py_TYPE(o)->tp_traverse : NULL;
    if (list && traverse && traverse(o, take, list))
        Py_CLEAR(list);
    return list;
}

/* Bytes of the table of a builtin dict with so many items, and of the whole of a lean.Dict and of a Record. */
static PyObject *size_facts(PyObject *module, PyObject *args)
{
    Py_ssize_t n;
    int general;
    (void)module;
    if (!PyArg_ParseTuple(args, "np:_size_facts", &n, &general))
        return NULL;
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "the number of items must not be negative");
        return NULL;
    }
    lean_dict d = {.policy = lean.default_policy};
    enum lean_kind kind = general ? LEAN_PLAIN : LEAN_STR;
    size_t ours = lean_table_plan_bytes(&d, (size_t)n, kind);
    return Py_BuildValue("nnn", (Py_ssize_t)lean_builtin_bytes((size_t)n, kind), (Py_ssize_t)(GC_HEAD + sizeof(lean_dict) + ours),
                         (Py_ssize_t)(GC_HEAD + offsetof(lean_record, values) + (size_t)n * sizeof(PyObject *)));
}

/* ---- compact ---- */

/* A reversed iterator keeps a position that CPython does not compare with the size of the table, so its dict must
 * not be made shorter. Finding those iterators takes a walk over the heap, once for a batch of dicts. */
typedef struct search {
    PyObject *found; /* set of the addresses of all dicts that have one */
    int failed;
} search;

#if PY_VERSION_HEX < 0x030C0000
static PyObject *get_objects; /* gc.get_objects */
#endif

static int note_dict(PyObject *o, void *arg)
{
    search *s = arg;
    if (PyDict_Check(o)) {
        PyObject *address = PyLong_FromVoidPtr(o);
        if (!address || PySet_Add(s->found, address) < 0)
            s->failed = 1;
        Py_XDECREF(address);
    }
    return 0;
}

static int look_at(PyObject *o, void *arg)
{
    if (Py_IS_TYPE(o, &PyDictRevIterKey_Type) || Py_IS_TYPE(o, &PyDictRevIterValue_Type) || Py_IS_TYPE(o, &PyDictRevIterItem_Type))
        Py_TYPE(o)->tp_traverse(o, note_dict, arg);
    return 1;
}

static PyObject *dicts_iterated_in_reverse(void)
{
    search s = {.found = PySet_New(NULL)};
    if (!s.found)
        return NULL;
#if PY_VERSION_HEX >= 0x030C0000
    PyUnstable_GC_VisitObjects(look_at, &s);
#else
    PyObject *all = PyObject_CallNoArgs(get_objects);
    for (Py_ssize_t i = 0; all && i < PyList_GET_SIZE(all); i++)
        look_at(PyList_GET_ITEM(all, i), &s);
    s.failed |= !all;
    Py_XDECREF(all);
#endif
    if (s.failed) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        Py_CLEAR(s.found);
    }
    return s.found;
}

static PyObject *rebuilt(PyObject *dict)
{
    PyObject *copy = PyDict_New(), *key, *value;
    Py_ssize_t pos = 0;
    while (copy && PyDict_Next(dict, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        if (PyDict_SetItem(copy, key, value) < 0)
            Py_CLEAR(copy);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    return copy;
}

/* Are these the same items in the same order? */
static int same_items(PyObject *a, PyObject *b)
{
    PyObject *key_a, *value_a, *key_b, *value_b;
    Py_ssize_t pos_a = 0, pos_b = 0;
    while (PyDict_Next(a, &pos_a, &key_a, &value_a))
        if (!PyDict_Next(b, &pos_b, &key_b, &value_b) || key_a != key_b || value_a != value_b)
            return 0;
    return !PyDict_Next(b, &pos_b, &key_b, &value_b);
}

/* A dict and the copy whose table it shall have. */
typedef struct job {
    PyObject *dict, *copy;
    const void *keys; /* of the dict when the copy was made */
} job;

enum { BATCH = 64 };

typedef struct work {
    job waiting[BATCH];
    int count;
    Py_ssize_t saved;
} work;

/* Exchange the tables if that saves something. Runs no Python code. 0 or -1. */
static int finish(const job *j, Py_ssize_t *saved)
{
    lean_builtin now, after;
    lean_builtin_look(j->dict, &now);
    lean_builtin_look(j->copy, &after);
    if (!same_items(j->dict, j->copy) || now.keys != j->keys || now.split) {
        PyErr_SetString(PyExc_RuntimeError, "comparing its keys has changed the dict");
        return -1;
    }
    if (now.keys_bytes > after.keys_bytes) {
        lean_exchange_tables(j->dict, j->copy);
        *saved += (Py_ssize_t)(now.keys_bytes - after.keys_bytes);
    }
    return 0;
}

/* Finish those that wait. Copying them may have run any code, so reversed iterators are searched now: from here on no
 * Python code runs until the last table has been exchanged. 0 or -1. */
static int flush(work *w)
{
    PyObject *reversed = w->count && !PyErr_Occurred() ? dicts_iterated_in_reverse() : NULL;
    int status = reversed || w->count == 0 ? 0 : -1;
    for (int i = 0; status == 0 && i < w->count; i++) {
        PyObject *address = PyLong_FromVoidPtr(w->waiting[i].dict);
        int busy = address ? PySet_Contains(reversed, address) : -1;
        Py_XDECREF(address);
        if (busy > 0)
            PyErr_SetString(PyExc_RuntimeError, "the dict is being iterated in reverse");
        status = busy ? -1 : finish(&w->waiting[i], &w->saved);
    }
    Py_XDECREF(reversed);
    for (int i = 0; i < w->count; i++)
        Py_DECREF(w->waiting[i].copy);
    w->count = 0;
    return status;
}

/* 0, or -1 with an error set. */
static int compact(work *w, PyObject *dict)
{
    lean_builtin before, after;
    for (int i = 0; i < w->count; i++)
        if (w->waiting[i].dict == dict && flush(w) < 0)
            return -1;
    lean_builtin_look(dict, &before);
    if (before.split || before.keys_bytes == 0)
        return 0;
    /* Without hash in the entries, if all keys are str: the copy will show. */
    if (before.keys_bytes <= lean_builtin_bytes((size_t)PyDict_GET_SIZE(dict), before.general ? LEAN_PLAIN : LEAN_STR) && !before.general)
        return 0;
    PyObject *copy = rebuilt(dict);
    if (!copy)
        return -1;
    lean_builtin_look(copy, &after);
    if (after.keys_bytes >= before.keys_bytes) {
        Py_DECREF(copy);
        return 0;
    }
    w->waiting[w->count++] = (job){.dict = dict, .copy = copy, .keys = before.keys};
    return w->count == BATCH ? flush(w) : 0;
}

static int compact_ours(work *w, lean_dict *d)
{
    size_t was = lean_table_bytes(d);
    if (lean_table_reserve(d, d->used, 1) < 0)
        return -1;
    w->saved += (Py_ssize_t)was - (Py_ssize_t)lean_table_bytes(d);
    return 0;
}

static PyObject *compact_all(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    work w = {.count = 0};
    int status = 0;
    (void)module;
    for (Py_ssize_t i = 0; status == 0 && i < count; i++) {
        if (PyDict_Check(args[i])) {
            status = compact(&w, args[i]);
        } else if (LEAN_IS_DICT(args[i])) {
            status = compact_ours(&w, (lean_dict *)args[i]);
        } else if (!LEAN_IS_RECORD(args[i])) {
            PyErr_Format(PyExc_TypeError, "compact() needs dicts, not %.200s", Py_TYPE(args[i])->tp_name);
            status = -1;
        }
    }
    if (flush(&w) < 0 || status < 0) /* after an error it only drops the copies */
        return NULL;
    return PyLong_FromSsize_t(w.saved);
}

static PyMethodDef functions[] = {
    {"compact", (PyCFunction)(void (*)(void))compact_all, METH_FASTCALL,
     "compact($module, /, *dicts)\n--\n\nGive back what dicts that have shrunk, or were made too large, do not need; returns the bytes saved.\n\n"
     "The dicts stay the same objects. Not while one is being iterated over: positions change."},
    {"_dict_facts", dict_facts, METH_O, "_dict_facts($module, dict, /)\n--\n\nWhat a builtin dict takes, for lean.audit."},
    {"_instance_facts", instance_facts, METH_O, "_instance_facts($module, obj, /)\n--\n\nWhere the attributes of an instance are, for lean.audit."},
    {"_referents", referents, METH_O, "_referents($module, obj, /)\n--\n\nThe living objects that this one refers to, for lean.audit."},
    {"_size_facts", size_facts, METH_VARARGS, "_size_facts($module, n, general, /)\n--\n\nBytes for n items: builtin table, Dict, Record."},
    {NULL},
};

int lean_facts_init(PyObject *module)
{
#if PY_VERSION_HEX < 0x030C0000
    PyObject *gc = PyImport_ImportModule("gc");
    get_objects = gc ? PyObject_GetAttrString(gc, "get_objects") : NULL;
    Py_XDECREF(gc);
    if (!get_objects)
        return -1;
#endif
    return PyModule_AddFunctions(module, functions);
}
