/* importer.c - the finder and loader of a sealed program, one object that is both.
 *
 * It answers from the index that the archive's reader has made, never from the file system. Each member is read
 * and verified when it is imported, so a start pays only for what it touches.
 */
#include "importer.h"

#include <stdlib.h>
#include <string.h>
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    const seal_archive *archive;
    PyObject *path;      /* the archive's path, str */
    PyObject *spec_type; /* importlib's ModuleSpec */
    PyObject *shims;     /* {module: name of the shim that repairs it} */
    PyObject *call;      /* importlib's function whose frames tracebacks leave out */
    PyObject *exec;      /* the builtin */
} Importer;

/* ---- names and members ---- */

/* "a.b" becomes "a/b" + suffix. 0 when that is too long. */
static size_t member_name(char out[SEAL_MAX_NAME + 1], const char *name, const char *suffix)
{
    size_t size = strlen(name), more = strlen(suffix);
    if (size + more > SEAL_MAX_NAME)
        return 0;
    for (size_t i = 0; i < size; i++)
        out[i] = name[i] == '.' ? '/' : name[i];
    memcpy(out + size, suffix, more + 1);
    return size + more;
}

const seal_member *seal_find_module(const seal_archive *archive, const char *name)
{
    static const struct {
        const char *suffix;
        seal_kind kind;
    } forms[] = {{"/__init__.pyc", SEAL_PACKAGE}, {".pyc", SEAL_MODULE}, {".so", SEAL_EXTENSION}};
    char text[SEAL_MAX_NAME + 1];
    for (size_t i = 0; i < 3; i++) {
        size_t size = member_name(text, name, forms[i].suffix);
        const seal_member *member = size ? seal_archive_find(archive, text, size) : NULL;
        if (member && member->kind == forms[i].kind)
            return member;
    }
    return NULL;
}

/* A package without __init__: some module lies in the folder of that name. */
static int is_namespace(const seal_archive *archive, const char *name)
{
    char text[SEAL_MAX_NAME + 1];
    size_t size = member_name(text, name, "/");
    for (size_t i = 0; size && i < archive->count; i++) {
        const seal_member *member = &archive->members[i];
        if (member->kind != SEAL_DATA && member->name_size > size && memcmp(member->name, text, size) == 0)
            return 1;
    }
    return 0;
}

PyObject *seal_load_code(const seal_archive *archive, const seal_member *member)
{
    enum { HEAD = 16 }; /* of a .pyc file: the magic number, flags, the source's hash */
    seal_error error;
    char *bytes;
    if (seal_archive_load(archive, member, &bytes, &error)) {
        PyErr_SetString(PyExc_ImportError, error.text);
        return NULL;
    }
    PyObject *code = NULL;
    if (member->size > HEAD)
        code = seal_guard_unmarshal(bytes + HEAD, (Py_ssize_t)member->size - HEAD);
    free(bytes);
    if (!code && PyErr_Occurred())
        return NULL;
    if (!code || !PyCode_Check(code)) {
        Py_XDECREF(code);
        return PyErr_Format(PyExc_ImportError, "%s: %s holds no code", archive->path, member->name);
    }
    return code;
}

/* The member of a module that must be there. */
static const seal_member *need(Importer *self, PyObject *name)
{
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    const seal_member *member = text ? seal_find_module(self->archive, text) : NULL;
    if (!member && !PyErr_Occurred()) {
        PyObject *error = PyUnicode_FromFormat("%R is not in the sealed archive", name);
        if (error)
            PyErr_SetImportError(error, name, NULL);
        Py_XDECREF(error);
    }
    return member;
}

/* ---- finding ---- */

