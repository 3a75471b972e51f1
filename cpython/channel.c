/* channel.c - the channel type: operations, iteration, life. Attributes are in channel_attrs.c. */
#include "gosp.h"

#include "channel/hot.h"

#include <structmember.h>

/* ---- the operations, for Python and C ---- */

GOSI_COLD static int before_operation(gosp_thread *th, ChannelObject *ch, int sending, PyObject **value)
{
    if (GOSP_UNLIKELY(th->channel_callback_in != NULL)) {
        PyErr_SetString(PyExc_RuntimeError, "Recursive channel call due to callbacks!");
        return -1;
    }
    if (GOSP_UNLIKELY(gosp.channel_callback != NULL))
        gosp_call_channel_callback(th, ch, sending, value);
    return 0;
}

/* For the report, if it is a deadlock. */
GOSI_COLD static void note_failure(gosp_thread *th, ChannelObject *ch, int direction)
{
    th->failed_on = (PyObject *)ch;
    th->failed_direction = direction;
}

/* Steals value when sending. Inlined into the methods: see gosi_stack_switch. */
static GOSI_INLINE PyObject *operate(gosp_thread *th, ChannelObject *ch, int direction, PyObject *value, int64_t deadline_ns)
{
    TaskletObject *cur = gosp_current(th);
    void *back = value;
    Py_INCREF(ch); /* what a blocked tasklet waits for is referred to by the tasklet, see its traverse */
    int rc = gosi_channel_operate(&th->sched, &ch->core, direction, &back, deadline_ns);
    cur->state.eval_top = NULL;
    if (GOSP_UNLIKELY(rc != GOS_OK)) {
        note_failure(th, ch, direction);
        PyObject *result = gosp_resumed(th, cur, rc);
        th->failed_on = NULL; /* borrowed: not beyond this */
        Py_XDECREF((PyObject *)back);
        Py_DECREF(ch);
        return result;
    }
    PyObject *result = gosp_resumed_hot(th, cur);
    Py_DECREF(ch);
    return result;
}

/* From a hook in the middle of another operation of the same tasklet, whose register it must leave alone. What
 * needs neither waiting nor switching works: a signal handler can send to a waiting tasklet. */
GOSI_COLD static PyObject *operate_in_hook(gosp_thread *th, ChannelObject *ch, int direction, PyObject *value,
                                           int64_t deadline_ns)
{
    gos_tasklet *cur = th->sched.current;
    void *taken = cur->value;
    PyObject *received = NULL;
    int rc;
    if (direction > 0) { /* the receiver may be the interrupted one: then the register is where the value goes */
        rc = gos_channel_send(&th->sched, &ch->core, value, deadline_ns);
    } else if (ch->core.first && gos_node_tasklet(ch->core.first) == cur && cur->place == GOS_IN_CHANNEL) {
        rc = GOS_ETRAP; /* it cannot receive from itself: one register for both */
    } else {
        cur->value = NULL;
        rc = gos_channel_receive(&th->sched, &ch->core, deadline_ns);
        received = cur->value;
        cur->value = taken;
    }
    if (rc != GOS_OK) {
        Py_XDECREF(value);
        return gosp_raise_status(th, rc);
    }
    if (!received)
        return Py_NewRef(Py_None);
    return Bomb_Check(received) ? gosp_bomb_raise(received) : received;
}

static GOSI_INLINE int usual(gosp_thread *th)
{
    /* The trap, too: a handler that has woken the tasklet it interrupts finds it at the head. */
    return GOSP_LIKELY(!th->channel_callback_in && !gosp.channel_callback && th->sched.head == th->sched.current &&
                       !th->sched.trap);
}

/* Steals value when sending. */
GOSI_COLD static PyObject *operate_unusual(gosp_thread *th, ChannelObject *ch, int direction, PyObject *value, int64_t deadline_ns)
{
    TaskletObject *cur = gosp_current(th);
    PyObject *result = NULL;
    if (before_operation(th, ch, direction > 0, &value) < 0)
        Py_XDECREF(value);
    else if (th->sched.head != th->sched.current || th->sched.trap)
        result = operate_in_hook(th, ch, direction, value, deadline_ns);
    else
        return operate(th, ch, direction, value, deadline_ns);
    if (th->sched.head == th->sched.current)
        cur->state.eval_top = NULL; /* it did not wait: what was noted is over */
    return result;
}

