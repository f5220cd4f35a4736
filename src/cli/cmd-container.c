/* SPDX-License-Identifier: Apache-2.0 */
/* Short verbs on containers. */
#include "cli/format.h"
#include "cli/session.h"

#include "base/clock.h"
#include "http/client.h"
#include "model/api.gen.h"
#include "model/options.h"
#include "model/size.h"

#include <stdio.h>
#include <time.h>

static int post(struct cli *c, const char *fmt, const char *arg, struct err **e)
{
	return cli_call(c, "POST", cli_path(c, fmt, arg), SV(""), NULL, e);
}

/* --- stop, restart, kill, pause, unpause, rename, wait, rm --- */

static const struct flag stop_flags[] = {
	{ "signal", 's', FLAG_STRING, 0, NULL, "Signal to send", NULL },
	{ "timeout", 't', FLAG_INT, 0, NULL, "Seconds to wait before killing", NULL },
	{ "time", 0, FLAG_INT, FLAG_ALIAS, "timeout", "", NULL },
};

static int stop_or_restart(struct cli *c, const char *verb, const char *arg, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	sb_addf(&path, "%s/%s", cli_path(c, "/containers/%s", arg), verb);
	client_query(&path, "signal", flag_str(&c->f, "signal"));
	if (flag_is_set(&c->f, "timeout"))
		client_query(&path, "t", flag_str(&c->f, "timeout"));
	return cli_call(c, "POST", path.p, SV(""), NULL, e);
}

static int stop_one(struct cli *c, const char *arg, struct err **e)
{
	return stop_or_restart(c, "stop", arg, e);
}

static int restart_one(struct cli *c, const char *arg, struct err **e)
{
	return stop_or_restart(c, "restart", arg, e);
}

static int stop_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, stop_one, true);
}

static int restart_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, restart_one, true);
}

static const struct flag kill_flags[] = { { "signal", 's', FLAG_STRING, 0, NULL, "Signal to send", NULL } };

static int kill_one(struct cli *c, const char *arg, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	sb_add(&path, cli_path(c, "/containers/%s/kill", arg));
	client_query(&path, "signal", flag_str(&c->f, "signal"));
	return cli_call(c, "POST", path.p, SV(""), NULL, e);
}

static int kill_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, kill_one, true);
}

static int pause_one(struct cli *c, const char *arg, struct err **e)
{
	return post(c, "/containers/%s/pause", arg, e);
}

static int unpause_one(struct cli *c, const char *arg, struct err **e)
{
	return post(c, "/containers/%s/unpause", arg, e);
}

static int pause_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, pause_one, true);
}

static int unpause_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, unpause_one, true);
}

static int rename_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	if (str_empty(c->args.v[0]) || str_empty(c->args.v[1]))
		return err_set(e, ERR_INVALID, "Error: Neither old nor new names may be empty");
	sb_add(&path, cli_path(c, "/containers/%s/rename", c->args.v[0]));
	client_query(&path, "name", c->args.v[1]);
	return cli_call(c, "POST", path.p, SV(""), NULL, e);
}

static int wait_one(struct cli *c, const char *arg, struct err **e)
{
	const struct json *j = NULL;

	if (cli_call(c, "POST", cli_path(c, "/containers/%s/wait", arg), SV(""), &j, e) < 0)
		return -1;
	(void)printf("%lld\n", (long long)ji(j, "StatusCode"));
	return 0;
}

static int wait_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, wait_one, false);
}

static const struct flag rm_flags[] = {
	{ "force", 'f', FLAG_BOOL, 0, NULL, "Kill a running container first", NULL },
	{ "link", 'l', FLAG_BOOL, 0, NULL, "Remove the link only", NULL },
	{ "volumes", 'v', FLAG_BOOL, 0, NULL, "Remove its anonymous volumes too", NULL },
};

static int rm_one(struct cli *c, const char *arg, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_err struct err *why = NULL;
	struct sv name = sv_of(arg);

	while (name.n && name.p[0] == '/')
		name = sv_sub(name, 1, name.n);
	sb_add(&path, cli_path(c, "/containers/%s", name.p));
	client_query(&path, "force", flag_bool(&c->f, "force") ? "1" : NULL);
	client_query(&path, "v", flag_bool(&c->f, "volumes") ? "1" : NULL);
	client_query(&path, "link", flag_bool(&c->f, "link") ? "1" : NULL);
	if (cli_call(c, "DELETE", path.p, SV(""), NULL, &why) < 0) {
		if (flag_bool(&c->f, "force") && err_class(why) == ERR_NOT_FOUND) {
			(void)fprintf(stderr, "%s\n", err_text(why));
			return 1;
		}
		err_move(e, &why);
		return -1;
	}
	(void)printf("%s\n", arg);
	return 0;
}

