/* compat/peek.c - looking at the frames of a running thread from outside; see peek.h. */
#define _GNU_SOURCE
#define Py_BUILD_CORE 1
#include <Python.h>

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <internal/pycore_code.h>
#include <internal/pycore_gc.h>

#include "frame.h"
#undef Py_BUILD_CORE

#include "gossamer/embed.h"
#include "peek.h"

enum {
    PIECE = 4096,           /* what a pipe takes for certain */
    LONGEST_TEXT = 160,     /* characters of a name */
    LONGEST_STACK = 100000, /* frames */
    LONGEST_TABLE = 1 << 16 /* bytes of line numbers */
};

int gosp_peek_open(gosp_peek *p)
{
    return pipe2(p->fd, O_CLOEXEC | O_NONBLOCK);
}

void gosp_peek_close(gosp_peek *p)
{
    close(p->fd[0]);
    close(p->fd[1]);
}

/* Not write(): sanitizers look at what it is given, as the kernel does, and do not like what they see. */
int gosp_peek_copy(gosp_peek *p, void *to, const void *from, size_t n)
{
    char *dest = to;
    const char *src = from;
    while (n > 0) {
        size_t piece = n < PIECE ? n : PIECE;
        ssize_t in = syscall(SYS_write, p->fd[1], src, piece); /* EFAULT where there is no memory */
        if (in <= 0 || read(p->fd[0], dest, (size_t)in) != in)
            return -1;
        dest += in;
        src += in;
        n -= (size_t)in;
    }
    return 0;
}

/* ---- text ---- */

static size_t put(char *out, size_t room, const char *text)
{
    size_t n = strlen(text);
    if (room == 0)
        return 0;
    n = n < room - 1 ? n : room - 1;
    memcpy(out, text, n);
    out[n] = 0;
    return n;
}

static size_t put_character(char *out, size_t room, uint32_t c)
{
    char escaped[16];
    if (c >= 32 && c < 127)
        snprintf(escaped, sizeof escaped, "%c", (int)c);
    else
        snprintf(escaped, sizeof escaped, c < 256 ? "\\x%02x" : c < 65536 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    return put(out, room, escaped);
}

size_t gosp_peek_text(gosp_peek *p, const PyObject *str, char *out, size_t room)
{
    PyCompactUnicodeObject head;
    uint8_t data[LONGEST_TEXT * 4];
    if (gosp_peek_copy(p, &head, str, sizeof(PyASCIIObject)) < 0 || head._base.state.compact != 1)
        return put(out, room, "???");
    size_t kind = head._base.state.kind, n = (size_t)head._base.length, written = 0;
    const char *from = (const char *)str + (head._base.state.ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject));
    if (kind != 1 && kind != 2 && kind != 4)
        return put(out, room, "???");
    size_t shown = n < LONGEST_TEXT ? n : LONGEST_TEXT;
    if (gosp_peek_copy(p, data, from, shown * kind) < 0)
        return put(out, room, "???");
    for (size_t i = 0; i < shown; i++) {
        uint32_t c = kind == 1 ? data[i] : kind == 2 ? ((uint16_t *)data)[i] : ((uint32_t *)data)[i];
        written += put_character(out + written, room - written, c);
    }
    if (shown < n)
        written += put(out + written, room - written, "...");
    return written;
}

/* ---- line numbers ----
 *
 * A code object's line table is a list of entries: a byte 1cccclll, where l is the number of code units minus one
 * and c the kind of what follows (the same in all versions that have it). */

struct table {
    const uint8_t *at, *end;
};

static int next_byte(struct table *t)
{
    return t->at < t->end ? *t->at++ : 0;
}

static int variable(struct table *t)
{
    unsigned value = 0;
    int byte, shift = 0;
    do {
        byte = next_byte(t);
        value |= (unsigned)(byte & 63) << (shift < 30 ? shift : 30);
        shift += 6;
    } while (byte & 64);
    return (int)value;
}

static int signed_variable(struct table *t)
{
    int value = variable(t);
    return value & 1 ? -(value >> 1) : value >> 1;
}

/* The line of a code unit, or -1. */
static int line_in(struct table t, int line, long unit)
{
    long at = 0;
    while (t.at < t.end) {
        int head = next_byte(&t), kind = (head >> 3) & 15, has_line = 1;
        at += (head & 7) + 1;
        switch (kind) {
        case 15: has_line = 0; break;
        case 14:
            line += signed_variable(&t);
            variable(&t);
            variable(&t);
            variable(&t);
            break;
        case 13: line += signed_variable(&t); break;
        case 10:
        case 11:
        case 12:
            line += kind - 10;
            next_byte(&t);
            next_byte(&t);
            break;
        default: next_byte(&t);
        }
        if (unit < at)
            return has_line ? line : -1;
    }
    return -1;
}

