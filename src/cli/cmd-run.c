/* SPDX-License-Identifier: Apache-2.0 */
/* run, create, start, attach, exec: what may sit on a container's streams. */
#include "cli/create.h"
#include "cli/session.h"

#include "http/client.h"
#include "model/env.h"
#include "base/fs.h"

#include <stdio.h>
#include <unistd.h>

/* A wait that was begun before the start, so that no exit is missed. */
struct waiting {
	struct client *client;
	struct http_reply *reply;
};

static void waiting_release(struct waiting *w)
{
	http_reply_free(w->reply);
	client_close(w->client);
}

static int wait_begin(struct cli *c, const char *id, const char *condition, struct waiting *w, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	sb_addf(&path, "/containers/%s/wait", id);
	client_query(&path, "condition", condition);
	if (client_dup(cli_client(c, e), &w->client, e) < 0)
		return -1;
	w->reply = client_stream(w->client, "POST", path.p, NULL, SV(""), -1, e);
	return w->reply ? 0 : -1;
}

/* The exit code; an error the daemon tells is printed. */
static int wait_end(struct cli *c, struct waiting *w)
{
	const struct json *j = NULL;
	const char *message;
	char *text = NULL;
	size_t n = 0;
	int64_t code = 125;

	if (http_reply_read_all(w->reply, 1024 * 1024, &text, &n, NULL) == 0 &&
	    json_parse(c->a, sv_n(arena_strndup(c->a, text, n), n), NULL, &j, NULL) == 0) {
		if (json_i64(json_get(j, "StatusCode"), &code) < 0)
			code = 125;
		message = json_str(json_path(j, "Error.Message"));
		if (!str_empty(message))
			(void)fprintf(stderr, "Error waiting for container: %s\n", message);
	}
	free(text);
	return (int)code;
}

static int hijack(struct cli *c, struct session *s, const char *path, struct sv body, struct err **e)
{
	struct client *cl = NULL;
	int fd;

	/* A connection of its own: the first one serves the calls that follow. */
	if (!cli_client(c, e) || client_dup(c->client, &cl, e) < 0)
		return -1;
	fd = client_hijack(cl, path, body, &s->is_mux, &s->early, &s->n_early, e);
	client_close(cl);
	if (fd < 0)
		return -1;
	s->fd = fd;
	s->is_mux = !s->is_tty;
	return 0;
}

static int attach(struct cli *c, struct session *s, const char *id, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	sb_addf(&path, "/containers/%s/attach?stream=1&stdin=%d&stdout=%d&stderr=%d", id, s->use_stdin,
		s->use_stdout, s->use_stderr);
	client_query(&path, "detachKeys", str_empty(s->detach_keys) ? NULL : s->detach_keys);
	return hijack(c, s, path.p, SV(""), e);
}

static const char *detach_keys_of(struct cli *c)
{
	const char *keys = flag_str(&c->f, "detach-keys");

	return str_empty(keys) && c->config ? js(c->config, "detachKeys") : keys;
}

/* 127, 126 or 125, from what the daemon said of a failed start. */
static int start_error_code(const char *text)
{
	static const char *const not_found[] = { "executable file not found", "no such file or directory",
						 "system cannot find the file specified" },
				 *const no_exec[] = { "permission denied", "is a directory",
						      "exec format error" };

	for (size_t i = 0; i < ARRAY_LEN(not_found); i++)
		if (strcasestr(text, not_found[i]))
			return 127;
	for (size_t i = 0; i < ARRAY_LEN(no_exec); i++)
		if (strcasestr(text, no_exec[i]))
			return 126;
	return 125;
}

int create_run(struct cli *c, struct err **e)
{
	struct api_create_request rq = { 0 };
	const char *id = NULL;

	if (create_request(c, &rq, e) < 0 || create_container(c, &rq, &id, e) < 0)
		return -1;
	(void)printf("%s\n", id);
	return 0;
}

static int check_tty(const struct session *s, struct err **e)
{
	if (s->is_tty && s->use_stdin && !isatty(STDIN_FILENO))
		return err_set(
			e, ERR_INVALID,
			"cannot attach stdin to a TTY-enabled container because stdin is not a terminal");
	return 0;
}

