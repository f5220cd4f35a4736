/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api-internal.h"

static int create(struct api_ctx *c, struct err **e)
{
	struct api_exec_create_request *rq;
	struct sv text;
	char id[65];

	if (api_body(c, &text, e) < 0)
		return -1;
	if (api_exec_create_request_parse(c->a, text, &rq, e) < 0)
		return -1;
	if (!rq->cmd.n)
		return err_set(e, ERR_INVALID, "No exec command specified");
	if (c->minor < 42)
		rq->has_console_size = false;
	if (engine_exec_create(c->en, c->param[0], rq, id, e) < 0)
		return -1;
	struct api_id_response out = { .id = id };
	return api_reply(c, 201, &api_id_response_type, &out);
}

static int start(struct api_ctx *c, struct err **e)
{
	struct api_exec_start_request *rq;
	struct engine_exec_run *run;
	struct sv text, early;
	int r;

	if (api_body(c, &text, e) < 0)
		return -1;
	if (api_exec_start_request_parse(c->a, text, &rq, e) < 0)
		return -1;
	uint32_t hw[2] = { rq->console_size.height, rq->console_size.width };
	bool sized = c->minor >= 42 && rq->has_console_size;
	if (sized && !rq->tty && (hw[0] || hw[1]))
		return err_set(e, ERR_INVALID, "console size is only supported with a TTY");
	if (engine_exec_start_begin(c->en, c->param[0], rq->detach, rq->tty, sized ? hw : NULL, &run, e) < 0)
		return -1;
	if (rq->detach) {
		r = engine_exec_start_run(run, -1, (struct sv){ "", 0 }, e);
		engine_exec_run_free(run);
		return r < 0 ? -1 : api_reply_empty(c, 200);
	}
	bool framed = !engine_exec_run_is_tty(run) && c->minor >= 42 && c->rq->has_upgrade;
	int fd = http_hijack(c->rq, c->rs,
			     framed ? "application/vnd.docker.multiplexed-stream"
				    : "application/vnd.docker.raw-stream",
			     "tcp", &early);
	if (fd >= 0) {
		cleanup_err struct err *late = NULL;
		/* a program that cannot be started is told on the stream, as Docker does */
		(void)engine_exec_start_run(run, fd, early, &late);
	}
	engine_exec_run_free(run);
	return 0;
}

static int resize(struct api_ctx *c, struct err **e)
{
	uint32_t h, w;

	if (api_query_u32(c, "h", &h, e) < 0 || api_query_u32(c, "w", &w, e) < 0 ||
	    engine_exec_resize(c->en, c->param[0], h, w, e) < 0)
		return -1;
	return api_reply_empty(c, 200);
}

static int inspect(struct api_ctx *c, struct err **e)
{
	struct api_exec_inspect *out;

	if (engine_exec_inspect(c->en, c->param[0], c->a, &out, e) < 0)
		return -1;
	return api_reply(c, 200, &api_exec_inspect_type, out);
}

const struct api_route api_exec_routes[] = {
	{ "POST", "/containers/{name:.*}/exec", create },
	{ "POST", "/exec/{name:.*}/start", start },
	{ "POST", "/exec/{name:.*}/resize", resize },
	{ "GET", "/exec/{id:.*}/json", inspect },
	{ NULL, NULL, NULL },
};
