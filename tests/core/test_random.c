/* test_random.c - random operations of many tasklets against a simple model.
 *
 * The model: values are numbered and owned by exactly one party (a sender, a channel's buffer, a receiver); on
 * each channel they pass in the order in which their sends came; each send either passed or failed; and at the
 * end nothing is left. GOSSAMER_SEED=N repeats a run.
 */
#include <unistd.h>

#include "world.h"

enum { CHANNELS = 5, TOYS = 40, STEPS = 60 };

static struct world w;
static uint64_t seed;
static gos_channel channels[CHANNELS];

/* The model of a channel: what was sent and has not been claimed by a receiver, oldest first. */
static struct model {
    long values[4096];
    int first, count;
} models[CHANNELS];

static struct toy *toys[TOYS];
static long next_number, arrived, dropped;
static int closing_down;

static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % n;
}

static void accepted(int c, long number)
{
    struct model *m = &models[c];
    REQUIRE(m->count < 4096);
    m->values[(m->first + m->count++) % 4096] = number;
}

struct search {
    long number;
    int found;
};

static int is_it(void *value, void *arg)
{
    struct search *search = arg;
    if (value && ((struct box *)value)->number == search->number)
        search->found = 1;
    return search->found;
}

/* Is it still in the channel? Else it has passed, and its receiver has not had a turn since. */
static int in_channel(int c, long number)
{
    struct search search = {number, 0};
    gos_channel_visit_kept(&channels[c], is_it, &search);
    for (gos_node *node = channels[c].first; node && channels[c].waiting > 0; node = node->next) {
        gos_tasklet *t = gos_node_tasklet(node);
        if (node->kind == GOS_NODE_TASKLET)
            is_it(t->value, &search);
        size_t n;
        const struct gos_case *cases = gos_select_cases(t, &n);
        for (size_t i = 0; i < n; i++)
            if (cases[i].channel == &channels[c])
                is_it(cases[i].value, &search);
    }
    return search.found;
}

static void arrives(int c, long number)
{
    struct model *m = &models[c];
    for (int i = 0; i < m->count; i++) {
        if (m->values[(m->first + i) % 4096] != number)
            continue;
        for (int k = 0; k < i; k++)
            if (in_channel(c, m->values[(m->first + k) % 4096]))
                test_fail(__FILE__, __LINE__, "channel %d: %ld overtook %ld", c, number,
                          m->values[(m->first + k) % 4096]);
        for (; i > 0; i--)
            m->values[(m->first + i) % 4096] = m->values[(m->first + i - 1) % 4096];
        m->first = (m->first + 1) % 4096;
        m->count--;
        arrived++;
        return;
    }
    test_fail(__FILE__, __LINE__, "channel %d: %ld was not sent, or arrived twice", c, number);
}

/* A sender that has not been served gives up. */
static void withdraws(int c, long number)
{
    struct model *m = &models[c];
    for (int i = 0; i < m->count; i++) {
        if (m->values[(m->first + i) % 4096] != number)
            continue;
        for (; i + 1 < m->count; i++)
            m->values[(m->first + i) % 4096] = m->values[(m->first + i + 1) % 4096];
        m->count--;
        dropped++;
        return;
    }
    test_fail(__FILE__, __LINE__, "channel %d: the send of %ld failed although it had passed", c, number);
}

static int64_t some_deadline(void)
{
    switch (random_below(4)) {
    case 0: return 0;
    case 1: return gos_now() + random_below(300000);
    default: return GOS_FOREVER;
    }
}

static int plausible(int rc)
{
    return rc == GOS_OK || rc == GOS_ETIMEDOUT || rc == GOS_ECANCELED || rc == GOS_EDEADLOCK || rc == GOS_ECLOSED ||
           rc == GOS_ENORECEIVER || rc == GOS_ENOSENDER || rc == GOS_EBLOCKTRAP;
}

static void send_somewhere(void)
{
    int c = (int)random_below(CHANNELS);
    struct box *b = box_new(&w, ++next_number, 0);
    long number = b->number;
    accepted(c, number);
    int rc = gos_channel_send(&w.s, &channels[c], b, some_deadline());
    int seen = toy_resumed(&w, rc, NULL);
    CHECK(plausible(seen));
    int passed = rc == GOS_OK;
    if (current_toy(&w)->killed && passed) /* killed while it was blocked: the killer took its value away */
        for (int i = 0; i < models[c].count; i++)
            if (models[c].values[(models[c].first + i) % 4096] == -number)
                passed = 2;
    if (passed == 2) {
        withdraws(c, -number);
    } else if (!passed) {
        withdraws(c, number);
        box_unref(b);
    }
}

