/* importer.h - imports from a sealed archive; for the launcher. All of it wants the GIL. */
#ifndef SEAL_IMPORTER_H
#define SEAL_IMPORTER_H

#include "archive.h"
#include "guard.h"

/* A finder and loader for everything in the archive, which must outlive it. New reference, or NULL. */
PyObject *seal_importer_new(const seal_archive *archive);

/* The code object of a module member, verified. New reference, or NULL with ImportError. */
PyObject *seal_load_code(const seal_archive *archive, const seal_member *member);

/* The module member for a dotted name, or NULL (without an exception). */
const seal_member *seal_find_module(const seal_archive *archive, const char *name);

/* create_module for an extension member: the bytes go into an anonymous, sealed file and are loaded from there. */
PyObject *seal_load_extension(const seal_archive *archive, const seal_member *member, PyObject *spec);

#endif
