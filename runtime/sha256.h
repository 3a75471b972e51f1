/* sha256.h - SHA-256 (FIPS 180-4) over bytes in memory. */
#ifndef SEAL_SHA256_H
#define SEAL_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SEAL_SHA256_SIZE 32

/* The digest of `size` bytes at `data`. Any thread; keeps nothing. */
void seal_sha256(const void *data, size_t size, uint8_t digest[SEAL_SHA256_SIZE]);

/* The name of the code that seal_sha256 runs on this processor: "sha-ni" or "portable". */
const char *seal_sha256_backend(void);

#endif
