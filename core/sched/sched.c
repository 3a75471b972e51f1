/* sched.c - making and ending schedulers and tasklets. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "../base/bell.h"
#include "sched.h"

/* The runtime may be loaded after us, and only for the library that needs it (as extension modules are), so it
 * is asked for by name, whenever a scheduler or a stack is made. */
void gosi_find_cxx(gos_sched *s)
{
    if (s->cxa)
        return;
    union {
        void *symbol;
        void *(*call)(void);
    } get;
    int saved = errno; /* that of the current tasklet, not yet kept; musl changes it */
    get.symbol = dlsym(RTLD_DEFAULT, "__cxa_get_globals");
    void *library = get.symbol ? NULL : dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (library)
        get.symbol = dlsym(library, "__cxa_get_globals");
    if (get.symbol)
        s->cxa = get.call();
    if (library)
        dlclose(library); /* NOLOAD has counted it */
    errno = saved;
}

int gos_sched_init(gos_sched *s, gos_tasklet *main, const gos_hooks *hooks, const struct gos_config *config)
{
    memset(s, 0, sizeof *s);
    s->hooks = hooks;
    s->errno_place = &errno;
    gosi_bell_init(&s->bell);
    s->fp_control = gosi_arch_fp_control();
    int rc = gosi_stack_init(s, config);
    if (rc != GOS_OK)
        return rc;
    gosi_find_cxx(s);
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
    gosi_bell_fini(&s->bell);
    gosi_stack_fini(s);
}

void gos_tasklet_init(gos_tasklet *t, gos_sched *s)
{
    t->sched = s;
    t->slot = &gosi_no_slot;
    GOSI_TRACE(GOS_TRACE_NEW, 0, t, 0, 0);
}
