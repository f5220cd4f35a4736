/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes share. A route returns 0 after it has replied, or -1 with *e for api_handle to print. */
#pragma once

#include "api/api.h"
#include "base/ctx.h"
#include "codec/json.h"
#include "engine/engine.h"
#include "engine/observe.h"
#include "http/server.h"
#include "model/api.gen.h"
#include "model/filters.h"

#define API_MAX_BODY   (8 * 1024 * 1024) /* of a JSON request */
#define API_MAX_PARAMS 2

struct api {
	struct engine *en;
	char *headers;
};

struct api_ctx {
	struct engine *en;
	struct http_req *rq;
	struct http_res *rs;
	struct arena *a;                   /* the request's */
	unsigned int minor;                /* of the API version the client speaks: 1.minor */
	const char *param[API_MAX_PARAMS]; /* what the pattern's braces matched, in order */
};

typedef int (*api_fn)(struct api_ctx *c, struct err **e);

struct api_route {
	const char *method;
	const char *pattern; /* "/containers/{name:.*}/json": {x} matches up to a slash, {x:.*} anything */
	api_fn fn;
};

/* One table a file; NULL pattern ends it. */
extern const struct api_route api_container_routes[], api_exec_routes[], api_image_routes[],
	api_volume_routes[], api_files_routes[], api_network_routes[], api_system_routes[],
	api_missing_routes[];

/* --- requests --- */

/* The JSON body's text, content type checked; empty when there is none. */
int api_body(struct api_ctx *c, struct sv *out, struct err **e) NODISCARD;
const char *api_query(struct api_ctx *c, const char *name); /* NULL if absent */
const char *api_query_or(struct api_ctx *c, const char *name, const char *otherwise);
bool api_query_bool(struct api_ctx *c, const char *name);
bool api_query_bool_or(struct api_ctx *c, const char *name, bool otherwise);
/* 0 and untouched *out when absent or empty. */
int api_query_i64(struct api_ctx *c, const char *name, int64_t *out, struct err **e) NODISCARD;
int api_query_u32(struct api_ctx *c, const char *name, uint32_t *out,
		  struct err **e) NODISCARD; /* required */
/* Docker timestamps ("1700000000.5", RFC 3339, durations); absent, "" and "0" leave 0. */
int api_query_time(struct api_ctx *c, const char *name, int64_t *out, struct err **e) NODISCARD;
void api_query_all(struct api_ctx *c, const char *name, struct strlist *out);
/* The filters parameter in the request's arena, never NULL; other keys than the accepted (NULL-ended) are refused. */
int api_query_filters(struct api_ctx *c, const char *const *accepted, struct filters **out,
		      struct err **e) NODISCARD;

/* --- replies --- */

int api_reply(struct api_ctx *c, unsigned int status, const struct model_type *t, const void *v);
int api_reply_text(struct api_ctx *c, unsigned int status, struct strbuf *json);
int api_reply_empty(struct api_ctx *c, unsigned int status);
unsigned int api_status(const struct err *e);
/* A stream's error after the 200: one JSON line with errorDetail and error. */
void api_stream_error(struct api_ctx *c, const struct err *e);