static int rm_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, rm_one, false);
}

/* --- prune --- */

static const struct flag prune_flags[] = {
	{ "filter", 0, FLAG_LIST, 0, "filter", "Remove only what matches (\"until=<timestamp>\")", NULL },
	{ "force", 'f', FLAG_BOOL, 0, NULL, "Do not ask", NULL },
};

static int prune_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	const struct json *j = NULL, *list;

	if (!flag_bool(&c->f, "force") &&
	    !cli_confirm(
		    "WARNING! This will remove all stopped containers.\nAre you sure you want to continue?"))
		return err_set(e, ERR_CANCELLED, "container prune has been cancelled");
	sb_add(&path, "/containers/prune");
	if (cli_filters(c, flag_list(&c->f, "filter"), &path, e) < 0 ||
	    cli_call(c, "POST", path.p, SV(""), &j, e) < 0)
		return -1;
	list = json_get(j, "ContainersDeleted");
	if (list && list->n) {
		(void)printf("Deleted Containers:\n");
		json_for_each (it, list)
			(void)printf("%s\n", json_str(it));
		(void)printf("\n");
	}
	(void)printf("Total reclaimed space: %s\n", size_human((double)ji(j, "SpaceReclaimed")).s);
	return 0;
}

/* --- port --- */

static int port_run(struct cli *c, struct err **e)
{
	const struct json *j = NULL, *ports;
	const char *want = c->args.n > 1 ? c->args.v[1] : NULL;
	char *key = want ? (strchr(want, '/') ? arena_strdup(c->a, want) : arena_printf(c->a, "%s/tcp", want))
			 : NULL;
	bool found = false;

	if (cli_call(c, "GET", cli_path(c, "/containers/%s/json", c->args.v[0]), SV(""), &j, e) < 0)
		return -1;
	ports = json_path(j, "NetworkSettings.Ports");
	json_for_each (p, ports) {
		if (key && strcmp(p->key.p, key) != 0)
			continue;
		json_for_each (b, p) {
			const char *ip = js(b, "HostIp");

			found = true;
			if (!key)
				(void)printf("%s -> ", p->key.p);
			(void)printf(strchr(ip, ':') ? "[%s]:%s\n" : "%s:%s\n", ip, js(b, "HostPort"));
		}
	}
	if (key && !found)
		return err_set(e, ERR_NOT_FOUND, "no public port '%s' published for %s", key, c->args.v[0]);
	return 0;
}

/* --- top --- */

static int top_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 }, args = { 0 }, text = { 0 }, out = { 0 };
	const struct json *j = NULL;

	sb_add(&path, cli_path(c, "/containers/%s/top", c->args.v[0]));
	for (size_t i = 1; i < c->args.n; i++)
		sb_addf(&args, "%s%s", i > 1 ? " " : "", c->args.v[i]);
	client_query(&path, "ps_args", args.n ? args.p : NULL);
	if (cli_call(c, "GET", path.p, SV(""), &j, e) < 0)
		return -1;
	json_for_each (it, json_get(j, "Titles"))
		sb_addf(&text, "%s%s", json_str(it), it->next ? "\t" : "\n");
	json_for_each (row, json_get(j, "Processes")) {
		json_for_each (it, row)
			sb_addf(&text, "%s%s", json_str(it), it->next ? "\t" : "\n");
	}
	/* top's writer has a minimum of 20 columns and no padding rule of its own. */
	table_write_wide(sb_sv(&text), 20, 1, &out);
	(void)fwrite(sb_str(&out), 1, out.n, stdout);
	return 0;
}

/* --- logs --- */

static const struct flag logs_flags[] = {
	{ "details", 0, FLAG_BOOL, 0, NULL, "Show the attributes of log records", NULL },
	{ "follow", 'f', FLAG_BOOL, 0, NULL, "Go on with new output", NULL },
	{ "since", 0, FLAG_STRING, 0, NULL, "Only what is newer (2013-01-02T13:23:37Z, or 42m)", NULL },
	{ "tail", 'n', FLAG_STRING, 0, NULL, "Only so many lines from the end", "all" },
	{ "timestamps", 't', FLAG_BOOL, 0, NULL, "Show times", NULL },
	{ "until", 0, FLAG_STRING, 0, NULL, "Only what is older", NULL },
};

