/* compat/py312.h - CPython 3.12. As 3.11, with a counter of its own for C recursion, and with the entry
 * frame of each evaluation loop on the C stack. */
#ifndef GOSP_COMPAT_PY3NN_H
#define GOSP_COMPAT_PY3NN_H

#define GOSP_STATE_EXTRA                                                                         \
    _PyCFrame root_cframe;                                                                       \
    void *bridged; /* while evicted: the innermost entry frame that was bridged */

/* F(type, field, what is saved from ts, how v goes back to ts, what a new tasklet starts with) */
#define GOSP_STATE_FIELDS(F)                                                                                   \
    F(_PyCFrame *, cframe, ts->cframe, ts->cframe = v, &st->root_cframe)                                       \
    F(struct _PyInterpreterFrame *, frame, ts->cframe->current_frame, (void)v, NULL)                           \
    F(int, depth, GOSP_DEPTH(ts), ts->py_recursion_remaining = ts->py_recursion_limit - v, 0)                  \
    F(int, c_depth, gosp_c_recursion_limit - ts->c_recursion_remaining,                                        \
      ts->c_recursion_remaining = gosp_c_recursion_limit - v, 0)                                               \
    F(int, trash_nesting, ts->trash.delete_nesting, ts->trash.delete_nesting = v, 0)                           \
    F(_PyErr_StackItem *, exc_info, ts->exc_info, ts->exc_info = v, &st->exc_state)                            \
    F(_PyStackChunk *, chunk, ts->datastack_chunk, ts->datastack_chunk = v, NULL)                              \
    F(PyObject **, top, ts->datastack_top, ts->datastack_top = v, NULL)

/* How recursion in C is bounded, see limits.h. */
#define GOSP_C_RECURSION GOSP_C_RECURSION_COUNTER

#define GOSP_DEPTH(ts) ((ts)->py_recursion_limit - (ts)->py_recursion_remaining)
#define GOSP_TS_EVENT(ts) (ts)->what_event
#define GOSP_NO_EVENT (-1)

#define GOSP_ENTRY_FRAMES_ON_C_STACK 1

/* The GIL, for gil.c: where it is, who has it, and the flag by which a waiting thread asks for it. */
#define GOSP_GIL(interp) (interp)->ceval.gil
#define GOSP_GIL_HOLDER(gil) ((PyThreadState *)_Py_atomic_load_relaxed(&(gil)->last_holder))
#define GOSP_GIL_LOCKED(gil) _Py_atomic_load_relaxed(&(gil)->locked)
#define GOSP_DROP_REQUESTED(ts) _Py_atomic_load_relaxed(&(ts)->interp->ceval.gil_drop_request)
#define GOSP_DROP_REQUEST_CLEAR(ts) _Py_atomic_store_relaxed(&(ts)->interp->ceval.gil_drop_request, 0)

#endif
