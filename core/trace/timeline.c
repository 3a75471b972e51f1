/* timeline.c - from records to a picture: what runs on each thread, and what each tasklet waits for, as nested slices.
 *
 * Tracks: of each thread, the tasklet that runs; of each tasklet, its life, in it the zones and waits, which nest since
 * a tasklet that waits begins and ends no zone; of each lock, who holds it; of each counter, its value. Arrows go from
 * whoever wakes to the woken, and from sender to receiver.
 * Identity: records name a tasklet by its address. A NEW record, or the end of the one before, makes it another one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

/* Names of the slices that are ours; strings of the file come after them. */
#define NAMES(X)                                                                                                        \
    X(RUNNABLE, "runnable") X(IDLE, "idle") X(RECEIVE, "receive") X(SEND, "send") X(SELECT, "select") X(SLEEP, "sleep") \
    X(WAIT, "wait") X(PARKED, "parked") X(RUN, "run()") X(PREEMPTED, "preempted") X(TAKE, "take") X(WAKE, "wake")       \
    X(GRANT, "grant") X(JOB, "job") X(SEGMENT, "on a segment") X(GIL_WAIT, "waits for the GIL")                         \
    X(GIL_HOLD, "holds the GIL") X(GC0, "gc 0") X(GC1, "gc 1") X(GC2, "gc 2") X(UNKNOWN, "?")
enum {
    NAME_NONE,
#define NAME(name, text) NAME_##name,
    NAMES(NAME)
#undef NAME
    NAME_COUNT
};
static const char *const fixed_names[] = {
    NULL,
#define NAME(name, text) text,
    NAMES(NAME)
#undef NAME
};

enum { DEEPEST = 4096, COUNTER_PAUSE_NS = 100000, NOBODY = UINT32_MAX };

/* ---- small things ---- */

static void give_up(struct gosi_timeline *tl)
{
    tl->out.error = tl->out.error ? tl->out.error : ENOMEM;
}

static struct gosi_text text_of(const struct gosi_timeline *tl, uint64_t string)
{
    static const struct gosi_text unknown = {"?", 1};
    return string && string <= tl->in.string_count ? tl->in.strings[string - 1] : unknown;
}

static void emit_name(struct gosi_timeline *tl, uint32_t number, struct gosi_text text)
{
    if (number < tl->named_size && !tl->named[number]) {
        tl->named[number] = 1;
        gosi_perfetto_name(&tl->out, number, text.bytes, text.length);
    }
}

static uint32_t fixed_name(struct gosi_timeline *tl, uint32_t number)
{
    emit_name(tl, number, (struct gosi_text){fixed_names[number], (uint32_t)strlen(fixed_names[number])});
    return number;
}

static uint32_t string_name(struct gosi_timeline *tl, uint64_t string)
{
    if (!string || string > tl->in.string_count)
        return fixed_name(tl, NAME_UNKNOWN);
    emit_name(tl, NAME_COUNT + (uint32_t)string, tl->in.strings[string - 1]);
    return NAME_COUNT + (uint32_t)string;
}

/* "receive jobs" */
static uint32_t labelled_name(struct gosi_timeline *tl, uint32_t fixed, uint64_t object)
{
    uint32_t label = gosi_map_get(&tl->labels, object), *known;
    if (!label)
        return fixed_name(tl, fixed);
    known = gosi_map_put(&tl->joined_names, (uint64_t)fixed << 32 | label);
    if (!known)
        return fixed_name(tl, fixed);
    if (!*known) {
        char text[300];
        struct gosi_text name = text_of(tl, label);
        int length = snprintf(text, sizeof text, "%s %.*s", fixed_names[fixed], (int)(name.length < 256 ? name.length : 256), name.bytes);
        *known = tl->next_name++;
        gosi_perfetto_name(&tl->out, *known, text, (size_t)length);
    }
    return *known;
}

/* ---- tracks ---- */

