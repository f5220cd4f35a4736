/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 messages as bytes (RFC 9110, RFC 9112). Pure functions: no I/O, no allocation beyond the arena
 * that is passed in, results borrow the input. Called by server.c and client.c, and by the fuzzers.
 *
 * The parser rejects rather than repairs: a bare LF, obs-fold, space before the colon, a byte that is no
 * token character in a name, control characters in a value, two lengths, Content-Length with
 * Transfer-Encoding, a coding other than chunked, an HTTP version that is not 1.0 or 1.1, a request without
 * exactly one Host (1.1).
 */
#pragma once

#include "base/attr.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_MAX_HEAD       (64 * 1024) /* request or status line with all headers */
#define HTTP_MAX_TARGET     (32 * 1024)
#define HTTP_MAX_HEADERS    128
#define HTTP_MAX_CHUNK_LINE 1024 /* size, extensions and CRLF; also one trailer line */
#define HTTP_MAX_TRAILERS   32
#define HTTP_MAX_QUERY      1024 /* name=value pairs */

struct http_header {
	struct sv name, value;
};

enum http_framing {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE, /* responses only: until the connection ends */
};

/* The head of a request or of a response; spans point into the bytes that were parsed. */
struct http_head {
	struct sv method, target; /* requests */
	unsigned int status;      /* responses */
	struct sv reason;         /* responses */
	unsigned int minor;       /* HTTP/1.minor */
	struct http_header h[HTTP_MAX_HEADERS];
	size_t n;
	enum http_framing framing;
	uint64_t content_length; /* with HTTP_BODY_LENGTH */
	bool keep_alive;
	bool has_upgrade; /* "Connection: upgrade" with an Upgrade header */
	bool expects_continue;
};

/*
 * Parses a head from the start of `in`. Returns its length (past the empty line), 0 if more bytes are needed,
 * or -status with *why set to a static text: -400, -414, -431, -501, -505. `out` may be partly filled on
 * failure.
 */
ssize_t http_parse_request(struct sv in, struct http_head *out, const char **why) NODISCARD;
/* `to_head`: it answers a HEAD, so it has no body whatever the headers say. Errors are -400 or -431. */
ssize_t http_parse_response(struct sv in, bool to_head, struct http_head *out, const char **why) NODISCARD;

/* First header of that name (ASCII case does not matter); p is NULL if there is none. */
struct sv http_head_find(const struct http_head *h, const char *name);
/* Whether a comma-separated header, or several of them, holds the token. */
bool http_head_has_token(const struct http_head *h, const char *name, const char *token);

/* Chunked coding, incrementally. Zero-initialised is the start of a body. */
struct http_chunked {
	unsigned int state;
	uint64_t left; /* of the current chunk's data */
	unsigned int digits, line, trailers;
};
/*
 * Consumes from `in`: *eaten says how much, *data the payload bytes among them (a span of `in`, maybe empty).
 * Returns 1 while the body goes on (call again with what is left, or with more bytes), 0 when the last chunk
 * and the trailers have been consumed, -400 on a violation.
 */
int http_chunked_next(struct http_chunked *c, struct sv in, size_t *eaten, struct sv *data) NODISCARD;

struct http_param {
	char *name, *value;
};
/* Percent-decodes into the arena; NULL on a bad escape or a NUL. plus_is_space for query values. */
char *http_unescape(struct arena *a, struct sv in, bool plus_is_space);
/* "a=1&b=2" → parameters in order. 0, or -1 on bad escapes or more than HTTP_MAX_QUERY pairs. */
int http_parse_query(struct arena *a, struct sv in, struct http_param **out, size_t *n) NODISCARD;
/* Appends `s`, percent-encoding all but unreserved characters (and '/' if keep_slash). */
void http_escape(struct strbuf *out, struct sv s, bool keep_slash);

bool http_is_token(struct sv s);
const char *http_status_text(unsigned int status);
