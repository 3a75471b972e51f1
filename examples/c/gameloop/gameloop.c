/* gameloop.c - a host in C with sixty frames a second that gives its tasklets, in Python, two milliseconds of each.
 *
 * The tasklets of game.py think of nobody: one of them calculates for ever. PyStackless_RunBudget gives control back
 * nevertheless, and the frame is drawn in time. At the end the program reports how long Python has had in each frame.
 *
 *     gameloop [--frames N] [--budget-us N] [--slack-us N]
 *
 * With --slack-us the exit status is 1 if Python had more than the budget and so much in any frame. On a machine that is idle,
 * 1000 is enough; the rest is up to the operating system.
 * Environment: GAMELOOP_PYTHON is the interpreter (of a virtual environment) whose packages are used.
 */
#include <Python.h>

#include <stackless_api.h>
#include <time.h>

enum { FRAME_US = 1000000 / 60 };

static struct {
    long frames, budget_us, slack_us;
} options = {.frames = 180, .budget_us = 2000, .slack_us = -1};

static struct {
    long interrupted, over, late;
    long long python_us, longest_us;
} seen;

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Everybody who is runnable gets on, for the budget. 0, or -1 with an exception that has ended a tasklet. */
static int run_tasklets(void)
{
    long long start = now_us();
    PyObject *interrupted = PyStackless_RunBudget(0, options.budget_us, 0);
    long long took = now_us() - start;
    seen.python_us += took;
    if (took > seen.longest_us)
        seen.longest_us = took;
    if (options.slack_us >= 0 && took > options.budget_us + options.slack_us)
        seen.over++;
    if (!interrupted)
        return -1;
    int rc = 0;
    if (interrupted != Py_None) { /* it goes on in the next frame, behind the others */
        seen.interrupted++;
        rc = PyTasklet_Insert((PyTaskletObject *)interrupted);
    }
    Py_DECREF(interrupted);
    return rc;
}

/* What a game does besides: here, a little arithmetic. */
static void draw_frame(void)
{
    volatile double light = 1;
    for (int pixel = 0; pixel < 100000; pixel++)
        light = light * 0.999 + pixel;
}

static void wait_until(long long us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    Py_BEGIN_ALLOW_THREADS
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    Py_END_ALLOW_THREADS
}

static int play(PyObject *game)
{
    PyObject *frame = PyObject_GetAttrString(game, "frame");
    long long next = now_us();
    for (long n = 0; frame && n < options.frames; n++) {
        next += FRAME_US;
        PyObject *told = PyObject_CallFunction(frame, "l", n);
        Py_XDECREF(told);
        if (!told || run_tasklets() < 0)
            break;
        draw_frame();
        if (now_us() > next)
            seen.late++;
        wait_until(next);
    }
    Py_XDECREF(frame);
    return PyErr_Occurred() ? -1 : 0;
}

static int report(PyObject *game)
{
    printf("%ld frames, %ld us for Python in each: %.0f us used, %lld at most\n", options.frames, options.budget_us,
           (double)seen.python_us / (double)options.frames, seen.longest_us);
    printf("interrupted in %ld frames; %ld frames were late\n", seen.interrupted, seen.late);
    fflush(stdout);
    PyObject *done = PyObject_CallMethod(game, "report", NULL);
    Py_XDECREF(done);
    if (!done)
        return -1;
    if (seen.over)
        fprintf(stderr, "%ld frames were over the budget by more than %ld us\n", seen.over, options.slack_us);
    return seen.over != 0;
}

static int parse(int argc, char **argv)
{
    const struct {
        const char *name;
        long *value;
    } known[] = {{"--frames", &options.frames}, {"--budget-us", &options.budget_us}, {"--slack-us", &options.slack_us}};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < 3 && strcmp(argv[i], known[k].name) != 0)
            k++;
        char *end = NULL;
        if (k < 3 && i + 1 < argc)
            *known[k].value = strtol(argv[i + 1], &end, 10);
        if (!end || *end || *known[k].value < 0) {
            fprintf(stderr, "usage: %s [--frames N] [--budget-us N] [--slack-us N]\n", argv[0]);
            return -1;
        }
    }
    return options.frames > 0 ? 0 : -1;
}

static PyStatus start_python(void)
{
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    const char *python = getenv("GAMELOOP_PYTHON");
    PyStatus status = PyStatus_Ok();
    if (python)
        status = PyConfig_SetBytesString(&config, &config.program_name, python);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

int main(int argc, char **argv)
{
    if (parse(argc, argv) < 0)
        return 2;
    PyStatus status = start_python();
    if (PyStatus_Exception(status))
        Py_ExitStatusException(status);
    int rc = -1;
    PyObject *game = PyStackless_Import() == 0 ? PyImport_ImportModule("game") : NULL;
    if (game && play(game) == 0)
        rc = report(game);
    if (rc < 0)
        PyErr_Print();
    Py_XDECREF(game);
    if (Py_FinalizeEx() < 0)
        rc = -1;
    return rc < 0 ? 3 : rc;
}
