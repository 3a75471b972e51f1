/* inflate.c - unpacking of members that the packer has deflated; needs zlib. */
#include "archive.h"

#ifdef SEAL_HAVE_ZLIB

#include <string.h>
#include <zlib.h>

/* The output must fill `out` exactly: neither a short stream nor one with more behind it is accepted, and a
 * stream never gets more room than the manifest says. */
int seal_inflate(const void *data, size_t size, void *out, size_t out_size)
{
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, -15) != Z_OK)
        return -1;
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)size;
    stream.next_out = out;
    stream.avail_out = (uInt)out_size;
    int status = inflate(&stream, Z_FINISH);
    int whole = status == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0;
    inflateEnd(&stream);
    return whole ? 0 : -1;
}

#else

int seal_inflate(const void *data, size_t size, void *out, size_t out_size)
{
    (void)data, (void)size, (void)out, (void)out_size;
    return -2;
}

#endif
