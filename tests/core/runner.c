/* runner.c - runs the cases of a test program, each in a child process with a time limit. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

enum { MOST_FAILURES = 20 };

static struct test_case *first_case;
static int failures; /* of the running case; atomic, since cases may have threads */

void test_register(struct test_case *c)
{
    struct test_case **at = &first_case; /* constructors run in any order */
    while (*at && (*at)->line < c->line)
        at = &(*at)->next;
    c->next = *at;
    *at = c;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    int nth = __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
    if (nth > MOST_FAILURES)
        return;
    const char *slash = strrchr(file, '/');
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "  %s:%d: %s\n", slash ? slash + 1 : file, line, text);
    if (nth == MOST_FAILURES)
        fprintf(stderr, "  further failures of this case are not shown\n");
}

int test_slowness(void)
{
    const char *given = getenv("GOS_TEST_SLOWNESS");
    int n = given ? atoi(given) : getenv("GOS_TEST_VALGRIND") ? 20 : 1;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    if (!given)
        n = 8;
#elif defined(__aarch64__) /* most likely emulated */
    if (!given)
        n = 8;
#endif
    return n < 1 ? 1 : n;
}

/* ---- waiting for a child ---- */

static double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The child's wait status; -1: it took too long and was killed. SIGCHLD is blocked. */
static int wait_for(pid_t child, double limit)
{
    double end = seconds_now() + limit;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        int status;
        if (waitpid(child, &status, WNOHANG) == child)
            return status;
        double left = end - seconds_now();
        if (left <= 0) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return -1;
        }
        struct timespec pause = {.tv_sec = 0, .tv_nsec = left < 0.2 ? (long)(left * 1e9) : 200000000};
        sigtimedwait(&set, NULL, &pause);
    }
}

int test_aborts(void (*fn)(void), const char *text)
{
    int ends[2];
    if (pipe(ends) != 0)
        return 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        fn();
        _exit(0);
    }
    close(ends[1]);
    char output[2048];
    size_t got = 0;
    ssize_t n;
    while (got + 1 < sizeof output && (n = read(ends[0], output + got, sizeof output - 1 - got)) > 0)
        got += (size_t)n;
    output[got] = 0;
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(output, text))
        return 1;
    fprintf(stderr, "  expected an abort with \"%s\"; status %#x, output: %s\n", text, (unsigned)status, output);
    return 0;
}

/* ---- the program ---- */

static int run_case(const struct test_case *c)
{
    failures = 0;
    c->run();
    return failures ? 1 : 0;
}

static int run_in_child(const struct test_case *c)
{
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        exit(run_case(c)); /* not _exit: sanitizers look for leaks at exit */
    }
    int status = wait_for(child, c->seconds * (double)(test_slowness() > 1 ? 10 : 1));
    if (status == -1)
        fprintf(stderr, "  took longer than %d seconds\n", c->seconds);
    else if (WIFSIGNALED(status))
        fprintf(stderr, "  ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) > 1)
        fprintf(stderr, "  ended with exit code %d\n", WEXITSTATUS(status));
    return status != 0;
}

static int wanted(const char *name, char **filters, int count)
{
    for (int i = 0; i < count; i++)
        if (strstr(name, filters[i]))
            return 1;
    return count == 0;
}

int main(int argc, char **argv)
{
    int list = 0, no_fork = 0, at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--list") == 0) {
            list = 1;
        } else if (strcmp(argv[at], "--no-fork") == 0) {
            no_fork = 1;
        } else {
            printf("usage: %s [--list] [--no-fork] [NAME...]\n"
                   "Runs the cases whose name contains one of the NAMEs, or all.\n"
                   "  --list      print the names of the cases\n"
                   "  --no-fork   run in this process, for a debugger: no time limit, the first crash ends all\n"
                   "GOS_TEST_SLOWNESS=N: repeat less, for a run that is about N times slower than usual.\n",
                   argv[0]);
            return strcmp(argv[at], "--help") != 0;
        }
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int passed = 0, failed = 0;
    for (struct test_case *c = first_case; c; c = c->next) {
        if (!wanted(c->name, argv + at, argc - at))
            continue;
        if (list) {
            puts(c->name);
            continue;
        }
        double began = seconds_now();
        int bad = no_fork ? run_case(c) : run_in_child(c);
        printf("%s %s (%.2f s)\n", bad ? "FAILED" : "ok    ", c->name, seconds_now() - began);
        fflush(stdout);
        bad ? failed++ : passed++;
    }
    if (list)
        return 0;
    printf("%d passed, %d failed\n", passed, failed);
    return failed || passed == 0;
}
