/* archive.c - opening and checking of a sealed archive; archive.h says what holds afterwards. */
#include "archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int seal_fail(seal_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- reading ---- */

/* All of it, or -1: a file that ends early is as bad as one that cannot be read. */
static int read_at(const seal_archive *archive, void *out, size_t size, uint64_t offset)
{
    char *to = out;
    if (offset > archive->size || size > archive->size - offset)
        return -1;
    while (size) {
        ssize_t got = pread(archive->fd, to, size, (off_t)(archive->base + offset));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        to += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return 0;
}

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

/* `digits` lower-case hexadecimal digits. 1 when they are that. */
static int get_hex(const char *text, int digits, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            *value = *value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *value = *value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return 0;
    }
    return 1;
}

/* ---- the trailer ---- */

struct trailer {
    unsigned entries;
    uint32_t directory_size, directory_offset;
    uint64_t manifest_offset, manifest_size;
    uint8_t sha256[SEAL_SHA256_SIZE];
};

static int read_trailer(seal_archive *archive, uint64_t file_size, struct trailer *trailer, seal_error *error)
{
    static const char form[] = "gossamer-seal 1 ";
    uint8_t end[SEAL_TRAILER];
    archive->size = file_size;
    if (file_size < SEAL_TRAILER || read_at(archive, end, SEAL_TRAILER, file_size - SEAL_TRAILER))
        return seal_fail(error, "%s is too short to be a sealed archive: truncated?", archive->path);
    const char *comment = (const char *)end + SEAL_END;
    if (get32(end) != 0x06054b50 || memcmp(comment, form, sizeof form - 1) != 0)
        return seal_fail(error, "%s does not end as a sealed archive does: it is something else, or truncated, or bytes were added",
                         archive->path);
    int good = get32(end + 4) == 0 && get16(end + 8) == get16(end + 10) && get16(end + 20) == SEAL_COMMENT;
    const char *p = comment + sizeof form - 1;
    good = good && get_hex(p, 16, &trailer->manifest_offset) && p[16] == ' ' &&
           get_hex(p + 17, 8, &trailer->manifest_size) && p[25] == ' ';
    for (int i = 0; good && i < SEAL_SHA256_SIZE; i++) {
        uint64_t byte;
        good = get_hex(p + 26 + 2 * i, 2, &byte);
        trailer->sha256[i] = (uint8_t)byte;
    }
    if (!good)
        return seal_fail(error, "%s has a damaged trailer", archive->path);
    trailer->entries = get16(end + 8);
    trailer->directory_size = get32(end + 12);
    trailer->directory_offset = get32(end + 16);
    return 0;
}

/* A launcher may carry its archive behind itself: the directory's place tells where the archive begins. */
static int place(seal_archive *archive, uint64_t file_size, const struct trailer *trailer, seal_error *error)
{
    uint64_t size = (uint64_t)trailer->directory_offset + trailer->directory_size + SEAL_TRAILER;
    if (size > file_size)
        return seal_fail(error, "%s is truncated: its trailer speaks of %llu bytes, it has %llu", archive->path,
                         (unsigned long long)size, (unsigned long long)file_size);
    if (size < file_size && !archive->embedded)
        return seal_fail(error, "%s has %llu bytes before the archive that do not belong to it", archive->path,
                         (unsigned long long)(file_size - size));
    archive->base = file_size - size;
    archive->size = size;
    return 0;
}

/* ---- manifest and signature ---- */

/* A member with this name and these bytes must lie at `offset`: compares its header, returns where it ends. */
static int read_fixed(const seal_archive *archive, seal_member *member, char **bytes, uint64_t *end, seal_error *error)
{
    size_t head = SEAL_LOCAL + member->name_size, whole = head + member->stored;
    char *all = malloc(whole + 1);
    if (!all)
        return seal_fail(error, "out of memory");
    if (read_at(archive, all, whole, member->offset)) {
        free(all);
        return seal_fail(error, "%s: %s lies outside of the file, which is truncated or altered", archive->path, member->name);
    }
    uint8_t expected[SEAL_LOCAL];
    member->crc = seal_crc32(all + head, member->stored);
    seal_zip_local(member, expected);
    if (memcmp(all, expected, SEAL_LOCAL) || memcmp(all + SEAL_LOCAL, member->name, member->name_size)) {
        free(all);
        return seal_fail(error, "%s: the header of %s was altered", archive->path, member->name);
    }
    memmove(all, all + head, member->stored);
    all[member->stored] = 0;
    *bytes = all;
    *end = member->offset + whole;
    return 0;
}

