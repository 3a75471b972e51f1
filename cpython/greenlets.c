/* greenlets.c - does this process use greenlets? Their stacks must be of one piece.
 *
 * A greenlet saves what lies between two addresses, and later puts it back to the same addresses, whatever is there by
 * then. So with greenlets no call may go on in a segment, and a segment that has been used must stay where it is.
 * Many programs import greenlet without using it (through a database library), so its own count is asked.
 */
#include "gosp.h"

static PyObject *module_name, *count; /* count: its function, once it is loaded */

static PyObject *find_count(void)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *module = PyDict_Check(modules) ? PyDict_GetItemWithError(modules, module_name) : NULL;
    PyObject *found = module ? PyObject_GetAttrString(module, "get_total_main_greenlets") : NULL;
    if (module && !found)
        return Py_NewRef(Py_None); /* a greenlet before 2.0: taken as used */
    return found;
}

/* 1 or 0; an exception that is set stays as it is. */
int gosp_greenlets_used(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!count)
        count = find_count();
    int used = 0;
    if (count) {
        PyObject *n = count == Py_None ? NULL : PyObject_CallNoArgs(count);
        used = !n || PyObject_IsTrue(n);
        Py_XDECREF(n);
    }
    PyErr_Restore(type, value, traceback);
    return used;
}

int gosp_greenlets_init(void)
{
    if (!module_name)
        module_name = PyUnicode_InternFromString("greenlet._greenlet");
    return module_name ? 0 : -1;
}
