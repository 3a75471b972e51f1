/* spill.h - between spill.c, which evaluates frames where there is stack, and deep.c, which arms it. */
#ifndef GOSP_SPILL_H
#define GOSP_SPILL_H

#include "compat/limits.h"
#include "gosp.h"

#define GOSP_KIB ((size_t)1024)
#define GOSP_MIB (1024 * GOSP_KIB)

enum { GOSP_ROOM_RATIO = 2 }; /* of a small segment, one part in so many is kept free */

/* What deep_stack() and set_spill() have asked for. After a change: gosp_spill_settings_changed. */
typedef struct {
    int blocks;          /* deep_stack() blocks that are open */
    int always;          /* set_spill is on */
    int copying;         /* the thread's own flow runs over the memory of its callers, where that is possible */
    size_t mark;         /* bytes of a stack that may be used, at most */
    size_t segment;      /* size of a segment; what is not touched of it costs address space only */
    size_t need;         /* bytes that are left wherever Python code begins to run: for what it does in C */
    unsigned generation; /* counts the changes */
} gosp_spill_settings;

typedef struct {
    gos_segments pool;
    gos_copies copies;
    char *base;               /* of the copies: the furthest address from which the native stack is moved */
    gosp_eval_frame *moved;   /* the innermost frame of what has moved; NULL: none */
    struct gos_bounds native; /* low == high: unknown, and so nothing is ever moved */
    size_t segment;           /* what is tried first: smaller than the settings say once address space was short */
    unsigned generation;      /* of the settings that were seen last */
    int fitted;               /* the limits on C recursion fit the native stack, see gosp_spill_fit_native */
    int blocks;               /* deep_stack() blocks that were entered on the native stack */
    int lowered;              /* by how much the limits on C recursion are for these */
} gosp_spill_thread;

extern gosp_spill_settings gosp_spill;

void gosp_spill_settings_changed(void);
gosp_spill_thread *gosp_spill_this_thread(void);   /* NULL: no memory */
gosp_spill_thread *gosp_spill_known_thread(void);  /* NULL: it has not been asked for yet */
gosp_spill_thread *gosp_spill_native_thread(void); /* NULL as well while it runs on anything but its native stack */
void gosp_spill_fit_native(gosp_spill_thread *st, PyThreadState *ts);
int gosp_spill_init_key(void);

#endif
