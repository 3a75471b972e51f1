/* sync/queue.h - the parts of queues: ring.c (a growing ring of objects), queue.c (the rules), queue_type.c (the types
 * Queue, LifoQueue and PriorityQueue), simplequeue.c. Locking: the GIL. */
#ifndef GOSP_QUEUE_H
#define GOSP_QUEUE_H

#include "../sync.h"

typedef struct {
    PyObject **items;
    size_t first, count, room; /* room: a power of two, or 0 */
} gosp_ring;

/* All but append and return cannot fail. */
int gosp_ring_append(gosp_ring *ring, PyObject *item); /* takes a reference of its own; -1 with MemoryError */
void gosp_ring_move(gosp_ring *ring, PyObject *item);  /* steals; something has been taken out before */
int gosp_ring_return(gosp_ring *ring, PyObject *item, int at_end); /* steals, unless it fails */
PyObject *gosp_ring_popleft(gosp_ring *ring);          /* must not be empty */
PyObject *gosp_ring_pop(gosp_ring *ring);
int gosp_ring_traverse(const gosp_ring *ring, visitproc visit, void *arg);
void gosp_ring_clear(gosp_ring *ring);

typedef struct {
    SyncObject base;    /* in line: those that get */
    gosp_line putters, joiners;
    gosp_ring ring;     /* plain queues */
    PyObject *heap;     /* PriorityQueue: a list; a subclass may have put something else there, by the name `queue` */
    LockObject *mutex;  /* coded queues: one at a time */
    Py_ssize_t maxsize; /* <= 0: none */
    Py_ssize_t stored, promised, reserved;
    Py_ssize_t unfinished;
    uint8_t lifo;
    uint8_t hooked;     /* a subclass has _put or _get of its own */
    uint8_t coded;      /* hooked, or a PriorityQueue */
    uint8_t is_shut_down;
} QueueObject;

PyObject *gosp_queue_put(QueueObject *self, PyObject *item, int64_t deadline_ns);
PyObject *gosp_queue_get(QueueObject *self, int64_t deadline_ns);
int gosp_queue_shut_down(QueueObject *self, int immediate);
int gosp_queue_task_done(QueueObject *self);
int gosp_queue_join(QueueObject *self);

/* queue_type.c, for the types that share it */
PyObject *gosp_queue_method_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *gosp_queue_method_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *gosp_queue_method_get_nowait(PyObject *op, PyObject *unused);
PyObject *gosp_queue_method_qsize(PyObject *op, PyObject *unused);
PyObject *gosp_queue_method_empty(PyObject *op, PyObject *unused);
int gosp_queue_traverse(PyObject *op, visitproc visit, void *arg);
int gosp_queue_clear(PyObject *op);
void gosp_queue_dealloc(PyObject *op);

#endif
