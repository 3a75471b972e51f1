/* trace.c - the recorder for Python: beginning and end, names of tasklets, zones, counters, messages.
 *
 * Locking: the GIL, but for what the recorder itself does (core/trace). Nothing here runs Python code while it records.
 */
#include "record.h"

#include <structmember.h>

/* ---- strings by number ----
 *
 * An object's string is looked up by the object's address, which stays its own as long as it is in here. */

enum { CACHE = 1024 };

static struct {
    PyObject *object; /* owned */
    uint32_t number;
} cache[CACHE];
static uint32_t cache_epoch;

static void clear_cache(void)
{
    for (int i = 0; i < CACHE; i++)
        Py_CLEAR(cache[i].object);
}

uint32_t gosp_record_text(PyObject *text)
{
    Py_ssize_t length;
    const char *bytes = text && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    if (!bytes) { /* lone surrogates; or no memory */
        PyErr_Clear();
        return gos_trace_string("?", 1);
    }
    return gos_trace_string(bytes, (size_t)length);
}

static size_t place(PyObject *key)
{
    if (GOSP_UNLIKELY(cache_epoch != gosi_trace_on)) {
        clear_cache();
        cache_epoch = gosi_trace_on;
    }
    return ((uintptr_t)key >> 4) % CACHE;
}

static uint32_t remember(size_t at, PyObject *key, uint32_t number)
{
    PyObject *old = cache[at].object;
    cache[at].object = Py_NewRef(key);
    cache[at].number = number;
    Py_XDECREF(old); /* a str or a type of ours: runs no code */
    return number;
}

uint32_t gosp_record_string(PyObject *text)
{
    if (!PyUnicode_CheckExact(text)) /* forgetting it could run its __del__ */
        return gosp_record_text(text);
    size_t at = place(text);
    return GOSP_LIKELY(cache[at].object == text) ? cache[at].number : remember(at, text, gosp_record_text(text));
}

uint32_t gosp_record_type(PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.'), *name = dot ? dot + 1 : type->tp_name;
    size_t at = place((PyObject *)type);
    if (GOSP_LIKELY(cache[at].object == (PyObject *)type))
        return cache[at].number;
    uint32_t number = gos_trace_string(name, strlen(name));
    return type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE ? remember(at, (PyObject *)type, number) : number;
}

/* ---- names of tasklets ---- */

/* By what the object is, without asking it. */
static uint32_t function_label(PyObject *func)
{
    if (PyMethod_Check(func))
        func = PyMethod_GET_FUNCTION(func);
    if (PyFunction_Check(func)) {
        PyObject *name = ((PyFunctionObject *)func)->func_qualname;
        return gosp_record_string(name);
    }
    if (PyCFunction_Check(func)) {
        const char *name = ((PyCFunctionObject *)func)->m_ml->ml_name;
        return gos_trace_string(name, strlen(name));
    }
    const char *name = PyType_Check(func) ? ((PyTypeObject *)func)->tp_name : Py_TYPE(func)->tp_name;
    return gos_trace_string(name, strlen(name));
}

uint32_t gosp_record_code(PyObject *code)
{
    PyObject *name = ((PyCodeObject *)code)->co_qualname;
    return gosp_record_string(name);
}

static uint32_t label(TaskletObject *t, PyObject *func)
{
    PyObject *code = NULL;
    if (t->extras && t->extras->name)
        return gosp_record_text(t->extras->name);
    if (t->core.flags & GOS_F_MAIN)
        return gos_trace_string("main", 4);
    if (!func && gosp_alive(t) && !(t->core.flags & GOSP_HAS_STATE))
        func = t->fresh.func;
    if (func)
        return function_label(func);
    if ((t->core.flags & GOSP_HAS_STATE) && t->core.sched && t->core.sched->current != &t->core)
        (void)gosp_frames_used(&t->state, &code);
    if (code)
        return gosp_record_code(code);
    return gos_trace_string("tasklet", 7);
}

/* Where only the latest events are kept, the record of a tasklet's begin may be gone when it ends; so it is named again.
 * Names by address, one place for each: of two that fall on it, the later stays. */
enum { NAMED = 1 << 16 };
static struct {
    uint64_t address;
    uint32_t number, epoch;
} *named;

static size_t named_place(uint64_t address)
{
    return (size_t)((address >> 4) * 0x9E3779B97F4A7C15u >> 48);
}

