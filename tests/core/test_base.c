/* test_base.c - status names, array growth, the clock, the allocator seam, and how misuse is refused. */
#include <limits.h>

#include "base/base.h"
#include "gossamer/embed.h"
#include "runner.h"

CASE(each_status_has_a_name_and_a_text)
{
#define CHECK_ENTRY(name, value, text)                                                                                \
    CHECK_INT(name, ==, value);                                                                                       \
    CHECK_STR(gos_status_name(value), #name);                                                                         \
    CHECK_STR(gos_status_text(value), text);
    GOS_STATUS_LIST(CHECK_ENTRY)
#undef CHECK_ENTRY
    CHECK_STR(gos_status_name(1), "unknown status");
    CHECK_STR(gos_status_text(INT_MIN), "unknown status");
}

CASE(array_growth)
{
    uint32_t room = 0;
    long *array = NULL;
    for (uint32_t count = 0; count < 1000; count++) {
        REQUIRE(gosi_reserve((void **)&array, count, &room, sizeof *array) == GOS_OK);
        CHECK_INT(room, >, count);
        array[count] = count * 3L;
    }
    for (long i = 0; i < 1000; i++)
        CHECK_INT(array[i], ==, i * 3);
    gosi_free(array);
    gosi_free(NULL);
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void *no_resize(void *block, size_t bytes)
{
    (void)block;
    (void)bytes;
    return NULL;
}

CASE(failed_growth_leaves_the_array)
{
    uint32_t room = 0;
    int *array = NULL;
    REQUIRE(gosi_reserve((void **)&array, 0, &room, sizeof *array) == GOS_OK);
    uint32_t before = room;
    int *same = array;
    gos_set_allocator(no_memory, no_resize, free);
    CHECK_STATUS(gosi_reserve((void **)&array, before, &room, sizeof *array), GOS_ENOMEM);
    CHECK_INT(room, ==, before);
    CHECK_PTR(array, ==, same);
    gosi_free(array);
}

CASE(without_memory_nothing_is_created)
{
    gos_set_allocator(no_memory, no_resize, free);
    gos_channel *ch = NULL;
    CHECK_STATUS(gos_sched_create(NULL), GOS_ENOMEM);
    CHECK_STATUS(gos_channel_create(0, &ch), GOS_ENOMEM);
    CHECK_PTR(ch, ==, NULL);
    CHECK_PTR(gos_current(), ==, NULL);
}

CASE(clock_is_monotonic)
{
    int64_t before = gos_now(), coarse = gosi_now_coarse(), after = gos_now();
    CHECK_INT(before, >, 0);
    CHECK_INT(after, >=, before);
    CHECK_INT(coarse, <=, after);
    CHECK_INT(after - coarse, <, 1000000000);
}

static void yield_without_scheduler(void)
{
    if (gos_yield() != GOS_OK)
        puts("not reached");
}

static void check_in_library(void)
{
    GOS_CHECK(1 + 1 == 3);
}

CASE(misuse_ends_with_a_message)
{
    CHECK(test_aborts(yield_without_scheduler, "gos_sched_create has not been called on this thread"));
    CHECK(test_aborts(check_in_library, "test_base.c"));
    CHECK(test_aborts(check_in_library, "check failed: 1 + 1 == 3"));
}

CASE(unusual_arguments)
{
    CHECK_OK(gos_sched_destroy()); /* none is there */
    CHECK_OK(gos_channel_destroy(NULL));
    CHECK_STATUS(gos_sched_create(&(struct gos_config){.max_slots = 65}), GOS_EINVAL);
    CHECK_STATUS(gos_sched_create(&(struct gos_config){.max_slots = -1}), GOS_EINVAL);
    CHECK_STATUS(gos_sched_create(&(struct gos_config){.stacks = 7}), GOS_EINVAL);
    CHECK_STATUS(gos_sched_create(&(struct gos_config){.stacks = -1}), GOS_EINVAL);
    CHECK_STATUS(gos_sched_create(&(struct gos_config){.compress = 3}), GOS_EINVAL);
    CHECK_STATUS(gos_sched_create(&(struct gos_config){.compress = 256}), GOS_EINVAL);
    struct gos_stats stats;
    gos_get_stats(&stats);
    CHECK_INT(stats.switches, ==, 0);
    CHECK_OK(gos_sched_create(NULL));
    CHECK_STATUS(gos_sched_create(NULL), GOS_EBUSY);
    CHECK_STATUS(gos_spawn(NULL, NULL, NULL), GOS_EINVAL);
    gos_channel *ch = NULL;
    CHECK_STATUS(gos_channel_create((size_t)INT32_MAX + 1, &ch), GOS_EINVAL);
    CHECK_STATUS(gos_channel_create(SIZE_MAX, &ch), GOS_EINVAL);
    CHECK_PTR(ch, ==, NULL);
    CHECK_OK(gos_run());
    CHECK_OK(gos_yield());
    CHECK_OK(gos_park()); /* alone: nothing happens */
    CHECK_OK(gos_sched_destroy());
    CHECK_PTR(gos_current(), ==, NULL);
}
