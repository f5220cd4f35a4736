/* SPDX-License-Identifier: Apache-2.0 */
/* images, history, tag, rmi. */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/format.h"
#include "model/reference.h"
#include "model/size.h"

static const struct column columns[] = {
	{ "ID", "IMAGE ID" },
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Digest", "DIGEST" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Size", "SIZE" },
	{ "Containers", "CONTAINERS" },
	{ "VirtualSize", "SIZE" },
	{ "SharedSize", "SHARED SIZE" },
	{ "UniqueSize", "UNIQUE SIZE" },
};

struct view {
	struct cli *c;
	struct format f;
	bool no_trunc, digests;
};

static int add_row(struct view *v, const struct json *j, const char *repo, const char *tag,
		   const char *digest, struct err **e)
{
	struct cli *c = v->c;
	const char *id = str_of(json_get(j, "Id"));
	int64_t created = num_of(json_get(j, "Created")), size = num_of(json_get(j, "Size"));
	int64_t containers = json_get(j, "Containers") ? num_of(json_get(j, "Containers")) : -1;

	row_begin(&v->f);
	row_add(&v->f, "ID", v->no_trunc ? id : cell_trunc_id(c, id));
	row_add(&v->f, "Repository", repo);
	row_add(&v->f, "Tag", tag);
	row_add(&v->f, "Digest", digest);
	row_add(&v->f, "CreatedSince", cell_ago(c, created));
	row_add(&v->f, "CreatedAt", cell_time(c, created));
	row_add(&v->f, "Size", arena_strdup(c->a, size_human_prec((double)size, 3).s));
	row_add(&v->f, "VirtualSize", arena_strdup(c->a, size_human((double)size).s));
	row_add(&v->f, "Containers",
		containers < 0 ? "N/A" : arena_printf(c->a, "%lld", (long long)containers));
	row_add(&v->f, "SharedSize", "N/A");
	row_add(&v->f, "UniqueSize", "N/A");
	return row_end(&v->f, e);
}

static void split(struct cli *c, const char *ref, char sep, const char **repo, const char **tail)
{
	const char *at = strrchr(ref, sep);

	/* a colon before a slash belongs to the registry's port */
	if (!at || (sep == ':' && strchr(at, '/'))) {
		*repo = ref;
		*tail = "<none>";
		return;
	}
	*repo = arena_strndup(c->a, ref, (size_t)(at - ref));
	*tail = at + 1;
}

/* One row a tag; with digests, the digest of the tag's repository; an image without names once. */
static int add_image(struct view *v, const struct json *j, struct err **e)
{
	const struct json *tags = json_get(j, "RepoTags"), *digests = json_get(j, "RepoDigests");
	size_t shown = 0;

	json_for_each (tag, tags) {
		const char *repo, *name, *digest = "<none>";

		split(v->c, str_of(tag), ':', &repo, &name);
		if (strcmp(repo, "<none>") == 0)
			continue;
		json_for_each (d, digests) {
			const char *drepo, *ddigest;
			split(v->c, str_of(d), '@', &drepo, &ddigest);
			if (strcmp(drepo, repo) == 0)
				digest = ddigest;
		}
		if (add_row(v, j, repo, name, digest, e) < 0)
			return -1;
		shown++;
	}
	if (shown)
		return 0;
	json_for_each (d, digests) {
		const char *repo, *digest;

		split(v->c, str_of(d), '@', &repo, &digest);
		if (strcmp(repo, "<none>") == 0)
			continue;
		return add_row(v, j, repo, "<none>", digest, e);
	}
	return add_row(v, j, "<none>", "<none>", "<none>", e);
}

