/* compat/state.h - the part of CPython's thread state that belongs to a tasklet, and how it is exchanged.
 *
 * One table a CPython minor (py3NN.h) says for each field what is saved, how it is restored and what a new
 * tasklet starts with; everything here is made from that table. What is not in it belongs to the thread.
 * Tracing is apart (struct gosp_trace): few tasklets have it, and its memory is only taken for those.
 */
#ifndef GOSP_COMPAT_STATE_H
#define GOSP_COMPAT_STATE_H

#include <Python.h>

#define GOSP_C_RECURSION_SHARED 1  /* by the counter of Python's own limit */
#define GOSP_C_RECURSION_COUNTER 2 /* by a counter of its own */
#define GOSP_C_RECURSION_BOUNDS 3  /* by the bounds of the stack, see c_stack.h */

#if PY_VERSION_HEX >= 0x030F0000 && PY_VERSION_HEX < 0x03100000
#include "py315.h"
#elif PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030F0000
#include "py314.h"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#include "py313.h"
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#include "py312.h"
#elif PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "py311.h"
#else
#error "Gossamer supports CPython 3.11 to 3.15: another minor needs its table, cpython/compat/py3NN.h."
#endif

struct _PyInterpreterFrame;

typedef struct gosp_state {
#define FIELD(type, name, save, restore, start) type name;
    GOSP_STATE_FIELDS(FIELD)
#undef FIELD
    _PyErr_StackItem exc_state; /* the bottom of the tasklet's exception stack */
    PyObject **eval_top;        /* end of the innermost frame's value stack while it is known, else NULL */
    PyObject *call;             /* callable and arguments that must outlive the call, or NULL */
    GOSP_STATE_EXTRA            /* last: CPython still uses root_cframe when the tasklet has ended and `fresh` is valid */
} gosp_state;

typedef struct gosp_trace {
    Py_tracefunc c_profilefunc, c_tracefunc;
    PyObject *c_profileobj, *c_traceobj;
    int tracing, event;
} gosp_trace;

/* Import-time facts; gosp_compat_init fails with ImportError if this interpreter's layout is not the one
 * we were compiled for. */
int gosp_compat_init(void);
extern int gosp_c_recursion_limit; /* 3.12 and 3.13 */

/* Is ts the state of the running thread? PyThreadState_Get costs three times as much. */
static inline int gosp_ts_is_current(PyThreadState *ts);

static inline void gosp_state_save(gosp_state *st, PyThreadState *ts)
{
#define FIELD(type, name, save, restore, start) st->name = save;
    GOSP_STATE_FIELDS(FIELD)
#undef FIELD
}

static inline void gosp_state_restore(gosp_state *st, PyThreadState *ts)
{
#define FIELD(type, name, save, restore, start)                                                  \
    {                                                                                            \
        type v = st->name;                                                                       \
        restore;                                                                                 \
    }
    GOSP_STATE_FIELDS(FIELD)
#undef FIELD
    _PyStackChunk *chunk = ts->datastack_chunk;
    ts->datastack_limit = chunk ? (PyObject **)((char *)chunk + chunk->size) : NULL;
}

static inline void gosp_state_start(gosp_state *st, PyThreadState *ts)
{
    (void)ts;
    memset(st, 0, sizeof *st);
#define FIELD(type, name, save, restore, start) st->name = start;
    GOSP_STATE_FIELDS(FIELD)
#undef FIELD
}

static inline int gosp_is_traced(PyThreadState *ts)
{
    return ts->c_tracefunc || ts->c_profilefunc || ts->tracing;
}

/* tp may be NULL: not traced. */
static inline void gosp_trace_restore(const gosp_trace *tp, PyThreadState *ts)
{
    static const gosp_trace none = {.event = GOSP_NO_EVENT};
    if (!tp)
        tp = &none;
    ts->c_profilefunc = tp->c_profilefunc;
    ts->c_tracefunc = tp->c_tracefunc;
    ts->c_profileobj = tp->c_profileobj;
    ts->c_traceobj = tp->c_traceobj;
    ts->tracing = tp->tracing;
    GOSP_TS_EVENT(ts) = tp->event;
}

static inline void gosp_trace_save(gosp_trace *tp, PyThreadState *ts)
{
    *tp = (gosp_trace){
        .c_profilefunc = ts->c_profilefunc,
        .c_tracefunc = ts->c_tracefunc,
        .c_profileobj = ts->c_profileobj,
        .c_traceobj = ts->c_traceobj,
        .tracing = ts->tracing,
        .event = GOSP_TS_EVENT(ts),
    };
}

