/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "base/fs.h"
#include "cli/format.h"
#include "cli/stream.h"
#include "model/api.gen.h"
#include "model/env.h"

#include <sys/ioctl.h>

static const char *lookup_env(void *ctx, const char *name)
{
	(void)ctx;
	return getenv(name);
}

static int build_env(struct cli *c, struct model_str_list *out, struct err **e)
{
	const struct model_str_list *files = flag_list(&c->f, "env-file"), *env = flag_list(&c->f, "env");

	for (size_t i = 0; i < files->n; i++) {
		cleanup_free char *text = NULL;
		size_t n = 0;
		int r = fs_read_file_at(AT_FDCWD, files->v[i], ENV_FILE_MAX, &text, &n);

		if (r < 0)
			return err_sys_class(e, ERR_INVALID, -r, "open %s", files->v[i]);
		if (env_file_parse(c->a, files->v[i], sv_n(text, n), false, lookup_env, NULL, out, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < env->n; i++) {
		const char *v = env->v[i], *known = strchr(v, '=') ? NULL : getenv(v);
		model_strs_add(c->a, out, known ? arena_printf(c->a, "%s=%s", v, known) : v);
	}
	return 0;
}

static int exec_create(struct cli *c, const char **id, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const struct json *reply = NULL;
	const struct flags *f = &c->f;
	struct api_exec_create_request rq = { .user = flag_str(f, "user"),
					      .privileged = flag_bool(f, "privileged"),
					      .tty = flag_bool(f, "tty"),
					      .working_dir = flag_str(f, "workdir"),
					      .detach_keys = flag_str(f, "detach-keys") };
	struct winsize ws;

	if (!*rq.detach_keys)
		rq.detach_keys = cli_config_str(c, "detachKeys");
	if (!flag_bool(f, "detach")) {
		rq.attach_stdout = rq.attach_stderr = true;
		rq.attach_stdin = flag_bool(f, "interactive");
	}
	if (build_env(c, &rq.env, e) < 0)
		return -1;
	for (size_t i = 1; i < f->args.n; i++)
		model_strs_add(c->a, &rq.cmd, f->args.v[i]);
	if (rq.tty && isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0)
		rq.console_size = (struct model_pair){ ws.ws_row, ws.ws_col };
	api_exec_create_request_encode(&w, &rq);
	if (cli_json(c, "POST", client_path(c->a, "/containers/", cli_arg(c, 0), "/exec"), &b, &reply, e) < 0)
		return -1;
	*id = json_str(json_get(reply, "Id"));
	return str_empty(*id) ? err_set(e, ERR_SYSTEM, "exec ID empty") : 0;
}

static int exit_code(struct cli *c, const char *id, struct err **e)
{
	const struct json *j = NULL;

	if (cli_json(c, "GET", client_path(c->a, "/exec/", id, "/json"), NULL, &j, e) < 0)
		return -1;
	return (int)(num_of(json_get(j, "ExitCode")) & 0xff);
}

static int exec(struct cli *c, struct err **e)
{
	const struct flags *f = &c->f;
	bool tty = flag_bool(f, "tty"), detach = flag_bool(f, "detach"),
	     has_stdin = flag_bool(f, "interactive") && !detach;
	cleanup_strbuf struct strbuf b = { 0 };
	enum stream_end end = STREAM_EOF;
	const char *id;

	if (!detach && stream_check_tty(has_stdin, tty, e) < 0)
		return -1;
	if (exec_create(c, &id, e) < 0)
		return -1;
	const char *path = client_path(c->a, "/exec/", id, "/start");
	sb_addf(&b, "{\"Detach\":%s,\"Tty\":%s}", detach ? "true" : "false", tty ? "true" : "false");
	if (detach)
		return cli_json(c, "POST", path, &b, NULL, e);
	cleanup_stream struct stream s = { .c = c,
					   .fd = -1,
					   .is_tty = tty,
					   .has_stdin = has_stdin,
					   .to_stdout = true,
					   .to_stderr = true,
					   .detach_keys = *flag_str(f, "detach-keys")
								  ? flag_str(f, "detach-keys")
								  : cli_config_str(c, "detachKeys"),
					   .resize_path =
						   tty ? client_path(c->a, "/exec/", id, "/resize") : NULL,
					   .wait_fd = -1 };
	if (stream_hijack(&s, c->client,
			  &(struct client_call){
				  .method = "POST", .path = path, .body = sb_sv(&b), .upgrade = true },
			  e) < 0)
		return -1;
	if (tty)
		stream_resize(&s);
	if (stream_run(&s, &end, e) < 0)
		return -1;
	if (end == STREAM_DETACHED) {
		(void)fprintf(stderr, "read escape sequence\n");
		return 0;
	}
	return exit_code(c, id, e);
}

static const struct flag flags[] = {
	{ "detach", FLAG_BOOL, 'd', .help = "Detached mode: run command in the background" },
	{ "detach-keys", FLAG_STRING, .help = "Override the key sequence for detaching a container" },
	{ "env", FLAG_LIST, 'e', .help = "Set environment variables" },
	{ "env-file", FLAG_LIST, .help = "Read in a file of environment variables" },
	{ "interactive", FLAG_BOOL, 'i', .help = "Keep STDIN open even if not attached" },
	{ "privileged", FLAG_BOOL, .help = "Give extended privileges to the command" },
	{ "tty", FLAG_BOOL, 't', .help = "Allocate a pseudo-TTY" },
	{ "user", FLAG_STRING, 'u', .help = "Username or UID (format: \"<name|uid>[:<group|gid>]\")" },
	{ "workdir", FLAG_STRING, 'w', .help = "Working directory inside the container" },
};

const struct command cmd_exec = {
	.name = "exec",
	.group = "container",
	.top = "exec",
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.about = "Execute a command in a running container",
	FLAGS(flags),
	.min_args = 2,
	.max_args = -1,
	.only_first = true,
	.is_common = true,
	.run = exec,
};
