/* SPDX-License-Identifier: Apache-2.0 */
/* volume and network commands. */
#include "cli/format.h"

#include "base/clock.h"
#include "model/api.gen.h"
#include "model/size.h"

#include <stdio.h>

static const struct flag create_flags[] = {
	{ "driver", 'd', FLAG_STRING, 0, NULL, "Driver of the volume", "local" },
	{ "label", 0, FLAG_LIST, 0, NULL, "Set a label", NULL },
	{ "name", 0, FLAG_STRING, FLAG_HIDDEN, NULL, "Name", NULL },
	{ "opt", 'o', FLAG_LIST, 0, "map", "Option of the driver", NULL },
};

static void put_all(struct cli *c, const char *flag, struct model_str_map *m)
{
	const struct strlist *l = flag_list(&c->f, flag);

	for (size_t i = 0; i < l->n; i++) {
		struct sv k, v;

		(void)sv_cut(sv_of(l->v[i]), '=', &k, &v);
		model_map_put(c->a, m, arena_strndup(c->a, k.p, k.n), arena_strndup(c->a, v.p, v.n));
	}
}

static int create_run(struct cli *c, struct err **e)
{
	struct api_volume_create_request rq = { .driver = flag_str(&c->f, "driver") };
	cleanup_strbuf struct strbuf body = { 0 };
	struct jw w = jw_to(&body);
	const struct json *j = NULL;

	rq.name = c->args.n ? c->args.v[0] : flag_str(&c->f, "name") ? flag_str(&c->f, "name") : "";
	put_all(c, "label", &rq.labels);
	put_all(c, "opt", &rq.driver_opts);
	api_volume_create_request_encode(&w, &rq);
	if (cli_call(c, "POST", "/volumes/create", sb_sv(&body), &j, e) < 0)
		return -1;
	(void)printf("%s\n", js(j, "Name"));
	return 0;
}

static const struct flag ls_flags[] = {
	{ "filter", 'f', FLAG_LIST, 0, "filter", "Show only what matches", NULL },
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'table', 'table TEMPLATE', 'json' or a Go template",
	  NULL },
	{ "no-trunc", 0, FLAG_BOOL, FLAG_HIDDEN, NULL, "Do not shorten", NULL },
	{ "quiet", 'q', FLAG_BOOL, 0, NULL, "Only names", NULL },
};

static const struct column volume_columns[] = {
	{ "Driver", "DRIVER" }, { "Name", "VOLUME NAME" }, { "Mountpoint", "MOUNTPOINT" },
	{ "Scope", "SCOPE" },   { "Labels", "LABELS" },    { "Size", "SIZE" },
	{ "Links", "LINKS" },
};

static int by_name(const void *a, const void *b)
{
	const struct json *const *x = a, *const *y = b;

	return strcmp(js(*x, "Name"), js(*y, "Name"));
}

static const struct json **sorted(const struct json *list, size_t *n)
{
	const struct json **v = xcalloc(list ? list->n + 1 : 1, sizeof(*v));

	*n = 0;
	json_for_each (it, list)
		v[(*n)++] = it;
	if (*n)
		qsort(v, *n, sizeof(*v), by_name);
	return v;
}

static void labels_text(const struct json *labels, struct strbuf *b)
{
	json_for_each (it, labels)
		sb_addf(b, "%s%s=%s", b->n ? "," : "", it->key.p, json_str(it) ? json_str(it) : "");
}

static int ls_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_free const struct json **v = NULL;
	const struct json *j = NULL;
	struct list l;
	size_t n;

	sb_add(&path, "/volumes");
	if (cli_filters(c, flag_list(&c->f, "filter"), &path, e) < 0 ||
	    cli_call(c, "GET", path.p, SV(""), &j, e) < 0)
		return -1;
	v = sorted(json_get(j, "Volumes"), &n);
	list_init(&l, c, volume_columns, ARRAY_LEN(volume_columns), "table {{.Driver}}\t{{.Name}}", "Name");
	for (size_t i = 0; i < n; i++) {
		cleanup_strbuf struct strbuf labels = { 0 };
		const struct json *usage = json_get(v[i], "UsageData");

		labels_text(json_get(v[i], "Labels"), &labels);
		list_row(&l);
		list_field(&l, "Driver", js(v[i], "Driver"));
		list_field(&l, "Name", js(v[i], "Name"));
		list_field(&l, "Mountpoint", js(v[i], "Mountpoint"));
		list_field(&l, "Scope", js(v[i], "Scope"));
		list_field(&l, "Labels", sb_str(&labels));
		list_field(&l, "Size", usage ? size_human((double)ji(usage, "Size")).s : "N/A");
		list_field(&l, "Links",
			   usage ? arena_printf(c->a, "%lld", (long long)ji(usage, "RefCount")) : "N/A");
		list_field(&l, "Status", "N/A");
		list_field(&l, "Availability", "N/A");
		list_field(&l, "Group", "N/A");
		list_end_row(&l);
	}
	return list_print(&l, flag_str(&c->f, "format"), flag_bool(&c->f, "quiet"), e);
}

static const struct flag rm_flags[] = { { "force", 'f', FLAG_BOOL, 0, NULL, "Ignore what is not there",
					  NULL } };

