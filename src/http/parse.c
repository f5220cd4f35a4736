/* SPDX-License-Identifier: Apache-2.0 */
#include "http/parse.h"

#include "base/str.h"

#include <string.h>

/* RFC 9110 5.6.2 "tchar"; one bit per ASCII character. */
static const uint64_t tchar[2] = {
	/* ! # $ % & ' * + - . 0-9 */
	(1ull << '!') | (1ull << '#') | (1ull << '$') | (1ull << '%') | (1ull << '&') | (1ull << '\'') |
		(1ull << '*') | (1ull << '+') | (1ull << '-') | (1ull << '.') | (0x3ffull << '0'),
	/* A-Z ^ _ ` a-z | ~ */
	(0x3ffffffull << ('A' - 64)) | (1ull << ('^' - 64)) | (1ull << ('_' - 64)) | (1ull << ('`' - 64)) |
		(0x3ffffffull << ('a' - 64)) | (1ull << ('|' - 64)) | (1ull << ('~' - 64)),
};

static bool is_tchar(unsigned char c)
{
	return c < 128 && (tchar[c >> 6] >> (c & 63) & 1);
}

bool http_is_token(struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_tchar((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
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

static ssize_t fail(const char **why, int status, const char *text)
{
	*why = text;
	return -status;
}

/*
 * One line of the head, without its CRLF. Returns what it takes with the CRLF, 0 if it is not complete,
 * -400 on a bare LF, or a CR that no LF follows.
 */
static ssize_t take_line(struct sv in, struct sv *line)
{
	const char *lf = memchr(in.p, '\n', in.n);
	size_t n = lf ? (size_t)(lf - in.p) : in.n;
	const char *cr = memchr(in.p, '\r', n);

	if (!lf) {
		/* a CR may be the last byte so far, nothing else */
		return cr && cr + 1 < in.p + n ? -400 : 0;
	}
	if (!cr || cr + 1 != lf)
		return -400;
	*line = sv_n(in.p, n - 1);
	return (ssize_t)n + 1;
}

/* OWS: space and tab only. */
static struct sv trim_ows(struct sv s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = sv_n(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool is_field_value(struct sv s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* The header lines up to and with the empty one. Returns bytes taken, 0 for more, -status. */
static ssize_t parse_headers(struct sv in, struct http_head *out, const char **why)
{
	size_t at = 0;

	out->n = 0;
	for (;;) {
		struct sv line, name, value;
		ssize_t r = take_line(sv_n(in.p + at, in.n - at), &line);
		if (r < 0)
			return fail(why, 400, "malformed line ending");
		if (r == 0)
			return 0;
		at += (size_t)r;
		if (line.n == 0)
			return (ssize_t)at;
		if (line.p[0] == ' ' || line.p[0] == '\t')
			return fail(why, 400, "folded header line");
		if (!sv_cut(line, ':', &name, &value))
			return fail(why, 400, "header line without a colon");
		if (!http_is_token(name))
			return fail(why, 400, "malformed header name");
		value = trim_ows(value);
		if (!is_field_value(value))
			return fail(why, 400, "malformed header value");
		if (out->n == HTTP_MAX_HEADERS)
			return fail(why, 431, "too many headers");
		out->h[out->n++] = (struct http_header){ name, value };
	}
}

static ssize_t incomplete(struct sv in, const char **why)
{
	if (in.n >= HTTP_MAX_HEAD)
		return fail(why, 431, "request header too large");
	return 0;
}

struct sv http_head_find(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (sv_ieqs(h->h[i].name, name))
			return h->h[i].value;
	return (struct sv){ NULL, 0 };
}

static size_t count(const struct http_head *h, const char *name)
{
	size_t n = 0;
	for (size_t i = 0; i < h->n; i++)
		n += sv_ieqs(h->h[i].name, name);
	return n;
}

bool http_head_has_token(const struct http_head *h, const char *name, const char *token)
{
	for (size_t i = 0; i < h->n; i++) {
		if (!sv_ieqs(h->h[i].name, name))
			continue;
		struct sv rest = h->h[i].value, item;
		bool more = true;
		while (more) {
			more = sv_cut(rest, ',', &item, &rest);
			if (sv_ieqs(trim_ows(item), token))
				return true;
		}
	}
	return false;
}

/* Content-Length and Transfer-Encoding, common to both directions. 0 or -status. */
static ssize_t parse_framing(struct http_head *h, const char **why)
{
	size_t n_cl = count(h, "content-length"), n_te = count(h, "transfer-encoding");

	h->framing = HTTP_BODY_NONE;
	h->content_length = 0;
	if (n_te) {
		if (n_cl)
			return fail(why, 400, "Content-Length with Transfer-Encoding");
		if (n_te > 1)
			return fail(why, 400, "repeated Transfer-Encoding");
		if (h->minor == 0)
			return fail(why, 400, "Transfer-Encoding in HTTP/1.0");
		if (!sv_ieqs(http_head_find(h, "transfer-encoding"), "chunked"))
			return fail(why, 501, "unsupported transfer encoding");
		h->framing = HTTP_BODY_CHUNKED;
	} else if (n_cl) {
		if (n_cl > 1)
			return fail(why, 400, "repeated Content-Length");
		if (parse_u64(http_head_find(h, "content-length"), INT64_MAX, &h->content_length) < 0)
			return fail(why, 400, "malformed Content-Length");
		h->framing = HTTP_BODY_LENGTH;
	}
	return 0;
}

static void parse_connection(struct http_head *h)
{
	h->keep_alive = h->minor >= 1 ? !http_head_has_token(h, "connection", "close")
				      : http_head_has_token(h, "connection", "keep-alive");
	h->has_upgrade = http_head_find(h, "upgrade").n && http_head_has_token(h, "connection", "upgrade");
}

/* "HTTP/1.x". Returns 0 or -status. */
static int parse_version(struct sv s, unsigned int *minor, const char **why)
{
	if (s.n != 8 || memcmp(s.p, "HTTP/", 5) || s.p[6] != '.' || s.p[5] < '0' || s.p[5] > '9' ||
	    s.p[7] < '0' || s.p[7] > '9')
		return (int)fail(why, 400, "malformed HTTP version");
	if (s.p[5] != '1' || s.p[7] > '1')
		return (int)fail(why, 505, "unsupported protocol version");
	*minor = (unsigned int)(s.p[7] - '0');
	return 0;
}

static int parse_request_line(struct sv line, struct http_head *out, const char **why)
{
	struct sv rest, version;

	if (!sv_cut(line, ' ', &out->method, &rest) || !sv_cut(rest, ' ', &out->target, &version))
		return (int)fail(why, 400, "malformed request line");
	if (!http_is_token(out->method))
		return (int)fail(why, 400, "malformed method");
	if (out->target.n == 0)
		return (int)fail(why, 400, "empty request target");
	if (out->target.n > HTTP_MAX_TARGET)
		return (int)fail(why, 414, "request target too long");
	for (size_t i = 0; i < out->target.n; i++) {
		unsigned char c = (unsigned char)out->target.p[i];
		if (c <= 0x20 || c == 0x7f)
			return (int)fail(why, 400, "malformed request target");
	}
	return parse_version(version, &out->minor, why);
}

ssize_t http_parse_request(struct sv in, struct http_head *out, const char **why)
{
	struct sv line;
	size_t skip = 0;

	/* One empty line before a request is allowed (RFC 9112 2.2). */
	if (in.n >= 2 && in.p[0] == '\r' && in.p[1] == '\n')
		skip = 2;
	struct sv whole = sv_n(in.p + skip, MIN(in.n - skip, (size_t)HTTP_MAX_HEAD));
	ssize_t r = take_line(whole, &line);
	if (r < 0)
		return fail(why, 400, "malformed line ending");
	if (r == 0)
		return incomplete(in, why);
	int v = parse_request_line(line, out, why);
	if (v < 0)
		return v;
	ssize_t hr = parse_headers(sv_n(whole.p + r, whole.n - (size_t)r), out, why);
	if (hr < 0)
		return hr;
	if (hr == 0)
		return incomplete(in, why);
	size_t hosts = count(out, "host");
	if (hosts > 1 || (hosts == 0 && out->minor >= 1))
		return fail(why, 400, hosts ? "repeated Host" : "missing required Host header");
	ssize_t fr = parse_framing(out, why);
	if (fr < 0)
		return fr;
	parse_connection(out);
	out->expects_continue = out->minor >= 1 && http_head_has_token(out, "expect", "100-continue");
	return (ssize_t)skip + r + hr;
}

ssize_t http_parse_response(struct sv in, bool to_head, struct http_head *out, const char **why)
{
	struct sv line, code, rest;
	struct sv whole = sv_n(in.p, MIN(in.n, (size_t)HTTP_MAX_HEAD));
	uint32_t status;

	ssize_t r = take_line(whole, &line);
	if (r < 0)
		return fail(why, 400, "malformed line ending");
	if (r == 0)
		return incomplete(in, why);
	struct sv version;
	if (!sv_cut(line, ' ', &version, &rest))
		return fail(why, 400, "malformed status line");
	if (parse_version(version, &out->minor, why) < 0)
		return -400;
	(void)sv_cut(rest, ' ', &code, &out->reason);
	if (code.n != 3 || parse_u32(code, 999, &status) < 0 || status < 100)
		return fail(why, 400, "malformed status code");
	if (code.n == rest.n)
		out->reason = (struct sv){ "", 0 };
	if (!is_field_value(out->reason))
		return fail(why, 400, "malformed reason phrase");
	out->status = status;
	ssize_t hr = parse_headers(sv_n(whole.p + r, whole.n - (size_t)r), out, why);
	if (hr < 0)
		return hr;
	if (hr == 0)
		return incomplete(in, why);
	if (parse_framing(out, why) < 0)
		return -400;
	parse_connection(out);
	if (to_head || status < 200 || status == 204 || status == 304) {
		out->framing = HTTP_BODY_NONE;
	} else if (out->framing == HTTP_BODY_NONE) {
		out->framing = HTTP_BODY_CLOSE;
		out->keep_alive = false;
	}
	return r + hr;
}

/* --- chunked --- */

enum {
	CH_SIZE,
	CH_EXT,
	CH_SIZE_LF,
	CH_DATA,
	CH_DATA_CR,
	CH_DATA_LF,
	CH_TRAILER,
	CH_TRAILER_LF,
	CH_END_LF,
	CH_DONE
};

/* One byte outside the data. 0 or -400. */
static int chunked_byte(struct http_chunked *c, unsigned char b)
{
	int v;

	switch (c->state) {
	case CH_SIZE:
		v = hex_value((char)b);
		if (v >= 0) {
			if (++c->digits > 15)
				return -400;
			c->left = c->left << 4 | (unsigned int)v;
			return 0;
		}
		if (!c->digits)
			return -400;
		if (b == '\r')
			c->state = CH_SIZE_LF;
		else if (b == ';' || b == ' ' || b == '\t')
			c->state = CH_EXT;
		else
			return -400;
		return 0;
	case CH_EXT:
		if (b == '\r') {
			c->state = CH_SIZE_LF;
			return 0;
		}
		if ((b < 0x20 && b != '\t') || b == 0x7f || ++c->line > HTTP_MAX_CHUNK_LINE)
			return -400;
		return 0;
	case CH_SIZE_LF:
		if (b != '\n')
			return -400;
		c->line = 0;
		c->digits = 0;
		c->state = c->left ? CH_DATA : CH_TRAILER;
		return 0;
	case CH_DATA_CR:
		if (b != '\r')
			return -400;
		c->state = CH_DATA_LF;
		return 0;
	case CH_DATA_LF:
		if (b != '\n')
			return -400;
		c->state = CH_SIZE;
		return 0;
	case CH_TRAILER:
		if (b == '\r') {
			c->state = c->line ? CH_TRAILER_LF : CH_END_LF;
			return 0;
		}
		if ((b < 0x20 && b != '\t') || b == 0x7f || (!c->line && (b == ' ' || b == '\t')) ||
		    ++c->line > HTTP_MAX_CHUNK_LINE)
			return -400;
		return 0;
	case CH_TRAILER_LF:
		if (b != '\n' || ++c->trailers > HTTP_MAX_TRAILERS)
			return -400;
		c->line = 0;
		c->state = CH_TRAILER;
		return 0;
	case CH_END_LF:
		if (b != '\n')
			return -400;
		c->state = CH_DONE;
		return 0;
	default: return -400;
	}
}

int http_chunked_next(struct http_chunked *c, struct sv in, size_t *eaten, struct sv *data)
{
	size_t i = 0;

	*data = (struct sv){ in.p, 0 };
	while (i < in.n && c->state != CH_DATA && c->state != CH_DONE) {
		if (chunked_byte(c, (unsigned char)in.p[i++]) < 0)
			return -400;
	}
	if (c->state == CH_DATA && i < in.n) {
		size_t n = MIN((uint64_t)(in.n - i), c->left);
		*data = sv_n(in.p + i, n);
		i += n;
		c->left -= n;
		if (!c->left)
			c->state = CH_DATA_CR;
	}
	*eaten = i;
	return c->state == CH_DONE ? 0 : 1;
}

/* --- targets --- */

char *http_unescape(struct arena *a, struct sv in, bool plus_is_space)
{
	char *out = arena_alloc(a, in.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];
		if (c == '%') {
			if (in.n - i < 3)
				return NULL;
			int hi = hex_value(in.p[i + 1]), lo = hex_value(in.p[i + 2]);
			if (hi < 0 || lo < 0)
				return NULL;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (!c)
			return NULL;
		out[n++] = c;
	}
	out[n] = '\0';
	return out;
}

int http_parse_query(struct arena *a, struct sv in, struct http_param **out, size_t *n)
{
	size_t max = in.n ? 1 : 0;

	for (size_t i = 0; i < in.n; i++)
		max += in.p[i] == '&';
	if (max > HTTP_MAX_QUERY)
		return -1;
	struct http_param *v = arena_alloc(a, (max + 1) * sizeof(*v));
	size_t k = 0;
	bool more = in.n > 0;
	while (more) {
		struct sv pair, name, value;
		more = sv_cut(in, '&', &pair, &in);
		if (!pair.n)
			continue;
		if (!sv_cut(pair, '=', &name, &value))
			value = (struct sv){ "", 0 };
		v[k].name = http_unescape(a, name, true);
		v[k].value = http_unescape(a, value, true);
		if (!v[k].name || !v[k].value)
			return -1;
		k++;
	}
	*out = v;
	*n = k;
	return 0;
}

void http_escape(struct strbuf *out, struct sv s, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
		if (plain) {
			sb_addc(out, (char)c);
		} else {
			sb_addc(out, '%');
			sb_addc(out, hex[c >> 4]);
			sb_addc(out, hex[c & 15]);
		}
	}
}

const char *http_status_text(unsigned int status)
{
	static const struct {
		unsigned int status;
		const char *text;
	} table[] = {
		{ 100, "Continue" },
		{ 101, "UPGRADED" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Request Entity Too Large" },
		{ 414, "Request URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Requested Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "Status";
}
