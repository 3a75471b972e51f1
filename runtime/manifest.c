/* manifest.c - reads the text of a manifest into members and settings.
 *
 * Lines, each ended by a newline:
 *     gossamer-seal 1
 *     KEY VALUE                        settings, any number, before the members
 *     member KIND METHOD OFFSET STORED SIZE CRC32 SHA256 NAME
 *     end
 * Numbers are decimal without leading zeros, digests lower-case hexadecimal. The text is unsigned or signed by
 * somebody whom we do not know: everything is checked.
 */
#include "archive.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[SEAL_KINDS] = {"module", "package", "extension", "data"};

/* deflate makes at most 1032 bytes of one; more is a lie about the size. */
enum { MAX_RATIO = 1032 };

/* ---- words of a line ---- */

/* Ends the word at *rest with NUL and moves on behind it; NULL when there is none. */
static char *next_word(char **rest)
{
    char *word = *rest, *space = strchr(word, ' ');
    if (*word == 0 || space == word)
        return NULL;
    if (space) {
        *space = 0;
        *rest = space + 1;
    } else {
        *rest = word + strlen(word);
    }
    return word;
}

static int number(const char *text, uint64_t limit, uint64_t *value)
{
    *value = 0;
    if (!text || !*text || (text[0] == '0' && text[1]))
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || *value > limit / 10)
            return 0;
        *value = *value * 10 + (uint64_t)(*text - '0');
    }
    return *value <= limit;
}

static int hex_bytes(const char *text, uint8_t *out, size_t size)
{
    if (!text || strlen(text) != 2 * size)
        return 0;
    for (size_t i = 0; i < 2 * size; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return 0;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | digit : digit);
    }
    return 1;
}

/* ---- names ---- */

static int is_utf8(const unsigned char *p)
{
    while (*p) {
        int more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : (*p & 0xf0) == 0xe0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;
        if (more < 0 || (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
            (*p == 0xf4 && p[1] > 0x8f))
            return 0;
        for (p++; more; more--, p++)
            if ((*p & 0xc0) != 0x80)
                return 0;
    }
    return 1;
}

/* What is wrong with the name of a member, or NULL: relative, in plain steps downwards, printable. */
static const char *name_fault(const char *name)
{
    if (*name == 0 || strlen(name) > SEAL_MAX_NAME)
        return "is empty or too long";
    if (*name == '/')
        return "leads out of the archive";
    if (!is_utf8((const unsigned char *)name))
        return "is not UTF-8";
    for (const char *step = name; step;) {
        const char *slash = strchr(step, '/');
        size_t size = slash ? (size_t)(slash - step) : strlen(step);
        if (size == 0 || (size == 1 && step[0] == '.'))
            return "has an empty step";
        if (size == 2 && step[0] == '.' && step[1] == '.')
            return "leads out of the archive";
        step = slash ? slash + 1 : NULL;
    }
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127 || *p == '\\')
            return "holds a control character or a backslash";
    if (strncmp(name, "META-SEAL/", 10) == 0)
        return "is reserved";
    return NULL;
}

/* A name as plain ASCII, for messages: what we complain about may be no text at all. */
static const char *shown(const char *name, char out[120])
{
    size_t n = 0;
    for (; *name && n < 116; name++)
        out[n++] = (unsigned char)*name < 32 || (unsigned char)*name >= 127 ? '?' : *name;
    memcpy(out + n, *name ? "..." : "", *name ? 4 : 1);
    return out;
}

/* ---- the table of names ---- */

static uint32_t hash(const char *name, size_t size)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)name[i]) * 16777619u;
    return h;
}

static uint32_t *slot_of(const seal_archive *archive, const char *name, size_t size)
{
    uint32_t at = hash(name, size) & archive->mask;
    for (;; at = (at + 1) & archive->mask) {
        uint32_t index = archive->table[at];
        if (!index)
            return &archive->table[at];
        const seal_member *member = &archive->members[index - 1];
        if (member->name_size == size && memcmp(member->name, name, size) == 0)
            return &archive->table[at];
    }
}

const seal_member *seal_archive_find(const seal_archive *archive, const char *name, size_t size)
{
    uint32_t index = *slot_of(archive, name, size);
    return index ? &archive->members[index - 1] : NULL;
}

const char *seal_archive_setting(const seal_archive *archive, const char *key)
{
    for (size_t i = 0; i < archive->setting_count; i++)
        if (strcmp(archive->settings[i].key, key) == 0)
            return archive->settings[i].value;
    return NULL;
}

/* ---- lines ---- */

