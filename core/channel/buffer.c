/* buffer.c - the kept values of a buffered channel: a ring of fixed capacity. */
#include "channel.h"

int gos_channel_set_capacity(gos_channel *ch, size_t capacity)
{
    if (ch->buffer || ch->waiting)
        return GOS_EBUSY;
    if (capacity == 0)
        return GOS_OK;
    if (capacity > (SIZE_MAX - sizeof(struct gos_buffer)) / sizeof(void *) || capacity > INT32_MAX)
        return GOS_EINVAL;
    struct gos_buffer *buffer = gosi_alloc(sizeof *buffer + capacity * sizeof(void *));
    if (!buffer)
        return GOS_ENOMEM;
    buffer->capacity = capacity;
    buffer->count = buffer->first = 0;
    ch->buffer = buffer;
    return GOS_OK;
}

size_t gos_channel_capacity(const gos_channel *ch)
{
    return ch->buffer ? ch->buffer->capacity : 0;
}

void gosi_buffer_put(struct gos_buffer *buffer, void *value)
{
    size_t at = buffer->first + buffer->count++;
    buffer->values[at < buffer->capacity ? at : at - buffer->capacity] = value;
}

void *gosi_buffer_get(struct gos_buffer *buffer)
{
    void *value = buffer->values[buffer->first];
    buffer->count--;
    if (++buffer->first == buffer->capacity)
        buffer->first = 0;
    return value;
}

int gos_channel_take_kept(gos_channel *ch, void **value)
{
    if (!gosi_buffer_has_value(ch))
        return 0;
    *value = gosi_buffer_get(ch->buffer);
    return 1;
}

int gos_channel_visit_kept(gos_channel *ch, int (*visit)(void *value, void *arg), void *arg)
{
    const struct gos_buffer *buffer = ch->buffer;
    for (size_t i = 0; buffer && i < buffer->count; i++) {
        int rc = visit(buffer->values[(buffer->first + i) % buffer->capacity], arg);
        if (rc)
            return rc;
    }
    return 0;
}

void gos_channel_fini(gos_channel *ch)
{
    gosi_free(ch->buffer);
    ch->buffer = NULL;
}
