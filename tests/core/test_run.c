/* test_run.c - run(): nesting, who is woken, what else resumes a tasklet inside run(). */
#include "world.h"

static struct world w;
static gos_channel ch;

static void begin(const struct gos_config *config)
{
    world_open(&w, config);
    gos_channel_init(&ch);
}

static void finish(void)
{
    CHECK_OK(toy_run(&w));
    gos_channel_fini(&ch);
    world_close(&w);
}

static void says(struct toy *t)
{
    say(&w, "%c ", t->name);
}

static void runs_nested(struct toy *t)
{
    long depth = (long)t->arg;
    say(&w, "%c{ ", t->name);
    if (depth > 0) {
        toy_start(&w, (char)(t->name + 1), runs_nested, (void *)(depth - 1));
        CHECK_OK(toy_run(&w));
    }
    say(&w, "%c} ", t->name);
}

CASE(nested_runs_end_innermost_first)
{
    begin(NULL);
    toy_start(&w, 'A', runs_nested, (void *)3L);
    toy_start(&w, 'X', says, NULL);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "A{ X B{ C{ D{ D} C} B} A} ");
    finish();
}

CASE(run_with_nobody_else)
{
    begin(NULL);
    CHECK_OK(toy_run(&w));
    CHECK_INT(w.s.switches, ==, 0);
    CHECK_PTR(w.s.watchdogs, ==, NULL);
    finish();
}

CASE(deep_nesting)
{
    static const struct gos_config configs[] = {{.max_slots = 1}, {.max_slots = 64}};
    for (int i = 0; i < 2; i++) {
        begin(&configs[i]);
        toy_start(&w, 'A', runs_nested, (void *)1000L);
        w.logged = sizeof w.log - 1; /* not interested */
        CHECK_OK(toy_run(&w));
        CHECK_INT(w.s.watchdog_count, ==, 0);
        finish();
    }
}

static void runs_and_says(struct toy *t)
{
    toy_start(&w, 'x', says, NULL);
    int rc = toy_run(&w);
    say(&w, "%c:%s ", t->name, gos_status_name(rc));
}

static void inserts(struct toy *t)
{
    gos_sched_insert(&w.s, &((struct toy *)t->arg)->base);
    say(&w, "%c ", t->name);
}

CASE(inserting_one_that_is_inside_run)
{
    begin(NULL);
    struct toy *a = toy_new(&w, 'A', runs_and_says, NULL);
    gos_sched_insert(&w.s, &a->base);
    toy_start(&w, 'B', runs_and_says, NULL); /* inner */
    toy_start(&w, 'I', inserts, a);
    toy_start(&w, 'Y', says, NULL);
    CHECK_OK(toy_run(&w));
    /* A continues at its turn; B, inside of it, has nobody to wait for any more */
    CHECK_STR(w.log, "I Y x x A:GOS_OK B:GOS_OK ");
    toy_unref(a);
    finish();
}

CASE(inserting_main_that_is_inside_run)
{
    begin(NULL);
    toy_start(&w, 'A', runs_and_says, NULL);
    toy_start(&w, 'I', inserts, &w.main);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "I x ");
    CHECK_INT(w.s.watchdog_count, ==, 0);
    CHECK_STR(ring_text(&w), "M A");
    finish();
}

static void fails(struct toy *t)
{
    say(&w, "%c! ", t->name);
    t->failure = box_new(&w, 1, 1);
}

static void runs_one_that_fails(struct toy *t)
{
    toy_start(&w, 'f', fails, NULL);
    int rc = toy_run(&w);
    say(&w, "%c:%s ", t->name, gos_status_name(rc));
}

CASE(a_failure_goes_to_the_innermost_run)
{
    begin(NULL);
    toy_start(&w, 'A', runs_one_that_fails, NULL);
    toy_start(&w, 'X', says, NULL);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "X f! A:GOS_EHOOK ");
    toy_start(&w, 'f', fails, NULL);
    CHECK_STATUS(toy_run(&w), GOS_EHOOK);
    finish();
}

static void runs_for_ever(struct toy *t)
{
    int rc = toy_run(&w);
    say(&w, "%c:%s%s ", t->name, gos_status_name(rc), t->killed ? " killed" : "");
}

static void kills(struct toy *t)
{
    CHECK_OK(toy_kill(&w, t->arg));
    say(&w, "%c ", t->name);
}

CASE(killing_one_that_is_inside_run)
{
    begin(NULL);
    struct toy *a = toy_new(&w, 'A', runs_for_ever, NULL);
    gos_sched_insert(&w.s, &a->base);
    toy_start(&w, 'K', kills, a);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "A:GOS_ECANCELED killed K ");
    toy_unref(a);
    finish();
}

static void blocks(struct toy *t)
{
    int rc = toy_receive(&w, &ch, NULL, GOS_FOREVER);
    say(&w, "%c:%s ", t->name, gos_status_name(rc));
}

CASE(run_returns_although_others_are_blocked)
{
    begin(NULL);
    struct toy *a = toy_new(&w, 'A', blocks, NULL);
    gos_sched_insert(&w.s, &a->base);
    toy_start(&w, 'B', runs_and_says, NULL);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "x B:GOS_OK ");
    CHECK_OK(toy_send(&w, &ch, 1, GOS_FOREVER));
    CHECK_STR(w.log, "x B:GOS_OK A:GOS_OK ");
    toy_unref(a);
    finish();
}

CASE(the_last_one_that_blocks_inside_run_wakes_it)
{
    begin(NULL);
    struct toy *a = toy_new(&w, 'A', blocks, NULL);
    toy_start(&w, 'B', runs_and_says, NULL);
    gos_sched_insert(&w.s, &a->base);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "x B:GOS_OK ");
    CHECK_OK(toy_kill(&w, a));
    toy_unref(a);
    finish();
}

static void parks(struct toy *t)
{
    CHECK_OK(toy_park(&w));
    say(&w, "%c ", t->name);
}

CASE(parking)
{
    begin(NULL);
    struct toy *a = toy_new(&w, 'A', parks, NULL), *b = toy_new(&w, 'B', parks, NULL);
    gos_sched_insert(&w.s, &a->base);
    gos_sched_insert(&w.s, &b->base);
    CHECK_OK(toy_park(&w)); /* main: comes back when nobody can run */
    CHECK_STR(ring_text(&w), "M");
    CHECK_STR(w.log, "");
    CHECK_INT(a->base.place, ==, GOS_NOWHERE);
    gos_sched_insert(&w.s, &b->base);
    gos_sched_insert(&w.s, &a->base);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "B A ");
    toy_unref(a);
    toy_unref(b);
    finish();
}

CASE(parking_while_main_is_blocked)
{
    begin(NULL);
    struct toy *a = toy_new(&w, 'A', parks, NULL);
    gos_sched_insert(&w.s, &a->base);
    a->fn = says;
    toy_start(&w, 'B', says, NULL);
    CHECK_STATUS(toy_receive(&w, &ch, NULL, GOS_FOREVER), GOS_ENOSENDER);
    CHECK_STR(w.log, "A B ");
    toy_unref(a);
    finish();
}

CASE(the_switch_count_and_the_swaps_agree)
{
    begin(NULL);
    toy_start(&w, 'A', runs_nested, (void *)5L);
    CHECK_OK(toy_run(&w));
    CHECK_INT(w.main.swapped_out, ==, w.main.swapped_in);
    CHECK_INT(w.main.swapped_out, ==, 1);
    CHECK_INT(w.s.switches, >=, 6);
    finish();
}
