/* gossamer/python.h - how an extension module gets at Gossamer's C API: the table, its version, the import.
 *
 * Extension authors include stackless_api.h, which wraps each slot in a function. The table lies in the
 * capsule gossamer._C_API.
 *
 * Compatibility rule: slots are only ever appended, and PYSTACKLESS_API_VERSION changes when an old slot
 * changes its meaning. An extension therefore works with every gossamer of the same version whose table is at
 * least as large as the one that it was built with.
 */
#ifndef GOSSAMER_PYTHON_H
#define GOSSAMER_PYTHON_H

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PYSTACKLESS_API_VERSION 1
#define PYSTACKLESS_API_CAPSULE "gossamer._C_API"

/* Opaque: a PyTaskletObject * is the PyObject * of a tasklet, by a cast; a PyChannelObject * that of a channel. */
typedef struct PyTaskletObject PyTaskletObject;
typedef struct PyChannelObject PyChannelObject;

/* Called before each switch; see PyStackless_SetScheduleFastcallback. */
typedef int(slp_schedule_hook_func)(PyTaskletObject *from, PyTaskletObject *to);

typedef struct PyStackless_CAPI {
    size_t size; /* of this struct, in bytes */
    unsigned int version;
    const char *release; /* of gossamer, for messages */

    PyTypeObject *tasklet_type, *channel_type, *bomb_type, *cstack_type;

    PyTaskletObject *(*tasklet_new)(PyTypeObject *type, PyObject *func);
    int (*tasklet_setup)(PyTaskletObject *t, PyObject *args, PyObject *kwds);
    int (*tasklet_bind_ex)(PyTaskletObject *t, PyObject *func, PyObject *args, PyObject *kwargs);
    int (*tasklet_bind_thread)(PyTaskletObject *t, unsigned long thread_id);
    int (*tasklet_run)(PyTaskletObject *t);
    int (*tasklet_switch)(PyTaskletObject *t);
    int (*tasklet_insert)(PyTaskletObject *t);
    int (*tasklet_remove)(PyTaskletObject *t);
    int (*tasklet_raise_exception)(PyTaskletObject *t, PyObject *klass, PyObject *args);
    int (*tasklet_throw)(PyTaskletObject *t, int pending, PyObject *exc, PyObject *val, PyObject *tb);
    int (*tasklet_kill_ex)(PyTaskletObject *t, int pending);
    int (*tasklet_set_atomic)(PyTaskletObject *t, int flag);
    int (*tasklet_get_atomic)(PyTaskletObject *t);
    int (*tasklet_set_ignore_nesting)(PyTaskletObject *t, int flag);
    int (*tasklet_get_ignore_nesting)(PyTaskletObject *t);
    void (*tasklet_set_block_trap)(PyTaskletObject *t, int flag);
    int (*tasklet_get_block_trap)(PyTaskletObject *t);
    int (*tasklet_get_pending_irq)(PyTaskletObject *t);
    PyObject *(*tasklet_get_frame)(PyTaskletObject *t);
    int (*tasklet_is_main)(PyTaskletObject *t);
    int (*tasklet_is_current)(PyTaskletObject *t);
    int (*tasklet_alive)(PyTaskletObject *t);
    int (*tasklet_paused)(PyTaskletObject *t);
    int (*tasklet_scheduled)(PyTaskletObject *t);
    int (*tasklet_restorable)(PyTaskletObject *t);
    int (*tasklet_get_recursion_depth)(PyTaskletObject *t);
    int (*tasklet_get_nesting_level)(PyTaskletObject *t);

    PyChannelObject *(*channel_new)(PyTypeObject *type);
    int (*channel_send)(PyChannelObject *ch, PyObject *value);
    PyObject *(*channel_receive)(PyChannelObject *ch);
    int (*channel_send_exception)(PyChannelObject *ch, PyObject *klass, PyObject *value);
    int (*channel_send_throw)(PyChannelObject *ch, PyObject *exc, PyObject *val, PyObject *tb);
    PyObject *(*channel_get_queue)(PyChannelObject *ch);
    void (*channel_close)(PyChannelObject *ch);
    void (*channel_open)(PyChannelObject *ch);
    int (*channel_get_closing)(PyChannelObject *ch);
    int (*channel_get_closed)(PyChannelObject *ch);
    int (*channel_get_preference)(PyChannelObject *ch);
    void (*channel_set_preference)(PyChannelObject *ch, int preference);
    int (*channel_get_schedule_all)(PyChannelObject *ch);
    void (*channel_set_schedule_all)(PyChannelObject *ch, int flag);
    int (*channel_get_balance)(PyChannelObject *ch);

    PyObject *(*schedule)(PyObject *retval, int remove);
    int (*get_run_count)(void);
    PyObject *(*get_current)(void);
    unsigned long (*get_current_id)(void);
    PyObject *(*run_watchdog_ex)(long timeout, int flags);
    int (*set_channel_callback)(PyObject *callable);
    int (*set_schedule_callback)(PyObject *callable);
    void (*set_schedule_fast_callback)(slp_schedule_hook_func *hook);
    int (*adjust_switch_trap)(int change);
    int (*call_error_handler)(void);
    PyObject *(*call_main)(PyObject *func, PyObject *args, PyObject *kwds);
    PyObject *(*run_budget)(long quantum_us, long budget_us, int flags);
    int (*set_preemption)(long quantum_us);
} PyStackless_CAPI;

/* Filled in by PyStackless_Import. Weak and hidden: however many files of an extension include this header,
 * they share one pointer, and no other extension sees it. */
extern const PyStackless_CAPI *PyStackless_API __attribute__((visibility("hidden")));
__attribute__((weak, visibility("hidden"))) const PyStackless_CAPI *PyStackless_API;

/* Make the C API usable; call it once, in the init function of the extension module, before anything else of
 * it. Imports gossamer, on whose thread a scheduler exists from then on.
 * Returns 0, or -1 with an exception: ImportError that says what to do when gossamer is missing, has no C API,
 * or has one that does not fit. GIL held. (Gossamer; Stackless needs no import) */
static inline int PyStackless_Import(void)
{
    PyObject *module, *capsule;
    const PyStackless_CAPI *api = NULL;
    if (PyStackless_API)
        return 0;
    module = PyImport_ImportModule("gossamer");
    if (!module)
        return -1;
    capsule = PyObject_GetAttrString(module, "_C_API");
    Py_DECREF(module);
    if (capsule && PyCapsule_IsValid(capsule, PYSTACKLESS_API_CAPSULE))
        api = (const PyStackless_CAPI *)PyCapsule_GetPointer(capsule, PYSTACKLESS_API_CAPSULE);
    Py_XDECREF(capsule);
    if (!api)
        PyErr_SetString(PyExc_ImportError, "the installed gossamer has no C API: install gossamer 0.1.0 or later");
    else if (api->version != PYSTACKLESS_API_VERSION)
        PyErr_Format(PyExc_ImportError,
                     "this extension module was built for version %d of Gossamer's C API, but gossamer %s has version %d: "
                     "rebuild the extension module with the installed gossamer",
                     PYSTACKLESS_API_VERSION, api->release, (int)api->version);
    else if (api->size < sizeof(PyStackless_CAPI))
        PyErr_Format(PyExc_ImportError,
                     "this extension module was built with a newer gossamer than the installed one, %s, whose C API lacks "
                     "functions: upgrade gossamer, or rebuild the extension module",
                     api->release);
    else
        PyStackless_API = api;
    return PyStackless_API ? 0 : -1;
}

#ifdef __cplusplus
}
#endif
#endif
