/* guard.c - the audit hook; guard.h says what it is for.
 *
 * CPython raises an audit event wherever it is about to parse text, to read marshalled code, to build a code
 * object from Python, to load an extension or to start an interpreter. The hook lets through what the runtime
 * itself has verified: it compares the very bytes with those that the importer announced, for between the
 * announcement and the event other Python code may run (a finalizer, another hook).
 */
#include "guard.h"

#include <marshal.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int added, armed, probed;
void (*seal_guard_at_end)(void), (*seal_guard_at_start)(void);

/* What the importer of this thread has announced; used up by the event that fits. */
struct announcement {
    const char *bytes; /* of marshalled code */
    Py_ssize_t size;
    const char *path;       /* of an extension */
    PyObject *instructions; /* of the code object that seal_derive copies */
};
static __thread struct announcement expected;

/* ---- refusing ---- */

static int refuse(const char *text)
{
    PyObject *type = seal_compiler_closed();
    if (type)
        PyErr_SetString(type, text);
    return -1;
}

static const char text_closed[] =
    "the compiler is closed: compile(), eval() and exec() take no text here, only code that was compiled before";
static const char code_closed[] =
    "the compiler is closed: code objects cannot be built or loaded here, only those that were sealed run";

static const char text_interpreters[] =
    "a sealed program has one interpreter: another one would not import from the archive";

static int is_frozen(const struct _frozen *table, const char *bytes, Py_ssize_t size)
{
    for (; table && table->name; table++) {
        Py_ssize_t own = table->size < 0 ? -table->size : table->size;
        if (own == size && table->code && memcmp(table->code, bytes, (size_t)size) == 0)
            return 1;
    }
    return 0;
}

extern const struct _frozen *_PyImport_FrozenBootstrap, *_PyImport_FrozenStdlib;

/* Frozen modules are part of the interpreter; from 3.13 on they are unmarshalled like any other. */
static int on_unmarshal(PyObject *args)
{
    PyObject *data = args && PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (!data || !PyBytes_Check(data))
        return refuse(code_closed);
    const char *bytes = PyBytes_AS_STRING(data);
    Py_ssize_t size = PyBytes_GET_SIZE(data);
    if (expected.bytes && expected.size == size && memcmp(expected.bytes, bytes, (size_t)size) == 0) {
        expected.bytes = NULL;
        return 0;
    }
    if (is_frozen(_PyImport_FrozenBootstrap, bytes, size) || is_frozen(_PyImport_FrozenStdlib, bytes, size) ||
        is_frozen(PyImport_FrozenModules, bytes, size))
        return 0;
    return refuse(code_closed);
}

static int on_new_code(PyObject *args)
{
    PyObject *instructions = args && PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (expected.instructions && expected.instructions == instructions) {
        expected.instructions = NULL;
        return 0;
    }
    return refuse(code_closed);
}

static int is_ctypes(PyObject *name)
{
    const char *text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (!text)
        PyErr_Clear();
    return text && (strcmp(text, "_ctypes") == 0 || strcmp(text, "ctypes") == 0 || strncmp(text, "ctypes.", 7) == 0);
}

static int on_import(PyObject *args)
{
    PyObject *name = PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    if ((armed & SEAL_NO_CTYPES) && is_ctypes(name)) {
        PyErr_SetString(PyExc_ImportError, "ctypes is denied in this program");
        return -1;
    }
    if ((armed & SEAL_NO_INTERPRETERS) && name && PyUnicode_Check(name) &&
        (PyUnicode_CompareWithASCIIString(name, "_interpreters") == 0 ||
         PyUnicode_CompareWithASCIIString(name, "_xxsubinterpreters") == 0)) {
        PyErr_SetString(PyExc_ImportError, text_interpreters);
        return -1;
    }
    PyObject *file = name ? PyTuple_GET_ITEM(args, 1) : NULL;
    if (!(armed & SEAL_NO_EXTENSIONS) || !file || file == Py_None)
        return 0;
    const char *path = PyUnicode_Check(file) ? PyUnicode_AsUTF8(file) : NULL;
    if (path && expected.path && strcmp(path, expected.path) == 0) {
        expected.path = NULL;
        return 0;
    }
    PyErr_Clear();
    PyErr_Format(PyExc_ImportError, "%S is not in the sealed archive: no other extension module is loaded", file);
    return -1;
}

/* Writing to /proc/PID/mem would change code in place. Reading is left alone. */
static int on_open(PyObject *args)
{
    if (PyTuple_GET_SIZE(args) != 3)
        return 0;
    PyObject *path = PyTuple_GET_ITEM(args, 0), *flags = PyTuple_GET_ITEM(args, 2);
    if (!PyLong_Check(flags) || (PyLong_AsLong(flags) & O_ACCMODE) == O_RDONLY)
        return 0;
    const char *text = PyUnicode_Check(path) ? PyUnicode_AsUTF8(path) : PyBytes_Check(path) ? PyBytes_AS_STRING(path) : NULL;
    char real[PATH_MAX];
    if (!text) {
        PyErr_Clear();
        return 0;
    }
    size_t size = realpath(text, real) ? strlen(real) : 0;
    if (size < 9 || strncmp(real, "/proc/", 6) || strcmp(real + size - 4, "/mem"))
        return 0;
    PyErr_SetString(PyExc_PermissionError, "a sealed program does not write to the memory of processes");
    return -1;
}

