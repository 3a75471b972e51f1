/* cbench.c - one sample of one workload on one C library.
 *
 *     cbench gossamer message --budget 0.5
 *     cbench gossamer blocked --n 100000
 */
#include "cbench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_NS 4000000 /* as in bench/harness.py */
#define MAX_ROUNDS 100000

_Noreturn void cbench_die(const char *what)
{
    fprintf(stderr, "cbench: %s\n", what);
    exit(1);
}

int64_t cbench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t cbench_rss(void)
{
    char line[256];
    long kib;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    if (!f)
        cbench_die("cannot read /proc/self/smaps_rollup: a Linux kernel 4.14 or later is needed");
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Rss: %ld kB", &kib) == 1) {
            fclose(f);
            return (int64_t)kib * 1024;
        }
    cbench_die("no Rss line in /proc/self/smaps_rollup");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void cbench_rounds(cbench_work work, long per, double budget_s)
{
    static double times[MAX_ROUNDS];
    int64_t begin, taken, spent = 0;
    long n = 1;
    int rounds = 0;

    for (;;) {
        begin = cbench_now();
        work(n);
        taken = cbench_now() - begin;
        if (taken >= ROUND_NS)
            break;
        n *= 2;
    }
    while (((double)spent < budget_s * 1e9 || rounds < 5) && rounds < MAX_ROUNDS) {
        begin = cbench_now();
        work(n);
        taken = cbench_now() - begin;
        spent += taken;
        times[rounds++] = (double)taken / ((double)n * (double)per);
    }
    qsort(times, (size_t)rounds, sizeof times[0], by_size);
    printf("{\"best\": %.4f, \"median\": %.4f, \"rounds\": %d, \"ops_a_round\": %ld}\n", times[0], times[rounds / 2],
           rounds, n * per);
}

void cbench_blocked(long n, int64_t bytes, int64_t create_ns, int64_t wake_ns, int64_t kill_ns)
{
    double each = (double)n;
    printf("{\"bytes\": %.2f, \"create\": %.2f, \"wake\": %.2f, \"kill\": %.2f, \"n\": %ld}\n", (double)bytes / each,
           (double)create_ns / each, (double)wake_ns / each, (double)kill_ns / each, n);
}

int main(int argc, char **argv)
{
    double budget = 0.5;
    long n = 100000;
    int known = 0;

    if (argc < 3)
        cbench_die("usage: cbench PEER WORKLOAD [--budget SECONDS] [--n N]; peers: gossamer, ucontext, boost");
    for (int i = 3; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--budget"))
            budget = atof(argv[i + 1]);
        else if (!strcmp(argv[i], "--n"))
            n = atol(argv[i + 1]);
        else
            cbench_die("options are --budget SECONDS and --n N");
    }
    if (!strcmp(argv[1], "gossamer"))
        known = gossamer_sample(argv[2], n, budget);
    else if (!strcmp(argv[1], "ucontext"))
        known = ucontext_sample(argv[2], budget);
#ifdef HAVE_BOOST_CONTEXT
    else if (!strcmp(argv[1], "boost"))
        known = boost_sample(argv[2], budget);
#endif
    if (!known)
        cbench_die("no such workload for this peer (or the peer is not built in)");
    return 0;
}
