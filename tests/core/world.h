/* world.h - an embedding program for tests: counted tasklets and values over embed.h, with hooks of its own.
 *
 * A world is one scheduler. Its tasklets are "toys" with a one-letter name, its values are "boxes" with a
 * number; both are counted, so that world_close can tell what leaked. The operations below claim the value
 * before they settle, as every embedder has to.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include "gossamer/embed.h"
#include "runner.h"

struct world;

struct toy {
    gos_tasklet base; /* first */
    struct world *w;
    void (*fn)(struct toy *);
    void *arg;
    int references;
    int swapped_in, swapped_out;
    int64_t limit_ns; /* of its waits, with GOS_F_LIMITED */
    int killed; /* ends at its next operation, or does not start */
    int status; /* of its last operation */
    long got;   /* the last value it received */
    struct box *failure; /* what its body returns */
    char name;
};

struct box {
    int references;
    long number;
    int failure; /* arrives instead of a value */
    struct world *w;
};

struct world {
    gos_sched s; /* first */
    struct toy main;
    int toys, boxes; /* alive */
    char log[4096];
    size_t logged;
    int (*on_idle)(struct world *w, int64_t deadline_ns); /* NULL: sleep */
    void (*on_drop_value)(struct world *w, long number);   /* runs while values are released */
    void (*on_last_drop)(struct toy *t);                   /* runs while a tasklet is freed */
    struct box *error; /* what take_error hands out */
    int evicted, restored;
    int in_swap;
};

void world_open(struct world *w, const struct gos_config *config);
void world_close(struct world *w); /* checks that nothing is left */

/* A tasklet that is not in the ring; the caller owns a reference. */
struct toy *toy_new(struct world *w, char name, void (*fn)(struct toy *), void *arg);
void toy_unref(struct toy *t);
/* Made, appended to the ring, which holds the only reference. */
struct toy *toy_start(struct world *w, char name, void (*fn)(struct toy *), void *arg);
struct toy *current_toy(struct world *w);

/* Operations of the current toy: status, and *got the number received (or of the failure, with GOS_EHOOK). */
int toy_resumed(struct world *w, int rc, long *got);
int toy_yield(struct world *w);
int toy_park(struct world *w);
int toy_run(struct world *w);
int toy_sleep(struct world *w, int64_t deadline_ns);
int toy_switch(struct world *w, struct toy *t, int leave);
int toy_kill(struct world *w, struct toy *t);
int toy_send(struct world *w, gos_channel *ch, long number, int64_t deadline_ns);
int toy_receive(struct world *w, gos_channel *ch, long *number, int64_t deadline_ns);

struct box *box_new(struct world *w, long number, int failure);
void box_unref(struct box *b);

/* "S A B", from the head. */
const char *ring_text(struct world *w);
void say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
