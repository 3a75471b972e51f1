/* bomb.c - exceptions as values: what a tasklet is resumed with when it has to raise.
 *
 * The type is visible to Python as stackless.bomb (in tempval, and in channel callbacks).
 */
#include "gosp.h"

#include <structmember.h>

PyObject *gosp_bomb_new(PyObject *type, PyObject *value, PyObject *traceback)
{
    BombObject *bomb = PyObject_GC_New(BombObject, gosp.bomb_type);
    if (!bomb)
        return NULL;
    bomb->type = Py_XNewRef(type);
    bomb->value = Py_XNewRef(value);
    bomb->traceback = Py_XNewRef(traceback);
    PyObject_GC_Track(bomb);
    return (PyObject *)bomb;
}

PyObject *gosp_bomb_from_error(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback && value)
        PyException_SetTraceback(value, traceback);
    PyObject *bomb = gosp_bomb_new(type, value, traceback);
    if (!bomb) {
        PyErr_Clear();
        bomb = Py_NewRef((PyObject *)gosp.emergency_bomb);
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return bomb;
}

PyObject *gosp_bomb_raise(PyObject *op)
{
    BombObject *bomb = (BombObject *)op;
    PyObject *type = Py_XNewRef(bomb->type), *value = Py_XNewRef(bomb->value), *tb = Py_XNewRef(bomb->traceback);
    Py_DECREF(bomb);
    if (!type || !PyExceptionClass_Check(type)) { /* CPython would write a traceback into whatever value is */
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(tb);
        PyErr_SetString(PyExc_TypeError, "a bomb without an exception was received");
        return NULL;
    }
    if (tb && !PyTraceBack_Check(tb))
        Py_CLEAR(tb);
    if (value == Py_None)
        Py_CLEAR(value);
    if (!tb && value && PyExceptionInstance_Check(value))
        PyException_SetTraceback(value, Py_None); /* it begins here: from 3.14 on, Restore leaves an older one in place */
    PyErr_Restore(type, value, tb);
    return NULL;
}

int gosp_bomb_is(PyObject *bomb, PyObject *exception_type)
{
    PyObject *type = ((BombObject *)bomb)->type;
    return type && type != Py_None && PyErr_GivenExceptionMatches(type, exception_type);
}

/* The three-argument raise: exc a class (val: None, an instance, or the constructor's argument), or an
 * instance (val must be None). */
PyObject *gosp_bomb_from_throw(PyObject *exc, PyObject *val, PyObject *tb)
{
    PyObject *instance = NULL, *bomb = NULL;
    if (tb == Py_None)
        tb = NULL;
    if (tb && !PyTraceBack_Check(tb)) {
        PyErr_SetString(PyExc_TypeError, "third argument must be a traceback object");
        return NULL;
    }
    if (PyExceptionClass_Check(exc)) {
        if (val && val != Py_None && PyObject_TypeCheck(val, (PyTypeObject *)exc))
            instance = Py_NewRef(val);
        else
            instance = val && val != Py_None ? PyObject_CallOneArg(exc, val) : PyObject_CallNoArgs(exc);
        if (instance && !PyExceptionInstance_Check(instance)) {
            PyErr_Format(PyExc_TypeError, "calling %R should have returned an instance of BaseException, not %.200s", exc,
                         Py_TYPE(instance)->tp_name);
            Py_CLEAR(instance);
        }
    } else if (PyExceptionInstance_Check(exc)) {
        if (val && val != Py_None) {
            PyErr_SetString(PyExc_TypeError, "instance exception may not have a separate value");
            return NULL;
        }
        instance = Py_NewRef(exc);
    } else {
        PyErr_Format(PyExc_TypeError, "exceptions must be classes, or instances, not %.200s", Py_TYPE(exc)->tp_name);
    }
    if (instance) {
        if (!tb)
            tb = PyException_GetTraceback(instance);
        else
            Py_INCREF(tb);
        bomb = gosp_bomb_new((PyObject *)Py_TYPE(instance), instance, tb);
        Py_XDECREF(tb);
        Py_DECREF(instance);
    }
    return bomb;
}

PyObject *gosp_bomb_from_class(PyObject *klass, PyObject *args, const char *message)
{
    if (!PyExceptionClass_Check(klass)) {
        PyErr_SetString(PyExc_TypeError, message);
        return NULL;
    }
    return gosp_bomb_new(klass, args, NULL);
}

static PyObject *bomb_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"type", "value", "traceback", NULL};
    PyObject *exc = Py_None, *value = Py_None, *tb = Py_None;
    (void)type;
    PyObject *only = PyTuple_GET_SIZE(args) == 1 && !kwargs ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (only && PyTuple_Check(only))
        args = only;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:bomb", names, &exc, &value, &tb))
        return NULL;
    return gosp_bomb_new(exc, value, tb);
}

static int bomb_traverse(PyObject *op, visitproc visit, void *arg)
{
    BombObject *bomb = (BombObject *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(bomb->type);
    Py_VISIT(bomb->value);
    Py_VISIT(bomb->traceback);
    return 0;
}

static int bomb_clear(PyObject *op)
{
    BombObject *bomb = (BombObject *)op;
    Py_CLEAR(bomb->type);
    Py_CLEAR(bomb->value);
    Py_CLEAR(bomb->traceback);
    return 0;
}

static void bomb_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    bomb_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyObject *bomb_reduce(PyObject *op, PyObject *unused)
{
    BombObject *bomb = (BombObject *)op;
    (void)unused;
    return Py_BuildValue("O(OOO)", Py_TYPE(op), bomb->type ? bomb->type : Py_None, bomb->value ? bomb->value : Py_None,
                         Py_None);
}

static PyMemberDef bomb_members[] = {
    {"type", T_OBJECT, offsetof(BombObject, type), READONLY, "exception class"},
    {"value", T_OBJECT, offsetof(BombObject, value), READONLY, "exception, or the arguments to make it"},
    {"traceback", T_OBJECT, offsetof(BombObject, traceback), READONLY, "traceback or None"},
    {NULL},
};

static PyMethodDef bomb_methods[] = {
    {"__reduce__", bomb_reduce, METH_NOARGS, "Pickle type and value; tracebacks cannot be pickled."},
    {NULL},
};

static PyType_Slot bomb_slots[] = {
    {Py_tp_doc, "bomb(type=None, value=None, traceback=None)\n--\n\n"
                "An exception on its way to a tasklet, which raises it when it resumes. One 3-tuple is accepted, too."},
    {Py_tp_new, bomb_new},
    {Py_tp_dealloc, bomb_dealloc},
    {Py_tp_traverse, bomb_traverse},
    {Py_tp_clear, bomb_clear},
    {Py_tp_members, bomb_members},
    {Py_tp_methods, bomb_methods},
    {0, NULL},
};

static PyType_Spec bomb_spec = {
    .name = "gossamer.bomb",
    .basicsize = sizeof(BombObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bomb_slots,
};

int gosp_bomb_init(PyObject *module)
{
    if (!gosp.bomb_type) {
        gosp.bomb_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bomb_spec, NULL);
        if (!gosp.bomb_type)
            return -1;
        gosp.emergency_bomb = (BombObject *)gosp_bomb_new(PyExc_MemoryError, NULL, NULL);
        if (!gosp.emergency_bomb)
            return -1;
    }
    return PyModule_AddObjectRef(module, "bomb", (PyObject *)gosp.bomb_type);
}
