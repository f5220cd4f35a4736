/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: a strict RFC 8259 parser into a tree, and a streaming writer. Called by everybody who reads or writes
 * JSON, the static programs included; pure functions over bytes, no locks, no I/O.
 *
 * Parsing allocates from the caller's arena and nothing else lives on. Strings of the tree are decoded,
 * NUL-terminated and in the arena; `raw` spans point into the text that was parsed, which must live as long as
 * they are used. What the grammar forbids is rejected, never repaired: bad UTF-8, lone surrogates, control
 * characters, leading zeros, trailing commas, bytes after the value, duplicate keys (unless asked), and more
 * depth, bytes or values than the limits allow. Error texts are those of Go's encoding/json where it has one,
 * class ERR_INVALID.
 *
 *	const struct json *j;
 *	if (json_parse(arena, body, NULL, &j, e) < 0)
 *		return -1;
 *	const struct json *id = json_get(j, "Id");
 *
 *	cleanup_strbuf struct strbuf b = { 0 };
 *	struct jw w = jw_to(&b);
 *	jw_obj(&w);
 *	jw_key(&w, "Id");
 *	jw_str(&w, id);
 *	jw_end(&w);
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_MAX_BYTES  ((size_t)16 << 20)
#define JSON_MAX_DEPTH  64u
#define JSON_MAX_VALUES ((size_t)1 << 20)

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	bool b;             /* JSON_BOOL */
	bool has_nul;       /* JSON_STRING: it contains \u0000, so that str.p is cut short for C */
	struct sv raw;      /* the value's text */
	struct sv str;      /* JSON_STRING: decoded, NUL-terminated */
	struct sv key;      /* the member's name, when the parent is an object; NUL-terminated */
	struct json *first; /* JSON_ARRAY, JSON_OBJECT: children */
	struct json *next;
	size_t n; /* count of children */
};

/* A field that is 0 takes the default. */
struct json_limits {
	size_t max_bytes;
	unsigned max_depth; /* at most JSON_MAX_DEPTH */
	size_t max_values;
	bool last_key_wins; /* lenient: of members with one name keep the last, as most parsers do */
};

int json_parse(struct arena *a, struct sv text, const struct json_limits *limits, const struct json **out,
	       struct err **e) NODISCARD;
/* One value at the start of text (spaces before it are skipped); *used gets how far it reached. For streams
 * of values. At the end of the text (nothing but spaces): 0 with *out NULL. */
int json_parse_next(struct arena *a, struct sv text, const struct json_limits *limits,
		    const struct json **out, size_t *used, struct err **e) NODISCARD;

#define json_for_each(it, j) for (const struct json *it = (j) ? (j)->first : NULL; it; it = it->next)

/* Member by name, or NULL (also when j is NULL or no object). */
const struct json *json_get(const struct json *j, const char *key);
/* The same as Go matches struct fields: exact first, else the ASCII case ignored. */
const struct json *json_get_icase(const struct json *j, const char *key);
/* "a.b.c" through objects. */
const struct json *json_path(const struct json *j, const char *dotted);
const struct json *json_at(const struct json *j, size_t i);

/* What it is; NULL-tolerant. */
static inline bool json_is(const struct json *j, enum json_type t)
{
	return j && j->type == t;
}
/* The string, or NULL when j is not a string (or has a NUL inside). */
const char *json_str(const struct json *j);
/* False when it is no boolean. */
bool json_bool(const struct json *j);
/* Whole numbers without loss: 0, -EINVAL (not a number, or one with fraction or exponent) or -ERANGE. */
int json_i64(const struct json *j, int64_t *out) NODISCARD;
int json_u64(const struct json *j, uint64_t *out) NODISCARD;
int json_f64(const struct json *j, double *out) NODISCARD;
/* "object", "array", "string", "number", "bool", "null": Go's words in its messages. */
const char *json_type_name(const struct json *j);

/*
 * The writer. Commas are its business. Misuse (a value without a key in an object, an end too many) is an
 * assertion: it cannot depend on data. Depth is at most 256.
 */
struct jw {
	struct strbuf *b;
	uint16_t depth;
	bool after_key;
	uint64_t in_obj[4]; /* bit per level: object or array */
	uint64_t some[4];   /* bit per level: has a member already */
};

static inline struct jw jw_to(struct strbuf *b)
{
	return (struct jw){ .b = b };
}
void jw_obj(struct jw *w);
void jw_arr(struct jw *w);
void jw_end(struct jw *w); /* closes the innermost object or array */
void jw_key(struct jw *w, const char *key);
void jw_keysv(struct jw *w, struct sv key);
/* As Go writes it without HTML escaping; bytes that are no UTF-8 become \ufffd. NULL is "". */
void jw_str(struct jw *w, const char *s);
void jw_strsv(struct jw *w, struct sv s);
void jw_i64(struct jw *w, int64_t v);
void jw_u64(struct jw *w, uint64_t v);
void jw_f64(struct jw *w,
	    double v); /* shortest text that reads back the same; NaN and infinities are an assertion */
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
/* Text that is one JSON value already (empty: null). */
void jw_raw(struct jw *w, struct sv text);
/* A parsed value, as its text was. */
void jw_value(struct jw *w, const struct json *j);

/* Key and value in one. */
void jw_kstr(struct jw *w, const char *key, const char *s);
void jw_ki64(struct jw *w, const char *key, int64_t v);
void jw_ku64(struct jw *w, const char *key, uint64_t v);
void jw_kbool(struct jw *w, const char *key, bool v);
void jw_knull(struct jw *w, const char *key);
void jw_kraw(struct jw *w, const char *key, struct sv text);
void jw_kobj(struct jw *w, const char *key);
void jw_karr(struct jw *w, const char *key);

/* The string literal alone, quotes included. */
void json_quote(struct strbuf *b, struct sv s);
/* Valid JSON text laid out as Go's json.Indent does ("{}" and "[]" stay short). */
void json_indent(struct strbuf *b, struct sv text, const char *prefix, const char *indent);
/* The same without any space between tokens. */
void json_compact(struct strbuf *b, struct sv text);
