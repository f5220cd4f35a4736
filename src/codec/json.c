/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

struct parser {
	struct arena *a;
	const char *start, *p, *end;
	size_t values_left;
	unsigned max_depth;
	bool last_key_wins;
	struct err **e;
};

/* Beyond this many members a duplicate is looked for by sorting, so that hostile objects cost n log n. */
#define LINEAR_MEMBERS 12

static int parse_value(struct parser *s, struct json *v, unsigned depth);

static int fail_eof(struct parser *s)
{
	return err_set(s->e, ERR_INVALID, "unexpected end of JSON input");
}

static int fail_char(struct parser *s, const char *where)
{
	if (s->p >= s->end)
		return fail_eof(s);
	unsigned char c = (unsigned char)*s->p;
	if (c == '\'')
		return err_set(s->e, ERR_INVALID, "invalid character '\\'' %s", where);
	if (c < 0x20 || c >= 0x7f)
		return err_set(s->e, ERR_INVALID, "invalid character '\\x%02x' %s", c, where);
	return err_set(s->e, ERR_INVALID, "invalid character '%c' %s", c, where);
}

static void skip_space(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

/* Length of the well-formed UTF-8 sequence at p, or 0 (Unicode table 3-7). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	unsigned char c = p[0], lo = 0x80, hi = 0xbf;
	size_t need;

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf) {
		need = 2;
	} else if (c >= 0xe0 && c <= 0xef) {
		need = 3;
		if (c == 0xe0)
			lo = 0xa0;
		if (c == 0xed)
			hi = 0x9f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		need = 4;
		if (c == 0xf0)
			lo = 0x90;
		if (c == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (n < need || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return need;
}

static char *utf8_put(char *o, uint32_t cp)
{
	if (cp < 0x80) {
		*o++ = (char)cp;
	} else if (cp < 0x800) {
		*o++ = (char)(0xc0 | cp >> 6);
		*o++ = (char)(0x80 | (cp & 0x3f));
	} else if (cp < 0x10000) {
		*o++ = (char)(0xe0 | cp >> 12);
		*o++ = (char)(0x80 | (cp >> 6 & 0x3f));
		*o++ = (char)(0x80 | (cp & 0x3f));
	} else {
		*o++ = (char)(0xf0 | cp >> 18);
		*o++ = (char)(0x80 | (cp >> 12 & 0x3f));
		*o++ = (char)(0x80 | (cp >> 6 & 0x3f));
		*o++ = (char)(0x80 | (cp & 0x3f));
	}
	return o;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hex digits at s->p; moves behind them. */
static int parse_hex4(struct parser *s, uint32_t *out)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++, s->p++) {
		int d = s->p < s->end ? hex_digit(*s->p) : -1;
		if (d < 0)
			return fail_char(s, "in \\u hexadecimal character escape");
		v = v << 4 | (uint32_t)d;
	}
	*out = v;
	return 0;
}

static int parse_escape(struct parser *s, char **o)
{
	uint32_t cp, low;

	if (s->p >= s->end)
		return fail_eof(s);
	switch (*s->p) {
	case '"':
	case '\\':
	case '/': *(*o)++ = *s->p++; return 0;
	case 'b': *(*o)++ = '\b'; break;
	case 'f': *(*o)++ = '\f'; break;
	case 'n': *(*o)++ = '\n'; break;
	case 'r': *(*o)++ = '\r'; break;
	case 't': *(*o)++ = '\t'; break;
	case 'u':
		s->p++;
		if (parse_hex4(s, &cp) < 0)
			return -1;
		if (cp >= 0xdc00 && cp <= 0xdfff)
			return err_set(s->e, ERR_INVALID, "invalid surrogate in \\u escape");
		if (cp >= 0xd800 && cp <= 0xdbff) {
			if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
				return err_set(s->e, ERR_INVALID, "invalid surrogate in \\u escape");
			s->p += 2;
			if (parse_hex4(s, &low) < 0)
				return -1;
			if (low < 0xdc00 || low > 0xdfff)
				return err_set(s->e, ERR_INVALID, "invalid surrogate in \\u escape");
			cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
		}
		*o = utf8_put(*o, cp);
		return 0;
	default: return fail_char(s, "in string escape code");
	}
	s->p++;
	return 0;
}