/* ---- the hook ---- */

static int is(const char *event, const char *name)
{
    return strcmp(event, name) == 0;
}

static int hook(const char *event, PyObject *args, void *unused)
{
    (void)unused;
    switch (event[0]) {
    case 'g':
        if (is(event, "gossamer.seal.probe"))
            probed = 1;
        return 0;
    case 'c':
        if (is(event, "cpython._PySys_ClearAuditHooks") && seal_guard_at_end)
            seal_guard_at_end();
        if (!armed)
            return 0;
        if (is(event, "compile"))
            return refuse(text_closed);
        if (is(event, "code.__new__"))
            return armed & SEAL_NO_BYTECODE ? on_new_code(args) : 0;
        if (strncmp(event, "cpython.run_", 12) == 0)
            return refuse(text_closed);
#if PY_VERSION_HEX < 0x030C0000 || PY_VERSION_HEX >= 0x030D0000
        /* 3.12 does not expect that a hook refuses this, and crashes: there on_import has to do. */
        if (is(event, "cpython.PyInterpreterState_New") && (armed & SEAL_NO_INTERPRETERS))
            return refuse(text_interpreters);
#endif
        if (strncmp(event, "ctypes.", 7) == 0 && (armed & SEAL_NO_CTYPES)) {
            PyErr_SetString(PyExc_PermissionError, "ctypes is denied in this program");
            return -1;
        }
        return 0;
    case 'm':
        if ((armed & SEAL_NO_BYTECODE) && is(event, "marshal.loads"))
            return on_unmarshal(args);
        if ((armed & SEAL_NO_BYTECODE) && is(event, "marshal.load"))
            return refuse(code_closed);
        return 0;
    case 'i':
        if (seal_guard_at_start && is(event, "import")) {
            void (*function)(void) = seal_guard_at_start;
            seal_guard_at_start = NULL;
            function();
        }
        return (armed & (SEAL_NO_EXTENSIONS | SEAL_NO_CTYPES | SEAL_NO_INTERPRETERS)) && is(event, "import") ? on_import(args) : 0;
    case 'o':
        return (armed & SEAL_NO_MEMORY) && is(event, "open") ? on_open(args) : 0;
    default:
        return 0;
    }
}

int seal_guard_add(void)
{
    if (added)
        return 0;
    if (PySys_AddAuditHook(hook, NULL) < 0)
        return -1;
    added = 1;
    return 0;
}

/* Another hook may have kept ours out without saying so: an event of our own must arrive. */
int seal_guard_arm(int what)
{
    if (seal_guard_add())
        return -1;
    if (!seal_compiler_closed())
        return -1;
    probed = 0;
    if (PySys_Audit("gossamer.seal.probe", NULL) < 0)
        return -1;
    if (!probed) {
        added = 0;
        PyErr_SetString(PyExc_RuntimeError, "another audit hook refuses the one that would keep the compiler closed");
        return -1;
    }
    armed |= what;
    return 0;
}

int seal_guard_armed(void)
{
    return armed;
}

/* ---- what the runtime itself does ---- */

/* Each keeps the announcement of the call around it: an import may happen inside of another one's. */
PyObject *seal_guard_unmarshal(const char *bytes, Py_ssize_t size)
{
    struct announcement before = expected;
    expected = (struct announcement){.bytes = bytes, .size = size};
    PyObject *object = PyMarshal_ReadObjectFromString(bytes, size);
    expected = before;
    return object;
}

PyObject *seal_guard_create_dynamic(PyObject *spec, const char *path)
{
    PyObject *imp = PyImport_ImportModule("_imp"), *module = NULL;
    if (imp) {
        struct announcement before = expected;
        expected = (struct announcement){.path = path};
        module = PyObject_CallMethod(imp, "create_dynamic", "O", spec);
        expected = before;
        Py_DECREF(imp);
    }
    return module;
}

PyObject *seal_guard_replace(PyObject *code, PyObject *keywords, PyObject *instructions)
{
    PyObject *replace = PyObject_GetAttrString(code, "replace"), *none = PyTuple_New(0), *result = NULL;
    if (replace && none) {
        struct announcement before = expected;
        expected = (struct announcement){.instructions = instructions};
        result = PyObject_Call(replace, none, keywords);
        expected = before;
    }
    Py_XDECREF(replace);
    Py_XDECREF(none);
    return result;
}
