/* SPDX-License-Identifier: Apache-2.0 */
/* inspect, and its forms for one kind of object. */
#include "cli/commands.h"
#include "cli/format.h"

struct kind {
	const char *name, *before, *after;
};

static const struct kind kinds[] = {
	{ "container", "/containers/", "/json" },
	{ "image", "/images/", "/json" },
	{ "network", "/networks/", "" },
	{ "volume", "/volumes/", "" },
};

static const struct kind *kind_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static int fetch(struct cli *c, const struct kind *k, const char *ref, const struct json **out,
		 struct err **e)
{
	const char *path = client_path(c->a, k->before, ref, k->after);

	if (k == &kinds[0] && flag_has(&c->f, "size") && flag_bool(&c->f, "size"))
		path = client_query(c->a, path, "size", "1");
	if (k == &kinds[2] && flag_has(&c->f, "verbose") && flag_bool(&c->f, "verbose"))
		path = client_query(c->a, path, "verbose", "true");
	return cli_json(c, "GET", path, NULL, out, e);
}

/* The first kind that knows the name. */
static int fetch_any(struct cli *c, const char *ref, const struct json **out, struct err **e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		cleanup_err struct err *why = NULL;

		if (fetch(c, &kinds[i], ref, out, &why) == 0)
			return 0;
		if (err_class(why) != ERR_NOT_FOUND && err_class(why) != ERR_NOT_IMPLEMENTED &&
		    !(err_class(why) == ERR_INVALID && i > 0)) {
			err_move(e, &why);
			return -1;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "Error: No such object: %s", ref);
}

/*
 * Go's templates see typed fields: nil lists and maps print as [] and map[], where our tree has null. The text of the value
 * stays, so that {{json .}} says null.
 */
static void type_nulls(struct json *j)
{
	static const char *const maps[] = { "Labels", "Options",      "Volumes",    "ExposedPorts",
					    "Ports",  "PortBindings", "Sysctls",    "StorageOpt",
					    "Tmpfs",  "Annotations",  "DriverOpts", "Networks",
					    "Status" };
	static const char *const scalars[] = { "Health",         "Healthcheck", "IPAMConfig",       "Init",
					       "OomKillDisable", "PidsLimit",   "MemorySwappiness", "Data",
					       "UsageData",      "Error",       "NetworkSettings" };

	if (j->type == JSON_NULL && j->key.n) {
		for (size_t i = 0; i < ARRAY_LEN(scalars); i++)
			if (strcmp(j->key.p, scalars[i]) == 0)
				return;
		j->type = JSON_ARRAY;
		for (size_t i = 0; i < ARRAY_LEN(maps); i++)
			if (strcmp(j->key.p, maps[i]) == 0)
				j->type = JSON_OBJECT;
		return;
	}
	for (struct json *it = j->first; it; it = it->next)
		type_nulls(it);
}

static int inspect(struct cli *c, const struct kind *k, struct err **e)
{
	const char *format = flag_str(&c->f, "format");
	cleanup_strbuf struct strbuf errors = { 0 }, list = { 0 }, pretty = { 0 };
	struct template *t = NULL;
	bool failed = false;

	if (strcmp(format, "json") == 0)
		format = "{{json .}}";
	if (*format && template_parse(c->a, sv_of(format), &t, e) < 0) {
		(void)fprintf(stderr, "template parsing error: %s\n", err_text(*e));
		return 64;
	}
	for (size_t i = 0; i < c->f.args.n; i++) {
		cleanup_err struct err *why = NULL;
		const struct json *j = NULL;

		if ((k ? fetch(c, k, cli_arg(c, i), &j, &why) : fetch_any(c, cli_arg(c, i), &j, &why)) < 0) {
			sb_addf(&errors, "%s%s", failed ? "\n" : "", err_text(why));
			failed = true;
			if (str_starts(err_text(why), "Cannot connect"))
				break;
			continue;
		}
		if (!t) {
			sb_addf(&list, "%s", list.n ? "," : "");
			sb_addsv(&list, j->raw);
			continue;
		}
		size_t mark = list.n;
		type_nulls((struct json *)(uintptr_t)j); /* the tree is ours alone */
		if (template_execute(t, j, true, &list, &why) < 0) {
			sb_addf(&errors, "template parsing error: %s", err_text(why));
			list.n = mark;
			failed = true;
			sb_addc(&list, '\n');
			break;
		}
		sb_addc(&list, '\n');
	}
	if (t) {
		cli_out(sb_str(&list), list.n);
		if (failed && list.n == 0)
			(void)printf("\n");
	} else {
		cleanup_strbuf struct strbuf all = { 0 };
		sb_addf(&all, "[%s]", sb_str(&list));
		json_indent(&pretty, sb_sv(&all), "", "    ");
		sb_addc(&pretty, '\n');
		cli_out(pretty.p, pretty.n);
	}
	(void)fflush(stdout);
	if (failed)
		(void)fprintf(stderr, "%s\n", errors.p);
	return failed;
}

