/* SPDX-License-Identifier: Apache-2.0 */
/* logs, top, port: what a container tells. */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/format.h"
#include "cli/stream.h"

static int logs(struct cli *c, struct err **e)
{
	const struct json *j = NULL;
	const struct flags *f = &c->f;
	const char *ref = cli_arg(c, 0), *path;

	if (cli_json(c, "GET", client_path(c->a, "/containers/", ref, "/json"), NULL, &j, e) < 0)
		return -1;
	path = client_path(c->a, "/containers/", str_of(json_get(j, "Id")), "/logs?stderr=1&stdout=1");
	static const char *const times[] = { "since", "until" };
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		const char *given = flag_str(f, times[i]);
		int64_t ns;

		if (!*given)
			continue;
		if (clock_parse_docker(sv_of(given), clock_now_ns(), &ns) < 0)
			return err_set(
				e, ERR_INVALID,
				"invalid value for \"%s\": failed to parse value as time or duration: \"%s\"",
				times[i], given);
		path = client_query(c->a, path, times[i],
				    arena_printf(c->a, "%lld.%09lld", (long long)(ns / NS_PER_SEC),
						 (long long)(ns % NS_PER_SEC)));
	}
	if (flag_bool(f, "details"))
		path = client_query(c->a, path, "details", "1");
	if (flag_bool(f, "follow"))
		path = client_query(c->a, path, "follow", "1");
	if (flag_bool(f, "timestamps"))
		path = client_query(c->a, path, "timestamps", "1");
	path = client_query(c->a, path, "tail", flag_str(f, "tail"));
	cleanup_http_reply struct http_reply *r =
		client_send(c->client, &(struct client_call){ .method = "GET", .path = path }, e);
	return r ? stream_demux_reply(r, json_bool(json_path(j, "Config.Tty")), e) : -1;
}

static const struct flag logs_flags[] = {
	{ "details", FLAG_BOOL, .help = "Show extra details provided to logs" },
	{ "follow", FLAG_BOOL, 'f', .help = "Follow log output" },
	{ "since", FLAG_STRING,
	  .help = "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for "
		  "42 minutes)" },
	{ "tail", FLAG_STRING, 'n', .def = "all",
	  .help = "Number of lines to show from the end of the logs" },
	{ "timestamps", FLAG_BOOL, 't', .help = "Show timestamps" },
	{ "until", FLAG_STRING,
	  .help = "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" "
		  "for 42 minutes)" },
};

const struct command cmd_logs = {
	.name = "logs",
	.group = "container",
	.top = "logs",
	.usage = "[OPTIONS] CONTAINER",
	.about = "Fetch the logs of a container",
	FLAGS(logs_flags),
	.min_args = 1,
	.max_args = 1,
	.run = logs,
};

/* --- top --- */

static void add_line(struct strbuf *b, const struct json *cells)
{
	bool first = true;

	json_for_each (it, cells) {
		sb_addf(b, "%s%s", first ? "" : "\t", str_of(it));
		first = false;
	}
	sb_addc(b, '\n');
}

static int top(struct cli *c, struct err **e)
{
	const char *path = client_path(c->a, "/containers/", cli_arg(c, 0), "/top");
	cleanup_strbuf struct strbuf args = { 0 }, text = { 0 }, out = { 0 };
	const struct json *j = NULL;

	for (size_t i = 1; i < c->f.args.n; i++)
		sb_addf(&args, "%s%s", i > 1 ? " " : "", cli_arg(c, i));
	if (args.n)
		path = client_query(c->a, path, "ps_args", args.p);
	if (cli_json(c, "GET", path, NULL, &j, e) < 0)
		return -1;
	add_line(&text, json_get(j, "Titles"));
	json_for_each (it, json_get(j, "Processes"))
		add_line(&text, it);
	table_align(sb_sv(&text), 20, 3, &out);
	cli_out(sb_str(&out), out.n);
	return 0;
}

const struct command cmd_top = {
	.name = "top",
	.group = "container",
	.top = "top",
	.usage = "CONTAINER [ps OPTIONS]",
	.about = "Display the running processes of a container",
	.min_args = 1,
	.max_args = -1,
	.only_first = true,
	.run = top,
};

/* --- port --- */

static void add_binding(struct strbuf *b, const char *key, const struct json *binding)
{
	const char *ip = str_of(json_get(binding, "HostIp"));

	if (key)
		sb_addf(b, "%s -> ", key);
	sb_addf(b, strchr(ip, ':') ? "[%s]:%s\n" : "%s:%s\n", ip, str_of(json_get(binding, "HostPort")));
}

/* "80/tcp" by number, then protocol */
static int by_port_key(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;
	long p = strtol((*a)->key.p, NULL, 10), q = strtol((*b)->key.p, NULL, 10);

	return p != q ? (p < q ? -1 : 1) : strcmp((*a)->key.p, (*b)->key.p);
}

static int port(struct cli *c, struct err **e)
{
	const char *wanted = cli_arg(c, 1);
	cleanup_strbuf struct strbuf b = { 0 };
	const struct json *j = NULL, *ports;

	if (cli_json(c, "GET", client_path(c->a, "/containers/", cli_arg(c, 0), "/json"), NULL, &j, e) < 0)
		return -1;
	ports = json_path(j, "NetworkSettings.Ports");
	if (wanted) {
		const char *key = strchr(wanted, '/') ? wanted : arena_printf(c->a, "%s/tcp", wanted);
		const struct json *list = json_get(ports, key);

		if (strtol(wanted, NULL, 10) < 0 || strtol(wanted, NULL, 10) > 65535 || wanted[0] < '0' ||
		    wanted[0] > '9')
			return err_set(e, ERR_INVALID, "Error: invalid port (%s)", wanted);
		if (!json_is(list, JSON_ARRAY) || list->n == 0)
			return err_set(e, ERR_NOT_FOUND, "Error: No public port '%s' published for %s",
				       wanted, cli_arg(c, 0));
		json_for_each (it, list)
			add_binding(&b, NULL, it);
		cli_out(sb_str(&b), b.n);
		return 0;
	}
	if (json_is(ports, JSON_OBJECT) && ports->n) {
		cleanup_free const struct json **v = xcalloc(ports->n, sizeof(*v));
		size_t n = 0;

		json_for_each (it, ports)
			v[n++] = it;
		qsort((void *)v, n, sizeof(*v), by_port_key);
		for (size_t i = 0; i < n; i++)
			if (json_is(v[i], JSON_ARRAY))
				json_for_each (it, v[i])
					add_binding(&b, v[i]->key.p, it);
	}
	cli_out(sb_str(&b), b.n);
	return 0;
}

const struct command cmd_port = {
	.name = "port",
	.group = "container",
	.top = "port",
	.usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
	.about = "List port mappings or a specific mapping for the container",
	.min_args = 1,
	.max_args = 2,
	.run = port,
};
