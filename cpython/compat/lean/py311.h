/* compat/lean/py311.h - the builtin dict of CPython 3.11. */
#ifndef LEAN_COMPAT_PY3NN_H
#define LEAN_COMPAT_PY3NN_H

/* Bytes of the values of a split table with room for n: a prefix that keeps their order, then the values. */
#define LEAN_SPLIT_BYTES(n) ((((n) + 2 + sizeof(PyObject *) - 1) & ~(sizeof(PyObject *) - 1)) + (n) * sizeof(PyObject *))

/* They are allocated apart from the instance. */
#define LEAN_VALUES_INSIDE 0

/* The dict of an instance whose type manages it, or NULL if it has made none. */
#define LEAN_MANAGED_DICT(o) (*_PyObject_ManagedDictPointer(o))

#endif
