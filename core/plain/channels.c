/* channels.c - making channels, for plain C programs. */
#include "plain.h"

int gos_channel_create(size_t capacity, gos_channel **out)
{
    gos_channel *ch = gosi_alloc(sizeof *ch);
    if (!ch)
        return GOS_ENOMEM;
    gos_channel_init(ch);
    int rc = gos_channel_set_capacity(ch, capacity);
    if (rc != GOS_OK) {
        gosi_free(ch);
        return rc;
    }
    *out = ch;
    return GOS_OK;
}

int gos_channel_create_shared(size_t capacity, gos_channel **out)
{
    int rc = gos_channel_create(capacity, out);
    if (rc == GOS_OK)
        (*out)->shared = 1;
    return rc;
}

static int somebody_waits(gos_channel *ch)
{
    if (!ch->shared)
        return ch->waiting != 0;
    gosi_world_lock();
    int waiting = ch->waiting;
    gosi_world_unlock();
    return waiting != 0;
}

int gos_channel_destroy(gos_channel *ch)
{
    if (!ch)
        return GOS_OK;
    if (somebody_waits(ch))
        return GOS_EBUSY;
    gos_channel_fini(ch);
    gosi_free(ch);
    return GOS_OK;
}

void gos_close(gos_channel *ch)
{
    __atomic_store_n(&ch->closing, 1, __ATOMIC_RELAXED);
}

void gos_open(gos_channel *ch)
{
    __atomic_store_n(&ch->closing, 0, __ATOMIC_RELAXED);
}

int gos_balance(const gos_channel *ch)
{
    return ch->shared ? gosi_shared_balance((gos_channel *)ch) : gos_channel_balance(ch);
}

void gos_set_preference(gos_channel *ch, int preference)
{
    ch->preference = (int8_t)(preference < 0 ? -1 : preference > 0);
}
