/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/format.h"

#include "base/clock.h"
#include "model/size.h"

#include <time.h>

static const struct flag ps_flags[] = {
	{ "all", 'a', FLAG_BOOL, 0, NULL, "Show all containers, not only running ones", NULL },
	{ "filter", 'f', FLAG_LIST, 0, "filter", "Show only what matches", NULL },
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'table', 'table TEMPLATE', 'json' or a Go template",
	  NULL },
	{ "last", 'n', FLAG_INT, 0, NULL, "Show the last created containers, in any state", "-1" },
	{ "latest", 'l', FLAG_BOOL, 0, NULL, "Show the last created container, in any state", NULL },
	{ "no-trunc", 0, FLAG_BOOL, 0, NULL, "Do not shorten", NULL },
	{ "quiet", 'q', FLAG_BOOL, 0, NULL, "Only IDs", NULL },
	{ "size", 's', FLAG_BOOL, 0, NULL, "Show sizes", NULL },
};

static const struct column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" },
	{ "Status", "STATUS" },
	{ "State", "STATE" },
	{ "Ports", "PORTS" },
	{ "Size", "SIZE" },
	{ "Names", "NAMES" },
	{ "Labels", "LABELS" },
	{ "Mounts", "MOUNTS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Networks", "NETWORKS" },
	{ "Platform", "PLATFORM" },
};

static int by_port(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;
	int c = strcmp(js(*x, "IP"), js(*y, "IP"));

	if (ji(*x, "PrivatePort") != ji(*y, "PrivatePort"))
		return ji(*x, "PrivatePort") < ji(*y, "PrivatePort") ? -1 : 1;
	if (c)
		return c;
	if (ji(*x, "PublicPort") != ji(*y, "PublicPort"))
		return ji(*x, "PublicPort") < ji(*y, "PublicPort") ? -1 : 1;
	return strcmp(js(*x, "Type"), js(*y, "Type"));
}

static void add_port(struct strbuf *b, const struct json *first, const struct json *last)
{
	const char *ip = js(first, "IP");
	int64_t from = ji(first, "PrivatePort"), to = ji(last, "PrivatePort"), pub = ji(first, "PublicPort"),
		pub_to = ji(last, "PublicPort");

	if (b->n)
		sb_add(b, ", ");
	if (*ip) {
		sb_addf(b, strchr(ip, ':') ? "[%s]:%lld" : "%s:%lld", ip, (long long)pub);
		if (pub_to != pub)
			sb_addf(b, "-%lld", (long long)pub_to);
		sb_add(b, "->");
	}
	sb_addf(b, "%lld", (long long)from);
	if (to != from)
		sb_addf(b, "-%lld", (long long)to);
	sb_addf(b, "/%s", js(first, "Type"));
}

/* Ranges where host and container ports grow together: 0.0.0.0:8000-8002->80-82/tcp. */
static void ports_text(const struct json *ports, struct strbuf *b)
{
	cleanup_free const struct json **v = xcalloc(ports ? ports->n + 1 : 1, sizeof(*v));
	size_t n = 0, start = 0;

	json_for_each (it, ports)
		v[n++] = it;
	if (n)
		qsort(v, n, sizeof(*v), by_port);
	for (size_t i = 1; i <= n; i++) {
		const struct json *p = v[i - 1], *q = i < n ? v[i] : NULL;
		bool same = q && strcmp(js(p, "IP"), js(q, "IP")) == 0 &&
			    strcmp(js(p, "Type"), js(q, "Type")) == 0 &&
			    ji(q, "PrivatePort") == ji(p, "PrivatePort") + 1 &&
			    (!*js(p, "IP") || (ji(q, "PublicPort") == ji(p, "PublicPort") + 1));

		if (same)
			continue;
		add_port(b, v[start], p);
		start = i;
	}
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* "a=1,b=2", sorted. */
static void labels_text(const struct json *labels, struct strbuf *b)
{
	cleanup_strlist struct strlist l = { 0 };

	json_for_each (it, labels)
		strlist_take(&l, xasprintf("%s=%s", it->key.p, json_str(it) ? json_str(it) : ""));
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_text);
	for (size_t i = 0; i < l.n; i++)
		sb_addf(b, "%s%s", i ? "," : "", l.v[i]);
}

static void local_time(int64_t sec, char *buf, size_t n)
{
	time_t t = (time_t)sec;
	struct tm tm;

	(void)localtime_r(&t, &tm);
	(void)strftime(buf, n, "%Y-%m-%d %H:%M:%S %z %Z", &tm);
}

