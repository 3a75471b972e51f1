/* capi.c - the functions behind include/stackless_api.h, which says what each does, and their capsule.
 *
 * Each does what the Python operation of the same name does. What can fail checks its arguments' types, since
 * a wrong object would otherwise be taken for a tasklet's memory; what cannot fail has no way to say so.
 */
#include "capi.h"

#include "gossamer/python.h"

static TaskletObject *tasklet(PyTaskletObject *t)
{
    return (TaskletObject *)t;
}

static gos_channel *core_of(PyChannelObject *ch)
{
    return &((ChannelObject *)ch)->core;
}

static int check(void *op, PyTypeObject *type)
{
    if (op && PyObject_TypeCheck((PyObject *)op, type))
        return 0;
    PyErr_Format(PyExc_TypeError, "%s needed, not %.200s", type->tp_name, op ? Py_TYPE((PyObject *)op)->tp_name : "NULL");
    return -1;
}

/* Begin an operation on t or ch: the calling thread's scheduler, or NULL with an exception. */
static gosp_thread *enter_tasklet(PyTaskletObject *t)
{
    return check(t, gosp.tasklet_type) < 0 ? NULL : gosp_thread_current();
}

static gosp_thread *enter_channel(PyChannelObject *ch)
{
    return check(ch, gosp.channel_type) < 0 ? NULL : gosp_thread_current();
}

