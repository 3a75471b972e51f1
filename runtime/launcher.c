/* launcher.c - gossamer-run: verifies a sealed archive and runs it.
 *
 * Exit status 2 and one line on standard error when the archive is refused; nothing of it ran then.
 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SEAL_PINNED_KEY
#define SEAL_PINNED_KEY NULL
#endif
#ifndef GOSSAMER_VERSION
#define GOSSAMER_VERSION "unknown"
#endif

enum { REFUSED = 2, MAX_KEY = 4096 };

static const char *const pinned_key = SEAL_PINNED_KEY;

static int refuse(const char *text)
{
    fprintf(stderr, "gossamer-run: %s\n", text);
    return REFUSED;
}

static void usage(FILE *out)
{
    fputs("usage: gossamer-run [--key FILE] ARCHIVE [ARGUMENT ...]\n"
          "\n"
          "Verify a sealed archive and run it; `gossamer seal` makes them.\n"
          "\n"
          "  --key FILE   a minisign public key: the archive must be signed with it\n"
          "  --version    print versions and what this launcher can do\n"
          "  --help       this text\n"
          "\n"
          "What follows ARCHIVE belongs to the program. An archive that is refused gives exit status 2.\n",
          out);
}

static void version(void)
{
    seal_error error;
    int sodium = seal_signature_verify("", "", 0, "", 0, &error) && !strstr(error.text, "without libsodium");
    int zlib = seal_inflate("", 0, "", 0) != -2;
    printf("gossamer-run %s\nPython %s\nsignatures: %s\ncompressed members: %s\nkey: %s\nSHA-256: %s\n", GOSSAMER_VERSION,
           seal_program_python(), sodium ? "yes (libsodium)" : "no (built without libsodium)",
           zlib ? "yes (zlib)" : "no (built without zlib)", pinned_key ? pinned_key : "none built in", seal_sha256_backend());
}

/* The text of a key file, or NULL after a message. */
static char *read_key(const char *path)
{
    static char text[MAX_KEY + 1];
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text, file) : 0;
    if (!file || ferror(file) || size == 0 || size > MAX_KEY) {
        fprintf(stderr, "gossamer-run: cannot read the key %s: %s\n", path,
                !file ? strerror(errno) : size > MAX_KEY ? "it is too long for a key" : "it is empty or unreadable");
        if (file)
            fclose(file);
        return NULL;
    }
    fclose(file);
    text[size] = 0;
    return text;
}

static int run(seal_archive *archive, const char *self, int argc, char **argv)
{
    seal_error error;
    if (seal_program_check(archive, &error)) {
        seal_archive_close(archive);
        return refuse(error.text);
    }
    return seal_program_run(archive, self, argc, argv);
}

/* An archive that lies behind the launcher itself: then there are no options, all arguments are the program's.
 * -1 when there is none. */
static int run_own(const char *self, int argc, char **argv)
{
    char mark[16];
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < SEAL_TRAILER || pread(fd, mark, 16, size - SEAL_COMMENT) != 16 || memcmp(mark, "gossamer-seal 1 ", 16)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    seal_error error;
    seal_archive *archive;
    if (seal_archive_open_fd(&archive, fd, self, pinned_key, 1, &error))
        return refuse(error.text);
    return run(archive, self, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    char self[PATH_MAX] = "gossamer-run", path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size > 0)
        self[size] = 0;
    int status = run_own(self, argc, argv);
    if (status >= 0)
        return status;

    const char *key = pinned_key;
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        } else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            usage(stdout);
            return 0;
        } else if (strcmp(argv[at], "--version") == 0) {
            version();
            return 0;
        } else if (strcmp(argv[at], "--key") == 0 && at + 1 < argc) {
            if (pinned_key)
                return refuse("this launcher has its key built in: --key cannot replace it");
            key = read_key(argv[++at]);
            if (!key)
                return REFUSED;
        } else if (strcmp(argv[at], "-c") == 0 || strcmp(argv[at], "-m") == 0) {
            fprintf(stderr, "gossamer-run: there is no %s: a sealed runtime runs sealed archives only, no text\n", argv[at]);
            return REFUSED;
        } else {
            fprintf(stderr, "gossamer-run: unknown option or missing value: %s\nTry 'gossamer-run --help'.\n", argv[at]);
            return REFUSED;
        }
    }
    if (at >= argc) {
        usage(stderr);
        return REFUSED;
    }
    seal_archive *archive;
    seal_error error;
    if (seal_archive_open(&archive, argv[at], key, &error))
        return refuse(error.text);
    if (realpath(argv[at], path)) { /* what the program sees as its files' place; the file itself is open */
        char *copy = strdup(path);
        if (copy) {
            free(archive->path);
            archive->path = copy;
        }
    }
    return run(archive, self, argc - at - 1, argv + at + 1);
}
