/* SPDX-License-Identifier: Apache-2.0 */
#include "logs/record.h"

#include "base/clock.h"
#include "codec/json.h"

#include <string.h>

/* Position after the closing quote of a string whose inside starts at `p`; NULL if it does not end. */
static const char *string_end(const char *p, const char *end)
{
	while (p < end) {
		const char *q = memchr(p, '"', (size_t)(end - p));
		if (!q)
			return NULL;
		/* escaped when an odd number of backslashes stands before it */
		size_t n = 0;
		while (q - n > p && q[-1 - (ssize_t)n] == '\\')
			n++;
		if (n % 2 == 0)
			return q + 1;
		p = q + 1;
	}
	return NULL;
}

static bool take(const char **p, const char *end, const char *lit, size_t n)
{
	if ((size_t)(end - *p) < n || memcmp(*p, lit, n) != 0)
		return false;
	*p += n;
	return true;
}
#define TAKE(p, end, lit) take((p), (end), "" lit, sizeof(lit) - 1)

/* The layout that hoy and dockerd write. */
static bool parse_fast(struct sv line, struct logs_record *out)
{
	const char *p = line.p, *end = line.p + line.n;

	if (!TAKE(&p, end, "{\"log\":\""))
		return false;
	const char *text = p;
	p = string_end(p, end);
	if (!p)
		return false;
	out->text = sv_n(text, (size_t)(p - 1 - text));
	if (TAKE(&p, end, ",\"stream\":\"stdout\""))
		out->is_stderr = false;
	else if (TAKE(&p, end, ",\"stream\":\"stderr\""))
		out->is_stderr = true;
	else
		return false;
	out->attrs = (struct sv){ "", 0 };
	if (TAKE(&p, end, ",\"attrs\":")) {
		/* the time is the last member: find it from behind */
		static const char key[] = ",\"time\":\"";
		ssize_t quote = end - p > 2 ? sv_rfind(sv_n(p, (size_t)(end - p) - 2), '"') : -1;
		ssize_t at = quote - (ssize_t)sizeof(key) + 2;
		if (at < 0 || memcmp(p + at, key, sizeof(key) - 1) != 0)
			return false;
		out->attrs = sv_n(p, (size_t)at);
		p += at;
	}
	if (!TAKE(&p, end, ",\"time\":\"") || end - p < 2 || end[-2] != '"' || end[-1] != '}')
		return false;
	out->time = sv_n(p, (size_t)(end - 2 - p));
	return out->time.n >= 20 && out->time.n < LOGS_TIME_MAX && sv_find(out->time, '"') < 0;
}

/* Anything else that is such an object. */
static bool parse_slow(struct arena *a, struct sv line, struct logs_record *out)
{
	cleanup_err struct err *e = NULL;
	const struct json *j;

	if (json_parse(a, line, NULL, &j, &e) < 0 || j->type != JSON_OBJECT)
		return false;
	const struct json *log = json_get(j, "log"), *time = json_get(j, "time"),
			  *attrs = json_get(j, "attrs");
	const char *stream = json_str(json_get(j, "stream"));
	if (!json_is(log, JSON_STRING) || !json_is(time, JSON_STRING) || time->str.n >= LOGS_TIME_MAX)
		return false;
	/* the raw text of a string is its inside with the quotes */
	out->text = sv_sub(log->raw, 1, log->raw.n - 1);
	out->time = time->str;
	out->attrs = json_is(attrs, JSON_OBJECT) ? attrs->raw : (struct sv){ "", 0 };
	out->is_stderr = stream && !strcmp(stream, "stderr");
	return true;
}

bool logs_record_parse(struct arena *a, struct sv line, struct logs_record *out)
{
	return parse_fast(line, out) || parse_slow(a, line, out);
}

static int hex4(const char *p, const char *end, uint32_t *out)
{
	uint32_t v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		uint32_t d;
		if (c >= '0' && c <= '9')
			d = (uint32_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			d = (uint32_t)((c | 32) - 'a' + 10);
		else
			return -1;
		v = v << 4 | d;
	}
	*out = v;
	return 0;
}