static void receive_somewhere(void)
{
    int c = (int)random_below(CHANNELS);
    struct toy *t = current_toy(&w);
    t->got = 0;
    int rc = toy_receive(&w, &channels[c], NULL, some_deadline());
    CHECK(plausible(rc));
    if (t->got)
        arrives(c, t->got);
    else
        CHECK(rc != GOS_OK);
}

static void select_some(void)
{
    struct gos_case cases[3];
    size_t n = 1 + random_below(3), chosen = 99;
    int base = (int)random_below(CHANNELS);
    for (size_t i = 0; i < n; i++) {
        int c = (base + (int)i) % CHANNELS;
        cases[i] = (struct gos_case){.channel = &channels[c]};
        if (random_below(2)) {
            struct box *b = box_new(&w, ++next_number, 0);
            cases[i].send = 1;
            cases[i].value = b;
            accepted(c, b->number);
        }
    }
    struct toy *t = current_toy(&w);
    t->got = 0;
    int rc = gos_channel_select(&w.s, cases, n, some_deadline(), &chosen);
    int seen = toy_resumed(&w, rc, NULL);
    CHECK(plausible(seen));
    if (rc == GOS_OK && !t->killed)
        CHECK(chosen < n);
    int served = rc == GOS_OK && chosen < n;
    for (size_t i = 0; i < n; i++) {
        int c = (base + (int)i) % CHANNELS;
        if (cases[i].send && !(served && i == chosen)) {
            withdraws(c, ((struct box *)cases[i].value)->number);
            box_unref(cases[i].value);
        }
        if (!cases[i].send && served && i == chosen)
            arrives(c, t->got);
    }
}

/* As throwing an exception into it: what it was about to send is taken from it. */
static void kill_somebody(void)
{
    struct toy *t = toys[random_below(TOYS)];
    if (!t || t == current_toy(&w) || t->killed || !(t->base.flags & GOS_F_READY))
        return;
    struct box *pending = t->base.value;
    if (pending && t->base.place == GOS_IN_CHANNEL)
        for (int c = 0; c < CHANNELS; c++)
            for (int i = 0; i < models[c].count; i++)
                if (models[c].values[(models[c].first + i) % 4096] == pending->number)
                    models[c].values[(models[c].first + i) % 4096] = -pending->number; /* marked */
    if (t->base.place == GOS_IN_RING) { /* what has reached it stays */
        t->killed = 1;
        return;
    }
    CHECK_OK(toy_kill(&w, t));
}

static void insert_somebody(void)
{
    struct toy *t = toys[random_below(TOYS)];
    if (t && (t->base.flags & GOS_F_READY) && t->base.place == GOS_NOWHERE)
        gos_sched_insert(&w.s, &t->base);
}

static void life(struct toy *t);

static void start_somebody(void)
{
    uint32_t at = random_below(TOYS);
    if (closing_down || (toys[at] && (toys[at]->base.flags & GOS_F_READY)))
        return;
    if (toys[at])
        toy_unref(toys[at]);
    toys[at] = toy_new(&w, (char)('a' + at % 26), life, NULL);
    if (random_below(10) == 0)
        CHECK_OK(gos_sched_pin(&w.s, &toys[at]->base));
    gos_sched_insert(&w.s, &toys[at]->base);
}

static void step(void)
{
    switch (random_below(16)) {
    case 0:
    case 1:
    case 2: send_somewhere(); break;
    case 3:
    case 4:
    case 5: receive_somewhere(); break;
    case 6:
    case 7: select_some(); break;
    case 8: (void)toy_yield(&w); break;
    case 9: (void)toy_sleep(&w, gos_now() + random_below(200000)); break;
    case 10: start_somebody(); break;
    case 11: kill_somebody(); break;
    case 12: insert_somebody(); break;
    case 13:
        if (random_below(3) == 0)
            (void)toy_park(&w);
        break;
    case 14:
        if (random_below(5) == 0)
            (void)toy_run(&w);
        break;
    default: {
        struct toy *t = toys[random_below(TOYS)];
        if (t && t != current_toy(&w) && (t->base.flags & GOS_F_READY) &&
            (t->base.place == GOS_IN_RING || t->base.place == GOS_NOWHERE))
            (void)toy_switch(&w, t, 0);
    }
    }
    (void)ring_text(&w); /* checks the ring */
}

