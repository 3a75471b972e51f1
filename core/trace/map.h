/* map.h - a hash table from numbers to numbers, for the conversion of traces. Nothing is ever taken out. */
#ifndef GOSI_TRACE_MAP_H
#define GOSI_TRACE_MAP_H

#include <stdlib.h>

#include "../base/base.h"

struct gosi_map_entry {
    uint64_t key;
    uint32_t value;
    uint32_t used;
};

struct gosi_map {
    struct gosi_map_entry *entries;
    uint32_t count, size; /* size: a power of two, or 0 */
};

static inline struct gosi_map_entry *gosi_map_place(const struct gosi_map *map, uint64_t key)
{
    uint64_t h = (key ^ key >> 29) * 0x9E3779B97F4A7C15u;
    for (uint32_t at = (uint32_t)(h >> 32);; at++) {
        struct gosi_map_entry *entry = &map->entries[at & (map->size - 1)];
        if (!entry->used || entry->key == key)
            return entry;
    }
}

static inline uint32_t gosi_map_find(const struct gosi_map *map, uint64_t key) /* UINT32_MAX: not there */
{
    if (!map->size)
        return UINT32_MAX;
    const struct gosi_map_entry *entry = gosi_map_place(map, key);
    return entry->used ? entry->value : UINT32_MAX;
}

static inline uint32_t gosi_map_get(const struct gosi_map *map, uint64_t key) /* 0: not there */
{
    uint32_t value = gosi_map_find(map, key);
    return value == UINT32_MAX ? 0 : value;
}

/* Its place, with 0 in it if it is new; NULL: out of memory. */
static inline uint32_t *gosi_map_put(struct gosi_map *map, uint64_t key)
{
    if (map->count >= map->size / 2) {
        struct gosi_map larger = {.count = map->count, .size = map->size ? 2 * map->size : 64};
        larger.entries = larger.size ? calloc(larger.size, sizeof *larger.entries) : NULL;
        if (!larger.entries)
            return NULL;
        for (uint32_t i = 0; i < map->size; i++)
            if (map->entries[i].used)
                *gosi_map_place(&larger, map->entries[i].key) = map->entries[i];
        free(map->entries);
        *map = larger;
    }
    struct gosi_map_entry *entry = gosi_map_place(map, key);
    if (!entry->used) {
        *entry = (struct gosi_map_entry){key, 0, 1};
        map->count++;
    }
    return &entry->value;
}

static inline void gosi_map_free(struct gosi_map *map)
{
    free(map->entries);
    *map = (struct gosi_map){0};
}

#endif
