/* test_order.c - who runs next, for each operation on the ring (the ordering rules of Stackless).
 *
 * Each row: the ring is [S A B] with S current; S performs one operation; expected is the ring as the next one
 * to run sees it. For an operation that does not switch that is S itself.
 */
#include "world.h"

static struct world w;
static gos_channel ch;
static struct toy *a, *b, *p; /* p: paused or blocked, where a row needs one */
static int recording;
static char seen[64];

static void record(void)
{
    if (recording) {
        recording = 0;
        strcpy(seen, ring_text(&w));
    }
}

static void bystander(struct toy *t)
{
    (void)t;
    record();
}

/* ---- one function a row: what S does ---- */

static void start_x(void)
{
    toy_start(&w, 'X', bystander, NULL);
}

static void insert_p(void)
{
    gos_sched_insert(&w.s, &p->base);
}

static void remove_a(void)
{
    gos_sched_remove(&w.s, &a->base);
}

static void yield(void)
{
    CHECK_OK(toy_yield(&w));
}

static void park(void)
{
    (void)toy_park(&w); /* killed at the end */
}

static void run_b(void)
{
    CHECK_OK(toy_switch(&w, b, 0));
}

static void switch_b(void)
{
    (void)toy_switch(&w, b, 1);
}

static void run_p(void)
{
    CHECK_OK(toy_switch(&w, p, 0));
}

static void switch_p(void)
{
    (void)toy_switch(&w, p, 1);
}

static void kill_b(void)
{
    CHECK_OK(toy_kill(&w, b));
}

static void kill_p(void)
{
    CHECK_OK(toy_kill(&w, p));
}

static void kill_p_pending(void)
{
    p->killed = 1;
    struct box *unsent = p->base.value;
    p->base.value = NULL;
    gos_sched_insert(&w.s, &p->base);
    box_unref(unsent);
}

static void send(void)
{
    CHECK_OK(toy_send(&w, &ch, 7, GOS_FOREVER));
}

static void receive(void)
{
    long got = 0;
    CHECK_OK(toy_receive(&w, &ch, &got, GOS_FOREVER));
    CHECK_INT(got, ==, 5);
}

static void block(void)
{
    (void)toy_receive(&w, &ch, NULL, GOS_FOREVER);
}

static void run(void)
{
    CHECK_OK(toy_run(&w));
}

static void end(void)
{
}

static void end_by_failure(void)
{
    current_toy(&w)->failure = box_new(&w, 13, 1);
}

enum partner { NOBODY, PAUSED, PAUSED_STARTED, RECEIVES, SENDS, SELECTS };

static const struct row {
    const char *what;
    void (*operation)(void);
    const char *expected;
    const char *after; /* what S sees when it is back, or NULL */
    enum partner partner;
    int preference, all;
} rows[] = {
    {"create X", start_x, "S A B X", NULL, NOBODY, -1, 0},
    {"insert P", insert_p, "S A B P", NULL, PAUSED, -1, 0},
    {"insert P, started", insert_p, "S A B P", NULL, PAUSED_STARTED, -1, 0},
    {"remove A", remove_a, "S B", NULL, NOBODY, -1, 0},
    {"yield", yield, "A B S", "S", NOBODY, -1, 0},
    {"park", park, "A B", NULL, NOBODY, -1, 0},
    {"run B", run_b, "B S A", "S A", NOBODY, -1, 0},
    {"switch to B", switch_b, "B A", NULL, NOBODY, -1, 0},
    {"run P", run_p, "P S A B", "S A B", PAUSED, -1, 0},
    {"run P, started", run_p, "P S A B", "S A B", PAUSED_STARTED, -1, 0},
    {"switch to P", switch_p, "P A B", NULL, PAUSED, -1, 0},
    {"kill B", kill_b, "S A", NULL, NOBODY, -1, 0},
    {"kill P", kill_p, "P S A B", "S A B", PAUSED_STARTED, -1, 0},
    {"kill P, receiving", kill_p, "P S A B", "S A B", RECEIVES, -1, 0},
    {"kill P, sending", kill_p, "P S A B", "S A B", SENDS, -1, 0},
    {"kill P, selecting", kill_p, "P S A B", "S A B", SELECTS, -1, 0},
    {"kill P pending", kill_p_pending, "S A B P", NULL, PAUSED, -1, 0},
    {"kill P pending, receiving", kill_p_pending, "S A B P", NULL, RECEIVES, -1, 0},
    {"send, receiver preferred", send, "P A B S", "S", RECEIVES, -1, 0},
    {"send, nobody preferred", send, "S A B P", NULL, RECEIVES, 0, 0},
    {"send, sender preferred", send, "S A B P", NULL, RECEIVES, 1, 0},
    {"send to a select", send, "P A B S", "S", SELECTS, -1, 0},
    {"receive, receiver preferred", receive, "S A B P", NULL, SENDS, -1, 0},
    {"receive, nobody preferred", receive, "S A B P", NULL, SENDS, 0, 0},
    {"receive, sender preferred", receive, "P A B S", "S", SENDS, 1, 0},
    {"send, schedule all", send, "A B P S", "S", RECEIVES, -1, 1},
    {"send, schedule all, sender preferred", send, "A B P S", "S", RECEIVES, 1, 1},
    {"receive, schedule all", receive, "A B P S", "S", SENDS, -1, 1},
    {"block", block, "A B", NULL, NOBODY, -1, 0},
    {"end", end, "A B", NULL, NOBODY, -1, 0},
    {"fail, main in run()", end_by_failure, "M A B", NULL, NOBODY, -1, 0},
    {"run()", run, "A B", "S", NOBODY, -1, 0},
};

