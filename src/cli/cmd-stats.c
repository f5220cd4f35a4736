/* SPDX-License-Identifier: Apache-2.0 */
/* stats: a table of what containers use, once or refreshed. */
#include "cli/format.h"

#include "base/clock.h"
#include "model/size.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static const struct flag flags[] = {
	{ "all", 'a', FLAG_BOOL, 0, NULL, "Show all containers, not only running ones", NULL },
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'table', 'table TEMPLATE', 'json' or a Go template",
	  NULL },
	{ "no-stream", 0, FLAG_BOOL, 0, NULL, "Only once", NULL },
	{ "no-trunc", 0, FLAG_BOOL, 0, NULL, "Do not shorten", NULL },
};

static const struct column columns[] = {
	{ "Container", "CONTAINER" },
	{ "ID", "CONTAINER ID" },
	{ "Name", "NAME" },
	{ "CPUPerc", "CPU %" },
	{ "MemUsage", "MEM USAGE / LIMIT" },
	{ "MemPerc", "MEM %" },
	{ "NetIO", "NET I/O" },
	{ "BlockIO", "BLOCK I/O" },
	{ "PIDs", "PIDS" },
};

static double number(const struct json *j, const char *path)
{
	double d = 0;

	return json_f64(json_path(j, path), &d) == 0 ? d : 0;
}

static double cpu_percent(const struct json *s)
{
	double cpu = number(s, "cpu_stats.cpu_usage.total_usage") -
		     number(s, "precpu_stats.cpu_usage.total_usage"),
	       sys = number(s, "cpu_stats.system_cpu_usage") - number(s, "precpu_stats.system_cpu_usage"),
	       n = number(s, "cpu_stats.online_cpus");

	return sys > 0 && cpu > 0 ? cpu / sys * (n > 0 ? n : 1) * 100 : 0;
}

/* Page cache that can be dropped at once does not count. */
static double memory_used(const struct json *s)
{
	double usage = number(s, "memory_stats.usage"),
	       v1 = number(s, "memory_stats.stats.total_inactive_file"),
	       v2 = number(s, "memory_stats.stats.inactive_file"), drop = v1 > 0 ? v1 : v2;

	return drop > 0 && drop < usage ? usage - drop : usage;
}

static void row(struct list *l, struct cli *c, const char *asked, const struct json *s)
{
	double used = memory_used(s), limit = number(s, "memory_stats.limit"), rx = 0, tx = 0, rd = 0, wr = 0;
	const char *id = js(s, "id"), *name = js(s, "name");

	json_for_each (it, json_get(s, "networks")) {
		rx += number(it, "rx_bytes");
		tx += number(it, "tx_bytes");
	}
	json_for_each (it, json_path(s, "blkio_stats.io_service_bytes_recursive")) {
		const char *op = js(it, "op");

		if (op[0] == 'r' || op[0] == 'R')
			rd += number(it, "value");
		else if (op[0] == 'w' || op[0] == 'W')
			wr += number(it, "value");
	}
	list_row(l);
	list_field(l, "Container", asked);
	list_field(l, "ID", flag_bool(&c->f, "no-trunc") ? id : short_id(c, id));
	list_field(l, "Name", *name == '/' ? name + 1 : name);
	list_fieldf(l, "CPUPerc", "%.2f%%", cpu_percent(s));
	list_fieldf(l, "MemUsage", "%s / %s", size_bytes(used).s, size_bytes(limit).s);
	list_fieldf(l, "MemPerc", "%.2f%%", limit > 0 ? used / limit * 100 : 0);
	list_fieldf(l, "NetIO", "%s / %s", size_human_prec(rx, 3).s, size_human_prec(tx, 3).s);
	list_fieldf(l, "BlockIO", "%s / %s", size_human_prec(rd, 3).s, size_human_prec(wr, 3).s);
	list_fieldf(l, "PIDs", "%lld", (long long)number(s, "pids_stats.current"));
	list_end_row(l);
}

static int one_table(struct cli *c, struct err **e)
{
	cleanup_strlist struct strlist names = { 0 };
	const struct json *j = NULL;
	struct list l;

	if (c->args.n == 0) {
		if (cli_call(c, "GET",
			     flag_bool(&c->f, "all") ? "/containers/json?all=1" : "/containers/json", SV(""),
			     &j, e) < 0)
			return -1;
		json_for_each (it, j)
			strlist_add(&names, short_id(c, js(it, "Id")));
	}
	for (size_t i = 0; i < c->args.n; i++)
		strlist_add(&names, c->args.v[i]);
	list_init(&l, c, columns, ARRAY_LEN(columns),
		  "table "
		  "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{"
		  "{.PIDs}}",
		  "ID");
	for (size_t i = 0; i < names.n; i++) {
		cleanup_err struct err *why = NULL;
		const struct json *s = NULL;

		if (cli_call(c, "GET",
			     arena_printf(c->a, "%s?stream=0",
					  cli_path(c, "/containers/%s/stats", names.v[i])),
			     SV(""), &s, &why) < 0) {
			/* One that went away while we looked is no error when nobody asked for it. */
			if (c->args.n == 0 && err_class(why) == ERR_NOT_FOUND)
				continue;
			sb_release(&l.json);
			err_move(e, &why);
			return -1;
		}
		row(&l, c, names.v[i], s);
	}
	return list_print(&l, flag_str(&c->f, "format"), false, e);
}

static int stats_run(struct cli *c, struct err **e)
{
	struct arena *whole = c->a;
	int r;

	if (flag_bool(&c->f, "no-stream"))
		return one_table(c, e);
	for (;;) {
		cleanup_arena struct arena *a = arena_new();

		c->a = a;
		if (isatty(STDOUT_FILENO))
			(void)fputs("\033[H\033[J", stdout);
		r = one_table(c, e);
		c->a = whole;
		if (r < 0 || fflush(stdout) != 0)
			return r;
		(void)poll(NULL, 0, 500);
	}
}

const struct command cmd_stats = { "container stats",
				   "stats",
				   "[OPTIONS] [CONTAINER...]",
				   "Show what containers use",
				   FLAGS(flags),
				   .max = CLI_NO_MAX,
				   .run = stats_run };