/* s->p at the opening quote. The decoded text is never longer than the literal. */
static int parse_string(struct parser *s, struct sv *out)
{
	const char *q = s->p + 1;

	/* Where it ends, so that memory for the decoded text is taken once. */
	while (q < s->end && *q != '"') {
		if (*q == '\\')
			q++;
		q++;
	}
	if (q >= s->end) {
		s->p = s->end;
		return fail_eof(s);
	}
	char *buf = arena_alloc(s->a, (size_t)(q - s->p));
	char *o = buf;

	s->p++;
	while (*s->p != '"') {
		unsigned char c = (unsigned char)*s->p;
		if (c == '\\') {
			s->p++;
			if (parse_escape(s, &o) < 0)
				return -1;
			continue;
		}
		if (c < 0x20)
			return fail_char(s, "in string literal");
		size_t k = utf8_len((const unsigned char *)s->p, (size_t)(s->end - s->p));
		if (!k)
			return err_set(s->e, ERR_INVALID, "invalid UTF-8 in string literal");
		while (k--)
			*o++ = *s->p++;
	}
	s->p++;
	*o = '\0';
	*out = (struct sv){ buf, (size_t)(o - buf) };
	return 0;
}

static bool at_digit(const struct parser *s)
{
	return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static int parse_number(struct parser *s)
{
	if (*s->p == '-')
		s->p++;
	if (!at_digit(s))
		return fail_char(s, "in numeric literal");
	if (*s->p == '0') {
		s->p++; /* a digit after it is the caller's surprise */
	} else {
		while (at_digit(s))
			s->p++;
	}
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!at_digit(s))
			return fail_char(s, "after decimal point in numeric literal");
		while (at_digit(s))
			s->p++;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!at_digit(s))
			return fail_char(s, "in exponent of numeric literal");
		while (at_digit(s))
			s->p++;
	}
	return 0;
}

static int parse_word(struct parser *s, const char *word)
{
	for (; *word; word++, s->p++) {
		if (s->p >= s->end || *s->p != *word)
			return fail_char(s, "in literal");
	}
	return 0;
}

static int member_cmp(const void *a, const void *b)
{
	const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;

	if (x->key.n != y->key.n)
		return x->key.n < y->key.n ? -1 : 1;
	int c = memcmp(x->key.p, y->key.p, x->key.n);
	if (c)
		return c;
	return x->raw.p < y->raw.p ? -1 : x->raw.p > y->raw.p;
}

static int fail_duplicate(struct parser *s, struct sv key)
{
	return err_set(s->e, ERR_INVALID, "duplicate key \"%.*s\" in JSON object",
		       (int)MIN(key.n, (size_t)128), key.p);
}

/* Duplicate members: refused, or all but the last unlinked (those have their raw.p cleared before the walk).
 */
static int settle_members(struct parser *s, struct json *obj)
{
	bool found = false;

	if (obj->n < 2)
		return 0;
	struct json **v = xreallocarray(NULL, obj->n, sizeof(*v));
	bool *dead = xcalloc(obj->n, sizeof(*dead));
	size_t n = 0;
	for (struct json *m = obj->first; m; m = m->next)
		v[n++] = m;
	qsort(v, n, sizeof(*v), member_cmp);
	for (size_t i = 0; i + 1 < n; i++) {
		if (sv_eq(v[i]->key, v[i + 1]->key)) {
			if (!s->last_key_wins) {
				struct sv key = v[i]->key;
				free(v);
				free(dead);
				return fail_duplicate(s, key);
			}
			dead[i] = found = true;
		}
	}
	if (found) {
		for (size_t i = 0; i < n; i++) {
			if (dead[i])
				v[i]->raw.p = NULL;
		}
		struct json **link = &obj->first;
		while (*link) {
			if (!(*link)->raw.p) {
				*link = (*link)->next;
				obj->n--;
			} else {
				link = &(*link)->next;
			}
		}
	}
	free(v);
	free(dead);
	return 0;
}

static bool small_object_is_unique(const struct json *obj)
{
	for (const struct json *m = obj->first; m; m = m->next) {
		for (const struct json *k = m->next; k; k = k->next) {
			if (sv_eq(m->key, k->key))
				return false;
		}
	}
	return true;
}