static GOSI_INLINE PyObject *send_value(gosp_thread *th, ChannelObject *ch, PyObject *value, int64_t deadline_ns)
{
    return usual(th) ? operate(th, ch, 1, value, deadline_ns) : operate_unusual(th, ch, 1, value, deadline_ns);
}

static GOSI_INLINE PyObject *receive_value(gosp_thread *th, ChannelObject *ch, int64_t deadline_ns)
{
    return usual(th) ? operate(th, ch, -1, NULL, deadline_ns) : operate_unusual(th, ch, -1, NULL, deadline_ns);
}

PyObject *gosp_channel_send_value(gosp_thread *th, ChannelObject *ch, PyObject *value, int64_t deadline_ns)
{
    return send_value(th, ch, value, deadline_ns);
}

PyObject *gosp_channel_receive_value(gosp_thread *th, ChannelObject *ch, int64_t deadline_ns)
{
    return receive_value(th, ch, deadline_ns);
}

/* The collector sees the whole value stack of a frame that waits in a method call of ours. */
static inline void note_wait(gosp_thread *th, PyObject *self, PyObject *const *args, Py_ssize_t n, int send)
{
    if (gosi_would_block(&((ChannelObject *)self)->core, send) && th->sched.head == th->sched.current)
        gosp_frames_note_method(&gosp_current(th)->state, th->ts, self, args, n);
}

/* With a timeout, or with wrong arguments. */
static __attribute__((noinline)) PyObject *send_slow(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"value", "timeout"};
    PyObject *given[2] = {NULL, Py_None};
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    if (!th || gosp_parse(args, nargs, kwnames, "send", names, 2, 1, given) < 0 || gosp_deadline(given[1], &deadline) < 0)
        return NULL;
    note_wait(th, self, args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0), 1);
    return send_value(th, (ChannelObject *)self, Py_NewRef(given[0]), deadline);
}

static PyObject *channel_send(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (GOSP_UNLIKELY(nargs != 1 || kwnames))
        return send_slow(self, args, nargs, kwnames);
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    note_wait(th, self, args, 1, 1);
    return send_value(th, (ChannelObject *)self, Py_NewRef(args[0]), GOS_FOREVER);
}

static __attribute__((noinline)) PyObject *receive_slow(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout"};
    PyObject *given[1] = {Py_None};
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    if (!th || gosp_parse(args, nargs, kwnames, "receive", names, 1, 0, given) < 0 || gosp_deadline(given[0], &deadline) < 0)
        return NULL;
    note_wait(th, self, args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0), 0);
    return receive_value(th, (ChannelObject *)self, deadline);
}

static PyObject *channel_receive(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (GOSP_UNLIKELY(nargs || kwnames))
        return receive_slow(self, args, nargs, kwnames);
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    note_wait(th, self, args, 0, 0);
    return receive_value(th, (ChannelObject *)self, GOS_FOREVER);
}

static PyObject *send_bomb(PyObject *self, PyObject *bomb)
{
    gosp_thread *th = bomb ? gosp_thread_current() : NULL;
    if (!th) {
        Py_XDECREF(bomb);
        return NULL;
    }
    return gosp_channel_send_value(th, (ChannelObject *)self, bomb, GOS_FOREVER);
}

static PyObject *channel_send_exception(PyObject *self, PyObject *args)
{
    if (PyTuple_GET_SIZE(args) == 0) {
        PyErr_SetString(PyExc_TypeError, "send_exception() takes at least 1 argument");
        return NULL;
    }
    PyObject *rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    PyObject *bomb = rest ? gosp_bomb_from_class(PyTuple_GET_ITEM(args, 0), rest,
                                                 "channel.send_exception needs Exception or string subclass as first parameter")
                          : NULL;
    Py_XDECREF(rest);
    return send_bomb(self, bomb);
}

static PyObject *channel_send_throw(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    static const char *const names[] = {"exc", "val", "tb"};
    PyObject *given[3] = {NULL, Py_None, Py_None};
    if (gosp_parse(args, nargs, NULL, "send_throw", names, 3, 1, given) < 0)
        return NULL;
    return send_bomb(self, gosp_bomb_from_throw(given[0], given[1], given[2]));
}

