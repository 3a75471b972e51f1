/* pool.c - worker pools: a tasklet hands a blocking call to a thread and waits alone. (asyncio.to_thread)
 *
 * A job owns what it calls until it has been called, and its result until the tasklet takes it. The worker drops the
 * GIL between jobs; the end of a job is posted without it, so that the waiting thread finds it free.
 * Locking: the GIL for everything of Python; the rest is core/pool's.
 */
#include "record.h"

typedef struct PoolObject {
    PyObject_HEAD
    gos_pool *core;
    struct PoolObject *next; /* all pools, for the exit */
} PoolObject;

struct call_job {
    gos_job job; /* first */
    PoolObject *pool;
    PyObject *func, *kwnames;
    Py_ssize_t count, positional;
    PyObject *args[];
};

static PyTypeObject *pool_type;
static PoolObject *default_pool, *all_pools;

/* ---- workers ---- */

static __thread PyThreadState *worker; /* NULL: not a worker, or one that holds the GIL */
static __thread PyGILState_STATE worker_state;

static void worker_begins(void)
{
    worker_state = PyGILState_Ensure();
    worker = PyEval_SaveThread();
}

static void take_gil(void)
{
    PyThreadState *ts = worker;
    worker = NULL;
    GOSI_TRACE(GOS_TRACE_GIL_WAIT, 0, NULL, 0, 0);
    PyEval_RestoreThread(ts);
    GOSI_TRACE(GOS_TRACE_GIL_TAKE, 0, NULL, 0, 0);
}

static void drop_gil(void)
{
    GOSI_TRACE(GOS_TRACE_GIL_LEAVE, 0, NULL, 0, 0);
    worker = PyEval_SaveThread();
}

static void worker_ends(void)
{
    take_gil();
    PyGILState_Release(worker_state);
}

static void worker_sleeps(void)
{
    gosp_idle_passive(1);
    if (__atomic_load_n(&gosp.lonely_threads, __ATOMIC_SEQ_CST)) {
        take_gil();
        gosp_idle_reconsider(NULL);
        drop_gil();
    }
}

static void worker_awakes(void)
{
    gosp_idle_passive(-1);
}

/* ---- jobs ---- */

static void release_call(struct call_job *c)
{
    for (Py_ssize_t i = 0; i < c->count; i++)
        Py_CLEAR(c->args[i]);
    Py_CLEAR(c->kwnames);
    Py_CLEAR(c->func);
}

static void run_job(gos_job *job)
{
    struct call_job *c = (struct call_job *)job;
    take_gil();
    PyObject *result = PyObject_Vectorcall(c->func, c->args, (size_t)c->positional, c->kwnames);
    job->value = result ? result : gosp_bomb_from_error();
    release_call(c); /* here, and not where the tasklet waits: it may take long */
    drop_gil();
}

static void dispose_job(gos_job *job)
{
    struct call_job *c = (struct call_job *)job;
    int take = worker != NULL; /* its scheduler has ended */
    if (take)
        take_gil();
    release_call(c);
    Py_XDECREF((PyObject *)job->value);
    Py_DECREF(c->pool);
    PyMem_Free(c);
    if (take)
        drop_gil();
}

static struct call_job *make_job(PoolObject *pool, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                 Py_ssize_t first_keyword)
{
    Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0, count = nargs - 1 + keywords;
    struct call_job *c = PyMem_Calloc(1, sizeof *c + (size_t)count * sizeof c->args[0]);
    if (!c) {
        PyErr_NoMemory();
        return NULL;
    }
    c->job.run = run_job;
    c->job.dispose = dispose_job;
    c->pool = (PoolObject *)Py_NewRef((PyObject *)pool);
    c->func = Py_NewRef(args[0]);
    c->kwnames = Py_XNewRef(kwnames);
    c->count = count;
    c->positional = nargs - 1;
    for (Py_ssize_t i = 0; i < nargs - 1; i++)
        c->args[i] = Py_NewRef(args[i + 1]);
    for (Py_ssize_t i = 0; i < keywords; i++)
        c->args[nargs - 1 + i] = Py_NewRef(args[first_keyword + i]);
    return c;
}

/* ---- call_async ---- */

static PyObject *raise_pool_status(gosp_thread *th, int rc)
{
    switch (rc) {
    case GOS_ECLOSED: PyErr_SetString(PyExc_RuntimeError, "the pool has been stopped: make another one"); return NULL;
    case GOS_EBUSY:
        PyErr_SetString(PyExc_RuntimeError, "the call was lost: the process has been forked while a worker had it");
        return NULL;
    case GOS_ENOMEM: PyErr_SetString(PyExc_RuntimeError, "can't start a worker thread: threads or memory are used up"); return NULL;
    default: return gosp_raise_status(th, rc);
    }
}

