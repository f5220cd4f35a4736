/* SPDX-License-Identifier: Apache-2.0 */
/* load, save, import, pull, bootstrap: images in and out. */
#include "cli/commands.h"

#include "base/fs.h"
#include "base/proc.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "model/reference.h"

#include <errno.h>
#include <sys/wait.h>

static ssize_t read_fd(void *ctx, void *buf, size_t n)
{
	ssize_t r;

	do
		r = read(*(int *)ctx, buf, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int send_archive(struct cli *c, const char *path, int fd, bool quiet, const char **last,
			struct err **e)
{
	struct client *cl = cli_client(c, e);

	if (!cl)
		return -1;
	cleanup_http_reply struct http_reply *r =
		client_send(cl,
			    &(struct client_call){ .method = "POST",
						   .path = path,
						   .content_type = "application/x-tar",
						   .read_body = read_fd,
						   .read_ctx = &fd },
			    e);
	return r ? progress_show(c, r, stdout, quiet, last, e) : -1;
}

static int load(struct cli *c, struct err **e)
{
	const char *input = flag_str(&c->f, "input");
	cleanup_close int fd = -1;

	if (*input) {
		fd = fs_open(input, O_RDONLY, 0);
		if (fd < 0)
			return err_sys_class(e, ERR_INVALID, -fd, "open %s", input);
	} else if (isatty(STDIN_FILENO)) {
		return err_set(e, ERR_INVALID, "requested load from stdin, but stdin is empty");
	}
	/* quiet: the engine leaves out the layers; the names are shown nevertheless */
	return send_archive(c,
			    flag_bool(&c->f, "quiet") || !isatty(STDOUT_FILENO) ? "/images/load?quiet=1"
										: "/images/load?quiet=0",
			    fd >= 0 ? fd : STDIN_FILENO, false, NULL, e);
}

static const struct flag load_flags[] = {
	{ "input", FLAG_STRING, 'i', .help = "Read from tar archive file, instead of STDIN" },
	{ "quiet", FLAG_BOOL, 'q', .help = "Suppress the load output" },
};

const struct command cmd_load = {
	.name = "load",
	.group = "image",
	.top = "load",
	.usage = "[OPTIONS]",
	.about = "Load an image from a tar archive or STDIN",
	FLAGS(load_flags),
	.run = load,
};

/* --- save --- */

static int copy_reply(struct http_reply *r, int fd, struct err **e)
{
	for (;;) {
		struct sv s = { 0 };
		int n = http_reply_next(r, &s);

		if (n < 0)
			return err_sys(e, -n, "read the engine's reply");
		if (s.n == 0)
			return 0;
		n = fd_write_full(fd, s.p, s.n);
		if (n < 0)
			return err_sys(e, -n, "write the archive");
	}
}

static int save(struct cli *c, struct err **e)
{
	const char *output = flag_str(&c->f, "output"), *path = "/images/get";
	struct client *cl = cli_client(c, e);
	cleanup_close int fd = -1;

	if (!cl)
		return -1;
	if (!*output && isatty(STDOUT_FILENO))
		return err_set(e, ERR_INVALID,
			       "cowardly refusing to save to a terminal. Use the -o flag or redirect");
	for (size_t i = 0; i < c->f.args.n; i++)
		path = client_query(c->a, path, "names", cli_arg(c, i));
	cleanup_http_reply struct http_reply *r =
		client_send(cl, &(struct client_call){ .method = "GET", .path = path }, e);
	if (!r)
		return -1;
	if (!*output)
		return copy_reply(r, STDOUT_FILENO, e);
	/* a half-written archive is not left under its name */
	const char *temp = arena_printf(c->a, "%s.tmp-%d", output, (int)getpid());
	fd = fs_open(temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_sys_class(e, ERR_INVALID, -fd, "failed to save image: open %s", output);
	if (copy_reply(r, fd, e) < 0) {
		(void)unlinkat(AT_FDCWD, temp, 0);
		return -1;
	}
	if (renameat(AT_FDCWD, temp, AT_FDCWD, output) < 0)
		return err_sys(e, errno, "failed to save image: %s", output);
	return 0;
}

static const struct flag save_flags[] = {
	{ "output", FLAG_STRING, 'o', .help = "Write to a file, instead of STDOUT" },
};

const struct command cmd_save = {
	.name = "save",
	.group = "image",
	.top = "save",
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.about = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	FLAGS(save_flags),
	.min_args = 1,
	.max_args = -1,
	.run = save,
};

/* --- import --- */

static int import(struct cli *c, struct err **e)
{
	const char *source = cli_arg(c, 0), *ref = cli_arg(c, 1), *path = "/images/create", *id = NULL;
	const struct model_str_list *changes = flag_list(&c->f, "change");
	bool is_url = str_starts(source, "http://") || str_starts(source, "https://");
	cleanup_close int fd = -1;

	path = client_query(c->a, path, "fromSrc", is_url ? source : "-");
	if (ref) {
		struct reference r;

		if (reference_parse(c->a, sv_of(ref), &r, e) < 0)
			return -1;
		path = client_query(c->a, path, "repo", ref);
	}
	for (size_t i = 0; i < changes->n; i++)
		path = client_query(c->a, path, "changes", changes->v[i]);
	if (*flag_str(&c->f, "message"))
		path = client_query(c->a, path, "message", flag_str(&c->f, "message"));
	if (*flag_str(&c->f, "platform"))
		path = client_query(c->a, path, "platform", flag_str(&c->f, "platform"));
	if (!is_url && strcmp(source, "-") != 0) {
		fd = fs_open(source, O_RDONLY, 0);
		if (fd < 0)
			return err_sys_class(e, ERR_INVALID, -fd, "open %s", source);
	}
	if (is_url)
		fd = fs_open("/dev/null", O_RDONLY, 0);
	return send_archive(c, path, fd >= 0 ? fd : STDIN_FILENO, false, &id, e);
}

static const struct flag import_flags[] = {
	{ "change", FLAG_LIST, 'c', .help = "Apply Dockerfile instruction to the created image" },
	{ "message", FLAG_STRING, 'm', .help = "Set commit message for imported image" },
	{ "platform", FLAG_STRING, .help = "Set platform if server is multi-platform capable" },
};

const struct command cmd_import = {
	.name = "import",
	.group = "image",
	.top = "import",
	.usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
	.about = "Import the contents from a tarball to create a filesystem image",
	FLAGS(import_flags),
	.min_args = 1,
	.max_args = -1,
	.run = import,
};

/* --- pull --- */

static int pull(struct cli *c, struct err **e)
{
	struct reference ref;

	if (flag_bool(&c->f, "all-tags"))
		return err_set(e, ERR_NOT_IMPLEMENTED, "--all-tags is not available");
	if (reference_parse(c->a, sv_of(cli_arg(c, 0)), &ref, e) < 0)
		return -1;
	if (!ref.tag && !ref.digest && !flag_bool(&c->f, "quiet"))
		(void)printf("Using default tag: latest\n");
	if (image_pull(c, cli_arg(c, 0), flag_str(&c->f, "platform"), flag_bool(&c->f, "quiet"), false, e) <
	    0)
		return -1;
	reference_default_tag(&ref);
	(void)printf("%s\n", reference_string(c->a, &ref));
	return 0;
}

static const struct flag pull_flags[] = {
	{ "all-tags", FLAG_BOOL, 'a', .help = "Download all tagged images in the repository" },
	{ "platform", FLAG_STRING, .help = "Set platform if server is multi-platform capable" },
	{ "quiet", FLAG_BOOL, 'q', .help = "Suppress verbose output" },
};

const struct command cmd_pull = {
	.name = "pull",
	.group = "image",
	.top = "pull",
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.about = "Download an image from a registry",
	FLAGS(pull_flags),
	.min_args = 1,
	.max_args = 1,
	.is_common = true,
	.run = pull,
};

/* --- bootstrap: hoy-bootstrap makes the archive, the engine loads it --- */

static int bootstrap(struct cli *c, struct err **e)
{
	cleanup_free char *program = proc_sibling("hoy-bootstrap");
	const char *include = flag_str(&c->f, "include"), *tag_as = flag_str(&c->f, "tag");
	const char *argv[8] = { program, cli_arg(c, 0) };
	size_t n = 2;
	int pipefd[2], code;
	pid_t pid;

	if (!program)
		return err_set(e, ERR_NOT_FOUND, "hoy-bootstrap is not installed beside this program");
	if (!cli_client(c, e) || client_ping(c->client, e) < 0)
		return -1;
	if (*include) {
		argv[n++] = "--include";
		argv[n++] = include;
	}
	if (*tag_as) {
		argv[n++] = "--tag";
		argv[n++] = tag_as;
	}
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	struct proc_fd fds[] = { { pipefd[1], STDOUT_FILENO }, { STDERR_FILENO, STDERR_FILENO } };
	code = proc_spawn(&(struct proc_spawn){ .path = program,
						.argv = (char *const *)(uintptr_t)argv,
						.fds = fds,
						.n_fds = ARRAY_LEN(fds) },
			  &pid, NULL);
	fd_close(&pipefd[1]);
	if (code < 0) {
		fd_close(&pipefd[0]);
		return err_sys(e, -code, "start '%s'", program);
	}
	int sent = send_archive(c, "/images/load?quiet=1", pipefd[0], false, NULL, e);
	fd_close(&pipefd[0]);
	code = proc_wait(pid);
	/* its own words say what failed; a cut archive's error would only hide them */
	if (code != 0)
		return code < 0 || code > 125 ? 1 : code;
	return sent;
}

static const struct flag bootstrap_flags[] = {
	{ "include", FLAG_STRING, .help = "Further packages, separated by commas" },
	{ "tag", FLAG_STRING, .help = "Name and tag for the image instead of the one asked for" },
};

const struct command cmd_image_bootstrap = {
	.name = "bootstrap",
	.group = "image",
	.usage = "[OPTIONS] debian:SUITE|busybox[:TAG]",
	.about = "Make a base image from the distribution's signed packages",
	FLAGS(bootstrap_flags),
	.min_args = 1,
	.max_args = 1,
	.run = bootstrap,
};