static void begin(struct gosi_timeline *tl, struct gosi_track *track, uint32_t name, uint64_t flow, uint64_t end_flow)
{
    if (track->depth >= DEEPEST || gosi_input_grow((void **)&track->names, track->depth, &track->room, sizeof *track->names) != GOS_OK) {
        track->too_deep++;
        return;
    }
    track->names[track->depth++] = name;
    gosi_perfetto_event(&tl->out, GOSI_SLICE_BEGIN, tl->ns, track->uuid, name, flow, end_flow);
}

static void end(struct gosi_timeline *tl, struct gosi_track *track)
{
    if (!track->depth)
        return;
    track->depth--;
    gosi_perfetto_event(&tl->out, GOSI_SLICE_END, tl->ns, track->uuid, 0, 0, 0);
}

static void end_all(struct gosi_timeline *tl, struct gosi_track *track)
{
    while (track->depth)
        end(tl, track);
    free(track->names);
    track->names = NULL;
    track->room = track->too_deep = 0;
}

/* The innermost slice of that name ends; those inside of it, if any, go on: they are closed and opened again. */
static void end_named(struct gosi_timeline *tl, struct gosi_track *track, uint32_t name)
{
    uint32_t at = track->depth;
    while (at > 0 && track->names[at - 1] != name)
        at--;
    if (!at) {
        track->too_deep -= track->too_deep > 0; /* else it began before the recording */
        return;
    }
    uint32_t inside = track->depth - at;
    while (track->depth >= at)
        end(tl, track);
    for (uint32_t i = 0; i < inside; i++)
        begin(tl, track, track->names[at + i], 0, 0);
}

static void instant(struct gosi_timeline *tl, struct gosi_track *track, uint32_t name, uint64_t flow, uint64_t end_flow)
{
    gosi_perfetto_event(&tl->out, GOSI_INSTANT, tl->ns, track->uuid, name, flow, end_flow);
}

/* ---- threads ---- */

static struct gosi_line *line_of(struct gosi_timeline *tl, uint32_t index)
{
    struct gosi_line *line = &tl->lines[index];
    if (!line->track.uuid) {
        struct gosi_text name = tl->in.threads[index].name;
        const struct gosi_input_thread *t = &tl->in.threads[index];
        struct gosi_text known = gosi_info_thread(&tl->in, t->tid);
        line->track.uuid = tl->next_uuid++;
        if (line->name)
            name = text_of(tl, line->name);
        else if (known.length)
            name = known;
        gosi_perfetto_thread(&tl->out, line->track.uuid, tl->process, tl->pid, t->tid ? t->tid : t->number + 1, name.bytes,
                             name.length);
    }
    return line;
}

static struct gosi_track *child_track(struct gosi_timeline *tl, struct gosi_track *track, uint64_t parent, int counter, const char *name)
{
    if (!track->uuid) {
        track->uuid = tl->next_uuid++;
        gosi_perfetto_track(&tl->out, track->uuid, parent, counter, name, strlen(name));
    }
    return track;
}

/* ---- tasklets ---- */

static struct gosi_task *new_task(struct gosi_timeline *tl, uint64_t address)
{
    uint32_t *place = gosi_map_put(&tl->task_of, address);
    if (!place || gosi_input_grow((void **)&tl->tasks, tl->task_count, &tl->task_room, sizeof *tl->tasks) != GOS_OK) {
        give_up(tl);
        return &tl->nobody;
    }
    *place = tl->task_count;
    struct gosi_task *t = &tl->tasks[tl->task_count++];
    *t = (struct gosi_task){.address = address};
    return t;
}

static struct gosi_task *task_of(struct gosi_timeline *tl, uint64_t address)
{
    uint32_t index = gosi_map_find(&tl->task_of, address);
    return index != NOBODY ? &tl->tasks[index] : new_task(tl, address);
}

