/* sync/queue.c - Queue, LifoQueue and PriorityQueue.
 *
 * Two lines: those that get stand in the base's while there is nothing, those that put in `putters` while it is full.
 * Plain queues (first or last in, first out) hand the item itself to the first in line, and take it from there.
 * Where storing runs Python code (comparisons of a PriorityQueue, the methods _put and _get of a subclass), they hand
 * over the right to a stored item (`promised`) or to a free place (`reserved`), which the waiter makes use of when it
 * runs; and `mutex` keeps two of them from being at it at the same time.
 */
#include "queue.h"

/* ---- who is next ---- */

static Py_ssize_t items_free(const QueueObject *self)
{
    return self->stored - self->promised;
}

static int has_room(const QueueObject *self)
{
    return self->maxsize <= 0 || self->stored + self->reserved < self->maxsize;
}

/* There is one item more that nobody has been promised. */
static void offer_item(QueueObject *self)
{
    gosp_wait *w = self->base.line.first;
    if (!w || items_free(self) <= 0)
        return;
    self->promised++;
    gosp_wait_grant(w);
}

/* There is one place more: for plain queues, the first in line has put its item by that. */
static void offer_place(QueueObject *self)
{
    gosp_wait *w = self->putters.first;
    if (!w || !has_room(self))
        return;
    if (self->coded) {
        self->reserved++;
    } else {
        gosp_ring_move(&self->ring, w->item); /* has room: what was taken out made it */
        w->item = NULL;
        self->stored++;
        self->unfinished++;
    }
    gosp_wait_grant(w);
}

/* ---- storing, where it runs Python code ---- */

/* After a change: a subclass may store what it likes. Keeps a pending exception. */
static void count_stored(QueueObject *self)
{
    if (!self->hooked) {
        self->stored = PyList_GET_SIZE(self->heap);
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *size = PyObject_CallMethod((PyObject *)self, "_qsize", NULL);
    Py_ssize_t n = size ? PyLong_AsSsize_t(size) : -1;
    Py_XDECREF(size);
    if (n >= 0)
        self->stored = n;
    else
        PyErr_WriteUnraisable((PyObject *)self);
    PyErr_Restore(type, value, traceback);
}

static int store_coded(QueueObject *self, PyObject *item)
{
    if (gosp_lock_acquire(self->mutex, GOS_FOREVER) < 0)
        return -1;
    PyObject *done = self->hooked ? PyObject_CallMethod((PyObject *)self, "_put", "(O)", item)
                                  : PyObject_CallFunctionObjArgs(gosp_sync.heappush, self->heap, item, NULL);
    count_stored(self);
    gosp_lock_pass_on(self->mutex);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *fetch_coded(QueueObject *self)
{
    if (gosp_lock_acquire(self->mutex, GOS_FOREVER) < 0)
        return NULL;
    PyObject *item = self->hooked ? PyObject_CallMethod((PyObject *)self, "_get", NULL)
                                  : PyObject_CallFunctionObjArgs(gosp_sync.heappop, self->heap, NULL);
    count_stored(self);
    gosp_lock_pass_on(self->mutex);
    return item;
}

/* The caller has reserved a place. */
static int put_coded(QueueObject *self, PyObject *item)
{
    int rc = store_coded(self, item);
    self->reserved--;
    if (rc < 0) {
        offer_place(self);
        return -1;
    }
    self->unfinished++;
    offer_item(self);
    return 0;
}

/* The caller has been promised an item. */
static PyObject *get_coded(QueueObject *self)
{
    PyObject *item = fetch_coded(self);
    self->promised--;
    if (!item) {
        offer_item(self); /* it is still there */
        return NULL;
    }
    offer_place(self);
    return item;
}

/* ---- put ---- */

static PyObject *raise_shut_down(void)
{
    PyErr_SetNone(gosp_sync.shut_down);
    return NULL;
}

enum { FAILED = -1, FAILED_WITH = -2, SHUT_DOWN = 2 };

/* Stand in line with *item: 1: granted, 0: too late, SHUT_DOWN, FAILED, or FAILED_WITH: granted, but it is killed. What
 * a getter has been handed is in *item then. */
static int stand(QueueObject *self, gosp_line *line, PyObject **item, int64_t deadline_ns)
{
    gosp_thread *th = gosp_thread_current();
    gosp_wait *w = th ? gosp_wait_new(th, line, (PyObject *)self) : NULL;
    if (!w)
        return FAILED;
    w->item = Py_XNewRef(*item);
    int rc = gosp_wait_for(th, w, deadline_ns), granted = w->granted;
    PyObject *handed = w->item;
    w->item = NULL;
    if (line == &self->base.line)
        *item = handed;
    else
        Py_XDECREF(handed); /* the caller has a reference of its own */
    int away = w->count < 0;
    gosp_wait_free(w);
    if (rc < 0)
        return granted && !away ? FAILED_WITH : FAILED;
    return rc && away ? SHUT_DOWN : rc;
}

static PyObject *put_waiting(QueueObject *self, PyObject *item, int64_t deadline_ns)
{
    if (deadline_ns <= 0) {
        PyErr_SetNone(gosp_sync.full);
        return NULL;
    }
    int rc = stand(self, &self->putters, &item, deadline_ns);
    if (rc == SHUT_DOWN)
        return raise_shut_down();
    if (rc == 0) {
        PyErr_SetNone(gosp_sync.full);
        return NULL;
    }
    if (!self->coded) /* FAILED_WITH: it gets an error now, but the item has been put */
        return rc < 0 ? NULL : Py_NewRef(Py_None);
    if (rc == FAILED_WITH) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        self->reserved--;
        offer_place(self);
        PyErr_Restore(type, value, traceback);
    }
    return rc < 0 || put_coded(self, item) < 0 ? NULL : Py_NewRef(Py_None);
}

PyObject *gosp_queue_put(QueueObject *self, PyObject *item, int64_t deadline_ns)
{
    if (GOSP_UNLIKELY(self->is_shut_down))
        return raise_shut_down();
    if (!has_room(self) || self->putters.first) /* nobody overtakes */
        return put_waiting(self, item, deadline_ns);
    if (self->coded) {
        self->reserved++;
        return put_coded(self, item) < 0 ? NULL : Py_NewRef(Py_None);
    }
    gosp_wait *w = self->base.line.first;
    if (w) {
        w->item = Py_NewRef(item);
        gosp_wait_grant(w);
    } else {
        if (gosp_ring_append(&self->ring, item) < 0)
            return NULL;
        self->stored++;
    }
    self->unfinished++;
    Py_RETURN_NONE;
}

/* ---- get ---- */

static PyObject *take(QueueObject *self)
{
    PyObject *item = self->lifo ? gosp_ring_pop(&self->ring) : gosp_ring_popleft(&self->ring);
    self->stored--;
    if (GOSP_UNLIKELY(self->putters.first != NULL))
        offer_place(self);
    return item;
}

/* What has been handed to one that is killed goes to the next, or back where it came from. */
static void give_back(QueueObject *self, PyObject *item)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->coded) {
        self->promised--;
        offer_item(self);
    } else if (self->base.line.first) {
        self->base.line.first->item = item;
        gosp_wait_grant(self->base.line.first);
    } else if (gosp_ring_return(&self->ring, item, self->lifo) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
        Py_DECREF(item);
    } else {
        self->stored++;
    }
    PyErr_Restore(type, value, traceback);
}

