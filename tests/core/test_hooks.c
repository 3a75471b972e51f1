/* test_hooks.c - what hooks of the embedding program may do in the middle of an operation, and how their
 * errors arrive. A hook must not switch; everything else it may do, and nothing may get lost by it. */
#include "world.h"

static struct world w;
static gos_channel ch, other;
static int called;

static void open_all(const struct gos_config *config)
{
    world_open(&w, config);
    gos_channel_init(&ch);
    gos_channel_init(&other);
    called = 0;
}

static void close_all(void)
{
    gos_channel_fini(&ch);
    gos_channel_fini(&other);
    world_close(&w);
}

static void nothing(struct toy *t)
{
    (void)t;
}

static void sleeper(struct toy *t)
{
    CHECK_OK(toy_sleep(&w, gos_now() + (t->arg ? (long)t->arg : 20000000 * test_slowness())));
}

static void receiver(struct toy *t)
{
    CHECK_OK(toy_receive(&w, t->arg, NULL, GOS_FOREVER));
    say(&w, "%c got %ld. ", t->name, t->got);
}

static void sender(struct toy *t)
{
    CHECK_OK(toy_send(&w, t->arg, t->name, GOS_FOREVER));
    say(&w, "%c sent. ", t->name);
}

/* ---- errors of the idle hook ---- */

static int idle_fails(struct world *world, int64_t deadline_ns)
{
    (void)deadline_ns;
    called++;
    world->error = box_new(world, 66, 1);
    world->on_idle = NULL; /* once */
    return GOS_EHOOK;
}

/* The caller of the operation gets the error itself: it stays where the hook put it. */
static void take_own_error(void)
{
    if (!CHECK(w.error != NULL))
        return;
    CHECK_INT(w.error->number, ==, 66);
    box_unref(w.error);
    w.error = NULL;
}

CASE(idle_error_ends_each_kind_of_wait)
{
    open_all(NULL);
    toy_start(&w, 'A', sleeper, (void *)400000000L); /* longer than all of this takes, under valgrind, too */
    CHECK_OK(toy_yield(&w)); /* asleep */
    w.on_idle = idle_fails;
    CHECK_STATUS(toy_sleep(&w, gos_now() + 1000000000), GOS_EHOOK);
    take_own_error();
    CHECK_INT(w.s.timer_count, ==, 1);
    w.on_idle = idle_fails;
    CHECK_STATUS(toy_send(&w, &ch, 1, GOS_FOREVER), GOS_EHOOK);
    take_own_error();
    w.on_idle = idle_fails;
    CHECK_STATUS(toy_receive(&w, &ch, NULL, gos_now() + 1000000000), GOS_EHOOK);
    take_own_error();
    w.on_idle = idle_fails;
    CHECK_STATUS(toy_run(&w), GOS_EHOOK);
    take_own_error();
    w.on_idle = idle_fails;
    CHECK_STATUS(toy_park(&w), GOS_EHOOK);
    take_own_error();
    w.on_idle = idle_fails;
    struct gos_case cases[] = {{.channel = &ch}, {.channel = &other}};
    size_t chosen;
    CHECK_STATUS(toy_resumed(&w, gos_channel_select(&w.s, cases, 2, GOS_FOREVER, &chosen), NULL), GOS_EHOOK);
    take_own_error();
    CHECK_INT(called, ==, 6);
    CHECK_INT(ch.waiting, ==, 0);
    CHECK_STR(ring_text(&w), "M");
    CHECK_OK(toy_run(&w));
    close_all();
}

CASE(idle_error_after_the_end_of_a_tasklet_goes_to_run)
{
    open_all(NULL);
    toy_start(&w, 'A', sleeper, NULL);
    toy_start(&w, 'B', nothing, NULL);
    w.on_idle = idle_fails;
    CHECK_STATUS(toy_run(&w), GOS_EHOOK);
    CHECK_INT(w.main.got, ==, 66);
    CHECK_OK(toy_run(&w));
    close_all();
}

/* ---- the idle hook settles while an ended tasklet still runs on its stack ---- */