static int rm_one(struct cli *c, const char *arg, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };

	sb_add(&path, cli_path(c, "/volumes/%s", arg));
	client_query(&path, "force", flag_bool(&c->f, "force") ? "1" : NULL);
	return cli_call(c, "DELETE", path.p, SV(""), NULL, e);
}

static int rm_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, rm_one, true);
}

static const struct flag prune_flags[] = {
	{ "all", 'a', FLAG_BOOL, 0, NULL, "Remove all unused volumes, not only anonymous ones", NULL },
	{ "filter", 0, FLAG_LIST, 0, "filter", "Remove only what matches", NULL },
	{ "force", 'f', FLAG_BOOL, 0, NULL, "Do not ask", NULL },
};

static int prune_run(struct cli *c, struct err **e)
{
	const struct strlist *given = flag_list(&c->f, "filter");
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_strlist struct strlist filters = { 0 };
	bool all = flag_bool(&c->f, "all");
	const struct json *j = NULL, *list;

	if (!flag_bool(&c->f, "force") &&
	    !cli_confirm(all ? "WARNING! This will remove all local volumes not used by at least one "
			       "container.\nAre you sure you want to continue?"
			     : "WARNING! This will remove anonymous local volumes not used by at least one "
			       "container.\nAre you sure you want to continue?"))
		return err_set(e, ERR_CANCELLED, "volume prune has been cancelled");
	for (size_t i = 0; i < given->n; i++)
		strlist_add(&filters, given->v[i]);
	if (all)
		strlist_add(&filters, "all=1");
	sb_add(&path, "/volumes/prune");
	if (cli_filters(c, &filters, &path, e) < 0 || cli_call(c, "POST", path.p, SV(""), &j, e) < 0)
		return -1;
	list = json_get(j, "VolumesDeleted");
	if (list && list->n) {
		(void)printf("Deleted Volumes:\n");
		json_for_each (it, list)
			(void)printf("%s\n", json_str(it));
		(void)printf("\n");
	}
	(void)printf("Total reclaimed space: %s\n", size_human((double)ji(j, "SpaceReclaimed")).s);
	return 0;
}

static const struct column network_columns[] = {
	{ "ID", "NETWORK ID" }, { "Name", "NAME" },
	{ "Driver", "DRIVER" }, { "Scope", "SCOPE" },
	{ "IPv6", "IPV6" },     { "Internal", "INTERNAL" },
	{ "Labels", "LABELS" }, { "CreatedAt", "CREATED AT" },
};

static int network_ls_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_free const struct json **v = NULL;
	const struct json *j = NULL;
	struct list l;
	size_t n;

	sb_add(&path, "/networks");
	if (cli_filters(c, flag_list(&c->f, "filter"), &path, e) < 0 ||
	    cli_call(c, "GET", path.p, SV(""), &j, e) < 0)
		return -1;
	v = sorted(j, &n);
	list_init(&l, c, network_columns, ARRAY_LEN(network_columns),
		  "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}", "ID");
	for (size_t i = 0; i < n; i++) {
		cleanup_strbuf struct strbuf labels = { 0 };

		labels_text(json_get(v[i], "Labels"), &labels);
		list_row(&l);
		list_field(&l, "ID",
			   flag_bool(&c->f, "no-trunc") ? js(v[i], "Id") : short_id(c, js(v[i], "Id")));
		list_field(&l, "Name", js(v[i], "Name"));
		list_field(&l, "Driver", js(v[i], "Driver"));
		list_field(&l, "Scope", js(v[i], "Scope"));
		list_field(&l, "IPv4", jb(v[i], "EnableIPv4") ? "true" : "false");
		list_field(&l, "IPv6", jb(v[i], "EnableIPv6") ? "true" : "false");
		list_field(&l, "Internal", jb(v[i], "Internal") ? "true" : "false");
		list_field(&l, "Labels", sb_str(&labels));
		list_field(&l, "CreatedAt", js(v[i], "Created"));
		list_end_row(&l);
	}
	return list_print(&l, flag_str(&c->f, "format"), flag_bool(&c->f, "quiet"), e);
}

const struct command cmd_volume_create = { "volume create",      NULL,
					   "[OPTIONS] [VOLUME]", "Create a volume",
					   FLAGS(create_flags),  .max = 1,
					   .run = create_run };
const struct command cmd_volume_ls = { "volume ls",    "volume list",   "[OPTIONS]",
				       "List volumes", FLAGS(ls_flags), .run = ls_run };
const struct command cmd_volume_rm = { "volume rm",       "volume remove", "[OPTIONS] VOLUME [VOLUME...]",
				       "Remove volumes",  FLAGS(rm_flags), .min = 1,
				       .max = CLI_NO_MAX, .run = rm_run };
const struct command cmd_volume_prune = { "volume prune",     NULL,
					  "[OPTIONS]",        "Remove unused volumes",
					  FLAGS(prune_flags), .run = prune_run };
const struct command cmd_network_ls = { "network ls",    "network list",  "[OPTIONS]",
					"List networks", FLAGS(ls_flags), .run = network_ls_run };
