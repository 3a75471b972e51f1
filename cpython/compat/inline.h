/* compat/inline.h - the few version-dependent steps of the hot path. Part of state.h. */
#ifndef GOSP_COMPAT_INLINE_H
#define GOSP_COMPAT_INLINE_H

#if PY_VERSION_HEX < 0x030C0000
/* _PyRuntime.gilstate.tstate_current; found by gosp_compat_init */
extern PyThreadState *const *gosp_current_ts;

static inline int gosp_ts_is_current(PyThreadState *ts)
{
    return *(PyThreadState *const volatile *)gosp_current_ts == ts;
}

/* The flag that sends the evaluation loop to the tracing code lies in the innermost _PyCFrame, which is
 * back in place only after the jump. */
/* Of any thread. -1 with an error. */
static inline int gosp_ts_set_profile(PyThreadState *ts, Py_tracefunc func)
{
    return _PyEval_SetProfile(ts, func, NULL);
}

static inline void gosp_tracing_resumed(PyThreadState *ts)
{
    ts->cframe->use_tracing = (ts->c_tracefunc || ts->c_profilefunc) && !ts->tracing ? 255 : 0;
}
#else
static inline int gosp_ts_is_current(PyThreadState *ts)
{
    return ts->_status.active;
}

static inline void gosp_tracing_resumed(PyThreadState *ts)
{
    (void)ts;
}
#endif

/* Where a thread state, of whatever thread, has its dict; NULL there: not made yet, or cleared at its end. */
static inline PyObject **gosp_ts_dict(PyThreadState *ts)
{
    return &ts->dict;
}

/* Public since 3.13. */
static inline Py_hash_t gosp_hash_pointer(const void *p)
{
#if PY_VERSION_HEX < 0x030D0000
    return _Py_HashPointer(p);
#else
    return Py_HashPointer(p);
#endif
}

/* ts->context changed: contextvars cache values by this counter. */
static inline void gosp_context_changed(PyThreadState *ts)
{
    ts->context_ver++;
}

#endif
