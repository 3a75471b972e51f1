/* crc32.c - the checksum of zip archives. */
#include "archive.h"

#ifdef SEAL_HAVE_ZLIB

#include <zlib.h>

uint32_t seal_crc32(const void *data, size_t size)
{
    return (uint32_t)crc32_z(0, data, size);
}

#else

/* Four bytes a step, by tables made on first use; every thread would make the same. */
uint32_t seal_crc32(const void *data, size_t size)
{
    static uint32_t tables[4][256];
    static int made;
    if (!__atomic_load_n(&made, __ATOMIC_ACQUIRE)) {
        uint32_t fresh[4][256];
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++)
                c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
            fresh[0][i] = c;
        }
        for (int t = 1; t < 4; t++)
            for (int i = 0; i < 256; i++)
                fresh[t][i] = fresh[t - 1][i] >> 8 ^ fresh[0][fresh[t - 1][i] & 255];
        for (int t = 0; t < 4; t++)
            for (int i = 0; i < 256; i++)
                __atomic_store_n(&tables[t][i], fresh[t][i], __ATOMIC_RELAXED);
        __atomic_store_n(&made, 1, __ATOMIC_RELEASE);
    }
    const uint8_t *p = data;
    uint32_t c = 0xffffffff;
    for (; size >= 4; size -= 4, p += 4) {
        c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        c = tables[3][c & 255] ^ tables[2][c >> 8 & 255] ^ tables[1][c >> 16 & 255] ^ tables[0][c >> 24];
    }
    for (; size; size--)
        c = c >> 8 ^ tables[0][(c ^ *p++) & 255];
    return ~c;
}

#endif
