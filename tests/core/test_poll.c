/* Waiting for descriptors: both back ends, who is woken, closing, killing, deadlines, threads, forks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gossamer/embed.h"
#include "poll/poll.h"
#include "runner.h"

#define BOTH(name)                                                                               \
    static void name(void);                                                                      \
    CASE(name##_epoll) { gosi_poller_prefer(&gosi_poll_epoll); name(); }                         \
    CASE(name##_poll) { gosi_poller_prefer(&gosi_poll_plain); name(); }                          \
    static void name(void)

static int pair[2];
static char text[256];
static size_t used;

static void note(char c)
{
    REQUIRE(used + 1 < sizeof text);
    text[used++] = c;
    text[used] = 0;
}

static void open_pair(int fds[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void begin(void)
{
    used = 0;
    text[0] = 0;
    open_pair(pair);
    CHECK_OK(gos_sched_create(NULL));
}

static void finish(void)
{
    gos_sched *s = gos_current()->sched;
    CHECK_INT(s->expected, ==, 0);
    CHECK_INT(s->poller ? s->poller->waits : 0, ==, 0);
    CHECK_OK(gos_sched_destroy());
    close(pair[0]);
    close(pair[1]);
}

static int wait_for(int fd, unsigned events, int owned, int64_t deadline_ns, unsigned *ready)
{
    struct gos_poll_fd one = {.fd = fd, .events = (uint16_t)events};
    int rc = gos_poll_wait(gos_current()->sched, &one, 1, owned, deadline_ns, NULL);
    gos_settle(gos_current()->sched);
    if (ready)
        *ready = one.ready;
    return rc;
}

struct reader {
    int fd, owned, expected;
    int64_t deadline_ns;
    char name;
};

static void reads(void *arg)
{
    struct reader *r = arg;
    char c;
    for (;;) {
        ssize_t n = recv(r->fd, &c, 1, 0);
        if (n > 0) {
            note(r->name);
            note(c);
            return;
        }
        if (n == 0) {
            note('0');
            return;
        }
        REQUIRE(errno == EAGAIN);
        int rc = wait_for(r->fd, GOS_POLL_IN, r->owned, r->deadline_ns, NULL);
        if (rc != GOS_OK) {
            CHECK_STATUS(rc, r->expected);
            note('!');
            return;
        }
    }
}

static void writes(void *arg)
{
    for (const char *c = arg; *c; c++) {
        CHECK_INT(send(pair[1], c, 1, 0), ==, 1);
        CHECK_OK(gos_yield());
    }
}

BOTH(a_reader_waits_for_a_writer)
{
    begin();
    struct reader r = {pair[0], 0, GOS_OK, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_spawn(writes, "x", NULL));
    CHECK_OK(gos_run());
    CHECK_STR(text, "Ax");
    finish();
}

BOTH(many_rounds_on_one_registration)
{
    begin();
    for (int i = 0; i < 100; i++) {
        struct reader r = {pair[0], 1, GOS_OK, GOS_FOREVER, 'A'};
        used = 0;
        CHECK_OK(gos_spawn(reads, &r, NULL));
        CHECK_OK(gos_yield());
        CHECK_OK(gos_spawn(writes, "y", NULL));
        CHECK_OK(gos_run());
        CHECK_STR(text, "Ay");
    }
    finish();
}

BOTH(several_readers_in_the_order_of_coming)
{
    begin();
    struct reader r[3] = {{pair[0], 1, GOS_OK, GOS_FOREVER, 'A'}, {pair[0], 1, GOS_OK, GOS_FOREVER, 'B'},
                          {pair[0], 1, GOS_OK, GOS_FOREVER, 'C'}};
    for (int i = 0; i < 3; i++)
        CHECK_OK(gos_spawn(reads, &r[i], NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(gos_current()->sched->poller->waits, ==, 3);
    CHECK_INT(send(pair[1], "xyz", 3, 0), ==, 3);
    CHECK_OK(gos_run());
    CHECK_STR(text, "AxByCz");
    finish();
}

static void waits_to_write(void *arg)
{
    unsigned ready;
    CHECK_OK(wait_for(*(int *)arg, GOS_POLL_OUT, 1, GOS_FOREVER, &ready));
    CHECK(ready & GOS_POLL_OUT);
    note('W');
}

BOTH(a_reader_and_a_writer_of_one_socket)
{
    char block[4096] = {0};
    begin();
    ssize_t n, sent = 0, got = 0;
    while ((n = send(pair[0], block, sizeof block, 0)) > 0)
        sent += n;
    struct reader r = {pair[0], 1, GOS_OK, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_spawn(waits_to_write, &pair[0], NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(gos_current()->sched->poller->waits, ==, 2);
    while ((n = recv(pair[1], block, sizeof block, 0)) > 0)
        got += n;
    CHECK_INT(got, ==, sent);
    while (used < 1)
        CHECK_OK(gos_sleep_until(gos_now() + 1000000));
    CHECK_STR(text, "W"); /* the reader sleeps on */
    CHECK_INT(send(pair[1], "x", 1, 0), ==, 1);
    CHECK_OK(gos_run());
    CHECK_STR(text, "WAx");
    finish();
}

