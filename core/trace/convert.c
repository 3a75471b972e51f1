/* convert.c - a file of the recorder becomes one of Perfetto's. */
#include <errno.h>
#include <string.h>

#include "timeline.h"

/* ---- the few things that are wanted of the JSON: written by us, one flat object whose strings need no escapes ---- */

static const char *info_value(const struct gosi_input *in, const char *key)
{
    size_t length = strlen(key);
    const char *at = in->info.bytes, *end = at ? at + in->info.length : NULL;
    for (; at && at + length + 4 < end; at++)
        if (at[0] == '"' && memcmp(at + 1, key, length) == 0 && memcmp(at + 1 + length, "\": ", 3) == 0)
            return at + length + 4;
    return NULL;
}

struct gosi_text gosi_info_text(const struct gosi_input *in, const char *key)
{
    const char *at = info_value(in, key);
    if (!at || *at != '"')
        return (struct gosi_text){NULL, 0};
    const char *end = memchr(at + 1, '"', (size_t)(in->info.bytes + in->info.length - at - 1));
    return end ? (struct gosi_text){at + 1, (uint32_t)(end - at - 1)} : (struct gosi_text){NULL, 0};
}

struct gosi_text gosi_info_thread(const struct gosi_input *in, uint32_t tid)
{
    char key[16];
    snprintf(key, sizeof key, "%u", tid);
    return gosi_info_text(in, key);
}

uint32_t gosi_info_number(const struct gosi_input *in, const char *key)
{
    const char *at = info_value(in, key);
    uint32_t number = 0;
    for (; at && at < in->info.bytes + in->info.length && *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint32_t)(*at - '0');
    return number;
}

int gos_trace_convert(const char *path, const char *output, struct gos_convert_stats *out, const char **what)
{
    struct gosi_timeline tl;
    struct gosi_event event;
    const char *unused;
    what = what ? what : &unused;
    *what = NULL;
    int rc = gosi_timeline_begin(&tl, path, output, what);
    if (rc == GOS_EIO && !tl.in.map)
        *what = "it cannot be read";
    if (rc == GOS_OK) {
        while (!tl.out.error && gosi_input_next(&tl.in, &event))
            gosi_timeline_event(&tl, &event);
        uint64_t records = tl.in.records, lost = tl.in.lost;
        rc = gosi_timeline_end(&tl);
        if (out)
            *out = (struct gos_convert_stats){
                .records = records,
                .lost = lost,
                .events = tl.out.events,
                .bytes = tl.out.bytes,
                .tasklets = tl.task_count,
                .threads = tl.in.thread_count,
            };
    }
    int error = errno;
    gosi_timeline_free(&tl);
    errno = error;
    return rc;
}