static int line_of(gosp_peek *p, const PyCodeObject *code, long unit)
{
    PyBytesObject head;
    const char *from = (const char *)code->co_linetable;
    if (gosp_peek_copy(p, &head, from, offsetof(PyBytesObject, ob_sval)) < 0)
        return -1;
    Py_ssize_t n = head.ob_base.ob_size;
    if (n <= 0 || n > LONGEST_TABLE)
        return -1;
    uint8_t *table = malloc((size_t)n);
    int line = -1;
    if (table && gosp_peek_copy(p, table, from + offsetof(PyBytesObject, ob_sval), (size_t)n) == 0)
        line = line_in((struct table){table, table + n}, code->co_firstlineno, unit);
    free(table);
    return line;
}

/* ---- frames ---- */

static size_t put_frame(gosp_peek *p, const frame *f, char *out, size_t room)
{
    PyCodeObject code;
    char line[32];
    size_t n = put(out, room, "  File \"");
    if (gosp_peek_copy(p, &code, frame_code(f), offsetof(PyCodeObject, co_code_adaptive)) < 0)
        return n + put(out + n, room - n, "???\"\n");
    n += gosp_peek_text(p, code.co_filename, out + n, room - n);
    long unit = (INSTRUCTION_OF(f) - ((const char *)frame_code(f) + offsetof(PyCodeObject, co_code_adaptive))) / 2;
    int number = unit < 0 ? code.co_firstlineno : line_of(p, &code, unit);
    if (number > 0)
        snprintf(line, sizeof line, "\", line %d in ", number);
    else
        snprintf(line, sizeof line, "\", line ??? in ");
    n += put(out + n, room - n, line);
    n += gosp_peek_text(p, code.co_qualname, out + n, room - n);
    return n + put(out + n, room - n, "\n");
}

static const frame *innermost(gosp_peek *p, PyThreadState *ts)
{
    const frame *at = NULL;
#if PY_VERSION_HEX < 0x030D0000
    const char *cframe = NULL;
    if (gosp_peek_copy(p, &cframe, &ts->cframe, sizeof cframe) < 0 ||
        gosp_peek_copy(p, &at, cframe + offsetof(_PyCFrame, current_frame), sizeof at) < 0)
        return NULL;
#else
    if (gosp_peek_copy(p, &at, &ts->current_frame, sizeof at) < 0)
        return NULL;
#endif
    return at;
}

static size_t put_frames(gosp_peek *p, const frame *at, int frames, char *out, size_t room)
{
    size_t n = 0;
    for (int links = 0; at && links < 2 * LONGEST_STACK; links++) { /* a chain that changes may lead in circles */
        frame f;
        if (gosp_peek_copy(p, &f, at, offsetof(frame, localsplus)) < 0)
            return n + put(out + n, room - n, "  ???\n");
        if (!IS_ENTRY_FRAME(&f)) {
            if (frames-- == 0)
                return n + put(out + n, room - n, "  ...\n");
            n += put_frame(p, &f, out + n, room - n);
        }
        at = f.previous;
    }
    return n;
}

size_t gosp_peek_stack(gosp_peek *p, PyThreadState *ts, int frames, char *out, size_t room)
{
    return put_frames(p, innermost(p, ts), frames, out, room);
}

size_t gosp_peek_frames(gosp_peek *p, const void *innermost_frame, int frames, char *out, size_t room)
{
    return put_frames(p, innermost_frame, frames, out, room);
}

/* ---- objects ---- */

static int look_at_list(gosp_peek *p, const PyGC_Head *list, int64_t until_ns, gosp_peek_look look, void *arg)
{
    struct {
        PyGC_Head links;
        PyObject object;
    } seen;
    if (gosp_peek_copy(p, &seen.links, list, sizeof seen.links) < 0)
        return -1;
    for (long n = 1;; n++) {
        const PyGC_Head *at = (const PyGC_Head *)(seen.links._gc_next & ~(uintptr_t)1); /* a collection marks some */
        if (at == list)
            return 0;
        if (gosp_peek_copy(p, &seen, at, sizeof seen) < 0)
            return -1;
        if (n % 1024 == 0 && gos_now() > until_ns)
            return -1;
        look((PyObject *)(at + 1), seen.object.ob_type, arg);
    }
}

int gosp_peek_objects(gosp_peek *p, PyInterpreterState *interp, int64_t until_ns, gosp_peek_look look, void *arg)
{
    int rc = 0;
    for (int i = 0; i < NUM_GENERATIONS; i++)
        if (look_at_list(p, &interp->gc.generations[i].head, until_ns, look, arg) < 0)
            rc = -1;
    if (look_at_list(p, &interp->gc.permanent_generation.head, until_ns, look, arg) < 0)
        rc = -1;
    return rc;
}