static int parse_member(seal_archive *archive, char *rest, uint64_t *total, seal_error *error)
{
    seal_member *member = &archive->members[archive->count];
    char look[120];
    uint64_t offset, stored, size;
    uint8_t crc[4];
    const char *kind = next_word(&rest), *method = kind ? next_word(&rest) : NULL;
    int good = method != NULL;
    good = good && number(next_word(&rest), UINT32_MAX, &offset);
    good = good && number(next_word(&rest), UINT32_MAX, &stored);
    good = good && number(next_word(&rest), UINT32_MAX, &size);
    good = good && hex_bytes(next_word(&rest), crc, sizeof crc);
    good = good && hex_bytes(next_word(&rest), member->sha256, SEAL_SHA256_SIZE);
    unsigned found = 0;
    while (good && found < SEAL_KINDS && strcmp(kind, kinds[found]))
        found++;
    good = good && found < SEAL_KINDS && (strcmp(method, "stored") == 0 || strcmp(method, "deflated") == 0);
    if (!good)
        return seal_fail(error, "%s: line for member %zu of the manifest is malformed", archive->path, archive->count + 1);

    const char *fault = name_fault(rest);
    if (fault)
        return seal_fail(error, "%s: the name '%s' %s", archive->path, shown(rest, look), fault);
    member->name = rest;
    member->name_size = (uint32_t)strlen(rest);
    member->kind = (uint8_t)found;
    member->deflated = strcmp(method, "deflated") == 0;
    member->offset = offset;
    member->stored = (uint32_t)stored;
    member->size = (uint32_t)size;
    member->crc = (uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3];

    *total += size;
    if (size > SEAL_MAX_MEMBER || *total > SEAL_MAX_TOTAL || size > stored * MAX_RATIO + 64)
        return seal_fail(error, "%s: %s claims to unpack to %llu bytes: a zip bomb", archive->path, shown(rest, look),
                         (unsigned long long)size);
    if (!member->deflated && size != stored)
        return seal_fail(error, "%s: %s is stored, but its two sizes differ", archive->path, shown(rest, look));
    uint32_t *slot = slot_of(archive, member->name, member->name_size);
    if (*slot)
        return seal_fail(error, "%s: the name '%s' is there twice", archive->path, shown(rest, look));
    *slot = (uint32_t)++archive->count;
    return 0;
}

static int parse_setting(seal_archive *archive, char *rest, seal_error *error)
{
    const char *key = next_word(&rest);
    if (!key || !*rest || archive->count)
        return seal_fail(error, "%s: the manifest has a malformed line", archive->path);
    archive->settings[archive->setting_count++] = (seal_setting){key, rest};
    return 0;
}

static int make_room(seal_archive *archive, size_t lines, seal_error *error)
{
    if (lines > SEAL_MAX_MEMBERS)
        return seal_fail(error, "%s: the manifest has more than %d lines", archive->path, SEAL_MAX_MEMBERS);
    uint32_t slots = 16;
    while (slots < 2 * lines)
        slots *= 2;
    archive->mask = slots - 1;
    archive->table = calloc(slots, sizeof *archive->table);
    archive->members = calloc(lines + 1, sizeof *archive->members);
    archive->settings = calloc(lines + 1, sizeof *archive->settings);
    return archive->table && archive->members && archive->settings ? 0 : seal_fail(error, "out of memory");
}

int seal_manifest_parse(seal_archive *archive, seal_error *error)
{
    char *at = archive->manifest, *end = at + archive->manifest_size;
    size_t lines = 0;
    if (memchr(at, 0, archive->manifest_size) || end[-1] != '\n')
        return seal_fail(error, "%s: the manifest is no text", archive->path);
    for (char *p = at; p < end; p++)
        lines += *p == '\n';
    if (make_room(archive, lines, error))
        return -1;

    uint64_t total = 0;
    int first = 1, ended = 0;
    while (at < end) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        *newline = 0;
        if (ended)
            return seal_fail(error, "%s: the manifest goes on behind its end", archive->path);
        if (first) {
            if (strcmp(at, "gossamer-seal 1"))
                return seal_fail(error, "%s was sealed in another format ('%.40s'): this launcher reads 'gossamer-seal 1'",
                                 archive->path, at);
            first = 0;
        } else if (strcmp(at, "end") == 0) {
            ended = 1;
        } else if (strncmp(at, "member ", 7) == 0) {
            if (parse_member(archive, at + 7, &total, error))
                return -1;
        } else if (parse_setting(archive, at, error)) {
            return -1;
        }
        at = newline + 1;
    }
    return ended ? 0 : seal_fail(error, "%s: the manifest does not end with 'end'", archive->path);
}
