/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record of a json-file log: {"log":"line\n","stream":"stdout","attrs":{…},"time":"…"}. A pure function over a
 * line's bytes; no allocation for records as hoy and dockerd write them, the JSON parser for anything else that means
 * the same (other key order, spaces).
 */
#pragma once

#include "base/attr.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define LOGS_TIME_MAX 40

struct logs_record {
	struct sv text;  /* still escaped: logs_unescape() */
	struct sv attrs; /* JSON object, or empty */
	struct sv time;  /* RFC 3339, as written */
	bool is_stderr;
};

/* line: without its newline. false: no record. What the slow way decodes lives in `a`. */
bool logs_record_parse(struct arena *a, struct sv line, struct logs_record *out);
/* Decodes a JSON string's inside to `out`, which has room for in.n bytes (text only ever shrinks). Bytes written. */
size_t logs_unescape(struct sv in, char *out);
/* "2006-01-02T15:04:05.000000000Z" (30 bytes) from any RFC 3339 time; false if it is none. Such texts of one zone order
 * like the times. */
bool logs_time_fixed(struct sv time, char out[31]);
/* "k=v,k2=v2 ": escaped as a URL query, sorted; what --details puts before a line. */
void logs_details(struct arena *a, struct sv attrs, struct strbuf *out);
