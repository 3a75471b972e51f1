/* compat/frames.c - the frames of suspended tasklets: visiting, bridging, showing.
 *
 * A suspended tasklet's frames form a chain over `previous`, innermost first. From 3.12 on the chain also
 * runs through entry frames, one for each evaluation loop, that lie on the C stack; once the stack bytes are
 * evicted those links would lead into somebody else's stack. So eviction bridges them: the frame before an
 * entry frame is linked to the one after it. The bridged entry frames form a list through a field that
 * CPython does not use in them; the list moves out and in with the stack bytes.
 */
#define _GNU_SOURCE
#define Py_BUILD_CORE 1
#include <Python.h>

#include <dlfcn.h>
#include <link.h>

#include <opcode.h>

#include "frame.h"
#undef Py_BUILD_CORE

#include "state.h"

/* ---- the garbage collector's view ---- */

/* How much of localsplus holds references now. Up to 3.13 the value stack of a frame that is inside a C call is
 * not recorded, and only counts when one of the gosp_frames_note_... found its end. */
static Py_ssize_t live_slots(const frame *f, const gosp_state *st, int innermost)
{
    PyCodeObject *code = frame_code(f);
#if PY_VERSION_HEX < 0x030E0000
    if (f->stacktop >= 0)
        return f->stacktop;
    if (innermost && st->eval_top) {
        Py_ssize_t n = st->eval_top - (PyObject **)f->localsplus;
        if (n >= code->co_nlocalsplus && n <= code->co_nlocalsplus + code->co_stacksize)
            return n;
    }
    return code->co_nlocalsplus;
#else
    (void)st;
    (void)innermost;
    Py_ssize_t n = f->stackpointer ? f->stackpointer - f->localsplus : code->co_nlocalsplus;
    return n >= 0 && n <= code->co_nlocalsplus + code->co_stacksize ? n : code->co_nlocalsplus;
#endif
}

int gosp_frames_traverse(const gosp_state *st, visitproc visit, void *arg)
{
    int innermost = 1;
    for (frame *f = st->frame; f; f = f->previous) {
        if (IS_ENTRY_FRAME(f))
            continue;
        if (f->owner == FRAME_OWNED_BY_THREAD) {
            Py_VISIT(f->frame_obj);
            Py_VISIT(f->f_locals);
            Py_ssize_t n = live_slots(f, st, innermost);
            for (Py_ssize_t i = 0; i < n; i++)
                Py_VISIT(REF_OWNED(f->localsplus[i]));
            Py_VISIT(REF_OWNED(FRAME_FUNC(f)));
            Py_VISIT(REF_OWNED(FRAME_EXECUTABLE(f)));
        }
        innermost = 0;
    }
    return 0;
}

static frame *innermost(PyThreadState *ts)
{
#if PY_VERSION_HEX < 0x030D0000
    return ts->cframe->current_frame;
#else
    return ts->current_frame;
#endif
}

#if PY_VERSION_HEX < 0x030E0000
static frame *running_frame(PyThreadState *ts)
{
    frame *f = innermost(ts);
    return f && !IS_ENTRY_FRAME(f) ? f : NULL;
}

/* Do args lie on the value stack of f, with two more words below them? */
static int called_from(frame *f, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject **base = (PyObject **)args;
    return f && base - 2 >= stack_begin(f) && base + nargs <= stack_end(f);
}

/* A method call leaves [method, self, arguments...] on the value stack. Anything else (a bound method that
 * lends its self, a call from C) may show borrowed references: the collector must not count those. */
void gosp_frames_note_method(gosp_state *st, PyThreadState *ts, PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject **base = (PyObject **)args;
    st->eval_top = NULL;
    if (called_from(running_frame(ts), args, nargs) && base[-1] == self && base[-2] && Py_IS_TYPE(base[-2], &PyMethodDescr_Type))
        st->eval_top = base + nargs;
}

static int is_function(PyObject *op, void *meth)
{
    return op && PyCFunction_CheckExact(op) && (void *)PyCFunction_GET_FUNCTION(op) == meth;
}

