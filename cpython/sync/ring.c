/* sync/ring.c - a ring of objects that grows, for queues. */
#include "queue.h"

static PyObject **place(const gosp_ring *ring, size_t at)
{
    return &ring->items[(ring->first + at) & (ring->room - 1)];
}

static int make_room(gosp_ring *ring)
{
    if (ring->count < ring->room)
        return 0;
    size_t room = ring->room ? ring->room * 2 : 8;
    PyObject **items = room <= PY_SSIZE_T_MAX / sizeof *items ? PyMem_Malloc(room * sizeof *items) : NULL;
    if (!items) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < ring->count; i++)
        items[i] = *place(ring, i);
    PyMem_Free(ring->items);
    ring->items = items;
    ring->first = 0;
    ring->room = room;
    return 0;
}

int gosp_ring_append(gosp_ring *ring, PyObject *item)
{
    if (make_room(ring) < 0)
        return -1;
    *place(ring, ring->count++) = Py_NewRef(item);
    return 0;
}

void gosp_ring_move(gosp_ring *ring, PyObject *item)
{
    *place(ring, ring->count++) = item;
}

int gosp_ring_return(gosp_ring *ring, PyObject *item, int at_end)
{
    if (make_room(ring) < 0)
        return -1;
    if (!at_end)
        ring->first = (ring->first - 1) & (ring->room - 1);
    *place(ring, at_end ? ring->count : 0) = item;
    ring->count++;
    return 0;
}

PyObject *gosp_ring_popleft(gosp_ring *ring)
{
    PyObject *item = *place(ring, 0);
    ring->first = (ring->first + 1) & (ring->room - 1);
    ring->count--;
    return item;
}

PyObject *gosp_ring_pop(gosp_ring *ring)
{
    return *place(ring, --ring->count);
}

int gosp_ring_traverse(const gosp_ring *ring, visitproc visit, void *arg)
{
    for (size_t i = 0; i < ring->count; i++)
        Py_VISIT(*place(ring, i));
    return 0;
}

void gosp_ring_clear(gosp_ring *ring)
{
    while (ring->count)
        Py_DECREF(gosp_ring_popleft(ring));
    PyMem_Free(ring->items);
    *ring = (gosp_ring){0};
}