static PyObject *perform(gosp_thread *th, struct call_job *c, int64_t deadline, PyObject *const *args, Py_ssize_t n, void *function)
{
    TaskletObject *cur = gosp_current(th);
    if (th->sched.head == th->sched.current)
        gosp_frames_note_function(&cur->state, th->ts, function, args, n);
    int half_gone = th->sched.head != th->sched.current;
    int rc = gos_pool_perform(&th->sched, c->pool->core, &c->job, deadline);
    if (half_gone)
        return raise_pool_status(th, rc);
    cur->state.eval_top = NULL;
    if (rc == GOS_ECLOSED || rc == GOS_EBUSY || rc == GOS_ENOMEM) {
        gosp_settle(th);
        return gosp_pending(cur) < 0 ? NULL : raise_pool_status(th, rc);
    }
    return gosp_resumed(th, cur, rc);
}

static PoolObject *pool_new_with(unsigned max_threads, size_t stack_size, int64_t idle_ns);

static PoolObject *the_default_pool(void)
{
    if (!default_pool)
        default_pool = pool_new_with(0, 0, 0);
    return default_pool;
}

/* Take pool= and timeout= out of the keywords; the others, in order, follow each other at *rest. */
static int own_keywords(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **pool, PyObject **timeout,
                        PyObject **others, PyObject ***values)
{
    Py_ssize_t n = PyTuple_GET_SIZE(kwnames), kept = 0;
    *values = PyMem_Calloc((size_t)(nargs + n), sizeof **values);
    PyObject *names = *values ? PyList_New(0) : PyErr_NoMemory();
    for (Py_ssize_t i = 0; names && i < nargs; i++)
        (*values)[i] = args[i];
    for (Py_ssize_t i = 0; names && i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i), *value = args[nargs + i];
        if (PyUnicode_CompareWithASCIIString(name, "pool") == 0) {
            *pool = value;
        } else if (PyUnicode_CompareWithASCIIString(name, "timeout") == 0) {
            *timeout = value;
        } else {
            (*values)[nargs + kept++] = value;
            if (PyList_Append(names, name) < 0)
                Py_CLEAR(names);
        }
    }
    *others = names && kept ? PyList_AsTuple(names) : NULL;
    int good = names && (!kept || *others);
    Py_XDECREF(names);
    return good ? 0 : -1;
}

static PyObject *call_async(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    gosp_thread *th = gosp_thread_current();
    PyObject *pool = Py_None, *timeout = Py_None, *others = NULL, **values = NULL, *result = NULL;
    int64_t deadline;
    if (!th)
        return NULL;
    if (nargs < 1 || !PyCallable_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, nargs < 1 ? "call_async() missing required argument 'func' (pos 1)"
                                                   : "call_async() needs a callable");
        return NULL;
    }
    if (kwnames && own_keywords(args, nargs, kwnames, &pool, &timeout, &others, &values) < 0)
        goto out;
    if (pool != Py_None && !PyObject_TypeCheck(pool, pool_type)) {
        PyErr_Format(PyExc_TypeError, "pool must be a gossamer.pool.Pool or None, not %.200s", Py_TYPE(pool)->tp_name);
        goto out;
    }
    if (gosp_deadline(timeout, &deadline) < 0 || gosp_pending(gosp_current(th)) < 0)
        goto out;
    PoolObject *chosen = pool != Py_None ? (PoolObject *)pool : the_default_pool();
    struct call_job *c = chosen ? make_job(chosen, values ? values : args, nargs, others, nargs) : NULL;
    if (c)
        result = perform(th, c, deadline, args, nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0), (void *)call_async);
out:
    Py_XDECREF(others);
    PyMem_Free(values);
    return result;
}

/* ---- the type ---- */

static int wait_for_workers(gos_pool *pool);

