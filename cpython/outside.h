/* outside.h - what all tasklets do, seen without the GIL; see outside.c. */
#ifndef GOSP_OUTSIDE_H
#define GOSP_OUTSIDE_H

#include "gosp.h"

#include "compat/peek.h"

/* Text that grows. Its memory comes from the kernel: the program may be stuck inside of malloc. */
struct gosp_text {
    char *bytes;
    size_t used, room;
};

/* What does not fit any more is left out. */
__attribute__((format(printf, 2, 3))) void gosp_text_add(struct gosp_text *text, const char *format, ...);
void gosp_text_free(struct gosp_text *text);

/* Copy the name of the tasklet at `at`, escaped to ASCII, to out. */
void gosp_outside_name(gosp_peek *p, const TaskletObject *at, char *out, size_t room);

/* Append a line for each thread that has tasklets. */
void gosp_outside_threads(gosp_peek *p, struct gosp_text *out);

/* Append a line for each tasklet that is alive, and its stack of so many frames below it, innermost first; those that run or
 * are runnable come first. No more than limit; after that they are only counted. */
void gosp_outside_tasklets(gosp_peek *p, unsigned limit, int frames, struct gosp_text *out);

#endif