static void life(struct toy *t)
{
    volatile char ballast[2000];
    size_t n = 1 + random_below(sizeof ballast - 1);
    char mark = (char)random_below(256);
    memset((char *)ballast, mark, n);
    for (int i = 0; i < STEPS && !t->killed; i++) {
        step();
        if (ballast[0] != mark || ballast[n - 1] != mark)
            test_fail(__FILE__, __LINE__, "the stack of %c was altered", t->name);
    }
}

static void run_one(uint64_t start, const struct gos_config *config)
{
    seed = start * 0x9e3779b97f4a7c15u + 1;
    next_number = arrived = dropped = closing_down = 0;
    memset(models, 0, sizeof models);
    memset(toys, 0, sizeof toys);
    world_open(&w, config);
    for (int c = 0; c < CHANNELS; c++) {
        gos_channel_init(&channels[c]);
        channels[c].preference = (int8_t)(random_below(3)) - 1;
        channels[c].schedule_all = random_below(4) == 0;
        if (c >= 3)
            CHECK_OK(gos_channel_set_capacity(&channels[c], (size_t)c));
    }
    for (int round = 0; round < 40; round++) {
        start_somebody();
        start_somebody();
        step();
        int rc = toy_run(&w);
        CHECK(rc == GOS_OK || rc == GOS_EBUSY);
    }
    closing_down = 1;
    /* Everybody ends; what is kept in channels is taken out. */
    for (int i = 0; i < TOYS; i++) {
        if (!toys[i])
            continue;
        while (toys[i]->base.flags & GOS_F_READY) {
            struct toy *t = toys[i];
            if (t->killed || t->base.place == GOS_IN_RING) {
                t->killed = 1;
                gos_sched_insert(&w.s, &t->base);
                CHECK_OK(toy_yield(&w));
            } else {
                struct box *pending = t->base.place == GOS_IN_CHANNEL ? t->base.value : NULL;
                if (pending)
                    for (int c = 0; c < CHANNELS; c++)
                        for (int k = 0; k < models[c].count; k++)
                            if (models[c].values[(models[c].first + k) % 4096] == pending->number)
                                models[c].values[(models[c].first + k) % 4096] = -pending->number;
                CHECK_OK(toy_kill(&w, t));
            }
        }
        struct toy *t = toys[i];
        toys[i] = NULL; /* others may still look for somebody */
        toy_unref(t);
    }
    for (int c = 0; c < CHANNELS; c++) {
        void *kept;
        while (gos_channel_take_kept(&channels[c], &kept)) {
            arrives(c, ((struct box *)kept)->number);
            box_unref(kept);
        }
        CHECK_INT(channels[c].waiting, ==, 0);
        CHECK_INT(models[c].count, ==, 0);
        gos_channel_fini(&channels[c]);
    }
    CHECK_INT(arrived + dropped, ==, next_number);
    world_close(&w);
}

static void random_runs(const struct gos_config *config)
{
    const char *given = getenv("GOSSAMER_SEED");
    uint64_t start = given ? strtoull(given, NULL, 10) : (uint64_t)gos_now() ^ (uint64_t)getpid();
    int runs = given ? 1 : 10 / test_slowness() + 3;
    for (int i = 0; i < runs; i++) {
        printf("GOSSAMER_SEED=%llu\n", (unsigned long long)(start + (uint64_t)i));
        fflush(stdout);
        run_one(start + (uint64_t)i, config);
    }
}

CASE_LIMIT(random_operations_with_64_slots, 60)
{
    random_runs(NULL);
}

CASE_LIMIT(random_operations_with_two_slots_compressed, 60)
{
    random_runs(&(struct gos_config){.max_slots = 2, .compress = GOS_COMPRESS_ALWAYS});
}

CASE_LIMIT(random_operations_with_eviction_at_each_switch, 60)
{
    random_runs(&(struct gos_config){.max_slots = 3, .evict_always = 1, .compress = GOS_COMPRESS_ALWAYS});
}

CASE_LIMIT(random_operations_with_own_stacks, 60)
{
    random_runs(&(struct gos_config){.stacks = GOS_STACKS_OWN});
}
