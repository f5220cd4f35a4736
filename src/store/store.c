/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-internal.h"

#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#define RESERVE_SIZE (512 << 10)

static const char *const migrations[] = {
	/* `n` gives the order of insertion: a layer's parent comes before it. */
	"CREATE TABLE layers (n INTEGER PRIMARY KEY, chain TEXT NOT NULL UNIQUE, diff TEXT NOT NULL, blob "
	"TEXT NOT NULL,"
	" parent TEXT, size INTEGER NOT NULL);"
	"CREATE INDEX layers_blob ON layers (blob);"
	"CREATE TABLE images (id TEXT PRIMARY KEY, config BLOB NOT NULL, top TEXT, parent TEXT, added "
	"INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE refs (ref TEXT PRIMARY KEY, image TEXT NOT NULL, is_digest INTEGER NOT NULL,"
	" updated INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX refs_image ON refs (image);",
};

static int open_dir(int at, const char *name, mode_t mode, int *fd, struct err **e)
{
	int r = fs_mkdir_at(at, name, mode);
	if (r == 0)
		r = *fd = fs_open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return r < 0 ? err_sys(e, -r, "open '%s' in the data root", name) : 0;
}

static int open_dirs(struct store *s, struct err **e)
{
	int r = fs_mkdirs(s->root, 0710);
	if (r == 0)
		r = s->root_fd = fs_open(s->root, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return err_sys(e, -r, "open data root '%s'", s->root);
	r = fs_mkdir_at(s->root_fd, "blobs", 0700);
	if (r < 0)
		return err_sys(e, -r, "create 'blobs' in the data root");
	if (open_dir(s->root_fd, "layers", 0710, &s->layers_fd, e) < 0 ||
	    open_dir(s->root_fd, "blobs/sha256", 0700, &s->blobs_fd, e) < 0 ||
	    open_dir(s->root_fd, "snapshots", 0710, &s->snapshots_fd, e) < 0 ||
	    open_dir(s->root_fd, "tmp", 0700, &s->tmp_fd, e) < 0 ||
	    open_dir(s->root_fd, "trash", 0700, &s->trash_fd, e) < 0 ||
	    open_dir(s->root_fd, "empty", 0755, &s->empty_fd, e) < 0)
		return -1;
	return 0;
}

/* --- repair: what a kill left --- */

static int each_entry(int dirfd, void (*fn)(struct store *, const char *), struct store *s)
{
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	if (!d) {
		fd_close(&fd);
		return -EIO;
	}
	while ((ent = readdir(d)))
		if (!str_eq(ent->d_name, ".") && !str_eq(ent->d_name, ".."))
			fn(s, ent->d_name);
	closedir(d);
	return 0;
}

static void drop_tmp(struct store *s, const char *name)
{
	(void)trash(s, s->tmp_fd, name);
}

static void drop_unknown_layer(struct store *s, const char *name)
{
	if (!map_has(&s->layers, name))
		(void)trash(s, s->layers_fd, name);
}

static void drop_unknown_blob(struct store *s, const char *name)
{
	map_for_each (it, &s->layers)
		if (str_eq(((struct layer *)it->value)->blob, name))
			return;
	(void)trash(s, s->blobs_fd, name);
}

/* A snapshot's link names its layers; without a good one it is the leftover of a kill. */
static void enter_snapshot(struct store *s, const char *id)
{
	char path[HEX + 16], chain[HEX + 2];
	struct layer *top = NULL;
	struct stat st;
	(void)snprintf(path, sizeof(path), "%.64s/chain", id);
	ssize_t n = id_is_full(sv_of(id)) ? readlinkat(s->snapshots_fd, path, chain, sizeof(chain) - 1) : -1;
	if (n > 0) {
		chain[n] = 0;
		top = str_eq(chain, "-") ? &no_layer : map_get(&s->layers, chain);
	}
	(void)snprintf(path, sizeof(path), "%.64s/work", id); /* made last */
	if (!top || fstatat(s->snapshots_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		log_warn(log_kv("snapshot", id), "removing an incomplete snapshot");
		(void)trash(s, s->snapshots_fd, id);
		return;
	}
	(void)map_put(&s->snapshots, id, layer_ref_locked(top));
}

/* Layers that nothing needs: the rows stayed behind when their image went. */
static int drop_unused_layers(struct store *s, struct err **e)
{
	cleanup_strlist struct strlist unused = { 0 };
	map_for_each (it, &s->layers)
		if (((struct layer *)it->value)->refs == 0)
			strlist_add(&unused, it->key);
	for (size_t i = 0; i < unused.n; i++) {
		struct layer *l = map_get(&s->layers, unused.v[i]);
		if (!l) /* went with one above */
			continue;
		l->refs = 1;
		if (layer_release(s, l, e) < 0)
			return -1;
	}
	return 0;
}

static int repair(struct store *s, struct err **e)
{
	int r = each_entry(s->tmp_fd, drop_tmp, s);
	if (r == 0)
		r = each_entry(s->snapshots_fd, enter_snapshot, s);
	if (r < 0)
		return err_sys(e, -r, "read the data root");
	if (drop_unused_layers(s, e) < 0)
		return -1;
	r = each_entry(s->layers_fd, drop_unknown_layer, s);
	if (r == 0)
		r = each_entry(s->blobs_fd, drop_unknown_blob, s);
	return r < 0 ? err_sys(e, -r, "read the data root") : 0;
}

/* --- open, close --- */

static const char *fs_name(int fd)
{
	static const struct {
		long magic;
		const char *name;
	} names[] = { { EXT4_SUPER_MAGIC, "extfs" },          { XFS_SUPER_MAGIC, "xfs" },
		      { BTRFS_SUPER_MAGIC, "btrfs" },         { TMPFS_MAGIC, "tmpfs" },
		      { OVERLAYFS_SUPER_MAGIC, "overlayfs" }, { F2FS_SUPER_MAGIC, "f2fs" } };
	struct statfs st;
	if (fstatfs(fd, &st) < 0)
		return "<unknown>";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].magic == (long)st.f_type)
			return names[i].name;
	return "<unknown>";
}

