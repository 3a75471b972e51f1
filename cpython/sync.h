/* sync.h - what the types of gossamer.sync share: waiting in line, handing over, arguments, life.
 *
 * Everything is under the GIL: it is the only lock inside of these locks. Who waits is a tasklet; a plain thread waits
 * as its main tasklet, and sleeps if it has no other (idle.c). A wait has a record on the heap, since the stack of a
 * tasklet that waits may be evicted. Records stand in a list, first come first served, and leave it in no time wherever
 * they are.
 *
 * Handing over: who releases gives what is waited for to the first in line (gosp_wait_grant) and goes on. It belongs to
 * the waiter from then on, before that has run. If the waiter is killed, or gets an error, before it runs, it finds
 * `granted` set and passes it on: nothing is ever lost.
 */
#ifndef GOSP_SYNC_H
#define GOSP_SYNC_H

#include "gosp.h"

#include <structmember.h>

typedef struct gosp_wait gosp_wait;
typedef struct gosp_bound gosp_bound; /* with.c */

typedef struct {
    gosp_wait *first, *last;
    Py_ssize_t count;
} gosp_line;

struct gosp_wait {
    gos_waiter waiter;
    gosp_wait *next, *prev;
    gosp_line *line;   /* where it stands; NULL: nowhere any more */
    gos_tasklet *t;
    PyObject *on;      /* what it waits for, owned: what a blocked tasklet waits for is referred to by the tasklet */
    gosp_bound *with;  /* the __enter__ of a with statement that it waits in; borrowed: the statement has it */
    PyObject *item;    /* queues: what it puts, or gets; owned */
    Py_ssize_t count;  /* the depth of a recursive lock; the index at a barrier */
    uint8_t granted;   /* it has got what it waited for */
    uint8_t notified;  /* a condition's: stands in the line of the lock by now, or has it */
};

/* First of all objects here. */
typedef struct {
    PyObject_HEAD
    PyObject *weakrefs;
    gosp_line line;
} SyncObject;

typedef struct {
    SyncObject base;
    int locked;
} LockObject;

typedef struct {
    SyncObject base;
    gos_tasklet *owner; /* NULL: free. Owned: who has died with it must not be mistaken for another one at its address */
    Py_ssize_t count;
} RLockObject;

/* The types and what they raise, once gossamer.sync has been imported. */
typedef struct {
    PyTypeObject *lock, *rlock, *condition, *semaphore, *bounded, *event, *barrier, *queue, *lifo, *priority, *simple;
    PyObject *heappush, *heappop, *empty, *full, *shut_down, *broken_barrier;
} gosp_sync_globals;

extern gosp_sync_globals gosp_sync;

/* ---- wait.c ---- */

/* A record for the current tasklet, last in line. NULL with an error. th is the calling thread's. */
gosp_wait *gosp_wait_new(gosp_thread *th, gosp_line *line, PyObject *on);
void gosp_wait_free(gosp_wait *w); /* keeps a pending exception */

enum { GOSP_REFUSED = -1, GOSP_INTERRUPTED = -2 };
/* Let others run until w is granted: 1; the deadline passes: 0; or with an exception: GOSP_REFUSED if it could not wait,
 * GOSP_INTERRUPTED if it has been killed, thrown into, or interrupted by a signal. w stands in no line afterwards. */
int gosp_wait_for(gosp_thread *th, gosp_wait *w, int64_t deadline_ns);

void gosp_line_append(gosp_line *line, gosp_wait *w);
void gosp_line_remove(gosp_wait *w);

/* w leaves its line, and its tasklet becomes runnable. No Python code runs. */
void gosp_wait_grant(gosp_wait *w);
static inline void gosp_line_grant_all(gosp_line *line)
{
    while (line->first)
        gosp_wait_grant(line->first);
}

/* For the trace: t (NULL: the current tasklet) holds lock now. */
void gosp_sync_record_hold(PyObject *lock, const gos_tasklet *t);

