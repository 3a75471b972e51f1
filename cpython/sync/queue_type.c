/* sync/queue_type.c - the types Queue, LifoQueue and PriorityQueue; the rules are in queue.c. */
#include "queue.h"

/* block and timeout of put and get. -1 with an error. */
static int deadline_of(PyObject *block, PyObject *timeout, int64_t *deadline_ns)
{
    int blocking = block == Py_True ? 1 : PyObject_IsTrue(block);
    if (blocking < 0)
        return -1;
    *deadline_ns = blocking ? GOS_FOREVER : 0;
    if (!blocking || timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0)) {
        PyErr_SetString(PyExc_ValueError, "'timeout' must be a non-negative number");
        return -1;
    }
    return gosp_deadline(timeout, deadline_ns);
}

static void note(QueueObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    gosp_thread *th = self->coded ? NULL : gosp_self; /* who has no scheduler is no tasklet that could be collected */
    if (th)
        gosp_sync_note(th, (PyObject *)self, args, nargs, kwnames);
}

static PyObject *noted(PyObject *result)
{
    if (gosp_self)
        gosp_sync_note_over(gosp_self);
    return result;
}

PyObject *gosp_queue_method_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"item", "block", "timeout"};
    QueueObject *self = (QueueObject *)op;
    if (GOSP_LIKELY(nargs == 1 && !kwnames)) {
        if (GOSP_LIKELY(self->maxsize <= 0 || self->stored < self->maxsize))
            return gosp_queue_put(self, args[0], GOS_FOREVER);
        note(self, args, nargs, kwnames);
        return noted(gosp_queue_put(self, args[0], GOS_FOREVER));
    }
    PyObject *given[3] = {NULL, Py_True, Py_None};
    int64_t deadline = GOS_FOREVER;
    if (gosp_parse(args, nargs, kwnames, "put", names, 3, 1, given) < 0)
        return NULL;
    if (self->maxsize > 0 && deadline_of(given[1], given[2], &deadline) < 0) /* else it is not looked at */
        return NULL;
    note(self, args, nargs, kwnames);
    return noted(gosp_queue_put(self, given[0], deadline));
}

PyObject *gosp_queue_method_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"block", "timeout"};
    QueueObject *self = (QueueObject *)op;
    PyObject *given[2] = {Py_True, Py_None};
    int64_t deadline = GOS_FOREVER;
    if (GOSP_UNLIKELY(nargs || kwnames) && (gosp_parse(args, nargs, kwnames, "get", names, 2, 0, given) < 0 ||
                                            deadline_of(given[0], given[1], &deadline) < 0))
        return NULL;
    if (GOSP_LIKELY(self->stored > 0))
        return gosp_queue_get(self, deadline);
    note(self, args, nargs, kwnames);
    return noted(gosp_queue_get(self, deadline));
}

PyObject *gosp_queue_method_get_nowait(PyObject *op, PyObject *unused)
{
    (void)unused;
    return gosp_queue_get((QueueObject *)op, 0);
}

static PyObject *queue_put_nowait(PyObject *op, PyObject *item)
{
    return gosp_queue_put((QueueObject *)op, item, 0);
}

PyObject *gosp_queue_method_qsize(PyObject *op, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((QueueObject *)op)->stored);
}

PyObject *gosp_queue_method_empty(PyObject *op, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((QueueObject *)op)->stored == 0);
}

static PyObject *queue_full(PyObject *op, PyObject *unused)
{
    (void)unused;
    QueueObject *self = (QueueObject *)op;
    return PyBool_FromLong(self->maxsize > 0 && self->stored >= self->maxsize);
}

