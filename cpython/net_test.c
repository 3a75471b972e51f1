/* net_test.c - for tests: a platform whose system calls fail at random, or are missing. */
#include "net.h"

#include "poll/faults.h"

static PyObject *start_faults(PyObject *module, PyObject *args)
{
    unsigned long long seed, mask = UINT64_MAX;
    unsigned per_mille;
    (void)module;
    if (!PyArg_ParseTuple(args, "KI|K:_start_faults", &seed, &per_mille, &mask))
        return NULL;
    gosi_faults_start(seed, per_mille, mask, 1);
    Py_RETURN_NONE;
}

static PyObject *stop_faults(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosi_faults_stop();
    PyObject *counts = PyDict_New();
    for (int i = 0; counts && i < GOSI_FAULT_KINDS; i++) {
        PyObject *count = PyLong_FromUnsignedLongLong(gosi_fault_count(i));
        if (!count || PyDict_SetItemString(counts, gosi_fault_name(i), count) < 0)
            Py_CLEAR(counts);
        Py_XDECREF(count);
    }
    return counts;
}

/* Without any socket call: a port that has only readiness. */
static PyObject *start_bare(PyObject *module, PyObject *unused)
{
    static struct gosi_platform bare;
    (void)module;
    (void)unused;
    bare = (struct gosi_platform){
        .name = "bare",
        .poll = gosi_platform_native.poll,
        .bell_open = gosi_platform_native.bell_open,
        .read = gosi_platform_native.read,
        .write = gosi_platform_native.write,
        .is_open = gosi_platform_native.is_open,
    };
    gosi_platform_set(&bare);
    Py_RETURN_NONE;
}

PyMethodDef gosp_net_test_functions[] = {
    {"_start_faults", start_faults, METH_VARARGS,
     "_start_faults($module, seed, per_mille, mask=-1, /)\n--\n\nFor tests: system calls fail at random, until _stop_faults."},
    {"_start_bare", start_bare, METH_NOARGS,
     "_start_bare($module, /)\n--\n\nFor tests: the platform has no calls for sockets, until _stop_faults."},
    {"_stop_faults", stop_faults, METH_NOARGS, "_stop_faults($module, /)\n--\n\nHow often each fault has been put in."},
    {NULL},
};
