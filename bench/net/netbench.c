/* netbench.c - for bench/net.py: a load generator, and the plain epoll server that is the yardstick.
 *
 *     netbench serve                            prints its port, answers every read with ANSWER
 *     netbench load PORT CONNECTIONS SECONDS    each connection asks, waits for the answer, asks again; prints JSON
 *     netbench idle PORT CONNECTIONS            one question on each, prints "ready", keeps them open until its input ends
 *
 * One thread each; 127.0.0.1. Any failure ends the program with a sentence.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static const char QUESTION[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
enum { ANSWER_SIZE = sizeof ANSWER - 1, QUESTION_SIZE = sizeof QUESTION - 1, EVENTS = 256, SAMPLES = 1 << 22 };

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void watch(int ep, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

/* ---- the server ---- */

static void accept_all(int ep, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        watch(ep, fd, EPOLLIN);
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept4");
}

static void answer(int fd)
{
    static char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        close(fd);
    else if (n > 0 && send(fd, ANSWER, ANSWER_SIZE, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
        die("send");
}

static _Noreturn void serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct epoll_event events[EVENTS];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);
    if (listener < 0 || ep < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0)
        die("listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(ep, listener, EPOLLIN);
    for (;;) {
        int n = epoll_wait(ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == listener)
                accept_all(ep, listener);
            else
                answer(events[i].data.fd);
    }
}

/* ---- the load ---- */

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void ask(int fd)
{
    if (send(fd, QUESTION, QUESTION_SIZE, MSG_NOSIGNAL) != QUESTION_SIZE)
        die("send");
}

/* Whether the answer is complete; got: how much of it there was before. */
static int read_answer(int fd, int *got)
{
    char bytes[ANSWER_SIZE];
    ssize_t n = recv(fd, bytes, (size_t)(ANSWER_SIZE - *got), 0);
    if (n <= 0)
        die("the server has closed a connection");
    if (memcmp(bytes, ANSWER + *got, (size_t)n) != 0) {
        fprintf(stderr, "the answer is wrong\n");
        exit(1);
    }
    *got = (*got + (int)n) % ANSWER_SIZE;
    return *got == 0;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void load(int port, int connections, double seconds)
{
    struct epoll_event events[EVENTS];
    int ep = epoll_create1(0), highest = 0, *fds = calloc((size_t)connections, sizeof *fds);
    uint32_t *samples = calloc(SAMPLES, sizeof *samples);
    int64_t count = 0;
    if (!fds || !samples || ep < 0)
        die("memory");
    for (int i = 0; i < connections; i++) {
        fds[i] = connect_to(port);
        watch(ep, fds[i], EPOLLIN);
        highest = fds[i] > highest ? fds[i] : highest;
    }
    int64_t *asked = calloc((size_t)highest + 1, sizeof *asked), begun = now_ns(), end = begun + (int64_t)(seconds * 1e9), now = begun;
    int *got = calloc((size_t)highest + 1, sizeof *got);
    if (!asked || !got)
        die("memory");
    for (int i = 0; i < connections; i++) {
        asked[fds[i]] = now_ns();
        ask(fds[i]);
    }
    for (int under_way = connections; under_way;) {
        int n = epoll_wait(ep, events, EVENTS, 5000);
        if (n == 0) {
            fprintf(stderr, "no answer for five seconds\n");
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (!read_answer(fd, &got[fd]))
                continue;
            now = now_ns();
            samples[count++ % SAMPLES] = (uint32_t)((now - asked[fd]) / 100);
            asked[fd] = now;
            if (now < end)
                ask(fd);
            else
                under_way--;
        }
    }
    size_t kept = (size_t)(count < SAMPLES ? count : SAMPLES);
    qsort(samples, kept, sizeof *samples, by_size);
    printf("{\"requests\": %lld, \"seconds\": %.3f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n", (long long)count,
           (double)(now - begun) / 1e9, samples[kept / 2] / 10.0, samples[kept * 99 / 100] / 10.0, samples[kept * 999 / 1000] / 10.0,
           samples[kept - 1] / 10.0);
}

static void idle(int port, int connections)
{
    for (int i = 0; i < connections; i++) {
        int fd = connect_to(port), got = 0;
        ask(fd);
        while (!read_answer(fd, &got))
            ;
    }
    printf("ready\n");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    if (argc == 5 && strcmp(argv[1], "load") == 0)
        return load(atoi(argv[2]), atoi(argv[3]), atof(argv[4])), 0;
    if (argc == 4 && strcmp(argv[1], "idle") == 0)
        return idle(atoi(argv[2]), atoi(argv[3])), 0;
    fprintf(stderr, "netbench serve | load PORT CONNECTIONS SECONDS | idle PORT CONNECTIONS\n");
    return 2;
}