static int inspect_any(struct cli *c, struct err **e)
{
	const char *type = flag_str(&c->f, "type");
	const struct kind *k = *type ? kind_named(type) : NULL;

	if (*type && !k)
		return err_set(e, ERR_INVALID,
			       "unknown type: \"%s\": must be one of \"container\", \"image\", "
			       "\"network\", \"volume\"",
			       type);
	return inspect(c, k, e);
}

static int inspect_container(struct cli *c, struct err **e)
{
	return inspect(c, &kinds[0], e);
}

static int inspect_image(struct cli *c, struct err **e)
{
	return inspect(c, &kinds[1], e);
}

static int inspect_network(struct cli *c, struct err **e)
{
	return inspect(c, &kinds[2], e);
}

static int inspect_volume(struct cli *c, struct err **e)
{
	return inspect(c, &kinds[3], e);
}

#define FORMAT_FLAG                                                                                          \
	{                                                                                                    \
		"format", FLAG_STRING, 'f', .help = FORMAT_HELP                                              \
	}

static const struct flag any_flags[] = {
	FORMAT_FLAG,
	{ "size", FLAG_BOOL, 's', .help = "Display total file sizes if the type is container" },
	{ "type", FLAG_STRING, .help = "Only inspect objects of the given type" },
};
static const struct flag container_flags[] = {
	FORMAT_FLAG,
	{ "size", FLAG_BOOL, 's', .help = "Display total file sizes" },
};
static const struct flag network_flags[] = {
	FORMAT_FLAG,
	{ "verbose", FLAG_BOOL, 'v', .help = "Verbose output for diagnostics" },
};
static const struct flag plain_flags[] = { FORMAT_FLAG };

const struct command cmd_inspect = {
	.name = "inspect",
	.usage = "[OPTIONS] NAME|ID [NAME|ID...]",
	.about = "Return low-level information on Docker objects",
	FLAGS(any_flags),
	.min_args = 1,
	.max_args = -1,
	.run = inspect_any,
};
const struct command cmd_container_inspect = {
	.name = "inspect",
	.group = "container",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.about = "Display detailed information on one or more containers",
	FLAGS(container_flags),
	.min_args = 1,
	.max_args = -1,
	.run = inspect_container,
};
const struct command cmd_image_inspect = {
	.name = "inspect",
	.group = "image",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.about = "Display detailed information on one or more images",
	FLAGS(plain_flags),
	.min_args = 1,
	.max_args = -1,
	.run = inspect_image,
};
const struct command cmd_network_inspect = {
	.name = "inspect",
	.group = "network",
	.usage = "[OPTIONS] NETWORK [NETWORK...]",
	.about = "Display detailed information on one or more networks",
	FLAGS(network_flags),
	.min_args = 1,
	.max_args = -1,
	.run = inspect_network,
};
const struct command cmd_volume_inspect = {
	.name = "inspect",
	.group = "volume",
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.about = "Display detailed information on one or more volumes",
	FLAGS(plain_flags),
	.min_args = 1,
	.max_args = -1,
	.run = inspect_volume,
};
