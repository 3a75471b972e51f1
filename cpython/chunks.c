/* chunks.c - how large a tasklet's first data-stack chunk is, and a cache for CPython's own chunks.
 *
 * CPython keeps Python frames in 16 KiB chunks and maps one for each fresh coroutine. We give a tasklet a
 * first chunk of our own. Frames cannot move, so its size is decided at the start: by what tasklets with the
 * same code were seen to use when they were evicted, a tight fit, once there are many tasklets (memory
 * matters) and a comfortable KiB before (calls beyond the chunk cost a 16 KiB chunk for their duration).
 */
#include "gosp.h"

#include <pthread.h>

enum {
    TABLE = 256,        /* a power of two */
    MANY = 512,         /* live tasklets from which a tight fit pays */
    COMFORT = 1024,
    FIRST_GUESS = 256,  /* beyond the function's own frame, when nothing is known */
    BIGGEST = 8192,     /* beyond, CPython's chunks are as good */
    CPYTHON_CHUNK = 16384,
    CACHED_CHUNKS = 64,
};

/* A lossy table: a stale or overwritten entry costs memory or time, never correctness. */
static struct {
    PyObject *code; /* not referenced, only compared */
    size_t used;
} learnt[TABLE];

static size_t slot_of(PyObject *code)
{
    uintptr_t p = (uintptr_t)code >> 4;
    return (p ^ (p >> 8) ^ (p >> 16)) % TABLE;
}

void gosp_chunk_learn(const gosp_state *st)
{
    static unsigned skipped; /* a sample will do, but the first ones all count: others are sized by them */
    if (++skipped > 1024 && skipped % 16)
        return;
    PyObject *code = NULL;
    size_t used = gosp_frames_used(st, &code);
    if (!used)
        return;
    size_t at = slot_of(code);
    if (learnt[at].code != code) {
        learnt[at].code = code;
        learnt[at].used = used;
    } else if (used > learnt[at].used) {
        learnt[at].used = used;
    }
}

static PyObject *code_of(PyObject *func)
{
    if (PyMethod_Check(func))
        func = PyMethod_GET_FUNCTION(func);
    return PyFunction_Check(func) ? PyFunction_GET_CODE(func) : NULL;
}

void *gosp_chunk_alloc(gosp_thread *th, PyObject *func, size_t *bytes)
{
    PyObject *code = code_of(func);
    size_t least = GOSP_CHUNK_OVERHEAD + (code ? gosp_code_words(code) * sizeof(PyObject *) : 0);
    size_t size = least + FIRST_GUESS;
    size_t at = code ? slot_of(code) : 0;
    if (code && learnt[at].code == code) {
        size = learnt[at].used + sizeof(PyObject *); /* CPython wants more than it needs */
        if (size < least)
            size = least;
    }
    if (th->sched.live < MANY && size < COMFORT)
        size = COMFORT;
    *bytes = (size + 15) & ~(size_t)15;
    if (*bytes > BIGGEST)
        return NULL;
    if (*bytes == COMFORT && th->chunk_count > 0)
        return th->chunks[--th->chunk_count];
    return PyObject_Malloc(*bytes);
}

void gosp_chunk_release(gosp_thread *th)
{
    size_t bytes;
    void *chunk = gosp_chunk_remove(th->ts, &bytes);
    if (bytes == COMFORT && th->chunk_count < GOSP_CACHED_CHUNKS) {
        th->chunks[th->chunk_count++] = chunk;
    } else if (bytes <= BIGGEST) {
        PyObject_Free(chunk);
    } else { /* one of CPython's, which are larger */
        PyObjectArenaAllocator arena;
        PyObject_GetArenaAllocator(&arena);
        arena.free(arena.ctx, chunk, bytes);
    }
}

void gosp_chunk_cache_clear(gosp_thread *th)
{
    while (th->chunk_count > 0)
        PyObject_Free(th->chunks[--th->chunk_count]);
}

/* ---- CPython's chunks ---- */

static PyObjectArenaAllocator original;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER; /* threads free their chunks without the GIL */
static void *cache[CACHED_CHUNKS];
static int cached;

static void *arena_alloc(void *ctx, size_t size)
{
    void *block = NULL;
    if (size == CPYTHON_CHUNK) {
        if (pthread_mutex_trylock(&cache_lock) == 0) { /* never waits: a fork may have caught it locked */
            if (cached > 0)
                block = cache[--cached];
            pthread_mutex_unlock(&cache_lock);
        }
    }
    return block ? block : original.alloc(ctx, size);
}

static void arena_free(void *ctx, void *block, size_t size)
{
    if (size == CPYTHON_CHUNK) {
        int keep = 0;
        if (pthread_mutex_trylock(&cache_lock) == 0) {
            keep = cached < CACHED_CHUNKS;
            if (keep)
                cache[cached++] = block;
            pthread_mutex_unlock(&cache_lock);
        }
        if (keep)
            return;
    }
    original.free(ctx, block, size);
}

/* Mapping and unmapping 16 KiB costs 7 us; process-wide, so GOSSAMER_ARENA=0 leaves it out. */
int gosp_arena_install(void)
{
    static int installed;
    const char *knob = getenv("GOSSAMER_ARENA");
    if (installed || (knob && strcmp(knob, "0") == 0))
        return 0;
    PyObject_GetArenaAllocator(&original);
    PyObjectArenaAllocator ours = {original.ctx, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&ours);
    installed = 1;
    return 0;
}
