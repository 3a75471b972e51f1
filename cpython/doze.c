/* doze.c - how a thread sleeps with the GIL released, until it is rung, a deadline passes or a signal is to be handled.
 *
 * Most threads just wait at their bell. The one that runs signal handlers must not overlook a signal that comes when it
 * has looked for the last time and does not sleep yet, nor one that another thread's C handler takes. CPython writes a
 * byte to a descriptor for each, if it is told one; so that thread waits in poll() with that descriptor beside its bell.
 * As this costs a little more, and partners answer soon, it does so only when it has waited at the bell for a moment.
 * While tasklets of it wait for descriptors, the poller's own descriptor stands for the bell, which is one of its.
 * Locking: the GIL; all of it belongs to the main thread.
 */
#include "record.h"

#include "compat/gil.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int64_t moment_ns = 5000000;

/* Of this process: a child of fork makes its own, so that it does not wake its parent. */
static struct {
    pid_t pid;
    int bell;       /* an eventfd */
    int pipe[2];    /* signals: CPython's handler writes, we read */
    PyObject *set_wakeup_fd; /* the function of signal; there is none for C on all versions */
} own = {.bell = -1, .pipe = {-1, -1}};

static void close_all(void)
{
    int *all[] = {&own.bell, &own.pipe[0], &own.pipe[1]};
    for (int i = 0; i < 3; i++) {
        if (*all[i] >= 0)
            close(*all[i]);
        *all[i] = -1;
    }
}

static int open_all(gos_bell *bell)
{
    if (own.pid == getpid()) {
        if (bell->fd < 0)
            bell->fd = own.bell;
        return 0;
    }
    if (bell->fd == own.bell) /* else it is a poller's */
        bell->fd = -1;
    close_all();
    PyObject *module = own.set_wakeup_fd ? NULL : PyImport_ImportModule("_signal");
    if (module)
        own.set_wakeup_fd = PyObject_GetAttrString(module, "set_wakeup_fd");
    Py_XDECREF(module);
    if (!own.set_wakeup_fd) {
        PyErr_Clear();
        return -1;
    }
    own.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (own.bell < 0 || pipe2(own.pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
        close_all();
        return -1;
    }
    own.pid = getpid();
    if (bell->fd < 0)
        bell->fd = own.bell;
    return 0;
}

/* Where CPython writes a byte for each signal; returns where it did so before. NOWHERE: it could not be set. */
enum { NOWHERE = -1 };

static int write_signals_to(int fd)
{
    PyObject *before = PyObject_CallFunction(own.set_wakeup_fd, "i", fd);
    int old = before ? (int)PyLong_AsLong(before) : NOWHERE;
    Py_XDECREF(before);
    if (before)
        return old;
    PyErr_Clear();
    if (fd != NOWHERE) /* it has been closed */
        (void)write_signals_to(NOWHERE);
    return NOWHERE;
}

/* What has come there meanwhile, for the one whose descriptor it is otherwise (asyncio's, for one). */
static void pass_on_signals(int others)
{
    unsigned char numbers[64];
    ssize_t n;
    while ((n = read(own.pipe[0], numbers, sizeof numbers)) > 0)
        if (others >= 0 && write(others, numbers, (size_t)n) < 0)
            others = -1; /* full: it will be woken anyway */
}

static void poll_until(int descriptor, int64_t deadline_ns)
{
    struct pollfd fds[] = {{.fd = descriptor, .events = POLLIN}, {.fd = own.pipe[0], .events = POLLIN}};
    struct timespec left = {0};
    if (deadline_ns != GOS_FOREVER) {
        int64_t ns = deadline_ns - gos_now();
        if (ns > 0)
            left = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    }
    (void)ppoll(fds, 2, deadline_ns == GOS_FOREVER ? NULL : &left, NULL);
}

/* -1 with the exception of a signal handler. */
static int sleep_for_signals(gosp_thread *th, int poller, int64_t deadline_ns)
{
    gos_bell *bell = &th->sched.bell;
    int others = write_signals_to(own.pipe[1]);
    int rc = PyErr_CheckSignals(); /* those that came before; from here on they go to the pipe */
    int still = write_signals_to(own.pipe[1]);
    if (still != own.pipe[1]) /* a handler has set another */
        others = still;
    if (rc == 0 && !th->sched.head && gos_bell_poll_begin(bell)) {
        GOSP_BEGIN_ALLOW_THREADS
        poll_until(poller >= 0 ? poller : bell->fd, deadline_ns);
        gos_bell_poll_end(bell);
        if (poller >= 0)
            gos_sched_doze(&th->sched, 0); /* gathers what has come */
        GOSP_END_ALLOW_THREADS
    }
    write_signals_to(others);
    pass_on_signals(others);
    return rc;
}

/* Who rings has the GIL, and gives it up soon, if it is a partner that will wait for an answer. */
static void let_ringer_finish(gos_bell *bell)
{
    if (!bell->patience)
        return;
    int64_t begin = gos_now();
    while (!gosp_gil_is_free() && gos_bell_give_way(bell, begin))
        ;
}

static void sleep_at_bell(gos_sched *s, int64_t deadline_ns)
{
    GOSP_BEGIN_ALLOW_THREADS
    gos_sched_doze(s, deadline_ns);
    let_ringer_finish(&s->bell);
    GOSP_END_ALLOW_THREADS
}

/* A back end without a descriptor of its own is slept in, where only a signal that comes meanwhile ends the sleep. */
static int waits_for_descriptors(gos_sched *s)
{
    return s->poller && s->poller_calls->waits(s);
}

int gosp_doze(gosp_thread *th, int64_t deadline_ns)
{
    int64_t moment = gos_now() + moment_ns;
    if (deadline_ns <= moment || !gosp_handles_signals()) {
        sleep_at_bell(&th->sched, deadline_ns);
        return 0;
    }
    if (!th->sleeps_long) {
        sleep_at_bell(&th->sched, moment);
        th->sleeps_long = !th->sched.head && gos_now() >= moment;
        return 0;
    }
    th->sleeps_long = 0;
    int poller = gos_poll_descriptor(&th->sched);
    if ((poller < 0 && waits_for_descriptors(&th->sched)) || open_all(&th->sched.bell) < 0) {
        sleep_at_bell(&th->sched, deadline_ns);
        return 0;
    }
    return sleep_for_signals(th, poller, deadline_ns);
}
