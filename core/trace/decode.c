/* decode.c - reading a file of the recorder; see decode.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decode.h"

enum { RECORD = sizeof(struct gos_record) };

int gosi_input_grow(void **array, uint32_t count, uint32_t *room, size_t element)
{
    if (count < *room)
        return GOS_OK;
    if (count > UINT32_MAX / 4)
        return GOS_ENOMEM;
    uint32_t wanted = *room ? *room * 2 : 16;
    void *larger = realloc(*array, (size_t)wanted * element);
    if (!larger)
        return GOS_ENOMEM;
    *array = larger;
    *room = wanted;
    return GOS_OK;
}

static uint32_t word32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t word64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* ---- chunks ---- */

static int damaged(const char **what, const char *how)
{
    *what = how;
    return GOS_EINVAL;
}

/* The thread with that number, made if need be. Its index is the number, as the recorder counts from 0. */
static int find_thread(struct gosi_input *in, uint32_t number, struct gosi_input_thread **out, const char **what)
{
    if (number > in->thread_count + 65536)
        return damaged(what, "a thread has an impossible number");
    while (in->thread_count <= number) {
        int rc = gosi_input_grow((void **)&in->threads, in->thread_count, &in->thread_room, sizeof *in->threads);
        if (rc != GOS_OK)
            return rc;
        in->threads[in->thread_count] = (struct gosi_input_thread){.number = in->thread_count};
        in->thread_count++;
    }
    *out = &in->threads[number];
    return GOS_OK;
}

static int read_thread(struct gosi_input *in, const char *at, uint64_t size, const char **what)
{
    struct gosi_input_thread *t;
    if (size < 24)
        return damaged(what, "a description of a thread is too short");
    int rc = find_thread(in, word32(at), &t, what);
    if (rc == GOS_OK) {
        t->tid = word32(at + 4);
        t->name = (struct gosi_text){at + 8, (uint32_t)strnlen(at + 8, 16)};
    }
    return rc;
}

static int read_records(struct gosi_input *in, const char *at, uint64_t size, const char **what)
{
    struct gosi_input_thread *t;
    if (size < 16 || (size - 16) % RECORD)
        return damaged(what, "records have the wrong size");
    int rc = find_thread(in, word32(at), &t, what);
    if (rc == GOS_OK)
        rc = gosi_input_grow((void **)&t->segments, t->segment_count, &t->segment_room, sizeof *t->segments);
    if (rc != GOS_OK)
        return rc;
    struct gosi_segment_of_records segment = {at + 16, (size - 16) / RECORD, word64(at + 8)};
    if (segment.first < t->next || segment.first + segment.count < segment.first)
        return damaged(what, "records come twice");
    in->lost += segment.first - t->next;
    in->records += segment.count;
    t->next = segment.first + segment.count;
    if (segment.count)
        t->segments[t->segment_count++] = segment;
    return GOS_OK;
}

static int read_strings(struct gosi_input *in, const char *at, uint64_t size, const char **what)
{
    if (size < 8 || word32(at) != in->string_count + 1)
        return damaged(what, "strings are out of order");
    uint32_t count = word32(at + 4);
    uint64_t where = 8;
    for (uint32_t i = 0; i < count; i++) {
        if (size - where < 4 || size - where - 4 < word32(at + where))
            return damaged(what, "a string is longer than its chunk");
        if (gosi_input_grow((void **)&in->strings, in->string_count, &in->string_room, sizeof *in->strings) != GOS_OK)
            return GOS_ENOMEM;
        in->strings[in->string_count++] = (struct gosi_text){at + where + 4, word32(at + where)};
        where += 4 + (uint64_t)word32(at + where);
    }
    return GOS_OK;
}

static int read_chunk(struct gosi_input *in, const struct gosi_chunk *chunk, const char *at, const char **what)
{
    uint64_t size = chunk->length ? chunk->length : chunk->size;
    if (size > chunk->size)
        return damaged(what, "a chunk is longer than its place");
    switch (chunk->type) {
    case GOSI_CHUNK_CLOCK:
        if (size < 32)
            return damaged(what, "the clock has no two points");
        in->first = (struct gosi_clock_pair){word64(at), (int64_t)word64(at + 8)};
        in->last = (struct gosi_clock_pair){word64(at + size / 16 * 16 - 16), (int64_t)word64(at + size / 16 * 16 - 8)};
        return GOS_OK;
    case GOSI_CHUNK_STRINGS: return read_strings(in, at, size, what);
    case GOSI_CHUNK_THREAD: return read_thread(in, at, size, what);
    case GOSI_CHUNK_RECORDS: return read_records(in, at, size, what);
    case GOSI_CHUNK_NAMES:
        in->names = at;
        in->name_count = size / sizeof(struct gosi_name);
        return GOS_OK;
    case GOSI_CHUNK_INFO: in->info = (struct gosi_text){at, (uint32_t)size}; return GOS_OK;
    case GOSI_CHUNK_END:
        if (size < 16)
            return damaged(what, "the end is too short");
        if (word64(at + 8) > in->lost)
            in->lost = word64(at + 8);
        return GOS_OK;
    default: return GOS_OK; /* of a later version */
    }
}