/* Its track, described at the first event on it, below the thread where that happens. */
static struct gosi_track *track_of(struct gosi_timeline *tl, struct gosi_task *t)
{
    if (!t->track.uuid) {
        t->track.uuid = tl->next_uuid++;
        struct gosi_text name = t->name ? text_of(tl, t->name) : (struct gosi_text){"tasklet", 7};
        gosi_perfetto_track(&tl->out, t->track.uuid, line_of(tl, tl->thread)->track.uuid, 0, name.bytes, name.length);
    }
    return &t->track;
}

static uint32_t name_of(struct gosi_timeline *tl, const struct gosi_task *t)
{
    return t->name ? string_name(tl, t->name) : fixed_name(tl, NAME_UNKNOWN);
}

/* The track of whoever runs on this thread: the tasklet, if there is one, or the thread. */
static struct gosi_track *current_track(struct gosi_timeline *tl, struct gosi_line *line)
{
    return line->current ? track_of(tl, task_of(tl, line->current)) : &line->track;
}

static uint32_t wait_name(struct gosi_timeline *tl, int why, uint64_t object)
{
    switch (why) {
    case GOS_WHY_YIELD: return fixed_name(tl, NAME_RUNNABLE);
    case GOS_WHY_PREEMPTED: return fixed_name(tl, NAME_PREEMPTED);
    case GOS_WHY_RECEIVE: return labelled_name(tl, NAME_RECEIVE, object);
    case GOS_WHY_SEND: return labelled_name(tl, NAME_SEND, object);
    case GOS_WHY_SELECT: return fixed_name(tl, NAME_SELECT);
    case GOS_WHY_SLEEP: return fixed_name(tl, NAME_SLEEP);
    case GOS_WHY_RUN: return fixed_name(tl, NAME_RUN);
    case GOS_WHY_PARK: return fixed_name(tl, NAME_PARKED);
    default: return fixed_name(tl, NAME_WAIT);
    }
}

/* t, which runs, stops. */
static void stops(struct gosi_timeline *tl, struct gosi_task *t, int why, uint64_t object)
{
    if (t->state != GOSI_TASK_RUNS)
        return;
    if (why == GOS_WHY_FINISHED) {
        end_all(tl, track_of(tl, t));
        t->state = GOSI_TASK_ENDED;
        return;
    }
    t->state = why == GOS_WHY_YIELD || why == GOS_WHY_PREEMPTED ? GOSI_TASK_RUNNABLE : GOSI_TASK_WAITS;
    if (why == GOS_WHY_WAITER && t->explicit_wait)
        return;
    t->open = wait_name(tl, why, object);
    t->sent = why == GOS_WHY_SEND ? tl->next_flow++ : 0;
    begin(tl, track_of(tl, t), t->open, t->sent, 0);
}

static void close_wait(struct gosi_timeline *tl, struct gosi_task *t)
{
    if (t->open)
        end_named(tl, &t->track, t->open);
    t->open = 0;
}

/* t, on this thread, runs from now on. */
static void runs(struct gosi_timeline *tl, struct gosi_line *line, struct gosi_task *t)
{
    if (line->current != t->address || !line->running)
        begin(tl, &line->track, name_of(tl, t), 0, 0);
    line->running = 1;
    line->current = t->address;
    if (t->state == GOSI_TASK_RUNS)
        return;
    close_wait(tl, t);
    if (!t->begun) {
        t->begun = 1;
        begin(tl, track_of(tl, t), name_of(tl, t), 0, 0);
    }
    t->state = GOSI_TASK_RUNS;
}

static void line_stops(struct gosi_timeline *tl, struct gosi_line *line)
{
    if (line->running)
        end_all(tl, &line->track);
    line->running = 0;
}

/* The recording may begin, or have lost something, anywhere. */
static struct gosi_task *must_run(struct gosi_timeline *tl, struct gosi_line *line, uint64_t address)
{
    struct gosi_task *t = task_of(tl, address);
    if (line->current != address) {
        line_stops(tl, line);
        line->current = 0;
    }
    if (t->state == GOSI_TASK_NEW)
        runs(tl, line, t);
    return t;
}

