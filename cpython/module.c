/* module.c - the extension module gossamer._gossamer: its functions, constants, knobs, and its exit. */
#include "capi.h"
#include "record.h"
#include "timekeeper.h"

PyMODINIT_FUNC PyInit__gossamer(void);

static int bad_knob(const char *name, const char *value, const char *allowed)
{
    PyErr_Format(PyExc_ImportError, "environment variable %s is '%s', but must be %s", name, value, allowed);
    return -1;
}

/* Value of knob `name` as an index into words; fallback if it is not set. */
static int word_knob(const char *name, const char *const *words, const char *allowed, int fallback)
{
    const char *value = getenv(name);
    if (!value || !*value)
        return fallback;
    for (int i = 0; words[i]; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    return bad_knob(name, value, allowed);
}

static int read_knobs(void)
{
    static const char *const stacks[] = {"slots", "own", NULL};
    static const char *const compress[] = {"auto", "always", "never", NULL};
    static const char *const evict[] = {"auto", "always", NULL};
#ifdef GOS_DEFAULT_STACKS_OWN
    int default_stacks = GOS_STACKS_OWN;
#else
    int default_stacks = GOS_STACKS_SLOTS;
#endif
    gosp.config.stacks = word_knob("GOSSAMER_STACKS", stacks, "slots or own", default_stacks);
    gosp.config.compress = word_knob("GOSSAMER_COMPRESS", compress, "auto, always or never", 0);
    gosp.config.evict_always = word_knob("GOSSAMER_EVICT", evict, "auto or always", 0);
    if (gosp.config.stacks < 0 || gosp.config.compress < 0 || gosp.config.evict_always < 0)
        return -1;
    const char *slots = getenv("GOSSAMER_SLOTS");
    if (slots && *slots) {
        char *end;
        long n = strtol(slots, &end, 10);
        if (*end || n < 1 || n > 64)
            return bad_knob("GOSSAMER_SLOTS", slots, "a number from 1 to 64");
        gosp.config.max_slots = (int)n;
    }
    return 0;
}

/* Before the interpreter goes down: `finally` blocks of suspended tasklets still run. */
static PyObject *at_exit(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_thread *th = gosp_self;
    if (!th && gosp_ticker_started() && !gosp_thread_current()) /* its end, later, stops the ticker */
        PyErr_Clear();
    gosp_idle_main_exits();
    gosp_timekeeper_stop();
    gosp_telemetry_stop();
    gosp_update_notify();
    if (th && gosp_ts_is_current(th->ts) && th->sched.current == &th->main->core) {
        int trap = th->sched.trap; /* left set, or set for a purpose that ends now */
        th->sched.trap = 0;
        gosp_thread_kill_all(th);
        th->sched.trap = trap;
    }
    Py_RETURN_NONE;
}

static PyMethodDef at_exit_def = {"_kill_all", at_exit, METH_NOARGS, "Kill the tasklets of this thread."};

static int register_exit(PyObject *module)
{
    PyObject *function = PyCFunction_New(&at_exit_def, module);
    PyObject *atexit = function ? PyImport_ImportModule("atexit") : NULL;
    PyObject *done = atexit ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(atexit);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int make_exceptions(void)
{
    gosp.tasklet_exit = PyErr_NewExceptionWithDoc(
        "gossamer.TaskletExit", "Raised in a tasklet to end it; leaving the tasklet with it is a normal end. (Stackless)",
        PyExc_SystemExit, NULL);
    PyObject *dict = Py_BuildValue("{ss}", "graph", "");
    if (dict)
        gosp.deadlock_error = PyErr_NewExceptionWithDoc(
            "gossamer.DeadlockError",
            "Nobody can wake the last runnable tasklet. `graph` says who waits for what, as do the notes.",
            PyExc_RuntimeError, dict);
    Py_XDECREF(dict);
    gosp.empty_tuple = PyTuple_New(0);
    return gosp.tasklet_exit && gosp.deadlock_error && gosp.empty_tuple ? 0 : -1;
}

static int init_process(PyObject *module)
{
    static int done;
    if (done)
        return 0;
    if (gosp_compat_init() < 0 || read_knobs() < 0 || make_exceptions() < 0)
        return -1;
    gos_set_allocator(PyObject_Malloc, PyObject_Realloc, PyObject_Free);
    if (gosp_arena_install() < 0 || gosp_timekeeper_init() < 0)
        return -1;
    gosp.module = module;
    done = 1;
    return 0;
}

static int module_exec(PyObject *module)
{
    static int has_exit;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "gossamer cannot be used in a subinterpreter: import it in the main interpreter");
        return -1;
    }
    if (init_process(module) < 0 || gosp_bomb_init(module) < 0 || gosp_tasklet_init_type(module) < 0 ||
        gosp_channel_init_type(module) < 0 || gosp_atomic_init_type(module) < 0 || gosp_pool_init_type(module) < 0 ||
        gosp_timeout_init_type(module) < 0 || gosp_record_init(module) < 0)
        return -1;
    if (PyModule_AddFunctions(module, gosp_scheduler_functions) < 0 || PyModule_AddFunctions(module, gosp_callback_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_introspect_functions) < 0 || PyModule_AddFunctions(module, gosp_pool_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_preempt_functions) < 0 || PyModule_AddFunctions(module, gosp_stall_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_sync_functions) < 0 || PyModule_AddFunctions(module, gosp_poll_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_net_functions) < 0 || PyModule_AddFunctions(module, gosp_net_life_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_net_test_functions) < 0 || PyModule_AddFunctions(module, gosp_record_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_telemetry_functions) < 0 ||
        PyModule_AddFunctions(module, gosp_calls_functions) < 0)
        return -1;
    if (PyModule_AddObjectRef(module, "TaskletExit", gosp.tasklet_exit) < 0 ||
        PyModule_AddObjectRef(module, "DeadlockError", gosp.deadlock_error) < 0 ||
        PyModule_AddStringConstant(module, "__version__", GOSSAMER_VERSION) < 0 ||
        PyModule_AddIntConstant(module, "PICKLEFLAGS_PRESERVE_TRACING_STATE", 1) < 0 ||
        PyModule_AddIntConstant(module, "PICKLEFLAGS_PRESERVE_AG_FINALIZER", 2) < 0 ||
        PyModule_AddIntConstant(module, "PICKLEFLAGS_RESET_AG_FINALIZER", 4) < 0 ||
        PyModule_AddIntConstant(module, "PICKLEFLAGS_PICKLE_CONTEXT", 8) < 0)
        return -1;
    if (gosp_cstack_init_type(module) < 0 || gosp_deep_init(module) < 0 || gosp_threads_init() < 0)
        return -1;
    if (gosp_capi_init(module) < 0)
        return -1;
    if (!has_exit && register_exit(module) < 0)
        return -1;
    has_exit = 1;
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gossamer._gossamer",
    .m_doc = "Tasklets and channels; use it through gossamer or stackless.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__gossamer(void)
{
    return PyModuleDef_Init(&module_def);
}
