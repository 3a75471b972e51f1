/* test_select.c - waiting on several channels at once. */
#include "gossamer/embed.h"
#include "runner.h"

enum { CHANNELS = 4 };
static gos_channel *ch[CHANNELS];
static char trace[512];

static void begin(size_t capacity)
{
    trace[0] = 0;
    CHECK_OK(gos_sched_create(NULL));
    for (int i = 0; i < CHANNELS; i++)
        CHECK_OK(gos_channel_create(capacity, &ch[i]));
}

static void finish(void)
{
    CHECK_OK(gos_run());
    for (int i = 0; i < CHANNELS; i++)
        CHECK_OK(gos_channel_destroy(ch[i]));
    CHECK_OK(gos_sched_destroy());
}

static int select_receive(int first, int count, int64_t deadline, size_t *chosen, void **value)
{
    struct gos_case cases[CHANNELS];
    for (int i = 0; i < count; i++)
        cases[i] = (struct gos_case){.channel = ch[first + i]};
    *chosen = 99;
    int rc = gos_select(cases, (size_t)count, deadline, chosen);
    if (rc == GOS_OK)
        *value = cases[*chosen].value;
    return rc;
}

static void sender(void *arg)
{
    long n = (long)arg;
    CHECK_OK(gos_send(ch[n % 10], arg, GOS_FOREVER));
}

static void receiver(void *arg)
{
    void *value = NULL;
    CHECK_OK(gos_receive(ch[(long)arg % 10], &value, GOS_FOREVER));
    snprintf(trace + strlen(trace), 32, "r%ld=%ld ", (long)arg, (long)value);
}

static void selecter(void *arg)
{
    size_t chosen;
    void *value = NULL;
    int rc = select_receive(0, 2, GOS_FOREVER, &chosen, &value);
    if (rc == GOS_OK)
        snprintf(trace + strlen(trace), 32, "s%ld:%zu=%ld ", (long)arg, chosen, (long)value);
    else
        snprintf(trace + strlen(trace), 32, "s%ld!%s ", (long)arg, gos_status_name(rc));
}

CASE(the_first_ready_case_wins)
{
    begin(0);
    size_t chosen;
    void *value = NULL;
    CHECK_OK(gos_spawn(sender, (void *)12L, NULL)); /* on channel 2 */
    CHECK_OK(gos_spawn(sender, (void *)11L, NULL)); /* on channel 1 */
    CHECK_OK(gos_yield());
    CHECK_OK(select_receive(0, 4, GOS_FOREVER, &chosen, &value));
    CHECK_INT(chosen, ==, 1);
    CHECK_INT((long)value, ==, 11);
    CHECK_OK(select_receive(0, 4, 0, &chosen, &value));
    CHECK_INT(chosen, ==, 2);
    finish();
}

CASE(the_default_case)
{
    begin(0);
    size_t chosen;
    void *value = NULL;
    CHECK_STATUS(select_receive(0, 4, 0, &chosen, &value), GOS_ETIMEDOUT);
    struct gos_case cases[] = {{.channel = ch[0]}, {.channel = ch[1], .send = 1, .value = ch}};
    CHECK_STATUS(gos_select(cases, 2, 0, &chosen), GOS_ETIMEDOUT);
    gos_close(ch[1]);
    CHECK_STATUS(gos_select(cases, 2, 0, &chosen), GOS_ETIMEDOUT);
    CHECK_STATUS(gos_select(cases, 2, GOS_FOREVER, &chosen), GOS_ECLOSED);
    CHECK_INT(gos_balance(ch[0]), ==, 0);
    gos_open(ch[1]);
    finish();
}

