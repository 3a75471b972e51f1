/* perfetto.h - writing Perfetto's format: one sequence of TrackEvents with interned names and an incremental clock.
 *
 * The field numbers are those of the public schema (protos/perfetto/trace). Failures stay in w->error.
 */
#ifndef GOSI_TRACE_PERFETTO_H
#define GOSI_TRACE_PERFETTO_H

#include "trace.h"

enum gosi_slice { GOSI_SLICE_BEGIN = 1, GOSI_SLICE_END = 2, GOSI_INSTANT = 3, GOSI_COUNTER = 4 };

struct gosi_perfetto {
    FILE *file;
    char *buffer;
    size_t used;
    char packet[1024]; /* under construction; longer texts are cut */
    size_t size;
    int64_t ns;        /* of the previous packet with a time */
    uint64_t bytes, events;
    int error;         /* errno of the first failure, ENOMEM likewise */
};

int gosi_perfetto_begin(struct gosi_perfetto *w, const char *path, int64_t ns);
int gosi_perfetto_end(struct gosi_perfetto *w); /* GOS_OK, GOS_EIO, GOS_ENOMEM */

/* Descriptors: before the first event of their track. */
void gosi_perfetto_process(struct gosi_perfetto *w, uint64_t uuid, uint32_t pid, const char *name, size_t length);
void gosi_perfetto_thread(struct gosi_perfetto *w, uint64_t uuid, uint64_t parent, uint32_t pid, uint32_t tid, const char *name,
                          size_t length);
void gosi_perfetto_track(struct gosi_perfetto *w, uint64_t uuid, uint64_t parent, int counter, const char *name, size_t length);

/* From now on this number stands for that name. */
void gosi_perfetto_name(struct gosi_perfetto *w, uint32_t number, const char *name, size_t length);

/* flow, end_flow: arrows that begin or end here, 0: none. */
void gosi_perfetto_event(struct gosi_perfetto *w, enum gosi_slice type, int64_t ns, uint64_t uuid, uint32_t name, uint64_t flow,
                         uint64_t end_flow);
void gosi_perfetto_count(struct gosi_perfetto *w, int64_t ns, uint64_t uuid, double value);

#endif