/* A result that only tells whether it worked. Steals. */
static int done(PyObject *result)
{
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *or_none(PyObject *op)
{
    return op ? op : Py_None;
}

static int check_subtype(PyTypeObject *type, PyTypeObject *base)
{
    if (PyType_IsSubtype(type, base))
        return 0;
    PyErr_Format(PyExc_TypeError, "a subtype of %s is needed, not %.200s", base->tp_name, type->tp_name);
    return -1;
}

/* ---- tasklets ---- */

static PyTaskletObject *tasklet_new(PyTypeObject *type, PyObject *func)
{
    if (!type)
        type = gosp.tasklet_type;
    if (check_subtype(type, gosp.tasklet_type) < 0)
        return NULL;
    PyObject *t = PyObject_CallFunctionObjArgs((PyObject *)type, func, NULL);
    if (t && check(t, gosp.tasklet_type) < 0) /* its __new__ may return anything */
        Py_CLEAR(t);
    return (PyTaskletObject *)t;
}

static int tasklet_setup(PyTaskletObject *t, PyObject *args, PyObject *kwds)
{
    gosp_thread *th = enter_tasklet(t);
    if (!args)
        args = gosp.empty_tuple;
    if (!th || check(args, &PyTuple_Type) < 0 || (kwds && check(kwds, &PyDict_Type) < 0))
        return -1;
    return gosp_tasklet_setup(th, tasklet(t), args, kwds);
}

static int tasklet_bind_ex(PyTaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs)
{
    gosp_thread *th = enter_tasklet(t);
    return th ? gosp_tasklet_bind(th, tasklet(t), or_none(func), or_none(args), or_none(kwargs)) : -1;
}

static int tasklet_bind_thread(PyTaskletObject *t, unsigned long thread_id)
{
    PyObject *type = (PyObject *)gosp.tasklet_type; /* its method, also when a subclass overrides it */
    if (!enter_tasklet(t))
        return -1;
    if (thread_id == (unsigned long)-1)
        return done(PyObject_CallMethod(type, "bind_thread", "O", t));
    return done(PyObject_CallMethod(type, "bind_thread", "Ok", t, thread_id));
}

static int tasklet_run(PyTaskletObject *t)
{
    gosp_thread *th = enter_tasklet(t);
    return th ? done(gosp_tasklet_switch(th, tasklet(t), 0)) : -1;
}

static int tasklet_switch(PyTaskletObject *t)
{
    gosp_thread *th = enter_tasklet(t);
    return th ? done(gosp_tasklet_switch(th, tasklet(t), 1)) : -1;
}

static int tasklet_insert(PyTaskletObject *t)
{
    gosp_thread *th = enter_tasklet(t);
    return th ? gosp_tasklet_insert(th, tasklet(t)) : -1;
}

static int tasklet_remove(PyTaskletObject *t)
{
    gosp_thread *th = enter_tasklet(t);
    return th ? gosp_tasklet_remove(th, tasklet(t)) : -1;
}

/* klass(*args): args may be a tuple, a single argument, or NULL. */
static PyObject *bomb_of(PyObject *klass, PyObject *args, const char *message)
{
    PyObject *tuple;
    if (!args)
        tuple = Py_NewRef(gosp.empty_tuple);
    else
        tuple = PyTuple_Check(args) ? Py_NewRef(args) : PyTuple_Pack(1, args);
    PyObject *bomb = tuple ? gosp_bomb_from_class(or_none(klass), tuple, message) : NULL;
    Py_XDECREF(tuple);
    return bomb;
}

static int tasklet_raise_exception(PyTaskletObject *t, PyObject *klass, PyObject *args)
{
    gosp_thread *th = enter_tasklet(t);
    PyObject *bomb =
        th ? bomb_of(klass, args, "tasklet.raise_exception needs Exception or string subclass as first parameter") : NULL;
    return bomb ? done(gosp_throw_bomb(th, tasklet(t), bomb, 0)) : -1;
}

static int tasklet_throw(PyTaskletObject *t, int pending, PyObject *exc, PyObject *val, PyObject *tb)
{
    gosp_thread *th = enter_tasklet(t);
    PyObject *bomb = th ? gosp_bomb_from_throw(or_none(exc), or_none(val), or_none(tb)) : NULL;
    return bomb ? done(gosp_throw_bomb(th, tasklet(t), bomb, pending != 0)) : -1;
}

static int tasklet_kill_ex(PyTaskletObject *t, int pending)
{
    gosp_thread *th = enter_tasklet(t);
    return th ? gosp_kill(th, tasklet(t), pending != 0) : -1;
}

static int get_flag(PyTaskletObject *t, uint32_t flag)
{
    return (tasklet(t)->core.flags & flag) != 0;
}

static void set_flag(PyTaskletObject *t, uint32_t flag, int on)
{
    if (on)
        tasklet(t)->core.flags |= flag;
    else
        tasklet(t)->core.flags &= ~flag;
}

static int exchange_flag(PyTaskletObject *t, uint32_t flag, int on)
{
    if (check(t, gosp.tasklet_type) < 0)
        return -1;
    int old = get_flag(t, flag);
    set_flag(t, flag, on);
    return old;
}

static int tasklet_set_atomic(PyTaskletObject *t, int on)
{
    return check(t, gosp.tasklet_type) < 0 ? -1 : gosp_atomic_set(tasklet(t), on != 0);
}

static int tasklet_get_atomic(PyTaskletObject *t)
{
    return get_flag(t, GOS_F_ATOMIC);
}

static int tasklet_set_ignore_nesting(PyTaskletObject *t, int on)
{
    return exchange_flag(t, GOS_F_IGNORE_NESTING, on);
}

static int tasklet_get_ignore_nesting(PyTaskletObject *t)
{
    return get_flag(t, GOS_F_IGNORE_NESTING);
}

static void tasklet_set_block_trap(PyTaskletObject *t, int on)
{
    set_flag(t, GOS_F_BLOCK_TRAP, on);
}

static int tasklet_get_block_trap(PyTaskletObject *t)
{
    return get_flag(t, GOS_F_BLOCK_TRAP);
}

static int tasklet_is_current(PyTaskletObject *t)
{
    gos_sched *s = tasklet(t)->core.sched;
    return s && s->current == &tasklet(t)->core;
}

static int tasklet_get_pending_irq(PyTaskletObject *t)
{
    return tasklet_is_current(t) && gosp_thread_of(tasklet(t)->core.sched)->slice.due != 0;
}

/* Nested interpreter calls are not counted. */
static int always_zero(PyTaskletObject *t)
{
    (void)t;
    return 0;
}

static int tasklet_is_main(PyTaskletObject *t)
{
    return get_flag(t, GOS_F_MAIN);
}

static PyObject *tasklet_get_frame(PyTaskletObject *t)
{
    TaskletObject *self = tasklet(t);
    PyObject *frame = NULL;
    if (tasklet_is_current(t))
        frame = (PyObject *)PyThreadState_GetFrame(gosp_thread_of(self->core.sched)->ts);
    else if (self->core.sched && (self->core.flags & GOSP_HAS_STATE))
        frame = gosp_frames_innermost(&self->state, PyThreadState_Get());
    return frame;
}

static int tasklet_alive(PyTaskletObject *t)
{
    return gosp_alive(tasklet(t));
}

static int tasklet_paused(PyTaskletObject *t)
{
    int place = tasklet(t)->core.place;
    return gosp_alive(tasklet(t)) && (place == GOS_NOWHERE || place == GOS_ASLEEP);
}

static int tasklet_scheduled(PyTaskletObject *t)
{
    return tasklet(t)->core.place == GOS_IN_RING || gosp_blocked(tasklet(t));
}

static int tasklet_restorable(PyTaskletObject *t)
{
    return !get_flag(t, GOS_F_STARTED);
}

static int tasklet_get_recursion_depth(PyTaskletObject *t)
{
    PyObject *depth = PyObject_GetAttrString((PyObject *)t, "recursion_depth");
    long n = depth ? PyLong_AsLong(depth) : -1;
    Py_XDECREF(depth);
    return (int)n;
}

/* ---- channels ---- */

static PyChannelObject *channel_new(PyTypeObject *type)
{
    if (!type)
        type = gosp.channel_type;
    if (check_subtype(type, gosp.channel_type) < 0)
        return NULL;
    PyObject *ch = PyObject_CallNoArgs((PyObject *)type);
    if (ch && check(ch, gosp.channel_type) < 0)
        Py_CLEAR(ch);
    return (PyChannelObject *)ch;
}

/* Steals value, which may be NULL with an exception set. */
static int send_stolen(PyChannelObject *ch, PyObject *value)
{
    gosp_thread *th = value ? enter_channel(ch) : NULL;
    if (!th) {
        Py_XDECREF(value);
        return -1;
    }
    return done(gosp_channel_send_value(th, (ChannelObject *)ch, value, GOS_FOREVER));
}

static int channel_send(PyChannelObject *ch, PyObject *value)
{
    if (!value) {
        PyErr_SetString(PyExc_SystemError, "PyChannel_Send needs a value, not NULL");
        return -1;
    }
    return send_stolen(ch, Py_NewRef(value));
}

static PyObject *channel_receive(PyChannelObject *ch)
{
    gosp_thread *th = enter_channel(ch);
    return th ? gosp_channel_receive_value(th, (ChannelObject *)ch, GOS_FOREVER) : NULL;
}

static int channel_send_exception(PyChannelObject *ch, PyObject *klass, PyObject *value)
{
    return send_stolen(
        ch, bomb_of(klass, value, "channel.send_exception needs Exception or string subclass as first parameter"));
}

static int channel_send_throw(PyChannelObject *ch, PyObject *exc, PyObject *val, PyObject *tb)
{
    return send_stolen(ch, gosp_bomb_from_throw(or_none(exc), or_none(val), or_none(tb)));
}

static PyObject *channel_get_queue(PyChannelObject *ch)
{
    gos_node *first = core_of(ch)->first;
    return Py_NewRef(first ? (PyObject *)gosp_of(gos_node_tasklet(first)) : Py_None);
}

static void channel_close(PyChannelObject *ch)
{
    gos_close(core_of(ch));
}

static void channel_open(PyChannelObject *ch)
{
    gos_open(core_of(ch));
}

static int channel_get_closing(PyChannelObject *ch)
{
    return core_of(ch)->closing;
}

static int channel_get_closed(PyChannelObject *ch)
{
    return core_of(ch)->closing && gos_channel_balance(core_of(ch)) == 0;
}

static int channel_get_preference(PyChannelObject *ch)
{
    return core_of(ch)->preference;
}

static void channel_set_preference(PyChannelObject *ch, int preference)
{
    gos_set_preference(core_of(ch), preference > 0 ? 1 : preference < 0 ? -1 : 0);
}

static int channel_get_schedule_all(PyChannelObject *ch)
{
    return core_of(ch)->schedule_all;
}

static void channel_set_schedule_all(PyChannelObject *ch, int on)
{
    core_of(ch)->schedule_all = on != 0;
}

static int channel_get_balance(PyChannelObject *ch)
{
    return gos_channel_balance(core_of(ch));
}

/* ---- the scheduler ---- */

static PyObject *schedule(PyObject *retval, int remove)
{
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    TaskletObject *cur = gosp_current(th);
    if (!retval)
        retval = (PyObject *)cur;
    if (th->sched.trap || th->sched.head != th->sched.current)
        return gosp_schedule_trapped(th, retval, remove);
    if (gosp_pending(cur) < 0)
        return NULL;
    PyObject *old = cur->core.value;
    cur->core.value = Py_NewRef(retval);
    Py_XDECREF(old);
    return gosp_resumed(th, cur, remove ? gos_sched_park(&th->sched) : gos_sched_yield(&th->sched));
}

static int get_run_count(void)
{
    gosp_thread *th = gosp_thread_current();
    return th ? th->sched.runcount : -1;
}

static PyObject *get_current(void)
{
    gosp_thread *th = gosp_thread_current();
    return th ? Py_NewRef((PyObject *)gosp_current(th)) : NULL;
}

/* Without the GIL: looks at what only this OS thread changes. Must agree with getcurrentid(). */
static unsigned long get_current_id(void)
{
    gosp_thread *th = gosp_self;
    if (!th)
        return PyThread_get_thread_ident();
    TaskletObject *cur = gosp_current(th);
    return cur == th->main ? th->thread_id : (unsigned long)gosp_hash_pointer(cur);
}

static PyObject *run_watchdog_ex(long timeout, int flags)
{
    if (flags & ~15) {
        PyErr_Format(PyExc_ValueError, "unknown watchdog flags: %d", flags & ~15);
        return NULL;
    }
    return PyObject_CallMethod(gosp.module, "run", "liiii", timeout, flags & 1, flags & 2, flags & 4, flags & 8);
}

static int set_channel_callback(PyObject *callable)
{
    return done(PyObject_CallMethod(gosp.module, "set_channel_callback", "O", or_none(callable)));
}

static int set_schedule_callback(PyObject *callable)
{
    return done(PyObject_CallMethod(gosp.module, "set_schedule_callback", "O", or_none(callable)));
}

static slp_schedule_hook_func *fast_callback;

/* The switch is under way and may belong to an operation that fails: the hook's errors and the pending one
 * must not meet. */
static void call_fast_callback(PyObject *from, PyObject *to)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (fast_callback((PyTaskletObject *)from, (PyTaskletObject *)to) != 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_SystemError, "the fast schedule callback failed without setting an exception");
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(from);
    PyErr_Restore(type, value, traceback);
}

