/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

#include "api/route-internal.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

/* The one table of error classes and their statuses. */
#define API_STATUSES(X)                                                                                      \
	X(ERR_SYSTEM, 500)                                                                                   \
	X(ERR_INVALID, 400)                                                                                  \
	X(ERR_NOT_FOUND, 404)                                                                                \
	X(ERR_CONFLICT, 409)                                                                                 \
	X(ERR_NOT_MODIFIED, 304)                                                                             \
	X(ERR_UNAUTHORIZED, 401)                                                                             \
	X(ERR_FORBIDDEN, 403)                                                                                \
	X(ERR_UNAVAILABLE, 503)                                                                              \
	X(ERR_NOT_IMPLEMENTED, 501)                                                                          \
	X(ERR_CANCELLED, 500)                                                                                \
	X(ERR_DEADLINE, 500)                                                                                 \
	X(ERR_DATA_LOSS, 500)

unsigned int api_status(const struct err *e)
{
	switch (err_class(e)) {
#define X(class, status)                                                                                     \
	case class: return status;
		API_STATUSES(X)
#undef X
	}
	return 500;
}

static const struct api_route *const tables[] = {
	api_container_routes, api_exec_routes,    api_image_routes,  api_volume_routes,
	api_files_routes,     api_network_routes, api_system_routes, api_missing_routes,
};

struct api *api_new(struct engine *en)
{
	struct api *api = NEW(struct api);

	api->en = en;
	api->headers = xasprintf("Api-Version: %s\r\nDocker-Experimental: false\r\nOstype: linux\r\n"
				 "Server: Docker/%s (linux)\r\n",
				 ENGINE_API_MAX, ENGINE_DOCKER_VERSION);
	return api;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	free(api->headers);
	free(api);
}

const char *api_headers(const struct api *api)
{
	return api->headers;
}

/* 0 and c->minor, or -1; a version below 1.24 gets its error as plain text, as its clients expect. */
static int check_version(struct api_ctx *c, struct sv version, struct err **e)
{
	c->minor = ENGINE_API_MAX_MINOR;
	if (!version.p)
		return 0;
	if (api_version_compare(version, SV(ENGINE_API_MAX)) > 0)
		return err_set(
			e, ERR_INVALID,
			"client version %.*s is too new. Maximum supported API version is " ENGINE_API_MAX,
			(int)version.n, version.p);
	if (api_version_compare(version, SV(ENGINE_API_MIN)) < 0)
		return err_set(
			e, ERR_INVALID,
			"client version %.*s is too old. Minimum supported API version is " ENGINE_API_MIN
			", please upgrade your client to a newer version",
			(int)version.n, version.p);
	struct sv major, minor, rest;
	uint32_t n = 0;
	(void)sv_cut(version, '.', &major, &minor);
	(void)sv_cut(minor, '.', &minor, &rest);
	if (minor.n && parse_u32(minor, 1000, &n) == 0)
		c->minor = n;
	return 0;
}

static const struct api_route *find_route(struct api_ctx *c, const char *path)
{
	struct api_match m;

	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		for (const struct api_route *r = tables[t]; r->pattern; r++) {
			if (strcmp(r->method, c->rq->method) != 0 || !api_route_match(r->pattern, path, &m))
				continue;
			for (size_t i = 0; i < m.n; i++)
				c->param[i] = arena_strndup(c->a, m.param[i].p, m.param[i].n);
			return r;
		}
	}
	return NULL;
}

static void reply_error(struct api_ctx *c, const struct err *e, struct sv version)
{
	unsigned int status = api_status(e);

	/* a client that left is no trouble of ours */
	if (status >= 500 && status != 501 && err_class(e) != ERR_CANCELLED)
		log_error(log_kv("method", c->rq->method, "path", c->rq->path), "%s", err_text(e));
	else
		log_debug(log_kv("method", c->rq->method, "path", c->rq->path), "%s", err_text(e));
	if (http_res_started(c->rs)) {
		http_stream_abort(c->rs);
		return;
	}
	if (version.p && api_version_compare(version, SV("1.24")) < 0) {
		const char *text = arena_printf(c->a, "%s\n", err_text(e));
		(void)http_reply(c->rs, status, "text/plain; charset=utf-8", text, strlen(text));
		return;
	}
	(void)http_reply_error(c->rs, status, err_text(e));
}

void api_handle(void *ctx, struct http_req *rq, struct http_res *rs)
{
	struct api *api = ctx;
	struct api_ctx c = { .en = api->en, .rq = rq, .rs = rs, .a = rq->arena };
	cleanup_err struct err *e = NULL;
	struct sv version;

	if (!strcmp(rq->method, "OPTIONS")) {
		(void)http_reply_empty(rs, 200);
		return;
	}
	const char *path = api_version_split(rq->path, &version);
	const struct api_route *r = find_route(&c, path);
	if (!r)
		(void)err_set(&e, ERR_NOT_FOUND, "page not found");
	else if (check_version(&c, version, &e) == 0 && r->fn(&c, &e) == 0)
		return;
	reply_error(&c, e, version);
}

/* --- requests --- */

