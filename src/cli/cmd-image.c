/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/format.h"
#include "cli/progress.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "model/reference.h"
#include "model/size.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- images --- */

static const struct flag images_flags[] = {
	{ "all", 'a', FLAG_BOOL, 0, NULL, "Show intermediate images too", NULL },
	{ "digests", 0, FLAG_BOOL, 0, NULL, "Show digests", NULL },
	{ "filter", 'f', FLAG_LIST, 0, "filter", "Show only what matches", NULL },
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'table', 'table TEMPLATE', 'json' or a Go template",
	  NULL },
	{ "no-trunc", 0, FLAG_BOOL, 0, NULL, "Do not shorten", NULL },
	{ "quiet", 'q', FLAG_BOOL, 0, NULL, "Only IDs", NULL },
	{ "tree", 0, FLAG_BOOL, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Show platforms as a tree", NULL },
};

static const struct column image_columns[] = {
	{ "Repository", "REPOSITORY" },
	{ "Tag", "TAG" },
	{ "Digest", "DIGEST" },
	{ "ID", "IMAGE ID" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "Size", "SIZE" },
	{ "SharedSize", "SHARED SIZE" },
	{ "UniqueSize", "UNIQUE SIZE" },
	{ "Containers", "CONTAINERS" },
	{ "VirtualSize", "VIRTUAL SIZE" },
};

static void image_row(struct list *l, struct cli *c, const struct json *j, const char *repo, const char *tag,
		      const char *digest)
{
	const char *id = js(j, "Id");
	time_t t = (time_t)ji(j, "Created");
	struct tm tm;
	char when[64];

	(void)localtime_r(&t, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z %Z", &tm);
	list_row(l);
	list_field(l, "Repository", repo);
	list_field(l, "Tag", tag);
	list_field(l, "Digest", digest);
	list_field(l, "ID", flag_bool(&c->f, "no-trunc") ? id : short_id(c, id));
	list_field(l, "CreatedSince", t > 0 ? ago(c, (int64_t)t * NS_PER_SEC) : "N/A");
	list_field(l, "CreatedAt", when);
	list_field(l, "Size", size_human_prec((double)ji(j, "Size"), 3).s);
	list_field(l, "VirtualSize", size_human_prec((double)ji(j, "Size"), 3).s);
	list_field(l, "SharedSize",
		   ji(j, "SharedSize") < 0 ? "N/A" : size_human((double)ji(j, "SharedSize")).s);
	list_field(l, "UniqueSize", "N/A");
	list_field(l, "Containers",
		   ji(j, "Containers") < 0 ? "N/A"
					   : arena_printf(c->a, "%lld", (long long)ji(j, "Containers")));
	list_end_row(l);
}

/* One row a tag; digests that no tag covers get rows of their own when they are asked for. */
static void image_rows(struct list *l, struct cli *c, const struct json *j, bool digests)
{
	size_t rows = 0;

	json_for_each (t, json_get(j, "RepoTags")) {
		const char *text = json_str(t), *colon = text ? strrchr(text, ':') : NULL;
		const char *digest = "<none>";
		char *repo;

		if (!text || !colon || strcmp(text, "<none>:<none>") == 0)
			continue;
		repo = arena_strndup(c->a, text, (size_t)(colon - text));
		json_for_each (d, json_get(j, "RepoDigests")) {
			const char *at = json_str(d) ? strchr(json_str(d), '@') : NULL;

			if (at && strncmp(json_str(d), repo, strlen(repo)) == 0 &&
			    json_str(d)[strlen(repo)] == '@')
				digest = at + 1;
		}
		image_row(l, c, j, repo, colon + 1, digests ? digest : "<none>");
		rows++;
	}
	if (rows == 0) {
		const struct json *d = json_at(json_get(j, "RepoDigests"), 0);
		const char *at = json_str(d) ? strchr(json_str(d), '@') : NULL;

		image_row(l, c, j,
			  at ? arena_strndup(c->a, json_str(d), (size_t)(at - json_str(d))) : "<none>",
			  "<none>", at && digests ? at + 1 : "<none>");
	}
}

static int images_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_strlist struct strlist filters = { 0 };
	const struct strlist *given = flag_list(&c->f, "filter");
	const char *format = flag_str(&c->f, "format");
	const struct json *j = NULL;
	bool digests = flag_bool(&c->f, "digests") || (format && strstr(format, ".Digest"));
	struct list l;

	if (str_empty(format) && !flag_bool(&c->f, "quiet") && c->config)
		format = js(c->config, "imagesFormat");
	for (size_t i = 0; i < given->n; i++)
		strlist_add(&filters, given->v[i]);
	if (c->args.n)
		strlist_take(&filters, xasprintf("reference=%s", c->args.v[0]));
	sb_add(&path, "/images/json");
	client_query(&path, "all", flag_bool(&c->f, "all") ? "1" : NULL);
	if (cli_filters(c, &filters, &path, e) < 0 || cli_call(c, "GET", path.p, SV(""), &j, e) < 0)
		return -1;
	list_init(&l, c, image_columns, ARRAY_LEN(image_columns),
		  digests ? "table "
			    "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
			  : "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
		  "ID");
	json_for_each (it, j)
		image_rows(&l, c, it, digests);
	return list_print(&l, format, flag_bool(&c->f, "quiet"), e);
}

