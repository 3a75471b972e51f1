/* base.h - what every file of the core uses: checks, allocation, branch hints. */
#ifndef GOSI_BASE_H
#define GOSI_BASE_H

#include <stddef.h>
#include <stdint.h>

#include "gossamer.h"

#define GOSI_LIKELY(x) __builtin_expect(!!(x), 1)
#define GOSI_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define GOSI_INLINE inline __attribute__((always_inline))
#define GOSI_COLD __attribute__((noinline, cold))

/* GOS_CHECK: misuse of the API, always on. GOS_ASSERT: our own reasoning, in debug builds. */
#define GOS_CHECK(cond)                                                                          \
    do {                                                                                         \
        if (GOSI_UNLIKELY(!(cond)))                                                              \
            gosi_fatal(__FILE__, __LINE__, #cond);                                               \
    } while (0)
#ifdef GOS_DEBUG
#define GOS_ASSERT(cond) GOS_CHECK(cond)
#else
#define GOS_ASSERT(cond) ((void)0)
#endif

/* Print what was violated, where, and abort. */
_Noreturn void gosi_fatal(const char *file, int line, const char *what);

/* The allocator of gos_set_allocator. gosi_alloc returns NULL when out of memory; free takes NULL. */
void *gosi_alloc(size_t bytes);
void *gosi_resize(void *block, size_t bytes);
void gosi_free(void *block);

/* Make room for one more element in a growing array; 0 or GOS_ENOMEM, array untouched. */
int gosi_reserve(void **array, uint32_t count, uint32_t *room, size_t element);

/* Milliseconds are enough: the coarse clock costs 5 ns where gos_now costs 25. */
int64_t gosi_now_coarse(void);

/* 1 if this thread runs with a hardware shadow stack, on which returning to another stack faults. */
int gosi_shadow_stack_active(void);

#endif