static void set_schedule_fast_callback(slp_schedule_hook_func *hook)
{
    fast_callback = hook;
    gosp.fast_schedule_callback = hook ? call_fast_callback : NULL;
    gosp_update_notify();
}

static int adjust_switch_trap(int change)
{
    PyObject *old = PyObject_CallMethod(gosp.module, "switch_trap", "i", change);
    long level = old ? PyLong_AsLong(old) : -1;
    Py_XDECREF(old);
    return (int)level;
}

static int call_error_handler(void)
{
    PyObject *type, *value, *traceback;
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "PyStackless_CallErrorHandler needs a pending exception");
        return -1;
    }
    if (!gosp.error_handler)
        return -1;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback)
        PyException_SetTraceback(value, traceback);
    PyObject *handler = Py_NewRef(gosp.error_handler);
    PyObject *answer = PyObject_CallFunctionObjArgs(handler, type, value, or_none(traceback), NULL);
    Py_DECREF(handler);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return done(answer);
}

/* The thread's own stack is its main tasklet as soon as there is a scheduler. */
static PyObject *call_main(PyObject *func, PyObject *args, PyObject *kwds)
{
    if (!gosp_thread_current())
        return NULL;
    return PyObject_Call(func, args ? args : gosp.empty_tuple, kwds);
}