static int idle_settles(struct world *world, int64_t deadline_ns)
{
    (void)deadline_ns;
    called++;
    gos_settle(&world->s); /* as each operation of a signal handler would */
    return GOS_OK;
}

CASE(idle_hook_settles_after_the_end_of_a_tasklet)
{
    open_all(&(struct gos_config){.max_slots = 2});
    toy_start(&w, 'A', sleeper, NULL);
    toy_start(&w, 'B', nothing, NULL);
    w.on_idle = idle_settles;
    CHECK_OK(toy_run(&w));
    CHECK_INT(called, >, 0);
    close_all();
}

/* ---- the idle hook wakes the one that waits ---- */

static int idle_sends(struct world *world, int64_t deadline_ns)
{
    (void)deadline_ns;
    if (called++)
        return GOS_OK;
    struct box *b = box_new(world, 5, 0);
    CHECK_OK(gos_channel_send(&world->s, &ch, b, GOS_FOREVER));
    gos_settle(&world->s);
    return GOS_OK;
}

static int idle_sends_and_fails(struct world *world, int64_t deadline_ns)
{
    (void)idle_sends(world, deadline_ns);
    return idle_fails(world, deadline_ns);
}

CASE(idle_hook_sends_to_the_one_that_waits)
{
    open_all(NULL);
    ch.preference = 0;
    toy_start(&w, 'A', sleeper, NULL);
    CHECK_OK(toy_yield(&w));
    w.on_idle = idle_sends;
    long got = 0;
    CHECK_OK(toy_receive(&w, &ch, &got, GOS_FOREVER));
    CHECK_INT(got, ==, 5);
    w.on_idle = NULL;
    CHECK_OK(toy_run(&w));
    close_all();
}

CASE(idle_hook_sends_to_the_one_that_waits_and_fails)
{
    open_all(NULL);
    ch.preference = 0;
    toy_start(&w, 'A', sleeper, NULL);
    CHECK_OK(toy_yield(&w));
    w.on_idle = idle_sends_and_fails;
    CHECK_STATUS(toy_receive(&w, &ch, NULL, GOS_FOREVER), GOS_EHOOK);
    CHECK_INT(w.main.got, ==, 66);
    CHECK_OK(toy_run(&w));
    close_all();
}

static int idle_receives_and_fails(struct world *world, int64_t deadline_ns)
{
    if (called++)
        return GOS_OK;
    gos_tasklet *cur = world->s.current;
    struct box *sent = cur->value;
    CHECK_STATUS(gos_channel_receive(&world->s, &ch, GOS_FOREVER), GOS_ETRAP); /* the register is in use */
    CHECK_PTR(cur->value, ==, sent);
    gos_settle(&world->s);
    return idle_fails(world, deadline_ns);
}

CASE(idle_hook_cannot_receive_what_the_waiting_one_sends)
{
    open_all(NULL);
    toy_start(&w, 'A', sleeper, NULL);
    CHECK_OK(toy_yield(&w));
    w.on_idle = idle_receives_and_fails;
    CHECK_STATUS(toy_send(&w, &ch, 3, GOS_FOREVER), GOS_EHOOK);
    take_own_error();
    CHECK_OK(toy_run(&w));
    close_all();
}

static int idle_receives_from_other(struct world *world, int64_t deadline_ns)
{
    (void)deadline_ns;
    called++;
    CHECK_STATUS(gos_channel_receive(&world->s, &other, GOS_FOREVER), GOS_ETRAP);
    gos_settle(&world->s);
    CHECK_INT(((struct box *)world->s.current->value)->number, ==, 3);
    world->on_idle = NULL;
    return GOS_OK;
}

static void slow_receiver(struct toy *t)
{
    sleeper(t);
    CHECK_OK(toy_receive(&w, &ch, NULL, GOS_FOREVER));
}

