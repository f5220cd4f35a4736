/* SPDX-License-Identifier: Apache-2.0 */
/* inspect of everything: objects are looked up by kind, printed together, and what was not found is told after. */
#include "cli/format.h"

#include <stdio.h>

static const struct flag flags[] = {
	{ "format", 'f', FLAG_STRING, 0, NULL, "Print as 'json' or a Go template", NULL },
	{ "size", 's', FLAG_BOOL, 0, NULL, "Show sizes", NULL },
	{ "type", 0, FLAG_STRING, 0, NULL, "Only objects of this type", NULL },
};

static const struct flag plain_flags[] = {
	{ "format", 'f', FLAG_STRING, 0, NULL, "Print as 'json' or a Go template", NULL },
	{ "platform", 0, FLAG_STRING, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Platform", NULL },
	{ "verbose", 'v', FLAG_BOOL, FLAG_HIDDEN, NULL, "Say more", NULL },
};

static const struct flag container_flags[] = {
	{ "format", 'f', FLAG_STRING, 0, NULL, "Print as 'json' or a Go template", NULL },
	{ "size", 's', FLAG_BOOL, 0, NULL, "Show sizes", NULL },
};

static const struct kind {
	const char *name, *path;
} kinds[] = {
	{ "container", "/containers/%s/json" },
	{ "image", "/images/%s/json" },
	{ "network", "/networks/%s" },
	{ "volume", "/volumes/%s" },
};

/* 1 found, 0 not of these kinds, -1 another error. */
static int find_object(struct cli *c, const char *arg, const char *type, bool size, const struct json **out,
		       struct err **e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		cleanup_err struct err *why = NULL;
		char *path;

		if (*type && strcmp(type, kinds[i].name) != 0)
			continue;
		path = cli_path(c, kinds[i].path, arg);
		if (size && i == 0)
			path = arena_printf(c->a, "%s?size=1", path);
		*out = NULL;
		if (cli_call(c, "GET", path, SV(""), out, &why) == 0)
			return 1;
		if (err_class(why) == ERR_NOT_FOUND || (!*type && err_class(why) == ERR_NOT_IMPLEMENTED)) {
			if (*type) {
				err_move(e, &why);
				return -1;
			}
			continue;
		}
		/* A name that is no legal volume's or network's is not found among them. */
		if (!*type && i > 0 && err_class(why) == ERR_INVALID)
			continue;
		err_move(e, &why);
		return -1;
	}
	return 0;
}

static int inspect(struct cli *c, const char *type, bool size, struct err **e)
{
	cleanup_free const struct json **v = xcalloc(c->args.n + 1, sizeof(*v));
	cleanup_strbuf struct strbuf missing = { 0 };
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < c->args.n; i++) {
		cleanup_err struct err *why = NULL;
		int r = find_object(c, c->args.v[i], type, size, &v[n], &why);

		if (r == 1) {
			n++;
			continue;
		}
		rc = 1;
		if (r == 0)
			sb_addf(&missing, "Error: No such object: %s\n", c->args.v[i]);
		else
			sb_addf(&missing, "%s\n", err_text(why));
		if (err_class(why) == ERR_UNAVAILABLE)
			break;
	}
	if (print_objects(c, v, n, flag_str(&c->f, "format"), e) < 0)
		return 1;
	(void)fflush(stdout);
	(void)fputs(sb_str(&missing), stderr);
	return rc;
}

static int inspect_run(struct cli *c, struct err **e)
{
	const char *type = flag_str(&c->f, "type");
	bool known = str_empty(type);

	if (flag_is_set(&c->f, "type") && str_empty(type))
		return err_set(
			e, ERR_INVALID,
			"type is empty: must be one of \"container\", \"image\", \"network\" or \"volume\"");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		known = known || strcmp(type, kinds[i].name) == 0;
	if (!known)
		return err_set(e, ERR_INVALID,
			       "unknown type: \"%s\": must be one of \"container\", \"image\", \"network\" "
			       "or \"volume\"",
			       type);
	return inspect(c, type ? type : "", flag_bool(&c->f, "size"), e);
}

static int container_run(struct cli *c, struct err **e)
{
	return inspect(c, "container", flag_bool(&c->f, "size"), e);
}

static int image_run(struct cli *c, struct err **e)
{
	return inspect(c, "image", false, e);
}

static int volume_run(struct cli *c, struct err **e)
{
	return inspect(c, "volume", false, e);
}

static int network_run(struct cli *c, struct err **e)
{
	return inspect(c, "network", false, e);
}

const struct command cmd_inspect = { "inspect",
				     NULL,
				     "[OPTIONS] NAME|ID [NAME|ID...]",
				     "Show details of objects",
				     FLAGS(flags),
				     .min = 1,
				     .max = CLI_NO_MAX,
				     .run = inspect_run };
const struct command cmd_container_inspect = { "container inspect",
					       NULL,
					       "[OPTIONS] CONTAINER [CONTAINER...]",
					       "Show details of containers",
					       FLAGS(container_flags),
					       .min = 1,
					       .max = CLI_NO_MAX,
					       .run = container_run };
const struct command cmd_image_inspect = { "image inspect",
					   NULL,
					   "[OPTIONS] IMAGE [IMAGE...]",
					   "Show details of images",
					   FLAGS(plain_flags),
					   .min = 1,
					   .max = CLI_NO_MAX,
					   .run = image_run };
const struct command cmd_volume_inspect = { "volume inspect",
					    NULL,
					    "[OPTIONS] VOLUME [VOLUME...]",
					    "Show details of volumes",
					    FLAGS(plain_flags),
					    .min = 1,
					    .max = CLI_NO_MAX,
					    .run = volume_run };
const struct command cmd_network_inspect = { "network inspect",
					     NULL,
					     "[OPTIONS] NETWORK [NETWORK...]",
					     "Show details of networks",
					     FLAGS(plain_flags),
					     .min = 1,
					     .max = CLI_NO_MAX,
					     .run = network_run };
