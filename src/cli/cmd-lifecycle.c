/* SPDX-License-Identifier: Apache-2.0 */
/* stop, restart, kill, pause, unpause, wait, rename, rm: one request a container. */
#include "cli/commands.h"
#include "cli/format.h"

static int post(struct cli *c, const char *path, struct err **e)
{
	return cli_json(c, "POST", path, NULL, NULL, e);
}

/* --- stop, restart --- */

static int stop_or_restart(struct cli *c, const char *ref, const char *verb, struct err **e)
{
	const char *path = client_path(c->a, "/containers/", ref, verb);

	if (*flag_str(&c->f, "signal"))
		path = client_query(c->a, path, "signal", flag_str(&c->f, "signal"));
	if (flag_set(&c->f, "timeout"))
		path = client_query(c->a, path, "t",
				    arena_printf(c->a, "%lld", (long long)flag_num(&c->f, "timeout")));
	return post(c, path, e);
}

static int stop_one(struct cli *c, const char *ref, struct err **e)
{
	return stop_or_restart(c, ref, "/stop", e);
}

static int restart_one(struct cli *c, const char *ref, struct err **e)
{
	return stop_or_restart(c, ref, "/restart", e);
}

static int stop(struct cli *c, struct err **e)
{
	return cli_each(c, stop_one, false, e);
}

static int restart(struct cli *c, struct err **e)
{
	return cli_each(c, restart_one, false, e);
}

static const struct flag stop_flags[] = {
	{ "signal", FLAG_STRING, 's', .help = "Signal to send to the container" },
	{ "time", FLAG_INT, .alias_of = "timeout" },
	{ "timeout", FLAG_INT, 't', .help = "Seconds to wait before killing the container" },
};

const struct command cmd_stop = {
	.name = "stop",
	.group = "container",
	.top = "stop",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Stop one or more running containers",
	FLAGS(stop_flags),
	.min_args = 1,
	.max_args = -1,
	.run = stop,
};
const struct command cmd_restart = {
	.name = "restart",
	.group = "container",
	.top = "restart",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Restart one or more containers",
	FLAGS(stop_flags),
	.min_args = 1,
	.max_args = -1,
	.run = restart,
};

/* --- kill --- */

static int kill_one(struct cli *c, const char *ref, struct err **e)
{
	const char *path = client_path(c->a, "/containers/", ref, "/kill");

	if (*flag_str(&c->f, "signal"))
		path = client_query(c->a, path, "signal", flag_str(&c->f, "signal"));
	return post(c, path, e);
}

static int kill_all(struct cli *c, struct err **e)
{
	return cli_each(c, kill_one, false, e);
}

static const struct flag kill_flags[] = {
	{ "signal", FLAG_STRING, 's', .help = "Signal to send to the container" },
};

const struct command cmd_kill = {
	.name = "kill",
	.group = "container",
	.top = "kill",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Kill one or more running containers",
	FLAGS(kill_flags),
	.min_args = 1,
	.max_args = -1,
	.run = kill_all,
};

/* --- pause, unpause --- */

static int pause_one(struct cli *c, const char *ref, struct err **e)
{
	return post(c, client_path(c->a, "/containers/", ref, "/pause"), e);
}

static int unpause_one(struct cli *c, const char *ref, struct err **e)
{
	return post(c, client_path(c->a, "/containers/", ref, "/unpause"), e);
}

static int pause_all(struct cli *c, struct err **e)
{
	return cli_each(c, pause_one, false, e);
}

static int unpause_all(struct cli *c, struct err **e)
{
	return cli_each(c, unpause_one, false, e);
}

const struct command cmd_pause = {
	.name = "pause",
	.group = "container",
	.top = "pause",
	.usage = "CONTAINER [CONTAINER...]",
	.about = "Pause all processes within one or more containers",
	.min_args = 1,
	.max_args = -1,
	.run = pause_all,
};
const struct command cmd_unpause = {
	.name = "unpause",
	.group = "container",
	.top = "unpause",
	.usage = "CONTAINER [CONTAINER...]",
	.about = "Unpause all processes within one or more containers",
	.min_args = 1,
	.max_args = -1,
	.run = unpause_all,
};

