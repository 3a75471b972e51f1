/* The rule for errors of single sockets, and transfers through a platform that lies: nothing is lost, nobody waits for ever. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gossamer/embed.h"
#include "poll/faults.h"
#include "poll/poll.h"
#include "runner.h"

enum { BLOCK = 300 };

static const struct gosi_platform *platform(void)
{
    return gosi_platform_get();
}

static uint32_t mix(uint32_t sum, unsigned char byte)
{
    return sum * 16777619u ^ byte;
}

static void open_pair(int fds[2])
{
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

/* ---- gosi_poll ---- */

static int next_error, call_count, guilty = -1;

static int failing_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ns)
{
    call_count++;
    for (nfds_t i = 0; i < n; i++)
        if (next_error && (guilty < 0 || fds[i].fd == guilty))
            return -next_error;
    return gosi_platform_native.poll(fds, n, timeout_ns);
}

static void fail_with(int error, int fd)
{
    static struct gosi_platform failing;
    failing = gosi_platform_native;
    failing.poll = failing_poll;
    next_error = error;
    guilty = fd;
    call_count = 0;
    gosi_platform_set(&failing);
}

CASE(real_failures_are_reported)
{
    static const int real[] = {EBADF, EINVAL, ENOMEM, EFAULT};
    struct pollfd one = {.fd = 0, .events = POLLIN};
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        fail_with(real[i], -1);
        CHECK_INT(gosi_poll(&one, 1, 0), ==, -real[i]);
        CHECK_INT(call_count, ==, 1);
    }
    fail_with(EINTR, -1);
    CHECK_INT(gosi_poll(&one, 1, 0), ==, -EINTR);
}

CASE(the_error_of_one_socket_is_its_own)
{
    static const int errors[] = {ECONNRESET, ECONNREFUSED, EPIPE, ENOTCONN, ETIMEDOUT};
    int a[2], b[2], c[2];
    open_pair(a);
    open_pair(b);
    open_pair(c);
    CHECK_INT(send(c[1], "x", 1, 0), ==, 1);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct pollfd fds[4] = {{.fd = a[0], .events = POLLIN}, {.fd = b[0], .events = POLLIN},
                                {.fd = -1, .events = POLLIN, .revents = POLLIN}, {.fd = c[0], .events = POLLIN}};
        fail_with(errors[i], b[0]);
        CHECK_INT(gosi_poll(fds, 4, -1), ==, 2);
        CHECK_INT(fds[0].revents, ==, 0);
        CHECK_INT(fds[1].revents, ==, POLLERR); /* its owner asks, and is told */
        CHECK_INT(fds[3].revents, ==, POLLIN);
    }
}

CASE(a_missing_call_is_told)
{
    struct gosi_platform bare = {.name = "bare"};
    struct pollfd one = {.fd = 0, .events = POLLIN};
    gosi_platform_set(&bare);
    CHECK_INT(gosi_poll(&one, 1, 0), ==, -ENOSYS);
    CHECK_INT(GOSI_PLATFORM(accept, 0, NULL, NULL), ==, -ENOSYS);
    CHECK_OK(gos_sched_create(NULL));
    struct gos_poll_fd fd = {.fd = 0, .events = GOS_POLL_IN};
    int error = 0;
    CHECK_STATUS(gos_poll_wait(gos_current()->sched, &fd, 1, 0, GOS_FOREVER, &error), GOS_ENOTSUP);
    CHECK_INT(error, ==, ENOSYS);
    CHECK_OK(gos_sched_destroy());
}

/* ---- transfers ---- */

struct stream {
    int fds[2];
    int64_t bytes, sent, got;
    uint32_t sent_sum, got_sum;
};

static void wait_ready(int fd, unsigned events)
{
    struct gos_poll_fd one = {.fd = fd, .events = (uint16_t)events};
    CHECK_OK(gos_poll_wait(gos_current()->sched, &one, 1, 1, GOS_FOREVER, NULL));
    gos_settle(gos_current()->sched);
}