void gosp_record_begins(TaskletObject *t, PyObject *func)
{
    uint32_t number = label(t, func);
    gosi_trace_event(GOS_TRACE_NAME, 1, &t->core, number, 0);
    if (gosi_recording.streaming || (!named && !(named = PyMem_RawCalloc(NAMED, sizeof *named))))
        return;
    size_t at = named_place((uintptr_t)&t->core);
    named[at].address = (uintptr_t)&t->core;
    named[at].number = number;
    named[at].epoch = gosi_trace_on;
}

void gosp_record_ends(TaskletObject *t)
{
    size_t at = named_place((uintptr_t)&t->core);
    if (named && named[at].address == (uintptr_t)&t->core && named[at].epoch == gosi_trace_on)
        gosi_trace_event(GOS_TRACE_NAME, 0, &t->core, named[at].number, 0);
}

/* ---- names of threads ---- */

void gosp_record_thread(gosp_thread *th)
{
    PyObject *name = PyUnicode_FromString("threading");
    PyObject *threading = name ? PyImport_GetModule(name) : NULL;
    PyObject *active = threading ? PyObject_GetAttrString(threading, "_active") : NULL;
    PyObject *id = active ? PyLong_FromUnsignedLong(th->thread_id) : NULL;
    PyObject *thread = id ? PyObject_GetItem(active, id) : NULL;
    PyObject *text = thread ? PyObject_GetAttrString(thread, "name") : NULL;
    if (text && PyUnicode_Check(text))
        gosi_trace_event(GOS_TRACE_THREAD, 0, NULL, gosp_record_text(text), 0);
    gosi_trace_event(GOS_TRACE_NAME, 0, &th->main->core, gos_trace_string("main", 4), 0);
    Py_XDECREF(text);
    Py_XDECREF(thread);
    Py_XDECREF(id);
    Py_XDECREF(active);
    Py_XDECREF(threading);
    Py_XDECREF(name);
    PyErr_Clear();
}

void gosp_record_renamed(TaskletObject *t)
{
    gosi_trace_event(GOS_TRACE_NAME, 0, &t->core, label(t, NULL), 0);
}

static int name_all(int at_begin)
{
    PyObject *list = gosp_list_tasklets(NULL);
    if (!list)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        TaskletObject *t = (TaskletObject *)PyList_GET_ITEM(list, i);
        gos_trace_name(&t->core, label(t, NULL), at_begin);
    }
    Py_DECREF(list);
    return 0;
}

/* ---- begin and end ---- */