static int images(struct cli *c, struct err **e)
{
	struct view v = { .c = c,
			  .no_trunc = flag_bool(&c->f, "no-trunc"),
			  .digests = flag_bool(&c->f, "digests") };
	const char *format = flag_str(&c->f, "format"), *path = "/images/json", *filters;
	const struct json *list = NULL;
	struct model_str_list args = { 0 };

	if (flag_bool(&c->f, "tree"))
		return err_set(e, ERR_NOT_IMPLEMENTED, "--tree is not available");
	for (size_t i = 0; i < flag_list(&c->f, "filter")->n; i++)
		model_strs_add(c->a, &args, flag_list(&c->f, "filter")->v[i]);
	if (cli_arg(c, 0))
		model_strs_add(c->a, &args, arena_printf(c->a, "reference=%s", cli_arg(c, 0)));
	if (!*format)
		format = cli_config_str(c, "imagesFormat");
	if (flag_bool(&c->f, "quiet"))
		format = "{{.ID}}";
	if (format_open(
		    &v.f, c, format,
		    v.digests
			    ? "table "
			      "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
			    : "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
		    columns, ARRAY_LEN(columns), e) < 0)
		return -1;
	if (flag_bool(&c->f, "all"))
		path = client_query(c->a, path, "all", "1");
	if (args.n) {
		filters = cli_filters(c, &args, e);
		if (!filters)
			return -1;
		path = client_query(c->a, path, "filters", filters);
	}
	if (cli_json(c, "GET", path, NULL, &list, e) < 0)
		return -1;
	json_for_each (it, list)
		if (add_image(&v, it, e) < 0)
			return -1;
	return format_end(&v.f, e);
}

static const struct flag images_flags[] = {
	{ "all", FLAG_BOOL, 'a', .help = "Show all images (default hides intermediate images)" },
	{ "digests", FLAG_BOOL, .help = "Show digests" },
	{ "filter", FLAG_FILTER, 'f', .help = "Filter output based on conditions provided" },
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "no-trunc", FLAG_BOOL, .help = "Don't truncate output" },
	{ "quiet", FLAG_BOOL, 'q', .help = "Only show image IDs" },
	{ "tree", FLAG_BOOL, .help = "List multi-platform images as a tree (EXPERIMENTAL)" },
};

const struct command cmd_images = {
	.name = "ls",
	.group = "image",
	.top = "images",
	.aliases = "list",
	.usage = "[OPTIONS] [REPOSITORY[:TAG]]",
	.about = "List images",
	FLAGS(images_flags),
	.max_args = 1,
	.is_common = true,
	.run = images,
};

/* --- history --- */

static const struct column history_columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
};

static int add_step(struct cli *c, struct format *f, const struct json *j, bool human, bool no_trunc,
		    struct err **e)
{
	const char *id = str_of(json_get(j, "Id"));
	int64_t created = num_of(json_get(j, "Created")), size = num_of(json_get(j, "Size"));
	char *by = arena_strdup(c->a, str_of(json_get(j, "CreatedBy")));

	for (char *p = by; *p; p++)
		if (*p == '\t')
			*p = ' ';
	row_begin(f);
	row_add(f, "ID", no_trunc || id[0] == '<' ? id : cell_trunc_id(c, id));
	row_add(f, "CreatedAt", arena_strdup(c->a, clock_rfc3339nano(created * NS_PER_SEC).s));
	row_add(f, "CreatedSince",
		human ? cell_ago(c, created) : arena_strdup(c->a, clock_rfc3339nano(created * NS_PER_SEC).s));
	row_add(f, "CreatedBy", no_trunc ? by : cell_ellipsis(c, by, 45));
	row_add(f, "Size",
		human ? arena_strdup(c->a, size_human_prec((double)size, 3).s)
		      : arena_printf(c->a, "%lld", (long long)size));
	row_add(f, "Comment", str_of(json_get(j, "Comment")));
	return row_end(f, e);
}