static PyObject *make_spec(Importer *self, PyObject *name, const seal_member *member)
{
    static PyObject *keywords, *yes;
    if (!keywords && !(keywords = Py_BuildValue("(ss)", "origin", "is_package")))
        return NULL;
    if (!yes && !(yes = PyUnicode_InternFromString("_set_fileattr")))
        return NULL;
    PyObject *origin = member ? PyUnicode_FromFormat("%U/%s", self->path, member->name) : Py_NewRef(Py_None);
    int package = !member || member->kind == SEAL_PACKAGE;
    if (!origin)
        return NULL;
    PyObject *arguments[] = {name, member ? (PyObject *)self : Py_None, origin, package ? Py_True : Py_False};
    PyObject *spec = PyObject_Vectorcall(self->spec_type, arguments, 2, keywords);
    Py_DECREF(origin);
    if (spec && member && PyObject_SetAttr(spec, yes, Py_True))
        Py_CLEAR(spec);
    if (!spec || !package)
        return spec;

    PyObject *places = PyObject_GetAttrString(spec, "submodule_search_locations");
    PyObject *place = NULL;
    char folder[SEAL_MAX_NAME + 1];
    const char *text = PyUnicode_AsUTF8(name);
    if (places && text && member_name(folder, text, ""))
        place = PyUnicode_FromFormat("%U/%s", self->path, folder);
    int failed = !place || PyList_Append(places, place);
    Py_XDECREF(places);
    Py_XDECREF(place);
    if (failed)
        Py_CLEAR(spec);
    return spec;
}

static PyObject *find_spec(Importer *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)kwnames; /* path and target say nothing that the name does not */
    if (nargs < 1 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "find_spec() needs the name of a module");
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8(args[0]);
    if (!name)
        return NULL;
    const seal_member *member = seal_find_module(self->archive, name);
    if (!member && !is_namespace(self->archive, name))
        Py_RETURN_NONE;
    return make_spec(self, args[0], member);
}

/* ---- loading ---- */

static PyObject *create_module(Importer *self, PyObject *spec)
{
    PyObject *name = PyObject_GetAttrString(spec, "name");
    const seal_member *member = name ? need(self, name) : NULL;
    Py_XDECREF(name);
    if (!member)
        return NULL;
    if (member->kind == SEAL_EXTENSION)
        return seal_load_extension(self->archive, member, spec);
    Py_RETURN_NONE;
}

