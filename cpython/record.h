/* record.h - what the extension tells the recorder (core/trace) besides what the core does.
 *
 * Locking: the GIL, but for gosp_gil_... below, which record what happens around it.
 */
#ifndef GOSP_RECORD_H
#define GOSP_RECORD_H

#include "gosp.h"

#include "trace/trace.h"

/* The number of a str; of one that comes often, looked up by its address; and of other names. While recording. */
uint32_t gosp_record_text(PyObject *text);
uint32_t gosp_record_string(PyObject *text);
uint32_t gosp_record_code(PyObject *code);
uint32_t gosp_record_type(PyTypeObject *type); /* without its module */

/* t is bound to func; has ended; has a new name. th has begun, on this thread. While recording. */
void gosp_record_begins(TaskletObject *t, PyObject *func);
void gosp_record_ends(TaskletObject *t);
void gosp_record_thread(gosp_thread *th);
void gosp_record_renamed(TaskletObject *t);

/* trace_calls.c. Before 3.12: is its profile function in ts? Take it out; put it back, if calls are recorded and there is no
 * other. */
#if PY_VERSION_HEX < 0x030C0000
int gosp_calls_here(PyThreadState *ts);
void gosp_calls_leave(PyThreadState *ts);
void gosp_calls_enter(PyThreadState *ts);
#else
#define gosp_calls_here(ts) ((void)(ts), 0)
#define gosp_calls_leave(ts) ((void)(ts))
#define gosp_calls_enter(ts) ((void)(ts))
#endif
extern PyMethodDef gosp_calls_functions[];

int gosp_record_init(PyObject *module);
extern PyMethodDef gosp_record_functions[];

/* As Py_BEGIN_ALLOW_THREADS, with what that does to the GIL in the trace. */
#define GOSP_BEGIN_ALLOW_THREADS                                                                 \
    GOSI_TRACE(GOS_TRACE_GIL_LEAVE, 0, NULL, 0, 0);                                              \
    Py_BEGIN_ALLOW_THREADS
#define GOSP_END_ALLOW_THREADS                                                                   \
    GOSI_TRACE(GOS_TRACE_GIL_WAIT, 0, NULL, 0, 0);                                               \
    Py_END_ALLOW_THREADS                                                                         \
    GOSI_TRACE(GOS_TRACE_GIL_TAKE, 0, NULL, 0, 0);

#endif
