/* runner.h - C tests: each case runs in a process of its own, under a time limit.
 *
 *     CASE(name) { CHECK_INT(f(), ==, 3); }
 *
 * A check that fails prints its operands and the case goes on; REQUIRE also returns from the function it stands
 * in. There is no longjmp: it could not leave a switched stack. A program of cases ends with the line
 * `N passed, N failed`; `program --help` lists its options.
 */
#ifndef TEST_RUNNER_H
#define TEST_RUNNER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct test_case {
    const char *name;
    void (*run)(void);
    int seconds, line;
    struct test_case *next;
};

void test_register(struct test_case *c);
void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* How much slower than usual this run is (valgrind, emulation, sanitizers): divide repetitions by it. */
int test_slowness(void);

/* 1 if fn, in a child process, ends by SIGABRT and prints text on standard error. */
int test_aborts(void (*fn)(void), const char *text);

#define CASE_LIMIT(case_name, limit)                                                                                  \
    static void case_name(void);                                                                                      \
    static struct test_case case_of_##case_name = {#case_name, case_name, limit, __LINE__, NULL};                     \
    __attribute__((constructor)) static void register_##case_name(void)                                               \
    {                                                                                                                 \
        test_register(&case_of_##case_name);                                                                          \
    }                                                                                                                 \
    static void case_name(void)
#define CASE(case_name) CASE_LIMIT(case_name, 20)

#define CHECK(cond) ((cond) ? 1 : (test_fail(__FILE__, __LINE__, "%s is false", #cond), 0))

#define CHECK_INT(a, op, b)                                                                                           \
    do {                                                                                                              \
        long long check_a = (long long)(a), check_b = (long long)(b);                                                 \
        if (!(check_a op check_b))                                                                                    \
            test_fail(__FILE__, __LINE__, "%s %s %s: %lld %s %lld", #a, #op, #b, check_a, #op, check_b);              \
    } while (0)

#define CHECK_PTR(a, op, b)                                                                                           \
    do {                                                                                                              \
        const void *check_a = (a), *check_b = (b);                                                                    \
        if (!(check_a op check_b))                                                                                    \
            test_fail(__FILE__, __LINE__, "%s %s %s: %p %s %p", #a, #op, #b, check_a, #op, check_b);                  \
    } while (0)

#define CHECK_STR(a, b)                                                                                               \
    do {                                                                                                              \
        const char *check_a = (a), *check_b = (b);                                                                    \
        if (strcmp(check_a, check_b) != 0)                                                                            \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, check_a, check_b);                          \
    } while (0)

/* The operation's status, by name. */
#define CHECK_STATUS(call, expected)                                                                                  \
    do {                                                                                                              \
        int check_status = (call);                                                                                    \
        if (check_status != (expected))                                                                               \
            test_fail(__FILE__, __LINE__, "%s is %s, not %s", #call, gos_status_name(check_status), #expected);       \
    } while (0)
#define CHECK_OK(call) CHECK_STATUS(call, GOS_OK)

#define REQUIRE(cond)                                                                                                 \
    do {                                                                                                              \
        if (!CHECK(cond))                                                                                             \
            return;                                                                                                   \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
