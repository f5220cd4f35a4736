/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

#include <string.h>
#include <unistd.h>

#define RAW_STREAM "application/vnd.docker.raw-stream"
#define MUX_STREAM "application/vnd.docker.multiplexed-stream"

/* Filters that each call takes. */
static const char *const list_filters[] = { "ancestor", "before",    "exited", "expose", "health",  "id",
					    "is-task",  "isolation", "label",  "name",   "network", "publish",
					    "since",    "status",    "volume", NULL };
static const char *const prune_filters[] = { "label", "label!", "until", NULL };

static int list(struct api_ctx *c, struct err **e)
{
	struct engine_list rq = { .all = api_query_bool(c, "all"), .size = api_query_bool(c, "size") };
	struct api_container_summary_list *l;
	struct filters *f;
	int64_t limit = 0;

	if (api_query_i64(c, "limit", &limit, e) < 0 || api_query_filters(c, list_filters, &f, e) < 0)
		return -1;
	bool is_task;
	if (filters_bool(f, "is-task", false, &is_task, e) < 0)
		return -1;
	rq.limit = limit > INT32_MAX ? INT32_MAX : limit < 0 ? -1 : (int)limit;
	rq.filters = f;
	if (engine_container_list(c->en, &rq, c->a, &l, e) < 0)
		return -1;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_arr(&w);
	model_for_each(it, l)
	{
		if (c->minor < 46)
			it->host_config.annotations = (struct model_str_map){ 0 };
		api_container_summary_encode(&w, it);
	}
	jw_end(&w);
	return api_reply_text(c, 200, &b);
}

/* What clients of older versions cannot mean is cleared, as Docker does. */
static int adapt_create(struct api_ctx *c, struct api_create_request *rq, struct err **e)
{
	struct api_host_config *hc = rq->host_config;

	if (c->minor < 44) {
		if (rq->container_config.healthcheck)
			rq->container_config.healthcheck->start_interval = 0;
		if (rq->networking_config && rq->networking_config->endpoints_config.n > 1)
			return err_set(e, ERR_INVALID,
				       "Container cannot be created with multiple network endpoints before "
				       "API version "
				       "1.44");
	}
	if (!hc)
		return 0;
	if (c->minor < 41 && str_empty(hc->cgroupns_mode))
		hc->cgroupns_mode = "host";
	if (c->minor < 42)
		hc->console_size = (struct model_pair){ 0 };
	if (c->minor < 43)
		hc->annotations = (struct model_str_map){ 0 };
	model_for_each(m, &hc->mounts)
	{
		if (c->minor < 42 && m->bind_options)
			m->bind_options->create_mountpoint = false;
		if (c->minor < 45 && m->volume_options && !str_empty(m->volume_options->subpath))
			return err_set(e, ERR_INVALID, "VolumeOptions.Subpath needs API v1.45 or newer");
		if (c->minor < 48 && str_eq(m->type, "image"))
			return err_set(e, ERR_INVALID, "Mount type \"Image\" needs API v1.48 or newer");
	}
	return 0;
}

static int create(struct api_ctx *c, struct err **e)
{
	struct api_create_request *body;
	struct api_create_response *out;
	struct sv text;

	if (api_body(c, &text, e) < 0)
		return -1;
	if (!text.n)
		return err_set(e, ERR_INVALID, "invalid JSON: got EOF while reading request body");
	if (api_create_request_parse(c->a, text, &body, e) < 0 || adapt_create(c, body, e) < 0)
		return -1;
	struct engine_create rq = {
		.name = api_query(c, "name"),
		.platform = api_query(c, "platform"),
		.config = &body->container_config,
		.host = body->host_config,
		.networking = body->networking_config,
	};
	if (engine_container_create(c->en, &rq, c->a, &out, e) < 0)
		return -1;
	if (!out->warnings.v)
		model_strs_empty(c->a, &out->warnings);
	return api_reply(c, 201, &api_create_response_type, out);
}

