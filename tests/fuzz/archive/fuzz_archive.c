/* fuzz_archive.c - libFuzzer target: any bytes as a sealed archive, a signature or a key.
 *
 * The digest and the checksum are stubs that are always zero, or no mutation would get past them; the corpus is made to
 * fit (make_corpus.py). Whatever the reader accepts is then read through to the end.
 */
#define _GNU_SOURCE
#include "archive.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void seal_sha256(const void *data, size_t size, uint8_t digest[SEAL_SHA256_SIZE])
{
    (void)data, (void)size;
    memset(digest, 0, SEAL_SHA256_SIZE);
}

uint32_t seal_crc32(const void *data, size_t size)
{
    (void)data, (void)size;
    return 0;
}

static const char key[] = "untrusted comment: a key\nRWSsmudpg/q0Tw6JP0qtTdV6W2nabwLKXX+m2t9OmsL9kHgNr7jSbYeq\n";

static void as_archive(const uint8_t *data, size_t size, const char *pinned, int embedded)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    seal_archive *archive;
    seal_error error;
    if (seal_archive_open_fd(&archive, fd, "input", pinned, embedded, &error)) {
        if (archive || !memchr(error.text, 0, sizeof error.text) || !error.text[0])
            abort();
        return;
    }
    for (size_t i = 0; i < archive->count; i++)
        if (seal_archive_find(archive, archive->members[i].name, archive->members[i].name_size) != &archive->members[i])
            abort();
    seal_archive_setting(archive, "main");
    seal_archive_verify(archive, &error);
    seal_archive_close(archive);
}

/* The input up to its first zero byte is the key, the rest the signature. */
static void as_signature(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    seal_error error;
    if (!text)
        return;
    memcpy(text, data, size);
    text[size] = 0;
    size_t used = strlen(text) + 1;
    if (used <= size)
        seal_signature_verify(text, text + used, size - used, "message", 7, &error);
    seal_signature_verify(key, text, size, "message", 7, &error);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    switch (data[0] & 3) {
    case 0:
    case 1:
        as_archive(data + 1, size - 1, NULL, data[0] & 1);
        break;
    case 2:
        as_archive(data + 1, size - 1, key, 0);
        break;
    default:
        as_signature(data + 1, size - 1);
    }
    return 0;
}