static void fill_status(struct store *s)
{
	static const char *const how[] = { "by descriptor", "by name", "in one option" };
	size_t n = 0;
	s->status[n++] = "Backing Filesystem";
	s->status[n++] = fs_name(s->root_fd);
	s->status[n++] = "Layers Mounted";
	s->status[n++] = how[s->overlay];
	s->status[n] = NULL;
}

int store_open(const struct store_config *cfg, struct store **out, struct err **e)
{
	cleanup_store struct store *s = NEW(struct store);
	s->root_fd = s->layers_fd = s->blobs_fd = s->snapshots_fd = s->tmp_fd = s->trash_fd = s->empty_fd =
		-1;
	pthread_mutex_init(&s->ingest, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->trash_lock, NULL);
	pthread_cond_init(&s->trash_cond, NULL);
	s->root = xstrdup(cfg->root);
	s->worker = cfg->worker ? xstrdup(cfg->worker) : proc_sibling("hoy-worker");
	if (cfg->root[0] != '/')
		return err_set(e, ERR_INVALID, "data root '%s' is not an absolute path", cfg->root);
	if (open_dirs(s, e) < 0)
		return -1;
	cleanup_free char *path = xasprintf("%s/images.db", s->root);
	if (db_open(path, DB_DURABLE, migrations, ARRAY_LEN(migrations), &s->db, e) < 0)
		return -1;
	/* The database's lock is ours from here on: no other engine is at work in this root. */
	if (overlay_probe(s, e) < 0 || layers_load(s, e) < 0 || images_load(s, e) < 0 || repair(s, e) < 0)
		return -1;
	fill_status(s);
	store_reserve_refill(s);
	trash_wake(s);
	*out = TAKE_PTR(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	trash_stop(s);
	images_release(s);
	map_release(&s->snapshots);
	map_for_each (it, &s->layers)
		free(it->value);
	map_release(&s->layers);
	db_close(s->db);
	fd_close(&s->root_fd);
	fd_close(&s->layers_fd);
	fd_close(&s->blobs_fd);
	fd_close(&s->snapshots_fd);
	fd_close(&s->tmp_fd);
	fd_close(&s->trash_fd);
	fd_close(&s->empty_fd);
	pthread_mutex_destroy(&s->ingest);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->trash_lock);
	pthread_cond_destroy(&s->trash_cond);
	free(s->root);
	free(s->worker);
	free(s);
}

bool store_reserve_release(struct store *s)
{
	cleanup_close int fd = fs_open_at(s->root_fd, "reserve", O_WRONLY | O_NOFOLLOW, 0);
	struct stat st;
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_blocks > 0 && ftruncate(fd, 0) == 0;
}

void store_reserve_refill(struct store *s)
{
	cleanup_close int fd = fs_open_at(s->root_fd, "reserve", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	/* Where it does not fit now, it will another time. */
	if (fd >= 0 && fallocate(fd, 0, 0, RESERVE_SIZE) < 0)
		(void)!ftruncate(fd, 0);
}

const char *store_driver_name(const struct store *s)
{
	(void)s;
	return "overlay2"; /* the name clients know */
}

const char *const *store_driver_status(const struct store *s)
{
	return s->status;
}

const char *store_root(const struct store *s)
{
	return s->root;
}
