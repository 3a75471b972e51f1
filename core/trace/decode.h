/* decode.h - reading a file of the recorder: its records in order of time, with times in nanoseconds.
 *
 * The file is not trusted: whatever it says is checked before it is used. Nothing here is shared between threads.
 */
#ifndef GOSI_TRACE_DECODE_H
#define GOSI_TRACE_DECODE_H

#include "trace.h"

struct gosi_text {
    const char *bytes; /* in the file */
    uint32_t length;
};

struct gosi_segment_of_records {
    const char *records;
    uint64_t count, first;
};

struct gosi_input_thread {
    uint32_t number, tid;
    struct gosi_text name;
    struct gosi_segment_of_records *segments;
    uint32_t segment_count, segment_room, segment; /* where the reader is: segment ... */
    uint64_t at;                                   /* ... and record in it */
    uint64_t next;                                 /* number of the record that would follow */
    uint64_t ticks;                                /* of the record at the reader's place */
};

struct gosi_input {
    const char *map;
    size_t size;
    struct gosi_input_thread *threads;
    uint32_t thread_count, thread_room;
    struct gosi_text *strings; /* string n at n - 1 */
    uint32_t string_count, string_room;
    const char *names; /* NAMES chunks: struct gosi_name */
    uint64_t name_count;
    struct gosi_clock_pair first, last;
    double ns_per_tick;
    struct gosi_text info;
    uint32_t *heap; /* indices of threads, the one with the earliest record first */
    uint32_t heap_count;
    uint64_t records, lost;
    int64_t now_ns;
};

struct gosi_event {
    uint32_t thread; /* index */
    int kind, detail;
    int64_t ns;
    uint64_t object, a, b;
};

/* GOS_OK; GOS_EIO (errno tells); GOS_ENOMEM; GOS_EINVAL: *what says what is wrong with it. */
int gosi_input_open(struct gosi_input *in, const char *path, const char **what);
int gosi_input_next(struct gosi_input *in, struct gosi_event *out); /* 0: that was all */
void gosi_input_close(struct gosi_input *in);

/* Of the JSON about the program: a string or number by its key, empty or 0 if it is not there. */
struct gosi_text gosi_info_text(const struct gosi_input *in, const char *key);
struct gosi_text gosi_info_thread(const struct gosi_input *in, uint32_t tid); /* its name */
uint32_t gosi_info_number(const struct gosi_input *in, const char *key);

/* Its own memory, not the embedder's, which may need a lock; so nothing here does. 0 or GOS_ENOMEM. */
int gosi_input_grow(void **array, uint32_t count, uint32_t *room, size_t element);

#endif
