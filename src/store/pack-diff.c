/* SPDX-License-Identifier: Apache-2.0 */
/* An overlay's upper directory as a layer, or as a list of changes. */
#include "store/pack-internal.h"

#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum change { CHANGE_MODIFIED, CHANGE_ADDED, CHANGE_DELETED };

struct diff {
	int lower_fd;
	int (*on)(struct diff *d, enum change kind, int dirfd, const char *base, const char *path,
		  struct err **e);
	struct packer p;
	struct jw w;
	struct strbuf json;
};

/* Where the engine and the runtime put mounts: they make the places when the image lacks them. */
static bool is_mount_place(const char *path)
{
	static const char *const places[] = {
		"dev",        "dev/console",   "dev/pts",   "dev/shm",          "dev/mqueue",
		"proc",       "sys",           "etc/hosts", "etc/hostname",     "etc/resolv.conf",
		".dockerenv", "sys/fs/cgroup", "dev/init",  "sbin/docker-init",
	};
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (str_eq(path, places[i]))
			return true;
	return false;
}

/* An empty file or directory at such a place that the image does not have. */
static bool is_ours(int dirfd, const char *base, const char *path, const struct stat *st, bool in_lower)
{
	if (in_lower || !is_mount_place(path))
		return false;
	if (S_ISREG(st->st_mode))
		return st->st_size == 0;
	if (!S_ISDIR(st->st_mode))
		return false;
	cleanup_close int dir = fs_open_at(dirfd, base, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	cleanup_strlist struct strlist names = { 0 };
	if (dir < 0 || list_dir(dir, &names) < 0)
		return false;
	for (size_t i = 0; i < names.n; i++) {
		cleanup_free char *child = xasprintf("%s/%s", path, names.v[i]);
		if (!is_mount_place(child))
			return false;
	}
	return true;
}

static bool lower_has(const struct diff *d, const char *path, struct stat *st)
{
	cleanup_close int fd = d->lower_fd < 0 ? -1 : fs_open_in(d->lower_fd, path, O_PATH | O_NOFOLLOW, 0);
	return fd >= 0 && fstat(fd, st) == 0;
}

static bool is_opaque(int fd)
{
	char v[4];
	return fgetxattr(fd, "trusted.overlay.opaque", v, sizeof(v)) == 1 && v[0] == 'y';
}

static int walk(struct diff *d, int dir, const char *path, unsigned depth, bool *touched, struct err **e);

/* What the directory below has and this one, being opaque, hides. */
static int hidden(struct diff *d, const char *path, const struct strlist *here, struct err **e)
{
	cleanup_strlist struct strlist below = { 0 };
	cleanup_close int dir = d->lower_fd < 0 ? -1 : fs_open_in(d->lower_fd, path, O_PATH | O_DIRECTORY, 0);
	if (dir < 0 || list_dir(dir, &below) < 0)
		return 0;
	for (size_t i = 0; i < below.n; i++) {
		cleanup_free char *child = xasprintf("%s/%s", path, below.v[i]);
		if (!strlist_has(here, below.v[i]) && d->on(d, CHANGE_DELETED, -1, below.v[i], child, e) < 0)
			return -1;
	}
	return 0;
}

static int one(struct diff *d, int dir, const char *name, const char *path, unsigned depth, bool *touched,
	       struct err **e)
{
	struct stat st, low = { 0 };
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "diff: '%s'", path);
	bool in_lower = lower_has(d, path, &low);
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
		*touched |= in_lower;
		return in_lower ? d->on(d, CHANGE_DELETED, dir, name, path, e) : 0;
	}
	if (is_ours(dir, name, path, &st, in_lower))
		return 0;
	enum change kind = in_lower ? CHANGE_MODIFIED : CHANGE_ADDED;
	if (!S_ISDIR(st.st_mode)) {
		*touched = true;
		return d->on(d, kind, dir, name, path, e);
	}
	cleanup_close int sub = fs_open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (sub < 0)
		return err_sys(e, -sub, "diff: '%s'", path);
	/* A directory that only holds a mount point of ours was not changed by the container: look before telling. */
	cleanup_strlist struct strlist names = { 0 };
	int r = list_dir(sub, &names);
	if (r < 0)
		return err_sys(e, -r, "diff: '%s'", path);
	bool only_ours = in_lower && S_ISDIR(low.st_mode) && names.n > 0 && (st.st_mode == low.st_mode) &&
			 st.st_uid == low.st_uid && st.st_gid == low.st_gid;
	for (size_t i = 0; only_ours && i < names.n; i++) {
		struct stat cst, clow;
		cleanup_free char *child = xasprintf("%s/%s", path, names.v[i]);
		only_ours = fstatat(sub, names.v[i], &cst, AT_SYMLINK_NOFOLLOW) == 0 &&
			    is_ours(sub, names.v[i], child, &cst, lower_has(d, child, &clow));
	}
	if (only_ours)
		return 0;
	*touched = true;
	if (d->on(d, kind, dir, name, path, e) < 0)
		return -1;
	if (in_lower && S_ISDIR(low.st_mode) && is_opaque(sub) && hidden(d, path, &names, e) < 0)
		return -1;
	bool below = false;
	return walk(d, sub, path, depth + 1, &below, e);
}

