/* capi.h - the capsule gossamer._C_API for other extension modules; see include/gossamer/python.h. */
#ifndef GOSP_CAPI_H
#define GOSP_CAPI_H

#include "gosp.h"

/* Last step of the module's init: the types must exist. 0, or -1 with an exception. */
int gosp_capi_init(PyObject *module);

/* preempt.c: two functions of the table. */
PyObject *gosp_capi_run_budget(long quantum_us, long budget_us, int flags);
int gosp_capi_set_preemption(long quantum_us);

#endif
