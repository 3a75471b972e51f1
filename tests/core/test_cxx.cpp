// test_cxx.cpp - C++ exceptions in flight belong to the tasklet: throwing, catching and rethrowing across switches.
#include <exception>
#include <stdexcept>
#include <string>

#include "gossamer.h"
#include "runner.h"

static const int backends = 4;

static gos_config config_of(int backend)
{
    gos_config config = {};
    config.max_slots = backend == 1 ? 1 : 0;
    config.evict_always = backend == 2;
    config.stacks = backend == 3 ? GOS_STACKS_OWN : GOS_STACKS_SLOTS;
    return config;
}

static long caught, destroyed;

struct Guard {
    std::string name;
    explicit Guard(const std::string &n) : name(n) {}
    ~Guard() { destroyed++; }
};

static void yield_checked()
{
    CHECK_OK(gos_yield());
}

static void thrower(void *arg)
{
    long me = (long)arg;
    for (int round = 0; round < 20; round++) {
        try {
            Guard guard("a name that is longer than the small buffer of a string " + std::to_string(me));
            yield_checked();
            throw std::runtime_error(std::to_string(me * 1000 + round));
        } catch (const std::runtime_error &error) {
            yield_checked(); // others throw and catch meanwhile
            CHECK(std::to_string(me * 1000 + round) == error.what());
            try { // nested, while the outer one is still being handled
                yield_checked();
                throw me;
            } catch (long n) {
                yield_checked();
                CHECK_INT(n, ==, me);
                CHECK(std::current_exception() != nullptr);
            }
            yield_checked();
            try {
                throw; // the outer one
            } catch (const std::exception &again) {
                yield_checked();
                CHECK(std::to_string(me * 1000 + round) == again.what());
                caught++;
            }
        }
        CHECK(std::current_exception() == nullptr);
        CHECK_INT(std::uncaught_exceptions(), ==, 0);
    }
}

CASE(exceptions_in_flight_across_switches)
{
    for (int backend = 0; backend < backends; backend++) {
        gos_config config = config_of(backend);
        caught = destroyed = 0;
        CHECK_OK(gos_sched_create(&config));
        for (long i = 1; i <= 10; i++)
            CHECK_OK(gos_spawn(thrower, (void *)i, nullptr));
        try {
            throw 42;
        } catch (int n) { // main, too, has one in flight
            CHECK_OK(gos_run());
            CHECK_INT(n, ==, 42);
            CHECK(std::current_exception() != nullptr);
        }
        CHECK_INT(caught, ==, 200);
        CHECK_INT(destroyed, ==, 200);
        CHECK_OK(gos_sched_destroy());
    }
}

struct SwitchesInDestructor {
    ~SwitchesInDestructor()
    {
        int before = std::uncaught_exceptions();
        yield_checked();
        CHECK_INT(std::uncaught_exceptions(), ==, before);
    }
};

static void unwinds(void *arg)
{
    long me = (long)arg;
    for (int round = 0; round < 10; round++) {
        try {
            SwitchesInDestructor first, second;
            throw me;
        } catch (long n) {
            CHECK_INT(n, ==, me);
            caught++;
        }
    }
}

CASE(switching_while_the_stack_unwinds)
{
    for (int backend = 0; backend < backends; backend++) {
        gos_config config = config_of(backend);
        caught = 0;
        CHECK_OK(gos_sched_create(&config));
        for (long i = 1; i <= 10; i++)
            CHECK_OK(gos_spawn(unwinds, (void *)i, nullptr));
        CHECK_OK(gos_run());
        CHECK_INT(caught, ==, 100);
        CHECK_OK(gos_sched_destroy());
    }
}

static gos_channel *ch;

static void carries(void *)
{
    try {
        throw std::string("carried");
    } catch (...) {
        std::exception_ptr error = std::current_exception();
        CHECK_OK(gos_send(ch, &error, GOS_FOREVER));
    }
}

CASE(an_exception_sent_to_another_tasklet)
{
    void *value = nullptr;
    CHECK_OK(gos_sched_create(nullptr));
    CHECK_OK(gos_channel_create(0, &ch));
    gos_tasklet *t;
    CHECK_OK(gos_spawn(carries, nullptr, &t));
    CHECK_OK(gos_tasklet_pin(t)); // the pointer leads into its stack
    CHECK_OK(gos_receive(ch, &value, GOS_FOREVER));
    std::string got;
    try {
        std::rethrow_exception(*static_cast<std::exception_ptr *>(value));
    } catch (const std::string &text) {
        got = text;
    }
    CHECK_STR(got.c_str(), "carried");
    CHECK_OK(gos_run());
    gos_tasklet_unref(t);
    CHECK_OK(gos_channel_destroy(ch));
    CHECK_OK(gos_sched_destroy());
}

static void escapes(void *)
{
    throw 1;
}

static void run_one_that_escapes()
{
    if (gos_sched_create(nullptr) == GOS_OK && gos_spawn(escapes, nullptr, nullptr) == GOS_OK && gos_run() == GOS_OK)
        puts("not reached");
}

CASE(an_exception_that_leaves_the_function_terminates)
{
    CHECK(test_aborts(run_one_that_escapes, "terminate called"));
}