static PyObject *get_waiting(QueueObject *self, int64_t deadline_ns)
{
    if (GOSP_UNLIKELY(self->is_shut_down))
        return raise_shut_down();
    if (deadline_ns <= 0) {
        PyErr_SetNone(gosp_sync.empty);
        return NULL;
    }
    PyObject *item = NULL;
    int rc = stand(self, &self->base.line, &item, deadline_ns);
    if (rc == SHUT_DOWN)
        return raise_shut_down();
    if (rc == 0)
        PyErr_SetNone(gosp_sync.empty);
    if (rc == FAILED_WITH)
        give_back(self, item);
    if (rc <= 0)
        return NULL;
    return self->coded ? get_coded(self) : item;
}

PyObject *gosp_queue_get(QueueObject *self, int64_t deadline_ns)
{
    if (items_free(self) <= 0)
        return get_waiting(self, deadline_ns);
    if (!self->coded)
        return take(self);
    self->promised++;
    return get_coded(self);
}

/* ---- shutting down, and tasks ---- */

static void send_away(gosp_line *line)
{
    while (line->first) {
        line->first->count = -1;
        gosp_wait_grant(line->first);
    }
}

static int drain(QueueObject *self)
{
    while (items_free(self) > 0) {
        self->promised++;
        PyObject *item = self->coded ? fetch_coded(self) : gosp_ring_popleft(&self->ring);
        self->promised--;
        if (!item)
            return -1;
        self->stored -= !self->coded;
        Py_DECREF(item);
        if (self->unfinished > 0)
            self->unfinished--;
    }
    return 0;
}

int gosp_queue_shut_down(QueueObject *self, int immediate)
{
    self->is_shut_down = 1;
    int rc = immediate ? drain(self) : 0;
    if (immediate)
        gosp_line_grant_all(&self->joiners);
    send_away(&self->base.line);
    send_away(&self->putters);
    return rc;
}

int gosp_queue_task_done(QueueObject *self)
{
    if (self->unfinished <= 0) {
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
        return -1;
    }
    if (--self->unfinished == 0)
        gosp_line_grant_all(&self->joiners);
    return 0;
}

int gosp_queue_join(QueueObject *self)
{
    while (self->unfinished > 0) {
        PyObject *nothing = NULL;
        if (stand(self, &self->joiners, &nothing, GOS_FOREVER) < 0)
            return -1;
    }
    return 0;
}
