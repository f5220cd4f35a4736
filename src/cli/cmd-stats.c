/* SPDX-License-Identifier: Apache-2.0 */
/* stats: one connection a container, a screen redrawn when samples have come. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/fs.h"
#include "cli/format.h"
#include "model/size.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define REDRAW_MS 500

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

struct watch {
	const char *ref;
	struct client *cl;
	struct http_reply *r;
	struct strbuf in;
	/* the last sample */
	bool has_sample, is_done;
	char id[65], name[128];
	double cpu, mem, limit, rx, tx, rd, wr;
	uint64_t pids;
};

static double f64(const struct json *j)
{
	double d = 0;

	return json_f64(j, &d) == 0 ? d : 0;
}

static double memory_used(const struct json *m)
{
	const struct json *stats = json_get(m, "stats");
	const struct json *inactive = json_get(stats, "total_inactive_file");
	double usage = f64(json_get(m, "usage")), off;

	if (!inactive)
		inactive = json_get(stats, "inactive_file");
	off = f64(inactive);
	return off < usage ? usage - off : usage;
}

static void take_sample(struct watch *w, const struct json *j)
{
	const struct json *cpu = json_get(j, "cpu_stats"), *pre = json_get(j, "precpu_stats"),
			  *mem = json_get(j, "memory_stats");
	double used =
		f64(json_path(cpu, "cpu_usage.total_usage")) - f64(json_path(pre, "cpu_usage.total_usage"));
	double total = f64(json_get(cpu, "system_cpu_usage")) - f64(json_get(pre, "system_cpu_usage"));
	double cpus = f64(json_get(cpu, "online_cpus"));
	const char *name = str_of(json_get(j, "name"));

	if (cpus <= 0)
		cpus = json_path(cpu, "cpu_usage.percpu_usage")
			       ? (double)json_path(cpu, "cpu_usage.percpu_usage")->n
			       : 1;
	w->cpu = used > 0 && total > 0 ? used / total * cpus * 100 : 0;
	w->mem = memory_used(mem);
	w->limit = f64(json_get(mem, "limit"));
	w->rx = w->tx = w->rd = w->wr = 0;
	json_for_each (it, json_get(j, "networks")) {
		w->rx += f64(json_get(it, "rx_bytes"));
		w->tx += f64(json_get(it, "tx_bytes"));
	}
	json_for_each (it, json_path(j, "blkio_stats.io_service_bytes_recursive")) {
		struct sv op = sv_of(str_of(json_get(it, "op")));
		if (sv_ieqs(op, "read"))
			w->rd += f64(json_get(it, "value"));
		else if (sv_ieqs(op, "write"))
			w->wr += f64(json_get(it, "value"));
	}
	w->pids = (uint64_t)num_of(json_path(j, "pids_stats.current"));
	(void)snprintf(w->id, sizeof(w->id), "%s", str_of(json_get(j, "id")));
	(void)snprintf(w->name, sizeof(w->name), "%s", *name == '/' ? name + 1 : name);
	w->has_sample = true;
}

static int add_row(struct cli *c, struct format *f, const struct watch *w, bool no_trunc, struct err **e)
{
	row_begin(f);
	row_add(f, "Container", w->ref);
	if (!w->has_sample) {
		static const char *const fields[] = { "Name",  "CPUPerc", "MemUsage", "MemPerc",
						      "NetIO", "BlockIO", "PIDs" };
		row_add(f, "ID", no_trunc ? w->ref : cell_trunc_id(c, w->ref));
		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			row_add(f, fields[i],
				strcmp(fields[i], "MemUsage") == 0 || strcmp(fields[i], "NetIO") == 0 ||
						strcmp(fields[i], "BlockIO") == 0
					? "-- / --"
					: "--");
		return row_end(f, e);
	}
	row_add(f, "ID", no_trunc ? w->id : cell_trunc_id(c, w->id));
	row_add(f, "Name", w->name);
	row_add(f, "CPUPerc", arena_printf(c->a, "%.2f%%", w->cpu));
	row_add(f, "MemUsage", arena_printf(c->a, "%s / %s", size_bytes(w->mem).s, size_bytes(w->limit).s));
	row_add(f, "MemPerc", arena_printf(c->a, "%.2f%%", w->limit > 0 ? w->mem / w->limit * 100 : 0.0));
	row_add(f, "NetIO",
		arena_printf(c->a, "%s / %s", size_human_prec(w->rx, 3).s, size_human_prec(w->tx, 3).s));
	row_add(f, "BlockIO",
		arena_printf(c->a, "%s / %s", size_human_prec(w->rd, 3).s, size_human_prec(w->wr, 3).s));
	row_add(f, "PIDs", arena_printf(c->a, "%llu", (unsigned long long)w->pids));
	return row_end(f, e);
}

static int draw(struct cli *c, const struct watch *v, size_t n, bool clear, struct err **e)
{
	struct arena *outer = c->a;
	cleanup_arena struct arena *a = arena_new();
	const char *format = flag_str(&c->f, "format");
	struct format f;
	int r;

	/* a screen that runs for days must not grow */
	c->a = a;
	if (!*format)
		format = cli_config_str(c, "statsFormat");
	r = format_open(&f, c, format,
			"table "
			"{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{."
			"BlockIO}}\t{{.PIDs}}",
			columns, ARRAY_LEN(columns), e);
	if (r == 0 && clear)
		cli_out("\033[2J\033[H", 7);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (v[i].ref)
			r = add_row(c, &f, &v[i], flag_bool(&c->f, "no-trunc"), e);
	if (r == 0)
		r = format_end(&f, e);
	(void)fflush(stdout);
	c->a = outer;
	return r;
}

