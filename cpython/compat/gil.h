/* compat/gil.h - keeping the GIL for a while: its switch interval, and the requests to drop it.
 *
 * CPython's rule: a thread that waits for the GIL waits for the switch interval, and asks the holder to drop
 * it if no other thread got it meanwhile, which it sees by a counter of switches. So the holder keeps the GIL
 * by making the interval long and the counter count. All of it happens under the GIL's own mutex, which the
 * waiting threads hold while they decide.
 *
 * Locking: everything below needs gosp_gil_lock(), unless it says otherwise. Nothing here needs the GIL, and
 * nothing may be called once the interpreter has torn the GIL down.
 */
#ifndef GOSP_COMPAT_GIL_H
#define GOSP_COMPAT_GIL_H

#include <Python.h>

/* Find the GIL; the caller holds it, on ts, and interval_us is what sys.getswitchinterval() says. NULL, or why
 * this interpreter's GIL is not the one we were compiled for. No lock needed. */
const char *gosp_gil_find(PyThreadState *ts, unsigned long interval_us);

void gosp_gil_lock(void);
void gosp_gil_unlock(void);

/* Who has the GIL, NULL: nobody. */
PyThreadState *gosp_gil_holder(void);

/* Can it be had without waiting? A guess, without the lock and from any thread. */
int gosp_gil_is_free(void);

/* Is this the thread that runs the handlers of signals? */
int gosp_handles_signals(void);

/* How often it went to another thread: a count that differs from an earlier one if it did. With the GIL or the lock. */
unsigned long gosp_gil_turns(void);

/* How often gosp_gil_keep was called. */
unsigned long gosp_gil_kept(void);

/* The switch interval as the program has set it, in microseconds. */
unsigned long gosp_gil_interval(void);

/* Does a waiting thread ask ts, which has the GIL, to drop it? No lock needed. */
int gosp_gil_requested(PyThreadState *ts);

/* From now on nobody asks ts, the holder, for the GIL: for about a second, unless called again. */
void gosp_gil_keep(PyThreadState *ts);

/* The holder needs it no longer: the interval is the program's again for those who begin to wait. Those who wait
 * already are told by gosp_gil_share. */
void gosp_gil_restore(void);

/* Let everybody who waits measure the interval again: the program's, but at least at_least_us. */
void gosp_gil_share(unsigned long at_least_us);

#endif
