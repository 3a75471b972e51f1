/* program.c - starting an interpreter that knows nothing but its archive, running main in it, ending it.
 *
 * Order: the audit hook is added before Python starts; the codecs that Python needs for its own start come out
 * of the archive as frozen modules; then the archive becomes the only place of imports, the compiler is closed, and
 * the program runs. At the end Python takes its audit hooks out and goes on tearing down; we leave there, so that
 * no finalizer runs unguarded.
 */
#include "program.h"
#include "importer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define PYTHON_TAG "cpython-" TEXT(PY_MAJOR_VERSION) TEXT(PY_MINOR_VERSION)

#if !defined(SEAL_MAGIC) || !defined(SEAL_PLATFORM)
#error "SEAL_PLATFORM, SEAL_MAGIC: the latter is the magic number of this Python's .pyc files, as eight hexadecimal digits in quotes; gossamer runtime build gives it"
#endif

const char *seal_program_python(void)
{
    return PY_VERSION;
}

int seal_program_check(const seal_archive *archive, seal_error *error)
{
    static const char own[] = PY_VERSION " " PYTHON_TAG " " SEAL_MAGIC;
    const char *made = seal_archive_setting(archive, "python");
    if ((Py_Version >> 16) != (PY_VERSION_HEX >> 16))
        return seal_fail(error, "this launcher was built for Python %s, but the libpython found at run time is %s", PY_VERSION,
                         Py_GetVersion());
    if (!made || strcmp(made, own))
        return seal_fail(error, "%s was made by another Python (%s); this launcher runs %s", archive->path,
                         made ? made : "unknown", own);
    const char *platform = seal_archive_setting(archive, "platform");
    if (platform && strcmp(platform, SEAL_PLATFORM))
        return seal_fail(error, "%s holds extension modules for %s; this launcher runs on %s", archive->path, platform,
                         SEAL_PLATFORM);
    if (!seal_archive_setting(archive, "main"))
        return seal_fail(error, "%s does not say what its main is", archive->path);
    return 0;
}

/* ---- starting ---- */

/* What Python imports before it can ask anybody but itself. */
static const char *const boot_names[] = {"encodings", "encodings.aliases", "encodings.utf_8"};
enum { BOOT = sizeof boot_names / sizeof boot_names[0], PYC_HEAD = 16 };

/* The frozen modules keep their bytes as long as the process lives. */
static int freeze_boot_modules(const seal_archive *archive, seal_error *error)
{
    static struct _frozen table[BOOT + 1];
    for (int i = 0; i < BOOT; i++) {
        const seal_member *member = seal_find_module(archive, boot_names[i]);
        char *bytes;
        if (!member || member->size <= PYC_HEAD || member->kind == SEAL_EXTENSION)
            return seal_fail(error, "%s lacks the module %s, without which Python does not start", archive->path, boot_names[i]);
        if (seal_archive_load(archive, member, &bytes, error))
            return -1;
        table[i].name = boot_names[i];
        table[i].code = (const unsigned char *)bytes + PYC_HEAD;
        table[i].size = (int)member->size - PYC_HEAD;
        table[i].is_package = member->kind == SEAL_PACKAGE;
    }
    PyImport_FrozenModules = table;
    return 0;
}

/* Python imports zipimport at its start, for the path hooks that close_imports takes away again. It goes on without when
 * there is no such module; that is a twentieth of the start. Whoever imports it later finds it. */
extern const struct _frozen *_PyImport_FrozenBootstrap;

static const struct _frozen *hide_zipimport(void)
{
    static struct _frozen table[32];
    const struct _frozen *all = _PyImport_FrozenBootstrap;
    size_t count = 0;
    for (const struct _frozen *one = all; one->name; one++) {
        if (strcmp(one->name, "zipimport") == 0)
            continue;
        if (count + 1 == sizeof table / sizeof table[0])
            return all; /* more than this was written for: leave them alone */
        table[count++] = *one;
    }
    _PyImport_FrozenBootstrap = table;
    return all;
}

static PyStatus fill_config(PyConfig *config, const seal_archive *archive, const char *launcher, int argc, char **argv)
{
    const char *optimise = seal_archive_setting(archive, "optimize");
    config->install_signal_handlers = 1;
    config->site_import = 0;
    config->write_bytecode = 0;
    config->parse_argv = 0;
    config->pathconfig_warnings = 0;
    config->module_search_paths_set = 1;
    config->optimization_level = optimise ? atoi(optimise) : 0;

    wchar_t **places[] = {&config->prefix, &config->exec_prefix, &config->base_prefix, &config->base_exec_prefix,
                          &config->stdlib_dir};
    PyStatus status = PyStatus_Ok();
    for (size_t i = 0; !PyStatus_Exception(status) && i < sizeof places / sizeof places[0]; i++)
        status = PyConfig_SetBytesString(config, places[i], archive->path);
    if (!PyStatus_Exception(status))
        status = PyWideStringList_Append(&config->module_search_paths, config->prefix);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(config, &config->executable, launcher);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(config, &config->base_executable, launcher);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesString(config, &config->program_name, launcher);

    char **all = calloc((size_t)argc + 2, sizeof *all);
    if (!all)
        return PyStatus_NoMemory();
    all[0] = archive->path;
    memcpy(all + 1, argv, (size_t)argc * sizeof *all);
    if (!PyStatus_Exception(status))
        status = PyConfig_SetBytesArgv(config, argc + 1, all);
    free(all);
    return status;
}