/* --- wait --- */

static int wait_one(struct cli *c, const char *ref, struct err **e)
{
	const struct json *j = NULL;

	if (cli_json(c, "POST", client_path(c->a, "/containers/", ref, "/wait"), NULL, &j, e) < 0)
		return -1;
	const char *message = json_str(json_path(j, "Error.Message"));
	if (!str_empty(message))
		return err_set(e, ERR_SYSTEM, "%s", message);
	(void)printf("%lld\n", (long long)num_of(json_get(j, "StatusCode")));
	return 0;
}

static int wait_all(struct cli *c, struct err **e)
{
	return cli_each(c, wait_one, true, e);
}

const struct command cmd_wait = {
	.name = "wait",
	.group = "container",
	.top = "wait",
	.usage = "CONTAINER [CONTAINER...]",
	.about = "Block until one or more containers stop, then print their exit codes",
	.min_args = 1,
	.max_args = -1,
	.run = wait_all,
};

/* --- rename --- */

static int rename_it(struct cli *c, struct err **e)
{
	const char *from = cli_arg(c, 0), *to = cli_arg(c, 1);

	if (!sv_trim(sv_of(from)).n || !sv_trim(sv_of(to)).n)
		return err_set(e, ERR_INVALID, "Error: Neither old nor new names may be empty");
	if (post(c, client_query(c->a, client_path(c->a, "/containers/", from, "/rename"), "name", to), e) <
	    0) {
		(void)fprintf(stderr, "%s\nError: failed to rename container named %s\n", err_text(*e), from);
		return 1;
	}
	return 0;
}

const struct command cmd_rename = {
	.name = "rename",
	.group = "container",
	.top = "rename",
	.usage = "CONTAINER NEW_NAME",
	.about = "Rename a container",
	.min_args = 2,
	.max_args = 2,
	.run = rename_it,
};

/* --- rm --- */

static int rm_one(struct cli *c, const char *ref, struct err **e)
{
	const char *path = client_path(c->a, "/containers/", *ref == '/' ? ref + 1 : ref, "");
	struct sv name = sv_trim(sv_of(ref));

	if (name.n == 0)
		return err_set(e, ERR_INVALID, "Container name cannot be empty");
	if (flag_bool(&c->f, "force"))
		path = client_query(c->a, path, "force", "1");
	if (flag_bool(&c->f, "link"))
		path = client_query(c->a, path, "link", "1");
	if (flag_bool(&c->f, "volumes"))
		path = client_query(c->a, path, "v", "1");
	cleanup_err struct err *why = NULL;
	if (cli_json(c, "DELETE", path, NULL, NULL, &why) == 0)
		return 0;
	/* --force: one that is gone already is what was asked for, but it is told */
	if (flag_bool(&c->f, "force") && err_class(why) == ERR_NOT_FOUND) {
		(void)fprintf(stderr, "%s\n", err_text(why));
		return 1;
	}
	err_move(e, &why);
	return -1;
}

static int rm(struct cli *c, struct err **e)
{
	bool failed = false;

	(void)e;
	for (size_t i = 0; i < c->f.args.n; i++) {
		cleanup_err struct err *why = NULL;
		int r = rm_one(c, c->f.args.v[i], &why);

		if (r < 0) {
			(void)fflush(stdout);
			(void)fprintf(stderr, "%s\n", err_text(why));
			failed = true;
			if (str_starts(err_text(why), "Cannot connect"))
				break;
		} else if (r == 0) {
			(void)printf("%s\n", c->f.args.v[i]);
		}
	}
	return failed;
}

static const struct flag rm_flags[] = {
	{ "force", FLAG_BOOL, 'f', .help = "Force the removal of a running container (uses SIGKILL)" },
	{ "link", FLAG_BOOL, 'l', .help = "Remove the specified link" },
	{ "volumes", FLAG_BOOL, 'v', .help = "Remove anonymous volumes associated with the container" },
};

const struct command cmd_rm = {
	.name = "rm",
	.group = "container",
	.top = "rm",
	.aliases = "remove",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Remove one or more containers",
	FLAGS(rm_flags),
	.min_args = 1,
	.max_args = -1,
	.run = rm,
};
