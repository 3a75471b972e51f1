/* preempt.h - limits on how long tasklets run, and the record of them in each thread. Part of gosp.h.
 *
 * Three parties: the thread that owns the record (GIL), the timekeeper (timekeeper.c, a C thread that never needs the
 * GIL to find out that a limit is reached), and the delivery (preempt.c), on the owner's thread again.
 *
 * Locking: fields are the owner's unless they say otherwise. `limits` and all of the timekeeper's fields are under
 * the timekeeper's lock. `due` and its neighbours are atomic.
 */
#ifndef GOSP_PREEMPT_H
#define GOSP_PREEMPT_H

#include <time.h>

#include "compat/async.h"

/* What is reached, as bits of gosp_slice.due. */
enum {
    GOSP_DUE_QUANTUM = 1, /* the current tasklet has run for too long: run() returns it */
    GOSP_DUE_BUDGET = 2,  /* all of run() has taken too long: likewise */
    GOSP_DUE_TURN = 4,    /* the others get their turn (set_preemption) */
    GOSP_DUE_RETURN = GOSP_DUE_QUANTUM | GOSP_DUE_BUDGET,
};

enum { GOSP_CHARGE_NS = 5000 }; /* what a switch costs of run(timeout, totaltimeout=True): five units */

/* In ns; 0: none. */
struct gosp_limits {
    int64_t quantum, budget; /* of the limited run() that is under way */
    int64_t turn;            /* of set_preemption */
    int64_t stall;           /* of on_stall */
    uint8_t cpu;             /* quantum and budget count CPU time of the thread, and budget a charge for each switch */
    uint8_t soft;            /* nobody is interrupted because of quantum and budget */
    uint8_t dump;            /* stalls are shown on standard error */
};

typedef struct gosp_slice {
    /* the owner's */
    struct TaskletObject *watchdog; /* who has called the limited run(); NULL: nobody */
    uint8_t soft, ignore_nesting, counts_switches;
    uint8_t armed;                  /* any limit at all: the timekeeper knows this record */
    int main_loops;                 /* evaluation loops of main that may be switched away from */
    int64_t charged;                /* ns for switches, so far */
    gosp_async async;
    int chase_left;                 /* deliveries of a chase, see preempt.c */
    int64_t chase_next;             /* when there may be another one */
    PyObject *stall_callback;       /* NULL: only the dump */
    struct TaskletObject *hog;      /* who has stalled the thread, and has switched since; owned */
    /* the timekeeper's */
    struct gosp_limits limits;
    clockid_t clock;                /* CPU time of the owner */
    uint64_t seen;                  /* switches when the slice was first seen */
    int64_t since_wall, since_cpu;  /* when that was; and when the limited run() began: */
    int64_t run_wall, run_cpu;
    int64_t retry_at;               /* the next attempt to deliver */
    uint32_t attempts;
    uint8_t told;                   /* this stall is known */
    struct gosp_thread *next;       /* armed */
    /* atomic */
    uint32_t posted;                /* a request is on its way */
    uint32_t due;
    uint64_t due_switches;          /* whose slice QUANTUM and TURN are about */
    int64_t used;                   /* CPU time of the limited run(), as last seen */
    uint64_t start_switches;        /* the owner saw this slice begin, at */
    int64_t start_wall, start_cpu;
    uint32_t stalled;               /* the report of a stall is under way: keep the hog */
} gosp_slice;

#endif
