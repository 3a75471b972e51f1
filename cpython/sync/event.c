/* sync/event.c - Event: a flag that can be waited for. */
#include "../sync.h"

typedef struct {
    SyncObject base;
    int set;
} EventObject;

static PyObject *event_set(PyObject *op, PyObject *unused)
{
    (void)unused;
    ((EventObject *)op)->set = 1;
    gosp_line_grant_all(&((SyncObject *)op)->line);
    Py_RETURN_NONE;
}

static PyObject *event_clear(PyObject *op, PyObject *unused)
{
    (void)unused;
    ((EventObject *)op)->set = 0;
    Py_RETURN_NONE;
}

static PyObject *event_is_set(PyObject *op, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((EventObject *)op)->set);
}

static PyObject *event_wait(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout"};
    PyObject *given[1] = {Py_None};
    int64_t deadline = GOS_FOREVER;
    if (GOSP_UNLIKELY(nargs || kwnames) && (gosp_parse(args, nargs, kwnames, "wait", names, 1, 0, given) < 0 ||
                                            gosp_sync_deadline(given[0], &deadline) < 0))
        return NULL;
    if (((EventObject *)op)->set)
        Py_RETURN_TRUE;
    if (deadline <= 0)
        Py_RETURN_FALSE;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    gosp_wait *w = gosp_wait_new(th, &((SyncObject *)op)->line, op);
    if (!w)
        return NULL;
    gosp_sync_note(th, op, args, nargs, kwnames);
    int rc = gosp_wait_for(th, w, deadline);
    gosp_sync_note_over(th);
    gosp_wait_free(w);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static PyObject *event_reinit(PyObject *op, PyObject *unused)
{
    (void)unused;
    gosp_line_clear(&((SyncObject *)op)->line);
    Py_RETURN_NONE;
}

static PyObject *event_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<%s at %p: %s>", Py_TYPE(op)->tp_name, op, ((EventObject *)op)->set ? "set" : "unset");
}

static PyMethodDef event_methods[] = {
    {"set", event_set, METH_NOARGS,
     "set($self, /)\n--\n\nRaise the flag: all who wait become runnable. The caller goes on. (threading.Event)"},
    {"clear", event_clear, METH_NOARGS, "clear($self, /)\n--\n\nLower the flag: wait() waits again. (threading.Event)"},
    {"is_set", event_is_set, METH_NOARGS, "is_set($self, /)\n--\n\nWhether the flag is raised. (threading.Event)"},
    {"isSet", event_is_set, METH_NOARGS, "isSet($self, /)\n--\n\nis_set(), as it was once called. (threading.Event)"},
    {"wait", (PyCFunction)(void (*)(void))event_wait, METH_FASTCALL | METH_KEYWORDS,
     "wait($self, timeout=None)\n--\n\n"
     "Wait until the flag is raised: True. False when timeout seconds have passed first. Who was in line when it was\n"
     "raised gets True even if it has been lowered since. Raises DeadlockError when nobody is left who could raise it.\n"
     "(threading.Event)"},
    {"_at_fork_reinit", event_reinit, METH_NOARGS, "_at_fork_reinit($self, /)\n--\n\nNobody waits any more."},
    {NULL},
};

static PyType_Slot event_slots[] = {
    {Py_tp_doc, "Event()\n--\n\nA flag that tasklets and threads can wait for. (threading.Event)"},
    {Py_tp_new, gosp_sync_new},
    {Py_tp_dealloc, gosp_sync_dealloc},
    {Py_tp_traverse, gosp_sync_traverse},
    {Py_tp_clear, gosp_sync_clear},
    {Py_tp_repr, event_repr},
    {Py_tp_methods, event_methods},
    {Py_tp_members, gosp_sync_members},
    {0, NULL},
};

static PyType_Spec event_spec = {
    .name = "gossamer.sync.Event",
    .basicsize = sizeof(EventObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = event_slots,
};

static PyObject *event_call(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return (PyObject *)gosp_sync_make(type, args, nargsf, kwnames, NULL, 0, 0, NULL);
}

int gosp_event_init(PyObject *module)
{
    gosp_sync.event = gosp_sync_type(module, &event_spec, NULL, event_call);
    return gosp_sync.event ? 0 : -1;
}
