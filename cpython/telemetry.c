/* telemetry.c - the thread that tells `gossamer ps` and `gossamer top` what this process does, over a Unix socket.
 *
 * The server is a C thread that never needs the GIL itself. For a report it asks another thread, which waits for the GIL and
 * calls the package's function; if that is not done in time, the report is made from outside (outside.c). A thread that still
 * waits for the GIL is left waiting: it is the only one, and later reports first see whether it has got it.
 *
 * Protocol: a request is a line, "ps LIMIT FRAMES", "outside LIMIT FRAMES" (without asking), or "threads". The answer is lines of
 * fields between tabs; names are escaped to ASCII, so that they hold neither tab nor newline. It ends with the line "end".
 *   gossamer 1 PID exact|outside
 *   thread IDENT CURRENT RUNNABLE SWITCHES EVICTIONS EVICTED BYTES WAITS HOLDS-THE-GIL
 *   name IDENT NAME; tasklet ADDRESS NAME IDENT STATE WAIT; its frames, each after two blanks; count STATE NUMBER
 *   more NUMBER; incomplete REASON
 *
 * Locking: `lock` guards the question; `running` and what belongs to it are the Python side's, under the GIL.
 */
#define _GNU_SOURCE
#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "compat/gil.h"

enum {
    CLIENTS = 16,
    LONGEST_REQUEST = 64,
    SERVER_STACK = 512 * 1024,
    ASKER_STACK = 1024 * 1024,
    PATIENCE_MS = 500,      /* how long to wait for the GIL and the report */
    WRITE_TIMEOUT_S = 5,
    MOST_FRAMES = 100,
};

struct request {
    unsigned limit;
    int frames;
};

/* ---- asking with the GIL ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static PyObject *reporter;          /* the package's function; set before the server starts */
static struct {
    int busy;
    struct request request;
    char *answer; /* malloc; NULL: there is none */
    size_t length;
} question;

static void ask_with_gil(void)
{
    PyObject *report = PyObject_CallFunction(reporter, "Ii", question.request.limit, question.request.frames);
    char *bytes = NULL;
    Py_ssize_t length = 0;
    if (report && PyBytes_Check(report) && (bytes = malloc((size_t)PyBytes_GET_SIZE(report) + 1)) != NULL) {
        length = PyBytes_GET_SIZE(report);
        memcpy(bytes, PyBytes_AS_STRING(report), (size_t)length);
    }
    Py_XDECREF(report);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(reporter);
    pthread_mutex_lock(&lock);
    question.answer = bytes;
    question.length = (size_t)length;
    pthread_mutex_unlock(&lock);
}

