/* evaluation.c - somebody else's frame evaluation hook (PEP 523): counts, and calls who was there before. */
#include <Python.h>

static _PyFrameEvalFunction before;
static long count;

static PyObject *evaluate(PyThreadState *ts, struct _PyInterpreterFrame *frame, int throwflag)
{
    count++;
    return before(ts, frame, throwflag);
}

static PyObject *install(PyObject *module, PyObject *unused)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    before = _PyInterpreterState_GetEvalFrameFunc(interp);
    _PyInterpreterState_SetEvalFrameFunc(interp, evaluate);
    Py_RETURN_NONE;
}

static PyObject *uninstall(PyObject *module, PyObject *unused)
{
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), before);
    Py_RETURN_NONE;
}

/* Take everybody's hook away. */
static PyObject *wipe(PyObject *module, PyObject *unused)
{
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), _PyEval_EvalFrameDefault);
    Py_RETURN_NONE;
}

static PyObject *calls(PyObject *module, PyObject *unused)
{
    long n = count;
    count = 0;
    return PyLong_FromLong(n);
}

static PyMethodDef methods[] = {
    {"install", install, METH_NOARGS, NULL},
    {"uninstall", uninstall, METH_NOARGS, NULL},
    {"wipe", wipe, METH_NOARGS, NULL},
    {"calls", calls, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "evaluation", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_evaluation(void)
{
    return PyModule_Create(&definition);
}