static int inspect(struct api_ctx *c, struct err **e)
{
	struct api_container_inspect *out;

	if (engine_container_inspect(c->en, c->param[0], api_query_bool(c, "size"), c->a, &out, e) < 0)
		return -1;
	if (c->minor < 48)
		out->image_manifest_descriptor = NULL;
	if (c->minor < 43 && out->host_config)
		out->host_config->annotations = (struct model_str_map){ 0 };
	return api_reply(c, 200, &api_container_inspect_type, out);
}

static int start(struct api_ctx *c, struct err **e)
{
	/* An old client's HostConfig is told apart from the "{}" and "null" that some send. */
	int64_t n = http_req_body_length(c->rq);
	if (n > 7 || n < 0)
		return err_set(
			e, ERR_INVALID,
			"starting container with non-empty request body was deprecated since API v1.22 and "
			"removed in v1.24");
	if (!str_empty(api_query(c, "checkpoint")))
		return err_set(e, ERR_INVALID, "checkpoint is only supported in experimental mode");
	if (engine_container_start(c->en, c->param[0], api_query(c, "detachKeys"), e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int query_timeout(struct api_ctx *c, int *out, struct err **e)
{
	int64_t t = ENGINE_TIMEOUT_DEFAULT;

	if (api_query_i64(c, "t", &t, e) < 0)
		return -1;
	if (t > INT32_MAX)
		t = INT32_MAX;
	*out = t < -1 && t != ENGINE_TIMEOUT_DEFAULT ? -1 : (int)t;
	return 0;
}

/* `signal` has counted since 1.42. */
static const char *stop_signal(struct api_ctx *c)
{
	return c->minor >= 42 ? api_query(c, "signal") : NULL;
}

static int stop(struct api_ctx *c, struct err **e)
{
	int t;

	if (query_timeout(c, &t, e) < 0 ||
	    engine_container_stop(c->en, c->param[0], stop_signal(c), t, e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int restart(struct api_ctx *c, struct err **e)
{
	int t;

	if (query_timeout(c, &t, e) < 0 ||
	    engine_container_restart(c->en, c->param[0], stop_signal(c), t, e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int kill_(struct api_ctx *c, struct err **e)
{
	if (engine_container_kill(c->en, c->param[0], api_query(c, "signal"), e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int pause_(struct api_ctx *c, struct err **e)
{
	if (engine_container_pause(c->en, c->param[0], e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int unpause(struct api_ctx *c, struct err **e)
{
	if (engine_container_unpause(c->en, c->param[0], e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int resize(struct api_ctx *c, struct err **e)
{
	uint32_t h, w;

	if (api_query_u32(c, "h", &h, e) < 0 || api_query_u32(c, "w", &w, e) < 0 ||
	    engine_container_resize(c->en, c->param[0], h, w, e) < 0)
		return -1;
	return api_reply_empty(c, 200);
}

static int rename_(struct api_ctx *c, struct err **e)
{
	if (engine_container_rename(c->en, c->param[0], api_query_or(c, "name", ""), e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int update(struct api_ctx *c, struct err **e)
{
	struct api_update_request *rq;
	struct api_update_response *out;
	struct sv text;

	if (api_body(c, &text, e) < 0)
		return -1;
	if (!text.n)
		return err_set(e, ERR_INVALID, "invalid JSON: got EOF while reading request body");
	if (api_update_request_parse(c->a, text, &rq, e) < 0 ||
	    engine_container_update(c->en, c->param[0], rq, text, c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_update_response_type, out);
}

static int remove_(struct api_ctx *c, struct err **e)
{
	if (engine_container_remove(c->en, c->param[0], api_query_bool(c, "force"), api_query_bool(c, "v"),
				    api_query_bool(c, "link"), e) < 0)
		return -1;
	return api_reply_empty(c, 204);
}

static int prune(struct api_ctx *c, struct err **e)
{
	struct filters *f;
	struct engine_pruned p = { 0 };

	if (api_query_filters(c, prune_filters, &f, e) < 0)
		return -1;
	if (engine_container_prune(c->en, f, &c->rq->ctx, &p, e) < 0)
		return -1;
	struct api_containers_prune_report out = { .space_reclaimed = (uint64_t)p.reclaimed };
	for (size_t i = 0; i < p.ids.n; i++)
		model_strs_add(c->a, &out.containers_deleted, p.ids.v[i]);
	strlist_release(&p.ids);
	return api_reply(c, 200, &api_containers_prune_report_type, &out);
}

static int wait_(struct api_ctx *c, struct err **e)
{
	enum engine_wait_condition cond = ENGINE_WAIT_NOT_RUNNING;
	struct engine_wait *w;
	struct api_wait_response out = { 0 };
	const char *message = NULL;

	/* `condition` came with 1.30, and with it the early 200 */
	if (c->minor >= 30 && engine_wait_condition_parse(api_query(c, "condition"), &cond, e) < 0)
		return -1;
	if (engine_container_wait_begin(c->en, c->param[0], cond, &w, e) < 0)
		return -1;
	if (c->minor >= 30)
		(void)http_stream_start(c->rs, 200, "application/json");
	int r = engine_container_wait_end(w, &c->rq->ctx, c->a, &out.status_code, &message, e);
	engine_wait_free(w);
	if (r < 0)
		return -1;
	struct api_wait_exit_error error = { .message = message };
	if (message && c->minor >= 34)
		out.error = &error;
	if (c->minor < 30)
		return api_reply(c, 200, &api_wait_response_type, &out);
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw jw = jw_to(&b);
	api_wait_response_encode(&jw, &out);
	sb_addc(&b, '\n');
	(void)http_stream_write(c->rs, b.p, b.n);
	(void)http_stream_end(c->rs);
	return 0;
}

static int attach(struct api_ctx *c, struct err **e)
{
	struct engine_attach rq = {
		.logs = api_query_bool(c, "logs"),
		.stream = api_query_bool(c, "stream"),
		.stdin_ = api_query_bool(c, "stdin"),
		.stdout_ = api_query_bool(c, "stdout"),
		.stderr_ = api_query_bool(c, "stderr"),
		.detach_keys = api_query(c, "detachKeys"),
	};
	struct engine_attachment *at;
	struct sv early;

	if (engine_container_attach_begin(c->en, c->param[0], &rq, &at, e) < 0)
		return -1;
	bool framed = !engine_attachment_is_tty(at) && c->minor >= 42 && c->rq->has_upgrade;
	int fd = http_hijack(c->rq, c->rs, framed ? MUX_STREAM : RAW_STREAM, "tcp", &early);
	if (fd >= 0) {
		cleanup_err struct err *late = NULL;
		/* the socket is the attachment's now; what goes wrong after the switch it tells there */
		(void)engine_attachment_run(at, fd, early, &late);
	}
	engine_attachment_free(at);
	return 0;
}

static int no_websocket(struct api_ctx *c, struct err **e)
{
	(void)c;
	return err_set(e, ERR_NOT_IMPLEMENTED, "attaching by websocket is not implemented");
}

static int64_t parse_tail(const char *s)
{
	int64_t n;

	/* what is no number means everything */
	return s && parse_i64(sv_of(s), 0, INT64_MAX, &n) == 0 ? n : -1;
}

static int logs(struct api_ctx *c, struct err **e)
{
	struct engine_logs_request rq = {
		.follow = api_query_bool(c, "follow"),
		.stdout_ = api_query_bool(c, "stdout"),
		.stderr_ = api_query_bool(c, "stderr"),
		.timestamps = api_query_bool(c, "timestamps"),
		.details = api_query_bool(c, "details"),
		.tail = parse_tail(api_query(c, "tail")),
	};
	cleanup_engine_logs struct engine_logs *l = NULL;
	struct sv piece;
	int r;

	if (!rq.stdout_ && !rq.stderr_)
		return err_set(e, ERR_INVALID, "Bad parameters: you must choose at least one stream");
	if (api_query_time(c, "since", &rq.since_ns, e) < 0 ||
	    api_query_time(c, "until", &rq.until_ns, e) < 0)
		return -1;
	if (engine_logs_open(c->en, c->param[0], &rq, &l, e) < 0)
		return -1;
	bool framed = !engine_logs_is_tty(l) && c->minor >= 42;
	(void)http_stream_start(c->rs, 200, framed ? MUX_STREAM : RAW_STREAM);
	while ((r = engine_logs_next(l, &c->rq->ctx, &piece, e)) > 0)
		if (http_stream_write(c->rs, piece.p, piece.n) < 0 ||
		    (rq.follow && http_stream_flush(c->rs) < 0))
			break;
	if (r < 0)
		return -1;
	(void)http_stream_end(c->rs);
	return 0;
}

static int top(struct api_ctx *c, struct err **e)
{
	struct api_top_response *out;

	if (engine_container_top(c->en, c->param[0], api_query_or(c, "ps_args", "-ef"), c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_top_response_type, out);
}

static int stats(struct api_ctx *c, struct err **e)
{
	bool stream = api_query_bool_or(c, "stream", true);
	bool one_shot = c->minor >= 41 && api_query_bool(c, "one-shot");
	cleanup_engine_stats struct engine_stats *s = NULL;
	cleanup_strbuf struct strbuf b = { 0 };

	if (stream && one_shot)
		return err_set(e, ERR_INVALID, "cannot have stream=true and one-shot=true");
	if (engine_stats_open(c->en, c->param[0], &s, e) < 0)
		return -1;
	if (!stream) {
		/* two samples a second apart, so that the client can tell a rate */
		if (!one_shot && engine_stats_is_running(s)) {
			if (engine_stats_sample(s, false, &b, e) < 0)
				return -1;
			if (ctx_poll(&c->rq->ctx, NULL, 0, 1000) < 0)
				return err_set(e, ERR_CANCELLED, "context canceled");
		}
		sb_reset(&b);
		if (engine_stats_sample(s, !one_shot, &b, e) < 0)
			return -1;
		return api_reply_text(c, 200, &b);
	}
	(void)http_stream_start(c->rs, 200, "application/json");
	for (bool first = true;; first = false) {
		sb_reset(&b);
		if (engine_stats_sample(s, !first, &b, e) < 0)
			return -1;
		sb_addc(&b, '\n');
		if (http_stream_write(c->rs, b.p, b.n) < 0 || http_stream_flush(c->rs) < 0 ||
		    ctx_poll(&c->rq->ctx, NULL, 0, 1000) < 0)
			break;
		if (engine_stats_is_gone(s))
			break;
	}
	(void)http_stream_end(c->rs);
	return 0;
}

const struct api_route api_container_routes[] = {
	{ "GET", "/containers/json", list },
	{ "POST", "/containers/create", create },
	{ "POST", "/containers/prune", prune },
	{ "GET", "/containers/{name:.*}/json", inspect },
	{ "GET", "/containers/{name:.*}/top", top },
	{ "GET", "/containers/{name:.*}/logs", logs },
	{ "GET", "/containers/{name:.*}/stats", stats },
	{ "GET", "/containers/{name:.*}/attach/ws", no_websocket },
	{ "POST", "/containers/{name:.*}/kill", kill_ },
	{ "POST", "/containers/{name:.*}/pause", pause_ },
	{ "POST", "/containers/{name:.*}/unpause", unpause },
	{ "POST", "/containers/{name:.*}/restart", restart },
	{ "POST", "/containers/{name:.*}/start", start },
	{ "POST", "/containers/{name:.*}/stop", stop },
	{ "POST", "/containers/{name:.*}/wait", wait_ },
	{ "POST", "/containers/{name:.*}/resize", resize },
	{ "POST", "/containers/{name:.*}/attach", attach },
	{ "POST", "/containers/{name:.*}/rename", rename_ },
	{ "POST", "/containers/{name:.*}/update", update },
	{ "DELETE", "/containers/{name:.*}", remove_ },
	{ NULL, NULL, NULL },
};
