/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

#include "base/clock.h"

#include <string.h>

/* Filters that each call takes. */
static const char *const event_filters[] = { "config", "container", "daemon", "event",  "image",
					     "label",  "network",   "node",   "plugin", "scope",
					     "secret", "service",   "type",   "volume", NULL };
static const char *const cache_filters[] = { "description", "id",     "inuse", "label", "parent",
					     "private",     "shared", "type",  "until", NULL };

static int ping(struct api_ctx *c, struct err **e)
{
	(void)e;
	http_res_header(c->rs, "Builder-Version", "1");
	http_res_header(c->rs, "Swarm", "inactive");
	http_res_header(c->rs, "Cache-Control", "no-cache, no-store, must-revalidate");
	http_res_header(c->rs, "Pragma", "no-cache");
	bool is_head = !strcmp(c->rq->method, "HEAD");
	(void)http_reply(c->rs, 200, "text/plain; charset=utf-8", "OK", is_head ? 0 : 2);
	return 0;
}

static int version(struct api_ctx *c, struct err **e)
{
	struct api_version *out;

	if (engine_version(c->en, c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_version_type, out);
}

static int info(struct api_ctx *c, struct err **e)
{
	struct api_system_info *out;

	if (engine_info(c->en, c->a, &out, e) < 0)
		return -1;
	if (c->minor < 39)
		out->warnings = (struct model_str_list){ 0 };
	if (c->minor < 46)
		out->containerd = NULL;
	if (c->minor < 49)
		out->firewall_backend = NULL;
	return api_reply(c, 200, &api_system_info_type, out);
}

/* RS before each record, or not: what the client asked for. */
static const char *event_type(struct api_ctx *c)
{
	const char *accept = http_req_header(c->rq, "accept");

	if (accept && strstr(accept, "application/json-seq"))
		return "application/json-seq";
	if (accept && strstr(accept, "application/jsonl"))
		return "application/jsonl";
	if (accept && strstr(accept, "application/x-ndjson"))
		return "application/x-ndjson";
	return c->minor < 52 ? "application/json" : "application/jsonl";
}

static int events(struct api_ctx *c, struct err **e)
{
	struct event_range range = { 0 };
	struct filters *f;
	cleanup_event_sub struct event_sub *s = NULL;
	const struct event *ev;

	if (api_query_time(c, "since", &range.since_ns, e) < 0 ||
	    api_query_time(c, "until", &range.until_ns, e) < 0 ||
	    api_query_filters(c, event_filters, &f, e) < 0)
		return -1;
	if (range.since_ns && range.until_ns && range.until_ns < range.since_ns)
		return err_set(e, ERR_INVALID,
			       "invalid value for \"until\": it must be a later time than \"since\"");
	range.filters = f;
	if (events_subscribe(engine_events(c->en), &range, &s, e) < 0)
		return -1;
	const char *type = event_type(c);
	bool seq = !strcmp(type, "application/json-seq");
	(void)http_stream_start(c->rs, 200, type);
	while (events_next(s, &c->rq->ctx, &ev) > 0) {
		if (seq)
			(void)http_stream_write(c->rs, "\x1e", 1);
		(void)http_stream_write(c->rs, ev->json.p, ev->json.n);
		(void)http_stream_write(c->rs, "\n", 1);
		if (http_stream_flush(c->rs) < 0)
			break;
	}
	(void)http_stream_end(c->rs);
	return 0;
}

static int df_types(struct api_ctx *c, unsigned int *what, struct err **e)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} types[] = {
		{ "container", ENGINE_DF_CONTAINERS },
		{ "image", ENGINE_DF_IMAGES },
		{ "volume", ENGINE_DF_VOLUMES },
		{ "build-cache", ENGINE_DF_BUILD_CACHE },
	};
	cleanup_strlist struct strlist asked = { 0 };

	*what = ENGINE_DF_CONTAINERS | ENGINE_DF_IMAGES | ENGINE_DF_VOLUMES | ENGINE_DF_BUILD_CACHE;
	api_query_all(c, "type", &asked);
	if (!asked.n || c->minor < 42)
		return 0;
	*what = 0;
	for (size_t i = 0; i < asked.n; i++) {
		size_t k = 0;
		while (k < ARRAY_LEN(types) && strcmp(types[k].name, asked.v[i]) != 0)
			k++;
		if (k == ARRAY_LEN(types))
			return err_set(e, ERR_INVALID, "unknown object type: %s", asked.v[i]);
		*what |= types[k].bit;
	}
	return 0;
}

static int df(struct api_ctx *c, struct err **e)
{
	struct api_disk_usage *out;
	unsigned int what;

	if (df_types(c, &what, e) < 0 || engine_df(c->en, what, &c->rq->ctx, c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_disk_usage_type, out);
}

static int plugins(struct api_ctx *c, struct err **e)
{
	(void)e;
	cleanup_strbuf struct strbuf b = { 0 };
	sb_add(&b, "[]");
	return api_reply_text(c, 200, &b);
}

static int build_prune(struct api_ctx *c, struct err **e)
{
	struct filters *f;
	struct api_build_prune_report out = { 0 };

	/* there is no build cache yet, so there is nothing to free */
	if (api_query_filters(c, cache_filters, &f, e) < 0)
		return -1;
	return api_reply(c, 200, &api_build_prune_report_type, &out);
}

const struct api_route api_system_routes[] = {
	{ "GET", "/_ping", ping },      { "HEAD", "/_ping", ping },
	{ "GET", "/version", version }, { "GET", "/info", info },
	{ "GET", "/events", events },   { "GET", "/system/df", df },
	{ "GET", "/plugins", plugins }, { "POST", "/build/prune", build_prune },
	{ NULL, NULL, NULL },
};