/* mime.ParseMediaType as far as it matters: type/subtype, then parameters. */
static int check_content_type(struct api_ctx *c, struct err **e)
{
	const char *header = http_req_header(c->rq, "content-type");
	struct sv type, params;

	if (str_empty(header)) {
		if (!http_req_has_body(c->rq))
			return 0;
		return err_set(e, ERR_INVALID, "malformed Content-Type header (): mime: no media type");
	}
	bool has_params = sv_cut(sv_of(header), ';', &type, &params);
	type = sv_trim(type);
	struct sv main, sub;
	if (!sv_cut(type, '/', &main, &sub) ? !http_is_token(type)
					    : !http_is_token(main) || !http_is_token(sub))
		return err_set(e, ERR_INVALID, "malformed Content-Type header (%s): mime: %s", header,
			       type.n ? "expected token after slash" : "no media type");
	params = sv_trim(params);
	if (has_params && params.n && sv_find(params, '=') <= 0)
		return err_set(e, ERR_INVALID,
			       "malformed Content-Type header (%s): mime: invalid media parameter", header);
	if (!sv_ieqs(type, "application/json"))
		return err_set(e, ERR_INVALID,
			       "unsupported Content-Type header (%s): must be 'application/json'", header);
	return 0;
}

int api_body(struct api_ctx *c, struct sv *out, struct err **e)
{
	*out = (struct sv){ "", 0 };
	if (check_content_type(c, e) < 0)
		return -1;
	if (!http_req_has_body(c->rq))
		return 0;
	struct sv text;
	if (http_req_read_all(c->rq, API_MAX_BODY, &text, e) < 0)
		return -1;
	if (!sv_trim(text).n)
		return err_set(e, ERR_INVALID, "invalid JSON: got EOF while reading request body");
	*out = text;
	return 0;
}

const char *api_query(struct api_ctx *c, const char *name)
{
	return http_req_query(c->rq, name);
}

const char *api_query_or(struct api_ctx *c, const char *name, const char *otherwise)
{
	const char *v = http_req_query(c->rq, name);
	return str_empty(v) ? otherwise : v;
}

bool api_query_bool(struct api_ctx *c, const char *name)
{
	return http_req_query_bool(c->rq, name);
}

bool api_query_bool_or(struct api_ctx *c, const char *name, bool otherwise)
{
	return http_req_has_query(c->rq, name) ? http_req_query_bool(c->rq, name) : otherwise;
}

int api_query_i64(struct api_ctx *c, const char *name, int64_t *out, struct err **e)
{
	const char *v = api_query(c, name);

	if (str_empty(v))
		return 0;
	if (parse_i64(sv_of(v), INT64_MIN, INT64_MAX, out) < 0)
		return err_set(e, ERR_INVALID, "strconv.ParseInt: parsing \"%s\": invalid syntax", v);
	return 0;
}

int api_query_u32(struct api_ctx *c, const char *name, uint32_t *out, struct err **e)
{
	const char *v = api_query(c, name);
	uint64_t n;

	if (!v)
		v = "";
	int r = parse_u64(sv_of(v), UINT64_MAX, &n);
	if (r < 0 || n > UINT32_MAX)
		return err_set(e, ERR_INVALID, "invalid resize %s \"%s\": %s",
			       name[0] == 'h' ? "height" : "width", v,
			       r == -EINVAL ? "invalid syntax" : "value out of range");
	*out = (uint32_t)n;
	return 0;
}

int api_query_time(struct api_ctx *c, const char *name, int64_t *out, struct err **e)
{
	const char *v = api_query(c, name);

	*out = 0;
	if (str_empty(v) || !strcmp(v, "0"))
		return 0;
	if (clock_parse_docker(sv_of(v), clock_now_ns(), out) < 0)
		return err_set(e, ERR_INVALID,
			       "invalid value for \"%s\": failed to parse value as time or duration: "
			       "%s",
			       name, v);
	return 0;
}

int api_query_filters(struct api_ctx *c, const char *const *accepted, struct filters **out, struct err **e)
{
	struct filters *f = ARENA_NEW(c->a, struct filters);

	if (filters_parse(c->a, sv_of(api_query_or(c, "filters", "")), accepted, f, e) < 0)
		return -1;
	*out = f;
	return 0;
}

void api_query_all(struct api_ctx *c, const char *name, struct strlist *out)
{
	for (size_t i = 0; i < c->rq->n_query; i++)
		if (!strcmp(c->rq->query[i].name, name))
			strlist_add(out, c->rq->query[i].value);
}

/* --- replies --- */

int api_reply(struct api_ctx *c, unsigned int status, const struct model_type *t, const void *v)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	model_encode(&w, t, v);
	return api_reply_text(c, status, &b);
}

int api_reply_text(struct api_ctx *c, unsigned int status, struct strbuf *json)
{
	sb_addc(json, '\n');
	(void)http_reply(c->rs, status, "application/json", json->p, json->n);
	return 0;
}

int api_reply_empty(struct api_ctx *c, unsigned int status)
{
	(void)http_reply_empty(c->rs, status);
	return 0;
}

void api_stream_error(struct api_ctx *c, const struct err *e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);

	jw_obj(&w);
	jw_kobj(&w, "errorDetail");
	jw_kstr(&w, "message", err_text(e));
	jw_end(&w);
	jw_kstr(&w, "error", err_text(e));
	jw_end(&w);
	sb_add(&b, "\r\n");
	(void)http_stream_write(c->rs, b.p, b.n);
}
