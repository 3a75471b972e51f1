/* strings.c - strings by number: each is stored once. Under the recorder's lock. */
#include <stdlib.h>
#include <string.h>

#include "trace.h"

enum { MOST = 1 << 20, LONGEST = 4096 };
#define MOST_BYTES ((size_t)64 << 20)

struct gosi_strings gosi_strings;

void gosi_strings_clear(void)
{
    free(gosi_strings.bytes);
    free(gosi_strings.starts);
    free(gosi_strings.slots);
    gosi_strings = (struct gosi_strings){0};
}

static uint32_t hash(const char *text, size_t length)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h;
}

static uint32_t *find(const char *text, size_t length)
{
    struct gosi_strings *g = &gosi_strings;
    uint32_t at = hash(text, length);
    for (;; at++) {
        uint32_t *slot = &g->slots[at & (g->slot_count - 1)], n = *slot;
        if (!n)
            return slot;
        if (g->starts[n] - g->starts[n - 1] == length && memcmp(g->bytes + g->starts[n - 1], text, length) == 0)
            return slot;
    }
}

static int grow_slots(void)
{
    struct gosi_strings *g = &gosi_strings;
    uint32_t *slots = calloc(g->slot_count ? 2 * g->slot_count : 256, sizeof *slots);
    if (!slots)
        return 0;
    free(g->slots);
    g->slots = slots;
    g->slot_count = g->slot_count ? 2 * g->slot_count : 256;
    for (uint32_t n = 1; n <= g->count; n++)
        *find(g->bytes + g->starts[n - 1], g->starts[n] - g->starts[n - 1]) = n;
    return 1;
}

static int make_room(size_t length)
{
    struct gosi_strings *g = &gosi_strings;
    if (g->count >= MOST || g->size + length > MOST_BYTES)
        return 0;
    if (g->count + 2 > g->start_room) {
        uint32_t room = g->start_room ? 2 * g->start_room : 256;
        uint32_t *starts = realloc(g->starts, room * sizeof *starts);
        if (!starts)
            return 0;
        if (!g->starts)
            starts[0] = 0;
        g->starts = starts;
        g->start_room = room;
    }
    if (g->size + length > g->room) {
        size_t room = 2 * (g->size + length) + 4096;
        char *bytes = realloc(g->bytes, room);
        if (!bytes)
            return 0;
        g->bytes = bytes;
        g->room = room;
    }
    return 2 * (g->count + 1) <= g->slot_count || grow_slots();
}

uint32_t gosi_strings_number(const char *text, size_t length)
{
    struct gosi_strings *g = &gosi_strings;
    length = length < LONGEST ? length : LONGEST;
    if (g->slot_count) {
        uint32_t known = *find(text, length);
        if (known)
            return known;
    }
    if (!make_room(length))
        return 0;
    uint32_t *slot = find(text, length);
    memcpy(g->bytes + g->size, text, length);
    g->size += length;
    g->starts[++g->count] = (uint32_t)g->size;
    *slot = g->count;
    return g->count;
}
