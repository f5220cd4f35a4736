/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/format.h"
#include "model/size.h"

static const struct column columns[] = {
	{ "ID", "CONTAINER ID" },
	{ "Names", "NAMES" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" },
	{ "Ports", "PORTS" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{ "Size", "SIZE" },
	{ "Labels", "LABELS" },
	{ "Mounts", "MOUNTS" },
	{ "LocalVolumes", "LOCAL VOLUMES" },
	{ "Networks", "NETWORKS" },
	{ "Platform", "PLATFORM" },
};

#define TABLE "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"

/* --- ports: neighbours with one host address and equal numbers are joined to a range --- */

struct port {
	const char *ip, *proto;
	int64_t private_port, public_port;
};

static int by_port(const void *x, const void *y)
{
	const struct port *a = x, *b = y;

	if (a->private_port != b->private_port)
		return a->private_port < b->private_port ? -1 : 1;
	int r = strcmp(a->ip, b->ip);
	if (r)
		return r;
	if (a->public_port != b->public_port)
		return a->public_port < b->public_port ? -1 : 1;
	return strcmp(a->proto, b->proto);
}

static void add_sep(struct strbuf *b)
{
	if (b->n)
		sb_add(b, ", ");
}

static void add_host(struct strbuf *b, const char *ip)
{
	sb_addf(b, strchr(ip, ':') ? "[%s]:" : "%s:", ip);
}

struct range {
	const char *ip, *proto;
	int64_t first, last;
};

static void add_range(struct strbuf *b, const struct range *r)
{
	cleanup_strbuf struct strbuf text = { 0 };

	sb_addf(&text, "%lld", (long long)r->first);
	if (r->last != r->first)
		sb_addf(&text, "-%lld", (long long)r->last);
	add_sep(b);
	if (*r->ip) {
		add_host(b, r->ip);
		sb_addf(b, "%s->", text.p);
	}
	sb_addf(b, "%s/%s", text.p, r->proto);
}

static const char *ports_text(struct cli *c, const struct json *list)
{
	cleanup_strbuf struct strbuf done = { 0 }, mapped = { 0 };
	size_t n = 0, n_open = 0;

	if (!json_is(list, JSON_ARRAY) || list->n == 0)
		return "";
	struct port *v = arena_alloc(c->a, list->n * sizeof(*v));
	struct range *open = arena_alloc(c->a, list->n * sizeof(*open));
	json_for_each (it, list)
		v[n++] = (struct port){ str_of(json_get(it, "IP")), str_of(json_get(it, "Type")),
					num_of(json_get(it, "PrivatePort")),
					num_of(json_get(it, "PublicPort")) };
	qsort(v, n, sizeof(*v), by_port);
	for (size_t i = 0; i < n; i++) {
		struct range *r = NULL;

		if (*v[i].ip && v[i].public_port != v[i].private_port) {
			add_sep(&mapped);
			add_host(&mapped, v[i].ip);
			sb_addf(&mapped, "%lld->%lld/%s", (long long)v[i].public_port,
				(long long)v[i].private_port, v[i].proto);
			continue;
		}
		for (size_t k = 0; k < n_open && !r; k++)
			if (strcmp(open[k].ip, v[i].ip) == 0 && strcmp(open[k].proto, v[i].proto) == 0)
				r = &open[k];
		if (!r) {
			open[n_open++] =
				(struct range){ v[i].ip, v[i].proto, v[i].private_port, v[i].private_port };
		} else if (v[i].private_port == r->last + 1) {
			r->last++;
		} else {
			add_range(&done, r);
			r->first = r->last = v[i].private_port;
		}
	}
	for (size_t k = 0; k < n_open; k++)
		add_range(&done, &open[k]);
	if (mapped.n) {
		add_sep(&done);
		sb_addsv(&done, sb_sv(&mapped));
	}
	return arena_strdup(c->a, sb_str(&done));
}

/* --- other cells --- */

static const char *names_text(struct cli *c, const struct json *names, bool no_trunc)
{
	cleanup_strbuf struct strbuf b = { 0 };

	json_for_each (it, names) {
		const char *name = str_of(it);

		if (*name == '/')
			name++;
		if (!no_trunc && strchr(name, '/'))
			continue; /* a link's name */
		sb_addf(&b, "%s%s", b.n ? "," : "", name);
	}
	return arena_strdup(c->a, sb_str(&b));
}

static const char *image_text(struct cli *c, const struct json *j, bool no_trunc)
{
	const char *image = str_of(json_get(j, "Image")), *id = str_of(json_get(j, "ImageID"));
	const char *at = strchr(image, '@');

	if (!*image)
		return "<no image>";
	if (no_trunc)
		return image;
	if (*id && strcmp(cell_trunc_id(c, id), cell_trunc_id(c, image)) == 0)
		return cell_trunc_id(c, image);
	if (at && !str_starts(image, "sha256:"))
		return arena_strndup(c->a, image, (size_t)(at - image));
	return image;
}

static const char *networks_text(struct cli *c, const struct json *nets)
{
	cleanup_strbuf struct strbuf b = { 0 };

	if (json_is(nets, JSON_OBJECT)) {
		json_for_each (it, nets)
			sb_addf(&b, "%s%s", b.n ? "," : "", it->key.p);
	}
	return arena_strdup(c->a, sb_str(&b));
}

static const char *mounts_text(struct cli *c, const struct json *mounts, bool no_trunc, size_t *volumes)
{
	cleanup_strbuf struct strbuf b = { 0 };

	*volumes = 0;
	json_for_each (it, mounts) {
		const char *name = str_of(json_get(it, "Name"));

		if (strcmp(str_of(json_get(it, "Driver")), "local") == 0)
			++*volumes;
		if (!*name)
			name = str_of(json_get(it, "Source"));
		sb_addf(&b, "%s%s", b.n ? "," : "", no_trunc ? name : cell_ellipsis(c, name, 15));
	}
	return arena_strdup(c->a, sb_str(&b));
}

static const char *size_text(struct cli *c, const struct json *j)
{
	const char *rw = size_human_prec((double)num_of(json_get(j, "SizeRw")), 3).s;
	int64_t all = num_of(json_get(j, "SizeRootFs"));

	if (all > 0)
		return arena_printf(c->a, "%s (virtual %s)",
				    size_human_prec((double)num_of(json_get(j, "SizeRw")), 3).s,
				    size_human_prec((double)all, 3).s);
	return arena_strdup(c->a, rw);
}

static int add_row(struct cli *c, struct format *f, const struct json *j, bool no_trunc, struct err **e)
{
	const char *id = str_of(json_get(j, "Id")), *command = str_of(json_get(j, "Command"));
	int64_t created = num_of(json_get(j, "Created"));
	size_t volumes;

	row_begin(f);
	row_add(f, "ID", no_trunc ? id : cell_trunc_id(c, id));
	row_add(f, "Names", names_text(c, json_get(j, "Names"), no_trunc));
	row_add(f, "Image", image_text(c, j, no_trunc));
	row_add(f, "Command", cell_quote(c, no_trunc ? command : cell_ellipsis(c, command, 20)));
	row_add(f, "CreatedAt", cell_time(c, created));
	row_add(f, "RunningFor", cell_ago(c, created));
	row_add(f, "Ports", ports_text(c, json_get(j, "Ports")));
	row_add(f, "State", str_of(json_get(j, "State")));
	row_add(f, "Status", str_of(json_get(j, "Status")));
	row_add(f, "Size", size_text(c, j));
	row_labels(f, json_get(j, "Labels"));
	row_add(f, "Mounts", mounts_text(c, json_get(j, "Mounts"), no_trunc, &volumes));
	row_add(f, "LocalVolumes", arena_printf(c->a, "%zu", volumes));
	row_add(f, "Networks", networks_text(c, json_path(j, "NetworkSettings.Networks")));
	row_add_json(f, "Platform", NULL);
	return row_end(f, e);
}

static const char *list_path(struct cli *c, bool with_size, struct err **e)
{
	const struct model_str_list *filter = flag_list(&c->f, "filter");
	int64_t last = flag_bool(&c->f, "latest") ? 1 : flag_num(&c->f, "last");
	const char *path = "/containers/json";

	if (flag_bool(&c->f, "all"))
		path = client_query(c->a, path, "all", "1");
	if (last > 0)
		path = client_query(c->a, path, "limit", arena_printf(c->a, "%lld", (long long)last));
	if (with_size)
		path = client_query(c->a, path, "size", "1");
	if (filter->n) {
		const char *f = cli_filters(c, filter, e);
		if (!f)
			return NULL;
		path = client_query(c->a, path, "filters", f);
	}
	return path;
}

static int ps(struct cli *c, struct err **e)
{
	const char *format = flag_str(&c->f, "format"), *path;
	bool quiet = flag_bool(&c->f, "quiet"), no_trunc = flag_bool(&c->f, "no-trunc"),
	     size = flag_bool(&c->f, "size");
	const struct json *list = NULL;
	struct format f;

	if (!*format && !quiet)
		format = cli_config_str(c, "psFormat");
	if (quiet)
		format = "{{.ID}}";
	if (strstr(format, ".Size"))
		size = true;
	if (format_open(&f, c, format, size ? TABLE "\t{{.Size}}" : TABLE, columns, ARRAY_LEN(columns), e) <
	    0)
		return -1;
	path = list_path(c, size, e);
	if (!path || cli_json(c, "GET", path, NULL, &list, e) < 0)
		return -1;
	json_for_each (it, list)
		if (add_row(c, &f, it, no_trunc, e) < 0)
			return -1;
	return format_end(&f, e);
}

static const struct flag flags[] = {
	{ "all", FLAG_BOOL, 'a', .help = "Show all containers (default shows just running)" },
	{ "filter", FLAG_FILTER, 'f', .help = "Filter output based on conditions provided" },
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "last", FLAG_INT, 'n', .def = "-1",
	  .help = "Show n last created containers (includes all states)" },
	{ "latest", FLAG_BOOL, 'l', .help = "Show the latest created container (includes all states)" },
	{ "no-trunc", FLAG_BOOL, .help = "Don't truncate output" },
	{ "quiet", FLAG_BOOL, 'q', .help = "Only display container IDs" },
	{ "size", FLAG_BOOL, 's', .help = "Display total file sizes" },
};

const struct command cmd_ps = {
	.name = "ls",
	.group = "container",
	.top = "ps",
	.aliases = "list ps",
	.usage = "[OPTIONS]",
	.about = "List containers",
	FLAGS(flags),
	.is_common = true,
	.run = ps,
};
