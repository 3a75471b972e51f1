/* locals.c - C code that shows a local variable of its own to Python. */
#include <Python.h>

static PyObject *show(PyObject *module, PyObject *function)
{
    volatile long local = 123456789;
    PyObject *done = PyObject_CallFunction(function, "N", PyLong_FromVoidPtr((void *)&local));
    if (!done)
        return NULL;
    Py_DECREF(done);
    return PyLong_FromLong(local);
}

static PyMethodDef methods[] = {
    {"show", show, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "locals", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_locals(void)
{
    return PyModule_Create(&definition);
}
