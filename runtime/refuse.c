/* refuse.c - the class of refusals, and the two ways to a new code object that stay open.
 *
 * types.coroutine marks a generator's code as awaitable; nothing else changes. namedtuple and dataclasses make functions whose arguments have the names of fields. Without a compiler the
 * shims take a function that was compiled with the right number of arguments and rename them. The copy does what
 * the original did, so this is no way to run foreign code.
 */
#include "guard.h"

PyObject *seal_compiler_closed(void)
{
    static PyObject *type;
    if (!type) {
        /* SyntaxError too: code that probes the parser catches only that. It comes first for its __init__. */
        PyObject *bases = PyTuple_Pack(2, PyExc_SyntaxError, PyExc_NotImplementedError);
        if (!bases)
            return NULL;
        type = PyErr_NewExceptionWithDoc(
            "gossamer.seal.CompilerClosed",
            "Raised where a program asks for the compiler after it was closed. A NotImplementedError, and a\n"
            "SyntaxError since code that tries whether some text compiles catches only that.",
            bases, NULL);
        Py_DECREF(bases);
    }
    return type;
}

/* A copy of the instructions that nobody else has: its identity is what the guard looks at. */
static PyObject *own_instructions(PyObject *code)
{
    PyObject *shared = PyObject_GetAttrString(code, "co_code");
    PyObject *own = shared ? PyBytes_FromStringAndSize(PyBytes_AS_STRING(shared), PyBytes_GET_SIZE(shared)) : NULL;
    Py_XDECREF(shared);
    return own;
}

/* ---- derive ---- */

static int get_count(PyObject *code, const char *name, Py_ssize_t *count)
{
    PyObject *value = PyObject_GetAttrString(code, name);
    *count = value ? PyLong_AsSsize_t(value) : -1;
    Py_XDECREF(value);
    return *count == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Exact strings that can be names, none of them twice. */
static int check_names(PyObject *names)
{
    PyObject *seen = PySet_New(NULL);
    int good = seen != NULL;
    for (Py_ssize_t i = 0; good && i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (!PyUnicode_CheckExact(name) || !PyUnicode_IsIdentifier(name)) {
            PyErr_Format(PyExc_ValueError, "%R cannot be the name of an argument", name);
            good = 0;
        } else {
            good = PySet_Add(seen, name) == 0;
        }
    }
    if (good && PySet_GET_SIZE(seen) != PyTuple_GET_SIZE(names)) {
        PyErr_SetString(PyExc_ValueError, "two arguments have the same name");
        good = 0;
    }
    Py_XDECREF(seen);
    return good ? 0 : -1;
}

/* The copy may divide the arguments anew into positional and keyword-only ones, but not change how many there are. */
static int check_counts(PyObject *code, PyObject *names, Py_ssize_t argcount, Py_ssize_t posonly, Py_ssize_t kwonly)
{
    Py_ssize_t had_args, had_kwonly, locals;
    PyObject *cells = PyObject_GetAttrString(code, "co_cellvars");
    int plain = cells && PyTuple_Check(cells) && PyTuple_GET_SIZE(cells) == 0;
    Py_XDECREF(cells);
    if (get_count(code, "co_argcount", &had_args) || get_count(code, "co_kwonlyargcount", &had_kwonly) ||
        get_count(code, "co_nlocals", &locals) || PyErr_Occurred())
        return -1;
    if (!plain || argcount < 0 || kwonly < 0 || posonly < 0 || posonly > argcount ||
        argcount + kwonly != had_args + had_kwonly || PyTuple_GET_SIZE(names) != locals) {
        PyErr_SetString(PyExc_ValueError, "a derived function has the arguments and variables of its original, only renamed");
        return -1;
    }
    return 0;
}

const char seal_derive_doc[] =
    "derive(code, names, argcount, posonlyargcount, kwonlyargcount, name, qualname, /)\n--\n\n"
    "A copy of the code object whose arguments and variables are called `names`: one for each, as many as before.\n"
    "The arguments may be divided anew into positional and keyword-only ones; the rest stays, so the copy does what\n"
    "the original does. Works while the compiler is closed. Raises TypeError and ValueError.";

PyObject *seal_derive(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *code, *names, *name, *qualname;
    Py_ssize_t argcount, posonly, kwonly;
    if (!PyArg_ParseTuple(args, "O!O!nnnUU:derive", &PyCode_Type, &code, &PyTuple_Type, &names, &argcount, &posonly, &kwonly,
                          &name, &qualname))
        return NULL;
    if (check_names(names) || check_counts(code, names, argcount, posonly, kwonly))
        return NULL;
    PyObject *own = own_instructions(code);
    PyObject *keywords = own ? Py_BuildValue("{sOsOsnsnsnsOsO}", "co_code", own, "co_varnames", names, "co_argcount", argcount,
                                             "co_posonlyargcount", posonly, "co_kwonlyargcount", kwonly, "co_name", name,
                                             "co_qualname", qualname)
                             : NULL;
    PyObject *result = keywords ? seal_guard_replace(code, keywords, own) : NULL;
    Py_XDECREF(own);
    Py_XDECREF(keywords);
    return result;
}

/* ---- awaitable generators ---- */

const char seal_awaitable_doc[] =
    "awaitable(code, /)\n--\n\n"
    "A copy of a generator's code object with the flag CO_ITERABLE_COROUTINE, which types.coroutine sets. Works while\n"
    "the compiler is closed. Raises TypeError and ValueError.";

PyObject *seal_awaitable(PyObject *module, PyObject *code)
{
    (void)module;
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "awaitable() needs a code object");
        return NULL;
    }
    int flags = ((PyCodeObject *)code)->co_flags;
    if (!(flags & CO_GENERATOR)) {
        PyErr_SetString(PyExc_ValueError, "awaitable() needs the code of a generator");
        return NULL;
    }
    PyObject *own = own_instructions(code);
    PyObject *keywords = own ? Py_BuildValue("{sOsi}", "co_code", own, "co_flags", flags | CO_ITERABLE_COROUTINE) : NULL;
    PyObject *result = keywords ? seal_guard_replace(code, keywords, own) : NULL;
    Py_XDECREF(own);
    Py_XDECREF(keywords);
    return result;
}
