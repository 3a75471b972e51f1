/* fuzz_launcher.c - libFuzzer target: the launcher's main() with any arguments, key file and archive, up to the point where
 * Python would start.
 *
 * An input is arguments, one a line, up to a zero byte; the key file's text up to the next one; then the archive. %A and
 * %K in the arguments stand for the paths of the two files. Digest and checksum are stubs, as in ../archive.
 */
#define _GNU_SOURCE
#define main launcher_main
#include "../../../runtime/launcher.c"
#undef main

#include <sys/mman.h>

void seal_sha256(const void *data, size_t size, uint8_t digest[SEAL_SHA256_SIZE])
{
    (void)data, (void)size;
    memset(digest, 0, SEAL_SHA256_SIZE);
}

const char *seal_sha256_backend(void)
{
    return "none";
}

uint32_t seal_crc32(const void *data, size_t size)
{
    (void)data, (void)size;
    return 0;
}

static int ran;

/* Instead of the one in program.c, which is compiled under another name. */
int seal_program_run(const seal_archive *archive, const char *launcher, int argc, char **argv)
{
    seal_error error;
    ran = 1;
    if (!launcher[0] || argc < 0 || argv[argc] || !seal_archive_setting(archive, "main") || archive->verified < 0)
        abort();
    seal_archive_verify(archive, &error);
    seal_archive_close((seal_archive *)archive);
    return 0;
}

static int file_of(const uint8_t *data, size_t size, char path[32])
{
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

enum { MOST = 12 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    /* What the launcher says is not read, but must not go to the fuzzer's own report. */
    stdout = fopen("/dev/null", "w");
    return stdout == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *words[MOST + 2], archive[32], key[32];
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    size_t arguments = strlen(text), key_at = arguments + 1 < size ? arguments + 1 : size;
    size_t key_size = strlen(text + key_at), archive_at = key_at + key_size + 1 < size ? key_at + key_size + 1 : size;
    int key_file = file_of(data + key_at, key_size, key), file = file_of(data + archive_at, size - archive_at, archive), count = 0;
    words[count++] = (char *)"gossamer-run";
    char *rest = text;
    for (char *word; count <= MOST && arguments && (word = strsep(&rest, "\n"));)
        words[count++] = strcmp(word, "%A") == 0 ? archive : strcmp(word, "%K") == 0 ? key : word;
    words[count] = NULL;

    FILE *err = stderr;
    stderr = stdout;
    ran = 0;
    int status = launcher_main(count, words);
    stderr = err;
    if ((status != 0 && status != REFUSED) || (ran && status))
        abort();
    close(key_file);
    close(file);
    free(text);
    return 0;
}