static PyObject *channel_send_sequence(PyObject *self, PyObject *iterable)
{
    gosp_thread *th = gosp_thread_current();
    PyObject *iterator = th ? PyObject_GetIter(iterable) : NULL, *item, *sent = NULL;
    Py_ssize_t count = 0;
    if (!iterator)
        return NULL;
    while ((item = PyIter_Next(iterator))) {
        sent = gosp_channel_send_value(th, (ChannelObject *)self, item, GOS_FOREVER);
        if (!sent)
            break;
        Py_DECREF(sent);
        count++;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(count);
}

__attribute__((noinline)) static PyObject *channel_next(PyObject *self)
{
    ChannelObject *ch = (ChannelObject *)self;
    gosp_thread *th = gosp_thread_current();
    if (!th || (ch->core.closing && gos_channel_balance(&ch->core) <= 0))
        return NULL; /* without an error: StopIteration */
    if (gosi_would_block(&ch->core, 0) && th->sched.head == th->sched.current)
        gosp_frames_note_iteration(&gosp_current(th)->state, th->ts, self, __builtin_return_address(0));
    return gosp_channel_receive_value(th, ch, GOS_FOREVER);
}

static PyObject *channel_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    gos_close(&((ChannelObject *)self)->core);
    Py_RETURN_NONE;
}

static PyObject *channel_open(PyObject *self, PyObject *unused)
{
    (void)unused;
    gos_open(&((ChannelObject *)self)->core);
    Py_RETURN_NONE;
}

static PyObject *channel_reduce(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return gosp_not_yet("pickling channels");
}

static PyMethodDef channel_methods[] = {
    {"send", (PyCFunction)(void (*)(void))channel_send, METH_FASTCALL | METH_KEYWORDS,
     "send($self, value, timeout=None)\n--\n\n"
     "Hand value over to a receiver; waits for one if nobody receives. Who continues is up to preference.\n"
     "timeout: seconds to wait at most; TimeoutError then, and nothing was sent. Raises ValueError when it would wait on\n"
     "a closed channel, DeadlockError when nobody could ever come. (Stackless; timeout as in queue.Queue)"},
    {"receive", (PyCFunction)(void (*)(void))channel_receive, METH_FASTCALL | METH_KEYWORDS,
     "receive($self, timeout=None)\n--\n\n"
     "Return the value of a sender, or raise what it sent by send_exception; waits for one if nobody sends.\n"
     "timeout and errors as in send. (Stackless; timeout as in queue.Queue)"},
    {"send_exception", channel_send_exception, METH_VARARGS,
     "send_exception($self, exc_class, /, *args)\n--\n\nLike send, but the receiver raises exc_class(*args). (Stackless)"},
    {"send_throw", (PyCFunction)(void (*)(void))channel_send_throw, METH_FASTCALL,
     "send_throw($self, exc, val=None, tb=None, /)\n--\n\n"
     "Like send, but the receiver raises the exception: send_throw(*sys.exc_info()) relays one. (Stackless)"},
    {"send_sequence", channel_send_sequence, METH_O,
     "send_sequence($self, iterable, /)\n--\n\nSend each item; return how many. (Stackless)"},
    {"close", channel_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Operations that would have to wait raise ValueError from now on. Tasklets that wait already are not woken. (Stackless)"},
    {"open", channel_open, METH_NOARGS, "open($self, /)\n--\n\nUndo close(). (Stackless)"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "channel[int] in annotations."},
    {"__reduce__", channel_reduce, METH_NOARGS, "Pickling is not in this release: NotImplementedError."},
    {"__reduce_ex__", channel_reduce, METH_O, "Pickling is not in this release: NotImplementedError."},
    {"__setstate__", channel_reduce, METH_O, "Pickling is not in this release: NotImplementedError."},
    {NULL},
};

/* ---- life ---- */

static PyObject *channel_alloc(PyTypeObject *type)
{
    ChannelObject *ch = (ChannelObject *)type->tp_alloc(type, 0);
    if (ch)
        gos_channel_init(&ch->core);
    return (PyObject *)ch;
}

static PyObject *channel_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    return channel_alloc(type);
}

/* Any arguments are accepted, for subclasses. */
static int channel_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    (void)self;
    (void)args;
    (void)kwargs;
    return 0;
}

static int visit_kept(void *value, void *arg)
{
    void **pair = arg;
    return ((visitproc)pair[0])(value, pair[1]);
}