/* A function call leaves [NULL, function, arguments...], from 3.13 on [function, NULL, arguments...]. */
void gosp_frames_note_function(gosp_state *st, PyThreadState *ts, void *meth, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject **base = (PyObject **)args;
    st->eval_top = NULL;
    if (called_from(running_frame(ts), args, nargs) &&
        ((!base[-2] && is_function(base[-1], meth)) || (!base[-1] && is_function(base[-2], meth))))
        st->eval_top = base + nargs;
}

/* The instruction has put __exit__ in the manager's place (3.11), or holds it in a variable and has dropped the manager,
 * whose word is stale then. Nothing but iterators and the like is below. */
int gosp_frames_note_with(gosp_state *st, PyThreadState *ts, PyObject *manager, PyObject *exit)
{
    const int exit_in_place = PY_VERSION_HEX < 0x030C0000;
    frame *f = running_frame(ts);
    st->eval_top = NULL;
    if (!f || *(const uint8_t *)INSTRUCTION_OF(f) != BEFORE_WITH)
        return 0;
    for (PyObject **at = stack_begin(f); at < stack_end(f); at++) {
        if (*at == (exit_in_place ? exit : manager)) {
            st->eval_top = at + exit_in_place;
            return 1;
        }
    }
    return 0;
}

static const char *eval_begin, *eval_end;

/* Where the evaluation loop's code lies. */
void gosp_frames_init(void)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    if (dladdr1((void *)_PyEval_EvalFrameDefault, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol && info.dli_saddr) {
        eval_begin = info.dli_saddr;
        eval_end = eval_begin + symbol->st_size;
    }
}

/* `for x in self` keeps self on top of the value stack. Words above the top are stale, those below are all
 * in use; so the lowest word that is self is in use, if any is. One is if the evaluation loop itself called. */
void gosp_frames_note_iteration(gosp_state *st, PyThreadState *ts, PyObject *self, const void *caller)
{
    st->eval_top = NULL;
    frame *f = running_frame(ts);
    if (!f || (const char *)caller < eval_begin || (const char *)caller >= eval_end)
        return;
    for (PyObject **at = stack_begin(f); at < stack_end(f); at++) {
        if (*at == self) {
            st->eval_top = at + 1;
            return;
        }
    }
}

#else
void gosp_frames_init(void)
{
}
#endif

size_t gosp_code_words(PyObject *op)
{
    PyCodeObject *code = (PyCodeObject *)op;
    return (size_t)(code->co_nlocalsplus + code->co_stacksize) + FRAME_SPECIALS_SIZE;
}

/* ---- eviction ---- */

#if GOSP_ENTRY_FRAMES_ON_C_STACK
/* CPython does not use this field in an entry frame. */
#define NEXT_BRIDGED(f) (f)->f_globals

void gosp_frames_evicting(gosp_state *st, const char *near_edge, const char *far_edge)
{
    frame *last = NULL;
    st->bridged = NULL;
    for (frame *f = st->frame; f;) {
        frame *prev = f->previous;
        if ((char *)prev >= near_edge && (char *)prev < far_edge) {
            if (last)
                NEXT_BRIDGED(last) = (PyObject *)prev;
            else
                st->bridged = prev;
            NEXT_BRIDGED(prev) = NULL;
            last = prev;
            f->previous = prev->previous;
        } else {
            f = prev;
        }
    }
}

void gosp_frames_restored(gosp_state *st)
{
    frame *entry = st->bridged;
    for (frame *f = st->frame; entry && f; f = f->previous) {
        if (f->previous == entry->previous && f != entry) {
            f->previous = entry;
            frame *next = (frame *)NEXT_BRIDGED(entry);
            f = entry;
            entry = next;
        }
    }
    st->bridged = NULL;
}
#else
void gosp_frames_evicting(gosp_state *st, const char *near_edge, const char *far_edge)
{
    (void)st;
    (void)near_edge;
    (void)far_edge;
}

