/* timeline.h - the state of a conversion: what is known of threads, tasklets and locks at the present record. */
#ifndef GOSI_TRACE_TIMELINE_H
#define GOSI_TRACE_TIMELINE_H

#include "decode.h"
#include "map.h"
#include "perfetto.h"

struct gosi_track {
    uint64_t uuid;   /* 0: not described yet */
    uint32_t *names; /* of the slices that are open, outermost first */
    uint32_t depth, room;
    uint32_t too_deep; /* open ones that are not shown */
};

enum gosi_task_state { GOSI_TASK_NEW, GOSI_TASK_RUNS, GOSI_TASK_RUNNABLE, GOSI_TASK_WAITS, GOSI_TASK_ENDED };

struct gosi_task {
    uint64_t address;
    struct gosi_track track;
    uint32_t name;          /* string, 0: unknown */
    uint32_t open;          /* the slice that says what it waits for, if one is open */
    uint32_t explicit_wait; /* likewise of a WAIT record */
    uint64_t sent;          /* arrow of the value that it waits to get rid of */
    uint8_t state;          /* enum gosi_task_state */
    uint8_t begun;          /* its life is a slice */
};

struct gosi_line { /* a thread */
    struct gosi_track track, gil, memory;
    uint64_t current; /* address of its tasklet, 0: unknown */
    int64_t memory_ns;
    uint32_t name;    /* string, 0: unknown */
    uint8_t running; /* the slice of current is open */
    uint8_t idle;    /* the slice "idle" is */
};

struct gosi_timeline {
    struct gosi_input in;
    struct gosi_perfetto out;
    int64_t ns;      /* now */
    uint32_t thread; /* whose record it is */
    uint64_t next_uuid, next_flow, process, switches;
    uint32_t pid;
    uint32_t next_name, named_size;
    char *named; /* which names the output knows */
    struct gosi_line *lines;
    struct gosi_task *tasks;
    uint32_t task_count, task_room;
    struct gosi_track *locks;
    uint32_t lock_count, lock_room;
    struct gosi_map task_of;      /* address: index in tasks */
    struct gosi_map lock_of;      /* address: index in locks, plus 1 */
    struct gosi_map labels;       /* address: string */
    struct gosi_map joined_names; /* name and string: name */
    struct gosi_map kept;         /* channel: values put into its buffer */
    struct gosi_map counters;     /* string: uuid */
    struct gosi_task nobody;      /* for want of memory */
};

int gosi_timeline_begin(struct gosi_timeline *tl, const char *path, const char *output, const char **what);
void gosi_timeline_event(struct gosi_timeline *tl, const struct gosi_event *e);
int gosi_timeline_end(struct gosi_timeline *tl);
void gosi_timeline_free(struct gosi_timeline *tl); /* after begin, whatever came of it */
uint64_t gosi_timeline_kept(struct gosi_timeline *tl, uint64_t channel);

#endif
