/* module.c - the extension gossamer._seal: the archive's reader for `gossamer inspect`, and the guard for ordinary
 * programs. The launcher does not have this module: a sealed program cannot open other archives with it.
 */
#include "archive.h"
#include "guard.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    seal_archive *archive;
} ArchiveObject;

static PyObject *archive_error; /* gossamer._seal.ArchiveError */

static PyObject *archive_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", "embedded", NULL};
    PyObject *path;
    int embedded = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|p:Archive", names, PyUnicode_FSConverter, &path, &embedded))
        return NULL;
    ArchiveObject *self = (ArchiveObject *)type->tp_alloc(type, 0);
    seal_error error;
    int failed = -1;
    if (self) {
        Py_BEGIN_ALLOW_THREADS
        failed = seal_archive_open_any(&self->archive, PyBytes_AS_STRING(path), NULL, embedded, &error);
        Py_END_ALLOW_THREADS
        if (failed) {
            PyErr_SetString(archive_error, error.text);
            Py_CLEAR(self);
        }
    }
    Py_DECREF(path);
    return (PyObject *)self;
}

static void archive_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    seal_archive_close(((ArchiveObject *)self)->archive);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *archive_verify(PyObject *self, PyObject *unused)
{
    (void)unused;
    seal_error error;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = seal_archive_verify(((ArchiveObject *)self)->archive, &error);
    Py_END_ALLOW_THREADS
    if (failed) {
        PyErr_SetString(archive_error, error.text);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *archive_read(PyObject *self, PyObject *name)
{
    const seal_archive *archive = ((ArchiveObject *)self)->archive;
    Py_ssize_t size;
    const char *text = PyUnicode_Check(name) ? PyUnicode_AsUTF8AndSize(name, &size) : NULL;
    const seal_member *member = text ? seal_archive_find(archive, text, (size_t)size) : NULL;
    if (!member) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, name);
        return NULL;
    }
    seal_error error;
    char *bytes;
    if (seal_archive_load(archive, member, &bytes, &error)) {
        PyErr_SetString(archive_error, error.text);
        return NULL;
    }
    PyObject *result = PyBytes_FromStringAndSize(bytes, member->size);
    free(bytes);
    return result;
}

static PyObject *archive_members(PyObject *self, void *unused)
{
    static const char *const kinds[SEAL_KINDS] = {"module", "package", "extension", "data"};
    (void)unused;
    const seal_archive *archive = ((ArchiveObject *)self)->archive;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < archive->count; i++) {
        const seal_member *member = &archive->members[i];
        PyObject *row = Py_BuildValue("(ssKkky#O)", member->name, kinds[member->kind], (unsigned long long)member->offset,
                                      (unsigned long)member->stored, (unsigned long)member->size, (const char *)member->sha256,
                                      (Py_ssize_t)SEAL_SHA256_SIZE, member->deflated ? Py_True : Py_False);
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *archive_settings(PyObject *self, void *unused)
{
    (void)unused;
    const seal_archive *archive = ((ArchiveObject *)self)->archive;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < archive->setting_count; i++) {
        PyObject *row = Py_BuildValue("(ss)", archive->settings[i].key, archive->settings[i].value);
        if (!row || PyList_Append(list, row))
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

static PyObject *archive_manifest(PyObject *self, void *unused)
{
    (void)unused;
    const seal_archive *archive = ((ArchiveObject *)self)->archive;
    return PyBytes_FromStringAndSize(archive->manifest_text, (Py_ssize_t)archive->manifest_size);
}

static PyObject *archive_signature(PyObject *self, void *unused)
{
    (void)unused;
    const seal_archive *archive = ((ArchiveObject *)self)->archive;
    if (!archive->signature)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(archive->signature, (Py_ssize_t)archive->signature_size);
}

static PyMethodDef archive_methods[] = {
    {"verify", archive_verify, METH_NOARGS, "Verify every byte of the file; ArchiveError names the first that is wrong."},
    {"read", archive_read, METH_O, "The verified bytes of a member, unpacked."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef archive_attributes[] = {
    {"members", archive_members, NULL, "[(name, kind, offset, stored, size, sha256, deflated)], in the order of the file", NULL},
    {"settings", archive_settings, NULL, "[(key, value)] of the manifest", NULL},
    {"manifest", archive_manifest, NULL, "the manifest as it is in the file, bytes", NULL},
    {"signature", archive_signature, NULL, "the signature's bytes, or None", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot archive_slots[] = {
    {Py_tp_doc, "Archive(path, embedded=False)\n--\n\nA sealed archive, opened and checked but for its members' bytes. Raises ArchiveError."},
    {Py_tp_new, archive_new},
    {Py_tp_dealloc, archive_dealloc},
    {Py_tp_methods, archive_methods},
    {Py_tp_getset, archive_attributes},
    {0, NULL},
};

static PyType_Spec archive_spec = {
    .name = "gossamer._seal.Archive",
    .basicsize = sizeof(ArchiveObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = archive_slots,
};

/* ---- the guard ---- */

static PyObject *arm(PyObject *module, PyObject *arg)
{
    (void)module;
    long what = PyLong_AsLong(arg);
    if (what == -1 && PyErr_Occurred())
        return NULL;
    if (seal_guard_arm((int)(what & (SEAL_NO_TEXT | SEAL_NO_BYTECODE | SEAL_NO_CTYPES | SEAL_NO_MEMORY))))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *is_armed(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(seal_guard_armed());
}

static PyMethodDef module_methods[] = {
    {"arm", arm, METH_O, "Refuse what these bits say, for as long as the process lives."},
    {"armed", is_armed, METH_NOARGS, "The bits that are refused."},
    {"derive", seal_derive, METH_VARARGS, seal_derive_doc},
    {"awaitable", seal_awaitable, METH_O, seal_awaitable_doc},
    {NULL, NULL, 0, NULL},
};

static int fill(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &archive_spec, NULL), *closed = seal_compiler_closed();
    if (!archive_error)
        archive_error = PyErr_NewExceptionWithDoc("gossamer._seal.ArchiveError", "Why an archive is refused.", PyExc_ValueError, NULL);
    int failed = !type || !closed || !archive_error || PyModule_AddObjectRef(module, "Archive", type) ||
                 PyModule_AddObjectRef(module, "CompilerClosed", closed) ||
                 PyModule_AddObjectRef(module, "ArchiveError", archive_error) ||
                 PyModule_AddIntConstant(module, "NO_TEXT", SEAL_NO_TEXT) ||
                 PyModule_AddIntConstant(module, "NO_BYTECODE", SEAL_NO_BYTECODE) ||
                 PyModule_AddIntConstant(module, "NO_CTYPES", SEAL_NO_CTYPES) ||
                 PyModule_AddIntConstant(module, "NO_MEMORY", SEAL_NO_MEMORY);
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gossamer._seal",
    .m_doc = "Sealed archives and the closed compiler: the part in C.",
    .m_size = -1,
    .m_methods = module_methods,
};

PyMODINIT_FUNC PyInit__seal(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && fill(module))
        Py_CLEAR(module);
    return module;
}
