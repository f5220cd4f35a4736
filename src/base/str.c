/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

bool sv_eq(struct sv a, struct sv b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool sv_eqs(struct sv a, const char *s)
{
	return sv_eq(a, sv_of(s));
}

bool sv_ieqs(struct sv a, const char *s)
{
	size_t n = strlen(s);

	return a.n == n && (n == 0 || strncasecmp(a.p, s, n) == 0);
}

bool sv_starts(struct sv a, struct sv prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

bool sv_ends(struct sv a, struct sv suffix)
{
	return a.n >= suffix.n && (suffix.n == 0 || memcmp(a.p + a.n - suffix.n, suffix.p, suffix.n) == 0);
}

ssize_t sv_find(struct sv a, char c)
{
	const char *at = a.n ? memchr(a.p, c, a.n) : NULL;

	return at ? at - a.p : -1;
}

ssize_t sv_rfind(struct sv a, char c)
{
	const char *at = a.n ? memrchr(a.p, c, a.n) : NULL;

	return at ? at - a.p : -1;
}

struct sv sv_sub(struct sv a, size_t from, size_t to)
{
	to = MIN(to, a.n);
	from = MIN(from, to);
	return sv_n(a.p + from, to - from);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct sv sv_trim(struct sv a)
{
	while (a.n && is_space(a.p[0])) {
		a.p++;
		a.n--;
	}
	while (a.n && is_space(a.p[a.n - 1]))
		a.n--;
	return a;
}

bool sv_cut(struct sv a, char c, struct sv *head, struct sv *tail)
{
	ssize_t at = sv_find(a, c);

	if (at < 0) {
		*head = a;
		*tail = sv_n(a.p + a.n, 0);
		return false;
	}
	*head = sv_n(a.p, (size_t)at);
	*tail = sv_n(a.p + at + 1, a.n - (size_t)at - 1);
	return true;
}

char *sv_dup(struct sv a)
{
	char *s = xmalloc(a.n + 1);

	if (a.n)
		memcpy(s, a.p, a.n);
	s[a.n] = '\0';
	return s;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	return sv_ends(sv_of(s), sv_of(suffix));
}

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_empty(const char *s)
{
	return !s || !*s;
}

bool str_truthy(const char *s)
{
	static const char *const no[] = { "", "0", "no", "false", "none" };
	struct sv v;

	if (!s)
		return false;
	v = sv_trim(sv_of(s));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (sv_ieqs(v, no[i]))
			return false;
	return true;
}

static int parse_digits(struct sv s, unsigned base, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_u64(struct sv s, uint64_t max, uint64_t *out)
{
	return parse_digits(s, 10, max, out);
}

int parse_octal(struct sv s, uint64_t max, uint64_t *out)
{
	return parse_digits(s, 8, max, out);
}

int parse_u32(struct sv s, uint32_t max, uint32_t *out)
{
	uint64_t v;
	int r = parse_digits(s, 10, max, &v);

	if (r == 0)
		*out = (uint32_t)v;
	return r;
}

int parse_i64(struct sv s, int64_t min, int64_t max, int64_t *out)
{
	bool neg = s.n && s.p[0] == '-';
	uint64_t u;
	int64_t v;
	int r;

	r = parse_digits(neg ? sv_sub(s, 1, s.n) : s, 10, neg ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX,
			 &u);
	if (r < 0)
		return r;
	v = neg ? (int64_t)(0 - u) : (int64_t)u;
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_bool(struct sv s, bool *out)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True" };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (sv_eqs(s, yes[i])) {
			*out = true;
			return 0;
		}
		if (sv_eqs(s, no[i])) {
			*out = false;
			return 0;
		}
	}
	return -EINVAL;
}

void sb_release(struct strbuf *b)
{
	free(b->p);
	*b = (struct strbuf){ 0 };
}

void sb_reset(struct strbuf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = '\0';
}

void sb_reserve(struct strbuf *b, size_t more)
{
	size_t need, cap;

	if (__builtin_add_overflow(b->n, more, &need) || __builtin_add_overflow(need, (size_t)1, &need))
		need = SIZE_MAX;
	if (need <= b->cap)
		return;
	cap = b->cap ? b->cap : 64;
	while (cap < need && cap < SIZE_MAX / 2)
		cap *= 2;
	cap = MAX(cap, need);
	b->p = xreallocarray(b->p, cap, 1);
	b->cap = cap;
}

void sb_addn(struct strbuf *b, const void *p, size_t n)
{
	sb_reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void sb_add(struct strbuf *b, const char *s)
{
	sb_addn(b, s, strlen(s));
}

void sb_addsv(struct strbuf *b, struct sv s)
{
	sb_addn(b, s.p, s.n);
}

void sb_addc(struct strbuf *b, char c)
{
	sb_addn(b, &c, 1);
}

void sb_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return;
	sb_reserve(b, (size_t)n);
	(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
}

void sb_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	sb_vaddf(b, fmt, ap);
	va_end(ap);
}

char *sb_take(struct strbuf *b)
{
	char *s = b->p ? b->p : xstrdup("");

	*b = (struct strbuf){ 0 };
	return s;
}

void strlist_take(struct strlist *l, char *s)
{
	if (l->n + 1 >= l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void strlist_add(struct strlist *l, const char *s)
{
	strlist_take(l, xstrdup(s));
}

void strlist_addn(struct strlist *l, const char *s, size_t n)
{
	strlist_take(l, xstrndup(s, n));
}

bool strlist_has(const struct strlist *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

void strlist_release(struct strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct strlist){ 0 };
}

void hex_encode(const void *p, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[b[i] >> 4];
		out[2 * i + 1] = digit[b[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(struct sv s, void *out, size_t n)
{
	unsigned char *b = out;

	if (s.n != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(s.p[2 * i]), lo = hex_value(s.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}