/* A file whose writer did not come to its end (it was killed) is good up to where it stops. */
static int read_chunks(struct gosi_input *in, const char **what)
{
    struct gosi_trace_header header;
    if (in->size < sizeof header)
        return damaged(what, "it is too short");
    memcpy(&header, in->map, sizeof header);
    if (memcmp(header.magic, GOSI_TRACE_MAGIC, sizeof header.magic) != 0)
        return damaged(what, "it does not begin like one");
    if (header.version != GOSI_TRACE_VERSION || header.record_size != RECORD)
        return damaged(what, "it is of another version");
    size_t at = sizeof header;
    while (in->size - at >= sizeof(struct gosi_chunk)) {
        struct gosi_chunk chunk;
        memcpy(&chunk, in->map + at, sizeof chunk);
        at += sizeof chunk;
        if (chunk.size & 7)
            return damaged(what, "a chunk has an odd size");
        if (chunk.size > in->size - at)
            break;
        int rc = read_chunk(in, &chunk, in->map + at, what);
        if (rc != GOS_OK)
            return rc;
        at += (size_t)chunk.size;
    }
    return GOS_OK;
}

/* ---- records in order of time ---- */

static void sift_down(struct gosi_input *in, uint32_t at)
{
    uint32_t *heap = in->heap, moved = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= in->heap_count)
            break;
        if (child + 1 < in->heap_count && in->threads[heap[child + 1]].ticks < in->threads[heap[child]].ticks)
            child++;
        if (in->threads[heap[child]].ticks >= in->threads[moved].ticks)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static const char *record_at(const struct gosi_input_thread *t)
{
    return t->segments[t->segment].records + t->at * RECORD;
}

/* 0: this thread has no more. */
static int look(struct gosi_input_thread *t)
{
    while (t->segment < t->segment_count && t->at >= t->segments[t->segment].count) {
        t->segment++;
        t->at = 0;
    }
    if (t->segment >= t->segment_count)
        return 0;
    uint64_t ticks = word64(record_at(t));
    t->ticks = ticks > t->ticks ? ticks : t->ticks; /* a thread's records are in order, whatever the clock says */
    return 1;
}

static int make_heap(struct gosi_input *in)
{
    in->heap = malloc((in->thread_count + 1) * sizeof *in->heap);
    if (!in->heap)
        return GOS_ENOMEM;
    for (uint32_t i = 0; i < in->thread_count; i++)
        if (look(&in->threads[i]))
            in->heap[in->heap_count++] = i;
    for (uint32_t i = in->heap_count; i-- > 0;)
        sift_down(in, i);
    return GOS_OK;
}

static int64_t to_ns(const struct gosi_input *in, uint64_t ticks)
{
    double ns = (double)(int64_t)(ticks - in->first.ticks) * in->ns_per_tick;
    if (!(ns > -4e18 && ns < 4e18))
        return in->now_ns;
    return (int64_t)((uint64_t)in->first.ns + (uint64_t)(int64_t)ns);
}

int gosi_input_next(struct gosi_input *in, struct gosi_event *out)
{
    if (!in->heap_count)
        return 0;
    uint32_t index = in->heap[0];
    struct gosi_input_thread *t = &in->threads[index];
    const char *record = record_at(t);
    uint64_t what = word64(record + 8);
    int64_t ns = to_ns(in, t->ticks);
    in->now_ns = ns > in->now_ns ? ns : in->now_ns;
    *out = (struct gosi_event){
        .thread = index,
        .kind = (int)(what & 255),
        .detail = (int)(what >> 8 & 255),
        .ns = in->now_ns,
        .object = what >> 16,
        .a = word64(record + 16),
        .b = word64(record + 24),
    };
    t->at++;
    if (!look(t))
        in->heap[0] = in->heap[--in->heap_count];
    if (in->heap_count)
        sift_down(in, 0);
    return 1;
}

/* ---- open and close ---- */

static int map_file(struct gosi_input *in, const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return GOS_EIO;
    int rc = fstat(fd, &st) == 0 ? GOS_OK : GOS_EIO;
    if (rc == GOS_OK && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        rc = GOS_EIO;
    }
    if (rc == GOS_OK && st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            rc = GOS_EIO;
        } else {
            in->map = map;
            in->size = (size_t)st.st_size;
            madvise(map, in->size, MADV_SEQUENTIAL);
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return rc;
}

int gosi_input_open(struct gosi_input *in, const char *path, const char **what)
{
    *in = (struct gosi_input){0};
    int rc = map_file(in, path);
    if (rc == GOS_OK)
        rc = read_chunks(in, what);
    if (rc == GOS_OK)
        rc = make_heap(in);
    if (rc != GOS_OK) {
        gosi_input_close(in);
        return rc;
    }
    double ticks = (double)(in->last.ticks - in->first.ticks), ns = (double)in->last.ns - (double)in->first.ns;
    in->ns_per_tick = ticks > 0 && ns > 0 ? ns / ticks : 1;
    if (!in->first.ticks && in->heap_count) /* cut off before its clock: as if a tick were a nanosecond */
        in->first = (struct gosi_clock_pair){in->threads[in->heap[0]].ticks, 0};
    in->now_ns = in->first.ns < 0 ? 0 : in->first.ns;
    return GOS_OK;
}

void gosi_input_close(struct gosi_input *in)
{
    for (uint32_t i = 0; i < in->thread_count; i++)
        free(in->threads[i].segments);
    free(in->threads);
    free(in->strings);
    free(in->heap);
    if (in->map)
        munmap((void *)(uintptr_t)in->map, in->size);
    *in = (struct gosi_input){0};
}
