/* compat/check.c - does this interpreter have the layout that we were compiled for? Asked once, at import.
 *
 * Private structures may change in any release. What cannot be right becomes an ImportError that names both
 * versions; nothing is written before all has been looked at.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include "frame.h"
#undef Py_BUILD_CORE

#include <unistd.h>

#include "state.h"

#if PY_VERSION_HEX < 0x030C0000
PyThreadState *const *gosp_current_ts;
#endif
int gosp_c_recursion_limit;

static int layout_error(const char *what)
{
    PyErr_Format(PyExc_ImportError,
                 "gossamer was compiled for Python %s and does not fit this Python %.20s (%s): reinstall it for this "
                 "interpreter",
                 PY_VERSION, Py_GetVersion(), what);
    return -1;
}

/* ---- how C recursion is bounded ---- */

#if PY_VERSION_HEX < 0x030C0000
static int check_recursion(PyThreadState *ts)
{
    (void)ts; /* one counter for Python and C */
    return 0;
}
#elif PY_VERSION_HEX < 0x030E0000
static int check_recursion(PyThreadState *ts)
{
    /* A fresh thread state shows the limit as this interpreter was built with; headers have been wrong. */
    PyThreadState *fresh = PyThreadState_New(ts->interp);
    if (!fresh) {
        PyErr_NoMemory();
        return -1;
    }
    gosp_c_recursion_limit = fresh->c_recursion_remaining;
    PyThreadState_Clear(fresh);
    PyThreadState_Delete(fresh);
    if (gosp_c_recursion_limit < ts->c_recursion_remaining || gosp_c_recursion_limit > 1000000)
        return layout_error("C recursion counter");
    return 0;
}
#else
size_t gosp_c_stack_offset, gosp_c_stack_reserve, gosp_c_stack_margin;

/* The thread's own bounds must enclose where we are; their distance depends on how the interpreter was built. */
static int plausible(const gosp_c_stack *bounds)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    return here < bounds->top && here >= bounds->soft_limit && bounds->soft_limit > bounds->hard_limit &&
           bounds->soft_limit - bounds->hard_limit <= 1024 * 1024;
}

/* Early releases of 3.14 lack the last field of PyThreadState, behind which the bounds lie; so they may be one
 * word away from where they were for us. All other fields that we use come before that one. */
static int check_recursion(PyThreadState *ts)
{
    static const ptrdiff_t elsewhere[] = {0, -(ptrdiff_t)sizeof(void *), sizeof(void *)};
    int steps = PY_VERSION_HEX < 0x030F0000 ? 3 : 1, i = 0;
    _Static_assert(offsetof(_PyThreadStateImpl, c_stack_hard_limit) - offsetof(_PyThreadStateImpl, c_stack_top) ==
                       offsetof(gosp_c_stack, hard_limit), "the bounds are three words in a row");
    do {
        if (i == steps)
            return layout_error("bounds of the C stack");
        gosp_c_stack_offset = offsetof(_PyThreadStateImpl, c_stack_top) + (size_t)elsewhere[i++];
    } while (!plausible(gosp_c_stack_of(ts)));
    const gosp_c_stack *bounds = gosp_c_stack_of(ts);
    gosp_c_stack_margin = bounds->soft_limit - bounds->hard_limit;
    gosp_c_stack_reserve = (size_t)sysconf(_SC_PAGESIZE) + gosp_c_stack_margin;
    return 0;
}
#endif

int gosp_compat_init(void)
{
    PyThreadState *ts = PyThreadState_Get();
    if ((Py_Version >> 16) != (PY_VERSION_HEX >> 16))
        return layout_error("another minor version");
#if PY_VERSION_HEX < 0x030C0000
    gosp_current_ts = (PyThreadState *const *)&_PyRuntime.gilstate.tstate_current;
#endif
    if (!gosp_ts_is_current(ts))
        return layout_error("current thread state");
    _PyStackChunk *chunk = ts->datastack_chunk;
    if (chunk && !((char *)ts->datastack_top >= (char *)chunk && (char *)ts->datastack_limit == (char *)chunk + chunk->size))
        return layout_error("data stack");
    if (!ts->exc_info)
        return layout_error("exception stack");
    if (check_recursion(ts) < 0)
        return -1;
    gosp_frames_init();
    return 0;
}
