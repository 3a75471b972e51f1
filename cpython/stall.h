/* stall.h - reports of tasklets that hog their thread; see stall.c. For timekeeper.c. */
#ifndef GOSP_STALL_H
#define GOSP_STALL_H

#include "gosp.h"

struct gosp_stall {
    uint64_t id;       /* of the thread */
    int64_t ran;       /* ns */
    int calls_back;
    size_t length;
    char text[8192];
};

/* With the timekeeper's lock. ran: ns since the last switch. */
int gosp_stall_is_new(const gosp_thread *th, int64_t ran);
void gosp_stall_describe(struct gosp_stall *stall, gosp_thread *th, int64_t ran);

/* Without it: print the report, and have the callback called. */
void gosp_stall_tell(const struct gosp_stall *stall);

/* Until every callback that is to be called has got the GIL; releases it. */
void gosp_stall_wait(void);

void gosp_stall_after_fork(void);

#endif
