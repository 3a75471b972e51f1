/* test_limits.c - limits that an embedding program sets on the waits of a tasklet. */
#include "world.h"

static struct world w;
static gos_channel ch;

static void open_all(void)
{
    world_open(&w, NULL);
    gos_channel_init(&ch);
}

static void close_all(void)
{
    CHECK_INT(w.s.timer_count, ==, 0);
    gos_channel_fini(&ch);
    world_close(&w);
}

static void limit_main(int64_t limit_ns)
{
    w.main.limit_ns = limit_ns;
    w.main.base.flags |= GOS_F_LIMITED;
}

CASE(it_ends_waits_of_each_kind)
{
    long got;
    size_t chosen;
    open_all();
    limit_main(gos_now() + 1000000);
    CHECK_STATUS(toy_sleep(&w, gos_now() + 3600000000000), GOS_ELIMIT);
    CHECK_INT(gos_now(), >=, w.main.limit_ns);
    CHECK_STATUS(toy_receive(&w, &ch, &got, GOS_FOREVER), GOS_ELIMIT);
    CHECK_STATUS(toy_receive(&w, &ch, &got, gos_now() + 3600000000000), GOS_ELIMIT);
    CHECK_STATUS(toy_send(&w, &ch, 1, GOS_FOREVER), GOS_ELIMIT);
    struct gos_case one = {.channel = &ch};
    CHECK_STATUS(gos_channel_select(&w.s, &one, 1, GOS_FOREVER, &chosen), GOS_ELIMIT);
    gos_settle(&w.s);
    CHECK_STATUS(toy_receive(&w, &ch, &got, 0), GOS_ETIMEDOUT); /* it does not wait */
    close_all();
}

CASE(the_earlier_of_the_two_counts)
{
    long got;
    open_all();
    limit_main(gos_now() + 3600000000000);
    CHECK_OK(toy_sleep(&w, gos_now() + 1000000));
    CHECK_STATUS(toy_receive(&w, &ch, &got, gos_now() + 1000000), GOS_ETIMEDOUT);
    w.main.limit_ns = GOS_FOREVER;
    CHECK_STATUS(toy_receive(&w, &ch, &got, gos_now() + 1000000), GOS_ETIMEDOUT);
    int64_t both = gos_now() + 1000000;
    limit_main(both);
    CHECK_STATUS(toy_receive(&w, &ch, &got, both), GOS_ETIMEDOUT); /* together: the wait's own */
    w.main.base.flags &= ~(uint32_t)(GOS_F_LIMITED | GOS_F_LIMIT_FIRST);
    CHECK_STATUS(toy_receive(&w, &ch, &got, gos_now() + 1000000), GOS_ETIMEDOUT);
    close_all();
}

static void sender(struct toy *t)
{
    (void)t;
    CHECK_OK(toy_send(&w, &ch, 7, GOS_FOREVER));
}

CASE(what_need_not_wait_succeeds)
{
    long got = 0;
    open_all();
    limit_main(1);
    toy_start(&w, 'S', sender, NULL);
    CHECK_OK(toy_yield(&w));
    CHECK_OK(toy_receive(&w, &ch, &got, GOS_FOREVER));
    CHECK_INT(got, ==, 7);
    CHECK_OK(toy_run(&w));
    close_all();
}

static void limited(struct toy *t)
{
    long got;
    t->limit_ns = gos_now() + 1000000;
    t->base.flags |= GOS_F_LIMITED;
    CHECK_STATUS(toy_receive(&w, &ch, &got, GOS_FOREVER), GOS_ELIMIT);
}

CASE(it_goes_with_the_tasklet)
{
    open_all();
    struct toy *t = toy_new(&w, 'L', limited, NULL);
    gos_sched_insert(&w.s, &t->base);
    CHECK_OK(toy_run(&w));
    CHECK_INT(t->base.flags & (GOS_F_LIMITED | GOS_F_LIMIT_FIRST), ==, 0);
    toy_unref(t);
    close_all();
}