CASE(hook_that_receives_does_not_overwrite_the_value_being_sent)
{
    open_all(NULL);
    toy_start(&w, 'A', slow_receiver, NULL);
    toy_start(&w, 'B', sender, &other);
    CHECK_OK(toy_yield(&w));
    w.on_idle = idle_receives_from_other;
    CHECK_OK(toy_send(&w, &ch, 3, GOS_FOREVER));
    CHECK_INT(called, ==, 1);
    CHECK_OK(toy_receive(&w, &other, NULL, GOS_FOREVER));
    CHECK_INT(w.main.got, ==, 'B');
    CHECK_OK(toy_run(&w));
    close_all();
}

CASE(hook_that_receives_does_not_overwrite_a_kept_value)
{
    open_all(NULL);
    CHECK_OK(gos_channel_set_capacity(&other, 2));
    CHECK_OK(toy_send(&w, &other, 8, 0));
    toy_start(&w, 'A', slow_receiver, NULL);
    CHECK_OK(toy_yield(&w));
    w.on_idle = idle_receives_from_other;
    CHECK_OK(toy_send(&w, &ch, 3, GOS_FOREVER));
    CHECK_OK(toy_receive(&w, &other, NULL, 0));
    CHECK_INT(w.main.got, ==, 8);
    CHECK_OK(toy_run(&w));
    close_all();
}

/* ---- the idle hook inserts the one that waits ---- */

static void sleeps_long(struct toy *t)
{
    (void)t;
    CHECK_STATUS(toy_sleep(&w, gos_now() + 100000000000), GOS_ECANCELED);
}

static int idle_inserts_current(struct world *world, int64_t deadline_ns)
{
    (void)deadline_ns;
    if (called++)
        return GOS_OK;
    gos_sched_insert(&world->s, world->s.current);
    if (world->s.current->flags & GOS_F_WATCHDOG)
        CHECK_STATUS(gos_sched_run(&world->s), GOS_ETRAP);
    return GOS_OK;
}

static int idle_inserts_current_and_fails(struct world *world, int64_t deadline_ns)
{
    gos_sched_insert(&world->s, world->s.current);
    return idle_fails(world, deadline_ns);
}

static int idle_inserts_current_last(struct world *world, int64_t deadline_ns)
{
    (void)deadline_ns;
    if (called++)
        return GOS_OK;
    toy_start(world, 'X', nothing, NULL);
    gos_sched_insert(&world->s, world->s.current);
    return GOS_OK;
}

CASE(idle_hook_inserts_the_one_that_parks_or_runs)
{
    open_all(NULL);
    struct toy *a = toy_new(&w, 'A', sleeps_long, NULL);
    gos_sched_insert(&w.s, &a->base);
    CHECK_OK(toy_yield(&w));
    int (*const hooks[])(struct world *, int64_t) = {idle_inserts_current, idle_inserts_current_last,
                                                     idle_inserts_current_and_fails};
    for (int i = 0; i < 3; i++) {
        int expected = hooks[i] == idle_inserts_current_and_fails ? GOS_EHOOK : GOS_OK;
        called = 0;
        w.on_idle = hooks[i];
        CHECK_STATUS(toy_park(&w), expected);
        CHECK_INT(w.main.references, ==, 2);
        if (expected == GOS_EHOOK)
            take_own_error();
        CHECK_OK(toy_yield(&w)); /* X, if there is one */
        called = 0;
        w.on_idle = hooks[i];
        CHECK_STATUS(toy_run(&w), expected);
        CHECK_INT(w.main.references, ==, 2);
        CHECK_INT(w.s.watchdog_count, ==, 0);
        CHECK(!(w.main.base.flags & GOS_F_WATCHDOG));
        w.on_idle = NULL;
        if (expected == GOS_EHOOK)
            take_own_error();
    }
    CHECK_OK(toy_kill(&w, a));
    toy_unref(a);
    CHECK_OK(toy_run(&w));
    close_all();
}

/* ---- the listener that hears of each switch ---- */

static struct toy *to_pin;