static int channel_traverse(PyObject *self, visitproc visit, void *arg)
{
    ChannelObject *ch = (ChannelObject *)self;
    Py_VISIT(Py_TYPE(self));
    for (gos_node *node = ch->core.first; node; node = node->next)
        if (gos_node_owns_tasklet(node))
            Py_VISIT(gosp_of(gos_node_tasklet(node)));
    void *pair[2] = {(void *)visit, arg};
    return gos_channel_visit_kept(&ch->core, visit_kept, pair);
}

/* Whoever still waits is paused, and the channel is closed. */
static int channel_clear(PyObject *self)
{
    ChannelObject *ch = (ChannelObject *)self;
    void *kept;
    while (ch->core.first) {
        gos_tasklet *t = gos_node_tasklet(ch->core.first);
        gos_close(&ch->core);
        if (!gos_sched_unlink(t->sched, t, GOS_OK))
            break;
        Py_DECREF(gosp_of(t));
    }
    while (gos_channel_take_kept(&ch->core, &kept))
        Py_DECREF((PyObject *)kept);
    return 0;
}

static void channel_dealloc(PyObject *self)
{
    ChannelObject *ch = (ChannelObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (ch->weakrefs)
        PyObject_ClearWeakRefs(self);
    channel_clear(self);
    gos_channel_fini(&ch->core);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMemberDef channel_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(ChannelObject, weakrefs), READONLY},
    {NULL},
};

static PyType_Slot channel_slots[] = {
    {Py_tp_doc, "channel()\n--\n\n"
                "A meeting point without a buffer: a value passes when a sender and a receiver meet. (Stackless)"},
    {Py_tp_new, channel_new},
    {Py_tp_init, channel_init},
    {Py_tp_dealloc, channel_dealloc},
    {Py_tp_traverse, channel_traverse},
    {Py_tp_clear, channel_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, channel_next},
    {Py_tp_methods, channel_methods},
    {Py_tp_getset, gosp_channel_getset},
    {Py_tp_members, channel_members},
    {0, NULL},
};

static PyType_Spec channel_spec = {
    .name = "gossamer.channel",
    .basicsize = sizeof(ChannelObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = channel_slots,
};

static PyObject *buffered_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"capacity", NULL};
    Py_ssize_t capacity;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n:BufferedChannel", names, &capacity))
        return NULL;
    if (capacity < 1 || capacity > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "capacity must be at least 1 and fit 31 bits; for no buffer use channel()");
        return NULL;
    }
    ChannelObject *ch = (ChannelObject *)channel_alloc(type);
    if (ch && gos_channel_set_capacity(&ch->core, (size_t)capacity) != GOS_OK) {
        Py_DECREF(ch);
        return PyErr_NoMemory();
    }
    return (PyObject *)ch;
}

static Py_ssize_t buffered_length(PyObject *self)
{
    gos_channel *ch = &((ChannelObject *)self)->core;
    return gos_channel_balance(ch) - ch->waiting;
}

static int buffered_bool(PyObject *self)
{
    (void)self;
    return 1; /* an empty channel is still a channel */
}

static PyType_Slot buffered_slots[] = {
    {Py_tp_doc, "BufferedChannel(capacity)\n--\n\n"
                "A channel that keeps up to capacity values: send waits only while it is full, receive only while it is\n"
                "empty. len() is the number of kept values; balance also counts blocked senders. (Go)"},
    {Py_tp_new, buffered_new},
    {Py_sq_length, buffered_length},
    {Py_nb_bool, buffered_bool},
    {Py_tp_traverse, channel_traverse},
    {Py_tp_clear, channel_clear},
    {0, NULL},
};

static PyType_Spec buffered_spec = {
    .name = "gossamer.BufferedChannel",
    .basicsize = sizeof(ChannelObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = buffered_slots,
};

int gosp_channel_init_type(PyObject *module)
{
    if (!gosp.channel_type) {
        gosp.channel_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &channel_spec, NULL);
        if (!gosp.channel_type)
            return -1;
        gosp.buffered_type =
            (PyTypeObject *)PyType_FromModuleAndSpec(module, &buffered_spec, (PyObject *)gosp.channel_type);
        if (!gosp.buffered_type)
            return -1;
    }
    if (PyModule_AddObjectRef(module, "channel", (PyObject *)gosp.channel_type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "BufferedChannel", (PyObject *)gosp.buffered_type);
}
