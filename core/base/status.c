/* status.c - names and texts of the status codes; how a violated check ends. */
#include <stdio.h>
#include <stdlib.h>

#include "base.h"

const char *gos_status_name(int status)
{
    switch (status) {
#define NAME(name, value, text)                                                                  \
    case value: return #name;
        GOS_STATUS_LIST(NAME)
#undef NAME
    }
    return "unknown status";
}

const char *gos_status_text(int status)
{
    switch (status) {
#define TEXT(name, value, text)                                                                  \
    case value: return text;
        GOS_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

void gosi_fatal(const char *file, int line, const char *what)
{
    fprintf(stderr, "gossamer: %s:%d: check failed: %s\n", file, line, what);
    abort();
}
