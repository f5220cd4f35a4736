/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text: `struct sv` looks at bytes without owning them, `struct strbuf` builds them, `char *` lives at the
 * edges. Numbers from outside go through parse_*(), which reject junk, signs, spaces and overflow.
 */
#pragma once

#include "base/attr.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct sv {
	const char *p;
	size_t n;
};

#define SV(lit) ((struct sv){ "" lit, sizeof(lit) - 1 })
static inline struct sv sv_of(const char *s)
{
	return (struct sv){ s, s ? strlen(s) : 0 };
}
static inline struct sv sv_n(const char *p, size_t n)
{
	return (struct sv){ p, n };
}
bool sv_eq(struct sv a, struct sv b);
bool sv_eqs(struct sv a, const char *s);
bool sv_ieqs(struct sv a, const char *s); /* ASCII case */
bool sv_starts(struct sv a, struct sv prefix);
bool sv_ends(struct sv a, struct sv suffix);
/* Index of c, or -1. */
ssize_t sv_find(struct sv a, char c);
ssize_t sv_rfind(struct sv a, char c);
struct sv sv_sub(struct sv a, size_t from, size_t to);
struct sv sv_trim(struct sv a); /* ASCII space and tab, CR, LF */
/* Cut at the first c: *head gets what is before, *tail what is after; false (all in *head) if there is none.
 */
bool sv_cut(struct sv a, char c, struct sv *head, struct sv *tail);
char *sv_dup(struct sv a); /* heap, NUL-terminated */

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* NULL-tolerant. */
bool str_eq(const char *a, const char *b);
bool str_empty(const char *s);
/* Docker's boolean query rule: "", 0, no, false, none are false, anything else is true; NULL is false. */
bool str_truthy(const char *s);

/* 0, or -EINVAL / -ERANGE. Decimal digits only. */
int parse_u64(struct sv s, uint64_t max, uint64_t *out) NODISCARD;
int parse_i64(struct sv s, int64_t min, int64_t max, int64_t *out) NODISCARD;
int parse_u32(struct sv s, uint32_t max, uint32_t *out) NODISCARD;
int parse_octal(struct sv s, uint64_t max, uint64_t *out) NODISCARD;
/* strconv.ParseBool's words: 1 t T TRUE true True 0 f F FALSE false False. */
int parse_bool(struct sv s, bool *out) NODISCARD;

/* A growing text. Zero-initialised is empty; p is NULL or NUL-terminated. */
struct strbuf {
	char *p;
	size_t n, cap;
};
void sb_release(struct strbuf *b);
#define cleanup_strbuf __attribute__((cleanup(sb_release)))
void sb_reset(struct strbuf *b); /* keeps the memory */
void sb_reserve(struct strbuf *b, size_t more);
void sb_add(struct strbuf *b, const char *s);
void sb_addn(struct strbuf *b, const void *p, size_t n);
void sb_addsv(struct strbuf *b, struct sv s);
void sb_addc(struct strbuf *b, char c);
void sb_addf(struct strbuf *b, const char *fmt, ...) PRINTF(2, 3);
void sb_vaddf(struct strbuf *b, const char *fmt, va_list ap) PRINTF(2, 0);
/* The text, to be freed by the caller; never NULL; b is empty after. */
char *sb_take(struct strbuf *b);
static inline struct sv sb_sv(const struct strbuf *b)
{
	return (struct sv){ b->p ? b->p : "", b->n };
}
static inline const char *sb_str(const struct strbuf *b)
{
	return b->p ? b->p : "";
}

/* A growing list of owned strings. Zero-initialised is empty; v is NULL-terminated when not NULL. */
struct strlist {
	char **v;
	size_t n, cap;
};
void strlist_add(struct strlist *l, const char *s);
void strlist_addn(struct strlist *l, const char *s, size_t n);
void strlist_take(struct strlist *l, char *s); /* takes ownership */
bool strlist_has(const struct strlist *l, const char *s);
void strlist_release(struct strlist *l);
#define cleanup_strlist __attribute__((cleanup(strlist_release)))

/* Lower-case hex; out holds 2n+1. */
void hex_encode(const void *p, size_t n, char *out);
/* -EINVAL unless exactly 2n hex digits. */
int hex_decode(struct sv s, void *out, size_t n) NODISCARD;
