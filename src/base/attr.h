/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiler attributes and the cleanup forms every resource type uses.
 *
 * A type gets its scoped form once, beside its destructor:
 *
 *	void image_unref(struct image *img);		// NULL is fine
 *	DEFINE_CLEANUP(struct image *, image_unref)
 *	#define cleanup_image CLEANUP(image_unref)
 *
 * and a function owns one by writing `cleanup_image struct image *img = NULL;`.
 * TAKE_PTR/TAKE_FD move the value out, so that the local no longer destroys it.
 */
#pragma once

#include <stddef.h>

#define NODISCARD         __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED            __attribute__((unused))
#define NORETURN          __attribute__((noreturn))
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))

#define CLEANUP(fn) __attribute__((cleanup(fn##_cleanup_)))
#define DEFINE_CLEANUP(type, fn)                                                                             \
	static inline UNUSED void fn##_cleanup_(type *p)                                                     \
	{                                                                                                    \
		if (*p)                                                                                      \
			fn(*p);                                                                              \
	}

#define TAKE_PTR(p)                                                                                          \
	({                                                                                                   \
		typeof(p) *take_p_ = &(p);                                                                   \
		typeof(p) take_v_ = *take_p_;                                                                \
		*take_p_ = NULL;                                                                             \
		take_v_;                                                                                     \
	})

#define TAKE_FD(fd)                                                                                          \
	({                                                                                                   \
		int *take_p_ = &(fd);                                                                        \
		int take_v_ = *take_p_;                                                                      \
		*take_p_ = -1;                                                                               \
		take_v_;                                                                                     \
	})

#define MIN(a, b)                                                                                            \
	({                                                                                                   \
		typeof(a) min_a_ = (a);                                                                      \
		typeof(b) min_b_ = (b);                                                                      \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                           \
	})
#define MAX(a, b)                                                                                            \
	({                                                                                                   \
		typeof(a) max_a_ = (a);                                                                      \
		typeof(b) max_b_ = (b);                                                                      \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                           \
	})

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Thread annotations: clang's -Wthread-safety checks them, gcc ignores them. */
#if defined(__clang__)
#define CAPABILITY(x)    __attribute__((capability(x)))
#define GUARDED_BY(x)    __attribute__((guarded_by(x)))
#define REQUIRES(...)    __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRES(...)    __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...)    __attribute__((release_capability(__VA_ARGS__)))
#define EXCLUDES(...)    __attribute__((locks_excluded(__VA_ARGS__)))
#define NO_THREAD_SAFETY __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(x)
#define GUARDED_BY(x)
#define REQUIRES(...)
#define ACQUIRES(...)
#define RELEASES(...)
#define EXCLUDES(...)
#define NO_THREAD_SAFETY
#endif
