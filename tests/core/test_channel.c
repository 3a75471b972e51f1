/* test_channel.c - channels as C programs see them: meeting, closing, deadlocks, traps, Go's buffered rules. */
#include "gossamer/embed.h"
#include "runner.h"

static gos_channel *ch, *other;
static char trace[512];

static void note(const char *what)
{
    if (trace[0])
        strcat(trace, " ");
    strcat(trace, what);
}

static void begin(size_t capacity)
{
    trace[0] = 0;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_channel_create(capacity, &ch));
    CHECK_OK(gos_channel_create(0, &other));
}

static void finish(void)
{
    CHECK_OK(gos_run());
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_channel_destroy(other));
    struct gos_stats stats;
    gos_get_stats(&stats);
    CHECK_INT(stats.live, ==, 0);
    CHECK_OK(gos_sched_destroy());
}

static void sender(void *arg)
{
    const char *name = arg;
    char text[16];
    note((snprintf(text, sizeof text, "%s(", name), text));
    CHECK_OK(gos_send(ch, arg, GOS_FOREVER));
    note((snprintf(text, sizeof text, "%s)", name), text));
}

static void receiver(void *arg)
{
    const char *name = arg;
    char text[32];
    void *value = NULL;
    note((snprintf(text, sizeof text, "%s(", name), text));
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    note((snprintf(text, sizeof text, "%s=%s", name, (char *)value), text));
}

static void check_meeting(int preference, int receivers_first, const char *expected)
{
    begin(0);
    gos_set_preference(ch, preference);
    for (int i = 0; i < 2; i++) {
        if (i == receivers_first) {
            CHECK_OK(gos_spawn(sender, "s1", NULL));
            CHECK_OK(gos_spawn(sender, "s2", NULL));
        } else {
            CHECK_OK(gos_spawn(receiver, "r1", NULL));
            CHECK_OK(gos_spawn(receiver, "r2", NULL));
        }
    }
    CHECK_OK(gos_run());
    CHECK_STR(trace, expected);
    CHECK_INT(gos_balance(ch), ==, 0);
    finish();
}

CASE(each_preference_with_receivers_first)
{
    check_meeting(-1, 1, "r1( r2( s1( r1=s1 s2( r2=s2 s1) s2)");
    check_meeting(0, 1, "r1( r2( s1( s1) s2( s2) r1=s1 r2=s2");
    check_meeting(1, 1, "r1( r2( s1( s1) s2( s2) r1=s1 r2=s2");
    check_meeting(7, 1, "r1( r2( s1( s1) s2( s2) r1=s1 r2=s2");
}

CASE(each_preference_with_senders_first)
{
    check_meeting(-1, 0, "s1( s2( r1( r1=s1 r2( r2=s2 s1) s2)");
    check_meeting(0, 0, "s1( s2( r1( r1=s1 r2( r2=s2 s1) s2)");
    check_meeting(1, 0, "s1( s2( r1( s1) r2( s2) r1=s1 r2=s2");
}

static void blocks_receiving(void *arg)
{
    void *value = &value;
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), (int)(intptr_t)arg);
    CHECK_PTR(value, ==, NULL);
    note("r");
}

static void nothing(void *arg)
{
    (void)arg;
}

CASE(deadlocks)
{
    void *value;
    begin(0);
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_EDEADLOCK); /* alone */
    CHECK_STATUS(gos_send(ch, NULL, GOS_FOREVER), GOS_EDEADLOCK);
    CHECK_OK(gos_spawn(nothing, NULL, NULL)); /* the other one ends */
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_ENOSENDER);
    CHECK_OK(gos_spawn(nothing, NULL, NULL));
    CHECK_STATUS(gos_send(ch, NULL, GOS_FOREVER), GOS_ENORECEIVER);
    struct gos_case cases[2] = {{.channel = ch}, {.channel = other, .send = 1}};
    size_t chosen;
    CHECK_OK(gos_spawn(nothing, NULL, NULL));
    CHECK_STATUS(gos_select(cases, 2, GOS_FOREVER, &chosen), GOS_EDEADLOCK);
    CHECK_INT(gos_balance(ch), ==, 0);
    CHECK_INT(gos_balance(other), ==, 0);
    CHECK_OK(gos_spawn(blocks_receiving, (void *)GOS_EDEADLOCK, NULL)); /* the last runnable one blocks */
    CHECK_STATUS(gos_receive(other, &value, GOS_FOREVER), GOS_ENOSENDER);
    CHECK_STR(trace, "r");
    CHECK_INT(gos_balance(ch), ==, 0);
    finish();
}

