/* compat/lean/ints.h - the value of a small int without a call. 3.12 made it an inline function; 3.11 needs a look inside. */
#ifndef LEAN_COMPAT_INTS_H
#define LEAN_COMPAT_INTS_H

#include <Python.h>

#if PY_VERSION_HEX >= 0x030C0000

static inline int lean_int_is_compact(PyObject *o)
{
    return PyUnstable_Long_IsCompact((PyLongObject *)o);
}

static inline Py_ssize_t lean_int_compact_value(PyObject *o)
{
    const _PyLongValue *v = &((PyLongObject *)o)->long_value;
    if (__builtin_expect((v->lv_tag & 3) == 0, 1)) /* positive: no multiplication by the sign */
        return (Py_ssize_t)v->ob_digit[0];
    return PyUnstable_Long_CompactValue((PyLongObject *)o);
}

#else

static inline int lean_int_is_compact(PyObject *o)
{
    return Py_SIZE(o) >= -1 && Py_SIZE(o) <= 1;
}

static inline Py_ssize_t lean_int_compact_value(PyObject *o)
{
    return Py_SIZE(o) * (Py_ssize_t)((PyLongObject *)o)->ob_digit[0];
}

#endif
#endif
