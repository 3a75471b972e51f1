/* million.c - a million messages from one tasklet to another, and how long one takes.
 *
 *     million [messages]
 */
#include <stdio.h>
#include <stdlib.h>

#include <gossamer.h>

static gos_channel *ch;
static long messages = 1000000;
static long long sum; /* beyond 32 bits */

/* Every operation can fail (out of memory, deadlock); an example may simply give up. */
static void check(int status, const char *what)
{
    if (status == GOS_OK)
        return;
    fprintf(stderr, "%s: %s\n", what, gos_status_text(status));
    exit(1);
}

static void producer(void *unused)
{
    (void)unused;
    for (long i = 1; i <= messages; i++)
        check(gos_send(ch, (void *)i, GOS_FOREVER), "send");
}

static void consumer(void *unused)
{
    (void)unused;
    for (long i = 0; i < messages; i++) {
        void *value;
        check(gos_receive(ch, &value, GOS_FOREVER), "receive");
        sum += (long)value;
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        messages = atol(argv[1]);
    check(gos_sched_create(NULL), "create the scheduler");
    check(gos_channel_create(0, &ch), "create the channel");
    check(gos_spawn(consumer, NULL, NULL), "spawn");
    check(gos_spawn(producer, NULL, NULL), "spawn");

    int64_t began = gos_now();
    check(gos_run(), "run");
    double seconds = (double)(gos_now() - began) / 1e9;

    struct gos_stats stats;
    gos_get_stats(&stats);
    printf("%ld messages in %.3f s: %.1f ns each, %.1f million a second, %llu switches\n", messages, seconds,
           seconds * 1e9 / (double)messages, (double)messages / seconds / 1e6, (unsigned long long)stats.switches);
    int right = sum == (long long)messages * (messages + 1) / 2;
    printf("the sum is %lld, which is %s\n", sum, right ? "right" : "wrong");

    check(gos_channel_destroy(ch), "destroy the channel");
    check(gos_sched_destroy(), "destroy the scheduler");
    return !right;
}
