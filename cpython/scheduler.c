/* scheduler.c - module functions that switch: schedule, run, sleep; and the switch trap. */
#include "gosp.h"

#include "sched/sched.h"

static GOSI_INLINE int set_retval(TaskletObject *cur, PyObject *const *args, Py_ssize_t nargs,
                                  PyObject *kwnames, const char *function)
{
    static const char *const names[] = {"retval"};
    PyObject *given[1] = {(PyObject *)cur};
    if (GOSP_UNLIKELY(nargs || kwnames) && gosp_parse(args, nargs, kwnames, function, names, 1, 0, given) < 0)
        return -1;
    PyObject *old = cur->core.value;
    if (GOSP_UNLIKELY(old != NULL)) {
        if (gosp_pending(cur) < 0)
            return -1;
        cur->core.value = NULL;
        Py_DECREF(old);
    }
    cur->core.value = Py_NewRef(given[0]);
    return 0;
}

/* With the trap set nothing switches, so there is nothing to be resumed with; in a hook the register is another
 * operation's. */
PyObject *gosp_schedule_trapped(gosp_thread *th, PyObject *retval, int remove)
{
    int rc = remove ? gos_sched_park(&th->sched) : gos_sched_yield(&th->sched);
    if (rc != GOS_OK)
        return gosp_raise_status(th, rc);
    Py_INCREF(retval);
    gosp_settle(th);
    return retval;
}

GOSI_COLD static PyObject *schedule_trapped(gosp_thread *th, TaskletObject *cur, PyObject *const *args, Py_ssize_t nargs,
                                            PyObject *kwnames, int remove)
{
    static const char *const names[] = {"retval"};
    PyObject *given[1] = {(PyObject *)cur};
    if (gosp_parse(args, nargs, kwnames, remove ? "schedule_remove" : "schedule", names, 1, 0, given) < 0)
        return NULL;
    return gosp_schedule_trapped(th, given[0], remove);
}

static inline int trapped(gosp_thread *th)
{
    return GOSP_UNLIKELY(th->sched.trap || th->sched.head != th->sched.current);
}

static PyObject *schedule(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    TaskletObject *cur = gosp_current(th);
    if (trapped(th))
        return schedule_trapped(th, cur, args, nargs, kwnames, 0);
    if (set_retval(cur, args, nargs, kwnames, "schedule") < 0)
        return NULL;
    int rc = gosi_yield(&th->sched);
    return GOSP_LIKELY(rc == GOS_OK) ? gosp_resumed_hot(th, cur) : gosp_resumed(th, cur, rc);
}

static PyObject *schedule_remove(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    TaskletObject *cur = gosp_current(th);
    if (trapped(th))
        return schedule_trapped(th, cur, args, nargs, kwnames, 1);
    if (set_retval(cur, args, nargs, kwnames, "schedule_remove") < 0)
        return NULL;
    return gosp_resumed(th, cur, gos_sched_park(&th->sched));
}

/* The limits that the arguments of run() ask for; quantum and budget 0: none. -1 with an exception. */
static int run_limits(PyObject *const *given, struct gosp_run_limits *limits)
{
    int flag[5] = {0};
    long long timeout = 0;
    for (int i = 1; i < 5; i++)
        if (given[i] && (flag[i] = PyObject_IsTrue(given[i])) < 0)
            return -1;
    if (given[0]) {
        timeout = PyLong_AsLongLong(given[0]);
        if (timeout == -1 && PyErr_Occurred())
            return -1;
    }
    if (gosp_microseconds(given[5], "quantum_us", &limits->quantum) < 0 ||
        gosp_microseconds(given[6], "budget_us", &limits->budget) < 0)
        return -1;
    limits->threadblock = flag[1] != 0;
    limits->soft = flag[2] != 0;
    limits->ignore_nesting = flag[3] != 0;
    if (timeout <= 0)
        return 0;
    if (limits->quantum || limits->budget) {
        PyErr_SetString(PyExc_ValueError, "run() takes either timeout or quantum_us and budget_us");
        return -1;
    }
    int64_t ns = timeout > GOS_FOREVER / 4000 ? GOS_FOREVER / 4 : timeout * 1000;
    limits->cpu = 1;
    *(flag[4] ? &limits->budget : &limits->quantum) = ns;
    return 0;
}

static int run_limited(gosp_thread *th, const struct gosp_run_limits *limits)
{
    gos_sched *s = &th->sched;
    s->no_waiting = limits->budget && !limits->cpu; /* the budget is for work, and the caller has better to do */
    s->threadblock = limits->threadblock && !s->no_waiting;
    int rc = gos_sched_run(s);
    s->no_waiting = s->threadblock = 0;
    gosp_slice_end_run(th);
    return rc;
}

/* Only the outermost limits of a thread count. */
PyObject *gosp_run(gosp_thread *th, const struct gosp_run_limits *limits)
{
    TaskletObject *cur = gosp_current(th);
    if (gosp_pending(cur) < 0)
        return NULL;
    if (th->slice.watchdog || !(limits->quantum || limits->budget))
        return gosp_resumed(th, cur, gos_sched_run(&th->sched));
    if (th->sched.head != th->sched.current)
        return gosp_raise_status(th, GOS_ETRAP);
    if (gosp_slice_begin_run(th, limits) < 0)
        return NULL;
    return gosp_resumed(th, cur, run_limited(th, limits));
}