static void on_switch(struct gosi_timeline *tl, struct gosi_line *line, const struct gosi_event *e)
{
    stops(tl, must_run(tl, line, e->object), e->detail, e->b);
    if (line->idle)
        end_named(tl, &line->track, NAME_IDLE);
    line->idle = 0;
    line_stops(tl, line);
    runs(tl, line, task_of(tl, e->a)); /* may move the array of tasks: so looked up last */
    tl->switches++;
}

static void on_idle(struct gosi_timeline *tl, struct gosi_line *line, const struct gosi_event *e)
{
    stops(tl, must_run(tl, line, e->object), e->detail, e->b);
    line_stops(tl, line);
    line->current = e->object;
    line->idle = 1;
    begin(tl, &line->track, fixed_name(tl, NAME_IDLE), 0, 0);
}

static void on_busy(struct gosi_timeline *tl, struct gosi_line *line)
{
    if (line->idle)
        end_named(tl, &line->track, NAME_IDLE);
    line->idle = 0;
}

static void on_wake(struct gosi_timeline *tl, const struct gosi_event *e)
{
    struct gosi_task *t = task_of(tl, e->object);
    if (t->state != GOSI_TASK_WAITS && t->state != GOSI_TASK_NEW)
        return;
    uint64_t flow = 0, sent = e->detail == GOS_CAUSE_SENT ? t->sent : 0, kept = 0;
    if (e->a && e->a != e->object) {
        static const uint8_t names[] = {NAME_WAKE, NAME_SEND, NAME_TAKE, NAME_WAKE, NAME_GRANT, NAME_WAKE, NAME_TAKE};
        uint32_t name = e->detail < (int)sizeof names ? names[e->detail] : NAME_WAKE;
        flow = tl->next_flow++;
        instant(tl, track_of(tl, task_of(tl, e->a)), labelled_name(tl, name, e->b), flow, sent);
        t = task_of(tl, e->object);
    }
    if (e->detail == GOS_CAUSE_ROOM)
        kept = gosi_timeline_kept(tl, e->b);
    close_wait(tl, t);
    t->state = GOSI_TASK_RUNNABLE;
    t->open = fixed_name(tl, NAME_RUNNABLE);
    begin(tl, track_of(tl, t), t->open, kept, flow);
}

/* ---- channels with buffers: values leave in the order in which they came ---- */

uint64_t gosi_timeline_kept(struct gosi_timeline *tl, uint64_t channel)
{
    uint32_t *count = gosi_map_put(&tl->kept, channel);
    return count ? (channel << 16) + ++*count : 0;
}

static void on_take(struct gosi_timeline *tl, struct gosi_line *line, const struct gosi_event *e)
{
    uint32_t put = gosi_map_get(&tl->kept, e->object);
    uint64_t flow = e->a < put ? (e->object << 16) + put - e->a : 0;
    instant(tl, current_track(tl, line), labelled_name(tl, NAME_TAKE, e->object), 0, flow);
}

/* ---- waiting for locks and holding them ---- */

static uint32_t object_name(struct gosi_timeline *tl, uint64_t object, uint64_t type)
{
    uint32_t label = gosi_map_get(&tl->labels, object);
    return string_name(tl, label ? label : type);
}

static void on_wait(struct gosi_timeline *tl, struct gosi_line *line, const struct gosi_event *e)
{
    if (!line->current)
        return;
    struct gosi_task *t = task_of(tl, line->current);
    t->explicit_wait = object_name(tl, e->object, e->b);
    begin(tl, track_of(tl, t), t->explicit_wait, 0, 0);
}

static void on_waited(struct gosi_timeline *tl, struct gosi_line *line)
{
    if (!line->current)
        return;
    struct gosi_task *t = task_of(tl, line->current);
    if (t->explicit_wait)
        end_named(tl, &t->track, t->explicit_wait);
    t->explicit_wait = 0;
}