static char *put_utf8(char *o, uint32_t c)
{
	if (c < 0x80) {
		*o++ = (char)c;
	} else if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
		*o++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*o++ = (char)(0xe0 | c >> 12);
		*o++ = (char)(0x80 | (c >> 6 & 63));
		*o++ = (char)(0x80 | (c & 63));
	} else {
		*o++ = (char)(0xf0 | c >> 18);
		*o++ = (char)(0x80 | (c >> 12 & 63));
		*o++ = (char)(0x80 | (c >> 6 & 63));
		*o++ = (char)(0x80 | (c & 63));
	}
	return o;
}

/* One \uXXXX (or a pair) whose digits start at p. Each takes 6 bytes of input and gives at most 3, a pair 12 and 4. */
static const char *unescape_u(const char *p, const char *end, char **o)
{
	uint32_t c, low = 0;

	if (hex4(p, end, &c) < 0) {
		*(*o)++ = 'u';
		return p;
	}
	p += 4;
	if (c >= 0xd800 && c < 0xe000) {
		bool pair = c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
			    hex4(p + 2, end, &low) == 0 && low >= 0xdc00 && low < 0xe000;
		if (pair) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		} else {
			c = 0xfffd;
		}
	}
	*o = put_utf8(*o, c);
	return p;
}

size_t logs_unescape(struct sv in, char *out)
{
	const char *p = in.p, *end = in.p + in.n;
	char *o = out;

	while (p < end) {
		const char *b = memchr(p, '\\', (size_t)(end - p));
		size_t n = (size_t)((b ? b : end) - p);
		memcpy(o, p, n);
		o += n;
		if (!b || b + 1 == end)
			break;
		p = b + 2;
		switch (b[1]) {
		case 'n': *o++ = '\n'; break;
		case 'r': *o++ = '\r'; break;
		case 't': *o++ = '\t'; break;
		case 'b': *o++ = '\b'; break;
		case 'f': *o++ = '\f'; break;
		case 'u': p = unescape_u(p, end, &o); break;
		default: *o++ = b[1]; break;
		}
	}
	return (size_t)(o - out);
}

bool logs_time_fixed(struct sv time, char out[31])
{
	int64_t ns;

	if (time.n >= 20 && time.n <= 30 && time.p[time.n - 1] == 'Z' && time.p[10] == 'T' &&
	    (time.n == 20 || time.p[19] == '.')) {
		size_t frac = time.n == 20 ? 0 : time.n - 21;
		memcpy(out, time.p, 19);
		out[19] = '.';
		memcpy(out + 20, time.p + 20, frac);
		memset(out + 20 + frac, '0', 9 - frac);
		memcpy(out + 29, "Z", 2);
		return true;
	}
	if (clock_parse_rfc3339(time, &ns) < 0)
		return false;
	struct time_text t = clock_rfc3339_fixed(ns);
	if (strlen(t.s) != 30)
		return false;
	memcpy(out, t.s, 31);
	return true;
}

/* url.QueryEscape */
static void query_escape(struct strbuf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    strchr("-_.~", c))
			sb_addc(out, (char)c);
		else if (c == ' ')
			sb_addc(out, '+');
		else
			sb_addf(out, "%%%02X", c);
	}
}

void logs_details(struct arena *a, struct sv attrs, struct strbuf *out)
{
	cleanup_err struct err *e = NULL;
	const struct json *j = NULL;

	if (attrs.n && json_parse(a, attrs, NULL, &j, &e) < 0)
		j = NULL;
	/* few and short: the smallest key above the last one, until there is none */
	const char *last = NULL;
	for (;;) {
		const struct json *best = NULL;
		json_for_each (it, j) {
			if (last && strcmp(it->key.p, last) <= 0)
				continue;
			if (!best || strcmp(it->key.p, best->key.p) < 0)
				best = it;
		}
		if (!best)
			break;
		if (last)
			sb_addc(out, ',');
		last = best->key.p;
		query_escape(out, last);
		sb_addc(out, '=');
		query_escape(out, json_is(best, JSON_STRING) ? best->str.p : "");
	}
	sb_addc(out, ' ');
}
