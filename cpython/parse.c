/* parse.c - arguments of vectorcall methods: positional or by name, all optional but the first few. */
#include "gosp.h"

static int find(PyObject *keyword, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (PyUnicode_CompareWithASCIIString(keyword, names[i]) == 0)
            return i;
    return -1;
}

int gosp_parse(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *function, const char *const *names,
               int n, int required, PyObject **out)
{
    if (nargs > n) {
        if (n == 0)
            PyErr_Format(PyExc_TypeError, "%s() takes no arguments (%zd given)", function, nargs);
        else
            PyErr_Format(PyExc_TypeError, "%s() takes at most %d argument%s (%zd given)", function, n, n == 1 ? "" : "s", nargs);
        return -1;
    }
    unsigned given = 0;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        out[i] = args[i];
        given |= 1u << i;
    }
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < nkw; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        int at = find(keyword, names, n);
        if (at < 0 || given & (1u << at)) {
            PyErr_Format(PyExc_TypeError, at < 0 ? "%s() got an unexpected keyword argument '%U'"
                                                 : "%s() got multiple values for argument '%U'", function, keyword);
            return -1;
        }
        out[at] = args[nargs + i];
        given |= 1u << at;
    }
    for (int i = 0; i < required; i++) {
        if (!(given & (1u << i))) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s' (pos %d)", function, names[i], i + 1);
            return -1;
        }
    }
    return 0;
}

int gosp_deadline(PyObject *timeout, int64_t *deadline_ns)
{
    if (!timeout || timeout == Py_None) {
        *deadline_ns = GOS_FOREVER;
        return 0;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0)) { /* negative or nan */
        PyErr_SetString(PyExc_ValueError, "timeout must be a non-negative number of seconds, or None");
        return -1;
    }
    if (seconds == 0)
        *deadline_ns = 0;
    else if (seconds > 3e9) /* a century */
        *deadline_ns = GOS_FOREVER - 1;
    else
        *deadline_ns = gos_now() + (int64_t)(seconds * 1e9);
    return 0;
}