static struct gosi_track *lock_track(struct gosi_timeline *tl, uint64_t object, uint64_t type)
{
    uint32_t *place = gosi_map_put(&tl->lock_of, object);
    if (!place || (!*place && gosi_input_grow((void **)&tl->locks, tl->lock_count, &tl->lock_room, sizeof *tl->locks) != GOS_OK)) {
        give_up(tl);
        return NULL;
    }
    if (!*place) {
        char text[300];
        uint32_t label = gosi_map_get(&tl->labels, object);
        struct gosi_text name = text_of(tl, label ? label : type);
        int length = label ? snprintf(text, sizeof text, "%.*s", (int)(name.length < 256 ? name.length : 256), name.bytes)
                           : snprintf(text, sizeof text, "%.*s %#llx", (int)(name.length < 64 ? name.length : 64), name.bytes,
                                      (unsigned long long)object);
        *place = ++tl->lock_count;
        tl->locks[*place - 1] = (struct gosi_track){.uuid = tl->next_uuid++};
        gosi_perfetto_track(&tl->out, tl->locks[*place - 1].uuid, tl->process, 0, text, (size_t)length);
    }
    return &tl->locks[*place - 1];
}

static void on_hold(struct gosi_timeline *tl, struct gosi_line *line, const struct gosi_event *e)
{
    struct gosi_track *track = lock_track(tl, e->object, e->b);
    uint64_t holder = e->a ? e->a : line->current;
    if (!track)
        return;
    end(tl, track);
    begin(tl, track, holder ? name_of(tl, task_of(tl, holder)) : fixed_name(tl, NAME_UNKNOWN), 0, 0);
}

static void on_release(struct gosi_timeline *tl, const struct gosi_event *e)
{
    uint32_t index = gosi_map_get(&tl->lock_of, e->object);
    if (index)
        end(tl, &tl->locks[index - 1]);
}

/* ---- the rest ---- */

static void on_gil(struct gosi_timeline *tl, struct gosi_line *line, int kind)
{
    struct gosi_track *track = child_track(tl, &line->gil, line->track.uuid, 0, "GIL");
    end(tl, track);
    if (kind != GOS_TRACE_GIL_LEAVE)
        begin(tl, track, fixed_name(tl, kind == GOS_TRACE_GIL_WAIT ? NAME_GIL_WAIT : NAME_GIL_HOLD), 0, 0);
}

static void on_memory(struct gosi_timeline *tl, struct gosi_line *line, const struct gosi_event *e)
{
    if (line->memory.uuid && tl->ns - line->memory_ns < COUNTER_PAUSE_NS)
        return;
    child_track(tl, &line->memory, line->track.uuid, 1, "evicted stack bytes");
    line->memory_ns = tl->ns;
    gosi_perfetto_count(&tl->out, tl->ns, line->memory.uuid, (double)e->b);
}

static void on_counter(struct gosi_timeline *tl, const struct gosi_event *e)
{
    double value;
    uint32_t *uuid = gosi_map_put(&tl->counters, e->a);
    memcpy(&value, &e->b, 8);
    if (!uuid)
        return;
    if (!*uuid) {
        struct gosi_text name = text_of(tl, e->a);
        *uuid = (uint32_t)tl->next_uuid++;
        gosi_perfetto_track(&tl->out, *uuid, tl->process, 1, name.bytes, name.length);
    }
    gosi_perfetto_count(&tl->out, tl->ns, *uuid, value);
}

static uint32_t gc_name(struct gosi_timeline *tl, int generation)
{
    return fixed_name(tl, NAME_GC0 + (uint32_t)(generation > 2 ? 2 : generation));
}

static void on_label(struct gosi_timeline *tl, const struct gosi_event *e)
{
    uint32_t *place = gosi_map_put(&tl->labels, e->object);
    if (place && e->a <= tl->in.string_count)
        *place = (uint32_t)e->a;
}

