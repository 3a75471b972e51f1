/* fuzz_table.c - libFuzzer target: the bytes are operations on a lean.Dict, a Record and a builtin dict at once.
 *
 * Each operation is two bytes: what to do, and with which key. The three must agree all the time. Keys are str, ints,
 * tuples and floats; a part of the ints is chosen so that their tags are the same.
 */
#include "../../../lean/lean.h"

#include <stdlib.h>

PyMODINIT_FUNC PyInit__lean(void);

enum { KEYS = 1024 };
static PyObject *keys[KEYS], *module;

static void must(int ok)
{
    if (!ok) {
        if (PyErr_Occurred())
            PyErr_Print();
        abort();
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    PyImport_AppendInittab("_lean", PyInit__lean);
    Py_InitializeEx(0);
    module = PyImport_ImportModule("_lean");
    must(module != NULL);
    for (long i = 0; i < KEYS; i++) {
        switch (i % 8) {
        case 0:
            keys[i] = PyLong_FromLong(i);
            break;
        case 1:
            keys[i] = PyLong_FromLong(i << 20);
            break;
        case 2:
            keys[i] = i < 512 ? PyUnicode_FromFormat("%ld", i) : Py_BuildValue("(l)", i);
            break;
        case 3:
            keys[i] = i < 900 ? PyUnicode_FromFormat("key %ld", i) : PyFloat_FromDouble((double)i / 4);
            break;
        default:
            keys[i] = PyUnicode_FromFormat("k%ld", i);
        }
        must(keys[i] != NULL);
    }
    return 0;
}

static void same(PyObject *d, PyObject *model)
{
    PyObject *a = PySequence_List(d), *b = PySequence_List(model);
    must(a && b && PyObject_RichCompareBool(a, b, Py_EQ) == 1 && PyObject_RichCompareBool(d, model, Py_EQ) == 1);
    Py_DECREF(a);
    Py_DECREF(b);
}

static void call(PyObject *o, const char *method)
{
    PyObject *done = PyObject_CallMethod(o, method, NULL);
    Py_XDECREF(done);
    PyErr_Clear(); /* popitem of nothing */
}

static void operate(PyObject **d, PyObject **model, uint8_t what, PyObject *key)
{
    PyObject *copy, *value = key;
    int had = PyDict_Contains(*model, key);
    must(PySequence_Contains(*d, key) == had);
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        must(PyObject_SetItem(*d, key, value) == 0 && PyDict_SetItem(*model, key, value) == 0);
        break;
    case 3:
    case 4:
        must((PyObject_DelItem(*d, key) == 0) == had);
        PyErr_Clear();
        if (had)
            must(PyDict_DelItem(*model, key) == 0);
        break;
    case 5:
        call(*d, "popitem");
        call(*model, "popitem");
        break;
    case 6:
        if (what & 8)
            call(*d, "shrink");
        else if ((what & 0x70) == 0x70) {
            call(*d, "clear");
            PyDict_Clear(*model);
        }
        break;
    default:
        copy = PyObject_CallOneArg(what & 8 ? (PyObject *)lean.dict_type : (PyObject *)lean.record_type, *d);
        must(copy != NULL);
        Py_SETREF(*d, copy);
    }
    if (had && what % 8 < 3) {
        PyObject *found = PyObject_GetItem(*d, key);
        must(found == key);
        Py_DECREF(found);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    PyObject *d = PyObject_CallMethod((PyObject *)lean.policies[data[0] % lean.policy_count], "dict", NULL), *model = PyDict_New();
    must(d && model);
    unsigned stride = data[1] % 5 ? 1 : 8; /* one kind of key, or all */
    for (size_t i = 2; i + 1 < size; i += 2) {
        unsigned run = data[i] >> 6 == 3 ? 24 : 1; /* tables become large only if one byte means many keys */
        unsigned at = (data[i + 1] + (data[i] & 0x38u) * 16u) * (stride == 8 ? 1 : 4);
        for (unsigned j = 0; j < run; j++)
            operate(&d, &model, data[i] & 0x7f, keys[(at + j * stride) % KEYS]);
        if (i % 64 == 0)
            same(d, model);
    }
    same(d, model);
    Py_DECREF(d);
    Py_DECREF(model);
    return 0;
}