static int read_manifest(seal_archive *archive, const struct trailer *trailer, seal_member *member, uint64_t *end,
                         seal_error *error)
{
    if (trailer->manifest_size == 0 || trailer->manifest_size > SEAL_MAX_MANIFEST)
        return seal_fail(error, "%s: its manifest of %llu bytes is empty or too large", archive->path,
                         (unsigned long long)trailer->manifest_size);
    *member = (seal_member){.name = SEAL_MANIFEST_NAME, .name_size = sizeof SEAL_MANIFEST_NAME - 1,
                            .stored = (uint32_t)trailer->manifest_size, .size = (uint32_t)trailer->manifest_size,
                            .offset = trailer->manifest_offset};
    if (read_fixed(archive, member, &archive->manifest_text, end, error))
        return -1;
    archive->manifest_size = member->size;
    archive->manifest_offset = member->offset;
    seal_sha256(archive->manifest_text, archive->manifest_size, archive->manifest_sha256);
    if (memcmp(archive->manifest_sha256, trailer->sha256, SEAL_SHA256_SIZE) != 0)
        return seal_fail(error, "%s: the manifest was altered: its SHA-256 is not the one in the trailer", archive->path);
    archive->manifest = malloc(archive->manifest_size + 1);
    if (!archive->manifest)
        return seal_fail(error, "out of memory");
    memcpy(archive->manifest, archive->manifest_text, archive->manifest_size + 1);
    return 0;
}

static int read_signature(seal_archive *archive, uint64_t offset, uint64_t end, seal_member *member, seal_error *error)
{
    uint64_t head = SEAL_LOCAL + sizeof SEAL_SIGNATURE_NAME - 1, unused;
    if (end - offset < head || end - offset - head > SEAL_MAX_SIGNATURE)
        return seal_fail(error, "%s: between manifest and directory lies what is no signature", archive->path);
    uint32_t size = (uint32_t)(end - offset - head);
    *member = (seal_member){.name = SEAL_SIGNATURE_NAME, .name_size = sizeof SEAL_SIGNATURE_NAME - 1, .stored = size,
                            .size = size, .offset = offset};
    archive->signature_size = size;
    return read_fixed(archive, member, &archive->signature, &unused, error);
}

static int check_key(seal_archive *archive, const char *key, seal_error *error)
{
    seal_error why;
    if (!archive->signature)
        return seal_fail(error, "%s is not signed, but a key is pinned", archive->path);
    if (seal_signature_verify(key, archive->signature, archive->signature_size, archive->manifest_text,
                              archive->manifest_size, &why))
        return seal_fail(error, "%s: %s", archive->path, why.text);
    archive->verified = 1;
    return 0;
}

/* ---- the directory ---- */

/* Members tile the file from its start up to the manifest. */
static int check_places(const seal_archive *archive, seal_error *error)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < archive->count; i++) {
        const seal_member *member = &archive->members[i];
        if (member->offset != offset)
            return seal_fail(error, "%s: there is a gap or an overlap before %s", archive->path, member->name);
        offset += SEAL_LOCAL + (uint64_t)member->name_size + member->stored;
    }
    if (offset != archive->manifest_offset)
        return seal_fail(error, "%s: there is a gap or an overlap before the manifest", archive->path);
    return 0;
}

static int entry_differs(const seal_member *member, const char **at, const char *end)
{
    uint8_t expected[SEAL_CENTRAL];
    if ((size_t)(end - *at) < SEAL_CENTRAL + (size_t)member->name_size)
        return 1;
    seal_zip_central(member, expected);
    if (memcmp(*at, expected, SEAL_CENTRAL) || memcmp(*at + SEAL_CENTRAL, member->name, member->name_size))
        return 1;
    *at += SEAL_CENTRAL + member->name_size;
    return 0;
}

static int check_directory(const seal_archive *archive, const struct trailer *trailer, const seal_member *extra,
                           size_t extras, seal_error *error)
{
    if (trailer->entries != archive->count + extras)
        return seal_fail(error, "%s: the directory has %u entries, the manifest %zu", archive->path, trailer->entries,
                         archive->count + extras);
    char *directory = malloc((size_t)trailer->directory_size + 1);
    if (!directory)
        return seal_fail(error, "out of memory");
    const char *at = directory, *end = directory + trailer->directory_size, *wrong = NULL;
    if (read_at(archive, directory, trailer->directory_size, trailer->directory_offset))
        wrong = "(the whole of it)";
    for (size_t i = 0; !wrong && i < archive->count; i++)
        if (entry_differs(&archive->members[i], &at, end))
            wrong = archive->members[i].name;
    for (size_t i = 0; !wrong && i < extras; i++)
        if (entry_differs(&extra[i], &at, end))
            wrong = extra[i].name;
    if (!wrong && at != end)
        wrong = "(more than the manifest has)";
    free(directory);
    if (wrong)
        return seal_fail(error, "%s: the directory was altered at %s: it is not what the manifest says", archive->path, wrong);
    return 0;
}

/* ---- opening ---- */

