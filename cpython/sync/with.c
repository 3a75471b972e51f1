/* sync/with.c - __enter__ and __exit__ of locks, as a with statement looks them up.
 *
 * Up to 3.13 a with statement makes a bound method of each, which costs more than to lock and to unlock. So the classes
 * have descriptors of ours there, whose bound methods are kept for the next statement. They know each other, too: that
 * is how the collector learns what a with statement that waits holds on to (gosp_sync_note_with).
 * From 3.14 on no bound methods are made, and the plain descriptors are best.
 * Locking: the GIL.
 */
#include "../sync.h"

#if PY_VERSION_HEX < 0x030E0000

struct gosp_bound {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *self;
    PyMethodDescrObject *method; /* what it stands for; borrowed: the class has it */
    gosp_bound *exit; /* of an __enter__: the __exit__ that was looked up next, maybe gone; on one in store: the next */
};

/* What the class has in its dict. */
typedef struct {
    PyObject_HEAD
    PyMethodDescrObject *method;
    vectorcallfunc call;
} LookupObject;

static PyTypeObject *bound_type, *lookup_type;

/* ---- bound methods ---- */

enum { BOUND_KEPT = 32 };

static gosp_bound *spare;
static int spare_count;
static gosp_bound *last_enter; /* looked up last, as long as nothing else was; compared, not followed, if it is gone */

static gosp_bound *bound_new(void)
{
    gosp_bound *b = spare;
    if (GOSP_UNLIKELY(!b))
        return PyObject_GC_New(gosp_bound, bound_type);
    spare = b->exit;
    spare_count--;
    _Py_NewReference((PyObject *)b);
    return b;
}

static void bound_dealloc(PyObject *op)
{
    gosp_bound *b = (gosp_bound *)op;
    PyObject *self = b->self;
    PyObject_GC_UnTrack(op);
    if (last_enter == b)
        last_enter = NULL;
    if (GOSP_LIKELY(spare_count < BOUND_KEPT)) { /* with its reference to the type */
        b->exit = spare;
        spare = b;
        spare_count++;
    } else {
        PyTypeObject *type = Py_TYPE(op);
        PyObject_GC_Del(op);
        Py_DECREF(type);
    }
    Py_DECREF(self);
}

static int bound_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((gosp_bound *)op)->self);
    return 0;
}

/* In everything else it is the method that it stands for. */
static PyObject *real_method(PyObject *op)
{
    gosp_bound *b = (gosp_bound *)op;
    return Py_TYPE(b->method)->tp_descr_get((PyObject *)b->method, b->self, (PyObject *)Py_TYPE(b->self));
}

static PyObject *bound_getattro(PyObject *op, PyObject *name)
{
    PyObject *method = real_method(op), *value = method ? PyObject_GetAttr(method, name) : NULL;
    Py_XDECREF(method);
    return value;
}

static PyObject *bound_repr(PyObject *op)
{
    PyObject *method = real_method(op), *text = method ? PyObject_Repr(method) : NULL;
    Py_XDECREF(method);
    return text;
}

static PyObject *bound_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !Py_IS_TYPE(a, bound_type) || !Py_IS_TYPE(b, bound_type))
        Py_RETURN_NOTIMPLEMENTED;
    int same = ((gosp_bound *)a)->self == ((gosp_bound *)b)->self && ((gosp_bound *)a)->method == ((gosp_bound *)b)->method;
    return PyBool_FromLong(same == (op == Py_EQ));
}

static Py_hash_t bound_hash(PyObject *op)
{
    return _Py_HashPointer(((gosp_bound *)op)->self) ^ _Py_HashPointer(((gosp_bound *)op)->method);
}

static PyObject *call_enter(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    gosp_bound *b = (gosp_bound *)op;
    if (GOSP_UNLIKELY(PyVectorcall_NARGS(nargsf) || kwnames)) {
        PyObject *method = real_method(op);
        PyObject *result = method ? PyObject_Vectorcall(method, args, nargsf, kwnames) : NULL; /* raises what that does */
        Py_XDECREF(method);
        return result;
    }
    return b->method->d_method->ml_meth(b->self, op);
}

static PyObject *call_exit(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    gosp_bound *b = (gosp_bound *)op;
    if (GOSP_UNLIKELY(kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "__exit__() takes no keyword arguments");
        return NULL;
    }
    _PyCFunctionFast function = (_PyCFunctionFast)(void (*)(void))b->method->d_method->ml_meth;
    return function(b->self, args, PyVectorcall_NARGS(nargsf));
}

/* ---- descriptors ---- */