static int history(struct cli *c, struct err **e)
{
	const char *format = flag_bool(&c->f, "quiet") ? "{{.ID}}" : flag_str(&c->f, "format");
	const char *path = client_path(c->a, "/images/", cli_arg(c, 0), "/history");
	bool human = flag_bool(&c->f, "human");
	const struct json *list = NULL;
	struct format f;

	if (format_open(&f, c, format,
			human ? "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
			      : "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
			history_columns, ARRAY_LEN(history_columns), e) < 0)
		return -1;
	if (cli_json(c, "GET", path, NULL, &list, e) < 0)
		return -1;
	json_for_each (it, list)
		if (add_step(c, &f, it, human, flag_bool(&c->f, "no-trunc"), e) < 0)
			return -1;
	return format_end(&f, e);
}

static const struct flag history_flags[] = {
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "human", FLAG_BOOL, 'H', .def = "true", .help = "Print sizes and dates in human readable format" },
	{ "no-trunc", FLAG_BOOL, .help = "Don't truncate output" },
	{ "quiet", FLAG_BOOL, 'q', .help = "Only show image IDs" },
};

const struct command cmd_history = {
	.name = "history",
	.group = "image",
	.top = "history",
	.usage = "[OPTIONS] IMAGE",
	.about = "Show the history of an image",
	FLAGS(history_flags),
	.min_args = 1,
	.max_args = 1,
	.run = history,
};

/* --- tag --- */

static int tag(struct cli *c, struct err **e)
{
	struct reference ref;
	const char *path = client_path(c->a, "/images/", cli_arg(c, 0), "/tag");

	if (reference_parse(c->a, sv_of(cli_arg(c, 1)), &ref, e) < 0)
		return err_wrap(e, "Error parsing reference: \"%s\" is not a valid repository/tag",
				cli_arg(c, 1));
	if (ref.digest)
		return err_set(e, ERR_INVALID, "refusing to create a tag with a digest reference");
	reference_default_tag(&ref);
	path = client_query(c->a, path, "repo", reference_familiar_name(c->a, &ref));
	return cli_json(c, "POST", client_query(c->a, path, "tag", ref.tag), NULL, NULL, e);
}

const struct command cmd_tag = {
	.name = "tag",
	.group = "image",
	.top = "tag",
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.about = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.min_args = 2,
	.max_args = 2,
	.run = tag,
};

/* --- rmi --- */

static int rmi_one(struct cli *c, const char *ref, struct err **e)
{
	const char *path = client_path(c->a, "/images/", ref, "");
	const struct json *list = NULL;

	if (flag_bool(&c->f, "force"))
		path = client_query(c->a, path, "force", "1");
	if (flag_bool(&c->f, "no-prune"))
		path = client_query(c->a, path, "noprune", "1");
	if (cli_json(c, "DELETE", path, NULL, &list, e) < 0)
		return -1;
	json_for_each (it, list) {
		if (json_get(it, "Deleted"))
			(void)printf("Deleted: %s\n", str_of(json_get(it, "Deleted")));
		else
			(void)printf("Untagged: %s\n", str_of(json_get(it, "Untagged")));
	}
	return 0;
}

static int rmi(struct cli *c, struct err **e)
{
	bool failed = false;

	(void)e;
	for (size_t i = 0; i < c->f.args.n; i++) {
		cleanup_err struct err *why = NULL;

		if (rmi_one(c, cli_arg(c, i), &why) == 0)
			continue;
		(void)fflush(stdout);
		(void)fprintf(stderr, "%s\n", err_text(why));
		failed |= !(flag_bool(&c->f, "force") && err_class(why) == ERR_NOT_FOUND);
	}
	return failed;
}

static const struct flag rmi_flags[] = {
	{ "force", FLAG_BOOL, 'f', .help = "Force removal of the image" },
	{ "no-prune", FLAG_BOOL, .help = "Do not delete untagged parents" },
};

const struct command cmd_rmi = {
	.name = "rm",
	.group = "image",
	.top = "rmi",
	.aliases = "remove",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.about = "Remove one or more images",
	FLAGS(rmi_flags),
	.min_args = 1,
	.max_args = -1,
	.run = rmi,
};
