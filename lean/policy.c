/* policy.c - lean.Policy: how large a table is made, and when a larger one is.
 *
 * The words are those of an open-addressing table: a table has slots, and one that is full to `max_load` is replaced
 * by one with more than items times `growth` slots. A Dict keeps `usable` entries for that many slots, and uses the
 * slots themselves only where it has an index. Policies are immutable, interned, and live as long as the process,
 * because a Dict has one byte to name its policy.
 */
#include "lean.h"

#include <math.h>

enum { LARGE = 50000 }; /* items from which growth_large counts, as in CPython 2.7 */

/* A table is replaced by the insertion that fills it to max_load; so that item is one too many. */
size_t lean_policy_usable(const lean_policy *p, size_t slots)
{
    double full = ceil(p->max_load * (double)slots - 1e-9);
    return full <= 1 ? 0 : (size_t)full - 1;
}

size_t lean_policy_slots(const lean_policy *p, size_t n)
{
    double wanted = (double)n * (n > LARGE ? p->growth_large : p->growth);
    size_t slots = p->min_slots;
    if (p->powers_of_two) {
        while ((double)slots <= wanted || lean_policy_usable(p, slots) < n)
            slots *= 2;
        return slots;
    }
    if ((double)slots <= wanted)
        slots = (size_t)wanted + 1;
    size_t least = (size_t)((double)n / p->max_load) + 1;
    if (slots < least)
        slots = least;
    while (lean_policy_usable(p, slots) < n)
        slots++;
    return slots;
}

/* ---- the type ---- */

static int check(uint32_t min_slots, double max_load, double growth, double growth_large, int powers_of_two)
{
    if (!(max_load >= 0.1 && max_load <= 0.98))
        PyErr_SetString(PyExc_ValueError, "max_load must be from 0.1 to 0.98");
    else if (!(growth >= 1.0 && growth <= 16.0 && growth_large >= 1.0 && growth_large <= 16.0))
        PyErr_SetString(PyExc_ValueError, "growth must be from 1 to 16");
    else if (min_slots < 1 || min_slots > 1u << 16)
        PyErr_SetString(PyExc_ValueError, "min_slots must be from 1 to 65536");
    else if (powers_of_two && (min_slots & (min_slots - 1)))
        PyErr_SetString(PyExc_ValueError, "min_slots must be a power of two where powers_of_two is true");
    else
        return 0;
    return -1;
}

static lean_policy *find(uint32_t min_slots, double max_load, double growth, double growth_large, int powers, int bounded)
{
    for (int i = 0; i < lean.policy_count; i++) {
        lean_policy *p = lean.policies[i];
        if (p->min_slots == min_slots && p->max_load == max_load && p->growth == growth &&
            p->growth_large == growth_large && p->powers_of_two == powers && p->bounded == bounded)
            return p;
    }
    return NULL;
}

static PyObject *policy_make(uint32_t min_slots, double max_load, double growth, double growth_large, int powers, int bounded)
{
    if (check(min_slots, max_load, growth, growth_large, powers) < 0)
        return NULL;
    lean_policy *p = find(min_slots, max_load, growth, growth_large, powers, bounded);
    if (p)
        return Py_NewRef(p);
    if (lean.policy_count == LEAN_POLICIES) {
        PyErr_Format(PyExc_OverflowError, "there are %d different policies already, which is the limit", LEAN_POLICIES);
        return NULL;
    }
    p = PyObject_New(lean_policy, lean.policy_type);
    if (!p)
        return NULL;
    p->min_slots = min_slots;
    p->max_load = max_load;
    p->growth = growth;
    p->growth_large = growth_large;
    p->powers_of_two = (char)powers;
    p->bounded = (char)bounded;
    p->id = (uint8_t)lean.policy_count;
    lean_policy_fill(p);
    lean.policies[lean.policy_count++] = (lean_policy *)Py_NewRef(p);
    return (PyObject *)p;
}

static PyObject *policy_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"min_slots", "max_load", "growth", "growth_large", "powers_of_two", "bounded", NULL};
    Py_ssize_t min_slots = 1;
    double max_load, growth, growth_large = 0;
    int powers_of_two = 0, bounded = 0;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ndd|dpp:Policy", names, &min_slots, &max_load, &growth,
                                     &growth_large, &powers_of_two, &bounded))
        return NULL;
    if (min_slots < 0 || min_slots > 1 << 16)
        min_slots = 0; /* refused with the others */
    return policy_make((uint32_t)min_slots, max_load, growth, growth_large == 0 ? growth : growth_large, powers_of_two,
                       bounded);
}