static int check(seal_archive *archive, const char *key, seal_error *error)
{
    struct stat status;
    if (fstat(archive->fd, &status))
        return seal_fail(error, "cannot read %s: %s", archive->path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return seal_fail(error, "%s is not a file", archive->path);

    struct trailer trailer;
    seal_member extra[2];
    uint64_t end;
    if (read_trailer(archive, (uint64_t)status.st_size, &trailer, error) ||
        place(archive, (uint64_t)status.st_size, &trailer, error) ||
        read_manifest(archive, &trailer, &extra[0], &end, error))
        return -1;
    size_t extras = 1;
    if (end != trailer.directory_offset) {
        if (end > trailer.directory_offset)
            return seal_fail(error, "%s: manifest and directory overlap", archive->path);
        if (read_signature(archive, end, trailer.directory_offset, &extra[extras++], error))
            return -1;
    }
    if (key && check_key(archive, key, error))
        return -1;
    if (seal_manifest_parse(archive, error) || check_places(archive, error) ||
        check_directory(archive, &trailer, extra, extras, error))
        return -1;
    return 0;
}

int seal_archive_open_fd(seal_archive **result, int fd, const char *path, const char *key, int embedded,
                         seal_error *error)
{
    seal_archive *archive = calloc(1, sizeof *archive);
    *result = NULL;
    if (!archive) {
        close(fd);
        return seal_fail(error, "out of memory");
    }
    archive->fd = fd;
    archive->path = strdup(path);
    archive->embedded = embedded;
    if (!archive->path) {
        seal_archive_close(archive);
        return seal_fail(error, "out of memory");
    }
    if (check(archive, key, error)) {
        seal_archive_close(archive);
        return -1;
    }
    *result = archive;
    return 0;
}

int seal_archive_open_any(seal_archive **result, const char *path, const char *key, int embedded, seal_error *error)
{
    *result = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return seal_fail(error, "cannot open %s: %s", path, strerror(errno));
    return seal_archive_open_fd(result, fd, path, key, embedded, error);
}

int seal_archive_open(seal_archive **result, const char *path, const char *key, seal_error *error)
{
    return seal_archive_open_any(result, path, key, 0, error);
}

void seal_archive_close(seal_archive *archive)
{
    if (!archive)
        return;
    close(archive->fd);
    free(archive->path);
    free(archive->manifest);
    free(archive->manifest_text);
    free(archive->signature);
    free(archive->members);
    free(archive->table);
    free(archive->settings);
    free(archive);
}

/* ---- members ---- */

static int unpack(const seal_archive *archive, const seal_member *member, char **bytes, seal_error *error)
{
    char *out = malloc((size_t)member->size + 1);
    if (!out)
        return seal_fail(error, "out of memory");
    int status = seal_inflate(*bytes, member->stored, out, member->size);
    if (status) {
        free(out);
        return seal_fail(error, status == -2 ? "%s: %s is compressed, but this launcher was built without zlib"
                                             : "%s: %s does not unpack to the size that the manifest says",
                         archive->path, member->name);
    }
    out[member->size] = 0;
    free(*bytes);
    *bytes = out;
    return 0;
}

int seal_archive_load(const seal_archive *archive, const seal_member *member, char **bytes, seal_error *error)
{
    uint8_t expected[SEAL_LOCAL], digest[SEAL_SHA256_SIZE];
    size_t head = SEAL_LOCAL + member->name_size;
    char *all = malloc(head + member->stored + 1);
    *bytes = NULL;
    if (!all)
        return seal_fail(error, "out of memory");
    if (read_at(archive, all, head + member->stored, member->offset)) {
        free(all);
        return seal_fail(error, "%s: %s cannot be read: the file was truncated", archive->path, member->name);
    }
    seal_zip_local(member, expected);
    seal_sha256(all + head, member->stored, digest);
    if (memcmp(digest, member->sha256, SEAL_SHA256_SIZE) || memcmp(all, expected, SEAL_LOCAL) ||
        memcmp(all + SEAL_LOCAL, member->name, member->name_size)) {
        free(all);
        return seal_fail(error, "%s: %s was altered: it is not what the manifest says", archive->path, member->name);
    }
    memmove(all, all + head, member->stored);
    all[member->stored] = 0;
    if (member->deflated && unpack(archive, member, &all, error)) {
        free(all);
        return -1;
    }
    *bytes = all;
    return 0;
}

/* Headers and places were compared when it was opened; what is left are the members, and the checksums that only
 * other zip tools look at. */
int seal_archive_verify(const seal_archive *archive, seal_error *error)
{
    for (size_t i = 0; i < archive->count; i++) {
        const seal_member *member = &archive->members[i];
        char *bytes;
        if (seal_archive_load(archive, member, &bytes, error))
            return -1;
        uint32_t crc = seal_crc32(bytes, member->size);
        free(bytes);
        if (crc != member->crc)
            return seal_fail(error, "%s: the CRC-32 of %s does not fit its bytes", archive->path, member->name);
    }
    return 0;
}
