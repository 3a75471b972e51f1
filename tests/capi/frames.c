/* frames.c - switching while C frames with state of their own are on the stack.
 *
 * A second file of the extension on purpose: it does not import the C API, and must still find it.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <string.h>

#include <stackless_api.h>

#include "frames.h"

static int corrupted(void)
{
    PyErr_SetString(PyExc_AssertionError, "a C frame changed while its tasklet was suspended");
    return -1;
}

/* relay(source, target, n): pass on n values; each is held in C locals across the switches. */
static PyObject *relay(PyObject *module, PyObject *args)
{
    PyObject *source, *target;
    int n;
    long sum = 0;
    if (!PyArg_ParseTuple(args, "OOi", &source, &target, &n))
        return NULL;
    for (int i = 0; i < n; i++) {
        long numbers[16];
        for (int j = 0; j < 16; j++)
            numbers[j] = i * 16 + j;
        PyObject *value = PyChannel_Receive((PyChannelObject *)source);
        if (!value)
            return NULL;
        int rc = PyChannel_Send((PyChannelObject *)target, value);
        Py_DECREF(value);
        if (rc < 0)
            return NULL;
        for (int j = 0; j < 16; j++) {
            if (numbers[j] != i * 16 + j) {
                corrupted();
                return NULL;
            }
            sum += numbers[j];
        }
    }
    return PyLong_FromLong(sum);
}

/* depth frames with a buffer each; at the bottom callable(), or a plain schedule if it is None. */
static __attribute__((noinline)) int dive_into(int depth, int seed, PyObject *callable)
{
    unsigned char buffer[200];
    unsigned char *volatile own = buffer; /* frames come back to the address they had */
    memset(buffer, (seed + depth) & 255, sizeof buffer);
    if (depth > 0) {
        if (dive_into(depth - 1, seed, callable) < 0)
            return -1;
        if (depth % 8 == 0) { /* and switch on the way up, too */
            PyObject *again = PyStackless_Schedule(Py_None, 0);
            Py_XDECREF(again);
            if (!again)
                return -1;
        }
    } else {
        PyObject *result = callable == Py_None ? PyStackless_Schedule(Py_None, 0) : PyObject_CallNoArgs(callable);
        Py_XDECREF(result);
        if (!result)
            return -1;
    }
    if (own != buffer)
        return corrupted();
    for (size_t i = 0; i < sizeof buffer; i++)
        if (buffer[i] != ((seed + depth) & 255))
            return corrupted();
    return 0;
}

static PyObject *dive(PyObject *module, PyObject *args)
{
    int depth, seed;
    PyObject *callable;
    if (!PyArg_ParseTuple(args, "iiO", &depth, &seed, &callable) || dive_into(depth, seed, callable) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* A callback that libc calls cannot return an error; nobody else runs between here and our return. */
static int compare_failed;

static int compare_longs(const void *a, const void *b)
{
    long x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    PyObject *done = compare_failed ? NULL : PyStackless_Schedule(Py_None, 0);
    if (!done)
        compare_failed = 1;
    Py_XDECREF(done);
    return (x > y) - (x < y);
}

/* sorted_by_libc(numbers): qsort, with a switch in each comparison. */
static PyObject *sorted_by_libc(PyObject *module, PyObject *list)
{
    Py_ssize_t n = PyList_Size(list);
    long *numbers = n < 0 ? NULL : PyMem_Calloc((size_t)n + 1, sizeof *numbers);
    PyObject *result = NULL;
    if (!numbers)
        return NULL;
    for (Py_ssize_t i = 0; i < n; i++)
        numbers[i] = PyLong_AsLong(PyList_GET_ITEM(list, i));
    if (!PyErr_Occurred()) {
        compare_failed = 0;
        qsort(numbers, (size_t)n, sizeof *numbers, compare_longs);
        result = PyErr_Occurred() ? NULL : PyList_New(n);
    }
    for (Py_ssize_t i = 0; result && i < n; i++)
        PyList_SET_ITEM(result, i, PyLong_FromLong(numbers[i]));
    PyMem_Free(numbers);
    return result;
}

/* Two tasklets whose bodies are C functions, made, run and answered here. */
static PyObject *c_body(PyObject *self, PyObject *channel)
{
    PyObject *value = PyChannel_Receive((PyChannelObject *)channel);
    if (!value)
        return NULL;
    PyObject *doubled = PyNumber_Add(value, value);
    Py_DECREF(value);
    int rc = doubled ? PyChannel_Send((PyChannelObject *)channel, doubled) : -1;
    Py_XDECREF(doubled);
    if (rc < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *round_trip(PyObject *module, PyObject *value)
{
    static PyMethodDef body = {"c_body", c_body, METH_O, NULL};
    PyChannelObject *ch = PyChannel_New(NULL);
    PyObject *func = PyCFunction_New(&body, NULL);
    PyTaskletObject *t = func ? PyTasklet_New(NULL, func) : NULL;
    PyObject *args = ch ? PyTuple_Pack(1, ch) : NULL;
    PyObject *answer = NULL;
    if (t && args && PyTasklet_Setup(t, args, NULL) == 0 && PyChannel_Send(ch, value) == 0)
        answer = PyChannel_Receive(ch);
    Py_XDECREF(args);
    Py_XDECREF(t);
    Py_XDECREF(func);
    Py_XDECREF(ch);
    return answer;
}

PyMethodDef frame_functions[] = {
    {"relay", relay, METH_VARARGS, NULL},
    {"dive", dive, METH_VARARGS, NULL},
    {"sorted_by_libc", sorted_by_libc, METH_O, NULL},
    {"round_trip", round_trip, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