static int walk(struct diff *d, int dir, const char *path, unsigned depth, bool *touched, struct err **e)
{
	cleanup_strlist struct strlist names = { 0 };
	if (depth > PACK_MAX_DEPTH)
		return err_set(e, ERR_INVALID, "diff: more than %u directories deep", PACK_MAX_DEPTH);
	int r = list_dir(dir, &names);
	if (r < 0)
		return err_sys(e, -r, "diff: read '/%s'", path);
	for (size_t i = 0; i < names.n; i++) {
		cleanup_free char *child = *path ? xasprintf("%s/%s", path, names.v[i]) : xstrdup(names.v[i]);
		if (one(d, dir, names.v[i], child, depth, touched, e) < 0)
			return -1;
	}
	return 0;
}

static int to_tar(struct diff *d, enum change kind, int dirfd, const char *base, const char *path,
		  struct err **e)
{
	if (kind != CHANGE_DELETED)
		return packer_add(&d->p, dirfd, base, path, e);
	const char *slash = strrchr(path, '/');
	cleanup_free char *name = xasprintf("%.*s.wh.%s", slash ? (int)(slash - path + 1) : 0, path, base);
	struct tar_entry ent = { .type = TAR_REG, .path = name, .link = "", .mode = 0600 };
	return tar_write_header(&d->p.w, &ent, e);
}

static int to_json(struct diff *d, enum change kind, int dirfd, const char *base, const char *path,
		   struct err **e)
{
	(void)dirfd, (void)base, (void)e;
	cleanup_free char *full = xasprintf("/%s", path);
	jw_obj(&d->w);
	jw_kstr(&d->w, "Path", full);
	jw_ki64(&d->w, "Kind", kind);
	jw_end(&d->w);
	return 0;
}

int pack_diff(int upper_fd, int lower_fd, int out_fd, struct err **e)
{
	struct diff d = { .lower_fd = lower_fd, .on = to_tar };
	bool touched = false;
	packer_init(&d.p, out_fd);
	int r = walk(&d, upper_fd, "", 0, &touched, e);
	if (r == 0)
		r = tar_write_end(&d.p.w, e);
	if (r == 0)
		r = packer_flush(&d.p, e);
	packer_release(&d.p);
	return r;
}

int pack_changes(int upper_fd, int lower_fd, int out_fd, struct err **e)
{
	struct diff d = { .lower_fd = lower_fd, .on = to_json };
	bool touched = false;
	d.w = jw_to(&d.json);
	jw_arr(&d.w);
	int r = walk(&d, upper_fd, "", 0, &touched, e);
	jw_end(&d.w);
	if (r == 0 && (r = fd_write_full(out_fd, d.json.p, d.json.n)) < 0)
		r = err_sys(e, -r, "diff: write");
	sb_release(&d.json);
	return r < 0 ? -1 : 0;
}