static int open_watch(struct cli *c, struct watch *w, bool stream, struct err **e)
{
	w->cl = client_again(c->client);
	w->r = client_send(
		w->cl,
		&(struct client_call){ .method = "GET",
				       .path = client_path(c->a, "/containers/", w->ref,
							   stream ? "/stats?stream=1" : "/stats?stream=0") },
		e);
	return w->r ? 0 : -1;
}

/* Reads what is there, without waiting more than one read; a complete line is a sample. */
static void feed(struct watch *w)
{
	struct sv chunk = { 0 };
	int r = http_reply_next(w->r, &chunk);

	if (r < 0 || chunk.n == 0) {
		w->is_done = true;
		chunk.n = 0;
	}
	sb_addsv(&w->in, chunk);
	for (size_t used = 0;;) {
		char *nl = used < w->in.n ? memchr(w->in.p + used, '\n', w->in.n - used) : NULL;
		size_t end = nl ? (size_t)(nl - w->in.p) : w->in.n;
		cleanup_arena struct arena *a = arena_new();
		const struct json *j = NULL;

		if (!nl && !(w->is_done && used < w->in.n)) {
			memmove(w->in.p ? w->in.p : (char *)"", w->in.p ? w->in.p + used : "",
				w->in.n - used);
			w->in.n -= used;
			return;
		}
		if (json_parse(a, sv_sub(sb_sv(&w->in), used, end),
			       &(struct json_limits){ .last_key_wins = true }, &j, NULL) == 0 &&
		    j)
			take_sample(w, j);
		used = nl ? end + 1 : end;
	}
}

static int once(struct cli *c, struct watch *v, size_t n, struct err **e)
{
	bool failed = false;

	/* all are asked first, so that the engine measures them at one time */
	for (size_t i = 0; i < n; i++) {
		cleanup_err struct err *why = NULL;
		if (open_watch(c, &v[i], false, &why) < 0) {
			(void)fprintf(stderr, "%s\n", err_text(why));
			failed = true;
			v[i].ref = NULL;
		}
	}
	for (size_t i = 0; i < n; i++)
		while (v[i].r && !v[i].is_done)
			feed(&v[i]);
	if (failed && n == 1)
		return 1;
	return draw(c, v, n, false, e) < 0 ? -1 : failed;
}

static int screen(struct cli *c, struct watch *v, size_t n, struct err **e)
{
	struct pollfd *p = arena_alloc(c->a, (n + 1) * sizeof(*p));
	bool clear = isatty(STDOUT_FILENO);
	cleanup_close int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct itimerspec every = { .it_interval = { .tv_nsec = REDRAW_MS * NS_PER_MS },
				    .it_value = { .tv_nsec = REDRAW_MS * NS_PER_MS } };
	size_t alive = n;

	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
		return err_sys(e, errno, "timerfd");
	for (size_t i = 0; i < n; i++)
		if (open_watch(c, &v[i], true, e) < 0)
			return -1;
	while (alive) {
		uint64_t ticks;

		for (size_t i = 0; i < n; i++)
			p[i] = (struct pollfd){ .fd = v[i].is_done ? -1 : http_reply_fd(v[i].r),
						.events = POLLIN };
		p[n] = (struct pollfd){ .fd = timer, .events = POLLIN };
		for (size_t i = 0; i < n; i++)
			while (!v[i].is_done && http_reply_buffered(v[i].r) > 0)
				feed(&v[i]);
		if (poll(p, n + 1, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		for (size_t i = 0; i < n; i++)
			if (p[i].fd >= 0 && p[i].revents)
				feed(&v[i]);
		if ((p[n].revents & POLLIN) && read(timer, &ticks, sizeof(ticks)) > 0 &&
		    draw(c, v, n, clear, e) < 0)
			return -1;
		alive = 0;
		for (size_t i = 0; i < n; i++)
			alive += !v[i].is_done;
	}
	return draw(c, v, n, clear, e);
}

static int stats(struct cli *c, struct err **e)
{
	const struct json *list = NULL;
	struct watch *v;
	size_t n = c->f.args.n;
	int r;

	if (!cli_client(c, e))
		return -1;
	if (n == 0) {
		if (cli_json(c, "GET",
			     flag_bool(&c->f, "all") ? "/containers/json?all=1" : "/containers/json", NULL,
			     &list, e) < 0)
			return -1;
		json_for_each (it, list)
			model_strs_add(c->a, &c->f.args, str_of(json_get(it, "Id")));
		n = c->f.args.n;
	}
	v = xcalloc(n + 1, sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[i].ref = cli_arg(c, i);
	r = flag_bool(&c->f, "no-stream") || n == 0 ? once(c, v, n, e) : screen(c, v, n, e);
	for (size_t i = 0; i < n; i++) {
		http_reply_free(v[i].r);
		client_free(v[i].cl);
		sb_release(&v[i].in);
	}
	free(v);
	return r;
}

static const struct flag flags[] = {
	{ "all", FLAG_BOOL, 'a', .help = "Show all containers (default shows just running)" },
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "no-stream", FLAG_BOOL, .help = "Disable streaming stats and only pull the first result" },
	{ "no-trunc", FLAG_BOOL, .help = "Do not truncate output" },
};

const struct command cmd_stats = {
	.name = "stats",
	.group = "container",
	.top = "stats",
	.usage = "[OPTIONS] [CONTAINER...]",
	.about = "Display a live stream of container(s) resource usage statistics",
	FLAGS(flags),
	.max_args = -1,
	.run = stats,
};