CASE(blocked_tasklets_do_not_keep_run_going)
{
    begin(0);
    CHECK_OK(gos_spawn(blocks_receiving, (void *)GOS_ECANCELED, NULL));
    gos_tasklet *t;
    CHECK_OK(gos_spawn(blocks_receiving, (void *)GOS_ECANCELED, &t));
    CHECK_OK(gos_run());
    CHECK_INT(gos_balance(ch), ==, -2);
    CHECK_STATUS(gos_channel_destroy(ch), GOS_EBUSY);
    CHECK_STATUS(gos_sched_destroy(), GOS_EBUSY);
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_OK(gos_run());
    gos_tasklet_unref(t);
    CHECK_INT(gos_balance(ch), ==, -1);
    CHECK_OK(gos_tasklet_kill(gos_node_tasklet(ch->first)));
    finish();
}

CASE(closing)
{
    void *value;
    begin(0);
    gos_close(ch);
    CHECK_STATUS(gos_send(ch, NULL, GOS_FOREVER), GOS_ECLOSED);
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_ECLOSED);
    gos_open(ch);
    CHECK_OK(gos_spawn(sender, "s1", NULL));
    CHECK_OK(gos_spawn(sender, "s2", NULL));
    CHECK_OK(gos_yield());
    gos_close(ch); /* those who wait are still served */
    CHECK_STATUS(gos_send(ch, NULL, GOS_FOREVER), GOS_ECLOSED);
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    CHECK_STR(value, "s1");
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    CHECK_STR(value, "s2");
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_ECLOSED);
    finish();
}

CASE(block_trap)
{
    void *value;
    begin(0);
    gos_current()->flags |= GOS_F_BLOCK_TRAP;
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_EBLOCKTRAP);
    CHECK_STATUS(gos_receive(ch, &value, gos_now() + 1000000), GOS_EBLOCKTRAP);
    CHECK_STATUS(gos_receive(ch, &value, 0), GOS_ETIMEDOUT);
    CHECK_OK(gos_spawn(sender, "s", NULL));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER)); /* does not block */
    gos_current()->flags &= ~(uint32_t)GOS_F_BLOCK_TRAP;
    finish();
}

CASE(switch_trap)
{
    void *value;
    begin(0);
    gos_sched *s = gos_current()->sched;
    CHECK_OK(gos_spawn(receiver, "r", NULL));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_spawn(nothing, NULL, NULL));
    s->trap = 1;
    CHECK_STATUS(gos_send(ch, "x", GOS_FOREVER), GOS_ETRAP); /* the receiver would continue */
    CHECK_STATUS(gos_yield(), GOS_ETRAP);
    CHECK_STATUS(gos_run(), GOS_ETRAP);
    CHECK_STATUS(gos_park(), GOS_ETRAP);
    CHECK_STATUS(gos_receive(other, &value, GOS_FOREVER), GOS_ETRAP);
    CHECK_STATUS(gos_sleep_until(gos_now() + 1000000000), GOS_ETRAP);
    struct gos_case one = {.channel = other};
    size_t chosen;
    CHECK_STATUS(gos_select(&one, 1, GOS_FOREVER, &chosen), GOS_ETRAP);
    CHECK_INT(gos_balance(other), ==, 0);
    CHECK_INT(gos_balance(ch), ==, -1);
    CHECK_INT(s->timer_count, ==, 0);
    CHECK_INT(s->runcount, ==, 2);
    gos_set_preference(ch, 1);
    CHECK_OK(gos_send(ch, "x", GOS_FOREVER)); /* no switch, no trap */
    s->trap = 0;
    CHECK_OK(gos_run());
    CHECK_STR(trace, "r( r=x");
    finish();
}

/* ---- buffered channels: Go's rules ---- */

CASE(buffered_keeps_up_to_its_capacity)
{
    begin(3);
    void *value;
    for (int round = 0; round < 5; round++) { /* the ring of values wraps around */
        CHECK_STATUS(gos_receive(ch, &value, 0), GOS_ETIMEDOUT);
        for (long i = 1; i <= 3; i++) {
            CHECK_OK(gos_send(ch, (void *)i, 0));
            CHECK_INT(gos_balance(ch), ==, i);
        }
        CHECK_STATUS(gos_send(ch, (void *)4L, 0), GOS_ETIMEDOUT);
        for (long i = 1; i <= 2 + round % 2; i++) {
            CHECK_OK(gos_receive(ch, &value, 0));
            CHECK_INT((long)value, ==, i);
        }
        while (gos_receive(ch, &value, 0) == GOS_OK)
            ;
    }
    finish();
}

CASE(buffered_first_in_first_out_with_blocked_senders)
{
    begin(2);
    char *names[] = {"a", "b", "c", "d"};
    void *value;
    for (int i = 0; i < 4; i++)
        CHECK_OK(gos_spawn(sender, names[i], NULL));
    CHECK_OK(gos_run());
    CHECK_STR(trace, "a( a) b( b) c( d(");
    CHECK_INT(gos_balance(ch), ==, 4); /* two kept, two blocked */
    for (int i = 0; i < 4; i++) {
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        CHECK_STR(value, names[i]);
        CHECK_INT(gos_balance(ch), ==, 3 - i);
    }
    CHECK_OK(gos_run());
    CHECK_STR(trace, "a( a) b( b) c( d( c) d)");
    finish();
}