static void sender(void *arg)
{
    struct stream *st = arg;
    unsigned char block[BLOCK];
    while (st->sent < st->bytes) {
        size_t n = (size_t)(st->bytes - st->sent < BLOCK ? st->bytes - st->sent : BLOCK);
        for (size_t i = 0; i < n; i++)
            block[i] = (unsigned char)((st->sent + (int64_t)i) * 31 >> 3);
        ssize_t rc = platform()->send(st->fds[1], block, n, 0);
        if (rc > 0) {
            for (ssize_t i = 0; i < rc; i++)
                st->sent_sum = mix(st->sent_sum, block[i]);
            st->sent += rc;
        } else if (rc == -EAGAIN) {
            wait_ready(st->fds[1], GOS_POLL_OUT);
        } else if (rc == -ENOBUFS) {
            CHECK_OK(gos_yield());
        } else {
            REQUIRE(rc == -EINTR);
        }
    }
    shutdown(st->fds[1], SHUT_WR); /* half closed */
}

static void receiver(void *arg)
{
    struct stream *st = arg;
    unsigned char block[BLOCK];
    for (;;) {
        ssize_t rc = platform()->recv(st->fds[0], block, sizeof block, 0);
        if (rc == 0)
            return;
        if (rc == -EAGAIN) {
            wait_ready(st->fds[0], GOS_POLL_IN);
        } else if (rc != -EINTR) {
            REQUIRE(rc > 0);
            for (ssize_t i = 0; i < rc; i++)
                st->got_sum = mix(st->got_sum, block[i]);
            st->got += rc;
        }
    }
}

static uint64_t seen[GOSI_FAULT_KINDS]; /* over all transfers */

static uint64_t transfer(int streams, int64_t bytes, uint64_t seed, int edges)
{
    static struct stream all[32];
    uint64_t injected = 0;
    gosi_faults_start(seed, 300, UINT64_MAX, edges);
    CHECK_OK(gos_sched_create(NULL));
    for (int i = 0; i < streams; i++) {
        all[i] = (struct stream){.bytes = bytes};
        open_pair(all[i].fds);
        CHECK_OK(gos_spawn(sender, &all[i], NULL));
        CHECK_OK(gos_spawn(receiver, &all[i], NULL));
    }
    CHECK_OK(gos_run());
    for (int i = 0; i < streams; i++) {
        CHECK_INT(all[i].sent, ==, bytes);
        CHECK_INT(all[i].got, ==, bytes);
        CHECK_INT(all[i].sent_sum, ==, all[i].got_sum);
        CHECK_OK(gos_poll_close(gos_current()->sched, all[i].fds[0]));
        CHECK_OK(gos_poll_close(gos_current()->sched, all[i].fds[1]));
        close(all[i].fds[0]);
        close(all[i].fds[1]);
    }
    CHECK_OK(gos_sched_destroy());
    for (int i = 0; i < GOSI_FAULT_KINDS; i++) {
        injected += gosi_fault_count(i);
        seen[i] += gosi_fault_count(i);
    }
    gosi_faults_stop();
    return injected;
}

CASE_LIMIT(a_transfer_through_epoll_that_lies, 60)
{
    gosi_poller_prefer(&gosi_poll_epoll);
    uint64_t injected = 0;
    for (uint64_t seed = 1; injected < (uint64_t)(60000 / test_slowness()); seed++)
        injected += transfer(8, 200000, seed, 1);
    for (int i = GOSI_FAULT_RECV_EINTR; i <= GOSI_FAULT_SEND_ENOBUFS; i++)
        CHECK_INT(seen[i], >, 0);
}

CASE_LIMIT(a_transfer_through_poll_that_lies, 60)
{
    gosi_poller_prefer(&gosi_poll_plain);
    uint64_t injected = 0;
    for (uint64_t seed = 1; injected < (uint64_t)(60000 / test_slowness()); seed++)
        injected += transfer(8, 200000, seed, 0);
    for (int i = GOSI_FAULT_POLL_EINTR; i <= GOSI_FAULT_POLL_COUNT; i++)
        CHECK_INT(seen[i], >, 0);
}
