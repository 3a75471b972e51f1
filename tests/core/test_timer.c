/* test_timer.c - deadlines and sleeping. */
#include <time.h>

#include "gossamer/embed.h"
#include "runner.h"

static gos_channel *ch;
static int order[20000], arrived;

static void begin(void)
{
    arrived = 0;
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_channel_create(0, &ch));
}

static void finish(void)
{
    CHECK_OK(gos_run());
    CHECK_INT(gos_current()->sched->timer_count, ==, 0);
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_sched_destroy());
}

/* All sleepers have to be asleep before the first deadline. */
static int64_t time_to_start(void)
{
    return test_slowness() > 1 ? 3000000000 : 50000000;
}

struct nap {
    int64_t until;
    int n;
    int expected;
};

static void sleeper(void *arg)
{
    struct nap *nap = arg;
    CHECK_STATUS(gos_sleep_until(nap->until), nap->expected);
    if (nap->expected == GOS_OK)
        CHECK_INT(gos_now(), >=, nap->until);
    order[arrived++] = nap->n;
}

CASE(sleeping_alone)
{
    begin();
    for (int i = 0; i < 5; i++) {
        int64_t until = gos_now() + 1000000 * i;
        CHECK_OK(gos_sleep_until(until));
        CHECK_INT(gos_now(), >=, until);
    }
    CHECK_OK(gos_sleep_until(0));
    CHECK_OK(gos_sleep_until(-5));
    CHECK_OK(gos_sleep_until(INT64_MIN));
    finish();
}

CASE(equal_deadlines_in_the_order_of_starting)
{
    begin();
    static struct nap naps[1000];
    int64_t until = gos_now() + time_to_start();
    for (int i = 0; i < 1000; i++) {
        naps[i] = (struct nap){until, i, GOS_OK};
        CHECK_OK(gos_spawn(sleeper, &naps[i], NULL));
    }
    CHECK_OK(gos_run());
    CHECK_INT(arrived, ==, 1000);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(order[i], ==, i);
    finish();
}

CASE(many_timers_in_the_order_of_their_times)
{
    begin();
    enum { MOST = 2000 };
    static struct nap naps[MOST];
    const int many = test_slowness() > 1 ? 200 : MOST;
    uint32_t seed = 12345;
    int64_t now = gos_now() + time_to_start();
    for (int i = 0; i < many; i++) {
        seed = seed * 1103515245 + 12345;
        int n = (int)(seed >> 8) % 30;
        naps[i] = (struct nap){now + n * 1000000, n * 10000 + i, GOS_OK};
        CHECK_OK(gos_spawn(sleeper, &naps[i], NULL));
    }
    CHECK_OK(gos_run());
    CHECK_INT(arrived, ==, many);
    for (int i = 1; i < many; i++)
        CHECK_INT(order[i - 1], <, order[i]);
    finish();
}

CASE(cancelling_in_any_order)
{
    begin();
    enum { MOST = 1000 };
    const int many = test_slowness() > 1 ? 200 : MOST; /* prime to 397 and 7919 */
    static struct nap naps[MOST];
    static gos_tasklet *t[MOST];
    int64_t now = gos_now() + time_to_start();
    for (int i = 0; i < many; i++) {
        int kept = i % 3 == 0;
        naps[i] = (struct nap){kept ? now + (i * 7919 % many) * 10000 : now + 100000000000 + i * 7919 % 100,
                               i, kept ? GOS_OK : GOS_ECANCELED};
        CHECK_OK(gos_spawn(sleeper, &naps[i], &t[i]));
    }
    CHECK_OK(gos_yield());
    gos_sched *s = gos_current()->sched;
    CHECK_INT(s->timer_count, ==, many);
    for (int i = 0; i < many; i++) {
        int at = (i * 397) % many;
        if (at % 3) {
            CHECK_OK(gos_tasklet_kill(t[at]));
            CHECK_INT(t[at]->timer, ==, 0);
        }
    }
    CHECK_INT(s->timer_count, ==, (many + 2) / 3);
    CHECK_OK(gos_run());
    CHECK_INT(arrived, ==, many);
    for (int i = 0; i < many; i++)
        gos_tasklet_unref(t[i]);
    finish();
}

static void late_sender(void *arg)
{
    CHECK_OK(gos_sleep_until(gos_now() + 2000000));
    CHECK_OK(gos_send(ch, arg, GOS_FOREVER));
}

CASE(channel_deadlines)
{
    begin();
    void *value;
    int64_t until = gos_now() + 1000000;
    CHECK_STATUS(gos_receive(ch, &value, until), GOS_ETIMEDOUT);
    CHECK_INT(gos_now(), >=, until);
    CHECK_STATUS(gos_send(ch, NULL, gos_now() + 1000000), GOS_ETIMEDOUT);
    CHECK_STATUS(gos_send(ch, NULL, 1), GOS_ETIMEDOUT);
    CHECK_INT(gos_balance(ch), ==, 0);
    CHECK_OK(gos_spawn(late_sender, "late", NULL));
    CHECK_STATUS(gos_receive(ch, &value, gos_now() + 500000), GOS_ETIMEDOUT);
    CHECK_OK(gos_receive(ch, &value, gos_now() + 10000000000));
    CHECK_STR(value, "late");
    CHECK_INT(gos_current()->sched->timer_count, ==, 0);
    CHECK_OK(gos_spawn(late_sender, "later", NULL)); /* waits for a timer: no deadlock */
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    CHECK_STR(value, "later");
    finish();
}

static void yields_until(void *arg)
{
    int *done = arg;
    while (!*done)
        CHECK_OK(gos_yield());
}

static void wakes_up(void *arg)
{
    CHECK_OK(gos_sleep_until(gos_now() + 1000000));
    *(int *)arg = 1;
}

CASE(busy_tasklets_do_not_starve_a_sleeper)
{
    begin();
    int done = 0;
    CHECK_OK(gos_spawn(yields_until, &done, NULL));
    CHECK_OK(gos_spawn(yields_until, &done, NULL));
    CHECK_OK(gos_spawn(wakes_up, &done, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(done, ==, 1);
    finish();
}

CASE(a_sleeper_can_be_inserted_early)
{
    begin();
    gos_tasklet *t;
    struct nap far = {gos_now() + 100000000000, 2, GOS_OK};
    CHECK_OK(gos_spawn(sleeper, &far, &t));
    CHECK_OK(gos_yield());
    far.until = 0; /* so that it does not mind */
    CHECK_OK(gos_tasklet_insert(t));
    CHECK_OK(gos_tasklet_insert(t)); /* is there already */
    CHECK_INT(gos_current()->sched->timer_count, ==, 0);
    CHECK_OK(gos_run());
    CHECK_INT(arrived, ==, 1);
    CHECK_STATUS(gos_tasklet_insert(t), GOS_EDEAD);
    gos_tasklet_unref(t);
    finish();
}

CASE(waiting_takes_no_processor_time)
{
    begin();
    clock_t before = clock();
    CHECK_OK(gos_sleep_until(gos_now() + 200000000));
    CHECK_INT((clock() - before) * 1000 / CLOCKS_PER_SEC, <, 100);
    finish();
}