/* What has been handed in is done before the interpreter goes down, as with concurrent.futures. */
static PyObject *stop_all(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    for (PoolObject *p = all_pools; p; p = p->next)
        gos_pool_stop(p->core, 0);
    for (PoolObject *p = all_pools; p;) {
        PoolObject *held = (PoolObject *)Py_NewRef((PyObject *)p);
        int rc = wait_for_workers(p->core);
        p = p->next;
        Py_DECREF(held);
        if (rc < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static int register_exit(void)
{
    static PyMethodDef def = {"_stop_pools", stop_all, METH_NOARGS, "Wait for the calls that pools have taken."};
    static int registered;
    if (registered)
        return 0;
    PyObject *function = PyCFunction_New(&def, NULL);
    PyObject *threading = function ? PyImport_ImportModule("threading") : NULL;
    PyObject *done = threading ? PyObject_CallMethod(threading, "_register_atexit", "O", function) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(threading);
    Py_XDECREF(done);
    registered = done != NULL;
    return done ? 0 : -1; /* RuntimeError: too late, the interpreter goes down */
}

static PoolObject *pool_new_with(unsigned max_threads, size_t stack_size, int64_t idle_ns)
{
    struct gos_pool_config config = {
        .max_threads = max_threads,
        .stack_size = stack_size,
        .idle_ns = idle_ns,
        .thread_begin = worker_begins,
        .thread_end = worker_ends,
        .sleeps = worker_sleeps,
        .awakes = worker_awakes,
    };
    PoolObject *self = register_exit() == 0 ? (PoolObject *)pool_type->tp_alloc(pool_type, 0) : NULL;
    if (self && gos_pool_create_with(&config, &self->core) != GOS_OK) {
        PyErr_NoMemory();
        Py_CLEAR(self);
    }
    if (self) {
        self->next = all_pools;
        all_pools = self;
    }
    return self;
}

static PyObject *pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"max_threads", "stack_size", "idle_timeout", NULL};
    int max_threads = 32;
    Py_ssize_t stack_size = 1 << 20;
    double idle = 10;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|ind:Pool", names, &max_threads, &stack_size, &idle))
        return NULL;
    if (max_threads < 1)
        PyErr_SetString(PyExc_ValueError, "max_threads must be at least 1");
    else if (stack_size < 65536)
        PyErr_SetString(PyExc_ValueError, "stack_size must be at least 65536 bytes");
    else if (!(idle > 0 && idle < 1e9))
        PyErr_SetString(PyExc_ValueError, "idle_timeout must be a positive number of seconds");
    else
        return (PyObject *)pool_new_with((unsigned)max_threads, (size_t)stack_size, (int64_t)(idle * 1e9) + 1);
    return NULL;
}

/* In steps, so that Ctrl-C gets through. */
static int wait_for_workers(gos_pool *pool)
{
    int rc;
    do {
        GOSP_BEGIN_ALLOW_THREADS
        rc = gos_pool_wait(pool, gos_now() + 100000000);
        GOSP_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0)
            return -1;
    } while (rc == GOS_ETIMEDOUT);
    return 0;
}

static PyObject *pool_stop(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"wait"};
    PyObject *given[1] = {Py_True};
    gos_pool *pool = ((PoolObject *)self)->core;
    if (gosp_parse(args, nargs, kwnames, "stop", names, 1, 0, given) < 0)
        return NULL;
    int wait = PyObject_IsTrue(given[0]);
    if (wait < 0)
        return NULL;
    gos_pool_stop(pool, 0);
    if (wait && wait_for_workers(pool) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *pool_stats(PyObject *self, PyObject *unused)
{
    struct gos_pool_stats stats;
    (void)unused;
    gos_pool_get_stats(((PoolObject *)self)->core, &stats);
    return Py_BuildValue("{sIsIsIsK}", "threads", stats.threads, "idle", stats.idle, "queued", stats.queued, "jobs",
                         (unsigned long long)stats.jobs);
}

static void pool_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    for (PoolObject **link = &all_pools; *link; link = &(*link)->next) {
        if (*link == (PoolObject *)self) {
            *link = ((PoolObject *)self)->next;
            break;
        }
    }
    if (((PoolObject *)self)->core)
        gos_pool_release(((PoolObject *)self)->core);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef pool_methods[] = {
    {"stop", (PyCFunction)(void (*)(void))pool_stop, METH_FASTCALL | METH_KEYWORDS,
     "stop($self, wait=True)\n--\n\n"
     "Take no more calls; wait: until those that have been handed in are done and the workers have ended."},
    {"stats", pool_stats, METH_NOARGS, "stats($self, /)\n--\n\nA dict: threads, idle, queued, jobs (done so far)."},
    {NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, "Pool(max_threads=32, stack_size=1048576, idle_timeout=10.0)\n--\n\n"
                "Worker threads for blocking calls: made on demand up to max_threads, with C stacks of stack_size bytes (at\n"
                "least 65536), ended after idle_timeout seconds without a call. (concurrent.futures.ThreadPoolExecutor)"},
    {Py_tp_new, pool_new},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, pool_methods},
    {0, NULL},
};

static PyType_Spec pool_spec = {
    .name = "gossamer.pool.Pool",
    .basicsize = sizeof(PoolObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};

static PyObject *get_default_pool(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return Py_XNewRef((PyObject *)the_default_pool());
}

PyMethodDef gosp_pool_functions[] = {
    {"call_async", (PyCFunction)(void (*)(void))call_async, METH_FASTCALL | METH_KEYWORDS,
     "call_async($module, func, /, *args, pool=None, timeout=None, **kwargs)\n--\n\n"
     "Call func(*args, **kwargs) on a thread of the pool (default: the process's own) while this tasklet waits and the others\n"
     "run. Returns its result, or raises its exception with the traceback. timeout: seconds, then TimeoutError; the call\n"
     "goes on, its result is dropped, and the same happens if the tasklet is killed. (stacklesslib; asyncio.to_thread)"},
    {"default_pool", get_default_pool, METH_NOARGS,
     "default_pool($module, /)\n--\n\nThe pool that calls without one use; made when it is first needed."},
    {NULL},
};

int gosp_pool_init_type(PyObject *module)
{
    if (!pool_type) {
        pool_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &pool_spec, NULL);
        if (!pool_type)
            return -1;
    }
    return PyModule_AddObjectRef(module, "Pool", (PyObject *)pool_type);
}