static int run(Importer *self, const seal_member *member, PyObject *module)
{
    PyObject *code = seal_load_code(self->archive, member), *result = NULL;
    if (code)
        result = PyObject_CallFunctionObjArgs(self->call, self->exec, code, PyModule_GetDict(module), NULL);
    Py_XDECREF(code);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Modules that would use the compiler are repaired right after they ran, before anybody sees them. */
static int repair(Importer *self, PyObject *name, PyObject *module)
{
    PyObject *shim = PyDict_GetItemWithError(self->shims, name);
    if (!shim)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *repairs = PyImport_Import(shim);
    PyObject *result = repairs ? PyObject_CallMethod(repairs, "apply", "O", module) : NULL;
    Py_XDECREF(repairs);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *exec_module(Importer *self, PyObject *module)
{
    PyObject *spec = PyModule_Check(module) ? PyObject_GetAttrString(module, "__spec__") : NULL;
    PyObject *name = spec ? PyObject_GetAttrString(spec, "name") : NULL, *result = NULL;
    if (!spec && !PyErr_Occurred())
        PyErr_SetString(PyExc_TypeError, "exec_module() needs a module");
    const seal_member *member = name ? need(self, name) : NULL;
    if (member && member->kind == SEAL_EXTENSION) {
        PyObject *imp = PyImport_ImportModule("_imp");
        result = imp ? PyObject_CallMethod(imp, "exec_dynamic", "O", module) : NULL;
        Py_XDECREF(imp);
        Py_XSETREF(result, result ? Py_NewRef(Py_None) : NULL);
    } else if (member && run(self, member, module) == 0) {
        result = Py_NewRef(Py_None);
    }
    if (result && repair(self, name, module))
        Py_CLEAR(result);
    Py_XDECREF(spec);
    Py_XDECREF(name);
    return result;
}

static PyObject *get_code(Importer *self, PyObject *name)
{
    const seal_member *member = need(self, name);
    if (!member)
        return NULL;
    if (member->kind == SEAL_EXTENSION)
        Py_RETURN_NONE;
    return seal_load_code(self->archive, member);
}

static PyObject *get_source(Importer *self, PyObject *name)
{
    if (!need(self, name))
        return NULL;
    Py_RETURN_NONE; /* there is none, which is what the protocol wants to hear */
}

static PyObject *is_package(Importer *self, PyObject *name)
{
    const seal_member *member = need(self, name);
    return member ? PyBool_FromLong(member->kind == SEAL_PACKAGE) : NULL;
}

static PyObject *get_filename(Importer *self, PyObject *name)
{
    const seal_member *member = need(self, name);
    return member ? PyUnicode_FromFormat("%U/%s", self->path, member->name) : NULL;
}

/* ---- data ---- */

/* The part of a path behind "ARCHIVE/", or the path itself when it is relative; NULL when it lies elsewhere. */
static const char *inside(Importer *self, PyObject *path)
{
    const char *text = PyUnicode_AsUTF8(path), *root = text ? PyUnicode_AsUTF8(self->path) : NULL;
    if (!root)
        return NULL;
    size_t size = strlen(root);
    if (strncmp(text, root, size) == 0 && text[size] == '/')
        return text + size + 1;
    return text[0] == '/' ? NULL : text;
}

static PyObject *get_data(Importer *self, PyObject *arg)
{
    PyObject *path = PyOS_FSPath(arg);
    if (!path)
        return NULL;
    const char *name = PyUnicode_Check(path) ? inside(self, path) : NULL;
    const seal_member *member = name ? seal_archive_find(self->archive, name, strlen(name)) : NULL;
    PyObject *result = NULL;
    if (member) {
        seal_error error;
        char *bytes;
        if (seal_archive_load(self->archive, member, &bytes, &error)) {
            PyErr_SetString(PyExc_OSError, error.text);
        } else {
            result = PyBytes_FromStringAndSize(bytes, member->size);
            free(bytes);
        }
    } else if (!PyErr_Occurred()) {
        PyObject *why = Py_BuildValue("(isO)", 2, "not in the sealed archive", path);
        if (why)
            PyErr_SetObject(PyExc_FileNotFoundError, why);
        Py_XDECREF(why);
    }
    Py_DECREF(path);
    return result;
}

/* list of the names of all members, for the helpers in Python (resources, metadata) */
static PyObject *names(Importer *self, PyObject *unused)
{
    (void)unused;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < self->archive->count; i++) {
        PyObject *name = PyUnicode_FromString(self->archive->members[i].name);
        if (!name || PyList_Append(list, name))
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* Resources and metadata are asked for rarely: that part is in Python, and imported only then. */
static PyObject *helper(Importer *self, const char *name, const char *function, PyObject *argument)
{
    PyObject *module = PyImport_ImportModule(name);
    PyObject *result = module ? PyObject_CallMethod(module, function, "OO", self, argument) : NULL;
    Py_XDECREF(module);
    return result;
}

static PyObject *get_resource_reader(Importer *self, PyObject *name)
{
    return helper(self, "_gossamer_shims.resources", "reader", name);
}

static PyObject *find_distributions(Importer *self, PyObject *const *args, Py_ssize_t nargs)
{
    return helper(self, "_gossamer_shims.metadata", "distributions", nargs ? args[0] : Py_None);
}

static PyObject *invalidate_caches(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    Py_RETURN_NONE;
}

/* ---- the type ---- */

static PyObject *importer_repr(Importer *self)
{
    return PyUnicode_FromFormat("<importer of the sealed archive %R>", self->path);
}

static void importer_dealloc(Importer *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(self->path);
    Py_XDECREF(self->spec_type);
    Py_XDECREF(self->shims);
    Py_XDECREF(self->call);
    Py_XDECREF(self->exec);
    type->tp_free(self);
    Py_DECREF(type);
}

#define CAST(function) ((PyCFunction)(void (*)(void))function)
static PyMethodDef importer_methods[] = {
    {"find_spec", CAST(find_spec), METH_FASTCALL | METH_KEYWORDS, "The spec of a module in the archive, or None."},
    {"create_module", CAST(create_module), METH_O, "Load an extension module; None for others."},
    {"exec_module", CAST(exec_module), METH_O, "Run a module."},
    {"get_code", CAST(get_code), METH_O, "The code object of a module."},
    {"get_source", CAST(get_source), METH_O, "None: a sealed archive holds no sources."},
    {"is_package", CAST(is_package), METH_O, "Whether the module is a package."},
    {"get_filename", CAST(get_filename), METH_O, "The __file__ that the module has."},
    {"get_data", CAST(get_data), METH_O, "The bytes of a member, by its path."},
    {"get_resource_reader", CAST(get_resource_reader), METH_O, "What importlib.resources reads a package with."},
    {"find_distributions", CAST(find_distributions), METH_FASTCALL, "The sealed distributions, for importlib.metadata."},
    {"invalidate_caches", invalidate_caches, METH_NOARGS, "Does nothing: an archive never changes."},
    {"names", CAST(names), METH_NOARGS, "The names of all members."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef importer_members[] = {
    {"archive", T_OBJECT, offsetof(Importer, path), READONLY, "the path of the archive"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot importer_slots[] = {
    {Py_tp_doc, "Imports the modules of a sealed archive."},
    {Py_tp_repr, importer_repr},
    {Py_tp_dealloc, importer_dealloc},
    {Py_tp_methods, importer_methods},
    {Py_tp_members, importer_members},
    {0, NULL},
};

/* Nobody makes another one: it would import from another archive. */
static PyType_Spec importer_spec = {
    .name = "_gossamer_seal.Importer",
    .basicsize = sizeof(Importer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = importer_slots,
};

/* The settings "shim MODULE NAME" as {MODULE: "_gossamer_shims.NAME"}. */
static PyObject *read_shims(const seal_archive *archive)
{
    PyObject *shims = PyDict_New();
    for (size_t i = 0; shims && i < archive->setting_count; i++) {
        if (strcmp(archive->settings[i].key, "shim"))
            continue;
        const char *text = archive->settings[i].value, *space = strchr(text, ' ');
        PyObject *module = space ? PyUnicode_FromStringAndSize(text, space - text) : NULL;
        PyObject *shim = module ? PyUnicode_FromFormat("_gossamer_shims.%s", space + 1) : NULL;
        int failed = !shim || PyDict_SetItem(shims, module, shim);
        if (!space)
            PyErr_SetString(PyExc_ImportError, "the manifest has a malformed line for a shim");
        Py_XDECREF(module);
        Py_XDECREF(shim);
        if (failed)
            Py_CLEAR(shims);
    }
    return shims;
}

PyObject *seal_importer_new(const seal_archive *archive)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromSpec(&importer_spec);
    Importer *self = type ? (Importer *)type->tp_alloc(type, 0) : NULL;
    Py_XDECREF(type);
    if (!self)
        return NULL;
    PyObject *importlib = PyImport_ImportModule("_frozen_importlib");
    self->archive = archive;
    self->path = PyUnicode_DecodeFSDefault(archive->path);
    self->spec_type = importlib ? PyObject_GetAttrString(importlib, "ModuleSpec") : NULL;
    self->shims = read_shims(archive);
    self->call = importlib ? PyObject_GetAttrString(importlib, "_call_with_frames_removed") : NULL;
    self->exec = Py_XNewRef(PyDict_GetItemString(PyEval_GetBuiltins(), "exec"));
    Py_XDECREF(importlib);
    if (!self->path || !self->spec_type || !self->shims || !self->call || !self->exec) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}