static int parse_object(struct parser *s, struct json *v, unsigned depth)
{
	struct json **tail = &v->first;

	s->p++;
	skip_space(s);
	if (s->p < s->end && *s->p == '}') {
		s->p++;
		return 0;
	}
	for (;;) {
		skip_space(s);
		if (s->p >= s->end || *s->p != '"')
			return fail_char(s, "looking for beginning of object key string");
		struct json *m = ARENA_NEW(s->a, struct json);
		if (parse_string(s, &m->key) < 0)
			return -1;
		skip_space(s);
		if (s->p >= s->end || *s->p != ':')
			return fail_char(s, "after object key");
		s->p++;
		if (parse_value(s, m, depth + 1) < 0)
			return -1;
		*tail = m;
		tail = &m->next;
		v->n++;
		skip_space(s);
		if (s->p < s->end && *s->p == ',') {
			s->p++;
			continue;
		}
		if (s->p < s->end && *s->p == '}') {
			s->p++;
			break;
		}
		return fail_char(s, "after object key:value pair");
	}
	if (v->n <= LINEAR_MEMBERS && small_object_is_unique(v))
		return 0;
	return settle_members(s, v);
}

static int parse_array(struct parser *s, struct json *v, unsigned depth)
{
	struct json **tail = &v->first;

	s->p++;
	skip_space(s);
	if (s->p < s->end && *s->p == ']') {
		s->p++;
		return 0;
	}
	for (;;) {
		struct json *m = ARENA_NEW(s->a, struct json);
		if (parse_value(s, m, depth + 1) < 0)
			return -1;
		*tail = m;
		tail = &m->next;
		v->n++;
		skip_space(s);
		if (s->p < s->end && *s->p == ',') {
			s->p++;
			continue;
		}
		if (s->p < s->end && *s->p == ']') {
			s->p++;
			return 0;
		}
		return fail_char(s, "after array element");
	}
}

static int parse_value(struct parser *s, struct json *v, unsigned depth)
{
	int r;

	if (depth > s->max_depth)
		return err_set(s->e, ERR_INVALID, "exceeded max depth");
	if (!s->values_left--)
		return err_set(s->e, ERR_INVALID, "too many JSON values");
	skip_space(s);
	if (s->p >= s->end)
		return fail_eof(s);
	v->raw.p = s->p;
	switch (*s->p) {
	case '{':
		v->type = JSON_OBJECT;
		r = parse_object(s, v, depth);
		break;
	case '[':
		v->type = JSON_ARRAY;
		r = parse_array(s, v, depth);
		break;
	case '"':
		v->type = JSON_STRING;
		r = parse_string(s, &v->str);
		if (r == 0)
			v->has_nul = memchr(v->str.p, '\0', v->str.n) != NULL;
		break;
	case 't':
		v->type = JSON_BOOL;
		v->b = true;
		r = parse_word(s, "true");
		break;
	case 'f':
		v->type = JSON_BOOL;
		r = parse_word(s, "false");
		break;
	case 'n':
		v->type = JSON_NULL;
		r = parse_word(s, "null");
		break;
	case '-':
	case '0' ... '9':
		v->type = JSON_NUMBER;
		r = parse_number(s);
		break;
	default: return fail_char(s, "looking for beginning of value");
	}
	if (r < 0)
		return -1;
	v->raw.n = (size_t)(s->p - v->raw.p);
	return 0;
}

int json_parse_next(struct arena *a, struct sv text, const struct json_limits *limits,
		    const struct json **out, size_t *used, struct err **e)
{
	static const struct json_limits none;
	const struct json_limits *l = limits ? limits : &none;
	struct parser s = {
		.a = a,
		.start = text.p,
		.p = text.p,
		.end = text.p + text.n,
		.values_left = l->max_values ? l->max_values : JSON_MAX_VALUES,
		.max_depth = l->max_depth && l->max_depth < JSON_MAX_DEPTH ? l->max_depth : JSON_MAX_DEPTH,
		.last_key_wins = l->last_key_wins,
		.e = e,
	};

	if (text.n > (l->max_bytes ? l->max_bytes : JSON_MAX_BYTES))
		return err_set(e, ERR_INVALID, "JSON text too large");
	skip_space(&s);
	if (s.p >= s.end) {
		*used = text.n;
		*out = NULL;
		return 0;
	}
	struct json *v = ARENA_NEW(a, struct json);
	if (parse_value(&s, v, 1) < 0)
		return -1;
	*used = (size_t)(s.p - s.start);
	*out = v;
	return 0;
}

