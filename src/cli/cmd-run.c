/* SPDX-License-Identifier: Apache-2.0 */
/* run and create. */
#include "cli/commands.h"
#include "cli/runopts.h"
#include "cli/stream.h"

static int fail(struct cli *c, int code, const struct err *why)
{
	return cli_fail_help(c, code, err_text(why));
}

static int create(struct cli *c, struct err **e)
{
	struct run_request r;
	cleanup_err struct err *why = NULL;
	const char *id;

	if (run_request_build(c, &r, &why) < 0)
		return fail(c, EXIT_USAGE, why);
	if (run_request_create(c, &r, &id, e) < 0)
		return -1;
	(void)printf("%s\n", id);
	return 0;
}

const struct command cmd_create = {
	.name = "create",
	.group = "container",
	.top = "create",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.about = "Create a new container",
	FLAGS(create_flags),
	.min_args = 1,
	.max_args = -1,
	.only_first = true,
	.run = create,
};

/* A wait call must be at the engine before the container starts; its own connection, its head read. */
static struct http_reply *begin_wait(struct cli *c, struct client **cl, const char *id, bool rm,
				     struct err **e)
{
	const char *path = client_path(c->a, "/containers/", id,
				       rm ? "/wait?condition=removed" : "/wait?condition=next-exit");

	*cl = client_again(c->client);
	return client_send(*cl, &(struct client_call){ .method = "POST", .path = path }, e);
}

static const char *attach_path(struct cli *c, const char *id, const struct api_container_config *cfg,
			       const char *keys)
{
	const char *path = client_path(c->a, "/containers/", id, "/attach?stream=1");

	if (cfg->attach_stderr)
		path = client_query(c->a, path, "stderr", "1");
	if (cfg->attach_stdin)
		path = client_query(c->a, path, "stdin", "1");
	if (cfg->attach_stdout)
		path = client_query(c->a, path, "stdout", "1");
	return *keys ? client_query(c->a, path, "detachKeys", keys) : path;
}

static int start_foreground(struct cli *c, const struct run_request *r, const char *id)
{
	const struct api_container_config *cfg = &r->rq.container_config;
	cleanup_err struct err *why = NULL;
	cleanup_client struct client *waiter = NULL;
	cleanup_http_reply struct http_reply *wait = NULL;
	const char *keys = flag_str(&c->f, "detach-keys");
	enum stream_end end = STREAM_EOF;
	cleanup_stream struct stream s = { .c = c,
					   .fd = -1,
					   .is_tty = cfg->tty,
					   .has_stdin = cfg->attach_stdin,
					   .to_stdout = cfg->attach_stdout,
					   .to_stderr = cfg->attach_stderr,
					   .wait_fd = -1 };

	if (!*keys)
		keys = cli_config_str(c, "detachKeys");
	s.detach_keys = keys;
	if (flag_bool(&c->f, "sig-proxy"))
		s.signal_path = client_path(c->a, "/containers/", id, "/kill");
	if (cfg->tty)
		s.resize_path = client_path(c->a, "/containers/", id, "/resize");
	stream_block_signals(&s);
	if (stream_hijack(&s, c->client,
			  &(struct client_call){
				  .method = "POST", .path = attach_path(c, id, cfg, keys), .upgrade = true },
			  &why) < 0)
		return fail(c, EXIT_USAGE, why);
	wait = begin_wait(c, &waiter, id, r->rq.host_config->auto_remove, &why);
	if (!wait)
		return fail(c, EXIT_USAGE, why);
	if (cli_json(c, "POST", client_path(c->a, "/containers/", id, "/start"), NULL, NULL, &why) < 0)
		return fail(c, start_error_code(err_text(why)), why);
	if (cfg->tty)
		stream_resize(&s);
	if (http_reply_buffered(wait) == 0)
		s.wait_fd = http_reply_fd(wait);
	if (stream_run(&s, &end, &why) < 0) {
		(void)fprintf(stderr, "%s\n", err_text(why));
		return 1;
	}
	if (end == STREAM_DETACHED)
		return 0;
	return stream_exit_code(c, wait);
}

static int start_detached(struct cli *c, const char *id)
{
	cleanup_err struct err *why = NULL;

	if (cli_json(c, "POST", client_path(c->a, "/containers/", id, "/start"), NULL, NULL, &why) < 0)
		return fail(c, start_error_code(err_text(why)), why);
	(void)printf("%s\n", id);
	return 0;
}

static int run(struct cli *c, struct err **e)
{
	struct run_request r;
	struct api_container_config *cfg = &r.rq.container_config;
	cleanup_err struct err *why = NULL;
	bool detach = flag_bool(&c->f, "detach");
	const char *id;

	if (run_request_build(c, &r, &why) < 0)
		return fail(c, EXIT_USAGE, why);
	if (detach && flag_list(&c->f, "attach")->n)
		return err_set(e, ERR_INVALID,
			       "conflicting options: cannot specify both --attach and --detach");
	if (!detach && stream_check_tty(cfg->attach_stdin, cfg->tty, e) < 0)
		return -1;
	if (run_request_create(c, &r, &id, &why) < 0)
		return fail(c, EXIT_USAGE, why);
	if (detach)
		return start_detached(c, id);
	return start_foreground(c, &r, id);
}

const struct command cmd_run = {
	.name = "run",
	.group = "container",
	.top = "run",
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.about = "Create and run a new container from an image",
	FLAGS(run_flags),
	.min_args = 1,
	.max_args = -1,
	.only_first = true,
	.is_common = true,
	.run = run,
};