static PyObject *raise(int rc, PyObject *path)
{
    if (rc == GOS_EIO) {
        errno = errno ? errno : EIO;
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    if (rc == GOS_ENOMEM)
        return PyErr_NoMemory();
    PyErr_SetString(PyExc_RuntimeError, rc == GOS_EBUSY ? "a trace is being recorded already" : "no trace is being recorded");
    return NULL;
}

static PyObject *trace_start(PyObject *module, PyObject *args)
{
    PyObject *path;
    unsigned long long records, limit;
    int drop;
    (void)module;
    if (!PyArg_ParseTuple(args, "OKKp:_trace_start", &path, &records, &limit, &drop))
        return NULL;
    struct gos_trace_config config = {
        .path = path == Py_None ? NULL : PyBytes_AsString(path),
        .records = records,
        .limit_bytes = limit,
        .drop = drop,
    };
    if (path != Py_None && !config.path)
        return NULL;
    gosp_thread *th = gosp_thread_current();
    int rc = th ? gos_trace_start(&config) : GOS_OK;
    if (!th || rc != GOS_OK)
        return th ? raise(rc, path) : NULL;
    if (name_all(1) < 0) /* out of memory: recording goes on without */
        PyErr_Clear();
    gosp_record_thread(th);
    gosi_trace_event(GOS_TRACE_RESUME, 0, th->sched.current, 0, 0);
    Py_RETURN_NONE;
}

static PyObject *trace_stop(PyObject *module, PyObject *info)
{
    (void)module;
    const char *text = PyUnicode_AsUTF8(info);
    if (!text || name_all(0) < 0)
        return NULL;
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = gos_trace_stop(text);
    Py_END_ALLOW_THREADS
    clear_cache();
    return rc == GOS_OK ? Py_NewRef(Py_None) : raise(rc, NULL);
}

static PyObject *trace_save(PyObject *module, PyObject *args)
{
    PyObject *path;
    const char *info;
    (void)module;
    if (!PyArg_ParseTuple(args, "Ss:_trace_save", &path, &info) || name_all(0) < 0)
        return NULL;
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = gos_trace_save(PyBytes_AS_STRING(path), info);
    Py_END_ALLOW_THREADS
    return rc == GOS_OK ? Py_NewRef(Py_None) : raise(rc, path);
}

static PyObject *trace_stats(PyObject *module, PyObject *unused)
{
    struct gos_trace_stats st;
    (void)module;
    (void)unused;
    gos_trace_get_stats(&st);
    return Py_BuildValue("{sOsKsKsKsKsd}", "on", st.on ? Py_True : Py_False, "events", (unsigned long long)st.events, "lost",
                         (unsigned long long)st.lost, "threads", (unsigned long long)st.threads, "bytes",
                         (unsigned long long)st.bytes, "stalled", (double)st.stalled_ns / 1e9);
}

static PyObject *trace_convert(PyObject *module, PyObject *args)
{
    PyObject *path, *output;
    struct gos_convert_stats st;
    const char *what = NULL;
    int rc;
    (void)module;
    if (!PyArg_ParseTuple(args, "SS:_trace_convert", &path, &output))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    rc = gos_trace_convert(PyBytes_AS_STRING(path), PyBytes_AS_STRING(output), &st, &what);
    Py_END_ALLOW_THREADS
    if (rc == GOS_EINVAL)
        return PyErr_Format(PyExc_ValueError, "'%s' is not a trace of the recorder, or is damaged: %s", PyBytes_AS_STRING(path), what);
    if (rc != GOS_OK)
        return raise(rc, what ? path : output);
    return Py_BuildValue("{sKsKsKsKsKsK}", "records", (unsigned long long)st.records, "lost", (unsigned long long)st.lost,
                         "events", (unsigned long long)st.events, "bytes", (unsigned long long)st.bytes, "tasklets",
                         (unsigned long long)st.tasklets, "threads", (unsigned long long)st.threads);
}

/* ---- what the program says ---- */

static PyObject *trace_counter(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"name", "value"};
    PyObject *given[2];
    (void)module;
    if (gosp_parse(args, nargs, kwnames, "counter", names, 2, 2, given) < 0)
        return NULL;
    if (!PyUnicode_Check(given[0]))
        return PyErr_Format(PyExc_TypeError, "the name of a counter must be a str, not %s", Py_TYPE(given[0])->tp_name);
    double value = PyFloat_AsDouble(given[1]);
    if (value == -1.0 && PyErr_Occurred())
        return NULL;
    if (gosi_tracing())
        gos_trace_counter(gosp_record_string(given[0]), value);
    Py_RETURN_NONE;
}

static PyObject *trace_message(PyObject *module, PyObject *text)
{
    (void)module;
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "a message must be a str, not %s", Py_TYPE(text)->tp_name);
    if (gosi_tracing())
        gos_trace_message(gosp_record_text(text));
    Py_RETURN_NONE;
}

/* The address by which records call it. */
static const void *recorded_as(PyObject *object)
{
    return Channel_Check(object) ? (const void *)&((ChannelObject *)object)->core : object;
}

static PyObject *trace_label(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"object", "name"};
    PyObject *given[2];
    (void)module;
    if (gosp_parse(args, nargs, kwnames, "label", names, 2, 2, given) < 0)
        return NULL;
    if (!PyUnicode_Check(given[1]))
        return PyErr_Format(PyExc_TypeError, "a name must be a str, not %s", Py_TYPE(given[1])->tp_name);
    GOSI_TRACE(GOS_TRACE_LABEL, 0, recorded_as(given[0]), gosp_record_text(given[1]), 0);
    Py_RETURN_NONE;
}

/* In gc.callbacks. */
static PyObject *trace_gc(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    if (nargs != 2 || !gosi_tracing())
        Py_RETURN_NONE;
    PyObject *generation = PyDict_Check(args[1]) ? PyDict_GetItemString(args[1], "generation") : NULL;
    PyObject *collected = PyDict_Check(args[1]) ? PyDict_GetItemString(args[1], "collected") : NULL;
    int begins = PyUnicode_Check(args[0]) && PyUnicode_CompareWithASCIIString(args[0], "start") == 0;
    long number = generation ? PyLong_AsLong(generation) : 0, count = collected ? PyLong_AsLong(collected) : 0;
    PyErr_Clear();
    gosi_trace_event(begins ? GOS_TRACE_GC_BEGIN : GOS_TRACE_GC_END, (int)number, NULL, begins ? 0 : (uint64_t)count, 0);
    Py_RETURN_NONE;
}

/* ---- zones ---- */

typedef struct {
    PyObject_HEAD
    PyObject *name; /* str */
    uint32_t number, epoch;
} ZoneObject;

