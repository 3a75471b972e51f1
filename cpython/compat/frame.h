/* compat/frame.h - what a frame looks like, version by version. Only for files in compat/, which define
 * Py_BUILD_CORE and include it before state.h. */
#ifndef GOSP_COMPAT_FRAME_H
#define GOSP_COMPAT_FRAME_H

#include <internal/pycore_context.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#include <internal/pycore_instruments.h>
#include <internal/pycore_stackref.h>
#include <internal/pycore_tstate.h>
#endif

typedef struct _PyInterpreterFrame frame;

/* gosp_ref: how a frame refers to an object. REF_OWNED: the object if the frame owns a reference to it, else NULL:
 * from 3.14 on a reference may be borrowed from another one that the collector sees, or be an integer. */
#if PY_VERSION_HEX < 0x030C0000
typedef PyObject *gosp_ref;
#define FRAME_FUNC(f) ((gosp_ref)(f)->f_func)
#define FRAME_EXECUTABLE(f) ((gosp_ref)(f)->f_code)
#define IS_ENTRY_FRAME(f) 0
#define BEGINS_LOOP(f) (f)->is_entry
#elif PY_VERSION_HEX < 0x030D0000
typedef PyObject *gosp_ref;
#define FRAME_FUNC(f) (f)->f_funcobj
#define FRAME_EXECUTABLE(f) ((gosp_ref)(f)->f_code)
#define IS_ENTRY_FRAME(f) ((f)->owner == FRAME_OWNED_BY_CSTACK)
#elif PY_VERSION_HEX < 0x030E0000
typedef PyObject *gosp_ref;
#define FRAME_FUNC(f) (f)->f_funcobj
#define FRAME_EXECUTABLE(f) (f)->f_executable
#define IS_ENTRY_FRAME(f) ((f)->owner == FRAME_OWNED_BY_CSTACK)
#else
typedef _PyStackRef gosp_ref;
#define FRAME_FUNC(f) (f)->f_funcobj
#define FRAME_EXECUTABLE(f) (f)->f_executable
#define IS_ENTRY_FRAME(f) ((f)->owner >= FRAME_OWNED_BY_INTERPRETER)
#endif

/* Each evaluation loop has one such frame in the chain. */
#ifndef BEGINS_LOOP
#define BEGINS_LOOP(f) IS_ENTRY_FRAME(f)
#endif
#if PY_VERSION_HEX < 0x030F0000
#define IS_BASE_FRAME(f, ts) 0
#else
#define IS_BASE_FRAME(f, ts) ((f) == (ts)->base_frame)
#endif

/* The instruction that a frame executes, or has executed last. */
#if PY_VERSION_HEX < 0x030D0000
#define INSTRUCTION_OF(f) ((const char *)(f)->prev_instr)
#else
#define INSTRUCTION_OF(f) ((const char *)(f)->instr_ptr)
#endif

#if PY_VERSION_HEX < 0x030E0000
#define REF_OBJECT(ref) (ref)
#define REF_OWNED(ref) (ref)
#else
#define REF_OBJECT(ref) PyStackRef_AsPyObjectBorrow(ref)
static inline PyObject *gosp_ref_owned(gosp_ref ref)
{
    if (PyStackRef_IsNullOrInt(ref) || !PyStackRef_RefcountOnObject(ref))
        return NULL;
    return PyStackRef_AsPyObjectBorrow(ref);
}
#define REF_OWNED(ref) gosp_ref_owned(ref)
#endif

static inline PyCodeObject *frame_code(const frame *f)
{
    return (PyCodeObject *)REF_OBJECT(FRAME_EXECUTABLE(f));
}

static inline gosp_ref *stack_begin(frame *f)
{
    return (gosp_ref *)f->localsplus + frame_code(f)->co_nlocalsplus;
}

static inline gosp_ref *stack_end(frame *f)
{
    return stack_begin(f) + frame_code(f)->co_stacksize;
}

#endif
