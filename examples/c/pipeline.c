/* pipeline.c - three stages joined by channels: numbers are made, those with an odd sum of digits are dropped,
 * the others are added up. A stage that is done closes its output; the next one then finds the end.
 */
#include <stdio.h>
#include <stdlib.h>

#include <gossamer.h>

struct stage {
    gos_channel *in, *out;
};

static long total, count;

static void check(int status, const char *what)
{
    if (status == GOS_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, gos_status_text(status));
    exit(1);
}

/* The end of a stage: whoever already waits for more gets NULL, whoever asks later finds the channel closed. */
static void finish(gos_channel *out)
{
    while (gos_balance(out) < 0)
        check(gos_send(out, NULL, GOS_FOREVER), "send");
    gos_close(out);
}

/* The next value, or NULL at the end. */
static void *next(gos_channel *in)
{
    void *value = NULL;
    int status = gos_receive(in, &value, GOS_FOREVER);
    if (status != GOS_ECLOSED)
        check(status, "receive");
    return value;
}

static void make_numbers(void *arg)
{
    struct stage *stage = arg;
    for (long i = 1; i <= 10000; i++)
        check(gos_send(stage->out, (void *)i, GOS_FOREVER), "send");
    finish(stage->out);
}

static void drop_odd(void *arg)
{
    struct stage *stage = arg;
    for (long n; (n = (long)next(stage->in)) != 0;) {
        long digits = 0;
        for (long rest = n; rest; rest /= 10)
            digits += rest % 10;
        if (digits % 2 == 0)
            check(gos_send(stage->out, (void *)n, GOS_FOREVER), "send");
    }
    finish(stage->out);
}

static void add_up(void *arg)
{
    struct stage *stage = arg;
    for (long n; (n = (long)next(stage->in)) != 0; count++)
        total += n;
}

int main(void)
{
    gos_channel *made, *kept;
    check(gos_sched_create(NULL), "create the scheduler");
    check(gos_channel_create(0, &made), "create a channel");
    check(gos_channel_create(16, &kept), "create a channel"); /* keeps up to 16 values */

    struct stage stages[] = {{NULL, made}, {made, kept}, {kept, NULL}};
    check(gos_spawn(make_numbers, &stages[0], NULL), "spawn");
    check(gos_spawn(drop_odd, &stages[1], NULL), "spawn");
    check(gos_spawn(add_up, &stages[2], NULL), "spawn");
    check(gos_run(), "run"); /* returns when all three are done */

    printf("%ld numbers, together %ld\n", count, total);
    check(gos_channel_destroy(made), "destroy a channel");
    check(gos_channel_destroy(kept), "destroy a channel");
    check(gos_sched_destroy(), "destroy the scheduler");

    long expected = 0, expected_count = 0;
    for (long i = 1; i <= 10000; i++) {
        long digits = i / 10000 + i / 1000 % 10 + i / 100 % 10 + i / 10 % 10 + i % 10;
        expected += digits % 2 ? 0 : i;
        expected_count += digits % 2 == 0;
    }
    return total != expected || count != expected_count;
}