static void partner_body(struct toy *t)
{
    const struct row *row = t->arg;
    switch (row->partner) {
    case RECEIVES: (void)toy_receive(&w, &ch, NULL, GOS_FOREVER); break;
    case SENDS: (void)toy_send(&w, &ch, 5, GOS_FOREVER); break;
    case PAUSED_STARTED: (void)toy_park(&w); break;
    case SELECTS: {
        struct gos_case one = {.channel = &ch};
        size_t chosen;
        (void)toy_resumed(&w, gos_channel_select(&w.s, &one, 1, GOS_FOREVER, &chosen), NULL);
        break;
    }
    default: break;
    }
    record();
}

static void subject(struct toy *t)
{
    const struct row *row = t->arg;
    CHECK_STR(ring_text(&w), "S A B");
    recording = 1;
    row->operation();
    if (row->operation != end && row->operation != end_by_failure) {
        record();
        if (row->after)
            CHECK_STR(ring_text(&w), row->after);
    }
}

static void check_row(const struct row *row, const struct gos_config *config)
{
    world_open(&w, config);
    gos_channel_init(&ch);
    ch.preference = (int8_t)row->preference;
    ch.schedule_all = (uint8_t)row->all;
    seen[0] = 0;
    recording = 0;
    p = NULL;
    if (row->partner != NOBODY) {
        p = toy_new(&w, 'P', partner_body, (void *)row);
        if (row->partner != PAUSED) {
            gos_sched_insert(&w.s, &p->base);
            CHECK_OK(toy_run(&w));
        }
    }
    struct toy *s = toy_new(&w, 'S', subject, (void *)row);
    a = toy_new(&w, 'A', bystander, NULL);
    b = toy_new(&w, 'B', bystander, NULL);
    gos_sched_insert(&w.s, &s->base);
    gos_sched_insert(&w.s, &a->base);
    gos_sched_insert(&w.s, &b->base);
    int rc = gos_sched_run(&w.s);
    record(); /* main is the next one only in the rows about failures */
    rc = toy_resumed(&w, rc, NULL);
    CHECK_INT(rc, ==, row->operation == end_by_failure ? GOS_EHOOK : GOS_OK);
    if (strcmp(seen, row->expected) != 0)
        test_fail(__FILE__, __LINE__, "%s: [%s], expected [%s]", row->what, seen, row->expected);
    CHECK_OK(toy_run(&w));
    /* Whoever still waits is done with. */
    struct toy *all[] = {s, a, b, p};
    for (int i = 0; i < 4; i++) {
        if (!all[i])
            continue;
        if (all[i]->base.flags & GOS_F_STARTED)
            CHECK_OK(toy_kill(&w, all[i]));
        toy_unref(all[i]);
    }
    CHECK_OK(toy_run(&w));
    gos_channel_fini(&ch);
    world_close(&w);
}

static void check_rows(const struct gos_config *config)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i], config);
}

CASE(every_rule_with_64_slots)
{
    check_rows(NULL);
}

CASE(every_rule_with_one_slot)
{
    check_rows(&(struct gos_config){.max_slots = 1});
}

CASE(every_rule_with_eviction_at_each_switch)
{
    check_rows(&(struct gos_config){.evict_always = 1, .compress = GOS_COMPRESS_ALWAYS});
}

CASE(every_rule_with_own_stacks)
{
    check_rows(&(struct gos_config){.stacks = GOS_STACKS_OWN});
}

static void fails_before_main(struct toy *t)
{
    toy_start(&w, 'B', bystander, NULL);
    CHECK_STR(ring_text(&w), "S A M B");
    t->failure = box_new(&w, 13, 1);
}

CASE(a_failure_brings_main_to_the_front)
{
    world_open(&w, NULL);
    toy_start(&w, 'S', fails_before_main, NULL);
    toy_start(&w, 'A', bystander, NULL);
    CHECK_STATUS(toy_yield(&w), GOS_EHOOK);
    CHECK_INT(w.main.got, ==, 13);
    CHECK_STR(ring_text(&w), "M B A");
    CHECK_OK(toy_run(&w));
    world_close(&w);
}

static void fails(struct toy *t)
{
    t->failure = box_new(&w, 13, 1);
}

static void blocks_forever(struct toy *t)
{
    (void)t;
    CHECK_STATUS(toy_receive(&w, &ch, NULL, GOS_FOREVER), GOS_ECANCELED);
}

CASE(a_failure_reaches_a_blocked_main)
{
    world_open(&w, NULL);
    gos_channel_init(&ch);
    struct toy *waits = toy_new(&w, 'W', blocks_forever, NULL);
    gos_sched_insert(&w.s, &waits->base);
    CHECK_OK(toy_run(&w));
    toy_start(&w, 'S', fails, NULL);
    gos_channel other;
    gos_channel_init(&other);
    CHECK_STATUS(toy_send(&w, &other, 1, GOS_FOREVER), GOS_EHOOK);
    CHECK_INT(other.waiting, ==, 0);
    CHECK_STR(ring_text(&w), "M");
    CHECK_OK(toy_kill(&w, waits));
    toy_unref(waits);
    world_close(&w);
}
