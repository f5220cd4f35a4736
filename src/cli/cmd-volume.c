/* SPDX-License-Identifier: Apache-2.0 */
/* volume create, ls, rm; network ls. */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/format.h"
#include "model/api.gen.h"
#include "model/env.h"

static int create(struct cli *c, struct err **e)
{
	struct api_volume_create_request rq = { .driver = flag_str(&c->f, "driver"),
						.name = cli_arg(c, 0) ? cli_arg(c, 0)
								      : flag_str(&c->f, "name") };
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	const struct json *j = NULL;

	if (cli_arg(c, 0) && *flag_str(&c->f, "name"))
		return err_set(e, ERR_INVALID,
			       "conflicting options: cannot specify a volume-name through both --name and as "
			       "a positional arg");
	env_to_map(c->a, flag_list(&c->f, "opt"), &rq.driver_opts);
	env_to_map(c->a, flag_list(&c->f, "label"), &rq.labels);
	api_volume_create_request_encode(&w, &rq);
	if (cli_json(c, "POST", "/volumes/create", &b, &j, e) < 0)
		return -1;
	(void)printf("%s\n", str_of(json_get(j, "Name")));
	return 0;
}

static const struct flag create_flags[] = {
	{ "driver", FLAG_STRING, 'd', .def = "local", .help = "Specify volume driver name" },
	{ "label", FLAG_LIST, .help = "Set metadata for a volume" },
	{ "name", FLAG_STRING, .hidden = true, .help = "Specify volume name" },
	{ "opt", FLAG_MAP, 'o', .def = "map[]", .help = "Set driver specific options" },
};

const struct command cmd_volume_create = {
	.name = "create",
	.group = "volume",
	.usage = "[OPTIONS] [VOLUME]",
	.about = "Create a volume",
	FLAGS(create_flags),
	.max_args = 1,
	.run = create,
};

/* --- lists sorted by name, as docker sorts them --- */

static int by_name(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;
	const char *p = str_of(json_get(*a, "Name")), *q = str_of(json_get(*b, "Name"));

	/* digits by their number, as in v2 before v10 */
	while (*p && *q) {
		if (*p >= '0' && *p <= '9' && *q >= '0' && *q <= '9') {
			while (*p == '0' && p[1] >= '0' && p[1] <= '9')
				p++;
			while (*q == '0' && q[1] >= '0' && q[1] <= '9')
				q++;
			size_t n = strspn(p, "0123456789"), m = strspn(q, "0123456789");
			int r = n != m ? (n < m ? -1 : 1) : strncmp(p, q, n);
			if (r)
				return r;
			p += n;
			q += m;
			continue;
		}
		if (*p != *q)
			return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
		p++;
		q++;
	}
	return *p ? 1 : *q ? -1 : 0;
}

static const struct json **sorted(const struct json *list, size_t *n)
{
	const struct json **v = xcalloc(list ? list->n + 1 : 1, sizeof(*v));

	*n = 0;
	json_for_each (it, list)
		v[(*n)++] = it;
	qsort((void *)v, *n, sizeof(*v), by_name);
	return v;
}

static const char *list_path(struct cli *c, const char *path, struct err **e)
{
	const struct model_str_list *filter = flag_list(&c->f, "filter");
	const char *f;

	if (!filter->n)
		return path;
	f = cli_filters(c, filter, e);
	return f ? client_query(c->a, path, "filters", f) : NULL;
}

static const struct column volume_columns[] = {
	{ "Name", "VOLUME NAME" },
	{ "Driver", "DRIVER" },
	{ "Scope", "SCOPE" },
	{ "Mountpoint", "MOUNTPOINT" },
	{ "Labels", "LABELS" },
	{ "Links", "LINKS" },
	{ "Size", "SIZE" },
	{ "Group", "GROUP" },
	{ "Availability", "AVAILABILITY" },
	{ "Status", "STATUS" },
};

static int ls(struct cli *c, struct err **e)
{
	const char *format = flag_bool(&c->f, "quiet") ? "{{.Name}}" : flag_str(&c->f, "format"), *path;
	const struct json *j = NULL;
	struct format f;
	size_t n;

	if (flag_bool(&c->f, "cluster"))
		return err_set(e, ERR_NOT_IMPLEMENTED, "--cluster is not available");
	if (!*format)
		format = cli_config_str(c, "volumesFormat");
	if (format_open(&f, c, format, "table {{.Driver}}\t{{.Name}}", volume_columns,
			ARRAY_LEN(volume_columns), e) < 0)
		return -1;
	path = list_path(c, "/volumes", e);
	if (!path || cli_json(c, "GET", path, NULL, &j, e) < 0)
		return -1;
	cleanup_free const struct json **v = sorted(json_get(j, "Volumes"), &n);
	for (size_t i = 0; i < n; i++) {
		row_begin(&f);
		row_add(&f, "Name", str_of(json_get(v[i], "Name")));
		row_add(&f, "Driver", str_of(json_get(v[i], "Driver")));
		row_add(&f, "Scope", str_of(json_get(v[i], "Scope")));
		row_add(&f, "Mountpoint", str_of(json_get(v[i], "Mountpoint")));
		row_labels(&f, json_get(v[i], "Labels"));
		static const char *const unknown[] = { "Links", "Size", "Group", "Availability", "Status" };
		for (size_t k = 0; k < ARRAY_LEN(unknown); k++)
			row_add(&f, unknown[k], "N/A");
		if (row_end(&f, e) < 0)
			return -1;
	}
	return format_end(&f, e);
}

