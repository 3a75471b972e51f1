/* deep.c - arming deep stacks: the type deep_stack, set_spill, get_spill. What they arm is in spill.c.
 *
 * The blocks of deep_stack are counted for the process, since the hook is the interpreter's. Its __enter__ and __exit__
 * are C functions: a Python function would itself be evaluated on a segment, where it cannot adjust the limits of the stack
 * that the block is on.
 */
#include "spill.h"

static const size_t biggest_need = GOSP_MIB;        /* for C code between two calls into Python: 1,300 levels of recursion */
static const size_t usual_segment = 8 * GOSP_MIB;
static const size_t least_segment = 256 * GOSP_KIB; /* CPython's compiler, for one, needs more than half of it */
static const size_t most_segment = 1024 * GOSP_MIB;

/* Who makes greenlets later finds spilling switched off, see greenlets.c. */
static int refuse_greenlets(void)
{
    if (!gosp_greenlets_used())
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "deep stacks cannot be used together with greenlets, whose stacks must be of one piece");
    return -1;
}

/* ---- the context manager ---- */

static PyObject *deep_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":deep_stack", names))
        return NULL;
    return type->tp_alloc(type, 0);
}

static void deep_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *deep_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (refuse_greenlets() < 0)
        return NULL;
    if (gosp_spill.blocks++ == 0)
        gosp_spill_settings_changed();
    char *here = __builtin_frame_address(0);
    gosp_spill_thread *st = gosp_spill_native_thread();
    if (st && st->blocks++ == 0 && here >= st->native.low && here < st->native.high) {
        gosp_spill_fit_native(st, PyThreadState_Get());
        st->lowered = gosp_c_limits_lower(PyThreadState_Get(), st->native.low, here, GOSP_C_LEVEL_BYTES);
    }
    return Py_NewRef(self);
}

static PyObject *deep_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self;
    (void)args;
    (void)nargs;
    if (gosp_spill.blocks == 0) {
        PyErr_SetString(PyExc_RuntimeError, "deep_stack() was left more often than entered");
        return NULL;
    }
    gosp_spill_thread *st = gosp_spill_native_thread();
    if (st && st->blocks && --st->blocks == 0) {
        gosp_c_limits_raise(PyThreadState_Get(), st->lowered);
        st->lowered = 0;
    }
    if (--gosp_spill.blocks == 0)
        gosp_spill_settings_changed();
    Py_RETURN_NONE;
}

/* As a decorator. */
static PyObject *deep_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", NULL};
    PyObject *function;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:deep_stack", names, &function))
        return NULL;
    PyObject *python = PyImport_ImportModule("gossamer._deep");
    PyObject *result = python ? PyObject_CallMethod(python, "decorate", "OO", self, function) : NULL;
    Py_XDECREF(python);
    return result;
}

static PyMethodDef deep_methods[] = {
    {"__enter__", deep_enter, METH_NOARGS, "Arm deep stacks, for all threads."},
    {"__exit__", (PyCFunction)(void (*)(void))deep_exit, METH_FASTCALL, "Disarm them, if this was the last block."},
    {NULL},
};

static PyType_Slot deep_slots[] = {
    {Py_tp_doc,
     "deep_stack()\n--\n\n"
     "Context manager, and decorator: recursion from C into Python is bounded by Python's recursion limit only.\n\n"
     "Inside, a call from C into Python (a key function, __getattr__, a callback) that finds too little stack runs on more of\n"
     "it, which is taken for the time of the call. That goes for all threads and tasklets. Calls of Python functions take\n"
     "longer meanwhile. Blocks nest."},
    {Py_tp_new, deep_new},
    {Py_tp_dealloc, deep_dealloc},
    {Py_tp_call, deep_call},
    {Py_tp_methods, deep_methods},
    {0, NULL},
};

static PyType_Spec deep_spec = {
    .name = "gossamer.deep_stack",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = deep_slots,
};

/* ---- set_spill ---- */

