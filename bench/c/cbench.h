/* cbench.h - what the C samples share: the clock, memory, rounds and the line of JSON.
 *
 * The rules are those of bench/harness.py: CPU time of this process, many short rounds, the best counts.
 */
#ifndef CBENCH_H
#define CBENCH_H

#include <stdint.h>

/* Does n times what the workload does; each time is `per` operations. */
typedef void (*cbench_work)(long n);

int64_t cbench_now(void);
int64_t cbench_rss(void);

/* Repeat short rounds for budget_s seconds and print the line of JSON. */
void cbench_rounds(cbench_work work, long per, double budget_s);

/* The line of JSON for n blocked tasklets; times are totals. */
void cbench_blocked(long n, int64_t bytes, int64_t create_ns, int64_t wake_ns, int64_t kill_ns);

_Noreturn void cbench_die(const char *what);

/* The peers; each returns 0 if it does not know the workload. */
int gossamer_sample(const char *workload, long n, double budget_s);
int ucontext_sample(const char *workload, double budget_s);
#ifdef HAVE_BOOST_CONTEXT
int boost_sample(const char *workload, double budget_s);
#endif

#endif