CASE(a_waiting_select_receives)
{
    begin(0);
    CHECK_OK(gos_spawn(selecter, (void *)1L, NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(gos_balance(ch[0]), ==, -1);
    CHECK_INT(gos_balance(ch[1]), ==, -1);
    size_t n = 0;
    const struct gos_case *cases = gos_select_cases(gos_node_tasklet(ch[1]->first), &n);
    CHECK_INT(n, ==, 2);
    CHECK_PTR(cases[1].channel, ==, ch[1]);
    CHECK_PTR(gos_select_cases(gos_current(), &n), ==, NULL);
    CHECK_INT(n, ==, 0);
    CHECK(gos_node_owns_tasklet(ch[0]->first) != gos_node_owns_tasklet(ch[1]->first));
    CHECK_OK(gos_send(ch[1], (void *)7L, GOS_FOREVER));
    CHECK_STR(trace, "s1:1=7 ");
    CHECK_INT(gos_balance(ch[0]), ==, 0);
    CHECK_INT(gos_balance(ch[1]), ==, 0);
    finish();
}

static void sends_one_of_two(void *arg)
{
    struct gos_case cases[] = {
        {.channel = ch[0], .send = 1, .value = (void *)100L},
        {.channel = ch[1], .send = 1, .value = (void *)101L},
        {.channel = ch[2]},
    };
    size_t chosen = 99;
    (void)arg;
    CHECK_OK(gos_select(cases, 3, GOS_FOREVER, &chosen));
    snprintf(trace + strlen(trace), 32, "sent%zu ", chosen);
    CHECK_PTR(cases[0].value, ==, (void *)100L); /* what is sent stays as it was */
    CHECK_PTR(cases[1].value, ==, (void *)101L);
}

CASE(a_waiting_select_sends)
{
    begin(0);
    void *value = NULL;
    CHECK_OK(gos_spawn(sends_one_of_two, NULL, NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(gos_balance(ch[0]), ==, 1);
    CHECK_INT(gos_balance(ch[2]), ==, -1);
    CHECK_OK(gos_receive(ch[1], &value, GOS_FOREVER));
    CHECK_INT((long)value, ==, 101);
    for (int i = 0; i < 3; i++)
        CHECK_INT(gos_balance(ch[i]), ==, 0);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "sent1 ");
    CHECK_OK(gos_spawn(sends_one_of_two, NULL, NULL));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_send(ch[2], NULL, GOS_FOREVER));
    CHECK_STR(trace, "sent1 sent2 ");
    finish();
}

CASE(two_selects_meet)
{
    begin(0);
    size_t chosen;
    CHECK_OK(gos_spawn(sends_one_of_two, NULL, NULL));
    CHECK_OK(gos_yield());
    struct gos_case cases[] = {{.channel = ch[3]}, {.channel = ch[1]}};
    CHECK_OK(gos_select(cases, 2, GOS_FOREVER, &chosen));
    CHECK_INT(chosen, ==, 1);
    CHECK_INT((long)cases[1].value, ==, 101);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "sent1 ");
    finish();
}

CASE(first_come_first_served_with_plain_waiters)
{
    begin(0);
    CHECK_OK(gos_spawn(receiver, (void *)10L, NULL));
    CHECK_OK(gos_spawn(selecter, (void *)1L, NULL));
    CHECK_OK(gos_spawn(receiver, (void *)20L, NULL));
    CHECK_OK(gos_spawn(selecter, (void *)2L, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(gos_balance(ch[0]), ==, -4);
    for (long i = 1; i <= 4; i++)
        CHECK_OK(gos_send(ch[0], (void *)i, GOS_FOREVER));
    CHECK_STR(trace, "r10=1 s1:0=2 r20=3 s2:0=4 ");
    finish();
}

CASE(each_select_gets_one_value)
{
    begin(0);
    for (long i = 1; i <= 3; i++)
        CHECK_OK(gos_spawn(selecter, (void *)i, NULL));
    CHECK_OK(gos_run());
    CHECK_OK(gos_send(ch[1], (void *)5L, GOS_FOREVER));
    CHECK_OK(gos_send(ch[0], (void *)6L, GOS_FOREVER));
    CHECK_INT(gos_balance(ch[0]), ==, -1);
    CHECK_INT(gos_balance(ch[1]), ==, -1);
    CHECK_OK(gos_send(ch[1], (void *)7L, GOS_FOREVER));
    CHECK_STR(trace, "s1:1=5 s2:0=6 s3:1=7 ");
    finish();
}

static void same_twice(void *arg)
{
    (void)arg;
    struct gos_case cases[] = {{.channel = ch[0]}, {.channel = ch[0]}, {.channel = ch[1], .send = 1},
                               {.channel = ch[1], .send = 1}};
    size_t chosen;
    CHECK_OK(gos_select(cases, 4, GOS_FOREVER, &chosen));
    snprintf(trace + strlen(trace), 32, "case%zu ", chosen);
}

CASE(one_channel_in_several_cases)
{
    begin(0);
    void *value = NULL;
    CHECK_OK(gos_spawn(same_twice, NULL, NULL));
    CHECK_OK(gos_spawn(same_twice, NULL, NULL));
    CHECK_OK(gos_run());
    CHECK_INT(gos_balance(ch[0]), ==, -4); /* a waiter for each case */
    CHECK_OK(gos_send(ch[0], NULL, GOS_FOREVER));
    CHECK_INT(gos_balance(ch[0]), ==, -2);
    CHECK_OK(gos_receive(ch[1], &value, GOS_FOREVER));
    CHECK_INT(gos_balance(ch[0]), ==, 0);
    CHECK_INT(gos_balance(ch[1]), ==, 0);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "case0 case2 ");
    finish();
}

CASE(invalid_cases)
{
    begin(0);
    size_t chosen;
    struct gos_case both[] = {{.channel = ch[0]}, {.channel = ch[1]}, {.channel = ch[0], .send = 1}};
    CHECK_STATUS(gos_select(both, 0, GOS_FOREVER, &chosen), GOS_EINVAL);
    CHECK_STATUS(gos_select(both, 3, GOS_FOREVER, &chosen), GOS_EINVAL);
    CHECK_INT(gos_balance(ch[0]), ==, 0);
    gos_current()->flags |= GOS_F_BLOCK_TRAP;
    CHECK_STATUS(gos_select(both, 2, GOS_FOREVER, &chosen), GOS_EBLOCKTRAP);
    gos_current()->flags &= ~(uint32_t)GOS_F_BLOCK_TRAP;
    finish();
}

CASE(deadlines)
{
    begin(0);
    size_t chosen;
    void *value = NULL;
    int64_t until = gos_now() + 2000000;
    CHECK_STATUS(select_receive(0, 3, until, &chosen, &value), GOS_ETIMEDOUT);
    CHECK_INT(gos_now(), >=, until);
    for (int i = 0; i < 3; i++)
        CHECK_INT(gos_balance(ch[i]), ==, 0);
    CHECK_STATUS(select_receive(0, 3, 1, &chosen, &value), GOS_ETIMEDOUT); /* long past */
    CHECK_OK(gos_spawn(sender, (void *)12L, NULL));
    CHECK_OK(select_receive(0, 3, gos_now() + 1000000000, &chosen, &value));
    CHECK_INT(chosen, ==, 2);
    CHECK_INT(gos_current()->sched->timer_count, ==, 0);
    finish();
}

CASE(deadlock_and_kill)
{
    begin(0);
    size_t chosen;
    void *value = NULL;
    gos_tasklet *t;
    CHECK_OK(gos_spawn(selecter, (void *)1L, &t));
    CHECK_STATUS(select_receive(0, 2, GOS_FOREVER, &chosen, &value), GOS_EDEADLOCK);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "s1!GOS_EDEADLOCK ");
    gos_tasklet_unref(t);
    CHECK_OK(gos_spawn(selecter, (void *)2L, &t));
    CHECK_OK(gos_run());
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_INT(gos_balance(ch[0]), ==, 0);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "s1!GOS_EDEADLOCK s2!GOS_ECANCELED ");
    gos_tasklet_unref(t);
    finish();
}