/* --- history --- */

static const struct flag history_flags[] = {
	{ "format", 0, FLAG_STRING, 0, NULL, "Print as 'table', 'table TEMPLATE', 'json' or a Go template",
	  NULL },
	{ "human", 'H', FLAG_BOOL, FLAG_TRUE, NULL, "Sizes and dates for people", "true" },
	{ "no-trunc", 0, FLAG_BOOL, 0, NULL, "Do not shorten", NULL },
	{ "platform", 0, FLAG_STRING, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Platform", NULL },
	{ "quiet", 'q', FLAG_BOOL, 0, NULL, "Only IDs", NULL },
};

static const struct column history_columns[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
};

static int history_run(struct cli *c, struct err **e)
{
	bool whole = flag_bool(&c->f, "no-trunc"), human = flag_bool(&c->f, "human");
	const struct json *j = NULL;
	struct list l;

	if (cli_call(c, "GET", cli_path(c, "/images/%s/history", c->args.v[0]), SV(""), &j, e) < 0)
		return -1;
	list_init(&l, c, history_columns, ARRAY_LEN(history_columns),
		  human ? "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
			: "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
		  "ID");
	json_for_each (it, j) {
		const char *id = js(it, "Id");
		int64_t when = ji(it, "Created");
		char *by = arena_strdup(c->a, js(it, "CreatedBy"));

		for (char *p = by; *p; p++)
			if (*p == '\t')
				*p = ' ';
		list_row(&l);
		list_field(&l, "ID", whole ? id : short_id(c, id));
		list_field(&l, "CreatedSince", when > 0 ? ago(c, when * NS_PER_SEC) : "N/A");
		list_field(&l, "CreatedAt", clock_rfc3339nano(when * NS_PER_SEC).s);
		list_field(&l, "CreatedBy", whole ? by : ellipsis(c, by, 45));
		if (human)
			list_field(&l, "Size", size_human_prec((double)ji(it, "Size"), 3).s);
		else
			list_fieldf(&l, "Size", "%lld", (long long)ji(it, "Size"));
		list_field(&l, "Comment", js(it, "Comment"));
		list_end_row(&l);
	}
	return list_print(&l, flag_str(&c->f, "format"), flag_bool(&c->f, "quiet"), e);
}

/* --- tag, rmi --- */

static int tag_run(struct cli *c, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	const char *target = c->args.v[1], *colon = strrchr(target, ':');
	cleanup_err struct err *why = NULL;
	struct reference ref;

	if (reference_parse(c->a, sv_of(target), &ref, &why) < 0)
		return err_set(e, ERR_INVALID,
			       "Error parsing reference: \"%s\" is not a valid repository/tag: %s", target,
			       err_text(why));
	if (colon && strchr(colon, '/'))
		colon = NULL;
	sb_add(&path, cli_path(c, "/images/%s/tag", c->args.v[0]));
	client_query(&path, "repo", colon ? arena_strndup(c->a, target, (size_t)(colon - target)) : target);
	client_query(&path, "tag", colon ? colon + 1 : "latest");
	return cli_call(c, "POST", path.p, SV(""), NULL, e);
}

static const struct flag rmi_flags[] = {
	{ "force", 'f', FLAG_BOOL, 0, NULL,
	  "Remove even what is tagged several times or used by stopped containers", NULL },
	{ "no-prune", 0, FLAG_BOOL, 0, NULL, "Keep untagged parents", NULL },
	{ "platform", 0, FLAG_LIST, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Platform", NULL },
};

static int rmi_one(struct cli *c, const char *arg, struct err **e)
{
	cleanup_strbuf struct strbuf path = { 0 };
	const struct json *j = NULL;

	sb_add(&path, cli_path(c, "/images/%s", arg));
	client_query(&path, "force", flag_bool(&c->f, "force") ? "1" : NULL);
	client_query(&path, "noprune", flag_bool(&c->f, "no-prune") ? "1" : NULL);
	if (cli_call(c, "DELETE", path.p, SV(""), &j, e) < 0)
		return -1;
	json_for_each (it, j) {
		if (json_get(it, "Deleted"))
			(void)printf("Deleted: %s\n", js(it, "Deleted"));
		else
			(void)printf("Untagged: %s\n", js(it, "Untagged"));
	}
	return 0;
}

static int rmi_run(struct cli *c, struct err **e UNUSED)
{
	return cli_each(c, rmi_one, false);
}

/* --- load, import, save --- */

static const struct flag load_flags[] = {
	{ "input", 'i', FLAG_STRING, 0, NULL, "Read from this file instead of STDIN", NULL },
	{ "platform", 0, FLAG_LIST, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Platform", NULL },
	{ "quiet", 'q', FLAG_BOOL, 0, NULL, "No progress", NULL },
};

static int send_archive(struct cli *c, const char *path, int fd, bool quiet, struct err **e)
{
	struct client *cl = cli_client(c, e);
	struct http_reply *r;

	if (!cl)
		return -1;
	r = client_stream(cl, "POST", path, "application/x-tar", SV(""), fd, e);
	return r ? progress_print(r, quiet, stdout, e) : -1;
}

static int load_run(struct cli *c, struct err **e)
{
	const char *input = flag_str(&c->f, "input");
	cleanup_close int file = -1;

	if (!str_empty(input)) {
		file = fs_open(input, O_RDONLY, 0);
		if (file < 0)
			return err_sys_class(e, ERR_INVALID, -file, "open %s", input);
	} else if (isatty(STDIN_FILENO)) {
		return err_set(e, ERR_INVALID, "requested load from stdin, but stdin is empty");
	}
	return send_archive(c, flag_bool(&c->f, "quiet") ? "/images/load?quiet=1" : "/images/load?quiet=0",
			    file >= 0 ? file : STDIN_FILENO, flag_bool(&c->f, "quiet"), e);
}

static const struct flag import_flags[] = {
	{ "change", 'c', FLAG_LIST, 0, NULL, "Apply a Dockerfile instruction to the image", NULL },
	{ "message", 'm', FLAG_STRING, 0, NULL, "Commit message", NULL },
	{ "platform", 0, FLAG_STRING, 0, NULL, "Platform of the image", NULL },
};

static int import_run(struct cli *c, struct err **e)
{
	const char *source = c->args.v[0], *ref = c->args.n > 1 ? c->args.v[1] : NULL,
		   *colon = ref ? strrchr(ref, ':') : NULL;
	const struct strlist *changes = flag_list(&c->f, "change");
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_close int file = -1;

	if (colon && strchr(colon, '/'))
		colon = NULL;
	if (str_starts(source, "http://") || str_starts(source, "https://"))
		return err_set(e, ERR_NOT_IMPLEMENTED, "import from a URL is not supported");
	sb_add(&path, "/images/create?fromSrc=-");
	client_query(&path, "repo", ref && colon ? arena_strndup(c->a, ref, (size_t)(colon - ref)) : ref);
	client_query(&path, "tag", colon ? colon + 1 : NULL);
	client_query(&path, "message", flag_str(&c->f, "message"));
	client_query(&path, "platform", flag_str(&c->f, "platform"));
	for (size_t i = 0; i < changes->n; i++)
		client_query(&path, "changes", changes->v[i]);
	if (strcmp(source, "-") != 0) {
		file = fs_open(source, O_RDONLY, 0);
		if (file < 0)
			return err_sys_class(e, ERR_INVALID, -file, "open %s", source);
	}
	return send_archive(c, path.p, file >= 0 ? file : STDIN_FILENO, false, e);
}

static const struct flag save_flags[] = {
	{ "output", 'o', FLAG_STRING, 0, NULL, "Write to this file instead of STDOUT", NULL },
	{ "platform", 0, FLAG_LIST, FLAG_UNSUPPORTED | FLAG_HIDDEN, NULL, "Platform", NULL },
};

static int copy_to(struct http_reply *r, int fd, struct err **e)
{
	for (;;) {
		struct sv piece;
		int n = http_reply_next(r, &piece), w;

		if (n < 0)
			return err_sys(e, -n, "read from the daemon");
		if (piece.n == 0)
			return 0;
		w = fd_write_full(fd, piece.p, piece.n);
		if (w < 0)
			return err_sys(e, -w, "write");
	}
}

static int save_run(struct cli *c, struct err **e)
{
	const char *output = flag_str(&c->f, "output");
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_http_reply struct http_reply *r = NULL;
	struct client *cl = cli_client(c, e);
	cleanup_close int file = -1;
	char *tmp;

	if (str_empty(output) && isatty(STDOUT_FILENO))
		return err_set(e, ERR_INVALID,
			       "cowardly refusing to save to a terminal. Use the -o flag or redirect");
	sb_add(&path, "/images/get");
	for (size_t i = 0; i < c->args.n; i++)
		client_query(&path, "names", c->args.v[i]);
	if (!cl)
		return -1;
	r = client_stream(cl, "GET", path.p, NULL, SV(""), -1, e);
	if (!r)
		return -1;
	if (str_empty(output))
		return copy_to(r, STDOUT_FILENO, e);
	/* A file appears whole or not at all. */
	tmp = arena_printf(c->a, "%s.tmp%d", output, (int)getpid());
	file = fs_open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (file < 0)
		return err_sys_class(e, ERR_INVALID, -file, "failed to save image: open %s", output);
	if (copy_to(r, file, e) < 0 || renameat(AT_FDCWD, tmp, AT_FDCWD, output) < 0) {
		(void)unlink(tmp);
		return e && *e ? -1 : err_sys(e, errno, "failed to save image: write %s", output);
	}
	return 0;
}

/* --- prune --- */

static const struct flag prune_flags[] = {
	{ "all", 'a', FLAG_BOOL, 0, NULL, "Remove all unused images, not only dangling ones", NULL },
	{ "filter", 0, FLAG_LIST, 0, "filter", "Remove only what matches", NULL },
	{ "force", 'f', FLAG_BOOL, 0, NULL, "Do not ask", NULL },
};

static int image_prune_run(struct cli *c, struct err **e)
{
	const struct strlist *given = flag_list(&c->f, "filter");
	cleanup_strbuf struct strbuf path = { 0 };
	cleanup_strlist struct strlist filters = { 0 };
	bool all = flag_bool(&c->f, "all");
	const struct json *j = NULL, *list;

	if (!flag_bool(&c->f, "force") &&
	    !cli_confirm(all ? "WARNING! This will remove all images without at least one container "
			       "associated to them.\nAre you sure you want to continue?"
			     : "WARNING! This will remove all dangling images.\nAre you sure you want to "
			       "continue?"))
		return err_set(e, ERR_CANCELLED, "image prune has been cancelled");
	for (size_t i = 0; i < given->n; i++)
		strlist_add(&filters, given->v[i]);
	strlist_add(&filters, all ? "dangling=false" : "dangling=true");
	sb_add(&path, "/images/prune");
	if (cli_filters(c, &filters, &path, e) < 0 || cli_call(c, "POST", path.p, SV(""), &j, e) < 0)
		return -1;
	list = json_get(j, "ImagesDeleted");
	if (list && list->n) {
		(void)printf("Deleted Images:\n");
		json_for_each (it, list)
			(void)printf(json_get(it, "Untagged") ? "untagged: %s\n" : "deleted: %s\n",
				     json_get(it, "Untagged") ? js(it, "Untagged") : js(it, "Deleted"));
		(void)printf("\n");
	}
	(void)printf("Total reclaimed space: %s\n", size_human((double)ji(j, "SpaceReclaimed")).s);
	return 0;
}

/* --- bootstrap: a base image from the distribution's own packages, made by the helper and loaded --- */

static int bootstrap_run(struct cli *c, struct err **e)
{
	cleanup_free char *helper = proc_sibling("hoy-bootstrap");
	cleanup_close int in = -1;
	int p[2], r, code;
	pid_t pid;

	if (access(helper, X_OK) != 0)
		return err_set(e, ERR_NOT_FOUND, "the image maker '%s' is not installed", helper);
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	in = p[0];
	{
		struct proc_fd fds[] = { { p[1], 1 }, { STDERR_FILENO, 2 } };
		struct proc_spawn s = { .path = helper,
					.argv = ARGV(helper, c->args.v[0]),
					.fds = fds,
					.n_fds = 2,
					.die_with_parent = true };

		r = proc_spawn(&s, &pid, NULL);
	}
	(void)close(p[1]);
	if (r < 0)
		return err_sys(e, -r, "start '%s'", helper);
	r = send_archive(c, "/images/load?quiet=0", in, false, e);
	fd_close(&in);
	code = proc_wait(pid);
	if (code != 0)
		return err_set(e, ERR_SYSTEM, "making image '%s' failed", c->args.v[0]);
	return r;
}

const struct command cmd_images = { "image ls",       "image list, images", "[OPTIONS] [REPOSITORY[:TAG]]",
				    "List images",    FLAGS(images_flags),  .max = 1,
				    .run = images_run };
const struct command cmd_history = {
	"image history",      "history", "[OPTIONS] IMAGE", "Show how an image was made",
	FLAGS(history_flags), .min = 1,  .max = 1,          .run = history_run
};
const struct command cmd_tag = { "image tag",
				 "tag",
				 "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
				 "Give an image another name",
				 .min = 2,
				 .max = 2,
				 .run = tag_run };
const struct command cmd_rmi = { "image rm",        "image remove, rmi", "[OPTIONS] IMAGE [IMAGE...]",
				 "Remove images",   FLAGS(rmi_flags),    .min = 1,
				 .max = CLI_NO_MAX, .run = rmi_run };
const struct command cmd_load = { "image load",      "load",
				  "[OPTIONS]",       "Load images from an archive",
				  FLAGS(load_flags), .run = load_run };
const struct command cmd_import = { "image import",
				    "import",
				    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
				    "Make an image of a tar file",
				    FLAGS(import_flags),
				    .min = 1,
				    .max = 2,
				    .run = import_run };
const struct command cmd_save = { "image save",
				  "save",
				  "[OPTIONS] IMAGE [IMAGE...]",
				  "Save images to an archive",
				  FLAGS(save_flags),
				  .min = 1,
				  .max = CLI_NO_MAX,
				  .run = save_run };
const struct command cmd_image_prune = { "image prune",      NULL,
					 "[OPTIONS]",        "Remove unused images",
					 FLAGS(prune_flags), .run = image_prune_run };
const struct command cmd_bootstrap = { "image bootstrap",
				       NULL,
				       "NAME[:TAG]",
				       "Make a base image from the distribution's signed packages",
				       .min = 1,
				       .max = 1,
				       .run = bootstrap_run };
