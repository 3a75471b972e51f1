/* perfetto.c - writing Perfetto's format; see perfetto.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "perfetto.h"

enum { BUFFER = 1 << 20, CLOCK = 64, SEQUENCE = 1 };

/* Wire types of protobuf. */
enum { VARINT = 0, FIXED64 = 1, BYTES = 2 };

static void flush(struct gosi_perfetto *w)
{
    if (w->used && fwrite(w->buffer, 1, w->used, w->file) != w->used && !w->error)
        w->error = errno ? errno : EIO;
    w->bytes += w->used;
    w->used = 0;
}

/* ---- pieces of a packet ---- */

static inline size_t varint(char *at, uint64_t value)
{
    size_t n = 0;
    while (value >= 0x80) {
        at[n++] = (char)(value | 0x80);
        value >>= 7;
    }
    at[n++] = (char)value;
    return n;
}

static inline void put_varint(struct gosi_perfetto *w, uint64_t value)
{
    w->size += varint(w->packet + w->size, value);
}

static inline void put_number(struct gosi_perfetto *w, uint32_t field, uint64_t value)
{
    put_varint(w, field << 3 | VARINT);
    put_varint(w, value);
}

static inline void put_fixed(struct gosi_perfetto *w, uint32_t field, uint64_t value)
{
    put_varint(w, field << 3 | FIXED64);
    memcpy(w->packet + w->size, &value, 8); /* little endian, like every machine that we run on */
    w->size += 8;
}

enum { LONGEST = 512 };

static size_t cut(size_t length)
{
    return length < LONGEST ? length : LONGEST;
}

/* Protobuf's strings are UTF-8: of what is not, or was cut within a character, the bad bytes become "?". */
static size_t good_bytes(const unsigned char *at, size_t left)
{
    size_t n = at[0] < 0x80 ? 1 : at[0] >= 0xC2 && at[0] < 0xE0 ? 2 : (at[0] & 0xF0) == 0xE0 ? 3 : at[0] >= 0xF0 && at[0] < 0xF5 ? 4 : 0;
    if (!n || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) ||
        (at[0] == 0xF4 && at[1] > 0x8F))
        return 0;
    return n;
}

static void put_text(struct gosi_perfetto *w, uint32_t field, const char *text, size_t length)
{
    length = cut(length);
    put_varint(w, field << 3 | BYTES);
    put_varint(w, length);
    for (size_t at = 0; at < length;) {
        size_t n = good_bytes((const unsigned char *)text + at, length - at);
        if (n)
            memcpy(w->packet + w->size, text + at, n);
        else
            w->packet[w->size] = '?';
        w->size += n ? n : 1;
        at += n ? n : 1;
    }
}

/* A message within the packet: its length goes into the two bytes left free, which hold any up to 16383. */
static size_t open_message(struct gosi_perfetto *w, uint32_t field)
{
    put_varint(w, field << 3 | BYTES);
    w->size += 2;
    return w->size;
}

static void close_message(struct gosi_perfetto *w, size_t begin)
{
    size_t length = w->size - begin;
    w->packet[begin - 2] = (char)(length | 0x80);
    w->packet[begin - 1] = (char)(length >> 7);
}

/* Trace.packet */
static void end_packet(struct gosi_perfetto *w)
{
    if (w->used + w->size + 16 > BUFFER)
        flush(w);
    char *at = w->buffer + w->used;
    *at++ = 1 << 3 | BYTES;
    at += varint(at, w->size);
    memcpy(at, w->packet, w->size);
    w->used = (size_t)(at - w->buffer) + w->size;
    w->size = 0;
}

static void put_sequence(struct gosi_perfetto *w)
{
    put_number(w, 10, SEQUENCE); /* trusted_packet_sequence_id */
}

static void put_time(struct gosi_perfetto *w, int64_t ns)
{
    uint64_t passed = ns > w->ns ? (uint64_t)(ns - w->ns) : 0;
    put_number(w, 8, passed); /* timestamp: of the incremental clock */
    w->ns += (int64_t)passed;
}

/* ---- the whole ---- */

static void put_clock(struct gosi_perfetto *w, uint32_t id, int64_t ns)
{
    size_t clock = open_message(w, 1); /* clocks */
    put_number(w, 1, id);              /* clock_id */
    put_number(w, 2, (uint64_t)ns);    /* timestamp */
    if (id == CLOCK) {
        put_number(w, 3, 1); /* is_incremental */
        put_number(w, 4, 1); /* unit_multiplier_ns */
    }
    close_message(w, clock);
}