static void on_new(struct gosi_timeline *tl, const struct gosi_event *e)
{
    uint32_t index = gosi_map_find(&tl->task_of, e->object);
    if (index != NOBODY && tl->tasks[index].state == GOSI_TASK_NEW && !tl->tasks[index].track.uuid) {
        tl->tasks[index].name = 0; /* nothing was heard of that one */
        return;
    }
    if (index != NOBODY)
        end_all(tl, &tl->tasks[index].track);
    new_task(tl, e->object);
}

static void on_name(struct gosi_timeline *tl, const struct gosi_event *e)
{
    struct gosi_task *t = task_of(tl, e->object);
    if (t->state == GOSI_TASK_ENDED) /* bound again: another life of the same object */
        t = new_task(tl, e->object);
    if (e->a && e->a <= tl->in.string_count)
        t->name = (uint32_t)e->a;
}

void gosi_timeline_event(struct gosi_timeline *tl, const struct gosi_event *e)
{
    tl->ns = e->ns;
    tl->thread = e->thread;
    struct gosi_line *line = line_of(tl, e->thread);
    switch (e->kind) {
    case GOS_TRACE_SWITCH: on_switch(tl, line, e); break;
    case GOS_TRACE_IDLE: on_idle(tl, line, e); break;
    case GOS_TRACE_BUSY: on_busy(tl, line); break;
    case GOS_TRACE_RESUME: runs(tl, line, must_run(tl, line, e->object)); break;
    case GOS_TRACE_WAKE: on_wake(tl, e); break;
    case GOS_TRACE_KEEP:
        instant(tl, current_track(tl, line), labelled_name(tl, NAME_SEND, e->object), gosi_timeline_kept(tl, e->object), 0);
        break;
    case GOS_TRACE_TAKE: on_take(tl, line, e); break;
    case GOS_TRACE_NEW: on_new(tl, e); break;
    case GOS_TRACE_NAME: on_name(tl, e); break;
    case GOS_TRACE_WAIT: on_wait(tl, line, e); break;
    case GOS_TRACE_WAITED: on_waited(tl, line); break;
    case GOS_TRACE_HOLD: on_hold(tl, line, e); break;
    case GOS_TRACE_RELEASE: on_release(tl, e); break;
    case GOS_TRACE_EVICT:
    case GOS_TRACE_RESTORE: on_memory(tl, line, e); break;
    case GOS_TRACE_SPILL: begin(tl, current_track(tl, line), fixed_name(tl, NAME_SEGMENT), 0, 0); break;
    case GOS_TRACE_SPILLED: end_named(tl, current_track(tl, line), NAME_SEGMENT); break;
    case GOS_TRACE_JOB_BEGIN: begin(tl, &line->track, fixed_name(tl, NAME_JOB), 0, 0); break;
    case GOS_TRACE_JOB_END: end_named(tl, &line->track, NAME_JOB); break;
    case GOS_TRACE_GIL_LEAVE:
    case GOS_TRACE_GIL_WAIT:
    case GOS_TRACE_GIL_TAKE: on_gil(tl, line, e->kind); break;
    case GOS_TRACE_GC_BEGIN: begin(tl, &line->track, gc_name(tl, e->detail), 0, 0); break;
    case GOS_TRACE_GC_END: end_named(tl, &line->track, gc_name(tl, e->detail)); break;
    case GOS_TRACE_ZONE_BEGIN: begin(tl, current_track(tl, line), string_name(tl, e->a), 0, 0); break;
    case GOS_TRACE_ZONE_END: end_named(tl, current_track(tl, line), string_name(tl, e->a)); break;
    case GOS_TRACE_COUNTER: on_counter(tl, e); break;
    case GOS_TRACE_MESSAGE: instant(tl, current_track(tl, line), string_name(tl, e->a), 0, 0); break;
    case GOS_TRACE_LABEL: on_label(tl, e); break;
    default: break; /* of a later version */
    }
}

/* ---- begin and end ---- */

