/* SPDX-License-Identifier: Apache-2.0 */
#include "store/files.h"

#include "store/store-internal.h"

#include "base/fs.h"
#include "base/mem.h"
#include "codec/compress.h"
#include "codec/json.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define CHUNK       ((size_t)64 << 10)
#define CHANGES_MAX ((size_t)64 << 20)
#define PIPE_SIZE   (1 << 20)

struct drain {
	struct sandbox_proc w;
	int out; /* the worker's stdout, our end */
	void (*on_stat)(void *ctx, struct sv json);
	void *ctx;
	const struct store_sink *sink;
};

static void drain_release(struct drain *d)
{
	fd_close(&d->out);
	sandbox_release(&d->w);
}

static int one_message(struct drain *d, char *msg, bool *open, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	const struct json *j;
	ssize_t n = sandbox_recv(&d->w, msg, e);
	if (n <= 0) {
		*open = false;
		return (int)n;
	}
	if (json_parse(a, sv_n(msg, (size_t)n), NULL, &j, e) < 0)
		return -1;
	if (json_get(j, "stat") && d->on_stat)
		d->on_stat(d->ctx, json_get(j, "stat")->raw);
	return 0;
}

/* Control messages first: the stat comes before the tar, and an error ends it. */
static int drain_run(struct drain *d, struct err **e)
{
	cleanup_free char *msg = xmalloc(SANDBOX_MAX_MSG + 1);
	cleanup_free char *buf = xmalloc(CHUNK);
	bool open = true;
	while (open || d->out >= 0) {
		struct pollfd fds[2] = { { .fd = open ? d->w.control : -1, .events = POLLIN },
					 { .fd = d->out, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		if (fds[0].revents) {
			if (one_message(d, msg, &open, e) < 0)
				return -1;
			continue;
		}
		if (!fds[1].revents)
			continue;
		ssize_t n = read_from_fd(&d->out, buf, CHUNK, e);
		if (n < 0)
			return -1;
		if (n == 0)
			fd_close(&d->out);
		else if (d->sink && d->sink->write(d->sink->ctx, buf, (size_t)n, e) < 0)
			return -1;
	}
	return sandbox_finish(&d->w, e);
}

static int drain_start(struct store *s, struct drain *d, const char *verb, const char *path, int root_fd,
		       int lower_fd, struct err **e)
{
	int p[2];
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	d->out = p[0];
	cleanup_close int in = p[1];
	(void)fcntl(in, F_SETPIPE_SZ, PIPE_SIZE);
	struct proc_fd fds[3] = { { .from = in, .to = 1 },
				  { .from = root_fd, .to = 4 },
				  { .from = lower_fd, .to = 5 } };
	char word[] = "pack";
	cleanup_free char *v = xstrdup(verb), *at = xstrdup_opt(path);
	char *argv[] = { s->worker, word, v, at, NULL };
	return sandbox_start(s->worker, argv, fds, lower_fd >= 0 ? 3 : 2, &d->w, e);
}

static int run(struct store *s, const char *verb, const char *path, int root_fd, int lower_fd,
	       void (*on_stat)(void *, struct sv), void *ctx, const struct store_sink *sink, struct err **e)
{
	__attribute__((cleanup(drain_release))) struct drain d = {
		.w = SANDBOX_PROC_INIT, .out = -1, .on_stat = on_stat, .ctx = ctx, .sink = sink
	};
	return drain_start(s, &d, verb, path, root_fd, lower_fd, e) < 0 ? -1 : drain_run(&d, e);
}

static void keep_stat(void *ctx, struct sv json)
{
	sb_reset(ctx);
	sb_addsv(ctx, json);
}

int store_files_stat(struct store *s, int root_fd, const char *path, struct strbuf *json, struct err **e)
{
	return run(s, "stat", path, root_fd, -1, keep_stat, json, NULL, e);
}

int store_files_get(struct store *s, int root_fd, const char *path,
		    void (*on_stat)(void *ctx, struct sv json), void *ctx, const struct store_sink *sink,
		    struct err **e)
{
	return run(s, "get", path, root_fd, -1, on_stat, ctx, sink, e);
}

int store_files_export(struct store *s, int root_fd, const struct store_sink *sink, struct err **e)
{
	return run(s, "export", NULL, root_fd, -1, NULL, NULL, sink, e);
}

int store_files_put(struct store *s, int root_fd, const char *path, const struct store_put *how,
		    const struct store_source *src, struct err **e)
{
	cleanup_sandbox struct sandbox_proc w = SANDBOX_PROC_INIT;
	cleanup_arena struct arena *a = arena_new();
	const struct json *done;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];
	struct proc_fd fds[] = { { .from = theirs, .to = 0 }, { .from = root_fd, .to = 4 } };
	char word[][8] = { "unpack", "files", "keep" };
	char *owner = arena_printf(a, "%u:%u", how->uid, how->gid), *at = arena_strdup(a, path);
	char *argv[7] = { s->worker, word[0], word[1], at };
	size_t n = 4;
	if (how->no_overwrite)
		argv[n++] = word[2];
	if (how->has_owner)
		argv[n++] = owner;
	if (sandbox_start(s->worker, argv, fds, ARRAY_LEN(fds), &w, e) < 0)
		return -1;
	fd_close(&theirs);
	return worker_run(&w, TAKE_FD(ours), src, NULL, NULL, a, &done, e);
}

/* --- against the image --- */

static int to_strbuf(void *ctx, const void *p, size_t n, struct err **e)
{
	struct strbuf *b = ctx;
	if (b->n + n > CHANGES_MAX)
		return err_set(e, ERR_SYSTEM, "more changes than can be listed");
	sb_addn(b, p, n);
	return 0;
}

int store_snapshot_changes(struct store *s, const char *id, struct strbuf *json, struct err **e)
{
	struct store_sink sink = { .write = to_strbuf, .ctx = json };
	cleanup_close int upper = store_snapshot_upper(s, id, e);
	cleanup_close int lower = upper < 0 ? -1 : snapshot_lower(s, id, e);
	return lower < 0 ? -1 : run(s, "changes", NULL, upper, lower, NULL, NULL, &sink, e);
}

int files_diff_start(struct store *s, const char *id, struct files_diff *fd, struct err **e)
{
	fd->d = NEW(struct drain);
	*fd->d = (struct drain){ .w = SANDBOX_PROC_INIT, .out = -1 };
	cleanup_close int upper = store_snapshot_upper(s, id, e);
	cleanup_close int lower = upper < 0 ? -1 : snapshot_lower(s, id, e);
	return lower < 0 ? -1 : drain_start(s, fd->d, "diff", NULL, upper, lower, e);
}

ssize_t files_diff_read(void *ctx, void *buf, size_t n, struct err **e)
{
	struct files_diff *fd = ctx;
	ssize_t r = read_from_fd(&fd->d->out, buf, n, e);
	if (r != 0)
		return r;
	/* The end of the bytes is not yet success. */
	fd_close(&fd->d->out);
	return fd->d->w.pid > 0 && drain_run(fd->d, e) < 0 ? -1 : 0;
}

void files_diff_release(struct files_diff *fd)
{
	if (!fd->d)
		return;
	drain_release(fd->d);
	free(fd->d);
	fd->d = NULL;
}
