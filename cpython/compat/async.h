/* compat/async.h - having a thread call us between two bytecodes of whatever Python code it runs.
 *
 * From 3.12 on this is a pending call of the interpreter: it can be requested without the GIL, is served by
 * whichever thread gets to it first, and says which request it was. In 3.11 pending calls are served by the
 * main thread only and cannot be left by a switch, so there it is a trace function that is installed with the
 * GIL held and takes itself out; a trace function of the user is called first, with everything it would get.
 *
 * A delivery may switch to another tasklet in the middle: gosp_async_leave before, gosp_async_return after.
 */
#ifndef GOSP_COMPAT_ASYNC_H
#define GOSP_COMPAT_ASYNC_H

#include <Python.h>

#include <stdint.h>

#if PY_VERSION_HEX < 0x030C0000
#define GOSP_ASYNC_NEEDS_GIL 1
#else
#define GOSP_ASYNC_NEEDS_GIL 0
#endif

/* One for each thread of the scheduler; zeroed at first. */
typedef struct gosp_async {
    uint64_t id; /* whose requests these are; never used again for another */
#if GOSP_ASYNC_NEEDS_GIL
    int installed;          /* our trace function is, or was, in place */
    int events;             /* that it has seen */
    int last_events;        /* ... when it was asked for the last time */
    Py_tracefunc chained;   /* the user's; its object stays in the thread state */
    PyFrameObject *frame;   /* where we have switched on events for each opcode */
    char had_opcodes;       /* ... as the user had already */
#endif
} gosp_async;

typedef struct gosp_async_saved {
    int flag, event;
} gosp_async_saved;

/* Answers of gosp_async_arrived. */
enum { GOSP_ASYNC_DONE = 0, GOSP_ASYNC_LATER = 1, GOSP_ASYNC_ERROR = -1 };

/* Ask for a delivery on the thread of ts; 0, or -1 if that is not possible now. GIL, from any thread. */
int gosp_async_request(gosp_async *a, PyThreadState *ts);

#if !GOSP_ASYNC_NEEDS_GIL
/* The same without the GIL, whatever has become of the thread meanwhile. */
int gosp_async_post(PyInterpreterState *interp, uint64_t id);
#endif

/* In a delivery that comes too early: have the next one at the very next occasion. 0, or -1 if that is not possible now.
 * Each costs the running code a microsecond or two, so not for long. */
int gosp_async_chase(gosp_async *a, PyThreadState *ts);

/* In a delivery that is not followed by another one so soon. ts is the running thread's. */
void gosp_async_chased(PyThreadState *ts);

/* So many deliveries are the thousand occasions, or half of them, that a chase may last: a millisecond or so. */
#if PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
enum { GOSP_CHASE_LENGTH = 32 * 512 };
#else
enum { GOSP_CHASE_LENGTH = 1024 };
#endif

/* The running thread takes its request back, where that is possible; late deliveries must do no harm anyway. */
void gosp_async_withdraw(gosp_async *a, PyThreadState *ts);

/* Around a switch away from inside a delivery. */
void gosp_async_leave(PyThreadState *ts, gosp_async_saved *saved);
void gosp_async_return(PyThreadState *ts, const gosp_async_saved *saved);

/* The thread that waits for the GIL next gets it at the next bytecode boundary, not after the switch interval. */
void gosp_gil_hurry(PyInterpreterState *interp);

/* Implemented by the scheduler: a delivery, on any thread of the interpreter, and the record of the calling
 * thread (NULL: it has none). */
int gosp_async_arrived(uint64_t id);
gosp_async *gosp_async_here(void);

#endif