int json_parse(struct arena *a, struct sv text, const struct json_limits *limits, const struct json **out,
	       struct err **e)
{
	const struct json *v;
	size_t used;

	if (json_parse_next(a, text, limits, &v, &used, e) < 0)
		return -1;
	if (!v)
		return err_set(e, ERR_INVALID, "unexpected end of JSON input");
	struct parser s = { .p = text.p + used, .end = text.p + text.n, .e = e };
	skip_space(&s);
	if (s.p < s.end)
		return fail_char(&s, "after top-level value");
	*out = v;
	return 0;
}

const struct json *json_get(const struct json *j, const char *key)
{
	if (!json_is(j, JSON_OBJECT))
		return NULL;
	json_for_each (m, j) {
		if (sv_eqs(m->key, key))
			return m;
	}
	return NULL;
}

const struct json *json_get_icase(const struct json *j, const char *key)
{
	const struct json *m = json_get(j, key);

	if (m || !json_is(j, JSON_OBJECT))
		return m;
	json_for_each (k, j) {
		if (sv_ieqs(k->key, key))
			return k;
	}
	return NULL;
}

const struct json *json_path(const struct json *j, const char *dotted)
{
	struct sv head, rest = sv_of(dotted);
	bool more;

	do {
		const struct json *next = NULL;
		more = sv_cut(rest, '.', &head, &rest);
		if (!json_is(j, JSON_OBJECT))
			return NULL;
		json_for_each (m, j) {
			if (sv_eq(m->key, head)) {
				next = m;
				break;
			}
		}
		j = next;
	} while (more && j);
	return j;
}

const struct json *json_at(const struct json *j, size_t i)
{
	if (!json_is(j, JSON_ARRAY))
		return NULL;
	json_for_each (m, j) {
		if (!i--)
			return m;
	}
	return NULL;
}

const char *json_str(const struct json *j)
{
	return json_is(j, JSON_STRING) && !j->has_nul ? j->str.p : NULL;
}

bool json_bool(const struct json *j)
{
	return json_is(j, JSON_BOOL) && j->b;
}

/* The magnitude of a whole number; *neg tells the sign. */
static int whole(const struct json *j, bool *neg, uint64_t *out)
{
	uint64_t v = 0;

	if (!json_is(j, JSON_NUMBER))
		return -EINVAL;
	struct sv t = j->raw;
	*neg = t.p[0] == '-';
	if (*neg)
		t = sv_sub(t, 1, t.n);
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return -EINVAL;
	}
	for (size_t i = 0; i < t.n; i++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(t.p[i] - '0'), &v))
			return -ERANGE;
	}
	*out = v;
	return 0;
}

int json_i64(const struct json *j, int64_t *out)
{
	uint64_t v;
	bool neg;
	int r = whole(j, &neg, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (neg ? 1 : 0))
		return -ERANGE;
	*out = (int64_t)(neg ? 0 - v : v);
	return 0;
}

int json_u64(const struct json *j, uint64_t *out)
{
	uint64_t v;
	bool neg;
	int r = whole(j, &neg, &v);

	if (r < 0)
		return r;
	if (neg && v)
		return -ERANGE;
	*out = v;
	return 0;
}

int json_f64(const struct json *j, double *out)
{
	char buf[512];

	if (!json_is(j, JSON_NUMBER))
		return -EINVAL;
	if (j->raw.n >= sizeof(buf))
		return -ERANGE;
	memcpy(buf, j->raw.p, j->raw.n);
	buf[j->raw.n] = '\0';
	double v = strtod(buf, NULL);
	if (__builtin_isinf(v))
		return -ERANGE;
	*out = v;
	return 0;
}

const char *json_type_name(const struct json *j)
{
	if (!j)
		return "null";
	switch (j->type) {
	case JSON_NULL: return "null";
	case JSON_BOOL: return "bool";
	case JSON_NUMBER: return "number";
	case JSON_STRING: return "string";
	case JSON_ARRAY: return "array";
	case JSON_OBJECT: return "object";
	}
	return "value";
}

/* --- writing --- */

#define JW_MAX_DEPTH 256