static void notify_works(gos_tasklet *from, gos_tasklet *to)
{
    struct world *world = (struct world *)from->sched;
    called++;
    CHECK_PTR(world->s.current, ==, from);
    CHECK_PTR(world->s.head, ==, to);
    CHECK(from != to);
    CHECK_INT(world->s.trap, ==, 1);
    gos_settle(&world->s);
    CHECK_STATUS(gos_sched_park(&world->s), GOS_ETRAP);
    CHECK_STATUS(gos_sched_sleep(&world->s, gos_now()), GOS_ETRAP);
    if (from->place != GOS_IN_RING) {
        CHECK_STATUS(gos_sched_yield(&world->s), GOS_ETRAP);
        CHECK_STATUS(gos_channel_send(&world->s, &other, NULL, GOS_FOREVER), GOS_ETRAP);
    }
    gos_settle(&world->s);
}

CASE(listener_settles_and_tries_to_switch)
{
    for (int slots = 1; slots <= 64; slots += 63) {
        open_all(&(struct gos_config){.max_slots = slots});
        w.s.notify = notify_works;
        toy_start(&w, 'A', sender, &ch);
        toy_start(&w, 'B', receiver, &ch);
        toy_start(&w, 'C', sleeper, NULL);
        CHECK_OK(toy_run(&w));
        struct toy *p = toy_new(&w, 'P', nothing, NULL);
        CHECK_OK(toy_switch(&w, p, 0)); /* P, like a tasklet that parks, is in nobody else's hands */
        toy_unref(p);
        CHECK_STR(w.log, "B got 65. A sent. ");
        CHECK_INT(called, >=, 6);
        w.s.notify = NULL;
        close_all();
    }
}

static void parks_alone(struct toy *t)
{
    (void)toy_park(&w);
    say(&w, "%c killed %d. ", t->name, t->killed);
}

CASE(listener_settles_while_the_last_reference_is_in_the_switch)
{
    open_all(&(struct gos_config){.max_slots = 1});
    w.s.notify = notify_works;
    toy_start(&w, 'A', parks_alone, NULL); /* the ring's reference is the only one */
    toy_start(&w, 'B', nothing, NULL);
    CHECK_OK(toy_run(&w));
    CHECK_STR(w.log, "A killed 1. ");
    w.s.notify = NULL;
    close_all();
}

static void notify_pins(gos_tasklet *from, gos_tasklet *to)
{
    if (from != from->sched->main || called++)
        return;
    (void)to;
    CHECK_OK(gos_sched_pin(from->sched, &to_pin->base));
}

static void notify_frees_pinned(gos_tasklet *from, gos_tasklet *to)
{
    (void)to;
    if (from == from->sched->main && !called++)
        toy_unref(to_pin);
}

static void yields(struct toy *t)
{
    (void)t;
    for (int i = 0; i < 5; i++)
        CHECK_OK(toy_yield(&w));
}

CASE(listener_pins_another_while_a_stack_is_picked)
{
    open_all(NULL);
    struct toy *p = to_pin = toy_new(&w, 'P', yields, NULL);
    w.s.notify = notify_pins;
    toy_start(&w, 'A', yields, NULL);
    gos_sched_insert(&w.s, &p->base);
    CHECK_OK(toy_yield(&w));
    w.s.notify = NULL;
    if (!w.s.own)
        CHECK(p->base.slot != ((gos_tasklet *)w.s.main->next)->slot);
    CHECK_INT(p->base.slot->live, ==, 1);
    CHECK_OK(toy_run(&w));
    toy_unref(p);
    for (gos_slot *slot = w.s.free_slots; slot; slot = slot->next_free)
        CHECK_INT(slot->live, ==, 0);
    close_all();
}

CASE(listener_pins_the_one_that_is_about_to_start)
{
    open_all(NULL);
    w.s.notify = notify_pins;
    to_pin = toy_start(&w, 'A', yields, NULL);
    toy_start(&w, 'B', yields, NULL);
    CHECK_OK(toy_yield(&w));
    w.s.notify = NULL;
    CHECK_OK(toy_run(&w));
    uint32_t free_slots = 0;
    for (gos_slot *slot = w.s.free_slots; slot; slot = slot->next_free)
        free_slots++;
    CHECK_INT(free_slots, ==, w.s.slot_count);
    close_all();
}

