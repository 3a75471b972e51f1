/* extension.c - extension modules out of the archive.
 *
 * The dynamic linker wants a file. The verified copy goes into an anonymous one (memfd) that is sealed against
 * writing before it is opened by name, so what is loaded is what was verified; nothing is left on the disk.
 */
#define _GNU_SOURCE
#include "importer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEN(x) x x x x x x x x x x
#define SLASHES TEN(TEN("/////////"))

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* The descriptor of a sealed anonymous file with these bytes, or -1 with errno. */
static int sealed_file(const char *name, const char *bytes, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) /* kernels before 6.3 do not know MFD_EXEC, and need it not */
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    while (size) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            goto failed;
        bytes += put;
        size -= (size_t)put;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
        return fd;
failed:;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* The linker takes two files of the same name for one, and descriptors are used again: so each gets some more slashes. */
static PyObject *load(PyObject *spec, int fd, const char *name)
{
    static int loaded;
    char path[1024];
    snprintf(path, sizeof path, "/proc/self/fd%.*s/%d", loaded++ % 900, SLASHES, fd);
    if (access(path, R_OK)) {
        PyErr_Format(PyExc_ImportError, "%s is an extension module: loading it needs /proc to be mounted", name);
        return NULL;
    }
    PyObject *origin = PyObject_GetAttrString(spec, "origin"), *here = PyUnicode_FromString(path), *module = NULL;
    if (origin && here && PyObject_SetAttrString(spec, "origin", here) == 0) {
        module = seal_guard_create_dynamic(spec, path);
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        if (PyObject_SetAttrString(spec, "origin", origin) && !type)
            Py_CLEAR(module);
        else
            PyErr_Restore(type, value, traceback);
    }
    Py_XDECREF(origin);
    Py_XDECREF(here);
    return module;
}

PyObject *seal_load_extension(const seal_archive *archive, const seal_member *member, PyObject *spec)
{
    seal_error error;
    char *bytes;
    if (seal_archive_load(archive, member, &bytes, &error)) {
        PyErr_SetString(PyExc_ImportError, error.text);
        return NULL;
    }
    int fd = sealed_file(member->name, bytes, member->size);
    free(bytes);
    if (fd < 0)
        return PyErr_Format(PyExc_ImportError, "%s is an extension module: no anonymous file for it: %s", member->name,
                            strerror(errno));
    PyObject *module = load(spec, fd, member->name);
    close(fd); /* the linker has mapped it */
    return module;
}