static void *asker(void *unused)
{
    (void)unused;
    prctl(PR_SET_NAME, "gossamer-ask");
    gosp_gil_hurry(PyInterpreterState_Main());
    PyGILState_STATE gil = PyGILState_Ensure();
    ask_with_gil();
    PyGILState_Release(gil);
    pthread_mutex_lock(&lock);
    question.busy = 0;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static int start(pthread_t *thread, size_t stack, int detached, void *(*body)(void *))
{
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all); /* signals are for threads that can handle them */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack);
    pthread_attr_setdetachstate(&attr, detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(thread, &attr, body, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static int wait_answered(const struct timespec *until)
{
    while (question.busy)
        if (pthread_cond_timedwait(&answered, &lock, until) == ETIMEDOUT)
            return !question.busy;
    return 1;
}

/* 1: the answer is appended to out. */
static int ask(const struct request *request, struct gosp_text *out)
{
    struct timespec until;
    pthread_t thread;
    int done = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&lock);
    if (wait_answered(&until)) { /* an earlier one may still be on its way */
        free(question.answer);
        question.answer = NULL;
        question.request = *request;
        question.busy = start(&thread, ASKER_STACK, 1, asker) == 0;
        done = question.busy && wait_answered(&until) && question.answer;
    }
    if (done)
        gosp_text_add(out, "%.*s", (int)question.length, question.answer);
    pthread_mutex_unlock(&lock);
    return done;
}

/* ---- the server ---- */

static struct {
    int running;
    int listening, wake[2]; /* descriptors; something in wake: end */
    pthread_t thread;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
} server;

static void report(const char *how, const struct request *request, struct gosp_text *out)
{
    gosp_peek peek;
    struct gosp_text tasklets = {NULL, 0, 0};
    int asks = strcmp(how, "ps") == 0, looks = strcmp(how, "threads") != 0;
    int exact = asks && ask(request, &tasklets);
    gosp_text_add(out, "gossamer\t1\t%d\t%s\n", (int)getpid(), exact ? "exact" : "outside");
    if (gosp_peek_open(&peek) == 0) {
        gosp_outside_threads(&peek, out);
        if (looks && !exact)
            gosp_outside_tasklets(&peek, request->limit, request->frames, out);
        gosp_peek_close(&peek);
    } else {
        gosp_text_add(out, "incomplete\tno file descriptors left\n");
    }
    if (exact)
        gosp_text_add(out, "%s", tasklets.bytes ? tasklets.bytes : "");
    gosp_text_add(out, "end\n");
    gosp_text_free(&tasklets);
}

/* 0: the client is to go. */
static int answer(int fd, const char *line)
{
    struct gosp_text out = {NULL, 0, 0};
    struct request request = {0, 0};
    char how[16];
    int n = sscanf(line, "%15s %u %d", how, &request.limit, &request.frames);
    if (n < 1 || (strcmp(how, "threads") != 0 && (n != 3 || (strcmp(how, "ps") != 0 && strcmp(how, "outside") != 0))))
        return 0;
    if (request.frames > MOST_FRAMES)
        request.frames = MOST_FRAMES;
    report(how, &request, &out);
    size_t sent = 0;
    while (sent < out.used) {
        ssize_t more = send(fd, out.bytes + sent, out.used - sent, MSG_NOSIGNAL);
        if (more <= 0)
            break;
        sent += (size_t)more;
    }
    int whole = sent == out.used && out.used > 0;
    gosp_text_free(&out);
    return whole;
}

static int hear(int fd)
{
    char line[LONGEST_REQUEST];
    ssize_t n = recv(fd, line, sizeof line - 1, MSG_DONTWAIT); /* a request is one piece: clients wait for the answer */
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    line[n] = 0;
    return line[n - 1] == '\n' && answer(fd, line);
}

/* The socket's mode keeps others away already; root may look at everything anyway. */
static int welcome(void)
{
    int fd = accept4(server.listening, NULL, NULL, SOCK_CLOEXEC);
    struct ucred peer;
    socklen_t size = sizeof peer;
    const struct timeval patience = {.tv_sec = WRITE_TIMEOUT_S};
    if (fd < 0) {
        const struct timespec pause = {.tv_nsec = 100000000}; /* without descriptors: it stays in line, do not spin */
        if (errno == EMFILE || errno == ENFILE)
            nanosleep(&pause, NULL);
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != geteuid() && peer.uid != 0) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *serve_all(void *unused)
{
    struct pollfd fds[2 + CLIENTS] = {{.fd = server.wake[0], .events = POLLIN}, {.fd = server.listening, .events = POLLIN}};
    nfds_t count = 2;
    (void)unused;
    prctl(PR_SET_NAME, "gossamer-look");
    for (;;) {
        fds[1].fd = count < 2 + CLIENTS ? server.listening : -1;
        if (poll(fds, count, -1) < 0)
            continue;
        if (fds[0].revents)
            break;
        for (nfds_t i = count; i-- > 2;) {
            if (fds[i].revents && !hear(fds[i].fd)) {
                close(fds[i].fd);
                fds[i] = fds[--count];
            }
        }
        if (fds[1].revents) {
            int fd = welcome();
            if (fd >= 0)
                fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    for (nfds_t i = 2; i < count; i++)
        close(fds[i].fd);
    return NULL;
}

static void close_all(void)
{
    close(server.listening);
    close(server.wake[0]);
    close(server.wake[1]);
}

/* ---- for the package ---- */

static void after_fork_in_child(void) /* the server stays with the parent */
{
    if (server.running)
        close_all();
    server.running = 0;
    question.busy = 0;
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&answered, NULL);
}

static int open_socket(const char *path, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int saved;
    memcpy(address.sun_path, path, length + 1);
    server.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server.listening < 0)
        return -1;
    /* Before bind, which gives its mode to the file: at no moment can others connect. */
    if (fchmod(server.listening, 0600) < 0 || bind(server.listening, (struct sockaddr *)&address, sizeof address) < 0) {
        saved = errno;
        close(server.listening);
        errno = saved;
        return -1;
    }
    memcpy(server.path, path, length + 1);
    if (chmod(path, 0600) < 0 || listen(server.listening, CLIENTS) < 0 || pipe2(server.wake, O_CLOEXEC) < 0) {
        saved = errno;
        unlink(path);
        close(server.listening);
        errno = saved;
        return -1;
    }
    return 0;
}

static PyObject *serve(PyObject *module, PyObject *args)
{
    static int has_handler;
    const char *path;
    Py_ssize_t length;
    PyObject *function;
    (void)module;
    if (!PyArg_ParseTuple(args, "y#O:_telemetry_serve", &path, &length, &function))
        return NULL;
    if (server.running) {
        PyErr_SetString(PyExc_RuntimeError, "telemetry is being served already");
        return NULL;
    }
    if ((size_t)length >= sizeof server.path || strlen(path) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "the path of a socket must be shorter than %zu bytes and free of null bytes", sizeof server.path);
        return NULL;
    }
    if (!has_handler && pthread_atfork(NULL, NULL, after_fork_in_child) != 0)
        return PyErr_NoMemory();
    has_handler = 1;
    if (open_socket(path, (size_t)length) < 0)
        return PyErr_SetFromErrnoWithFilename(PyExc_OSError, path);
    Py_XSETREF(reporter, Py_NewRef(function));
    int rc = start(&server.thread, SERVER_STACK, 0, serve_all);
    if (rc != 0) {
        unlink(path);
        close_all();
        errno = rc;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    server.running = 1;
    Py_RETURN_NONE;
}

void gosp_telemetry_stop(void)
{
    if (!server.running)
        return;
    server.running = 0;
    unlink(server.path);
    Py_BEGIN_ALLOW_THREADS
    while (write(server.wake[1], "", 1) < 0 && errno == EINTR)
        ;
    pthread_join(server.thread, NULL);
    pthread_mutex_lock(&lock); /* whoever waits for the GIL must have it before the interpreter goes down */
    while (question.busy)
        pthread_cond_wait(&answered, &lock);
    pthread_mutex_unlock(&lock);
    Py_END_ALLOW_THREADS
    close_all();
}

static PyObject *stop(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    gosp_telemetry_stop();
    Py_RETURN_NONE;
}

static PyObject *path_of(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return server.running ? PyBytes_FromString(server.path) : Py_NewRef(Py_None);
}

PyMethodDef gosp_telemetry_functions[] = {
    {"_telemetry_serve", serve, METH_VARARGS,
     "_telemetry_serve($module, path, report, /)\n--\n\nTell who connects to the socket what the tasklets do; report(limit, frames)\n"
     "is called on a thread of its own. See gossamer.telemetry.serve."},
    {"_telemetry_stop", stop, METH_NOARGS, "_telemetry_stop($module, /)\n--\n\nEnd that, if it is done."},
    {"_telemetry_path", path_of, METH_NOARGS, "_telemetry_path($module, /)\n--\n\nThe socket, or None."},
    {NULL},
};
