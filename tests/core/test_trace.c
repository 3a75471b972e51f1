/* test_trace.c - the recorder: rings of several threads, streaming, saving while others record, conversion. */
#include <pthread.h>
#include <unistd.h>

#include "gossamer/trace.h"
#include "gossamer.h"
#include "runner.h"

enum { THREADS = 3, EVENTS = 20000 };

static int go_on;

static void *record_some(void *arg)
{
    for (long i = 0; i < EVENTS; i++)
        gos_trace_record(GOS_TRACE_MESSAGE, 0, NULL, (uint64_t)i, (uint64_t)(uintptr_t)arg);
    return NULL;
}

static void *record_on(void *arg)
{
    (void)arg;
    while (__atomic_load_n(&go_on, __ATOMIC_RELAXED))
        record_some(NULL);
    return NULL;
}

static char *temporary(char *name)
{
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    close(fd);
    return name;
}

static struct gos_convert_stats convert(const char *path)
{
    char output[] = "/tmp/gos-trace-out-XXXXXX";
    struct gos_convert_stats st = {0};
    const char *what = "";
    CHECK_OK(gos_trace_convert(path, temporary(output), &st, &what));
    unlink(output);
    return st;
}

CASE(a_file_gets_what_all_threads_record)
{
    char path[] = "/tmp/gos-trace-XXXXXX";
    struct gos_trace_config config = {.path = temporary(path), .records = 1024};
    pthread_t threads[THREADS];
    CHECK_OK(gos_trace_start(&config));
    CHECK_STATUS(gos_trace_start(&config), GOS_EBUSY);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, record_some, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(gos_trace_stop("{}"));
    CHECK_STATUS(gos_trace_stop(NULL), GOS_EINVAL);
    struct gos_convert_stats st = convert(path);
    CHECK_INT(st.records, ==, THREADS * EVENTS);
    CHECK_INT(st.lost, ==, 0);
    CHECK_INT(st.threads, ==, THREADS);
    unlink(path);
}

CASE(the_latest_are_saved_while_threads_go_on)
{
    char path[] = "/tmp/gos-trace-XXXXXX";
    struct gos_trace_config config = {.records = 1024};
    pthread_t threads[THREADS];
    temporary(path);
    CHECK_OK(gos_trace_start(&config));
    __atomic_store_n(&go_on, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, record_on, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gos_trace_save(path, NULL));
        CHECK_INT(convert(path).records, <=, THREADS * 1024);
    }
    __atomic_store_n(&go_on, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_OK(gos_trace_save(path, NULL));
    CHECK_INT(convert(path).records, ==, THREADS * 1024);
    CHECK_OK(gos_trace_stop(NULL));
    unlink(path);
}

static void yields(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        CHECK_OK(gos_yield());
}

CASE(tasklets_of_a_c_program)
{
    char path[] = "/tmp/gos-trace-XXXXXX";
    struct gos_trace_config config = {.path = temporary(path)};
    CHECK_OK(gos_sched_create(NULL));
    CHECK_OK(gos_trace_start(&config));
    uint32_t zone = gos_trace_string("zone", 4);
    CHECK_INT(gos_trace_string("zone", 4), ==, zone);
    gos_trace_zone_begin(zone);
    CHECK_OK(gos_spawn(yields, NULL, NULL));
    CHECK_OK(gos_spawn(yields, NULL, NULL));
    CHECK_OK(gos_run());
    gos_trace_zone_end(zone);
    gos_trace_counter(zone, 1.5);
    CHECK_OK(gos_trace_stop(NULL));
    struct gos_convert_stats st = convert(path);
    CHECK_INT(st.tasklets, ==, 3);
    CHECK_INT(st.events, >, 60);
    CHECK_OK(gos_sched_destroy());
    unlink(path);
}

CASE(files_that_are_none)
{
    const char *what = NULL;
    CHECK_STATUS(gos_trace_convert("/no/such/file", "/tmp/gos-none", NULL, &what), GOS_EIO);
    CHECK_STATUS(gos_trace_convert("/dev/null", "/tmp/gos-none", NULL, &what), GOS_EINVAL);
    CHECK(what != NULL);
    CHECK_STATUS(gos_trace_save("/tmp/gos-none", NULL), GOS_EINVAL);
    CHECK_INT(gos_trace_string("x", 1), ==, 0);
}