static int run_foreground(struct cli *c, struct api_create_request *rq, struct err **e)
{
	const struct api_container_config *g = &rq->container_config;
	cleanup_session struct session s = { .c = c,
					     .fd = -1,
					     .use_stdin = g->attach_stdin,
					     .use_stdout = g->attach_stdout,
					     .use_stderr = g->attach_stderr,
					     .is_tty = g->tty,
					     .detach_keys = detach_keys_of(c) };
	struct waiting w __attribute__((cleanup(waiting_release))) = { 0 };
	cleanup_err struct err *why = NULL;
	const char *id = NULL;
	enum session_end end;

	if (check_tty(&s, e) < 0)
		return -1;
	if (create_container(c, rq, &id, e) < 0)
		return -1;
	s.resize_path = xasprintf("/containers/%s/resize", id);
	s.kill_path = flag_bool(&c->f, "sig-proxy") && !g->tty ? xasprintf("/containers/%s/kill", id) : NULL;
	session_signals_block();
	if (attach(c, &s, id, e) < 0 ||
	    wait_begin(c, id, rq->host_config->auto_remove ? "removed" : "next-exit", &w, e) < 0)
		return -1;
	if (cli_call(c, "POST", cli_path(c, "/containers/%s/start", id), SV(""), NULL, &why) < 0) {
		int code = start_error_code(err_text(why));

		/* --rm: the daemon removes what never started; wait until it has. */
		if (rq->host_config->auto_remove)
			(void)wait_end(c, &w);
		err_move(e, &why);
		return code;
	}
	session_raw(&s);
	session_resize(&s);
	end = session_run(&s, e);
	if (end == SESSION_ERROR)
		return 125;
	if (end == SESSION_DETACHED)
		return 0;
	return wait_end(c, &w);
}

int run_run(struct cli *c, struct err **e)
{
	struct api_create_request rq = { 0 };
	cleanup_err struct err *why = NULL;
	const char *id = NULL;

	if (create_request(c, &rq, e) < 0)
		return -1;
	if (!flag_bool(&c->f, "detach"))
		return run_foreground(c, &rq, e);
	if (create_container(c, &rq, &id, e) < 0)
		return -1;
	if (cli_call(c, "POST", cli_path(c, "/containers/%s/start", id), SV(""), NULL, &why) < 0) {
		int code = start_error_code(err_text(why));

		(void)printf("%s\n", id);
		err_move(e, &why);
		return code;
	}
	(void)printf("%s\n", id);
	return 0;
}

/* --- start --- */

static const struct flag start_flags[] = {
	{ "attach", 'a', FLAG_BOOL, 0, NULL, "Attach STDOUT and STDERR, pass signals on", NULL },
	{ "checkpoint", 0, FLAG_STRING, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Restore from this checkpoint",
	  NULL },
	{ "checkpoint-dir", 0, FLAG_STRING, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Directory of checkpoints",
	  NULL },
	{ "detach-keys", 0, FLAG_STRING, 0, NULL, "Keys that detach", NULL },
	{ "interactive", 'i', FLAG_BOOL, 0, NULL, "Attach STDIN", NULL },
};

static int start_one(struct cli *c, const char *arg, struct err **e)
{
	return cli_call(c, "POST", cli_path(c, "/containers/%s/start", arg), SV(""), NULL, e);
}

static int start_run(struct cli *c, struct err **e)
{
	bool in = flag_bool(&c->f, "interactive"), out = flag_bool(&c->f, "attach");
	cleanup_session struct session s = {
		.c = c, .fd = -1, .use_stdout = true, .use_stderr = true, .detach_keys = detach_keys_of(c)
	};
	struct waiting w __attribute__((cleanup(waiting_release))) = { 0 };
	const struct json *j = NULL;
	const char *id;
	enum session_end end;

	if (!in && !out) {
		int rc = cli_each(c, start_one, true);

		if (rc)
			(void)err_set(e, ERR_SYSTEM, "failed to start containers");
		return rc;
	}
	if (c->args.n > 1)
		return err_set(e, ERR_INVALID, "you cannot start and attach multiple containers at once");
	if (cli_call(c, "GET", cli_path(c, "/containers/%s/json", c->args.v[0]), SV(""), &j, e) < 0)
		return -1;
	id = js(j, "Id");
	s.is_tty = json_bool(json_path(j, "Config.Tty"));
	s.use_stdin = in && json_bool(json_path(j, "Config.OpenStdin"));
	if (check_tty(&s, e) < 0)
		return -1;
	s.resize_path = xasprintf("/containers/%s/resize", id);
	s.kill_path = s.is_tty ? NULL : xasprintf("/containers/%s/kill", id);
	session_signals_block();
	if (attach(c, &s, id, e) < 0 ||
	    wait_begin(c, id, json_bool(json_path(j, "HostConfig.AutoRemove")) ? "removed" : "next-exit", &w,
		       e) < 0 ||
	    start_one(c, id, e) < 0)
		return -1;
	session_raw(&s);
	session_resize(&s);
	end = session_run(&s, e);
	if (end != SESSION_EOF)
		return end == SESSION_ERROR ? -1 : 0;
	return wait_end(c, &w);
}

