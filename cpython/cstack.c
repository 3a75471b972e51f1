/* cstack.c - the type stackless.cstack, which exists by name only: saved stacks are not objects here. */
#include "gosp.h"

static PyType_Slot cstack_slots[] = {
    {Py_tp_doc, "Stackless's saved stack. Has no instances: tasklet.cstate is None."},
    {0, NULL},
};

static PyType_Spec cstack_spec = {
    .name = "gossamer.cstack",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = cstack_slots,
};

int gosp_cstack_init_type(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &cstack_spec, NULL);
    int rc = type ? PyModule_AddObjectRef(module, "cstack", type) : -1;
    Py_XDECREF(type);
    return rc;
}