/* Times go to the daemon as seconds.nanoseconds; relative ones are counted from now. */
static int add_time(struct strbuf *path, const char *key, const char *text, struct err **e)
{
	char value[48];
	int64_t ns;

	if (str_empty(text))
		return 0;
	if (clock_parse_docker(sv_of(text), clock_now_ns(), &ns) < 0)
		return err_set(e, ERR_INVALID,
			       "invalid value for \"%s\": failed to parse value as time or duration: \"%s\"",
			       key, text);
	(void)snprintf(value, sizeof(value), "%lld.%09lld", (long long)(ns / NS_PER_SEC),
		       (long long)(ns % NS_PER_SEC));
	client_query(path, key, value);
	return 0;
}

static int logs_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	const struct json *j = NULL;
	struct client *cl = cli_client(c, e);
	cleanup_http_reply struct http_reply *r = NULL;

	if (!cl || cli_call(c, "GET", cli_path(c, "/containers/%s/json", c->args.v[0]), SV(""), &j, e) < 0)
		return -1;
	sb_addf(&path, "/containers/%s/logs?stdout=1&stderr=1", js(j, "Id"));
	client_query(&path, "follow", flag_bool(&c->f, "follow") ? "1" : NULL);
	client_query(&path, "timestamps", flag_bool(&c->f, "timestamps") ? "1" : NULL);
	client_query(&path, "details", flag_bool(&c->f, "details") ? "1" : NULL);
	client_query(&path, "tail", flag_str(&c->f, "tail"));
	if (add_time(&path, "since", flag_str(&c->f, "since"), e) < 0 ||
	    add_time(&path, "until", flag_str(&c->f, "until"), e) < 0)
		return -1;
	r = client_stream(cl, "GET", path.p, NULL, SV(""), -1, e);
	return r ? frames_copy(r, !json_bool(json_path(j, "Config.Tty")), e) : -1;
}

/* --- update --- */

static const struct flag update_flags[] = {
	{ "blkio-weight", 0, FLAG_UINT16, 0, NULL, "Block IO weight, 10 to 1000, 0 for none", NULL },
	{ "cpu-period", 0, FLAG_INT, 0, NULL, "CFS period in microseconds", NULL },
	{ "cpu-quota", 0, FLAG_INT, 0, NULL, "CFS quota in microseconds", NULL },
	{ "cpu-rt-period", 0, FLAG_INT, 0, NULL, "Real-time period in microseconds", NULL },
	{ "cpu-rt-runtime", 0, FLAG_INT, 0, NULL, "Real-time runtime in microseconds", NULL },
	{ "cpu-shares", 'c', FLAG_INT, 0, NULL, "CPU weight", NULL },
	{ "cpus", 0, FLAG_DECIMAL, 0, NULL, "Number of CPUs", NULL },
	{ "cpuset-cpus", 0, FLAG_STRING, 0, NULL, "CPUs to run on", NULL },
	{ "cpuset-mems", 0, FLAG_STRING, 0, NULL, "Memory nodes to use", NULL },
	{ "memory", 'm', FLAG_BYTES, 0, NULL, "Memory limit", NULL },
	{ "memory-reservation", 0, FLAG_BYTES, 0, NULL, "Soft memory limit", NULL },
	{ "memory-swap", 0, FLAG_BYTES, FLAG_SIGNED, NULL,
	  "Memory and swap together; -1 for no limit of swap", NULL },
	{ "pids-limit", 0, FLAG_INT, 0, NULL, "Most processes; -1 for no limit", NULL },
	{ "restart", 0, FLAG_STRING, 0, NULL, "Restart policy when the container exits", NULL },
};

