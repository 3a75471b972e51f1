/* alloc.c - the allocator seam: tests fail chosen allocations through it, hosts bring their own. */
#include <stdlib.h>

#include "base.h"
#include "gossamer/embed.h"

static void *(*alloc_hook)(size_t) = malloc;
static void *(*resize_hook)(void *, size_t) = realloc;
static void (*free_hook)(void *) = free;

void gos_set_allocator(void *(*alloc)(size_t), void *(*resize)(void *, size_t), void (*release)(void *))
{
    alloc_hook = alloc;
    resize_hook = resize;
    free_hook = release;
}

void *gosi_alloc(size_t bytes)
{
    return alloc_hook(bytes);
}

void *gosi_resize(void *block, size_t bytes)
{
    return resize_hook(block, bytes);
}

void gosi_free(void *block)
{
    free_hook(block);
}

int gosi_reserve(void **array, uint32_t count, uint32_t *room, size_t element)
{
    if (GOSI_LIKELY(count < *room))
        return GOS_OK;
    uint32_t bigger = *room ? *room * 2 : 8;
    void *grown = gosi_resize(*array, bigger * element);
    if (!grown)
        return GOS_ENOMEM;
    *array = grown;
    *room = bigger;
    return GOS_OK;
}
