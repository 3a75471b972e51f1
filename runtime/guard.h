/* guard.h - the audit hook that keeps the compiler closed.
 *
 * One hook a process, in C, so that no Python code can take it out again. Once armed it stays so. Every function
 * here wants the GIL, except seal_guard_add before Python starts.
 */
#ifndef SEAL_GUARD_H
#define SEAL_GUARD_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum {
    SEAL_NO_TEXT = 1,          /* compile(), eval() and exec() of text, in every way */
    SEAL_NO_BYTECODE = 2,      /* code objects that the archive does not hold */
    SEAL_NO_EXTENSIONS = 4,    /* extension modules that the archive does not hold */
    SEAL_NO_CTYPES = 8,        /* module ctypes */
    SEAL_NO_INTERPRETERS = 16, /* further interpreters: their imports would not go through the archive */
    SEAL_NO_MEMORY = 32,       /* writing through /proc/.../mem */
    SEAL_ALL = 63 & ~SEAL_NO_CTYPES,
};

/* Adds the hook, once. Allowed before Py_Initialize. 0, or -1 (with an exception when Python runs). */
int seal_guard_add(void);

/* From now on these are refused (bits of SEAL_NO_...), and whatever was refused before. 0, or -1 with an exception. */
int seal_guard_arm(int what);

/* What is refused at present. */
int seal_guard_armed(void);

/* The class of refusals, made on first use; borrowed. NULL with an exception. */
PyObject *seal_compiler_closed(void);

/* PyMarshal_ReadObjectFromString for bytes that the caller has verified. New reference. */
PyObject *seal_guard_unmarshal(const char *bytes, Py_ssize_t size);

/* _imp.create_dynamic(spec) for a file that the caller has verified; `path` is the spec's origin. New reference. */
PyObject *seal_guard_create_dynamic(PyObject *spec, const char *path);

/* code.replace(**keywords), where keywords has co_code=instructions, a bytes object that nobody else has. New reference. */
PyObject *seal_guard_replace(PyObject *code, PyObject *keywords, PyObject *instructions);

/* A copy of a code object with other names of arguments and variables; see the docstring in refuse.c. */
PyObject *seal_derive(PyObject *module, PyObject *args);
extern const char seal_derive_doc[];

/* The same for the flag that types.coroutine sets. */
PyObject *seal_awaitable(PyObject *module, PyObject *code);
extern const char seal_awaitable_doc[];

/* Called by the hook when Python is about to take all audit hooks out, at its end; may not return. NULL: nothing. */
extern void (*seal_guard_at_end)(void);

/* Called by the hook at the first import, when the interpreter is there and has made nothing yet. NULL: nothing. */
extern void (*seal_guard_at_start)(void);

#endif