static PyObject *run(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout", "threadblock", "soft", "ignore_nesting", "totaltimeout",
                                        "quantum_us", "budget_us"};
    PyObject *given[7] = {NULL};
    struct gosp_run_limits limits = {0};
    (void)module;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (nargs > 5) {
        PyErr_Format(PyExc_TypeError, "run() takes at most 5 positional arguments (%zd given)", nargs);
        return NULL;
    }
    if (gosp_parse(args, nargs, kwnames, "run", names, 7, 0, given) < 0 || run_limits(given, &limits) < 0)
        return NULL;
    return gosp_run(th, &limits);
}

static PyObject *sleep_seconds(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"seconds"};
    PyObject *given[1] = {NULL};
    (void)module;
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    if (!th || gosp_parse(args, nargs, kwnames, "sleep", names, 1, 1, given) < 0)
        return NULL;
    if (given[0] == Py_None) {
        PyErr_SetString(PyExc_TypeError, "sleep() needs a number of seconds, not None");
        return NULL;
    }
    if (gosp_deadline(given[0], &deadline) < 0)
        return NULL;
    TaskletObject *cur = gosp_current(th);
    if (gosp_pending(cur) < 0)
        return NULL;
    if (deadline == 0)
        return gosp_resumed(th, cur, gos_sched_yield(&th->sched));
    return gosp_resumed(th, cur, gos_sched_sleep(&th->sched, deadline));
}

static PyObject *switch_trap(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    if (!th)
        return NULL;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "switch_trap expected at most 1 argument, got %zd", nargs);
        return NULL;
    }
    int change = 0;
    if (nargs == 1) {
        long wanted = PyLong_Check(args[0]) ? PyLong_AsLong(args[0]) : -1;
        if (!PyLong_Check(args[0]))
            PyErr_Format(PyExc_TypeError, "switch_trap() needs an int, not %.200s", Py_TYPE(args[0])->tp_name);
        if (PyErr_Occurred())
            return NULL;
        change = (int)wanted;
    }
    int old = th->sched.trap;
    th->sched.trap += change;
    return PyLong_FromLong(old);
}

/* ---- select ---- */

static int parse_case(PyObject *item, struct gos_case *c)
{
    if (Channel_Check(item)) {
        c->channel = &((ChannelObject *)item)->core;
        c->send = 0;
        c->value = NULL;
        return 0;
    }
    if (PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 2 && Channel_Check(PyTuple_GET_ITEM(item, 0))) {
        c->channel = &((ChannelObject *)PyTuple_GET_ITEM(item, 0))->core;
        c->send = 1;
        c->value = PyTuple_GET_ITEM(item, 1);
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "a case of select() is a channel (receive) or a tuple (channel, value) (send), not %.200s",
                 Py_TYPE(item)->tp_name);
    return -1;
}

static void release_cases(struct gos_case *cases, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_DECREF(gosp_channel_of(cases[i].channel));
        if (cases[i].send)
            Py_XDECREF((PyObject *)cases[i].value);
    }
    PyMem_Free(cases);
}

/* Own references throughout: the caller may change its list while we wait. */
static struct gos_case *parse_cases(PyObject *list, Py_ssize_t *count)
{
    PyObject *fast = PySequence_Fast(list, "select() needs a list of cases");
    *count = -1;
    if (!fast)
        return NULL;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(fast), done = 0;
    struct gos_case *cases = NULL;
    if (n > 0 && !(cases = PyMem_Calloc((size_t)n, sizeof *cases)))
        PyErr_NoMemory();
    while (cases && done < n) {
        if (parse_case(PySequence_Fast_GET_ITEM(fast, done), &cases[done]) < 0) {
            release_cases(cases, done);
            cases = NULL;
            break;
        }
        Py_INCREF(gosp_channel_of(cases[done].channel));
        Py_XINCREF((PyObject *)cases[done].value);
        done++;
    }
    Py_DECREF(fast);
    *count = n;
    return cases;
}

/* An empty list is what a program may come to: nothing is ever ready. */
static PyObject *select_nothing(gosp_thread *th, TaskletObject *cur, int block, int64_t deadline)
{
    if (!block)
        return Py_BuildValue("(iO)", -1, Py_None);
    if (deadline == GOS_FOREVER) {
        PyErr_SetString(PyExc_ValueError, "select() without cases and without a timeout would wait for ever");
        return NULL;
    }
    int rc = deadline ? gos_sched_sleep(&th->sched, deadline) : GOS_OK;
    PyObject *value = gosp_resumed(th, cur, rc);
    if (!value)
        return NULL;
    Py_DECREF(value);
    return gosp_raise_status(th, GOS_ETIMEDOUT);
}

