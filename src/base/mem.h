/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. Called by everybody.
 *
 * x*alloc never return NULL: running out of memory for something small aborts with a report, because
 * containers outlive the engine and a clean crash beats an untested branch. A size that comes from outside
 * is bounded by the caller first and taken with try_alloc(), which may return NULL.
 */
#pragma once

#include "base/attr.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* Grow to n elements of `size` bytes; overflow aborts. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* NULL stays NULL. */
char *xstrdup_opt(const char *s);
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) __attribute__((malloc, returns_nonnull));
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0) __attribute__((malloc, returns_nonnull));
void *try_alloc(size_t n) __attribute__((malloc));

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))

/* Make room for one more element in a growing array: GROW(v, n, cap); v[n++] = x; */
#define GROW(v, n, cap)                                                                                      \
	do {                                                                                                 \
		if ((n) == (cap)) {                                                                          \
			(cap) = (cap) ? (cap)*2 : 8;                                                         \
			(v) = xreallocarray((v), (cap), sizeof(*(v)));                                       \
		}                                                                                            \
	} while (0)

DEFINE_CLEANUP(char *, free)
static inline UNUSED void free_any_cleanup_(void *p)
{
	free(*(void **)p);
}
/* Any malloc'ed pointer. */
#define cleanup_free __attribute__((cleanup(free_any_cleanup_)))

/*
 * Arena: what lives as long as one request, build step or decoded document, freed in one call.
 * Not thread-safe; one owner.
 */
struct arena;
struct arena *arena_new(void) __attribute__((returns_nonnull));
void arena_free(struct arena *a);
/* Zeroed, aligned to 16; never NULL. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) __attribute__((returns_nonnull));
DEFINE_CLEANUP(struct arena *, arena_free)
#define cleanup_arena      CLEANUP(arena_free)
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
