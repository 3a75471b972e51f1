/* compat/moved.c - what CPython keeps on the C stack and links to, while a part of that stack is stored away.
 *
 * Up to 3.12 the thread state points to a _PyCFrame of the innermost evaluation loop: another one stands in for it. From
 * 3.12 on the chain of frames leads through the entry frame of each loop: the links are turned to the copies.
 * Locking: the GIL; all of it on the thread whose stack it is.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include "frame.h"
#undef Py_BUILD_CORE

#include "moved.h"

int gosp_stack_is_linked(PyThreadState *ts)
{
#if PY_VERSION_HEX >= 0x030E0000
    (void)ts;
    return 1; /* what these versions keep on the stack has not been gone through: there it is segments */
#else
    return ts->interp->gc.collecting; /* its lists begin on the stack of who collects, and that may be this one */
#endif
}

#if PY_VERSION_HEX < 0x030D0000
static frame **innermost(PyThreadState *ts)
{
    return &ts->cframe->current_frame;
}

static void stand_in(gosp_moved *m, PyThreadState *ts)
{
    m->real = NULL;
    if ((char *)ts->cframe < m->from || (char *)ts->cframe >= m->to)
        return;
    m->real = ts->cframe;
    m->pretend = *(_PyCFrame *)(m->copy + ((char *)ts->cframe - m->from));
    ts->cframe = &m->pretend;
}

static void stand_back(gosp_moved *m, PyThreadState *ts)
{
    if (!m->real)
        return;
#if PY_VERSION_HEX < 0x030C0000
    ((_PyCFrame *)(m->copy + ((char *)m->real - m->from)))->use_tracing = m->pretend.use_tracing;
#endif
    ts->cframe = m->real;
}
#else
static frame **innermost(PyThreadState *ts)
{
    return &ts->current_frame;
}

static void stand_in(gosp_moved *m, PyThreadState *ts)
{
    (void)m;
    (void)ts;
}

static void stand_back(gosp_moved *m, PyThreadState *ts)
{
    (void)m;
    (void)ts;
}
#endif

#if GOSP_ENTRY_FRAMES_ON_C_STACK
/* The links of the frames of this part lead to the copies of entry frames, or (back) to where they have their place. Only
 * the copies can be read. */
static void turn(const gosp_moved *m, int back)
{
    const char *from = back ? m->copy : m->from;
    size_t size = (size_t)(m->to - m->from);
    for (frame *f = m->innermost, *next; f && f != m->until; f = next) {
        size_t at = (size_t)((const char *)f->previous - from);
        next = f->previous;
        if (at >= size)
            continue;
        next = (frame *)(m->copy + at);
        f->previous = back ? (frame *)(m->from + at) : next;
    }
}
#else
static void turn(const gosp_moved *m, int back)
{
    (void)m;
    (void)back;
}
#endif

/* The innermost frame is an entry frame, and in this part, while CPython lets go of the locals of a frame that has ended. */
void gosp_moved_away(gosp_moved *m, PyThreadState *ts)
{
    stand_in(m, ts);
    frame **link = innermost(ts);
    m->innermost = *link;
    size_t at = (size_t)((char *)*link - m->from);
    if (at < (size_t)(m->to - m->from))
        *link = m->innermost = (frame *)(m->copy + at);
    turn(m, 0);
}

void gosp_moved_back(gosp_moved *m, PyThreadState *ts)
{
    turn(m, 1);
    size_t at = (size_t)((char *)m->innermost - m->copy);
    if (at < (size_t)(m->to - m->from))
        *innermost(ts) = (frame *)(m->from + at);
    stand_back(m, ts);
}