static PyObject *queue_task_done(PyObject *op, PyObject *unused)
{
    (void)unused;
    return gosp_queue_task_done((QueueObject *)op) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *queue_join(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (gosp_parse(args, nargs, kwnames, "join", NULL, 0, 0, NULL) < 0)
        return NULL;
    note((QueueObject *)op, args, nargs, kwnames); /* for its sake the arguments: they tell where the caller's stack ends */
    return noted(gosp_queue_join((QueueObject *)op) < 0 ? NULL : Py_NewRef(Py_None));
}

static PyObject *queue_shutdown(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"immediate"};
    PyObject *given[1] = {Py_False};
    if (gosp_parse(args, nargs, kwnames, "shutdown", names, 1, 0, given) < 0)
        return NULL;
    int immediate = PyObject_IsTrue(given[0]);
    return immediate < 0 || gosp_queue_shut_down((QueueObject *)op, immediate) < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- what a subclass may replace ---- */

static PyObject *queue_hook_init(PyObject *op, PyObject *maxsize)
{
    (void)op;
    (void)maxsize;
    Py_RETURN_NONE;
}

static PyObject *queue_hook_qsize(PyObject *op, PyObject *unused)
{
    (void)unused;
    QueueObject *self = (QueueObject *)op;
    Py_ssize_t n = self->heap ? PyObject_Size(self->heap) : (Py_ssize_t)self->ring.count;
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *queue_hook_put(PyObject *op, PyObject *item)
{
    QueueObject *self = (QueueObject *)op;
    if (self->heap && PyList_CheckExact(self->heap))
        return PyObject_CallFunctionObjArgs(gosp_sync.heappush, self->heap, item, NULL);
    return gosp_ring_append(&self->ring, item) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *queue_hook_get(PyObject *op, PyObject *unused)
{
    (void)unused;
    QueueObject *self = (QueueObject *)op;
    if (self->heap && PyList_CheckExact(self->heap))
        return PyObject_CallFunctionObjArgs(gosp_sync.heappop, self->heap, NULL);
    if (!self->ring.count) {
        PyErr_SetString(PyExc_IndexError, "nothing is stored in this queue");
        return NULL;
    }
    return self->lifo ? gosp_ring_pop(&self->ring) : gosp_ring_popleft(&self->ring);
}

static PyObject *get_queue(PyObject *op, void *unused)
{
    (void)unused;
    QueueObject *self = (QueueObject *)op;
    if (self->heap)
        return Py_NewRef(self->heap);
    PyErr_SetString(PyExc_AttributeError, "the items of this queue are not in a Python object: get() them");
    return NULL;
}

static int set_queue(PyObject *op, PyObject *value, void *unused)
{
    (void)unused;
    QueueObject *self = (QueueObject *)op;
    if (!self->hooked || !value) {
        PyErr_SetString(PyExc_AttributeError, "only the _init of a subclass can set the queue");
        return -1;
    }
    Py_XSETREF(self->heap, Py_NewRef(value));
    return 0;
}

static PyMethodDef queue_methods[] = {
    {"put", (PyCFunction)(void (*)(void))gosp_queue_method_put, METH_FASTCALL | METH_KEYWORDS,
     "put($self, item, block=True, timeout=None)\n--\n\n"
     "Put an item in, or hand it to the first that waits for one. While the queue is full, wait in line; Full when block is\n"
     "false, or timeout seconds have passed. ShutDown after shutdown(). (queue.Queue)"},
    {"get", (PyCFunction)(void (*)(void))gosp_queue_method_get, METH_FASTCALL | METH_KEYWORDS,
     "get($self, block=True, timeout=None)\n--\n\n"
     "Take an item out. While there is none, wait in line; Empty when block is false, or timeout seconds have passed.\n"
     "ShutDown after shutdown(), when it is empty. (queue.Queue)"},
    {"put_nowait", queue_put_nowait, METH_O, "put_nowait($self, item, /)\n--\n\nput(item, block=False)"},
    {"get_nowait", gosp_queue_method_get_nowait, METH_NOARGS, "get_nowait($self, /)\n--\n\nget(block=False)"},
    {"qsize", gosp_queue_method_qsize, METH_NOARGS, "qsize($self, /)\n--\n\nHow many items are in it. (queue.Queue)"},
    {"empty", gosp_queue_method_empty, METH_NOARGS, "empty($self, /)\n--\n\nqsize() == 0"},
    {"full", queue_full, METH_NOARGS, "full($self, /)\n--\n\nWhether put() would wait. (queue.Queue)"},
    {"task_done", queue_task_done, METH_NOARGS,
     "task_done($self, /)\n--\n\nOne of the items that were put in is done with; see join(). (queue.Queue)"},
    {"join", (PyCFunction)(void (*)(void))queue_join, METH_FASTCALL | METH_KEYWORDS,
     "join($self, /)\n--\n\nWait until each item that was put in has had its task_done(). (queue.Queue)"},
    {"shutdown", (PyCFunction)(void (*)(void))queue_shutdown, METH_FASTCALL | METH_KEYWORDS,
     "shutdown($self, immediate=False)\n--\n\n"
     "No more put(): ShutDown for those who try or wait, and for get() when the queue is empty. immediate: what is in it is\n"
     "dropped. (queue.Queue of 3.13)"},
    {"_init", queue_hook_init, METH_O, "_init($self, maxsize, /)\n--\n\nFor subclasses: make the store, as self.queue."},
    {"_qsize", queue_hook_qsize, METH_NOARGS, "_qsize($self, /)\n--\n\nFor subclasses: how many are stored."},
    {"_put", queue_hook_put, METH_O, "_put($self, item, /)\n--\n\nFor subclasses: store an item."},
    {"_get", queue_hook_get, METH_NOARGS, "_get($self, /)\n--\n\nFor subclasses: take an item out of the store."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Queue[int] in annotations."},
    {NULL},
};

static PyGetSetDef queue_getset[] = {
    {"queue", get_queue, set_queue, "What a PriorityQueue's, or a subclass's, items are stored in."},
    {NULL},
};

static PyMemberDef queue_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(SyncObject, weakrefs), READONLY},
    {"maxsize", T_PYSSIZET, offsetof(QueueObject, maxsize), 0, "How many it holds at most; 0 or less: any number."},
    {"unfinished_tasks", T_PYSSIZET, offsetof(QueueObject, unfinished), READONLY, "Items put in without their task_done()."},
    {"is_shutdown", T_BOOL, offsetof(QueueObject, is_shut_down), READONLY, "Whether shutdown() has been called."},
    {NULL},
};

/* ---- life ---- */

static PyTypeObject *base_of(PyTypeObject *type)
{
    if (PyType_IsSubtype(type, gosp_sync.priority))
        return gosp_sync.priority;
    return PyType_IsSubtype(type, gosp_sync.lifo) ? gosp_sync.lifo : gosp_sync.queue;
}

/* 1: a method of a subclass comes before that of its base. */
static int is_hooked(PyTypeObject *type, PyTypeObject *base)
{
    static const char *const hooks[] = {"_init", "_qsize", "_put", "_get"};
    int hooked = type == base ? 0 : -1;
    for (int i = 0; hooked < 0 && i < 4; i++) {
        PyObject *mine = PyObject_GetAttrString((PyObject *)type, hooks[i]);
        PyObject *its = mine ? PyObject_GetAttrString((PyObject *)base, hooks[i]) : NULL;
        if (!its) {
            Py_XDECREF(mine);
            return -1;
        }
        if (mine != its)
            hooked = 1;
        Py_DECREF(mine);
        Py_DECREF(its);
    }
    return hooked > 0;
}

static int set_up(QueueObject *self, Py_ssize_t maxsize)
{
    PyTypeObject *base = base_of(Py_TYPE(self));
    if (self->stored || self->base.line.first || self->putters.first) {
        PyErr_SetString(PyExc_RuntimeError, "Queue.__init__() of a queue in use");
        return -1;
    }
    int hooked = is_hooked(Py_TYPE(self), base);
    if (hooked < 0)
        return -1;
    self->maxsize = maxsize;
    self->lifo = base == gosp_sync.lifo;
    self->hooked = (uint8_t)hooked;
    self->coded = hooked || base == gosp_sync.priority;
    if (base == gosp_sync.priority && !self->heap && !(self->heap = PyList_New(0)))
        return -1;
    if (self->coded && !self->mutex && !(self->mutex = (LockObject *)PyObject_CallNoArgs((PyObject *)gosp_sync.lock)))
        return -1;
    if (!hooked)
        return 0;
    PyObject *done = PyObject_CallMethod((PyObject *)self, "_init", "n", maxsize);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int queue_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"maxsize", NULL};
    Py_ssize_t maxsize = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n:Queue", names, &maxsize))
        return -1;
    return set_up((QueueObject *)op, maxsize);
}

static PyObject *queue_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"maxsize"};
    PyObject *given = NULL;
    Py_ssize_t maxsize = 0;
    SyncObject *self = gosp_sync_make(type, args, nargsf, kwnames, names, 1, 0, &given);
    if (!self)
        return NULL;
    if (given)
        maxsize = PyNumber_AsSsize_t(given, PyExc_OverflowError);
    if ((maxsize == -1 && PyErr_Occurred()) || set_up((QueueObject *)self, maxsize) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

int gosp_queue_traverse(PyObject *op, visitproc visit, void *arg)
{
    QueueObject *self = (QueueObject *)op;
    Py_VISIT(self->heap);
    Py_VISIT(self->mutex);
    int rc = gosp_ring_traverse(&self->ring, visit, arg);
    if (!rc)
        rc = gosp_line_traverse(&self->putters, visit, arg);
    if (!rc)
        rc = gosp_line_traverse(&self->joiners, visit, arg);
    return rc ? rc : gosp_sync_traverse(op, visit, arg);
}

int gosp_queue_clear(PyObject *op)
{
    QueueObject *self = (QueueObject *)op;
    gosp_sync_clear(op);
    gosp_line_clear(&self->putters);
    gosp_line_clear(&self->joiners);
    self->stored = 0;
    gosp_ring_clear(&self->ring);
    Py_CLEAR(self->heap);
    return 0;
}

void gosp_queue_dealloc(PyObject *op)
{
    Py_CLEAR(((QueueObject *)op)->mutex); /* not before: its methods may still be called, even after tp_clear */
    gosp_sync_end(op, gosp_queue_clear);
}

static PyType_Slot queue_slots[] = {
    {Py_tp_doc, "Queue(maxsize=0)\n--\n\n"
                "A queue for tasklets and threads, first in, first out; maxsize of 0 or less: any number of items. (queue.Queue)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_init, queue_init},
    {Py_tp_dealloc, gosp_queue_dealloc},
    {Py_tp_traverse, gosp_queue_traverse},
    {Py_tp_clear, gosp_queue_clear},
    {Py_tp_methods, queue_methods},
    {Py_tp_getset, queue_getset},
    {Py_tp_members, queue_members},
    {0, NULL},
};

static PyType_Slot lifo_slots[] = {
    {Py_tp_doc, "LifoQueue(maxsize=0)\n--\n\nLikewise, last in, first out. (queue.LifoQueue)"},
    {Py_tp_traverse, gosp_queue_traverse},
    {Py_tp_clear, gosp_queue_clear},
    {0, NULL},
};

static PyType_Slot priority_slots[] = {
    {Py_tp_doc, "PriorityQueue(maxsize=0)\n--\n\nLikewise, the smallest item first. (queue.PriorityQueue)"},
    {Py_tp_traverse, gosp_queue_traverse},
    {Py_tp_clear, gosp_queue_clear},
    {0, NULL},
};

#define QUEUE_SPEC(type, its_slots)                                                                                   \
    {                                                                                                                 \
        .name = "gossamer.sync." type, .basicsize = sizeof(QueueObject),                                              \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,            \
        .slots = its_slots,                                                                                           \
    }

static PyType_Spec queue_spec = QUEUE_SPEC("Queue", queue_slots), lifo_spec = QUEUE_SPEC("LifoQueue", lifo_slots),
                   priority_spec = QUEUE_SPEC("PriorityQueue", priority_slots);

int gosp_queue_init(PyObject *module)
{
    PyObject *heapq = PyImport_ImportModule("heapq");
    gosp_sync.heappush = heapq ? PyObject_GetAttrString(heapq, "heappush") : NULL;
    gosp_sync.heappop = gosp_sync.heappush ? PyObject_GetAttrString(heapq, "heappop") : NULL;
    Py_XDECREF(heapq);
    if (!gosp_sync.heappop)
        return -1;
    gosp_sync.queue = gosp_sync_type(module, &queue_spec, NULL, queue_call);
    gosp_sync.lifo = gosp_sync.queue ? gosp_sync_type(module, &lifo_spec, gosp_sync.queue, queue_call) : NULL;
    gosp_sync.priority = gosp_sync.lifo ? gosp_sync_type(module, &priority_spec, gosp_sync.queue, queue_call) : NULL;
    return gosp_sync.priority ? 0 : -1;
}