static PyStatus start(const seal_archive *archive, const char *launcher, int argc, char **argv)
{
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1; /* no environment variable decides about encodings */
    PyStatus status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;
    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    status = fill_config(&config, archive, launcher, argc, argv);
    if (!PyStatus_Exception(status)) {
        const struct _frozen *all = hide_zipimport();
        status = Py_InitializeFromConfig(&config);
        _PyImport_FrozenBootstrap = all;
    }
    PyConfig_Clear(&config);
    return status;
}

/* What Python makes at its start stays until the end. Collections meanwhile would find nothing, and take a tenth of the
 * start; later ones need not look at it again. The first import tells that there is a collector. */
static void no_collections(void)
{
    PyGC_Disable();
}

static void tell_collector(const char *method)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *done = gc ? PyObject_CallMethod(gc, method, NULL) : NULL;
    if (!done)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(gc);
}

static void collections_from_here(void)
{
    tell_collector("freeze");
    PyGC_Enable();
}

/* ---- closing what is not the archive ---- */

static int is_path_finder(PyObject *finder)
{
    PyObject *name = PyObject_GetAttrString(finder, "__name__");
    int found = name && PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "PathFinder") == 0;
    Py_XDECREF(name);
    PyErr_Clear();
    return found;
}

/* meta_path: what is built in, what is frozen, the archive. */
static int close_imports(PyObject *importer)
{
    PyObject *finders = PySys_GetObject("meta_path"), *hooks = PySys_GetObject("path_hooks");
    PyObject *cache = PySys_GetObject("path_importer_cache");
    if (!finders || !PyList_Check(finders) || !hooks || !PyList_Check(hooks) || !cache || !PyDict_Check(cache)) {
        PyErr_SetString(PyExc_RuntimeError, "the import system is not as Python sets it up");
        return -1;
    }
    for (Py_ssize_t i = PyList_GET_SIZE(finders) - 1; i >= 0; i--)
        if (is_path_finder(PyList_GET_ITEM(finders, i)) && PyList_SetSlice(finders, i, i + 1, NULL))
            return -1;
    PyDict_Clear(cache);
    return PyList_SetSlice(hooks, 0, PyList_GET_SIZE(hooks), NULL) || PyList_Append(finders, importer) ? -1 : 0;
}

static PyMethodDef seal_methods[] = {
    {"derive", seal_derive, METH_VARARGS, seal_derive_doc},
    {"awaitable", seal_awaitable, METH_O, seal_awaitable_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef seal_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_gossamer_seal",
    .m_doc = "The inside of a sealed runtime: what its repairs of the standard library need.",
    .m_size = -1,
    .m_methods = seal_methods,
};

static PyObject *init_seal_module(void)
{
    PyObject *module = PyModule_Create(&seal_module), *closed = seal_compiler_closed();
    if (module && (!closed || PyModule_AddObjectRef(module, "CompilerClosed", closed)))
        Py_CLEAR(module);
    return module;
}

static int denies(const seal_archive *archive, const char *what)
{
    for (size_t i = 0; i < archive->setting_count; i++)
        if (strcmp(archive->settings[i].key, "deny") == 0 && strcmp(archive->settings[i].value, what) == 0)
            return 1;
    return 0;
}

/* ---- main ---- */

/* main MODULE: like `python -m MODULE`, and like `python FILE` for a module that is called __main__ itself. */
static PyObject *run_module(const seal_archive *archive, PyObject *importer, const char *name)
{
    PyObject *main = PyImport_AddModule("__main__"), *code = NULL, *result = NULL, *spec = NULL, *file = NULL;
    const char *dot = strrchr(name, '.');
    PyObject *package = dot ? PyUnicode_FromStringAndSize(name, dot - name) : PyUnicode_FromString("");
    if (!main || !package)
        goto done;
    if (dot) {
        PyObject *parent = PyImport_Import(package);
        if (!parent)
            goto done;
        Py_DECREF(parent);
    }
    spec = strcmp(name, "__main__") ? PyObject_CallMethod(importer, "find_spec", "s", name) : Py_NewRef(Py_None);
    file = PyObject_CallMethod(importer, "get_filename", "s", name);
    code = PyObject_CallMethod(importer, "get_code", "s", name);
    if (!spec || !file || !code)
        goto done;
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_ImportError, "%s: %s is no module that can be run", archive->path, name);
        goto done;
    }
    PyObject *names = PyModule_GetDict(main);
    if (PyDict_SetItemString(names, "__spec__", spec) || PyDict_SetItemString(names, "__file__", file) ||
        PyDict_SetItemString(names, "__loader__", importer) || PyDict_SetItemString(names, "__package__", package) ||
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()))
        goto done;
    result = PyEval_EvalCode(code, names, names);