/* w's wait goes on, without a deadline, in the line of something else. */
void gosp_wait_move(gosp_wait *w, gosp_line *line, PyObject *on);

/* Those in line, for tp_traverse and tp_clear; and after a fork, in the child: they are of no thread any more. */
int gosp_line_traverse(const gosp_line *line, visitproc visit, void *arg);
void gosp_line_clear(gosp_line *line);

/* Timeouts of threading's classes: None is forever; the past is now. -1 with an error. */
int gosp_sync_deadline(PyObject *timeout, int64_t *deadline_ns);

int gosp_sync_traverse(PyObject *self, visitproc visit, void *arg);
int gosp_sync_clear(PyObject *self);
void gosp_sync_dealloc(PyObject *self);
void gosp_sync_end(PyObject *self, inquiry clear); /* tp_dealloc of those that have more to clear */
PyObject *gosp_sync_new(PyTypeObject *type, PyObject *args, PyObject *kwargs); /* any arguments, for subclasses */
extern PyMemberDef gosp_sync_members[];

/* Adds type, made from spec, to the module; with its call when it is not subclassed (may be NULL). */
PyTypeObject *gosp_sync_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base, vectorcallfunc call);
/* The arguments of type(...) without tuple and dict, for vectorcallfuncs: an object, or NULL with an error. */
SyncObject *gosp_sync_make(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames, const char *const *names,
                           int n, int required, PyObject **out);

/* The collector sees the value stack of the frame that calls a method which waits; see gosp_frames_note_method. What
 * was noted is wrong as soon as that frame goes on: whoever notes says when it is over, wait or not. */
static inline void gosp_sync_note(gosp_thread *th, PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (th->sched.head == th->sched.current)
        gosp_frames_note_method(&gosp_current(th)->state, th->ts, self, args,
                                nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
}

static inline void gosp_sync_note_over(gosp_thread *th)
{
    if (th->sched.head == th->sched.current) {
        gosp_current(th)->state.eval_top = NULL;
        th->entering = NULL;
    }
}

/* ---- with.c ---- */

/* The class's __enter__ (METH_NOARGS) and __exit__ (METH_FASTCALL) become quick to look up. __enter__ gets its bound method
 * as the second argument if it is called by one, and hands it to gosp_sync_note_with before it waits. */
int gosp_sync_add_with(PyTypeObject *type);
void gosp_sync_note_with(gosp_thread *th, PyObject *bound);
int gosp_sync_visit_with(gosp_bound *enter, visitproc visit, void *arg);

/* ---- the types ---- */

int gosp_lock_init(PyObject *module);
int gosp_rlock_init(PyObject *module);
int gosp_condition_init(PyObject *module);
int gosp_semaphore_init(PyObject *module);
int gosp_event_init(PyObject *module);
int gosp_barrier_init(PyObject *module);
int gosp_queue_init(PyObject *module);
int gosp_simple_init(PyObject *module);

/* Arguments of acquire(blocking=True, timeout=-1) of locks. -1 with an error. */
int gosp_lock_arguments(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int64_t *deadline_ns);

/* 1: it is ours; 0: the deadline has passed; GOSP_REFUSED, GOSP_INTERRUPTED with an exception. */
int gosp_lock_acquire(LockObject *self, int64_t deadline_ns);
PyObject *gosp_lock_enter(PyObject *self, PyObject *bound);
void gosp_lock_pass_on(LockObject *self); /* release it, which must be locked */

/* count: how deep it will be held; the caller must not hold it. */
int gosp_rlock_acquire(gosp_thread *th, RLockObject *self, Py_ssize_t count, int64_t deadline_ns);
int gosp_rlock_acquire_again(RLockObject *self); /* by its owner: 1, or -1 with an error */
PyObject *gosp_rlock_enter(PyObject *self, PyObject *bound);
void gosp_rlock_pass_on(RLockObject *self); /* release it, which must be owned, or the line not empty */

#endif