static PyObject *policy_repr(lean_policy *p)
{
    PyObject *load = PyFloat_FromDouble(p->max_load), *growth = PyFloat_FromDouble(p->growth);
    PyObject *large = PyFloat_FromDouble(p->growth_large), *text = NULL;
    if (load && growth && large)
        text = PyUnicode_FromFormat("Policy(min_slots=%u, max_load=%R, growth=%R, growth_large=%R, powers_of_two=%s, bounded=%s)",
                                    (unsigned)p->min_slots, load, growth, large, p->powers_of_two ? "True" : "False",
                                    p->bounded ? "True" : "False");
    Py_XDECREF(load);
    Py_XDECREF(growth);
    Py_XDECREF(large);
    return text;
}

static PyObject *policy_reduce(lean_policy *p, PyObject *unused)
{
    (void)unused;
    return Py_BuildValue("O(Idddii)", Py_TYPE(p), (unsigned)p->min_slots, p->max_load, p->growth, p->growth_large,
                         (int)p->powers_of_two, (int)p->bounded);
}

static int count_argument(PyObject *value, size_t *n)
{
    Py_ssize_t count = PyNumber_AsSsize_t(value, PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred())
        return -1;
    if (count < 0 || (uint64_t)count > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "the number of items must be from 0 to 4294967295");
        return -1;
    }
    *n = (size_t)count;
    return 0;
}

/* Slots of the table that n insertions lead to. */
static size_t replay(const lean_policy *p, size_t n)
{
    size_t slots = p->min_slots;
    for (size_t usable = lean_policy_usable(p, slots); usable < n; usable = lean_policy_usable(p, slots))
        slots = lean_policy_slots(p, usable + 1);
    return slots;
}

static PyObject *policy_slots(lean_policy *p, PyObject *arg)
{
    size_t n;
    return count_argument(arg, &n) < 0 ? NULL : PyLong_FromSize_t(replay(p, n));
}

static PyObject *policy_usable(lean_policy *p, PyObject *arg)
{
    size_t n;
    return count_argument(arg, &n) < 0 ? NULL : PyLong_FromSize_t(lean_policy_usable(p, n));
}

/* The table of CPython 2.7: the first slots are part of the object, a larger table is apart. */
static PyObject *policy_classic_bytes(lean_policy *p, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"n", "head", "slot", NULL};
    PyObject *count;
    unsigned head = 52, slot = 12;
    size_t n;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|II:classic_bytes", names, &count, &head, &slot) ||
        count_argument(count, &n) < 0)
        return NULL;
    uint64_t slots = replay(p, n), inside = p->min_slots;
    return PyLong_FromUnsignedLongLong(head + slot * (slots == inside ? inside : inside + slots));
}

static PyObject *policy_dict(lean_policy *p, PyObject *args, PyObject *kwargs)
{
    PyObject *d = lean_dict_new();
    if (!d)
        return NULL;
    ((lean_dict *)d)->policy = p->id;
    if (lean_update(d, args, kwargs, "dict") < 0)
        Py_CLEAR(d);
    return d;
}

static PyObject *get_number(lean_policy *p, void *which)
{
    switch ((intptr_t)which) {
    case 0:
        return PyLong_FromUnsignedLong(p->min_slots);
    case 1:
        return PyFloat_FromDouble(p->max_load);
    case 2:
        return PyFloat_FromDouble(p->growth);
    case 3:
        return PyFloat_FromDouble(p->growth_large);
    case 4:
        return PyBool_FromLong(p->powers_of_two);
    default:
        return PyBool_FromLong(p->bounded);
    }
}

static PyGetSetDef policy_getset[] = {
    {"min_slots", (getter)get_number, NULL, "Slots of the first table.", (void *)0},
    {"max_load", (getter)get_number, NULL, "A table filled to this part of its slots is replaced.", (void *)1},
    {"growth", (getter)get_number, NULL, "The next table has more than items times this slots.", (void *)2},
    {"growth_large", (getter)get_number, NULL, "The same beyond 50,000 items.", (void *)3},
    {"powers_of_two", (getter)get_number, NULL, "Whether numbers of slots are powers of two.", (void *)4},
    {"bounded", (getter)get_number, NULL, "Whether a table never takes more than a builtin dict's.", (void *)5},
    {NULL},
};

