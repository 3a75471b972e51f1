/* zip.c - the headers that the canonical form of a zip archive has.
 *
 * One form for each member: no extra fields, no comments, names in UTF-8, the date 1980-01-01, rights 0644.
 */
#include "archive.h"

#include <string.h>

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value & 0xffff);
    put16(p + 2, value >> 16);
}

/* The 26 bytes that local headers and entries of the directory have in common. */
static void put_common(const seal_member *member, uint8_t *p)
{
    put16(p, 20);          /* version needed */
    put16(p + 2, 1 << 11); /* names are UTF-8 */
    put16(p + 4, member->deflated ? 8 : 0);
    put16(p + 6, 0);    /* midnight */
    put16(p + 8, 0x21); /* 1980-01-01 */
    put32(p + 10, member->crc);
    put32(p + 14, member->stored);
    put32(p + 18, member->size);
    put16(p + 22, member->name_size);
    put16(p + 24, 0); /* no extra field */
}

void seal_zip_local(const seal_member *member, uint8_t header[SEAL_LOCAL])
{
    put32(header, 0x04034b50);
    put_common(member, header + 4);
}

void seal_zip_central(const seal_member *member, uint8_t header[SEAL_CENTRAL])
{
    memset(header, 0, SEAL_CENTRAL);
    put32(header, 0x02014b50);
    put16(header + 4, 3 << 8 | 20); /* made on Unix */
    put_common(member, header + 6);
    put32(header + 38, 0100644u << 16); /* a plain file */
    put32(header + 42, (uint32_t)member->offset);
}