CASE(buffered_channels_in_select)
{
    begin(1);
    size_t chosen;
    struct gos_case cases[] = {
        {.channel = ch[0], .send = 1, .value = (void *)1L},
        {.channel = ch[1], .send = 1, .value = (void *)2L},
        {.channel = ch[2]},
    };
    CHECK_OK(gos_select(cases, 3, 0, &chosen));
    CHECK_INT(chosen, ==, 0);
    CHECK_OK(gos_select(cases, 3, 0, &chosen));
    CHECK_INT(chosen, ==, 1);
    CHECK_STATUS(gos_select(cases, 3, 0, &chosen), GOS_ETIMEDOUT);
    CHECK_OK(gos_spawn(sender, (void *)12L, NULL));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_select(cases, 3, 0, &chosen));
    CHECK_INT(chosen, ==, 2);
    CHECK_INT((long)cases[2].value, ==, 12);
    CHECK_OK(gos_spawn(sends_one_of_two, NULL, NULL)); /* both are full: waits */
    CHECK_OK(gos_yield());
    void *value = NULL;
    CHECK_OK(gos_receive(ch[1], &value, 0));
    CHECK_INT((long)value, ==, 2);
    CHECK_OK(gos_run());
    CHECK_STR(trace, "sent1 ");
    CHECK_OK(gos_receive(ch[1], &value, 0));
    CHECK_INT((long)value, ==, 101);
    CHECK_OK(gos_receive(ch[0], &value, 0));
    finish();
}

CASE(very_many_cases)
{
    enum { MANY = 2000 };
    begin(0);
    static gos_channel *many[MANY];
    static struct gos_case cases[MANY];
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gos_channel_create(0, &many[i]));
        cases[i] = (struct gos_case){.channel = many[i]};
    }
    size_t chosen;
    CHECK_STATUS(gos_select(cases, MANY, gos_now() + 1000000, &chosen), GOS_ETIMEDOUT);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(gos_channel_destroy(many[i]));
    finish();
}