static int update_body(struct cli *c, struct strbuf *body, struct err **e)
{
	static const struct {
		const char *flag, *field;
		bool is_text;
	} map[] = {
		{ "blkio-weight", "BlkioWeight", false },
		{ "cpu-period", "CpuPeriod", false },
		{ "cpu-quota", "CpuQuota", false },
		{ "cpu-rt-period", "CpuRealtimePeriod", false },
		{ "cpu-rt-runtime", "CpuRealtimeRuntime", false },
		{ "cpu-shares", "CpuShares", false },
		{ "cpus", "NanoCpus", false },
		{ "cpuset-cpus", "CpusetCpus", true },
		{ "cpuset-mems", "CpusetMems", true },
		{ "memory", "Memory", false },
		{ "memory-reservation", "MemoryReservation", false },
		{ "memory-swap", "MemorySwap", false },
		{ "pids-limit", "PidsLimit", false },
	};
	struct jw w = jw_to(body);
	bool any = false;

	jw_obj(&w);
	for (size_t i = 0; i < ARRAY_LEN(map); i++) {
		if (!flag_is_set(&c->f, map[i].flag))
			continue;
		any = true;
		if (map[i].is_text)
			jw_kstr(&w, map[i].field, flag_str(&c->f, map[i].flag));
		else
			jw_ki64(&w, map[i].field, flag_i64(&c->f, map[i].flag, 0));
	}
	if (flag_is_set(&c->f, "restart")) {
		struct api_restart_policy p = { 0 };

		any = true;
		if (restart_policy_parse(c->a, sv_of(flag_str(&c->f, "restart")), &p, e) < 0)
			return -1;
		jw_key(&w, "RestartPolicy");
		api_restart_policy_encode(&w, &p);
	}
	jw_end(&w);
	return any ? 0
		   : err_set(e, ERR_INVALID, "you must provide one or more flags when using this command");
}

static int update_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf body = { 0 };
	int rc = 0;

	if (update_body(c, &body, e) < 0)
		return -1;
	for (size_t i = 0; i < c->args.n; i++) {
		cleanup_err struct err *why = NULL;
		const struct json *j = NULL;

		if (cli_call(c, "POST", cli_path(c, "/containers/%s/update", c->args.v[i]), sb_sv(&body), &j,
			     &why) < 0) {
			cli_print_error(c, why);
			rc = 1;
			continue;
		}
		(void)printf("%s\n", c->args.v[i]);
		json_for_each (it, json_get(j, "Warnings"))
			(void)fprintf(stderr, "%s\n", json_str(it));
	}
	return rc;
}

#define MANY "CONTAINER [CONTAINER...]"
const struct command cmd_stop = { "container stop",  "stop",   "[OPTIONS] " MANY, "Stop running containers",
				  FLAGS(stop_flags), .min = 1, .max = CLI_NO_MAX, .run = stop_run };
const struct command cmd_restart = { "container restart", "restart", "[OPTIONS] " MANY, "Restart containers",
				     FLAGS(stop_flags),   .min = 1,  .max = CLI_NO_MAX, .run = restart_run };
const struct command cmd_kill = { "container kill",  "kill",
				  "[OPTIONS] " MANY, "Send a signal to running containers",
				  FLAGS(kill_flags), .min = 1,
				  .max = CLI_NO_MAX, .run = kill_run };
const struct command cmd_pause = {
	"container pause", "pause",         MANY, "Freeze all processes of containers", .min = 1,
	.max = CLI_NO_MAX, .run = pause_run
};
const struct command cmd_unpause = {
	"container unpause", "unpause",         MANY, "Let frozen processes go on", .min = 1,
	.max = CLI_NO_MAX,   .run = unpause_run
};
const struct command cmd_rename = {
	"container rename", "rename", "CONTAINER NEW_NAME", "Give a container another name",
	.min = 2,           .max = 2, .run = rename_run
};
const struct command cmd_wait = { "container wait",
				  "wait",
				  MANY,
				  "Wait until containers stop, print their exit codes",
				  .min = 1,
				  .max = CLI_NO_MAX,
				  .run = wait_run };
const struct command cmd_rm = { "container rm",      "container remove, rm", "[OPTIONS] " MANY,
				"Remove containers", FLAGS(rm_flags),        .min = 1,
				.max = CLI_NO_MAX,   .run = rm_run };
const struct command cmd_container_prune = { "container prune",  NULL,
					     "[OPTIONS]",        "Remove all stopped containers",
					     FLAGS(prune_flags), .run = prune_run };
const struct command cmd_port = { "container port",       "port",   "CONTAINER [PRIVATE_PORT[/PROTO]]",
				  "List published ports", .min = 1, .max = 2,
				  .run = port_run };
const struct command cmd_top = { "container top",
				 "top",
				 "CONTAINER [ps OPTIONS]",
				 "Show the processes of a container",
				 .min = 1,
				 .max = CLI_NO_MAX,
				 .stop_at_word = true,
				 .run = top_run };
const struct command cmd_logs = {
	"container logs", "logs",   "[OPTIONS] CONTAINER", "Show a container's output", FLAGS(logs_flags),
	.min = 1,         .max = 1, .run = logs_run
};
const struct command cmd_update = { "container update",  "update",
				    "[OPTIONS] " MANY,   "Change limits of containers",
				    FLAGS(update_flags), .min = 1,
				    .max = CLI_NO_MAX,   .run = update_run };
