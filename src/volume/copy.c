/* SPDX-License-Identifier: Apache-2.0 */
/* Trees by descriptor: copy-up of an image's content into a new volume. */
#include "volume/copy.h"

#include "base/fs.h"
#include "base/list.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define COPY_MAX_DEPTH 256 /* what the stack of a thread holds: the image chose the depth */
#define XATTR_MAX      65536

struct copy {
	dev_t dev;
	int dst_root;
	struct map links; /* "dev:ino" -> path below dst_root, of files with several names */
	struct strbuf path;
};

bool volume_dir_is_empty(int dirfd)
{
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	bool empty = true;
	if (!d) {
		fd_close(&fd);
		return false;
	}
	while (empty && (ent = readdir(d)))
		empty = !strcmp(ent->d_name, ".") || !strcmp(ent->d_name, "..");
	(void)closedir(d);
	return empty;
}

static void copy_xattrs(int from, int to)
{
	char *names = try_alloc(XATTR_MAX), *value = try_alloc(XATTR_MAX);
	ssize_t n = names && value ? flistxattr(from, names, XATTR_MAX) : -1;
	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1) {
		/* Overlay's own marks are not content. */
		if (str_starts(names + i, "trusted.overlay.") || str_starts(names + i, "user.overlay."))
			continue;
		ssize_t v = fgetxattr(from, names + i, value, XATTR_MAX);
		if (v >= 0)
			(void)fsetxattr(to, names + i, value, (size_t)v, 0);
	}
	free(names);
	free(value);
}

static int copy_bytes(int from, int to)
{
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)1 << 30, 0);
		if (n == 0)
			return 0;
		if (n > 0)
			continue;
		if (errno == EINTR)
			continue;
		break;
	}
	for (;;) {
		ssize_t n = sendfile(to, from, NULL, (size_t)1 << 30);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int copy_attrs(int dstdir, const char *name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	if (fchownat(dstdir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(dstdir, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	(void)utimensat(dstdir, name, times, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_dir(struct copy *c, int src, int dst, unsigned depth);

static int copy_file(struct copy *c, int src, int dst, const char *name, const struct stat *st)
{
	char key[48];
	(void)snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev,
		       (unsigned long long)st->st_ino);
	if (st->st_nlink > 1) {
		const char *first = map_get(&c->links, key);
		if (first)
			return linkat(c->dst_root, first, dst, name, 0) < 0 ? -errno : 0;
	}
	cleanup_close int in = fs_open_at(src, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (in < 0)
		return in;
	cleanup_close int out = fs_open_at(dst, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (out < 0)
		return out;
	int r = copy_bytes(in, out);
	if (r < 0)
		return r;
	/* in this order: a new owner takes set-id bits and capabilities away */
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	copy_xattrs(in, out);
	(void)futimens(out, times);
	if (st->st_nlink > 1) {
		cleanup_free char *path = xasprintf("%s%s", sb_str(&c->path), name);
		free(map_put(&c->links, key, TAKE_PTR(path)));
	}
	return 0;
}

/* A function of its own: its buffer must not lie in every frame of the walk. */
static __attribute__((noinline)) int copy_link(int src, int dst, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(src, name, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, dst, name) < 0 ? -errno : 0;
}

static int copy_entry(struct copy *c, int src, int dst, const char *name, unsigned depth)
{
	struct stat st;
	int r = 0;
	if (fstatat(src, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		return copy_file(c, src, dst, name, &st);
	if (S_ISDIR(st.st_mode)) {
		if (st.st_dev != c->dev)
			return 0;
		if (mkdirat(dst, name, 0700) < 0)
			return -errno;
		cleanup_close int s = fs_open_at(src, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		cleanup_close int d = fs_open_at(dst, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (s < 0 || d < 0)
			return s < 0 ? s : d;
		size_t was = c->path.n;
		sb_addf(&c->path, "%s/", name);
		r = copy_dir(c, s, d, depth + 1);
		c->path.n = was;
		c->path.p[was] = 0;
		copy_xattrs(s, d);
	} else if (S_ISLNK(st.st_mode)) {
		r = copy_link(src, dst, name);
	} else {
		r = mknodat(dst, name, (st.st_mode & S_IFMT) | 0600, st.st_rdev) < 0 ? -errno : 0;
	}
	return r < 0 ? r : copy_attrs(dst, name, &st);
}

static int copy_dir(struct copy *c, int src, int dst, unsigned depth)
{
	if (depth > COPY_MAX_DEPTH)
		return -ELOOP;
	int fd = fs_open_at(src, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	int r = 0;
	if (!d) {
		fd_close(&fd);
		return -EIO;
	}
	while (r == 0 && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			r = copy_entry(c, src, dst, ent->d_name, depth);
	(void)closedir(d);
	return r;
}

int volume_copy_tree(int src_dirfd, int dst_dirfd, struct err **e)
{
	struct copy c = { 0 };
	struct stat st;
	cleanup_close int dst = fs_open_at(dst_dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (dst < 0 || fstat(src_dirfd, &st) < 0)
		return err_sys(e, dst < 0 ? -dst : errno, "copy to the volume");
	c.dev = st.st_dev;
	c.dst_root = dst;
	sb_add(&c.path, "");
	sb_reserve(&c.path, 1);
	int r = copy_dir(&c, src_dirfd, dst, 0);
	if (r == 0) {
		copy_xattrs(src_dirfd, dst);
		/* The directory itself, by its own descriptor. */
		if (fchown(dst, st.st_uid, st.st_gid) < 0 || fchmod(dst, st.st_mode & 07777) < 0)
			r = -errno;
	}
	map_for_each (it, &c.links)
		free(it->value);
	map_release(&c.links);
	sb_release(&c.path);
	return r < 0 ? err_sys(e, -r, "failed to copy the image's content to the volume") : 0;
}
