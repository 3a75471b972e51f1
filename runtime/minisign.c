/* minisign.c - Ed25519 signatures in minisign's format; the cryptography is libsodium's.
 *
 * A public key is two lines, a signature four; both are read as strictly as minisign writes them. Only the
 * prehashed form ("ED") is accepted, which is what minisign and the packer write.
 */
#include "archive.h"

#ifdef SEAL_HAVE_SODIUM

#include <sodium.h>
#include <string.h>

enum { KEY_BYTES = 2 + 8 + 32, SIGNATURE_BYTES = 2 + 8 + 64 };

typedef struct {
    const char *text;
    size_t size;
} line;

/* The next line of *rest, without its end. 0 when there is none. */
static int next_line(line *rest, line *found)
{
    if (rest->size == 0)
        return 0;
    const char *end = memchr(rest->text, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->text) : rest->size;
    *found = (line){rest->text, size};
    size_t used = end ? size + 1 : size;
    rest->text += used;
    rest->size -= used;
    if (found->size && found->text[found->size - 1] == '\r')
        found->size--;
    return 1;
}

static int decode(line text, unsigned char *out, size_t size)
{
    size_t got;
    const char *end;
    return sodium_base642bin(out, size, text.text, text.size, NULL, &got, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           got == size && end == text.text + text.size;
}

static int starts_with(line text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.text, prefix, size) == 0;
}

/* The key may be the whole file or its second line alone, as `minisign -P` takes it. */
static int decode_key(const char *key, unsigned char out[KEY_BYTES])
{
    line rest = {key, strlen(key)}, first, second;
    if (!next_line(&rest, &first))
        return 0;
    if (!starts_with(first, "untrusted comment: "))
        second = first;
    else if (!next_line(&rest, &second))
        return 0;
    return rest.size == 0 && decode(second, out, KEY_BYTES) && out[0] == 'E' && out[1] == 'd';
}

int seal_signature_verify(const char *key, const char *signature, size_t signature_size, const void *message,
                          size_t message_size, seal_error *error)
{
    static const char trusted[] = "trusted comment: ";
    unsigned char pinned[KEY_BYTES], made[SIGNATURE_BYTES], global[64], digest[64], both[64 + 2048];
    line rest = {signature, signature_size}, first, second, comment, last;

    if (sodium_init() < 0)
        return seal_fail(error, "libsodium does not start");
    if (!decode_key(key, pinned))
        return seal_fail(error, "the pinned key is no minisign public key");
    if (!next_line(&rest, &first) || !starts_with(first, "untrusted comment: ") || !next_line(&rest, &second) ||
        !decode(second, made, sizeof made) || !next_line(&rest, &comment) || !starts_with(comment, trusted) ||
        !next_line(&rest, &last) || !decode(last, global, sizeof global) || rest.size)
        return seal_fail(error, "the signature is not in minisign's format");
    if (made[0] != 'E' || made[1] != 'D')
        return seal_fail(error, "the signature is not of the kind ED (Ed25519 over BLAKE2b-512)");
    if (memcmp(made + 2, pinned + 2, 8) != 0)
        return seal_fail(error, "the signature was made with another key than the pinned one");

    crypto_generichash(digest, sizeof digest, message, message_size, NULL, 0);
    if (crypto_sign_verify_detached(made + 10, digest, sizeof digest, pinned + 10) != 0)
        return seal_fail(error, "the signature does not match the manifest");

    size_t said = comment.size - (sizeof trusted - 1);
    if (said > sizeof both - 64)
        return seal_fail(error, "the signature's trusted comment is too long");
    memcpy(both, made + 10, 64);
    memcpy(both + 64, comment.text + sizeof trusted - 1, said);
    if (crypto_sign_verify_detached(global, both, 64 + said, pinned + 10) != 0)
        return seal_fail(error, "the signature's trusted comment was changed");
    return 0;
}

#else

int seal_signature_verify(const char *key, const char *signature, size_t signature_size, const void *message,
                          size_t message_size, seal_error *error)
{
    (void)key, (void)signature, (void)signature_size, (void)message, (void)message_size;
    return seal_fail(error, "a key is pinned, but this launcher was built without libsodium and cannot check signatures");
}

#endif