int gosi_perfetto_begin(struct gosi_perfetto *w, const char *path, int64_t ns)
{
    *w = (struct gosi_perfetto){.ns = ns};
    w->buffer = malloc(BUFFER);
    if (!w->buffer)
        return GOS_ENOMEM;
    w->file = fopen(path, "wbe");
    if (!w->file) {
        free(w->buffer);
        return GOS_EIO;
    }
    size_t snapshot = open_message(w, 6); /* clock_snapshot */
    put_clock(w, 6, ns);                  /* BOOTTIME, which viewers show; here it is CLOCK_MONOTONIC */
    put_clock(w, 3, ns);                  /* MONOTONIC */
    put_clock(w, CLOCK, ns);
    close_message(w, snapshot);
    put_sequence(w);
    put_number(w, 13, 1); /* sequence_flags: SEQ_INCREMENTAL_STATE_CLEARED */
    size_t defaults = open_message(w, 59);
    put_number(w, 58, CLOCK); /* timestamp_clock_id */
    close_message(w, defaults);
    end_packet(w);
    return GOS_OK;
}

int gosi_perfetto_end(struct gosi_perfetto *w)
{
    flush(w);
    if (fclose(w->file) != 0 && !w->error)
        w->error = errno ? errno : EIO;
    free(w->buffer);
    errno = w->error ? w->error : errno;
    return !w->error ? GOS_OK : w->error == ENOMEM ? GOS_ENOMEM : GOS_EIO;
}

/* ---- descriptors ---- */

static size_t open_descriptor(struct gosi_perfetto *w, uint64_t uuid, uint64_t parent)
{
    put_sequence(w);
    size_t track = open_message(w, 60); /* track_descriptor */
    put_number(w, 1, uuid);
    if (parent)
        put_number(w, 5, parent);
    return track;
}

void gosi_perfetto_process(struct gosi_perfetto *w, uint64_t uuid, uint32_t pid, const char *name, size_t length)
{
    size_t track = open_descriptor(w, uuid, 0), process = open_message(w, 3);
    put_number(w, 1, pid & 0x7FFFFFFF);
    put_text(w, 6, name, length); /* process_name */
    close_message(w, process);
    close_message(w, track);
    end_packet(w);
}

void gosi_perfetto_thread(struct gosi_perfetto *w, uint64_t uuid, uint64_t parent, uint32_t pid, uint32_t tid, const char *name,
                          size_t length)
{
    size_t track = open_descriptor(w, uuid, parent), thread = open_message(w, 4);
    put_number(w, 1, pid & 0x7FFFFFFF);
    put_number(w, 2, tid & 0x7FFFFFFF);
    put_text(w, 5, name, length); /* thread_name */
    close_message(w, thread);
    close_message(w, track);
    end_packet(w);
}

void gosi_perfetto_track(struct gosi_perfetto *w, uint64_t uuid, uint64_t parent, int counter, const char *name, size_t length)
{
    size_t track = open_descriptor(w, uuid, parent);
    put_text(w, 2, name, length);
    if (counter)
        close_message(w, open_message(w, 8)); /* counter: {} */
    close_message(w, track);
    end_packet(w);
}

void gosi_perfetto_name(struct gosi_perfetto *w, uint32_t number, const char *name, size_t length)
{
    put_sequence(w);
    size_t interned = open_message(w, 12), entry = open_message(w, 2); /* interned_data, event_names */
    put_number(w, 1, number);                                          /* iid */
    put_text(w, 2, name, length);
    close_message(w, entry);
    close_message(w, interned);
    end_packet(w);
}

/* ---- events ---- */

/* Short enough for one byte of length: 2 + 6 + 11 + 6 + 10 + 10 and their tags. */
void gosi_perfetto_event(struct gosi_perfetto *w, enum gosi_slice type, int64_t ns, uint64_t uuid, uint32_t name, uint64_t flow,
                         uint64_t end_flow)
{
    put_time(w, ns);
    put_sequence(w);
    w->packet[w->size++] = 11 << 3 | BYTES; /* track_event */
    size_t begin = ++w->size;
    put_number(w, 9, type);
    put_number(w, 11, uuid); /* track_uuid */
    if (name)
        put_number(w, 10, name); /* name_iid */
    if (flow)
        put_fixed(w, 47, flow); /* flow_ids */
    if (end_flow)
        put_fixed(w, 48, end_flow); /* terminating_flow_ids */
    w->packet[begin - 1] = (char)(w->size - begin);
    end_packet(w);
    w->events++;
}

void gosi_perfetto_count(struct gosi_perfetto *w, int64_t ns, uint64_t uuid, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_time(w, ns);
    put_sequence(w);
    w->packet[w->size++] = 11 << 3 | BYTES;
    size_t begin = ++w->size;
    put_number(w, 9, GOSI_COUNTER);
    put_number(w, 11, uuid);
    put_fixed(w, 44, bits); /* double_counter_value */
    w->packet[begin - 1] = (char)(w->size - begin);
    end_packet(w);
    w->events++;
}
