/* compat/moved.h - a part of the C stack is stored away for a while, with what CPython links to in it; see moved.c. */
#ifndef GOSP_COMPAT_MOVED_H
#define GOSP_COMPAT_MOVED_H

#include "state.h"

typedef struct gosp_moved {
    char *from, *to, *copy;                /* the bytes from..to are at copy; set by the caller */
    struct _PyInterpreterFrame *until;     /* the innermost frame of what was moved before, or NULL; likewise */
    struct _PyInterpreterFrame *innermost; /* of this part */
#if PY_VERSION_HEX < 0x030D0000
    _PyCFrame *real, pretend; /* real NULL: it has not moved */
#endif
} gosp_moved;

/* The bytes are at copy now, and their place may be used. */
void gosp_moved_away(gosp_moved *m, PyThreadState *ts);
/* They are about to come back. The same frame is the innermost again. */
void gosp_moved_back(gosp_moved *m, PyThreadState *ts);

/* CPython itself may have the address of something on this stack at the moment, and use it whatever runs. */
int gosp_stack_is_linked(PyThreadState *ts);

#endif
