/* timekeeper.h - the C thread that finds out that a limit is reached; see timekeeper.c. */
#ifndef GOSP_TIMEKEEPER_H
#define GOSP_TIMEKEEPER_H

#include "gosp.h"

/* From now on these are th's limits (all 0: none). begins_run: quantum and budget count from now. Of the calling
 * thread, with the GIL. 0, or -1 with an exception, and nothing changed. Taking limits away cannot fail. */
int gosp_timekeeper_set(gosp_thread *th, const struct gosp_limits *limits, int begins_run);

/* A request has arrived on another thread than its own. */
void gosp_timekeeper_missed(uint64_t id);

/* Call f(th, arg) for the thread behind id, with the GIL and without the lock; NULL if it is gone. */
gosp_thread *gosp_timekeeper_find(uint64_t id);

/* The interpreter exits: forget all limits, and end the thread. None can be set again. */
void gosp_timekeeper_stop(void);

/* Handlers for fork; to be called once. 0, or -1 with an exception. */
int gosp_timekeeper_init(void);

#endif
