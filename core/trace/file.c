/* file.c - writing the recorder's file: a header, then chunks. The layout is in trace.h and docs/internals/trace.md. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define rec gosi_recording

static void failed(void)
{
    if (!rec.error)
        rec.error = errno ? errno : EIO;
}

static void put(FILE *file, const void *bytes, size_t size)
{
    if (size && fwrite(bytes, 1, size, file) != size)
        failed();
    rec.written += size;
}

int gosi_file_begin(const char *path, FILE **out)
{
    struct gosi_trace_header header = {GOSI_TRACE_MAGIC, GOSI_TRACE_VERSION, sizeof(struct gos_record)};
    FILE *file = fopen(path, "wbe");
    if (!file)
        return GOS_EIO;
    rec.error = 0;
    put(file, &header, sizeof header);
    if (fflush(file) != 0)
        failed();
    if (rec.error) {
        fclose(file);
        errno = rec.error;
        return GOS_EIO;
    }
    *out = file;
    return GOS_OK;
}

void gosi_file_chunk(FILE *file, int type, const void *head, size_t head_size, const void *body, size_t body_size)
{
    static const char zeros[8];
    size_t length = head_size + body_size, padding = -length & 7;
    struct gosi_chunk chunk = {(uint32_t)type, (uint32_t)(padding ? length : 0), length + padding};
    put(file, &chunk, sizeof chunk);
    put(file, head, head_size);
    put(file, body, body_size);
    put(file, zeros, padding);
}

/* Those that have come since the last time. */
void gosi_file_strings(FILE *file, uint32_t *written)
{
    struct gosi_strings *g = &gosi_strings;
    uint32_t first = *written + 1, head[2] = {first, g->count - *written};
    if (*written == g->count)
        return;
    size_t size = (size_t)head[1] * 4 + (g->starts[g->count] - g->starts[*written]), at = 0;
    char *body = malloc(size);
    if (!body) { /* again later: nothing is lost */
        return;
    }
    for (uint32_t n = first; n <= g->count; n++) {
        uint32_t length = g->starts[n] - g->starts[n - 1];
        memcpy(body + at, &length, 4);
        memcpy(body + at + 4, g->bytes + g->starts[n - 1], length);
        at += 4 + length;
    }
    gosi_file_chunk(file, GOSI_CHUNK_STRINGS, head, sizeof head, body, size);
    free(body);
    *written = g->count;
}

void gosi_file_thread(FILE *file, struct gosi_trace_ring *r)
{
    uint32_t head[2] = {r->number, r->tid};
    gosi_file_chunk(file, GOSI_CHUNK_THREAD, head, sizeof head, r->name, sizeof r->name);
}

/* Records `from` to `to` of a ring that nobody overwrites meanwhile. */
void gosi_file_records(FILE *file, const struct gosi_trace_ring *r, uint64_t from, uint64_t to)
{
    while (from < to) {
        uint64_t at = from & r->mask, count = to - from;
        count = count < r->mask + 1 - at ? count : r->mask + 1 - at;
        struct {
            uint32_t number, zero;
            uint64_t first;
        } head = {r->number, 0, from};
        gosi_file_chunk(file, GOSI_CHUNK_RECORDS, &head, sizeof head, &r->records[at], (size_t)count * sizeof *r->records);
        from += count;
    }
}

static void forget_names_of_the_end(void)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rec.name_count; i++)
        if (!(rec.names[i].object & 1))
            rec.names[kept++] = rec.names[i];
    rec.name_count = kept;
}

/* What is known at the end only. */
void gosi_file_end(FILE *file, const char *info)
{
    struct gosi_clock_pair pairs[2] = {rec.first, rec.last.ticks ? rec.last : gosi_clock_read()};
    uint64_t end[2] = {rec.events, rec.lost};
    gosi_file_strings(file, &rec.strings_written);
    gosi_file_chunk(file, GOSI_CHUNK_CLOCK, NULL, 0, pairs, sizeof pairs);
    if (rec.name_count)
        gosi_file_chunk(file, GOSI_CHUNK_NAMES, NULL, 0, rec.names, rec.name_count * sizeof *rec.names);
    forget_names_of_the_end();
    if (info)
        gosi_file_chunk(file, GOSI_CHUNK_INFO, NULL, 0, info, strlen(info));
    gosi_file_chunk(file, GOSI_CHUNK_END, NULL, 0, end, sizeof end);
}

/* ---- saving what the rings hold ---- */

/* A copy of r's contents while its thread may go on; what was overwritten meanwhile is left out. */
static struct gos_record *copy_ring(const struct gosi_trace_ring *r, uint64_t *from, uint64_t *to)
{
    uint64_t size = r->mask + 1;
    *to = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE);
    *from = *to > size ? *to - size : 0;
    uint64_t *copy = malloc((size_t)(*to - *from) * sizeof(struct gos_record) + 1);
    if (!copy)
        return NULL;
    enum { WORDS = sizeof(struct gos_record) / 8 };
    for (uint64_t i = *from; i < *to; i++) {
        const uint64_t *word = (const uint64_t *)&r->records[i & r->mask];
        for (int w = 0; w < WORDS; w++)
            copy[(i - *from) * WORDS + (uint64_t)w] = __atomic_load_n(&word[w], __ATOMIC_RELAXED);
    }
#ifndef GOS_TSAN /* which does not know fences; the words are atomic anyway */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
    uint64_t now = __atomic_load_n(&r->head, __ATOMIC_RELAXED), good = now + 1 > size ? now + 1 - size : 0;
    if (good > *from && (now != *to || now > size)) {
        good = now == *to ? *from : good < *to ? good : *to;
        memmove(copy, copy + (good - *from) * WORDS, (size_t)(*to - good) * sizeof(struct gos_record));
        *from = good;
    }
    return (struct gos_record *)copy;
}

static int save_ring(FILE *file, struct gosi_trace_ring *r)
{
    uint64_t from, to;
    struct gos_record *copy = copy_ring(r, &from, &to);
    if (!copy)
        return GOS_ENOMEM;
    struct {
        uint32_t number, zero;
        uint64_t first;
    } head = {r->number, 0, from};
    gosi_file_thread(file, r);
    gosi_file_chunk(file, GOSI_CHUNK_RECORDS, &head, sizeof head, copy, (size_t)(to - from) * sizeof *copy);
    free(copy);
    rec.events += to - from;
    rec.lost += from;
    return GOS_OK;
}

int gos_trace_save(const char *path, const char *info)
{
    FILE *file;
    pthread_mutex_lock(&rec.lock);
    int rc = rec.streaming || !rec.epoch ? GOS_EINVAL : gosi_file_begin(path, &file);
    if (rc == GOS_OK) {
        uint32_t strings = 0;
        rec.written = rec.events = rec.lost = 0;
        for (struct gosi_trace_ring *r = rec.rings; r && rc == GOS_OK; r = r->next)
            if (r->epoch == rec.epoch)
                rc = save_ring(file, r);
        gosi_file_strings(file, &strings);
        rec.strings_written = gosi_strings.count;
        rec.lost += rec.forgotten;
        gosi_file_end(file, info);
        rec.events = rec.lost = 0; /* these are in the rings still */
        if (fclose(file) != 0)
            failed();
        if (rc == GOS_OK && rec.error)
            rc = GOS_EIO;
    }
    int error = rec.error;
    pthread_mutex_unlock(&rec.lock);
    if (rc == GOS_EIO && error)
        errno = error;
    return rc;
}