BOTH(a_deadline)
{
    begin();
    int64_t until = gos_now() + 3000000;
    CHECK_STATUS(wait_for(pair[0], GOS_POLL_IN, 0, until, NULL), GOS_ETIMEDOUT);
    CHECK_INT(gos_now(), >=, until);
    CHECK_STATUS(wait_for(pair[0], GOS_POLL_IN, 0, 0, NULL), GOS_ETIMEDOUT);
    finish();
}

BOTH(killing_who_waits)
{
    begin();
    gos_tasklet *t;
    struct reader r = {pair[0], 1, GOS_ECANCELED, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, &t));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_tasklet_kill(t));
    CHECK_OK(gos_run());
    CHECK_STR(text, "!");
    gos_tasklet_unref(t);
    finish();
}

BOTH(closing_wakes_the_blocked)
{
    begin();
    struct reader r[2] = {{pair[0], 1, GOS_ECLOSED, GOS_FOREVER, 'A'}, {pair[0], 1, GOS_ECLOSED, GOS_FOREVER, 'B'}};
    CHECK_OK(gos_spawn(reads, &r[0], NULL));
    CHECK_OK(gos_spawn(reads, &r[1], NULL));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_poll_close(gos_current()->sched, pair[0]));
    CHECK_OK(gos_run());
    CHECK_STR(text, "!!");
    CHECK_STATUS(gos_poll_close(NULL, -1), GOS_EINVAL);
    finish();
}

BOTH(the_peer_goes)
{
    begin();
    struct reader r = {pair[0], 1, GOS_OK, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_yield());
    shutdown(pair[1], SHUT_RDWR);
    CHECK_OK(gos_run());
    CHECK_STR(text, "0");
    finish();
}

BOTH(a_number_that_is_used_again)
{
    begin();
    struct reader r = {pair[0], 0, GOS_OK, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_spawn(writes, "x", NULL));
    CHECK_OK(gos_run());
    int fresh[2];
    open_pair(fresh);
    CHECK_INT(dup2(fresh[0], pair[0]), ==, pair[0]); /* without a word to the poller */
    CHECK_INT(dup2(fresh[1], pair[1]), ==, pair[1]);
    close(fresh[0]);
    close(fresh[1]);
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_yield());
    CHECK_OK(gos_spawn(writes, "y", NULL));
    CHECK_OK(gos_run());
    CHECK_STR(text, "AxAy");
    finish();
}

BOTH(a_file_is_always_ready)
{
    begin();
    unsigned ready;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_OK(wait_for(fd, GOS_POLL_IN, 0, GOS_FOREVER, &ready));
    CHECK_INT(ready & GOS_POLL_IN, ==, GOS_POLL_IN);
    close(fd);
    finish();
}

BOTH(one_of_several)
{
    begin();
    int more[2];
    open_pair(more);
    struct gos_poll_fd fds[4] = {{.fd = pair[0], .events = GOS_POLL_IN}, {.fd = -1, .events = GOS_POLL_IN},
                                 {.fd = more[0], .events = GOS_POLL_IN}, {.fd = more[0], .events = GOS_POLL_PRI}};
    CHECK_STATUS(gos_poll_wait(gos_current()->sched, fds, 4, 0, gos_now() + 1000000, NULL), GOS_ETIMEDOUT);
    CHECK_INT(send(more[1], "x", 1, 0), ==, 1);
    CHECK_OK(gos_poll_wait(gos_current()->sched, fds, 4, 0, GOS_FOREVER, NULL));
    CHECK_INT(fds[0].ready, ==, 0);
    CHECK_INT(fds[2].ready, ==, GOS_POLL_IN);
    CHECK_INT(fds[3].ready, ==, 0);
    close(more[0]);
    close(more[1]);
    finish();
}

static void yields(void *arg)
{
    while (!*(volatile int *)arg)
        CHECK_OK(gos_yield());
}

static void reads_and_stops(void *arg)
{
    struct reader r = {pair[0], 1, GOS_OK, GOS_FOREVER, 'A'};
    reads(&r);
    *(int *)arg = 1;
}