static const struct flag ls_flags[] = {
	{ "cluster", FLAG_BOOL,
	  .help = "Display only cluster volumes, and use cluster volume list formatting" },
	{ "filter", FLAG_FILTER, 'f', .help = "Provide filter values (e.g. \"dangling=true\")" },
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "quiet", FLAG_BOOL, 'q', .help = "Only display volume names" },
};

const struct command cmd_volume_ls = {
	.name = "ls",
	.group = "volume",
	.aliases = "list",
	.usage = "[OPTIONS]",
	.about = "List volumes",
	FLAGS(ls_flags),
	.run = ls,
};

static int rm_one(struct cli *c, const char *name, struct err **e)
{
	const char *path = client_path(c->a, "/volumes/", name, flag_bool(&c->f, "force") ? "?force=1" : "");

	return cli_json(c, "DELETE", path, NULL, NULL, e);
}

static int rm(struct cli *c, struct err **e)
{
	return cli_each(c, rm_one, false, e);
}

static const struct flag rm_flags[] = {
	{ "force", FLAG_BOOL, 'f', .help = "Force the removal of one or more volumes" },
};

const struct command cmd_volume_rm = {
	.name = "rm",
	.group = "volume",
	.aliases = "remove",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.about = "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
	FLAGS(rm_flags),
	.min_args = 1,
	.max_args = -1,
	.run = rm,
};

/* --- network ls --- */

static const struct column network_columns[] = {
	{ "ID", "NETWORK ID" },     { "Name", "NAME" },     { "Driver", "DRIVER" },
	{ "Scope", "SCOPE" },       { "IPv4", "IPV4" },     { "IPv6", "IPV6" },
	{ "Internal", "INTERNAL" }, { "Labels", "LABELS" }, { "CreatedAt", "CREATED AT" },
};

static const char *bool_text(const struct json *j)
{
	return json_bool(j) ? "true" : "false";
}

/* RFC 3339 as Go prints a time.Time */
static const char *created_text(struct cli *c, const char *when)
{
	int64_t ns;

	if (clock_parse_rfc3339(sv_of(when), &ns) < 0)
		return when;
	int64_t sec = ns / NS_PER_SEC, frac = ns % NS_PER_SEC;
	const char *base = cell_time(c, sec);
	if (frac <= 0 || strlen(base) < 19)
		return base;
	char digits[16];
	(void)snprintf(digits, sizeof(digits), "%09lld", (long long)frac);
	size_t n = 9;
	while (n > 0 && digits[n - 1] == '0')
		n--;
	return arena_printf(c->a, "%.19s.%.*s%s", base, (int)n, digits, base + 19);
}

static int network_ls(struct cli *c, struct err **e)
{
	const char *format = flag_bool(&c->f, "quiet") ? "{{.ID}}" : flag_str(&c->f, "format"), *path;
	bool no_trunc = flag_bool(&c->f, "no-trunc");
	const struct json *j = NULL;
	struct format f;
	size_t n;

	if (!*format)
		format = cli_config_str(c, "networksFormat");
	if (format_open(&f, c, format, "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", network_columns,
			ARRAY_LEN(network_columns), e) < 0)
		return -1;
	path = list_path(c, "/networks", e);
	if (!path || cli_json(c, "GET", path, NULL, &j, e) < 0)
		return -1;
	cleanup_free const struct json **v = sorted(j, &n);
	for (size_t i = 0; i < n; i++) {
		const char *id = str_of(json_get(v[i], "Id"));

		row_begin(&f);
		row_add(&f, "ID", no_trunc ? id : cell_trunc_id(c, id));
		row_add(&f, "Name", str_of(json_get(v[i], "Name")));
		row_add(&f, "Driver", str_of(json_get(v[i], "Driver")));
		row_add(&f, "Scope", str_of(json_get(v[i], "Scope")));
		row_add(&f, "IPv4", bool_text(json_get(v[i], "EnableIPv4")));
		row_add(&f, "IPv6", bool_text(json_get(v[i], "EnableIPv6")));
		row_add(&f, "Internal", bool_text(json_get(v[i], "Internal")));
		row_labels(&f, json_get(v[i], "Labels"));
		row_add(&f, "CreatedAt", created_text(c, str_of(json_get(v[i], "Created"))));
		if (row_end(&f, e) < 0)
			return -1;
	}
	return format_end(&f, e);
}

static const struct flag network_flags[] = {
	{ "filter", FLAG_FILTER, 'f', .help = "Provide filter values (e.g. \"driver=bridge\")" },
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "no-trunc", FLAG_BOOL, .help = "Do not truncate the output" },
	{ "quiet", FLAG_BOOL, 'q', .help = "Only display network IDs" },
};

const struct command cmd_network_ls = {
	.name = "ls",
	.group = "network",
	.aliases = "list",
	.usage = "[OPTIONS]",
	.about = "List networks",
	FLAGS(network_flags),
	.run = network_ls,
};