/* ---- the first chunk of a tasklet's data stack: small, and ours ---- */

/* CPython never frees a chunk while its first word is in use, and never looks at that word. */
static inline void gosp_chunk_install(PyThreadState *ts, void *memory, size_t bytes)
{
    _PyStackChunk *chunk = memory;
    chunk->previous = NULL;
    chunk->size = bytes;
    chunk->top = 0;
    ts->datastack_chunk = chunk;
    ts->datastack_top = &chunk->data[1];
    ts->datastack_limit = (PyObject **)((char *)chunk + bytes);
}

/* Take the only chunk out of the thread state; NULL, and 0 bytes, if there is none. */
void *gosp_chunk_remove(PyThreadState *ts, size_t *bytes);

/* Is somebody inside context.run()? */
int gosp_context_entered(PyObject *context);

/* The interpreter is going down: no Python code can be relied upon. */
int gosp_finalizing(void);

#define GOSP_CHUNK_OVERHEAD (offsetof(_PyStackChunk, data) + 2 * sizeof(PyObject *))

/* The chunk at the bottom, or NULL. */
static inline _PyStackChunk *gosp_chunk_bottom(_PyStackChunk *chunk)
{
    while (chunk && chunk->previous)
        chunk = chunk->previous;
    return chunk;
}

/* ---- frames.c: what needs the layout of frames ---- */

/* Visit the references of the frames of a suspended tasklet, innermost first. */
int gosp_frames_traverse(const gosp_state *st, visitproc visit, void *arg);

/* The frames between near and far edge are about to move away: bridge the links that lead there / again. */
void gosp_frames_evicting(gosp_state *st, const char *near_edge, const char *far_edge);
void gosp_frames_restored(gosp_state *st);

/* The thread state is about to be freed, and the suspended tasklet will outlive it: let go of what lies in it. */
#define GOSP_FRAMES_NEED_CUT (PY_VERSION_HEX >= 0x030F0000)
void gosp_frames_cut(gosp_state *st, PyThreadState *ts);

/* New reference to the innermost frame object of a suspended tasklet, or NULL without an error. */
PyObject *gosp_frames_innermost(gosp_state *st, PyThreadState *ts);

/* How many evaluation loops the frames belong to: of the running code (st NULL), or of a suspended tasklet whose
 * stack is in place. Stops counting at limit. */
int gosp_frames_loops(const gosp_state *st, PyThreadState *ts, int limit);

/* Does the innermost frame of the running code belong to a private module of ours (gossamer._something)? */
int gosp_frames_are_ours(PyThreadState *ts);

/* Bytes of data stack in use, the code object of the outermost frame in *code (borrowed), or 0. */
size_t gosp_frames_used(const gosp_state *st, PyObject **code);

/* Once, at import. */
void gosp_frames_init(void);

/* Words of data stack that a call of the code takes. */
size_t gosp_code_words(PyObject *code);

/* The running frame has called into us: remember where its value stack ends, if that can be known for
 * sure, so that the collector sees all of it while the tasklet waits. From 3.14 on CPython does it.
 * note_method: args are those of a call of a method of self; note_function: of function `meth`;
 * note_iteration: self's tp_iternext was called, and returns to `caller`. */
#if PY_VERSION_HEX < 0x030E0000
void gosp_frames_note_method(gosp_state *st, PyThreadState *ts, PyObject *self, PyObject *const *args, Py_ssize_t nargs);
void gosp_frames_note_function(gosp_state *st, PyThreadState *ts, void *meth, PyObject *const *args, Py_ssize_t nargs);
void gosp_frames_note_iteration(gosp_state *st, PyThreadState *ts, PyObject *self, const void *caller);
/* A with statement has looked up both methods of manager, and called __enter__. 1 if that is so. */
int gosp_frames_note_with(gosp_state *st, PyThreadState *ts, PyObject *manager, PyObject *exit);
#else
#define gosp_frames_note_method(st, ts, self, args, nargs) ((void)(ts))
#define gosp_frames_note_function(st, ts, meth, args, nargs) ((void)(ts))
#define gosp_frames_note_iteration(st, ts, self, caller) ((void)(ts))
#endif

#include "c_stack.h"
#include "inline.h"

#endif