CASE(listener_frees_a_pinned_one_while_a_stack_is_picked)
{
    open_all(NULL);
    to_pin = toy_new(&w, 'P', nothing, NULL);
    CHECK_OK(gos_sched_pin(&w.s, &to_pin->base));
    w.s.notify = notify_frees_pinned;
    toy_start(&w, 'A', yields, NULL);
    toy_start(&w, 'B', yields, NULL);
    CHECK_OK(toy_yield(&w));
    w.s.notify = NULL;
    CHECK_OK(toy_run(&w));
    uint32_t free_slots = 0;
    for (gos_slot *slot = w.s.free_slots; slot && free_slots < 100; slot = slot->next_free) {
        CHECK_INT(slot->live, ==, 0);
        free_slots++;
    }
    CHECK_INT(free_slots, ==, w.s.slot_count);
    close_all();
}

/* ---- what is left in the register ---- */

CASE(a_forgotten_value_is_released_by_the_next_receive)
{
    open_all(NULL);
    CHECK_OK(gos_channel_set_capacity(&ch, 2));
    CHECK_OK(toy_send(&w, &ch, 1, 0));
    w.main.base.value = box_new(&w, 99, 0);
    CHECK_OK(toy_receive(&w, &ch, NULL, 0));
    CHECK_INT(w.main.got, ==, 1);
    w.main.base.value = box_new(&w, 99, 0);
    toy_start(&w, 'A', sender, &other);
    CHECK_OK(toy_receive(&w, &other, NULL, GOS_FOREVER));
    CHECK_INT(w.main.got, ==, 'A');
    CHECK_OK(toy_run(&w));
    close_all();
}

CASE(polling_is_not_blocking)
{
    open_all(NULL);
    w.main.base.flags |= GOS_F_BLOCK_TRAP;
    CHECK_STATUS(toy_receive(&w, &ch, NULL, 0), GOS_ETIMEDOUT);
    CHECK_STATUS(toy_send(&w, &ch, 1, 0), GOS_ETIMEDOUT);
    CHECK_STATUS(toy_send(&w, &ch, 1, GOS_FOREVER), GOS_EBLOCKTRAP);
    ch.closing = 1;
    CHECK_STATUS(toy_send(&w, &ch, 1, 0), GOS_ECLOSED);
    CHECK_STATUS(toy_send(&w, &ch, 1, GOS_FOREVER), GOS_EBLOCKTRAP);
    w.main.base.flags &= ~(uint32_t)GOS_F_BLOCK_TRAP;
    CHECK_STATUS(toy_send(&w, &ch, 1, GOS_FOREVER), GOS_ECLOSED);
    close_all();
}

/* ---- releasing runs arbitrary code ---- */

static void drop_runs_things(struct world *world, long number)
{
    if (number < 0)
        return;
    called++;
    struct toy *cur = current_toy(world);
    (void)cur;
    CHECK_OK(gos_sched_yield(&world->s)); /* switches, in the middle of settling */
    struct box *b = world->s.current->value;
    world->s.current->value = NULL;
    gos_settle(&world->s);
    box_unref(b);
}

static void many_sends(struct toy *t)
{
    (void)t;
    for (int i = 0; i < 200; i++)
        CHECK_OK(toy_send(&w, &ch, i, GOS_FOREVER));
}

static void many_receives(struct toy *t)
{
    (void)t;
    for (int i = 0; i < 200; i++) {
        long got = -1;
        CHECK_OK(toy_receive(&w, &ch, &got, GOS_FOREVER));
        CHECK_INT(got, ==, i);
        toy_start(&w, 'X', nothing, NULL);
    }
}

CASE(values_survive_destructors_that_switch)
{
    for (int evict = 0; evict < 2; evict++) {
        open_all(&(struct gos_config){.max_slots = evict ? 1 : 64, .evict_always = evict, .compress = evict});
        w.on_drop_value = drop_runs_things;
        toy_start(&w, 'R', many_receives, NULL);
        toy_start(&w, 'S', many_sends, NULL);
        CHECK_OK(toy_run(&w));
        CHECK_INT(called, ==, 200);
        close_all();
    }
}