done:
    Py_XDECREF(package);
    Py_XDECREF(spec);
    Py_XDECREF(file);
    Py_XDECREF(code);
    return result;
}

/* main MODULE:FUNCTION: what a console script does, sys.exit(FUNCTION()). */
static PyObject *call_function(const char *name, const char *colon)
{
    PyObject *module_name = PyUnicode_FromStringAndSize(name, colon - name);
    PyObject *at = module_name ? PyImport_Import(module_name) : NULL;
    Py_XDECREF(module_name);
    char *path = strdup(colon + 1), *rest = path;
    for (char *step; at && path && (step = strsep(&rest, ".")) != NULL;)
        Py_SETREF(at, PyObject_GetAttrString(at, step));
    PyObject *result = at && path ? PyObject_CallNoArgs(at) : NULL;
    if (at && !path)
        PyErr_NoMemory();
    free(path);
    Py_XDECREF(at);
    if (!result || result == Py_None)
        return result;
    PyErr_SetObject(PyExc_SystemExit, result);
    Py_DECREF(result);
    return NULL;
}

/* ---- ending ---- */

static struct {
    int known, status, interrupted;
} ending;

/* The status that Python would give for the exception that is set: prints what must be printed. */
static int status_of_exception(void)
{
    if (!PyErr_ExceptionMatches(PyExc_SystemExit)) {
        ending.interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
        PyErr_Print();
        return ending.interrupted ? 128 + SIGINT : 1;
    }
    PyObject *type, *value, *traceback, *code = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value)
        code = PyObject_GetAttrString(value, "code");
    PyErr_Clear();
    int status = 1;
    if (!code || code == Py_None) {
        status = 0;
    } else if (PyLong_Check(code)) {
        status = (int)PyLong_AsLong(code);
        PyErr_Clear();
    } else {
        PyObject *err = PySys_GetObject("stderr");
        if (!err || PyFile_WriteObject(code, err, Py_PRINT_RAW) || PyFile_WriteString("\n", err))
            PyErr_Clear();
    }
    Py_XDECREF(code);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return status;
}

/* Whether standard output took everything. */
static int flushed(void)
{
    PyObject *out = PySys_GetObject("stdout");
    if (!out || out == Py_None)
        return 1;
    PyObject *closed = PyObject_GetAttrString(out, "closed");
    int gone = closed && PyObject_IsTrue(closed) == 1;
    Py_XDECREF(closed);
    PyErr_Clear();
    PyObject *done = gone ? Py_NewRef(Py_None) : PyObject_CallMethod(out, "flush", NULL);
    if (!done)
        PyErr_WriteUnraisable(out);
    Py_XDECREF(done);
    return done != NULL;
}

/* Python has run its exit functions, waited for its threads, flushed its files and emptied its modules. */
static void leave(void)
{
    if (!ending.known)
        return;
    if (ending.interrupted) { /* a shell wants to see that the signal ended us */
        fflush(NULL);
        signal(SIGINT, SIG_DFL);
        kill(getpid(), SIGINT);
    }
    exit(ending.status);
}

int seal_program_run(const seal_archive *archive, const char *launcher, int argc, char **argv)
{
    seal_error error;
    if (freeze_boot_modules(archive, &error)) {
        fprintf(stderr, "gossamer-run: %s\n", error.text);
        return 2;
    }
    seal_guard_at_end = leave;
    seal_guard_at_start = no_collections;
    if (seal_guard_add() || PyImport_AppendInittab("_gossamer_seal", init_seal_module))
        Py_FatalError("out of memory");
    PyStatus status = start(archive, launcher, argc, argv);
    if (PyStatus_Exception(status)) {
        if (PyStatus_IsExit(status))
            return status.exitcode;
        Py_ExitStatusException(status);
    }

    const char *name = seal_archive_setting(archive, "main"), *colon = strchr(name, ':');
    PyObject *importer = seal_importer_new(archive), *result = NULL;
    int what = SEAL_ALL | (denies(archive, "ctypes") ? SEAL_NO_CTYPES : 0);
    if (importer && close_imports(importer) == 0 && seal_guard_arm(what) == 0) {
        collections_from_here();
        result = colon ? call_function(name, colon) : run_module(archive, importer, name);
    }
    ending.status = result ? 0 : status_of_exception();
    Py_XDECREF(result);
    if (!flushed())
        ending.status = 120;
    ending.known = 1;
    tell_collector("unfreeze"); /* Python empties modules with the collector's help, __main__ among them */
    Py_FinalizeEx();
    leave();
    return ending.status;
}