/* --- attach --- */

static const struct flag attach_flags[] = {
	{ "detach-keys", 0, FLAG_STRING, 0, NULL, "Keys that detach", NULL },
	{ "no-stdin", 0, FLAG_BOOL, 0, NULL, "Do not attach STDIN", NULL },
	{ "sig-proxy", 0, FLAG_BOOL, FLAG_TRUE, NULL, "Pass signals on to the process", "true" },
};

static int attach_run(struct cli *c, struct err **e)
{
	cleanup_session struct session s = {
		.c = c, .fd = -1, .use_stdout = true, .use_stderr = true, .detach_keys = detach_keys_of(c)
	};
	struct waiting w __attribute__((cleanup(waiting_release))) = { 0 };
	const struct json *j = NULL;
	const char *id;
	enum session_end end;

	if (cli_call(c, "GET", cli_path(c, "/containers/%s/json", c->args.v[0]), SV(""), &j, e) < 0)
		return -1;
	if (!json_bool(json_path(j, "State.Running")))
		return err_set(e, ERR_CONFLICT, "cannot attach to a stopped container, start it first");
	if (json_bool(json_path(j, "State.Paused")))
		return err_set(e, ERR_CONFLICT, "cannot attach to a paused container, unpause it first");
	if (json_bool(json_path(j, "State.Restarting")))
		return err_set(e, ERR_CONFLICT,
			       "cannot attach to a restarting container, wait until it is running");
	id = js(j, "Id");
	s.is_tty = json_bool(json_path(j, "Config.Tty"));
	s.use_stdin = !flag_bool(&c->f, "no-stdin") && json_bool(json_path(j, "Config.OpenStdin"));
	if (check_tty(&s, e) < 0)
		return -1;
	s.resize_path = xasprintf("/containers/%s/resize", id);
	s.kill_path =
		flag_bool(&c->f, "sig-proxy") && !s.is_tty ? xasprintf("/containers/%s/kill", id) : NULL;
	session_signals_block();
	if (wait_begin(c, id, json_bool(json_path(j, "HostConfig.AutoRemove")) ? "removed" : "", &w, e) < 0 ||
	    attach(c, &s, id, e) < 0)
		return -1;
	session_raw(&s);
	session_resize(&s);
	end = session_run(&s, e);
	if (end == SESSION_DETACHED) {
		(void)err_set(e, ERR_CANCELLED, "read escape sequence");
		return 0;
	}
	return end == SESSION_ERROR ? -1 : wait_end(c, &w);
}

/* --- exec --- */

static const struct flag exec_flags[] = {
	{ "detach", 'd', FLAG_BOOL, 0, NULL, "Run in the background", NULL },
	{ "detach-keys", 0, FLAG_STRING, 0, NULL, "Keys that detach", NULL },
	{ "env", 'e', FLAG_LIST, 0, NULL, "Set an environment variable", NULL },
	{ "env-file", 0, FLAG_LIST, 0, NULL, "Read environment variables from a file", NULL },
	{ "interactive", 'i', FLAG_BOOL, 0, NULL, "Keep STDIN open", NULL },
	{ "privileged", 0, FLAG_BOOL, 0, NULL, "Give all privileges", NULL },
	{ "tty", 't', FLAG_BOOL, 0, NULL, "Allocate a terminal", NULL },
	{ "user", 'u', FLAG_STRING, 0, NULL, "User, or user:group", NULL },
	{ "workdir", 'w', FLAG_STRING, 0, NULL, "Working directory", NULL },
};

