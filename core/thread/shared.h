/* shared.h - channels that several threads use at once. Part of core/thread. */
#ifndef GOSI_SHARED_H
#define GOSI_SHARED_H

#include "thread.h"

int gosi_shared_balance(gos_channel *ch);

/* As the operations of gossamer.h, for the current tasklet of me; nothing passes through its exchange register. */
int gosi_shared_select(struct gosi_member *m, struct gos_case *cases, size_t n, int64_t deadline_ns, size_t *chosen);
int gosi_shared_operate(struct gosi_member *m, gos_channel *ch, int send, void **value, int64_t deadline_ns);

#endif