BOTH(busy_tasklets_do_not_starve_a_reader)
{
    begin();
    int done = 0;
    CHECK_OK(gos_spawn(reads_and_stops, &done, NULL));
    CHECK_OK(gos_spawn(yields, &done, NULL));
    CHECK_OK(gos_spawn(yields, &done, NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(send(pair[1], "x", 1, 0), ==, 1);
    CHECK_OK(gos_run());
    CHECK_STR(text, "Ax");
    finish();
}

/* ---- other threads ---- */

static gos_channel *shared;

static void *other_thread(void *arg)
{
    (void)arg;
    CHECK_OK(gos_sched_create(NULL));
    gos_outside_end();
    for (intptr_t i = 1; i <= 300; i++) {
        CHECK_OK(gos_send(shared, (void *)i, GOS_FOREVER));
        if (i % 3 == 0)
            CHECK_OK(gos_sleep_until(gos_now() + 100000)); /* so that the other one falls asleep */
    }
    CHECK_OK(gos_poll_close(gos_current()->sched, pair[0]));
    CHECK_OK(gos_sched_destroy());
    return NULL;
}

static void receives(void *arg)
{
    void *value;
    for (intptr_t i = 1; i <= 300; i++) {
        CHECK_OK(gos_receive(shared, &value, GOS_FOREVER));
        CHECK_INT((intptr_t)value, ==, i);
    }
    *(int *)arg = 1;
}

BOTH(messages_wake_a_thread_that_sleeps_in_its_poller)
{
    begin();
    pthread_t thread;
    int done = 0;
    struct reader r = {pair[0], 1, GOS_ECLOSED, GOS_FOREVER, 'A'};
    CHECK_OK(gos_channel_create_shared(0, &shared));
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_spawn(receives, &done, NULL));
    CHECK_OK(gos_yield());
    gos_outside_begin();
    REQUIRE(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    CHECK_OK(gos_run_to_end());
    CHECK_INT(done, ==, 1);
    CHECK_STR(text, "!"); /* the other thread has closed it */
    pthread_join(thread, NULL);
    CHECK_OK(gos_channel_destroy(shared));
    finish();
}

BOTH(the_child_of_a_fork_has_a_poller_of_its_own)
{
    begin();
    struct reader r = {pair[0], 1, GOS_OK, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_yield());
    pid_t child = fork();
    if (child == 0) {
        struct reader own = {0, 1, GOS_OK, GOS_FOREVER, 'C'};
        int fds[2];
        open_pair(fds);
        own.fd = fds[0];
        CHECK_OK(gos_spawn(reads, &own, NULL));
        CHECK_OK(gos_yield());
        CHECK_INT(send(fds[1], "z", 1, 0), ==, 1);
        while (used < 2)
            CHECK_OK(gos_sleep_until(gos_now() + 1000000));
        _exit(strcmp(text, "Cz") != 0);
    }
    int status = -1;
    CHECK_INT(waitpid(child, &status, 0), ==, child);
    CHECK_INT(status, ==, 0);
    CHECK_OK(gos_spawn(writes, "x", NULL)); /* the parent's has not changed */
    CHECK_OK(gos_run());
    CHECK_STR(text, "Ax");
    finish();
}

CASE(somebody_closes_the_poller_itself)
{
    gosi_poller_prefer(&gosi_poll_epoll);
    begin();
    struct reader r = {pair[0], 1, GOS_OK, GOS_FOREVER, 'A'};
    CHECK_OK(gos_spawn(reads, &r, NULL));
    CHECK_OK(gos_yield());
    CHECK_INT(close(gos_current()->sched->poller->fd), ==, 0);
    CHECK_OK(gos_sleep_until(gos_now() + 1000000)); /* finds it, and opens another */
    CHECK_INT(send(pair[1], "x", 1, 0), ==, 1);
    CHECK_OK(gos_run());
    CHECK_STR(text, "Ax");
    finish();
}

CASE(a_scheduler_can_go_and_come_again)
{
    for (int i = 0; i < 3; i++) {
        begin();
        CHECK_STATUS(wait_for(pair[0], GOS_POLL_IN, 0, gos_now() + 100000, NULL), GOS_ETIMEDOUT);
        finish();
    }
    int fd = dup(0); /* the lowest number that is free: nothing has been left open */
    CHECK_INT(fd, <, 8);
    close(fd);
}

BOTH(many_descriptors)
{
    enum { MOST = 200 };
    static int fds[MOST][2];
    static struct reader r[MOST];
    begin();
    for (int i = 0; i < MOST; i++) {
        open_pair(fds[i]);
        r[i] = (struct reader){fds[i][0], 1, GOS_OK, GOS_FOREVER, 'A'};
        CHECK_OK(gos_spawn(reads, &r[i], NULL));
    }
    CHECK_OK(gos_yield());
    CHECK_INT(gos_current()->sched->poller->waits, ==, MOST);
    for (int i = 0; i < MOST; i++) {
        used = 0;
        CHECK_INT(send(fds[i * 7 % MOST][1], "q", 1, 0), ==, 1);
        while (!used)
            CHECK_OK(gos_sleep_until(gos_now() + 10000));
        CHECK_STR(text, "Aq");
    }
    CHECK_OK(gos_run());
    for (int i = 0; i < MOST; i++) {
        CHECK_OK(gos_poll_close(gos_current()->sched, fds[i][0]));
        close(fds[i][0]);
        close(fds[i][1]);
    }
    finish();
}