CASE(buffered_receivers_wait_only_for_an_empty_one)
{
    begin(2);
    CHECK_OK(gos_spawn(receiver, "r1", NULL));
    CHECK_OK(gos_spawn(receiver, "r2", NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(gos_balance(ch), ==, -2);
    CHECK_OK(gos_send(ch, "x", GOS_FOREVER)); /* straight to r1, which continues */
    CHECK_STR(trace, "r1( r2( r1=x");
    CHECK_INT(gos_balance(ch), ==, -1);
    gos_set_preference(ch, 1);
    CHECK_OK(gos_send(ch, "y", GOS_FOREVER));
    CHECK_OK(gos_send(ch, "z", GOS_FOREVER));
    CHECK_INT(gos_balance(ch), ==, 1);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "r1( r2( r1=x r2=y");
    void *value;
    CHECK_OK(gos_receive(ch, &value, 0));
    CHECK_STR(value, "z");
    finish();
}

CASE(buffered_closing_serves_what_is_kept_and_who_waits_in_order)
{
    begin(2);
    char *names[] = {"a", "b", "c", "d"};
    void *value;
    for (int i = 0; i < 4; i++)
        CHECK_OK(gos_spawn(sender, names[i], NULL));
    CHECK_OK(gos_run());
    gos_close(ch);
    CHECK_STATUS(gos_send(ch, "e", 0), GOS_ECLOSED);
    for (int i = 0; i < 4; i++) {
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        CHECK_STR(value, names[i]);
    }
    CHECK_STATUS(gos_receive(ch, &value, GOS_FOREVER), GOS_ECLOSED);
    finish();
}

CASE(buffered_opening_again_lets_nobody_overtake)
{
    begin(1);
    void *value;
    CHECK_OK(gos_spawn(sender, "a", NULL));
    CHECK_OK(gos_spawn(sender, "b", NULL));
    CHECK_OK(gos_run());
    gos_close(ch);
    CHECK_OK(gos_receive(ch, &value, 0));
    CHECK_STR(value, "a");
    gos_open(ch);
    CHECK_STATUS(gos_send(ch, "c", 0), GOS_ETIMEDOUT); /* b's value has the place */
    CHECK_OK(gos_receive(ch, &value, 0));
    CHECK_STR(value, "b");
    finish();
}

static int count_visits(void *value, void *arg)
{
    strcat(arg, value);
    return strcmp(value, "c") == 0 ? 5 : 0;
}

CASE(buffered_inspection)
{
    begin(3);
    CHECK_INT(gos_channel_capacity(ch), ==, 3);
    CHECK_INT(gos_channel_capacity(other), ==, 0);
    CHECK_STATUS(gos_channel_set_capacity(ch, 5), GOS_EBUSY);
    CHECK_OK(gos_channel_set_capacity(other, 0));
    char *names[] = {"x", "a", "b", "c"};
    void *value;
    for (int i = 0; i < 4; i++) {
        CHECK_OK(gos_send(ch, names[i], 0));
        if (i == 0)
            CHECK_OK(gos_receive(ch, &value, 0));
    }
    char seen[16] = "";
    CHECK_INT(gos_channel_visit_kept(ch, count_visits, seen), ==, 5);
    CHECK_STR(seen, "abc");
    CHECK(gos_channel_would_block(ch, 1));
    CHECK(!gos_channel_would_block(ch, 0));
    CHECK_INT(gos_channel_take_kept(ch, &value), ==, 1);
    CHECK_STR(value, "a");
    CHECK(!gos_channel_would_block(ch, 1));
    CHECK_INT(gos_channel_visit_kept(other, count_visits, seen), ==, 0);
    CHECK_INT(gos_channel_take_kept(other, &value), ==, 0);
    finish();
}

static void produce(void *arg)
{
    for (long i = 1; i <= (long)arg; i++)
        CHECK_OK(gos_send(ch, (void *)i, GOS_FOREVER));
}

static long sum;

static void consume(void *arg)
{
    long last = 0;
    for (long i = 0; i < (long)arg; i++) {
        void *value;
        CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
        CHECK_INT((long)value, >, last);
        last = (long)value;
        sum += last;
    }
}

CASE(every_message_arrives_once)
{
    for (size_t capacity = 0; capacity < 4; capacity++)
        for (int preference = -1; preference <= 1; preference++) {
            begin(capacity);
            gos_set_preference(ch, preference);
            sum = 0;
            CHECK_OK(gos_spawn(consume, (void *)1000L, NULL));
            CHECK_OK(gos_spawn(produce, (void *)1000L, NULL));
            CHECK_OK(gos_run());
            CHECK_INT(sum, ==, 500500);
            finish();
        }
}
