/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a new image becomes durable:
 *
 *	1. its missing layers are unpacked below tmp/<staging>/, outside of every table
 *	2. syncfs: their bytes are on the disk
 *	3. layers/<chain> and blobs/sha256/<hex> get their names by rename; the directories are synced
 *	4. one transaction (synchronous=FULL) adds the rows of layers, image and tags
 *
 * A kill before 4 leaves directories without rows, which the next start removes.
 */
#include "store/store-internal.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/json.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define PUMP_SIZE ((size_t)64 << 10)

int staging_open(struct store *s, struct staging *st, struct err **e)
{
	(void)snprintf(st->name, sizeof(st->name), "%016llx", (unsigned long long)random_u64());
	int r = fs_mkdir_at(s->tmp_fd, st->name, 0700);
	if (r == 0)
		r = st->fd = fs_open_at(s->tmp_fd, st->name, O_RDONLY | O_DIRECTORY, 0);
	return r < 0 ? err_sys(e, -r, "create staging directory") : 0;
}

void staging_close(struct store *s, struct staging *st)
{
	fd_close(&st->fd);
	(void)trash(s, s->tmp_fd, st->name);
}

void new_image_pin(struct store *s, struct new_image *ni)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < ni->n_layers; i++) {
		struct new_layer *l = &ni->layers[i];
		if (!l->have)
			l->have = layer_ref_locked(map_get(&s->layers, l->chain));
	}
	pthread_mutex_unlock(&s->lock);
}

void new_image_unpin(struct store *s, struct new_image *ni)
{
	for (size_t i = ni->n_layers; i-- > 0;) {
		(void)layer_release(s, ni->layers[i].have, NULL);
		ni->layers[i].have = NULL;
	}
}

/* --- the worker --- */

/* The merged view of what is below layer i, its own directory on top; -1 with an error. */
static int mount_for(struct store *s, struct new_image *ni, size_t i, int dir, struct err **e)
{
	cleanup_free int *fds = xcalloc(i + 1, sizeof(*fds));
	size_t n = 0;
	char path[64];
	struct stat st;
	int r = 0;

	for (size_t k = i; r == 0 && k-- > 0;) {
		const struct new_layer *l = &ni->layers[k];
		if (l->have) {
			size_t more;
			if (layer_open_all(s, l->have, fds + n, &more, e) < 0)
				r = -1;
			else
				n += more;
			break;
		}
		(void)snprintf(path, sizeof(path), "%s/diff", l->dir);
		fds[n] = fs_open_at(ni->st->fd, path, O_PATH | O_DIRECTORY, 0);
		if (fds[n] < 0)
			r = err_sys(e, -fds[n], "open layer");
		else
			n++;
	}
	cleanup_close int upper = fs_open_at(dir, "diff", O_RDONLY | O_DIRECTORY, 0);
	cleanup_close int work = fs_open_at(dir, "work", O_PATH | O_DIRECTORY, 0);
	if (r == 0 && (upper < 0 || work < 0))
		r = err_sys(e, upper < 0 ? -upper : -work, "open layer");
	/* The root's owner and mode show from the topmost layer: inherit them. */
	if (r == 0 && (fstat(fds[0], &st) < 0 || fchown(upper, st.st_uid, st.st_gid) < 0 ||
		       fchmod(upper, st.st_mode & 07777) < 0))
		r = err_sys(e, errno, "layer's root");
	if (r == 0) {
		const struct overlay o = {
			.lower = fds, .n_lower = n, .upper_fd = upper, .work_fd = work, .is_volatile = true
		};
		r = overlay_mount(s, &o, e);
	}
	for (size_t k = 0; k < n; k++)
		fd_close(&fds[k]);
	return r;
}

struct pump {
	const struct store_source *src;
	int to;
	char *buf;
	size_t at, n;
};

/* One step of source → worker: 1 go on, 0 all is written, -1. */
static int pump_step(struct pump *p, struct err **e)
{
	if (p->at == p->n) {
		ssize_t n = p->src->read(p->src->ctx, p->buf, PUMP_SIZE, e);
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		p->at = 0;
		p->n = (size_t)n;
	}
	ssize_t n = send(p->to, p->buf + p->at, p->n - p->at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		p->at += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR && errno != EPIPE && errno != ECONNRESET)
		return err_sys(e, errno, "feed worker");
	else if (errno == EPIPE || errno == ECONNRESET)
		return 0; /* it gave up: its last message says why */
	return 1;
}

int worker_run(struct sandbox_proc *w, int feed_fd, const struct store_source *src,
	       void (*progress)(void *, uint64_t), void *ctx, struct arena *a, const struct json **done,
	       struct err **e)
{
	cleanup_free char *msg = xmalloc(SANDBOX_MAX_MSG + 1);
	cleanup_free char *buf = src ? xmalloc(PUMP_SIZE) : NULL;
	cleanup_close int feed = feed_fd;
	struct pump p = { .src = src, .to = feed_fd, .buf = buf };
	const struct json *j;
	uint64_t u;