void json_quote(struct strbuf *b, struct sv s)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)s.p;
	size_t done = 0, i = 0;

	sb_addc(b, '"');
	while (i < s.n) {
		char esc[7];
		size_t k = 1;
		unsigned char c = p[i];
		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			i++;
			continue;
		}
		esc[0] = '\\';
		esc[2] = '\0';
		if (c == '"' || c == '\\') {
			esc[1] = (char)c;
		} else if (c == '\n') {
			esc[1] = 'n';
		} else if (c == '\r') {
			esc[1] = 'r';
		} else if (c == '\t') {
			esc[1] = 't';
		} else if (c == '\b') {
			esc[1] = 'b';
		} else if (c == '\f') {
			esc[1] = 'f';
		} else if (c < 0x20) {
			memcpy(esc, "\\u00", 4);
			esc[4] = hex[c >> 4];
			esc[5] = hex[c & 15];
			esc[6] = '\0';
		} else {
			k = utf8_len(p + i, s.n - i);
			if (!k) {
				memcpy(esc, "\\ufffd", 7);
				k = 1;
			} else if (k == 3 && c == 0xe2 && p[i + 1] == 0x80 && (p[i + 2] & 0xfe) == 0xa8) {
				/* U+2028 and U+2029 end lines in JavaScript. */
				memcpy(esc, "\\u202", 5);
				esc[5] = p[i + 2] == 0xa8 ? '8' : '9';
				esc[6] = '\0';
			} else {
				i += k;
				continue;
			}
		}
		sb_addn(b, s.p + done, i - done);
		sb_add(b, esc);
		i += k;
		done = i;
	}
	if (i > done)
		sb_addn(b, s.p + done, i - done);
	sb_addc(b, '"');
}

static bool bit(const uint64_t *m, unsigned i)
{
	return m[i / 64] >> (i % 64) & 1;
}

static void bit_set(uint64_t *m, unsigned i, bool on)
{
	uint64_t mask = UINT64_C(1) << (i % 64);
	m[i / 64] = on ? m[i / 64] | mask : m[i / 64] & ~mask;
}

/* A comma where one is due; what follows is a value. */
static void before_value(struct jw *w)
{
	if (w->depth == 0)
		return;
	unsigned top = w->depth - 1u;
	if (bit(w->in_obj, top)) {
		assert(w->after_key);
		w->after_key = false;
		return;
	}
	if (bit(w->some, top))
		sb_addc(w->b, ',');
	bit_set(w->some, top, true);
}

static void jw_open(struct jw *w, bool obj)
{
	before_value(w);
	assert(w->depth < JW_MAX_DEPTH);
	bit_set(w->in_obj, w->depth, obj);
	bit_set(w->some, w->depth, false);
	w->depth++;
	sb_addc(w->b, obj ? '{' : '[');
}

void jw_obj(struct jw *w)
{
	jw_open(w, true);
}

void jw_arr(struct jw *w)
{
	jw_open(w, false);
}

void jw_end(struct jw *w)
{
	assert(w->depth > 0 && !w->after_key);
	w->depth--;
	sb_addc(w->b, bit(w->in_obj, w->depth) ? '}' : ']');
}

void jw_keysv(struct jw *w, struct sv key)
{
	assert(w->depth > 0 && bit(w->in_obj, w->depth - 1u) && !w->after_key);
	unsigned top = w->depth - 1u;
	if (bit(w->some, top))
		sb_addc(w->b, ',');
	bit_set(w->some, top, true);
	json_quote(w->b, key);
	sb_addc(w->b, ':');
	w->after_key = true;
}

void jw_key(struct jw *w, const char *key)
{
	jw_keysv(w, sv_of(key));
}

void jw_strsv(struct jw *w, struct sv s)
{
	before_value(w);
	json_quote(w->b, s);
}

void jw_str(struct jw *w, const char *s)
{
	jw_strsv(w, sv_of(s ? s : ""));
}

void jw_u64(struct jw *w, uint64_t v)
{
	char buf[24];
	char *p = buf + sizeof(buf);

	before_value(w);
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	sb_addn(w->b, p, (size_t)(buf + sizeof(buf) - p));
}

void jw_i64(struct jw *w, int64_t v)
{
	if (v >= 0) {
		jw_u64(w, (uint64_t)v);
		return;
	}
	before_value(w);
	sb_addf(w->b, "%lld", (long long)v);
}

