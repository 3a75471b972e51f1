/* views.c - keys(), values() and items(): live views, and the set operations of the first and the last. */
#include "scan.h"

typedef struct lean_view {
    PyObject_HEAD
    PyObject *map;
    int what; /* 0 keys, 1 values, 2 items */
} lean_view;

PyObject *lean_view_new(PyObject *map, int what)
{
    PyTypeObject *types[] = {lean.keys_type, lean.values_type, lean.items_type};
    lean_view *view = PyObject_GC_New(lean_view, types[what]);
    if (!view)
        return NULL;
    view->map = Py_NewRef(map);
    view->what = what;
    PyObject_GC_Track(view);
    return (PyObject *)view;
}

static int is_set_view(PyObject *o)
{
    return Py_IS_TYPE(o, lean.keys_type) || Py_IS_TYPE(o, lean.items_type);
}

/* What views may be compared with. */
static int is_set_like(PyObject *o)
{
    return is_set_view(o) || PyAnySet_Check(o) || PyDictViewSet_Check(o);
}

static int view_traverse(lean_view *view, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(view));
    Py_VISIT(view->map);
    return 0;
}

static void view_dealloc(lean_view *view)
{
    PyTypeObject *type = Py_TYPE(view);
    PyObject_GC_UnTrack(view);
    Py_DECREF(view->map);
    PyObject_GC_Del(view);
    Py_DECREF(type);
}

static Py_ssize_t view_length(lean_view *view)
{
    return lean_len(view->map);
}

static PyObject *view_iter(lean_view *view)
{
    return lean_iter_new(view->map, view->what, 0);
}

static PyObject *view_reversed(lean_view *view, PyObject *unused)
{
    (void)unused;
    return lean_iter_new(view->map, view->what, 1);
}

static PyObject *view_repr(lean_view *view)
{
    static const char *const names[] = {"dict_keys", "dict_values", "dict_items"};
    int inside = Py_ReprEnter((PyObject *)view);
    if (inside)
        return inside > 0 ? PyUnicode_FromString("...") : NULL;
    PyObject *list = PySequence_List((PyObject *)view);
    PyObject *text = list ? PyUnicode_FromFormat("%s(%R)", names[view->what], list) : NULL;
    Py_XDECREF(list);
    Py_ReprLeave((PyObject *)view);
    return text;
}

static PyObject *view_mapping(lean_view *view, void *unused)
{
    (void)unused;
    return PyDictProxy_New(view->map);
}

static int keys_contains(lean_view *view, PyObject *key)
{
    return lean_contains(view->map, key);
}

static int items_contains(lean_view *view, PyObject *item)
{
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2)
        return 0;
    PyObject *key = PyTuple_GET_ITEM(item, 0), *value;
    Py_hash_t hash = lean_hash(key);
    int found = hash == -1 ? -1 : lean_get(view->map, key, hash, &value);
    if (found <= 0)
        return found;
    Py_INCREF(value);
    found = PyObject_RichCompareBool(value, PyTuple_GET_ITEM(item, 1), Py_EQ);
    Py_DECREF(value);
    return found;
}

/* ---- comparisons ---- */

static int all_in(PyObject *part, PyObject *whole)
{
    PyObject *iter = PyObject_GetIter(part), *item;
    int ok = 1;
    if (!iter)
        return -1;
    while (ok > 0 && (item = PyIter_Next(iter))) {
        ok = PySequence_Contains(whole, item);
        Py_DECREF(item);
    }
    Py_DECREF(iter);
    return PyErr_Occurred() ? -1 : ok;
}

static PyObject *view_richcompare(PyObject *self, PyObject *other, int op)
{
    if (!is_set_like(other))
        Py_RETURN_NOTIMPLEMENTED;
    Py_ssize_t mine = lean_len(((lean_view *)self)->map), theirs = PyObject_Size(other);
    int ok = 0;
    if (theirs < 0)
        return NULL;
    switch (op) {
    case Py_EQ:
    case Py_NE:
        ok = mine == theirs ? all_in(self, other) : 0;
        if (op == Py_NE && ok >= 0)
            ok = !ok;
        break;
    case Py_LT:
        ok = mine < theirs ? all_in(self, other) : 0;
        break;
    case Py_LE:
        ok = mine <= theirs ? all_in(self, other) : 0;
        break;
    case Py_GT:
        ok = mine > theirs ? all_in(other, self) : 0;
        break;
    case Py_GE:
        ok = mine >= theirs ? all_in(other, self) : 0;
        break;
    }
    return ok < 0 ? NULL : PyBool_FromLong(ok);
}

/* ---- set operations: the result is a set ---- */

