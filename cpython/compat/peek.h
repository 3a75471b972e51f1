/* compat/peek.h - looking at the frames of a running thread from outside, without the GIL.
 *
 * What is looked at may change or be freed at the same time. So nothing is followed by a plain access: all
 * memory is copied through the kernel, which refuses where there is none, and what has been copied is taken with
 * suspicion. The worst result is a wrong line in a report. (faulthandler does the same with plain accesses.)
 */
#ifndef GOSP_COMPAT_PEEK_H
#define GOSP_COMPAT_PEEK_H

#include <Python.h>

/* A way to copy memory that may not exist. */
typedef struct gosp_peek {
    int fd[2]; /* a pipe */
} gosp_peek;

/* 0, or -1: no file descriptors left. */
int gosp_peek_open(gosp_peek *p);
void gosp_peek_close(gosp_peek *p);

/* n bytes from another thread's memory; 0, or -1 if they cannot be read. */
int gosp_peek_copy(gosp_peek *p, void *to, const void *from, size_t n);

/* Append a str, escaped to ASCII, to out (which has room for `room` bytes, the final 0 included); returns the bytes
 * written. What cannot be read becomes "???". */
size_t gosp_peek_text(gosp_peek *p, const PyObject *str, char *out, size_t room);

/* The same from a frame on: the innermost of a suspended tasklet. */
size_t gosp_peek_frames(gosp_peek *p, const void *innermost_frame, int frames, char *out, size_t room);

/* Call look for every object that the collector knows; type is as read, and may be anything. -1: some may be missing, since
 * the lists have changed meanwhile, or the time was over (until_ns, of gos_now). */
typedef void (*gosp_peek_look)(PyObject *op, PyTypeObject *type, void *arg);
int gosp_peek_objects(gosp_peek *p, PyInterpreterState *interp, int64_t until_ns, gosp_peek_look look, void *arg);

/* Append the stack of ts, as lines like faulthandler's, innermost frame first, no more than `frames`. */
size_t gosp_peek_stack(gosp_peek *p, PyThreadState *ts, int frames, char *out, size_t room);

#endif
