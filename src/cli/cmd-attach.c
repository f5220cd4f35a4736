/* SPDX-License-Identifier: Apache-2.0 */
/* attach and start. */
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/stream.h"

struct session {
	const char *ref, *id;
	bool is_tty, open_stdin;
};

static int look_at(struct cli *c, const char *ref, struct session *s, const struct json **state,
		   struct err **e)
{
	const struct json *j = NULL;

	if (cli_json(c, "GET", client_path(c->a, "/containers/", ref, "/json"), NULL, &j, e) < 0)
		return -1;
	*s = (struct session){ .ref = ref,
			       .id = str_of(json_get(j, "Id")),
			       .is_tty = json_bool(json_path(j, "Config.Tty")),
			       .open_stdin = json_bool(json_path(j, "Config.OpenStdin")) };
	*state = json_get(j, "State");
	return 0;
}

static const char *attach_path(struct cli *c, const char *id, bool with_stdin, const char *keys)
{
	const char *path = client_path(c->a, "/containers/", id, "/attach?stream=1&stderr=1&stdout=1");

	if (with_stdin)
		path = client_query(c->a, path, "stdin", "1");
	return *keys ? client_query(c->a, path, "detachKeys", keys) : path;
}

static struct stream stream_for(struct cli *c, const struct session *s, bool with_stdin, bool proxy,
				const char *keys)
{
	struct stream st = { .c = c,
			     .fd = -1,
			     .is_tty = s->is_tty,
			     .has_stdin = with_stdin,
			     .to_stdout = true,
			     .to_stderr = true,
			     .detach_keys = keys,
			     .wait_fd = -1 };

	if (proxy)
		st.signal_path = client_path(c->a, "/containers/", s->id, "/kill");
	if (s->is_tty)
		st.resize_path = client_path(c->a, "/containers/", s->id, "/resize");
	return st;
}

static const char *detach_keys(struct cli *c)
{
	const char *keys = flag_str(&c->f, "detach-keys");

	return *keys ? keys : cli_config_str(c, "detachKeys");
}

/* Runs the stream to its end; the exit code. */
static int follow(struct cli *c, struct stream *st, struct http_reply *wait, bool say_detached,
		  struct err **e)
{
	enum stream_end end = STREAM_EOF;

	if (http_reply_buffered(wait) == 0)
		st->wait_fd = http_reply_fd(wait);
	if (stream_run(st, &end, e) < 0)
		return -1;
	if (end == STREAM_DETACHED) {
		if (say_detached)
			(void)fprintf(stderr, "read escape sequence\n");
		return 0;
	}
	return stream_exit_code(c, wait);
}

static int attach(struct cli *c, struct err **e)
{
	struct session s;
	const struct json *state;
	cleanup_client struct client *waiter = NULL;
	cleanup_http_reply struct http_reply *wait = NULL;

	if (look_at(c, cli_arg(c, 0), &s, &state, e) < 0)
		return -1;
	if (!json_bool(json_get(state, "Running")))
		return err_set(e, ERR_CONFLICT, "You cannot attach to a stopped container, start it first");
	if (json_bool(json_get(state, "Paused")))
		return err_set(e, ERR_CONFLICT, "You cannot attach to a paused container, unpause it first");
	if (json_bool(json_get(state, "Restarting")))
		return err_set(e, ERR_CONFLICT,
			       "You cannot attach to a restarting container, wait until it is running");
	bool with_stdin = !flag_bool(&c->f, "no-stdin") && s.open_stdin;
	if (stream_check_tty(with_stdin, s.is_tty, e) < 0)
		return -1;
	waiter = client_again(c->client);
	wait = client_send(waiter,
			   &(struct client_call){ .method = "POST",
						  .path = client_path(c->a, "/containers/", s.id,
								      "/wait?condition=not-running") },
			   e);
	if (!wait)
		return -1;
	cleanup_stream struct stream st =
		stream_for(c, &s, with_stdin, flag_bool(&c->f, "sig-proxy"), detach_keys(c));
	if (stream_hijack(&st, c->client,
			  &(struct client_call){ .method = "POST",
						 .path = attach_path(c, s.id, with_stdin, st.detach_keys),
						 .upgrade = true },
			  e) < 0)
		return -1;
	if (s.is_tty)
		stream_resize(&st);
	return follow(c, &st, wait, true, e);
}

