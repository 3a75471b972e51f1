/* What core/poll/kqueue.c needs of the BSDs' <sys/event.h>: so that a machine without kqueue can at least compile that file
 * (tests/core/kqueue_compiles.sh). Names and types are the interface's; numbers are nobody's. */
#ifndef STUB_EVENT_H
#define STUB_EVENT_H

#include <stdint.h>
#include <time.h>

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    intptr_t data;
    void *udata;
};

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_CLEAR 0x0020
#define EV_ERROR 0x4000
#define EV_EOF 0x8000
#define EV_SET(k, i, fi, fl, ff, d, u) (*(k) = (struct kevent){(i), (short)(fi), (unsigned short)(fl), (ff), (d), (u)})

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int change_count, struct kevent *events, int room, const struct timespec *timeout);

#endif
