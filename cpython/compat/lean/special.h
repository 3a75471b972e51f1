/* compat/lean/special.h - looking up a special method on the type, as the interpreter does: CPython's own function for it
 * is private. */
#ifndef LEAN_COMPAT_SPECIAL_H
#define LEAN_COMPAT_SPECIAL_H

#include <Python.h>

/* The method bound to o: a new reference; NULL with or without an error set. */
static inline PyObject *lean_special(PyObject *o, PyObject *name)
{
    PyObject *found = _PyType_Lookup(Py_TYPE(o), name);
    if (!found)
        return NULL;
    descrgetfunc get = Py_TYPE(found)->tp_descr_get;
    Py_INCREF(found);
    if (!get)
        return found;
    PyObject *bound = get(found, o, (PyObject *)Py_TYPE(o));
    Py_DECREF(found);
    return bound;
}

#endif