/* value in bytes, or -1 with an error: it must lie between least and most. */
static Py_ssize_t byte_count(PyObject *value, const char *name, size_t least, size_t most)
{
    if (!PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s must be int or None, not %.200s", name, Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t bytes = PyLong_AsSsize_t(value);
    if (bytes == -1 && PyErr_Occurred())
        return -1;
    if (bytes < (Py_ssize_t)least || (size_t)bytes > most) {
        PyErr_Format(PyExc_ValueError, "%s must be from %zu to %zu, not %zd", name, least, most, bytes);
        return -1;
    }
    return bytes;
}

static PyObject *described(void)
{
    if (!gosp_spill.always)
        Py_RETURN_NONE;
    Py_ssize_t mark = gosp_spill.mark > PY_SSIZE_T_MAX ? PY_SSIZE_T_MAX : (Py_ssize_t)gosp_spill.mark;
    return gosp_spill.copying ? Py_BuildValue("(nnO)", mark, (Py_ssize_t)gosp_spill.segment, Py_True)
                              : Py_BuildValue("(nn)", mark, (Py_ssize_t)gosp_spill.segment);
}

static PyObject *set_spill(PyObject *module, PyObject *const *given, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    static const char *const names[] = {"mark_bytes", "segment_bytes", "copying"};
    PyObject *args[] = {Py_None, Py_None, Py_False};
    if (gosp_parse(given, nargs, kwnames, "set_spill", names, 3, 1, args) < 0)
        return NULL;
    int copying = PyObject_IsTrue(args[2]);
    if (copying < 0)
        return NULL;
    if (args[0] != Py_None && refuse_greenlets() < 0)
        return NULL;
    Py_ssize_t mark = PY_SSIZE_T_MAX, segment = (Py_ssize_t)usual_segment;
    int on = args[0] != Py_None;
    if (on && (mark = byte_count(args[0], "mark_bytes", 0, PY_SSIZE_T_MAX)) < 0)
        return NULL;
    if (on && mark < (Py_ssize_t)(usual_segment - 2 * GOSP_MIB)) /* no need for address space that the mark leaves free */
        segment = ((mark + (Py_ssize_t)biggest_need) | 4095) + 1;
    if (args[1] != Py_None && (segment = byte_count(args[1], "segment_bytes", least_segment, most_segment)) < 0)
        return NULL;
    PyObject *before = described();
    if (!before)
        return NULL;
    gosp_spill.always = on;
    gosp_spill.copying = on && copying;
    gosp_spill.mark = on ? (size_t)mark : SIZE_MAX;
    gosp_spill.segment = (size_t)segment;
    gosp_spill.need = gosp_spill.segment / GOSP_ROOM_RATIO < biggest_need ? gosp_spill.segment / GOSP_ROOM_RATIO : biggest_need;
    gosp_spill_settings_changed();
    gosp_spill_thread *st = on ? gosp_spill_native_thread() : NULL;
    if (st)
        gosp_spill_fit_native(st, PyThreadState_Get());
    return before;
}

static PyObject *get_spill(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    static const gosp_spill_thread nothing;
    const gosp_spill_thread *st = gosp_spill_known_thread();
    if (!st)
        st = &nothing;
    return Py_BuildValue("{sOsNsnsOsIsIsIsnsK}", "armed", gosp_spill.blocks || gosp_spill.always ? Py_True : Py_False,
                         "mark_bytes", gosp_spill.mark > PY_SSIZE_T_MAX ? Py_NewRef(Py_None) : PyLong_FromSize_t(gosp_spill.mark),
                         "segment_bytes", (Py_ssize_t)gosp_spill.segment, "copying", gosp_spill.copying ? Py_True : Py_False,
                         "segments", (unsigned)st->pool.live, "pooled", (unsigned)st->pool.pooled_count,
                         "copies", (unsigned)st->copies.live, "copied_bytes", (Py_ssize_t)st->copies.bytes,
                         "spills", (unsigned long long)(st->pool.spills + st->copies.spills));
}

static PyMethodDef functions[] = {
    {"set_spill", (PyCFunction)(void (*)(void))set_spill, METH_FASTCALL | METH_KEYWORDS,
     "set_spill($module, mark_bytes, segment_bytes=None, copying=False)\n--\n\n"
     "Arm deep stacks for the whole process, until set_spill(None); return what was set before: a pair, or None.\n\n"
     "mark_bytes: how much of its stack a thread or tasklet may use before calls from C into Python go to a segment. However\n"
     "much it is, they do so when the stack that is really there comes to its end. 0: each such call.\n"
     "segment_bytes: size of a segment, 262,144 at least; None: fit for the mark, 8 MiB at most.\n"
     "copying: main and other threads do not take segments (tasklets do): the used part of their stack is stored away, the\n"
     "call runs over the same memory, and the bytes come back. Saves address space; its limits are in the guide."},
    {"get_spill", get_spill, METH_NOARGS,
     "get_spill($module, /)\n--\n\n"
     "Return a dict: whether deep stacks are armed, mark_bytes and segment_bytes, and of the calling thread the segments in\n"
     "use, those pooled, what is stored away, and how many calls have spilled."},
    {NULL},
};

int gosp_deep_init(PyObject *module)
{
    static PyObject *type;
    if (gosp_spill_init_key() < 0 || gosp_greenlets_init() < 0)
        return -1;
    if (!type && !(type = PyType_FromModuleAndSpec(module, &deep_spec, NULL)))
        return -1;
    return PyModule_AddObjectRef(module, "deep_stack", type) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