static const struct flag attach_flags[] = {
	{ "detach-keys", FLAG_STRING, .help = "Override the key sequence for detaching a container" },
	{ "no-stdin", FLAG_BOOL, .help = "Do not attach STDIN" },
	{ "sig-proxy", FLAG_BOOL, .def = "true", .help = "Proxy all received signals to the process" },
};

const struct command cmd_attach = {
	.name = "attach",
	.group = "container",
	.top = "attach",
	.usage = "[OPTIONS] CONTAINER",
	.about = "Attach local standard input, output, and error streams to a running container",
	FLAGS(attach_flags),
	.min_args = 1,
	.max_args = 1,
	.run = attach,
};

static int start_one(struct cli *c, const char *ref, struct err **e)
{
	const char *path = client_path(c->a, "/containers/", ref, "/start");

	if (*flag_str(&c->f, "checkpoint"))
		path = client_query(c->a, path, "checkpoint", flag_str(&c->f, "checkpoint"));
	if (*flag_str(&c->f, "checkpoint-dir"))
		path = client_query(c->a, path, "checkpoint-dir", flag_str(&c->f, "checkpoint-dir"));
	return cli_json(c, "POST", path, NULL, NULL, e);
}

static int start_attached(struct cli *c, struct err **e)
{
	struct session s;
	const struct json *state;
	cleanup_client struct client *waiter = NULL;
	cleanup_http_reply struct http_reply *wait = NULL;

	if (c->f.args.n > 1)
		return err_set(e, ERR_INVALID, "you cannot start and attach multiple containers at once");
	if (look_at(c, cli_arg(c, 0), &s, &state, e) < 0)
		return -1;
	bool with_stdin = flag_bool(&c->f, "interactive") && s.open_stdin;
	if (stream_check_tty(with_stdin, s.is_tty, e) < 0)
		return -1;
	cleanup_stream struct stream st = stream_for(c, &s, with_stdin, !s.is_tty, detach_keys(c));
	stream_block_signals(&st);
	if (stream_hijack(&st, c->client,
			  &(struct client_call){ .method = "POST",
						 .path = attach_path(c, s.id, with_stdin, st.detach_keys),
						 .upgrade = true },
			  e) < 0)
		return -1;
	waiter = client_again(c->client);
	wait = client_send(waiter,
			   &(struct client_call){ .method = "POST",
						  .path = client_path(c->a, "/containers/", s.id,
								      "/wait?condition=next-exit") },
			   e);
	if (!wait || start_one(c, s.id, e) < 0)
		return -1;
	if (s.is_tty)
		stream_resize(&st);
	return follow(c, &st, wait, false, e);
}

static int start_each(struct cli *c)
{
	cleanup_strbuf struct strbuf failed = { 0 };

	for (size_t i = 0; i < c->f.args.n; i++) {
		cleanup_err struct err *why = NULL;

		if (start_one(c, cli_arg(c, i), &why) == 0) {
			(void)printf("%s\n", cli_arg(c, i));
			continue;
		}
		(void)fflush(stdout);
		(void)fprintf(stderr, "%s\n", err_text(why));
		sb_addf(&failed, "%s%s", failed.n ? ", " : "", cli_arg(c, i));
	}
	if (!failed.n)
		return 0;
	(void)fflush(stdout);
	(void)fprintf(stderr, "Error: failed to start containers: %s\n", failed.p);
	return 1;
}

static int start(struct cli *c, struct err **e)
{
	if (flag_bool(&c->f, "attach") || flag_bool(&c->f, "interactive"))
		return start_attached(c, e);
	return start_each(c);
}

static const struct flag start_flags[] = {
	{ "attach", FLAG_BOOL, 'a', .help = "Attach STDOUT/STDERR and forward signals" },
	{ "checkpoint", FLAG_STRING, .help = "Restore from this checkpoint" },
	{ "checkpoint-dir", FLAG_STRING, .help = "Use a custom checkpoint storage directory" },
	{ "detach-keys", FLAG_STRING, .help = "Override the key sequence for detaching a container" },
	{ "interactive", FLAG_BOOL, 'i', .help = "Attach container's STDIN" },
};

const struct command cmd_start = {
	.name = "start",
	.group = "container",
	.top = "start",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Start one or more stopped containers",
	FLAGS(start_flags),
	.min_args = 1,
	.max_args = -1,
	.run = start,
};