/* ---- the capsule ---- */

static PyStackless_CAPI table = {
    .size = sizeof(PyStackless_CAPI),
    .version = PYSTACKLESS_API_VERSION,
    .release = GOSSAMER_VERSION,
    .tasklet_new = tasklet_new,
    .tasklet_setup = tasklet_setup,
    .tasklet_bind_ex = tasklet_bind_ex,
    .tasklet_bind_thread = tasklet_bind_thread,
    .tasklet_run = tasklet_run,
    .tasklet_switch = tasklet_switch,
    .tasklet_insert = tasklet_insert,
    .tasklet_remove = tasklet_remove,
    .tasklet_raise_exception = tasklet_raise_exception,
    .tasklet_throw = tasklet_throw,
    .tasklet_kill_ex = tasklet_kill_ex,
    .tasklet_set_atomic = tasklet_set_atomic,
    .tasklet_get_atomic = tasklet_get_atomic,
    .tasklet_set_ignore_nesting = tasklet_set_ignore_nesting,
    .tasklet_get_ignore_nesting = tasklet_get_ignore_nesting,
    .tasklet_set_block_trap = tasklet_set_block_trap,
    .tasklet_get_block_trap = tasklet_get_block_trap,
    .tasklet_get_pending_irq = tasklet_get_pending_irq,
    .tasklet_get_frame = tasklet_get_frame,
    .tasklet_is_main = tasklet_is_main,
    .tasklet_is_current = tasklet_is_current,
    .tasklet_alive = tasklet_alive,
    .tasklet_paused = tasklet_paused,
    .tasklet_scheduled = tasklet_scheduled,
    .tasklet_restorable = tasklet_restorable,
    .tasklet_get_recursion_depth = tasklet_get_recursion_depth,
    .tasklet_get_nesting_level = always_zero,
    .channel_new = channel_new,
    .channel_send = channel_send,
    .channel_receive = channel_receive,
    .channel_send_exception = channel_send_exception,
    .channel_send_throw = channel_send_throw,
    .channel_get_queue = channel_get_queue,
    .channel_close = channel_close,
    .channel_open = channel_open,
    .channel_get_closing = channel_get_closing,
    .channel_get_closed = channel_get_closed,
    .channel_get_preference = channel_get_preference,
    .channel_set_preference = channel_set_preference,
    .channel_get_schedule_all = channel_get_schedule_all,
    .channel_set_schedule_all = channel_set_schedule_all,
    .channel_get_balance = channel_get_balance,
    .schedule = schedule,
    .get_run_count = get_run_count,
    .get_current = get_current,
    .get_current_id = get_current_id,
    .run_watchdog_ex = run_watchdog_ex,
    .set_channel_callback = set_channel_callback,
    .set_schedule_callback = set_schedule_callback,
    .set_schedule_fast_callback = set_schedule_fast_callback,
    .adjust_switch_trap = adjust_switch_trap,
    .call_error_handler = call_error_handler,
    .call_main = call_main,
    .run_budget = gosp_capi_run_budget,
    .set_preemption = gosp_capi_set_preemption,
};

/* The package is being imported around us, and it is where the capsule belongs by its name. */
static int add_to_package(PyObject *capsule)
{
    PyObject *name = PyUnicode_FromString("gossamer");
    PyObject *package = name ? PyImport_GetModule(name) : NULL;
    Py_XDECREF(name);
    int rc = package ? PyObject_SetAttrString(package, "_C_API", capsule) : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(package);
    return rc;
}

int gosp_capi_init(PyObject *module)
{
    if (!table.cstack_type) {
        table.tasklet_type = gosp.tasklet_type;
        table.channel_type = gosp.channel_type;
        table.bomb_type = gosp.bomb_type;
        table.cstack_type = (PyTypeObject *)PyObject_GetAttrString(module, "cstack");
        if (!table.cstack_type)
            return -1;
    }
    PyObject *capsule = PyCapsule_New(&table, PYSTACKLESS_API_CAPSULE, NULL);
    int rc = capsule && PyModule_AddObjectRef(module, "_C_API", capsule) == 0 ? add_to_package(capsule) : -1;
    Py_XDECREF(capsule);
    return rc;
}
