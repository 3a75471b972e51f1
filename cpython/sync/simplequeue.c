/* sync/simplequeue.c - SimpleQueue: a queue without a limit and without tasks. Its put never waits. */
#include "queue.h"

static PyObject *simple_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return gosp_queue_method_put(op, args, nargs, kwnames);
}

static PyObject *simple_put_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"item"};
    PyObject *given[1];
    if (gosp_parse(args, nargs, kwnames, "put_nowait", names, 1, 1, given) < 0)
        return NULL;
    return gosp_queue_put((QueueObject *)op, given[0], 0);
}

static PyMethodDef simple_methods[] = {
    {"put", (PyCFunction)(void (*)(void))simple_put, METH_FASTCALL | METH_KEYWORDS,
     "put($self, item, block=True, timeout=None)\n--\n\n"
     "Put an item in, or hand it to the first that waits for one. Never waits: block and timeout are not looked at. Can be\n"
     "called in finalizers and signal handlers. (queue.SimpleQueue)"},
    {"get", (PyCFunction)(void (*)(void))gosp_queue_method_get, METH_FASTCALL | METH_KEYWORDS,
     "get($self, block=True, timeout=None)\n--\n\n"
     "Take the oldest item out. While there is none, wait in line; Empty when block is false, or timeout seconds have\n"
     "passed. (queue.SimpleQueue)"},
    {"put_nowait", (PyCFunction)(void (*)(void))simple_put_nowait, METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, item)\n--\n\nput(item)"},
    {"get_nowait", gosp_queue_method_get_nowait, METH_NOARGS, "get_nowait($self, /)\n--\n\nget(block=False)"},
    {"qsize", gosp_queue_method_qsize, METH_NOARGS, "qsize($self, /)\n--\n\nHow many items are in it. (queue.SimpleQueue)"},
    {"empty", gosp_queue_method_empty, METH_NOARGS, "empty($self, /)\n--\n\nqsize() == 0"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "SimpleQueue[int] in annotations."},
    {NULL},
};

static PyType_Slot simple_slots[] = {
    {Py_tp_doc, "SimpleQueue()\n--\n\nA queue for tasklets and threads, first in, first out, without a limit. (queue.SimpleQueue)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_dealloc, gosp_queue_dealloc},
    {Py_tp_traverse, gosp_queue_traverse},
    {Py_tp_clear, gosp_queue_clear},
    {Py_tp_methods, simple_methods},
    {Py_tp_members, gosp_sync_members},
    {0, NULL},
};

static PyType_Spec simple_spec = {
    .name = "gossamer.sync.SimpleQueue",
    .basicsize = sizeof(QueueObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = simple_slots,
};

static PyObject *simple_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return (PyObject *)gosp_sync_make(type, args, nargsf, kwnames, NULL, 0, 0, NULL);
}

int gosp_simple_init(PyObject *module)
{
    gosp_sync.simple = gosp_sync_type(module, &simple_spec, NULL, simple_call);
    return gosp_sync.simple ? 0 : -1;
}