static PyObject *lookup_get(PyObject *op, PyObject *instance, PyObject *type)
{
    LookupObject *lookup = (LookupObject *)op;
    PyMethodDescrObject *method = lookup->method;
    if (GOSP_UNLIKELY(!instance || !PyObject_TypeCheck(instance, PyDescr_TYPE(method))))
        return Py_TYPE(method)->tp_descr_get((PyObject *)method, instance, type);
    gosp_bound *b = bound_new();
    if (!b)
        return NULL;
    b->call = lookup->call;
    b->self = Py_NewRef(instance);
    b->method = method;
    b->exit = NULL;
    if (lookup->call == call_enter) {
        last_enter = b;
    } else if (last_enter) {
        if (last_enter->self == instance)
            last_enter->exit = b;
        last_enter = NULL;
    }
    PyObject_GC_Track(b);
    return (PyObject *)b;
}

static void lookup_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_XDECREF(((LookupObject *)op)->method);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyObject *lookup_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return PyObject_Call((PyObject *)((LookupObject *)op)->method, args, kwargs);
}

static PyObject *lookup_getattro(PyObject *op, PyObject *name)
{
    return PyObject_GetAttr((PyObject *)((LookupObject *)op)->method, name);
}

/* ---- the collector's view ---- */

void gosp_sync_note_with(gosp_thread *th, PyObject *op)
{
    gosp_bound *enter = (gosp_bound *)op;
    if (!enter || !enter->exit || th->sched.head != th->sched.current)
        return;
    if (gosp_frames_note_with(&gosp_current(th)->state, th->ts, enter->self, (PyObject *)enter->exit))
        th->entering = enter;
}

/* The evaluation loop holds both methods in variables of C while it calls the first; on 3.11 one lies on its stack. */
int gosp_sync_visit_with(gosp_bound *enter, visitproc visit, void *arg)
{
    Py_VISIT(enter);
#if PY_VERSION_HEX >= 0x030C0000
    Py_VISIT(enter->exit);
#endif
    return 0;
}

/* ---- types ---- */

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(gosp_bound, call), READONLY},
    {NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_traverse, bound_traverse},
    {Py_tp_getattro, bound_getattro},
    {Py_tp_repr, bound_repr},
    {Py_tp_richcompare, bound_richcompare},
    {Py_tp_hash, bound_hash},
    {Py_tp_members, bound_members},
    {0, NULL},
};

static PyType_Spec bound_spec = {
    .name = "gossamer.sync._bound_method",
    .basicsize = sizeof(gosp_bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bound_slots,
};

static PyType_Slot lookup_slots[] = {
    {Py_tp_descr_get, lookup_get},
    {Py_tp_call, lookup_call},
    {Py_tp_getattro, lookup_getattro},
    {Py_tp_dealloc, lookup_dealloc},
    {0, NULL},
};

static PyType_Spec lookup_spec = {
    .name = "gossamer.sync._method_descriptor",
    .basicsize = sizeof(LookupObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lookup_slots,
};

static int replace(PyTypeObject *type, const char *name, vectorcallfunc call)
{
    PyObject *method = PyDict_GetItemString(type->tp_dict, name); /* borrowed */
    LookupObject *lookup = method && Py_IS_TYPE(method, &PyMethodDescr_Type) ? PyObject_New(LookupObject, lookup_type) : NULL;
    if (!lookup)
        return -1;
    lookup->method = (PyMethodDescrObject *)Py_NewRef(method);
    lookup->call = call;
    int rc = PyDict_SetItemString(type->tp_dict, name, (PyObject *)lookup);
    Py_DECREF(lookup);
    return rc;
}

int gosp_sync_add_with(PyTypeObject *type)
{
    if (!bound_type)
        bound_type = (PyTypeObject *)PyType_FromSpec(&bound_spec);
    if (!lookup_type)
        lookup_type = (PyTypeObject *)PyType_FromSpec(&lookup_spec);
    int rc = bound_type && lookup_type && replace(type, "__enter__", call_enter) == 0 && replace(type, "__exit__", call_exit) == 0
                 ? 0
                 : -1;
    PyType_Modified(type);
    return rc;
}

#else

void gosp_sync_note_with(gosp_thread *th, PyObject *op)
{
    (void)th;
    (void)op;
}

int gosp_sync_visit_with(gosp_bound *enter, visitproc visit, void *arg)
{
    (void)enter;
    (void)visit;
    (void)arg;
    return 0;
}

int gosp_sync_add_with(PyTypeObject *type)
{
    (void)type;
    return 0;
}

#endif