/*
 * Go's form: the fewest digits that read back the same; an exponent below 1e-6 and from 1e21 on, without a
 * leading zero in negative ones.
 */
void jw_f64(struct jw *w, double v)
{
	char sci[40];
	int digits = 0;

	assert(!__builtin_isnan(v) && !__builtin_isinf(v));
	before_value(w);
	do {
		(void)snprintf(sci, sizeof(sci), "%.*e", digits, v);
	} while (strtod(sci, NULL) != v && ++digits < 17);

	const char *exp_at = strchr(sci, 'e');
	int exp10 = 0;
	bool exp_neg = exp_at[1] == '-';
	for (const char *p = exp_at + 2; *p; p++)
		exp10 = exp10 * 10 + (*p - '0');
	if (exp_neg)
		exp10 = -exp10;
	if (exp10 >= -6 && exp10 < 21) {
		int frac = digits - exp10;
		sb_addf(w->b, "%.*f", frac > 0 ? frac : 0, v);
		return;
	}
	sb_addn(w->b, sci, (size_t)(exp_at - sci));
	if (exp10 < 0)
		sb_addf(w->b, "e-%d", -exp10);
	else
		sb_addf(w->b, "e+%02d", exp10);
}

void jw_bool(struct jw *w, bool v)
{
	before_value(w);
	sb_add(w->b, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
	before_value(w);
	sb_add(w->b, "null");
}

void jw_raw(struct jw *w, struct sv text)
{
	before_value(w);
	if (text.n)
		sb_addsv(w->b, text);
	else
		sb_add(w->b, "null");
}

void jw_value(struct jw *w, const struct json *j)
{
	jw_raw(w, j ? j->raw : SV("null"));
}

void jw_kstr(struct jw *w, const char *key, const char *s)
{
	jw_key(w, key);
	jw_str(w, s);
}

void jw_ki64(struct jw *w, const char *key, int64_t v)
{
	jw_key(w, key);
	jw_i64(w, v);
}

void jw_ku64(struct jw *w, const char *key, uint64_t v)
{
	jw_key(w, key);
	jw_u64(w, v);
}

void jw_kbool(struct jw *w, const char *key, bool v)
{
	jw_key(w, key);
	jw_bool(w, v);
}

void jw_knull(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_null(w);
}

void jw_kraw(struct jw *w, const char *key, struct sv text)
{
	jw_key(w, key);
	jw_raw(w, text);
}

void jw_kobj(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_obj(w);
}

void jw_karr(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_arr(w);
}

/* --- layout --- */

static void new_line(struct strbuf *b, const char *prefix, const char *indent, size_t depth)
{
	sb_addc(b, '\n');
	sb_add(b, prefix);
	while (depth--)
		sb_add(b, indent);
}

static void relayout(struct strbuf *b, struct sv t, const char *prefix, const char *indent)
{
	size_t depth = 0;
	bool opened = false; /* an object or array was opened and nothing stands in it yet */

	for (size_t i = 0; i < t.n; i++) {
		char c = t.p[i];
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			continue;
		if (opened && c != ']' && c != '}') {
			opened = false;
			depth++;
			if (indent)
				new_line(b, prefix, indent, depth);
		}
		switch (c) {
		case '"': {
			size_t j = i + 1;
			while (j < t.n && t.p[j] != '"')
				j += t.p[j] == '\\' ? 2 : 1;
			j = MIN(j + 1, t.n);
			sb_addn(b, t.p + i, j - i);
			i = j - 1;
			break;
		}
		case '{':
		case '[':
			opened = true;
			sb_addc(b, c);
			break;
		case ',':
			sb_addc(b, c);
			if (indent)
				new_line(b, prefix, indent, depth);
			break;
		case ':':
			sb_addc(b, c);
			if (indent)
				sb_addc(b, ' ');
			break;
		case '}':
		case ']':
			if (opened) {
				opened = false;
			} else {
				if (depth)
					depth--;
				if (indent)
					new_line(b, prefix, indent, depth);
			}
			sb_addc(b, c);
			break;
		default: sb_addc(b, c);
		}
	}
}

void json_indent(struct strbuf *b, struct sv text, const char *prefix, const char *indent)
{
	relayout(b, text, prefix ? prefix : "", indent ? indent : "");
}

void json_compact(struct strbuf *b, struct sv text)
{
	relayout(b, text, "", NULL);
}
