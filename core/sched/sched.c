/* sched.c - making and ending schedulers and tasklets. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "sched.h"

/* A C++ runtime may be loaded after us, so this is looked up again whenever a scheduler is made. */
static void *cxa_globals_of_thread(void)
{
    union {
        void *symbol;
        void *(*call)(void);
    } get = {dlsym(RTLD_DEFAULT, "__cxa_get_globals")};
    return get.symbol ? get.call() : NULL;
}

int gos_sched_init(gos_sched *s, gos_tasklet *main, const gos_hooks *hooks, const struct gos_config *config)
{
    memset(s, 0, sizeof *s);
    s->hooks = hooks;
    s->errno_place = &errno;
    s->fp_control = gosi_arch_fp_control();
    int rc = gosi_stack_init(s, config);
    if (rc != GOS_OK)
        return rc;
    s->cxa = cxa_globals_of_thread();
    gos_tasklet_init(main, s);
    main->flags = GOS_F_MAIN | GOS_F_READY | GOS_F_STARTED;
    main->slot = &s->main_slot;
    s->main_slot.owner = main;
    s->main = s->current = main;
    hooks->hold(main);
    gosi_ring_append(s, main);
    return GOS_OK;
}

void gos_sched_fini(gos_sched *s)
{
    gosi_free(s->watchdogs);
    gosi_free(s->timers);
    s->watchdogs = NULL;
    s->timers = NULL;
    s->watchdog_count = s->watchdog_room = s->timer_count = s->timer_room = 0;
    gosi_stack_fini(s);
}

void gos_tasklet_init(gos_tasklet *t, gos_sched *s)
{
    t->sched = s;
    t->slot = &gosi_no_slot;
}