static inline uint32_t zone_number(ZoneObject *zone)
{
    if (GOSP_UNLIKELY(zone->epoch != gosi_trace_on)) {
        zone->number = gosp_record_text(zone->name);
        zone->epoch = gosi_trace_on;
    }
    return zone->number;
}

static PyObject *zone_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosi_trace_event(GOS_TRACE_ZONE_BEGIN, 0, NULL, zone_number((ZoneObject *)self), 0);
    return Py_NewRef(self);
}

static PyObject *zone_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)args;
    (void)nargs;
    if (GOSP_UNLIKELY(gosi_tracing()))
        gosi_trace_event(GOS_TRACE_ZONE_END, 0, NULL, zone_number((ZoneObject *)self), 0);
    Py_RETURN_NONE;
}

static PyObject *zone_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *function;
    static char *names[] = {"function", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:zone", names, &function))
        return NULL;
    PyObject *trace = PyImport_ImportModule("gossamer.trace");
    PyObject *decorated = trace ? PyObject_CallMethod(trace, "_decorate", "OO", self, function) : NULL;
    Py_XDECREF(trace);
    return decorated;
}

static PyObject *zone_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *name;
    static char *names[] = {"name", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U:zone", names, &name))
        return NULL;
    ZoneObject *zone = (ZoneObject *)type->tp_alloc(type, 0);
    if (zone)
        zone->name = Py_NewRef(name);
    return (PyObject *)zone;
}

static void zone_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((ZoneObject *)self)->name);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *zone_repr(PyObject *self)
{
    return PyUnicode_FromFormat("zone(%R)", ((ZoneObject *)self)->name);
}

static PyMethodDef zone_methods[] = {
    {"__enter__", zone_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nThe zone begins."},
    {"__exit__", (PyCFunction)(void (*)(void))zone_exit, METH_FASTCALL, "__exit__($self, /, *exc_info)\n--\n\nThe zone ends."},
    {NULL},
};

static PyMemberDef zone_members[] = {
    {"name", T_OBJECT, offsetof(ZoneObject, name), READONLY, "What it is called in the trace."},
    {NULL},
};

static PyType_Slot zone_slots[] = {
    {Py_tp_doc, "zone(name)\n--\n\n"
                "A part of a tasklet's time, with a name, for the trace: a context manager, or a decorator of functions."},
    {Py_tp_new, zone_new},
    {Py_tp_dealloc, zone_dealloc},
    {Py_tp_call, zone_call},
    {Py_tp_repr, zone_repr},
    {Py_tp_methods, zone_methods},
    {Py_tp_members, zone_members},
    {0, NULL},
};

static PyType_Spec zone_spec = {
    .name = "gossamer.trace.zone",
    .basicsize = sizeof(ZoneObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = zone_slots,
};

int gosp_record_init(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &zone_spec, NULL);
    int rc = type ? PyModule_AddObjectRef(module, "_trace_zone", type) : -1;
    Py_XDECREF(type);
    return rc;
}

PyMethodDef gosp_record_functions[] = {
    {"_trace_start", trace_start, METH_VARARGS,
     "_trace_start($module, path, records, limit, drop, /)\n--\n\nBegin to record; see gossamer.trace.start."},
    {"_trace_stop", trace_stop, METH_O, "_trace_stop($module, info, /)\n--\n\nEnd recording; info is JSON for the file."},
    {"_trace_save", trace_save, METH_VARARGS, "_trace_save($module, path, info, /)\n--\n\nWrite what is in memory to a file."},
    {"_trace_stats", trace_stats, METH_NOARGS, "_trace_stats($module, /)\n--\n\nFigures of the present or last recording."},
    {"_trace_convert", trace_convert, METH_VARARGS,
     "_trace_convert($module, path, output, /)\n--\n\nMake a Perfetto trace of a recorder's file."},
    {"_trace_counter", (PyCFunction)(void (*)(void))trace_counter, METH_FASTCALL | METH_KEYWORDS,
     "_trace_counter($module, name, value)\n--\n\nRecord a value of a counter."},
    {"_trace_message", trace_message, METH_O, "_trace_message($module, text, /)\n--\n\nRecord a message of the current tasklet."},
    {"_trace_label", (PyCFunction)(void (*)(void))trace_label, METH_FASTCALL | METH_KEYWORDS,
     "_trace_label($module, object, name)\n--\n\nSay what a channel or lock is called in the trace."},
    {"_trace_gc", (PyCFunction)(void (*)(void))trace_gc, METH_FASTCALL,
     "_trace_gc($module, phase, info, /)\n--\n\nFor gc.callbacks: record the collector's pauses."},
    {NULL},
};