	*done = NULL;
	for (;;) {
		struct pollfd fds[2] = { { .fd = w->control, .events = POLLIN },
					 { .fd = feed, .events = POLLOUT } };
		if (poll(fds, feed >= 0 ? 2 : 1, -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		if (feed >= 0 && fds[1].revents && !(fds[0].revents & POLLIN)) {
			int r = pump_step(&p, e);
			if (r < 0)
				return -1;
			if (r == 0)
				fd_close(&feed);
		}
		if (!fds[0].revents)
			continue;
		ssize_t n = sandbox_recv(w, msg, e);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		if (json_parse(a, sv_n(arena_strndup(a, msg, (size_t)n), (size_t)n), NULL, &j, e) < 0)
			return -1;
		if (json_get(j, "done"))
			*done = json_get(j, "done");
		else if (progress && json_u64(json_get(j, "progress"), &u) == 0)
			progress(ctx, u);
	}
	if (sandbox_finish(w, e) < 0)
		return -1;
	return *done ? 0 : err_set(e, ERR_SYSTEM, "worker ended without a result");
}

static int hex_field(const struct json *j, const char *key, char out[HEX + 1], struct err **e)
{
	const char *v = json_str(json_get(j, key));
	if (!v || !id_is_full(sv_of(v)))
		return err_set(e, ERR_SYSTEM, "worker gave no %s", key);
	memcpy(out, v, HEX + 1);
	return 0;
}

int new_image_unpack(struct store *s, struct new_image *ni, size_t i, int in_fd, bool tee,
		     const struct store_source *src, void (*progress)(void *, uint64_t), void *ctx,
		     char blob[HEX + 1], struct err **e)
{
	struct new_layer *l = &ni->layers[i];
	cleanup_sandbox struct sandbox_proc w = SANDBOX_PROC_INIT;
	cleanup_arena struct arena *a = arena_new();
	const struct json *done;
	int pair[2] = { -1, -1 };

	(void)snprintf(l->dir, sizeof(l->dir), "l%zu", i);
	int r = fs_mkdir_at(ni->st->fd, l->dir, 0700);
	cleanup_close int dir = r < 0 ? r : fs_open_at(ni->st->fd, l->dir, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 || (r = fs_mkdir_at(dir, "diff", 0755)) < 0 ||
	    (i > 0 && (r = fs_mkdir_at(dir, "work", 0700)) < 0))
		return err_sys(e, dir < 0 ? -dir : -r, "create layer");
	cleanup_close int root =
		i > 0 ? mount_for(s, ni, i, dir, e) : fs_open_at(dir, "diff", O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return i > 0 ? -1 : err_sys(e, -root, "open layer");
	cleanup_close int copy = -1;
	if (tee) {
		(void)snprintf(l->file, sizeof(l->file), "b%zu", i);
		copy = fs_open_at(ni->st->fd, l->file, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (copy < 0)
			return err_sys(e, -copy, "create blob");
	}
	if (src && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "socketpair");
	cleanup_close int theirs = pair[1];
	struct proc_fd fds[3] = { { .from = src ? theirs : in_fd, .to = 0 }, { .from = root, .to = 4 } };
	size_t n_fds = 2;
	if (tee)
		fds[n_fds++] = (struct proc_fd){ .from = copy, .to = 5 };
	char word[][8] = { "unpack", "layer", "base", "tee" };
	char *argv[8] = { s->worker, word[0], word[1] };
	size_t n = 3;
	if (i == 0)
		argv[n++] = word[2];
	if (tee)
		argv[n++] = word[3];
	r = sandbox_start(s->worker, argv, fds, n_fds, &w, e);
	fd_close(&theirs);
	if (r < 0) {
		fd_close(&pair[0]);
		return -1;
	}
	if (worker_run(&w, pair[0], src, progress, ctx, a, &done, e) < 0)
		return -1;
	char diff[HEX + 1];
	if (hex_field(done, "diff_id", diff, e) < 0 || hex_field(done, "blob", blob, e) < 0)
		return -1;
	if (json_u64(json_get(done, "file_bytes"), &l->size) < 0 || l->size > INT64_MAX)
		return err_set(e, ERR_SYSTEM, "worker gave no size");
	if (!l->diff[0]) /* nobody knew before */
		memcpy(l->diff, diff, sizeof(diff));
	if (!str_eq(diff, l->diff))
		return err_set(e, ERR_INVALID,
			       "invalid diffID for layer %zu: expected \"sha256:%s\", got \"sha256:%s\"", i,
			       l->diff, diff);
	if (tee)
		memcpy(blob, diff, HEX + 1);
	if (i > 0)
		(void)trash(s, dir, "work");
	return 0;
}

/* --- publishing --- */

static int sync_staging(struct new_image *ni, struct err **e)
{
	bool any = false;
	for (size_t i = 0; i < ni->n_layers; i++)
		any |= !ni->layers[i].have;
	int r = fault_point("store.publish.sync");
	if (r == 0 && any && syncfs(ni->st->fd) < 0)
		r = -errno;
	return r < 0 ? err_sys(e, -r, "sync layers") : 0;
}

static int give_name(int from, const char *name, int to, const char *hex)
{
	/* What stands there already is a leftover without a row, or the same blob. */
	if (renameat2(from, name, to, hex, RENAME_NOREPLACE) == 0)
		return 0;
	return -errno;
}

static int name_layers(struct store *s, struct new_image *ni, struct err **e)
{
	int r = fault_point("store.publish.rename");
	bool any = false;
	for (size_t i = 0; r == 0 && i < ni->n_layers; i++) {
		const struct new_layer *l = &ni->layers[i];
		if (l->have)
			continue;
		any = true;
		r = give_name(ni->st->fd, l->dir, s->layers_fd, l->chain);
		if (r == -EEXIST && (r = trash(s, s->layers_fd, l->chain)) == 0)
			r = give_name(ni->st->fd, l->dir, s->layers_fd, l->chain);
		if (r == 0)
			r = give_name(ni->st->fd, l->file, s->blobs_fd, l->blob);
		if (r == -EEXIST)
			r = 0;
		if (r == 0)
			r = fault_point("store.publish.renamed");
	}
	if (r == 0 && any && (fsync(s->layers_fd) < 0 || fsync(s->blobs_fd) < 0))
		r = -errno;
	return r < 0 ? err_sys(e, -r, "publish layers") : 0;
}

static int write_rows(struct store *s, struct new_image *ni, bool is_new, int64_t now, struct err **e)
{
	struct body *b = ni->body;
	cleanup_tx struct db *tx = NULL;
	int r = fault_point("store.publish.commit");
	if (r < 0)
		return err_sys(e, -r, "commit image");
	if (db_tx(s->db, &tx, e) < 0)
		return -1;
	for (size_t i = 0; i < ni->n_layers; i++) {
		const struct new_layer *l = &ni->layers[i];
		if (!l->have &&
		    db_exec(tx, e,
			    /* replace: a full disk may have kept the row of a layer that was removed */
			    "INSERT OR REPLACE INTO layers (chain, diff, blob, parent, size) VALUES (?, ?, "
			    "?, ?, ?)",
			    "ssssu", l->chain, l->diff, l->blob, i ? ni->layers[i - 1].chain : NULL,
			    l->size) < 0)
			return -1;
	}
	if (is_new &&
	    db_exec(tx, e, /* replace: the row of an image that could not be read at the start */
		    "INSERT OR REPLACE INTO images (id, config, top, parent, added) VALUES (?, ?, ?, ?, ?)",
		    "sbssi", b->id, b->json.p, b->json.n,
		    ni->n_layers ? ni->layers[ni->n_layers - 1].chain : NULL, b->parent, now) < 0)
		return -1;
	for (size_t i = 0; i < ni->n_tags; i++)
		if (ref_write(s, ni->tags[i], b->id, false, now, e) < 0)
			return -1;
	return db_tx_commit(&tx, e);
}

static void enter_locked(struct store *s, struct new_image *ni, bool is_new)
{
	struct layer *below = NULL;
	for (size_t i = 0; i < ni->n_layers; i++) {
		struct new_layer *n = &ni->layers[i];
		if (!n->have) {
			struct layer *l = NEW(struct layer);
			memcpy(l->chain, n->chain, sizeof(l->chain));
			memcpy(l->diff, n->diff, sizeof(l->diff));
			memcpy(l->blob, n->blob, sizeof(l->blob));
			l->size = n->size;
			l->depth = (unsigned)i + 1;
			l->parent = layer_ref_locked(below);
			(void)map_put(&s->layers, l->chain, l);
			n->have = layer_ref_locked(l); /* new_image_unpin() gives it back */
		}
		below = n->have;
	}
	if (is_new) {
		struct body *b = ni->body;
		b->top = layer_ref_locked(below);
		b->size = 0;
		for (const struct layer *l = below; l; l = l->parent)
			b->size += l->size;
		ni->body = NULL;
		image_enter_locked(s, b);
	}
}

int new_image_publish(struct store *s, struct new_image *ni, char **renamed, struct err **e)
{
	int64_t now = clock_now_ns();
	char id[DIGEST_LEN + 1];
	memcpy(id, ni->body->id, sizeof(id));
	if (sync_staging(ni, e) < 0)
		return -1;
	pthread_mutex_lock(&s->ingest);
	new_image_pin(s, ni); /* another load may have brought some meanwhile */
	pthread_mutex_lock(&s->lock);
	bool is_new = !view_find_locked(s, id);
	pthread_mutex_unlock(&s->lock);
	int r = name_layers(s, ni, e);
	if (r == 0)
		r = write_rows(s, ni, is_new, now, e);
	if (r == 0) {
		pthread_mutex_lock(&s->lock);
		enter_locked(s, ni, is_new);
		for (size_t i = 0; i < ni->n_tags; i++) {
			char *before = ref_enter_locked(s, ni->tags[i], id, false, now);
			if (before && renamed && !str_eq(before, id))
				renamed[i] = before;
			else
				free(before);
		}
		pthread_mutex_unlock(&s->lock);
	}
	pthread_mutex_unlock(&s->ingest);
	return r;
}
