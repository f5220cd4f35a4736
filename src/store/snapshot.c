/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshots/<id>/{upper,work} and the link `chain` that names the layers below: four system calls to make one, no
 * database. The link keeps the layers alive over restarts.
 */
#include "store/store-internal.h"

#include "base/fault.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/mem.h"
#include "kernel/mount.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#define CHAIN_NONE "-"

static int check_id(const char *id, struct err **e)
{
	if (!id_is_full(sv_of(id)))
		return err_set(e, ERR_INVALID, "invalid snapshot id '%.80s'", id);
	return 0;
}

/* The root's owner and mode show through overlay from the top directory: take them from the layer below. */
static int make_upper(struct store *s, int dir, const struct layer *top)
{
	char path[HEX + 8];
	struct stat st = { .st_mode = 0755 };
	if (top != &no_layer) {
		(void)snprintf(path, sizeof(path), "%s/diff", top->chain);
		if (fstatat(s->layers_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	mode_t mode = st.st_mode & 07777;
	if (mkdirat(dir, "upper", mode) < 0)
		return -errno;
	if (st.st_uid || st.st_gid) {
		if (fchownat(dir, "upper", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	/* The umask may have taken bits, and mkdir does not give set-id ones. */
	if (mode != 0755 || st.st_uid || st.st_gid)
		if (fchmodat(dir, "upper", mode, 0) < 0)
			return -errno;
	return 0;
}

static int build(struct store *s, const char *id, const struct layer *top)
{
	if (mkdirat(s->snapshots_fd, id, 0710) < 0)
		return -errno;
	cleanup_close int dir = fs_open_at(s->snapshots_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	int r = dir;
	/* The link first: a snapshot without it is a leftover of a kill. */
	if (r >= 0)
		r = symlinkat(top == &no_layer ? CHAIN_NONE : top->chain, dir, "chain") < 0 ? -errno : 0;
	if (r >= 0)
		r = fault_point("store.snapshot.create");
	if (r >= 0)
		r = make_upper(s, dir, top);
	if (r >= 0)
		r = mkdirat(dir, "work", 0700) < 0 ? -errno : 0;
	if (r < 0)
		(void)trash(s, s->snapshots_fd, id);
	return r;
}

int store_snapshot_create(struct store *s, const char *id, const struct store_image *img, struct err **e)
{
	if (check_id(id, e) < 0)
		return -1;
	struct layer *top = &no_layer;
	pthread_mutex_lock(&s->lock);
	bool exists = map_has(&s->snapshots, id);
	if (!exists && img && img->chain)
		top = map_get(&s->layers, img->chain);
	if (!exists && top)
		(void)map_put(&s->snapshots, id, layer_ref_locked(top));
	pthread_mutex_unlock(&s->lock);
	if (exists)
		return err_set(e, ERR_CONFLICT, "snapshot '%s' exists already", id);
	if (!top)
		return err_set(e, ERR_NOT_FOUND, "No such image: %s", img->id);
	int r = build(s, id, top);
	if (r < 0) {
		pthread_mutex_lock(&s->lock);
		(void)map_del(&s->snapshots, id);
		pthread_mutex_unlock(&s->lock);
		(void)layer_release(s, top, NULL);
		return err_sys(e, -r, "create snapshot '%s'", id);
	}
	return 0;
}

/* The layers below, or NULL with an error: held, for the snapshot may be removed meanwhile. */
struct layer *snapshot_layers(struct store *s, const char *id, struct err **e)
{
	if (check_id(id, e) < 0)
		return NULL;
	pthread_mutex_lock(&s->lock);
	struct layer *top = layer_ref_locked(map_get(&s->snapshots, id));
	pthread_mutex_unlock(&s->lock);
	if (!top)
		(void)err_set(e, ERR_NOT_FOUND, "no such snapshot: %s", id);
	return top;
}

struct hold {
	struct store *s;
	struct layer *top;
};

static void hold_release(struct hold *h)
{
	(void)layer_release(h->s, h->top, NULL);
}
#define cleanup_hold __attribute__((cleanup(hold_release)))

/* An idmapped detached copy of the directory, in its place. */
static int idmap(int *fd, int userns_fd)
{
	int m = mnt_clone(*fd, "", false);
	if (m < 0)
		return m;
	int r = mnt_setattr(m, "", false, MNT_ATTR_IDMAP, 0, 0, userns_fd);
	if (r < 0) {
		fd_close(&m);
		return r;
	}
	fd_close(fd);
	*fd = m;
	return 0;
}

static int mount_layers(struct store *s, struct layer *top, int dir, unsigned flags, int userns_fd, int *fds,
			struct err **e)
{
	size_t n = 0;
	int r = 0, snap = -1;
	if (top == &no_layer) {
		fds[0] = fs_open_at(s->empty_fd, ".", O_PATH | O_DIRECTORY, 0);
		n = 1;
	} else {
		fds[0] = stubs_open(s, top);
		size_t at = fds[0] >= 0;
		if (layer_open_all(s, top, fds + at, &n, e) < 0) {
			if (at)
				fd_close(&fds[0]);
			return -1;
		}
		n += at;
	}
	for (size_t i = 0; userns_fd >= 0 && r == 0 && i < n; i++)
		r = idmap(&fds[i], userns_fd);
	/* upper and work must be seen through one mount. */
	if (r == 0)
		r = snap = fs_open_at(dir, ".", O_PATH | O_DIRECTORY, 0);
	if (r >= 0 && userns_fd >= 0)
		r = idmap(&snap, userns_fd);
	cleanup_close int upper =
		r < 0 ? -1 : fs_open_at(snap, "upper", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	cleanup_close int work = r < 0 ? -1 : fs_open_at(snap, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r >= 0 && (upper < 0 || work < 0))
		r = upper < 0 ? upper : work;
	if (r < 0) {
		r = err_sys(e, -r, "open layers");
	} else {
		const struct overlay o = {
			.lower = fds,
			.n_lower = n,
			.upper_fd = upper,
			.work_fd = work,
			.is_volatile = flags & STORE_MOUNT_VOLATILE,
			.is_readonly = flags & STORE_MOUNT_READONLY,
		};
		r = overlay_mount(s, &o, e);
	}
	fd_close(&snap);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	return r;
}

int store_snapshot_mount(struct store *s, const char *id, unsigned flags, int userns_fd, int *fd,
			 struct err **e)
{
	cleanup_hold struct hold h = { s, snapshot_layers(s, id, e) };
	if (!h.top)
		return -1;
	struct layer *top = h.top;
	cleanup_close int dir = fs_open_at(s->snapshots_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return err_sys(e, -dir, "open snapshot '%s'", id);
	cleanup_free int *fds = xcalloc(top->depth + 2, sizeof(*fds));
	cleanup_err struct err *first = NULL;
	int r = mount_layers(s, top, dir, flags, userns_fd, fds, &first);
	if (r < 0 && err_errno(first) == EINVAL &&
	    faccessat(dir, "work/work/incompat/volatile", F_OK, 0) == 0) {
		/* It was mounted volatile before: overlay asks for a fresh work directory. */
		r = fs_rmtree_at(dir, "work");
		if (r == 0 && mkdirat(dir, "work", 0700) < 0)
			r = -errno;
		if (r < 0)
			return err_sys(e, -r, "renew work directory of '%s'", id);
		r = mount_layers(s, top, dir, flags, userns_fd, fds, e);
	} else if (r < 0) {
		err_move(e, &first);
	}
	if (r < 0)
		return err_wrap(e, "mount snapshot '%.12s'", id);
	*fd = r;
	return 0;
}

int snapshot_lower(struct store *s, const char *id, struct err **e)
{
	cleanup_hold struct hold h = { s, snapshot_layers(s, id, e) };
	if (!h.top)
		return -1;
	const struct layer *top = h.top;
	cleanup_free int *fds = xcalloc(top->depth + 2, sizeof(*fds));
	size_t n = 0;
	int r;
	if (top != &no_layer && layer_open_all(s, top, fds, &n, e) < 0)
		return -1;
	if (n <= 1) { /* a single layer is its own merged view */
		r = n ? fds[0] : fs_open_at(s->empty_fd, ".", O_PATH | O_DIRECTORY, 0);
		return r < 0 ? err_sys(e, -r, "open layers") : r;
	}
	const struct overlay o = {
		.lower = fds, .n_lower = n, .upper_fd = -1, .work_fd = -1, .is_readonly = true
	};
	r = overlay_mount(s, &o, e);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	return r;
}

int store_snapshot_upper(struct store *s, const char *id, struct err **e)
{
	char path[HEX + 8];
	if (check_id(id, e) < 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/upper", id);
	int fd = fs_open_at(s->snapshots_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	return fd < 0 ? err_sys(e, -fd, "open snapshot '%s'", id) : fd;
}

int store_snapshot_remove(struct store *s, const char *id, struct err **e)
{
	if (check_id(id, e) < 0)
		return -1;
	int r = fault_point("store.snapshot.remove");
	if (r == 0)
		r = trash(s, s->snapshots_fd, id);
	if (r < 0)
		return err_sys(e, -r, "remove snapshot '%s'", id);
	pthread_mutex_lock(&s->lock);
	struct layer *top = map_del(&s->snapshots, id);
	pthread_mutex_unlock(&s->lock);
	return layer_release(s, top, e);
}

bool store_snapshot_exists(struct store *s, const char *id)
{
	pthread_mutex_lock(&s->lock);
	bool r = map_has(&s->snapshots, id);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int store_snapshots(struct store *s, struct strlist *ids, struct err **e)
{
	(void)e;
	pthread_mutex_lock(&s->lock);
	map_for_each (it, &s->snapshots)
		strlist_add(ids, it->key);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* Bytes of the regular files below; a file with several names counts once when it has them all here. */
static int usage(int dirfd, const char *name, unsigned depth, uint64_t *bytes)
{
	int fd = fs_open_at(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	DIR *d = fdopendir(fd);
	struct dirent *ent;
	int r = 0;
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (ent = readdir(d))) {
		struct stat st;
		if (str_eq(ent->d_name, ".") || str_eq(ent->d_name, "..") ||
		    fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* gone meanwhile */
		if (S_ISDIR(st.st_mode)) {
			if (depth < 512)
				r = usage(fd, ent->d_name, depth + 1, bytes);
			if (r == -ENOENT || r == -ENOTDIR)
				r = 0;
		} else if (S_ISREG(st.st_mode)) {
			*bytes += (uint64_t)st.st_size / (st.st_nlink ? st.st_nlink : 1);
		}
	}
	closedir(d);
	return r;
}

int store_snapshot_usage(struct store *s, const char *id, uint64_t *own_bytes, uint64_t *below_bytes,
			 struct err **e)
{
	cleanup_hold struct hold h = { s, snapshot_layers(s, id, e) };
	if (!h.top)
		return -1;
	const struct layer *top = h.top;
	cleanup_close int upper = store_snapshot_upper(s, id, e);
	if (upper < 0)
		return -1;
	uint64_t own = 0, below = 0;
	int r = usage(upper, ".", 0, &own);
	if (r < 0)
		return err_sys(e, -r, "usage of snapshot '%s'", id);
	for (const struct layer *l = top; l && l != &no_layer; l = l->parent)
		below += l->size;
	*own_bytes = own;
	*below_bytes = below;
	return 0;
}

int store_snapshot_describe(struct store *s, const char *id, struct strlist *pairs, struct err **e)
{
	cleanup_hold struct hold h = { s, snapshot_layers(s, id, e) };
	if (!h.top)
		return -1;
	const struct layer *top = h.top;
	cleanup_strbuf struct strbuf b = { 0 };
	if (top->stubs > 0)
		sb_addf(&b, "%s/layers/%s/init", s->root, top->chain);
	for (const struct layer *l = top; l && l != &no_layer; l = l->parent)
		sb_addf(&b, "%s%s/layers/%s/diff", b.n ? ":" : "", s->root, l->chain);
	strlist_add(pairs, "LowerDir");
	strlist_add(pairs, sb_str(&b));
	strlist_add(pairs, "UpperDir");
	strlist_take(pairs, xasprintf("%s/snapshots/%s/upper", s->root, id));
	strlist_add(pairs, "WorkDir");
	strlist_take(pairs, xasprintf("%s/snapshots/%s/work", s->root, id));
	return 0;
}
