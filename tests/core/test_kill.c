/* test_kill.c - ending tasklets in every state. */
#include "gossamer/embed.h"
#include "runner.h"

static gos_channel *ch, *full;
static int ended, started;

static const struct gos_config setups[] = {{0}, {.max_slots = 1}, {.evict_always = 1, .compress = GOS_COMPRESS_ALWAYS},
                                           {.stacks = GOS_STACKS_OWN}};
enum { SETUPS = sizeof setups / sizeof *setups };

static void after_kill_spawned(void *arg)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "a killed tasklet cannot spawn");
}

static void after_kill(int status)
{
    CHECK_STATUS(status, GOS_ECANCELED);
    void *value;
    size_t chosen;
    struct gos_case one = {.channel = ch};
    CHECK_STATUS(gos_yield(), GOS_ECANCELED); /* it cannot wait any more */
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_ECANCELED);
    CHECK_STATUS(gos_send(ch, NULL, GOS_FOREVER), GOS_ECANCELED);
    CHECK_STATUS(gos_select(&one, 1, GOS_FOREVER, &chosen), GOS_ECANCELED);
    CHECK_STATUS(gos_sleep_until(0), GOS_ECANCELED);
    CHECK_STATUS(gos_park(), GOS_ECANCELED);
    CHECK_STATUS(gos_run(), GOS_ECANCELED);
    CHECK_STATUS(gos_spawn(after_kill_spawned, NULL, NULL), GOS_ECANCELED);
    ended++;
}

static void never(void *arg)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "it was killed before it started");
}

static void yields(void *arg)
{
    (void)arg;
    started++;
    CHECK_OK(gos_yield());
    after_kill(gos_yield());
}

static void parks(void *arg)
{
    (void)arg;
    started++;
    after_kill(gos_park());
}

static void receives(void *arg)
{
    void *value = &value;
    started++;
    int rc = gos_receive(ch, &value, arg ? gos_now() + 100000000000 : GOS_FOREVER);
    CHECK_PTR(value, ==, NULL);
    after_kill(rc);
}

static void sends(void *arg)
{
    started++;
    after_kill(gos_send(full, arg, arg ? gos_now() + 100000000000 : GOS_FOREVER));
}

static void selects(void *arg)
{
    struct gos_case cases[] = {{.channel = ch}, {.channel = full, .send = 1}, {.channel = ch}};
    size_t chosen;
    started++;
    after_kill(gos_select(cases, 3, arg ? gos_now() + 100000000000 : GOS_FOREVER, &chosen));
}

static void sleeps(void *arg)
{
    (void)arg;
    started++;
    after_kill(gos_sleep_until(gos_now() + 100000000000));
}

static void runs(void *arg)
{
    (void)arg;
    started++;
    after_kill(gos_run());
}

static void (*const states[])(void *) = {never, yields, parks, receives, sends, selects, sleeps};
enum { STATES = sizeof states / sizeof *states };

static void begin(const struct gos_config *config)
{
    ended = started = 0;
    CHECK_OK(gos_sched_create(config));
    CHECK_OK(gos_channel_create(0, &ch));
    CHECK_OK(gos_channel_create(1, &full));
    CHECK_OK(gos_send(full, NULL, 0));
}

static void finish(void)
{
    gos_sched *s = gos_current()->sched;
    CHECK_OK(gos_run());
    CHECK_INT(s->runcount, ==, 1);
    CHECK_INT(s->timer_count, ==, 0);
    CHECK_INT(gos_balance(ch), ==, 0);
    CHECK_INT(gos_balance(full), ==, 1);
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_channel_destroy(full));
    CHECK_OK(gos_sched_destroy());
}

CASE(in_every_state)
{
    for (int i = 0; i < SETUPS; i++)
        for (int state = 0; state < STATES; state++)
            for (intptr_t timed = 0; timed < 2; timed++) {
                begin(&setups[i]);
                gos_tasklet *t[3];
                for (int n = 0; n < 3; n++)
                    CHECK_OK(gos_spawn(states[state], (void *)timed, &t[n]));
                if (states[state] != never) {
                    CHECK_OK(gos_yield());
                    CHECK_INT(started, ==, 3);
                }
                for (int n = 0; n < 3; n++) {
                    CHECK(gos_tasklet_alive(t[n]));
                    CHECK_OK(gos_tasklet_kill(t[(n + 1) % 3]));
                    CHECK_OK(gos_tasklet_kill(t[(n + 1) % 3])); /* twice is once */
                }
                CHECK_OK(gos_run());
                CHECK_INT(ended, ==, states[state] == never ? 0 : 3);
                for (int n = 0; n < 3; n++) {
                    CHECK(!gos_tasklet_alive(t[n]));
                    CHECK_OK(gos_tasklet_kill(t[n]));
                    gos_tasklet_unref(t[n]);
                }
                finish();
            }
}