static PyMethodDef policy_methods[] = {
    {"slots", (PyCFunction)policy_slots, METH_O,
     "slots($self, n, /)\n--\n\nSlots of the table that n insertions into an empty one lead to."},
    {"usable", (PyCFunction)policy_usable, METH_O, "usable($self, slots, /)\n--\n\nItems that a table of so many slots holds."},
    {"classic_bytes", (PyCFunction)(void (*)(void))policy_classic_bytes, METH_VARARGS | METH_KEYWORDS,
     "classic_bytes($self, /, n, head=52, slot=12)\n--\n\nBytes of a dict of CPython 2.7 with this policy and n items; by default in a "
     "32-bit build.\nThe first min_slots slots are part of the object; a larger table is allocated beside them."},
    {"dict", (PyCFunction)(void (*)(void))policy_dict, METH_VARARGS | METH_KEYWORDS,
     "dict($self, /, *args, **kwargs)\n--\n\nA new lean.Dict with this policy; the arguments are those of dict()."},
    {"__reduce__", (PyCFunction)policy_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyType_Slot policy_slots_[] = {
    {Py_tp_doc,
     "Policy(min_slots, max_load, growth, growth_large=growth, powers_of_two=False, bounded=False)\n--\n\n"
     "How large the tables of a Dict are, in slots of an open-addressing table.\n\n"
     "min_slots: slots of the first table. max_load: a table filled to this part is replaced, by one with more than items\n"
     "times growth slots (growth_large beyond 50,000 items). bounded: no table takes more bytes than that of a builtin dict\n"
     "with as many items. Equal policies are the same object; a process can have 255."},
    {Py_tp_new, policy_new},
    {Py_tp_repr, policy_repr},
    {Py_tp_methods, policy_methods},
    {Py_tp_getset, policy_getset},
    {0, NULL},
};

static PyType_Spec policy_spec = {
    .name = "gossamer.lean.Policy",
    .basicsize = sizeof(lean_policy),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = policy_slots_,
};

int lean_policy_of_class(PyTypeObject *type)
{
    if (type == lean.dict_type)
        return lean.default_policy;
    PyObject *found = PyObject_GetAttr((PyObject *)type, lean.str_policy);
    if (!found)
        return -1;
    int id = lean.default_policy;
    if (Py_IS_TYPE(found, lean.policy_type)) {
        id = ((lean_policy *)found)->id;
    } else if (found != Py_None) {
        PyErr_Format(PyExc_TypeError, "__lean_policy__ of a class must be a Policy or None, not %.200s", Py_TYPE(found)->tp_name);
        id = -1;
    }
    Py_DECREF(found);
    return id;
}

/* ---- the default ---- */

static PyObject *get_default(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return Py_NewRef(lean.policies[lean.default_policy]);
}

static PyObject *set_default(PyObject *module, PyObject *policy)
{
    (void)module;
    if (!Py_IS_TYPE(policy, lean.policy_type)) {
        PyErr_Format(PyExc_TypeError, "a Policy is needed, not %.200s", Py_TYPE(policy)->tp_name);
        return NULL;
    }
    PyObject *before = (PyObject *)lean.policies[lean.default_policy];
    lean.default_policy = ((lean_policy *)policy)->id;
    return Py_NewRef(before);
}

static PyMethodDef functions[] = {
    {"get_default_policy", get_default, METH_NOARGS,
     "get_default_policy($module, /)\n--\n\nThe policy of new Dicts that name none; TIGHT at first."},
    {"set_default_policy", set_default, METH_O,
     "set_default_policy($module, policy, /)\n--\n\nSet the policy of Dicts made from now on; returns the one before."},
    {NULL},
};

int lean_policy_init(PyObject *module)
{
    static const struct {
        const char *name;
        uint32_t min_slots;
        double load, growth, large;
        int powers, bounded;
    } ready[] = {
        {"TIGHT", 4, 0.85, 1.35, 1.35, 0, 1},
        {"FAST", 8, 0.7, 2.0, 2.0, 0, 0},
        {"PS3", 1, 0.75, 1.5, 1.5, 1, 0},
        {"CPYTHON27", 8, 2.0 / 3, 4.0, 2.0, 1, 0},
    };
    lean.policy_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &policy_spec, NULL);
    if (!lean.policy_type || PyModule_AddType(module, lean.policy_type) < 0)
        return -1;
    for (size_t i = 0; i < sizeof ready / sizeof *ready; i++) {
        PyObject *p = policy_make(ready[i].min_slots, ready[i].load, ready[i].growth, ready[i].large, ready[i].powers,
                                  ready[i].bounded);
        if (!p || PyModule_AddObjectRef(module, ready[i].name, p) < 0)
            return -1;
        Py_DECREF(p);
    }
    lean.default_policy = 0;
    return PyModule_AddFunctions(module, functions);
}