PyObject *gosp_select(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"cases", "timeout", "block"};
    PyObject *given[3] = {NULL, Py_None, Py_True};
    (void)module;
    gosp_thread *th = gosp_thread_current();
    int64_t deadline;
    Py_ssize_t n;
    if (!th || gosp_parse(args, nargs, kwnames, "select", names, 3, 1, given) < 0 || gosp_deadline(given[1], &deadline) < 0)
        return NULL;
    int block = PyObject_IsTrue(given[2]);
    if (block < 0)
        return NULL;
    if (GOSP_UNLIKELY(th->channel_callback_in != NULL)) {
        PyErr_SetString(PyExc_RuntimeError, "Recursive channel call due to callbacks!");
        return NULL;
    }
    TaskletObject *cur = gosp_current(th);
    if (th->sched.head != th->sched.current)
        return gosp_raise_status(th, GOS_ETRAP);
    if (gosp_pending(cur) < 0)
        return NULL;
    struct gos_case *cases = parse_cases(given[0], &n);
    if (!cases)
        return n == 0 && !PyErr_Occurred() ? select_nothing(th, cur, block, deadline) : NULL;
    gosp_frames_note_function(&cur->state, th->ts, (void *)gosp_select, args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
    size_t chosen = 0;
    int rc = gos_channel_select(&th->sched, cases, (size_t)n, block ? deadline : 0, &chosen);
    cur->state.eval_top = NULL;
    if (rc == GOS_OK && chosen < (size_t)n && cases[chosen].send)
        cases[chosen].value = NULL; /* handed over */
    if (rc == GOS_ETIMEDOUT && !block) {
        release_cases(cases, n);
        return Py_BuildValue("(iO)", -1, Py_None);
    }
    if (rc == GOS_EINVAL) {
        release_cases(cases, n);
        PyErr_SetString(PyExc_ValueError, "select() cannot wait for sending and for receiving on the same channel");
        return NULL;
    }
    PyObject *value = gosp_resumed(th, cur, rc);
    release_cases(cases, n);
    return value ? Py_BuildValue("(nN)", (Py_ssize_t)chosen, value) : NULL;
}

PyMethodDef gosp_scheduler_functions[] = {
    {"schedule", (PyCFunction)(void (*)(void))schedule, METH_FASTCALL | METH_KEYWORDS,
     "schedule($module, retval=<current>)\n--\n\n"
     "Let the next runnable tasklet run; the caller becomes the last of the run queue. Returns retval (default: the\n"
     "current tasklet) unless somebody changed its tempval. (Stackless)"},
    {"schedule_remove", (PyCFunction)(void (*)(void))schedule_remove, METH_FASTCALL | METH_KEYWORDS,
     "schedule_remove($module, retval=<current>)\n--\n\n"
     "As schedule, but the caller leaves the run queue until somebody inserts it. (Stackless)"},
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL | METH_KEYWORDS,
     "run($module, timeout=0, threadblock=False, soft=False, ignore_nesting=False, totaltimeout=False, *, quantum_us=None,\n"
     "    budget_us=None)\n--\n\n"
     "Run the other tasklets of this thread until none is runnable and none sleeps; returns None. An error that ends one of\n"
     "them is raised here. A limit interrupts the tasklet that reaches it, which is paused and returned. timeout > 0: how\n"
     "long one may run without a switch, in microseconds of CPU time; with totaltimeout, how long all of run() may take,\n"
     "each switch counting 5 more. soft: return None instead at the first switch after that. ignore_nesting: interrupt\n"
     "also inside C functions that call Python. (Stackless) quantum_us and budget_us are the same two limits in real time;\n"
     "with budget_us, run() does not wait for sleeping tasklets."},
    {"sleep", (PyCFunction)(void (*)(void))sleep_seconds, METH_FASTCALL | METH_KEYWORDS,
     "sleep($module, seconds)\n--\n\nLet other tasklets run for so long; 0: just once. (time.sleep)"},
    {"switch_trap", (PyCFunction)(void (*)(void))switch_trap, METH_FASTCALL,
     "switch_trap($module, change=0, /)\n--\n\n"
     "Add change to the trap level of this thread and return the old level. While it is not 0, whatever would switch\n"
     "raises RuntimeError and changes nothing. (Stackless)"},
    {"select", (PyCFunction)(void (*)(void))gosp_select, METH_FASTCALL | METH_KEYWORDS,
     "select($module, cases, timeout=None, block=True)\n--\n\n"
     "Perform one of several channel operations; returns (index, value). A case is a channel (receive) or a tuple\n"
     "(channel, value) (send; value is None then). The first ready case in the list wins, else the first that becomes\n"
     "ready. timeout: seconds, then TimeoutError. block=False: (-1, None) if none is ready. (Go)"},
    {"spawn", (PyCFunction)(void (*)(void))gosp_spawn, METH_FASTCALL | METH_KEYWORDS,
     "spawn($module, func, /, *args, name=None, **kwargs)\n--\n\n"
     "Make a tasklet that will run func(*args, **kwargs), at the end of the run queue; its outcome is kept for join."},
    {NULL},
};