void gosp_frames_restored(gosp_state *st)
{
    (void)st;
}
#endif

void gosp_frames_cut(gosp_state *st, PyThreadState *ts)
{
#if GOSP_FRAMES_NEED_CUT
    frame **link = &st->frame;
    while (*link && *link != ts->base_frame)
        link = &(*link)->previous;
    *link = NULL;
#else
    (void)st;
    (void)ts;
#endif
}

#if PY_VERSION_HEX >= 0x030F0000
/* As CPython does for the frames that run. */
void gosp_monitoring_prepare(PyThreadState *ts)
{
    for (frame *f = ts->current_frame; f; f = f->previous)
        if (!IS_ENTRY_FRAME(f) && _Py_Instrument(frame_code(f), ts->interp) < 0)
            PyErr_Clear(); /* out of memory: events of this frame are lost */
}
#endif

/* ---- introspection ---- */

static frame *first_complete(frame *f)
{
    while (f && (IS_ENTRY_FRAME(f) || _PyFrame_IsIncomplete(f)))
        f = f->previous;
    return f;
}

/* Only the interpreter can make a frame object, and only for the frame it believes to be running. */
PyObject *gosp_frames_innermost(gosp_state *st, PyThreadState *ts)
{
    frame *f = first_complete(st->frame);
    if (!f)
        return NULL;
#if PY_VERSION_HEX < 0x030D0000
    _PyCFrame pretend = {.current_frame = f, .previous = ts->cframe};
    _PyCFrame *real = ts->cframe;
    int collects = PyGC_Disable(); /* on 3.11 an allocation may collect, and a finalizer resume this very frame */
    ts->cframe = &pretend;
    PyObject *result = (PyObject *)PyThreadState_GetFrame(ts);
    ts->cframe = real;
    if (collects)
        PyGC_Enable();
#else
    frame *real = ts->current_frame;
    ts->current_frame = f;
    PyObject *result = (PyObject *)PyThreadState_GetFrame(ts);
    ts->current_frame = real;
#endif
    return result;
}

int gosp_frames_loops(const gosp_state *st, PyThreadState *ts, int limit)
{
    int n = 0;
    for (frame *f = st ? st->frame : innermost(ts); f && n < limit; f = f->previous)
        n += BEGINS_LOOP(f) && !IS_BASE_FRAME(f, ts);
    return n;
}

int gosp_frames_are_ours(PyThreadState *ts)
{
    static const char prefix[] = "gossamer._";
    frame *f = first_complete(innermost(ts));
    PyObject *name = f && PyDict_Check(f->f_globals) ? PyDict_GetItemString(f->f_globals, "__name__") : NULL;
    const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (!text)
        PyErr_Clear();
    return text && strncmp(text, prefix, sizeof prefix - 1) == 0;
}

size_t gosp_frames_used(const gosp_state *st, PyObject **code)
{
    if (!st->chunk)
        return 0;
    size_t used = (size_t)((char *)st->top - (char *)st->chunk);
    _PyStackChunk *chunk = st->chunk;
    while (chunk->previous) {
        chunk = chunk->previous;
        used += chunk->top * sizeof(PyObject *) + offsetof(_PyStackChunk, data);
    }
    frame *outermost = (frame *)&chunk->data[1];
    if (chunk == st->chunk && (PyObject **)outermost >= st->top)
        return 0;
    *code = (PyObject *)frame_code(outermost);
    return used;
}

void *gosp_chunk_remove(PyThreadState *ts, size_t *bytes)
{
    _PyStackChunk *chunk = ts->datastack_chunk;
    *bytes = chunk ? chunk->size : 0;
    ts->datastack_chunk = NULL;
    ts->datastack_top = ts->datastack_limit = NULL;
    return chunk;
}

int gosp_context_entered(PyObject *context)
{
    return ((PyContext *)context)->ctx_entered;
}

int gosp_finalizing(void)
{
#if PY_VERSION_HEX < 0x030D0000
    return _Py_IsFinalizing();
#else
    return Py_IsFinalizing();
#endif
}