static const char *from_environment(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static int exec_request(struct cli *c, struct api_exec_create_request *rq, struct err **e)
{
	const struct strlist *files = flag_list(&c->f, "env-file"), *env = flag_list(&c->f, "env");
	bool detach = flag_bool(&c->f, "detach");

	rq->user = flag_str(&c->f, "user") ? flag_str(&c->f, "user") : "";
	rq->privileged = flag_bool(&c->f, "privileged");
	rq->tty = flag_bool(&c->f, "tty");
	rq->working_dir = flag_str(&c->f, "workdir") ? flag_str(&c->f, "workdir") : "";
	rq->detach_keys = detach_keys_of(c) ? detach_keys_of(c) : "";
	rq->attach_stdin = flag_bool(&c->f, "interactive") && !detach;
	rq->attach_stdout = rq->attach_stderr = !detach;
	for (size_t i = 0; i < files->n; i++) {
		cleanup_free char *text = NULL;
		size_t n = 0;
		int r = fs_read_file_at(AT_FDCWD, files->v[i], 4 * 1024 * 1024, &text, &n);

		if (r < 0)
			return err_sys_class(e, ERR_INVALID, -r, "open %s", files->v[i]);
		if (env_file_parse(c->a, files->v[i], sv_n(text, n), false, from_environment, NULL, &rq->env,
				   e) < 0)
			return -1;
	}
	for (size_t i = 0; i < env->n; i++) {
		const char *value = strchr(env->v[i], '=') ? NULL : getenv(env->v[i]);

		model_strs_add(c->a, &rq->env,
			       value ? arena_printf(c->a, "%s=%s", env->v[i], value) : env->v[i]);
	}
	for (size_t i = 1; i < c->args.n; i++)
		model_strs_add(c->a, &rq->cmd, c->args.v[i]);
	return 0;
}

static int exec_run(struct cli *c, struct err **e)
{
	struct api_exec_create_request rq = { 0 };
	cleanup_session struct session s = { .c = c, .fd = -1, .use_stdout = true, .use_stderr = true };
	cleanup_strbuf struct strbuf body = { 0 };
	struct jw w = jw_to(&body);
	const struct json *j = NULL;
	const char *id, *start;
	enum session_end end;
	int64_t code = 0;

	if (exec_request(c, &rq, e) < 0)
		return -1;
	s.is_tty = rq.tty;
	s.use_stdin = rq.attach_stdin;
	s.detach_keys = rq.detach_keys;
	if (s.is_tty && s.use_stdin && !isatty(STDIN_FILENO))
		return err_set(e, ERR_INVALID, "the input device is not a TTY");
	api_exec_create_request_encode(&w, &rq);
	if (cli_call(c, "POST", cli_path(c, "/containers/%s/exec", c->args.v[0]), sb_sv(&body), &j, e) < 0)
		return -1;
	id = js(j, "Id");
	start = cli_path(c, "/exec/%s/start", id);
	if (flag_bool(&c->f, "detach"))
		return cli_call(c, "POST", start,
				rq.tty ? SV("{\"Detach\":true,\"Tty\":true}")
				       : SV("{\"Detach\":true,\"Tty\":false}"),
				NULL, e);
	s.resize_path = xasprintf("/exec/%s/resize", id);
	session_signals_block();
	if (hijack(c, &s, start,
		   rq.tty ? SV("{\"Detach\":false,\"Tty\":true}") : SV("{\"Detach\":false,\"Tty\":false}"),
		   e) < 0)
		return -1;
	session_raw(&s);
	session_resize(&s);
	end = session_run(&s, e);
	if (end == SESSION_DETACHED) {
		(void)err_set(e, ERR_CANCELLED, "read escape sequence");
		return 0;
	}
	if (end == SESSION_ERROR || cli_call(c, "GET", cli_path(c, "/exec/%s/json", id), SV(""), &j, e) < 0)
		return -1;
	return json_i64(json_get(j, "ExitCode"), &code) < 0 ? 255 : (int)code;
}

const struct command cmd_start = { "container start",
				   "start",
				   "[OPTIONS] CONTAINER [CONTAINER...]",
				   "Start stopped containers",
				   FLAGS(start_flags),
				   .min = 1,
				   .max = CLI_NO_MAX,
				   .run = start_run };
const struct command cmd_attach = { "container attach",
				    "attach",
				    "[OPTIONS] CONTAINER",
				    "Attach to a running container's streams",
				    FLAGS(attach_flags),
				    .min = 1,
				    .max = 1,
				    .run = attach_run };
const struct command cmd_exec = { "container exec",
				  "exec",
				  "[OPTIONS] CONTAINER COMMAND [ARG...]",
				  "Run a command in a running container",
				  FLAGS(exec_flags),
				  .min = 2,
				  .max = CLI_NO_MAX,
				  .stop_at_word = true,
				  .run = exec_run };
