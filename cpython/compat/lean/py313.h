/* compat/lean/py313.h - the builtin dict of CPython 3.13. */
#ifndef LEAN_COMPAT_PY3NN_H
#define LEAN_COMPAT_PY3NN_H

/* Bytes of the values of a split table with room for n: a head, the values, a suffix that keeps their order. */
#define LEAN_SPLIT_BYTES(n) (sizeof(void *) + (n) * sizeof(PyObject *) + (((n) + sizeof(PyObject *) - 1) & ~(sizeof(PyObject *) - 1)))

/* They are part of the instance. */
#define LEAN_VALUES_INSIDE 1

/* The dict of an instance whose type manages it, or NULL if it has made none. */
#define LEAN_MANAGED_DICT(o) (((PyObject *)_PyObject_ManagedDictPointer(o)->dict))

#endif
