/* compat/py315.h - CPython 3.15. As 3.14, but a chain of frames ends at a base frame in the thread state,
 * by which profilers know that they have seen all of it. */
#ifndef GOSP_COMPAT_PY3NN_H
#define GOSP_COMPAT_PY3NN_H

#ifdef Py_GIL_DISABLED
#error "Gossamer needs a CPython with a global interpreter lock: free-threaded builds are not supported yet."
#endif

#define GOSP_STATE_EXTRA void *bridged; /* while evicted: the innermost entry frame that was bridged */

/* F(type, field, what is saved from ts, how v goes back to ts, what a new tasklet starts with)
 * The executor: CPython frees an executor without references unless some thread state is inside it. A
 * suspended tasklet is inside one that no thread state names, so it holds a reference. */
#define GOSP_STATE_FIELDS(F)                                                                                   \
    F(struct _PyInterpreterFrame *, frame, ts->current_frame, ts->current_frame = v, ts->base_frame)           \
    F(int, depth, GOSP_DEPTH(ts), ts->py_recursion_remaining = ts->py_recursion_limit - v, 0)                  \
    F(PyObject *, executor, Py_XNewRef(ts->current_executor), (ts->current_executor = v, Py_XDECREF(v)), NULL) \
    F(_PyErr_StackItem *, exc_info, ts->exc_info, ts->exc_info = v, &st->exc_state)                            \
    F(_PyStackChunk *, chunk, ts->datastack_chunk, ts->datastack_chunk = v, NULL)                              \
    F(PyObject **, top, ts->datastack_top, ts->datastack_top = v, NULL)                                        \
    F(uintptr_t, monitoring, GOSP_MONITORING(ts), gosp_monitoring_resumed(ts, v), 0) /* last: needs the frames */

/* The version of what sys.monitoring (and with it sys.settrace) watches. When it changes, CPython prepares the code of
 * all running frames, and relies on that when an exception is raised; frames of suspended tasklets it cannot know. */
#define GOSP_MONITORING(ts) ((ts)->eval_breaker | 0xff) /* no flags, and never 0: a tasklet that starts has no frames */

void gosp_monitoring_prepare(PyThreadState *ts); /* frames.c */

static inline void gosp_monitoring_resumed(PyThreadState *ts, uintptr_t version)
{
    if (__builtin_expect(version && version != GOSP_MONITORING(ts), 0))
        gosp_monitoring_prepare(ts);
}

/* How recursion in C is bounded, see limits.h and c_stack.h. */
#define GOSP_C_RECURSION GOSP_C_RECURSION_BOUNDS

#define GOSP_DEPTH(ts) ((ts)->py_recursion_limit - (ts)->py_recursion_remaining)
#define GOSP_TS_EVENT(ts) (ts)->what_event
#define GOSP_NO_EVENT (-1)

#define GOSP_ENTRY_FRAMES_ON_C_STACK 1

/* The GIL, for gil.c: where it is, who has it, and the flag by which a waiting thread asks for it. */
#define GOSP_GIL(interp) (interp)->ceval.gil
#define GOSP_GIL_HOLDER(gil) ((PyThreadState *)_Py_atomic_load_ptr_relaxed(&(gil)->last_holder))
#define GOSP_GIL_LOCKED(gil) _Py_atomic_load_int_relaxed(&(gil)->locked)
#define GOSP_DROP_REQUESTED(ts) _Py_eval_breaker_bit_is_set(ts, _PY_GIL_DROP_REQUEST_BIT)
#define GOSP_DROP_REQUEST_CLEAR(ts) _Py_unset_eval_breaker_bit(ts, _PY_GIL_DROP_REQUEST_BIT)

#endif