CASE(one_that_is_inside_run)
{
    for (int i = 0; i < SETUPS; i++) {
        begin(&setups[i]);
        gos_tasklet *outer, *inner;
        CHECK_OK(gos_spawn(runs, NULL, &outer));
        CHECK_OK(gos_spawn(runs, NULL, &inner));
        CHECK_OK(gos_yield()); /* main is the only one left in the ring */
        CHECK_INT(started, ==, 2);
        CHECK_OK(gos_tasklet_kill(outer));
        CHECK_OK(gos_tasklet_kill(inner));
        CHECK_OK(gos_run());
        CHECK_INT(ended, ==, 2);
        gos_tasklet_unref(outer);
        gos_tasklet_unref(inner);
        finish();
    }
}

static void kills_itself(void *arg)
{
    (void)arg;
    CHECK_STATUS(gos_tasklet_kill(gos_current()), GOS_ECURRENT);
    ended++;
}

static void kills_main(void *arg)
{
    CHECK_STATUS(gos_tasklet_kill(arg), GOS_EINVAL);
    ended++;
}

CASE(the_current_and_main)
{
    begin(NULL);
    CHECK_STATUS(gos_tasklet_kill(gos_current()), GOS_ECURRENT);
    CHECK_OK(gos_spawn(kills_itself, NULL, NULL));
    CHECK_OK(gos_spawn(kills_main, gos_current(), NULL));
    CHECK_OK(gos_run());
    CHECK_INT(ended, ==, 2);
    finish();
}

static void last_reference(void *arg)
{
    (void)arg;
    started++;
    after_kill(gos_park());
}

CASE(parked_with_nobody_left_to_insert_it)
{
    for (int i = 0; i < SETUPS; i++) {
        begin(&setups[i]);
        gos_tasklet *t;
        CHECK_OK(gos_spawn(last_reference, NULL, NULL)); /* only the ring refers to it */
        CHECK_OK(gos_spawn(last_reference, NULL, &t));
        CHECK_OK(gos_yield());
        gos_tasklet_unref(t);
        CHECK_OK(gos_run());
        CHECK_INT(ended, ==, 2);
        finish();
    }
}

static void got_a_value_first(void *arg)
{
    void *value = NULL;
    (void)arg;
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER)); /* a value that reached it is not lost */
    CHECK_STR(value, "v");
    after_kill(gos_yield());
}

CASE(after_a_value_has_passed)
{
    begin(NULL);
    gos_tasklet *t;
    CHECK_OK(gos_spawn(got_a_value_first, NULL, &t));
    CHECK_OK(gos_yield());
    gos_set_preference(ch, 1);
    CHECK_OK(gos_send(ch, "v", GOS_FOREVER));
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_OK(gos_run());
    CHECK_INT(ended, ==, 1);
    gos_tasklet_unref(t);
    finish();
}

CASE(inserting_is_refused_where_it_makes_no_sense)
{
    begin(NULL);
    gos_tasklet *t[3];
    CHECK_OK(gos_spawn(receives, NULL, &t[0]));
    CHECK_OK(gos_spawn(selects, NULL, &t[1]));
    CHECK_OK(gos_spawn(parks, NULL, &t[2]));
    CHECK_OK(gos_yield());
    CHECK_STATUS(gos_tasklet_insert(t[0]), GOS_EBLOCKED);
    CHECK_STATUS(gos_tasklet_insert(t[1]), GOS_EBLOCKED);
    CHECK_OK(gos_tasklet_insert(gos_current())); /* is there already */
    for (int i = 0; i < 3; i++)
        CHECK_OK(gos_tasklet_kill(t[i]));
    CHECK_OK(gos_run());
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(gos_tasklet_insert(t[i]), GOS_EDEAD);
        CHECK_STATUS(gos_tasklet_pin(t[i]), GOS_EDEAD);
        gos_tasklet_unref(t[i]);
    }
    finish();
}
