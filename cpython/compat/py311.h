/* compat/py311.h - CPython 3.11. Frames hang on a _PyCFrame that lies on the C stack. */
#ifndef GOSP_COMPAT_PY3NN_H
#define GOSP_COMPAT_PY3NN_H

#define GOSP_STATE_EXTRA _PyCFrame root_cframe;

/* F(type, field, what is saved from ts, how v goes back to ts, what a new tasklet starts with) */
#define GOSP_STATE_FIELDS(F)                                                                                   \
    F(_PyCFrame *, cframe, ts->cframe, ts->cframe = v, &st->root_cframe)                                       \
    F(struct _PyInterpreterFrame *, frame, ts->cframe->current_frame, (void)v, NULL)                           \
    F(int, depth, GOSP_DEPTH(ts), ts->recursion_remaining = ts->recursion_limit - v, 0)                        \
    F(int, trash_nesting, ts->trash_delete_nesting, ts->trash_delete_nesting = v, 0)                           \
    F(_PyErr_StackItem *, exc_info, ts->exc_info, ts->exc_info = v, &st->exc_state)                            \
    F(_PyStackChunk *, chunk, ts->datastack_chunk, ts->datastack_chunk = v, NULL)                              \
    F(PyObject **, top, ts->datastack_top, ts->datastack_top = v, NULL)

/* How recursion in C is bounded, see limits.h. */
#define GOSP_C_RECURSION GOSP_C_RECURSION_SHARED

#define GOSP_DEPTH(ts) ((ts)->recursion_limit - (ts)->recursion_remaining)
#define GOSP_TS_EVENT(ts) (ts)->tracing_what
#define GOSP_NO_EVENT 0

/* Frames link to frames on the data stack only: nothing to bridge. */
#define GOSP_ENTRY_FRAMES_ON_C_STACK 0

/* The GIL, for gil.c: where it is, who has it, and the flag by which a waiting thread asks for it. */
#define GOSP_GIL(interp) (&_PyRuntime.ceval.gil)
#define GOSP_GIL_HOLDER(gil) ((PyThreadState *)_Py_atomic_load_relaxed(&(gil)->last_holder))
#define GOSP_GIL_LOCKED(gil) _Py_atomic_load_relaxed(&(gil)->locked)
#define GOSP_DROP_REQUESTED(ts) _Py_atomic_load_relaxed(&(ts)->interp->ceval.gil_drop_request)
#define GOSP_DROP_REQUEST_CLEAR(ts) _Py_atomic_store_relaxed(&(ts)->interp->ceval.gil_drop_request, 0)

#endif
