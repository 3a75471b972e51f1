/* module.c - the extension gossamer._lean: puts the types together. Independent of tasklets and of _gossamer. */
#include "lean.h"

PyMODINIT_FUNC PyInit__lean(void);

lean_state lean;

static int make_names(void)
{
    lean.str_keys = PyUnicode_InternFromString("keys");
    lean.str_policy = PyUnicode_InternFromString("__lean_policy__");
    lean.str_missing = PyUnicode_InternFromString("__missing__");
    lean.str_getstate = PyUnicode_InternFromString("__getstate__");
    PyObject *copyreg = PyImport_ImportModule("copyreg");
    lean.newobj = copyreg ? PyObject_GetAttrString(copyreg, "__newobj__") : NULL;
    Py_XDECREF(copyreg);
    return lean.str_keys && lean.str_policy && lean.str_missing && lean.str_getstate && lean.newobj ? 0 : -1;
}

/* Unpickles, and copies, a Dict whose policy is not that of its class. */
static PyObject *restore(PyObject *module, PyObject *args)
{
    PyTypeObject *type;
    PyObject *policy;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!:_restore", &PyType_Type, &type, lean.policy_type, &policy))
        return NULL;
    if (!PyType_IsSubtype(type, lean.dict_type)) {
        PyErr_SetString(PyExc_TypeError, "_restore() needs a subclass of Dict");
        return NULL;
    }
    PyObject *d = PyObject_CallMethod((PyObject *)type, "__new__", "O", type);
    if (d && !LEAN_IS_DICT(d)) {
        Py_CLEAR(d);
        PyErr_SetString(PyExc_TypeError, "_restore() needs a subclass of Dict");
    }
    if (d)
        ((lean_dict *)d)->policy = ((lean_policy *)policy)->id;
    return d;
}

static PyMethodDef functions[] = {
    {"_restore", restore, METH_VARARGS, "_restore($module, cls, policy, /)\n--\n\nAn empty Dict of that class, with that policy."},
    {NULL},
};

static int module_exec(PyObject *module)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gossamer.lean cannot be used in a subinterpreter: import it in the main interpreter");
        return -1;
    }
    if (lean.dict_type) {
        PyErr_SetString(PyExc_ImportError, "gossamer._lean cannot be loaded twice");
        return -1;
    }
    if (make_names() < 0 || lean_policy_init(module) < 0 || lean_iter_init(module) < 0 || lean_views_init(module) < 0 ||
        lean_dict_init(module) < 0 || lean_record_init(module) < 0 ||
        lean_load_init(module) < 0 || lean_facts_init(module) < 0)
        return -1;
    if (PyModule_AddFunctions(module, functions) < 0)
        return -1;
    lean.restore = PyObject_GetAttrString(module, "_restore");
    return lean.restore ? 0 : -1;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gossamer._lean",
    .m_doc = "Mappings that take less memory than dict; use them through gossamer.lean.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__lean(void)
{
    return PyModuleDef_Init(&module_def);
}
