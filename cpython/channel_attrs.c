/* channel_attrs.c - the attributes of channels. */
#include "gosp.h"

static gos_channel *core_of(PyObject *self)
{
    return &((ChannelObject *)self)->core;
}

static PyObject *get_balance(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(gos_channel_balance(core_of(self)));
}

static PyObject *get_queue(PyObject *self, void *unused)
{
    (void)unused;
    gos_node *first = core_of(self)->first;
    return first ? Py_NewRef((PyObject *)gosp_of(gos_node_tasklet(first))) : Py_NewRef(Py_None);
}

static PyObject *get_closing(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(core_of(self)->closing);
}

static PyObject *get_closed(PyObject *self, void *unused)
{
    (void)unused;
    gos_channel *ch = core_of(self);
    return PyBool_FromLong(ch->closing && gos_channel_balance(ch) == 0);
}

static PyObject *get_preference(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(core_of(self)->preference);
}

static int set_preference(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (!value || !PyLong_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "preference must be set to an integer");
        return -1;
    }
    int overflow;
    long wanted = PyLong_AsLongAndOverflow(value, &overflow);
    gos_set_preference(core_of(self), overflow ? overflow : wanted > 0 ? 1 : wanted < 0 ? -1 : 0);
    return 0;
}

static PyObject *get_schedule_all(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(core_of(self)->schedule_all);
}

static int set_schedule_all(PyObject *self, PyObject *value, void *unused)
{
    (void)unused;
    if (!value || !PyLong_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "preference must be set to a bool or integer");
        return -1;
    }
    int wanted = PyObject_IsTrue(value);
    if (wanted < 0)
        return -1;
    core_of(self)->schedule_all = (uint8_t)wanted;
    return 0;
}

static PyObject *get_capacity(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(gos_channel_capacity(core_of(self)));
}

PyGetSetDef gosp_channel_getset[] = {
    {"balance", get_balance, NULL, "Blocked senders (and kept values) if positive, minus the blocked receivers if negative."},
    {"queue", get_queue, NULL, "The tasklet that has waited longest, or None; follow its next."},
    {"closing", get_closing, NULL, "close() was called."},
    {"closed", get_closed, NULL, "Closing, and nobody waits."},
    {"preference", get_preference, set_preference, "Who continues after a transfer: -1 receiver (default), 1 sender, 0 the caller."},
    {"schedule_all", get_schedule_all, set_schedule_all, "1: after a transfer the rest of the run queue comes first. Default 0."},
    {"capacity", get_capacity, NULL, "How many values it keeps; 0 for a plain channel."},
    {NULL},
};