static PyObject *set_and_update(PyObject *left, PyObject *right, const char *method)
{
    PyObject *set = PySet_New(left);
    PyObject *done = set ? PyObject_CallMethod(set, method, "O", right) : NULL;
    if (!done)
        Py_CLEAR(set);
    Py_XDECREF(done);
    return set;
}

static PyObject *view_sub(PyObject *left, PyObject *right)
{
    return set_and_update(left, right, "difference_update");
}

static PyObject *view_or(PyObject *left, PyObject *right)
{
    return set_and_update(left, right, "update");
}

static PyObject *view_xor(PyObject *left, PyObject *right)
{
    return set_and_update(left, right, "symmetric_difference_update");
}

static PyObject *view_and(PyObject *left, PyObject *right)
{
    if (!is_set_view(left)) { /* the view was on the right side */
        PyObject *other = left;
        left = right;
        right = other;
    }
    if (is_set_like(right) && PyObject_Size(right) > PyObject_Size(left)) { /* iterate over the shorter one */
        PyObject *other = left;
        left = right;
        right = other;
    }
    PyObject *set = PySet_New(NULL), *iter = set ? PyObject_GetIter(right) : NULL, *item;
    if (!iter) {
        Py_XDECREF(set);
        return NULL;
    }
    int status = 0;
    while (status >= 0 && (item = PyIter_Next(iter))) {
        status = PySequence_Contains(left, item);
        if (status > 0)
            status = PySet_Add(set, item);
        Py_DECREF(item);
    }
    Py_DECREF(iter);
    if (PyErr_Occurred())
        Py_CLEAR(set);
    return set;
}

static PyObject *view_isdisjoint(PyObject *self, PyObject *other)
{
    Py_ssize_t n = lean_len(((lean_view *)self)->map);
    if (self == other)
        return PyBool_FromLong(n == 0);
    PyObject *looked_in = self;
    if (is_set_like(other)) {
        Py_ssize_t m = PyObject_Size(other);
        if (m < 0)
            return NULL;
        if (m > n) {
            looked_in = other;
            other = self;
        }
    }
    PyObject *iter = PyObject_GetIter(other), *item;
    if (!iter)
        return NULL;
    int found = 0;
    while (found == 0 && (item = PyIter_Next(iter))) {
        found = PySequence_Contains(looked_in, item);
        Py_DECREF(item);
    }
    Py_DECREF(iter);
    return PyErr_Occurred() ? NULL : PyBool_FromLong(!found);
}

/* ---- types ---- */

static PyGetSetDef view_getset[] = {
    {"mapping", (getter)view_mapping, NULL, "A read-only proxy of the mapping.", NULL},
    {NULL},
};

static PyMethodDef set_methods[] = {
    {"__reversed__", (PyCFunction)view_reversed, METH_NOARGS, "An iterator from the last to the first."},
    {"isdisjoint", view_isdisjoint, METH_O, "isdisjoint($self, other, /)\n--\n\nTrue if the two have nothing in common."},
    {NULL},
};

static PyMethodDef values_methods[] = {
    {"__reversed__", (PyCFunction)view_reversed, METH_NOARGS, "An iterator from the last to the first."},
    {NULL},
};

static PyType_Slot values_slots[] = {
    {Py_tp_dealloc, view_dealloc}, {Py_tp_traverse, view_traverse}, {Py_tp_repr, view_repr},
    {Py_tp_iter, view_iter},       {Py_tp_methods, values_methods}, {Py_tp_getset, view_getset},
    {Py_sq_length, view_length},   {0, NULL},
};

static PyTypeObject *set_type(PyObject *module, const char *name, void *contains)
{
    PyType_Slot slots[] = {
        {Py_tp_dealloc, view_dealloc}, {Py_tp_traverse, view_traverse},
        {Py_tp_repr, view_repr},       {Py_tp_iter, view_iter},
        {Py_tp_methods, set_methods},  {Py_tp_getset, view_getset},
        {Py_sq_length, view_length},   {Py_sq_contains, contains},
        {Py_nb_subtract, view_sub},    {Py_nb_or, view_or},
        {Py_nb_xor, view_xor},         {Py_nb_and, view_and},
        {Py_tp_hash, PyObject_HashNotImplemented},
        {Py_tp_richcompare, view_richcompare},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(lean_view),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}

int lean_views_init(PyObject *module)
{
    PyType_Spec values_spec = {
        .name = "gossamer.lean.dict_values",
        .basicsize = sizeof(lean_view),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = values_slots,
    };
    lean.keys_type = set_type(module, "gossamer.lean.dict_keys", keys_contains);
    lean.items_type = set_type(module, "gossamer.lean.dict_items", items_contains);
    lean.values_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &values_spec, NULL);
    return lean.keys_type && lean.items_type && lean.values_type ? 0 : -1;
}