/* Names given at the begin are those of whoever is at that address first. */
static void take_names(struct gosi_timeline *tl)
{
    for (uint64_t i = 0; i < tl->in.name_count; i++) {
        struct gosi_name name;
        memcpy(&name, tl->in.names + i * sizeof name, sizeof name);
        uint64_t address = name.object & ~(uint64_t)1;
        if (gosi_map_find(&tl->task_of, address) != NOBODY)
            continue; /* from the begin */
        struct gosi_task *t = new_task(tl, address);
        if (name.string <= tl->in.string_count)
            t->name = (uint32_t)name.string;
    }
}

/* What has to be known of a thread when its records begin: who runs on it, which the first that names the current
 * tasklet tells, and what it is called, which may be told soon after. */
static void look_ahead(struct gosi_line *line, const struct gosi_input_thread *t)
{
    enum { FAR = 4096 };
    uint64_t seen = 0;
    for (uint32_t s = 0; s < t->segment_count; s++) {
        for (uint64_t n = 0; n < t->segments[s].count; n++, seen++) {
            struct gos_record record;
            memcpy(&record, t->segments[s].records + n * sizeof record, sizeof record);
            int kind = (int)(record.what & 255);
            if (kind == GOS_TRACE_THREAD && record.a <= UINT32_MAX)
                line->name = (uint32_t)record.a;
            if (!line->current && (kind == GOS_TRACE_SWITCH || kind == GOS_TRACE_IDLE || kind == GOS_TRACE_RESUME))
                line->current = record.what >> 16;
            if (line->current && (line->name || seen > FAR))
                return;
        }
    }
}

int gosi_timeline_begin(struct gosi_timeline *tl, const char *path, const char *output, const char **what)
{
    *tl = (struct gosi_timeline){.next_uuid = 2, .next_flow = 1, .process = 1, .pid = 1};
    int rc = gosi_input_open(&tl->in, path, what);
    if (rc != GOS_OK)
        return rc;
    tl->next_name = NAME_COUNT + tl->in.string_count + 1;
    tl->named_size = tl->next_name;
    tl->named = calloc(tl->named_size, 1);
    tl->lines = calloc(tl->in.thread_count + 1, sizeof *tl->lines);
    if (!tl->named || !tl->lines)
        rc = GOS_ENOMEM;
    else
        rc = gosi_perfetto_begin(&tl->out, output, tl->in.now_ns);
    if (rc != GOS_OK)
        return rc;
    struct gosi_text program = gosi_info_text(&tl->in, "program");
    tl->pid = gosi_info_number(&tl->in, "pid");
    gosi_perfetto_process(&tl->out, tl->process, tl->pid, program.length ? program.bytes : "gossamer", program.length ? program.length : 8);
    tl->ns = tl->in.now_ns;
    take_names(tl);
    for (uint32_t i = 0; i < tl->in.thread_count; i++)
        look_ahead(&tl->lines[i], &tl->in.threads[i]);
    return GOS_OK;
}

/* What is still open ends with the recording. */
int gosi_timeline_end(struct gosi_timeline *tl)
{
    for (uint32_t i = 0; i < tl->task_count; i++)
        end_all(tl, &tl->tasks[i].track);
    for (uint32_t i = 0; i < tl->lock_count; i++)
        end_all(tl, &tl->locks[i]);
    for (uint32_t i = 0; i < tl->in.thread_count; i++) {
        end_all(tl, &tl->lines[i].track);
        end_all(tl, &tl->lines[i].gil);
    }
    return gosi_perfetto_end(&tl->out);
}

void gosi_timeline_free(struct gosi_timeline *tl)
{
    struct gosi_map *maps[] = {&tl->task_of, &tl->labels, &tl->joined_names, &tl->kept, &tl->lock_of, &tl->counters};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++)
        gosi_map_free(maps[i]);
    free(tl->nobody.track.names);
    free(tl->named);
    free(tl->lines);
    free(tl->tasks);
    free(tl->locks);
    gosi_input_close(&tl->in);
}