static void row(struct list *l, struct cli *c, const struct json *j)
{
	bool whole = flag_bool(&c->f, "no-trunc");
	cleanup_strbuf struct strbuf ports = { 0 }, names = { 0 }, labels = { 0 }, mounts = { 0 },
				     nets = { 0 }, size = { 0 }, command = { 0 };
	const char *image = js(j, "Image"), *id = js(j, "Id");
	size_t volumes = 0;
	char created[64];

	list_row(l);
	list_field(l, "ID", whole ? id : short_id(c, id));
	if (!whole && str_starts(image, "sha256:"))
		image = short_id(c, image);
	else if (!whole && strstr(image, "@sha256:"))
		image = arena_strndup(c->a, image, (size_t)(strstr(image, "@sha256:") - image));
	list_field(l, "Image", *image ? image : "<no image>");
	sb_addf(&command, "\"%s\"", whole ? js(j, "Command") : ellipsis(c, js(j, "Command"), 20));
	list_field(l, "Command", command.p);
	local_time(ji(j, "Created"), created, sizeof(created));
	list_field(l, "CreatedAt", created);
	list_field(l, "RunningFor", ago(c, ji(j, "Created") * NS_PER_SEC));
	list_field(l, "Status", js(j, "Status"));
	list_field(l, "State", js(j, "State"));
	ports_text(json_get(j, "Ports"), &ports);
	list_field(l, "Ports", sb_str(&ports));
	json_for_each (it, json_get(j, "Names")) {
		const char *name = json_str(it) ? json_str(it) : "";

		name += *name == '/';
		/* Links have a second "/": shown only in full. */
		if (whole || !strchr(name, '/'))
			sb_addf(&names, "%s%s", names.n ? "," : "", name);
	}
	list_field(l, "Names", sb_str(&names));
	labels_text(json_get(j, "Labels"), &labels);
	list_field(l, "Labels", sb_str(&labels));
	json_for_each (it, json_get(j, "Mounts")) {
		const char *name = *js(it, "Name") ? js(it, "Name") : js(it, "Source");

		volumes += strcmp(js(it, "Driver"), "local") == 0;
		sb_addf(&mounts, "%s%s", mounts.n ? "," : "", whole ? name : ellipsis(c, name, 15));
	}
	list_field(l, "Mounts", sb_str(&mounts));
	list_fieldf(l, "LocalVolumes", "%zu", volumes);
	json_for_each (it, json_path(j, "NetworkSettings.Networks"))
		sb_addf(&nets, "%s%s", nets.n ? "," : "", it->key.p);
	list_field(l, "Networks", sb_str(&nets));
	sb_add(&size, size_human_prec((double)ji(j, "SizeRw"), 3).s);
	if (ji(j, "SizeRootFs") > 0)
		sb_addf(&size, " (virtual %s)", size_human_prec((double)ji(j, "SizeRootFs"), 3).s);
	list_field(l, "Size", size.p);
	list_field(l, "Platform", "");
	list_end_row(l);
}

static int ps_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	const char *format = flag_str(&c->f, "format");
	const struct json *j = NULL;
	struct list l;
	int64_t last = flag_bool(&c->f, "latest") ? 1 : flag_i64(&c->f, "last", -1);
	bool size = flag_bool(&c->f, "size");

	if (str_empty(format) && !flag_bool(&c->f, "quiet") && c->config)
		format = js(c->config, "psFormat");
	size = size || (format && strstr(format, ".Size") != NULL);
	sb_add(&path, "/containers/json");
	client_query(&path, "all", flag_bool(&c->f, "all") || last > 0 ? "1" : NULL);
	client_query(&path, "size", size ? "1" : NULL);
	if (last > 0)
		client_query(&path, "limit", arena_printf(c->a, "%lld", (long long)last));
	if (cli_filters(c, flag_list(&c->f, "filter"), &path, e) < 0 ||
	    cli_call(c, "GET", path.p, SV(""), &j, e) < 0)
		return -1;
	list_init(&l, c, columns, ARRAY_LEN(columns),
		  size ? "table "
			 "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{."
			 "Names}}\t{{.Size}}"
		       : "table "
			 "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{."
			 "Names}}",
		  "ID");
	json_for_each (it, j)
		row(&l, c, it);
	return list_print(&l, format, flag_bool(&c->f, "quiet"), e);
}

const struct command cmd_ps = { "container ls",  "container list, container ps, ps",
				"[OPTIONS]",     "List containers",
				FLAGS(ps_flags), .run = ps_run };
