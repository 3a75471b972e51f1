/* bell.h - how a thread that has nothing to do is woken: one sleeper, any number of ringers.
 *
 * A bell remembers that it was rung, so ringing before the wait is not lost. The sleeper acts on what it finds
 * only after gosi_bell_wait has returned, which clears the memory: whoever puts work somewhere and rings then is
 * never overlooked (modelled in tests/model/inbox.py).
 * Locking: none; the word is atomic.
 */
#ifndef GOSI_BELL_H
#define GOSI_BELL_H

#include "base.h"
#include "gossamer/embed.h"

void gosi_bell_init(gos_bell *bell);
void gosi_bell_fini(gos_bell *bell);

/* Any thread. Costs a system call only if the owner sleeps. */
void gosi_bell_ring(gos_bell *bell);

/* The owner: sleep until the bell is rung (or has been since the last wait), the deadline passes, or a signal
 * handler has run. */
void gosi_bell_wait(gos_bell *bell, int64_t deadline_ns);

#endif
