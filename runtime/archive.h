/* archive.h - a sealed archive as its reader sees it.
 *
 * The file is a zip archive in one canonical form (docs/internals/sealed.md has the drawing): the members one
 * after the other without gaps, then the manifest, its signature if there is one, the directory, and a trailer
 * of fixed size that names the manifest and its SHA-256. The manifest names every member with its place, sizes
 * and SHA-256, so it alone is trusted; each other byte is computed from it and compared.
 *
 * Invariants: nothing of a member reaches a caller before its digest has been compared, and what the caller
 * gets is a copy that was hashed itself, since the file may change or shrink behind a mapping at any time.
 * An open archive never changes: several threads may read from it.
 */
#ifndef SEAL_ARCHIVE_H
#define SEAL_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "sha256.h"

enum {
    SEAL_MAX_MEMBERS = 65000,      /* a zip directory counts in 16 bits */
    SEAL_MAX_NAME = 512,           /* bytes of one name */
    SEAL_MAX_MEMBER = 256 << 20,   /* bytes of one member, unpacked */
    SEAL_MAX_MANIFEST = 16 << 20,  /* bytes */
    SEAL_MAX_SIGNATURE = 4096,     /* bytes */
};
#define SEAL_MAX_TOTAL ((uint64_t)1 << 31) /* bytes of all members, unpacked */

#define SEAL_MANIFEST_NAME "META-SEAL/manifest"
#define SEAL_SIGNATURE_NAME "META-SEAL/manifest.minisig"

/* What went wrong, for people: which file or member, and why. */
typedef struct {
    char text[640];
} seal_error;

/* Writes the text and returns -1. */
int seal_fail(seal_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef enum { SEAL_MODULE, SEAL_PACKAGE, SEAL_EXTENSION, SEAL_DATA, SEAL_KINDS } seal_kind;

typedef struct {
    const char *name; /* inside the manifest, ended by NUL */
    uint32_t name_size;
    uint32_t stored; /* bytes in the file */
    uint32_t size;   /* bytes when unpacked; equal to stored unless deflated */
    uint32_t crc;    /* CRC-32 of the unpacked bytes, for other zip tools */
    uint64_t offset; /* of the local header, from the start of the archive */
    uint8_t sha256[SEAL_SHA256_SIZE]; /* of the stored bytes */
    uint8_t kind;                     /* a seal_kind */
    uint8_t deflated;
} seal_member;

/* A line of the manifest that is no member: its key and the words after it. */
typedef struct {
    const char *key, *value;
} seal_setting;

typedef struct {
    char *path; /* as given, for messages */
    int fd;
    uint64_t base, size; /* where the archive lies in the file, in bytes */
    int embedded;        /* bytes before it are expected: it lies behind a launcher */

    char *manifest; /* its lines, each ended by NUL; owned */
    char *manifest_text; /* as it is in the file; owned */
    size_t manifest_size;
    uint8_t manifest_sha256[SEAL_SHA256_SIZE];
    uint64_t manifest_offset;
    char *signature; /* text of the .minisig, or NULL; owned */
    size_t signature_size;
    int verified; /* the signature was checked against a pinned key */

    seal_member *members; /* in the order of the file; owned */
    size_t count;
    uint32_t *table; /* open hash of names to index + 1; owned */
    uint32_t mask;
    seal_setting *settings; /* owned */
    size_t setting_count;
} seal_archive;

/* Opens and checks everything but the members' bytes. `key` is the text of a minisign public key that must have
 * signed the manifest, or NULL. Returns 0, or -1 with the error's text; then *archive is NULL. */
int seal_archive_open(seal_archive **archive, const char *path, const char *key, seal_error *error);

/* The same; with `embedded` the archive may lie behind other bytes, those of a launcher. */
int seal_archive_open_any(seal_archive **archive, const char *path, const char *key, int embedded, seal_error *error);

/* The same on an open descriptor, which the archive takes over and closes also on failure. */
int seal_archive_open_fd(seal_archive **archive, int fd, const char *path, const char *key, int embedded,
                         seal_error *error);

/* Frees it and closes its file. NULL is allowed. */
void seal_archive_close(seal_archive *archive);

/* The member of that name (`size` bytes, no NUL needed), or NULL. */
const seal_member *seal_archive_find(const seal_archive *archive, const char *name, size_t size);

/* The value of the first setting with this key, or NULL. */
const char *seal_archive_setting(const seal_archive *archive, const char *key);

/* Reads, verifies and unpacks one member. *bytes is from malloc, with one NUL after it. 0, or -1 with the text. */
int seal_archive_load(const seal_archive *archive, const seal_member *member, char **bytes, seal_error *error);

/* Verifies every byte of the file. 0, or -1 with the text of the first thing found. */
int seal_archive_verify(const seal_archive *archive, seal_error *error);

/* ---- between the reader's files ---- */

/* manifest.c: fills members, settings and the table from archive->manifest. */
int seal_manifest_parse(seal_archive *archive, seal_error *error);

/* crc32.c, zip.c: the bytes that the canonical form demands. */
enum { SEAL_LOCAL = 30, SEAL_CENTRAL = 46, SEAL_END = 22, SEAL_COMMENT = 106, SEAL_TRAILER = SEAL_END + SEAL_COMMENT };
uint32_t seal_crc32(const void *data, size_t size);
void seal_zip_local(const seal_member *member, uint8_t header[SEAL_LOCAL]);
void seal_zip_central(const seal_member *member, uint8_t header[SEAL_CENTRAL]);

/* inflate.c */
int seal_inflate(const void *data, size_t size, void *out, size_t out_size); /* 0; -1 damaged; -2 built without zlib */

/* minisign.c: 0, or -1 with why. Built without libsodium it always refuses. */
int seal_signature_verify(const char *key, const char *signature, size_t signature_size, const void *message,
                          size_t message_size, seal_error *error);

#endif
