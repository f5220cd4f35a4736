/* SPDX-License-Identifier: Apache-2.0 */
#include "store/unpack.h"

#include "base/fault.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/mem.h"
#include "codec/tar.h"
#include "store/unpack-internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define OPAQUE        ".wh..wh..opq"

struct late_dir {
	char *path;
	struct timespec mtime;
};

struct layer {
	const struct unpack *u;
	int base_fd;        /* the root entry and its metadata: the root, or the directory files go to */
	const char *at;     /* files: where they go, cleaned; "" for layers */
	bool is_files;      /* no whiteouts */
	struct strbuf name; /* the current entry, cleaned */
	struct strbuf link;

	int parent_fd; /* of the last entry; dropped when a directory or link was removed */
	struct strbuf parent;

	struct late_dir *dirs; /* times are set at the end: making files inside changes them */
	size_t n_dirs, cap_dirs;

	uint64_t *seen; /* hashes of the paths this layer made: open addressing, 0 is free */
	size_t n_seen, cap_seen;
	uint64_t seed;

	uint64_t entries, file_bytes, max_entries, max_bytes;
};

int unpack_clean_path(const char *path, struct strbuf *out, struct err **e)
{
	struct sv rest = sv_of(path), part;
	unsigned depth = 0;

	sb_reset(out);
	while (rest.n) {
		(void)sv_cut(rest, '/', &part, &rest);
		if (part.n == 0 || sv_eqs(part, "."))
			continue;
		if (sv_eqs(part, "..")) {
			if (out->n == 0)
				return err_set(e, ERR_INVALID, "archive: '%s' is outside of the root", path);
			ssize_t cut = sv_rfind(sb_sv(out), '/');
			out->n = cut < 0 ? 0 : (size_t)cut;
			out->p[out->n] = 0;
			depth--;
			continue;
		}
		if (part.n > 255)
			return err_set(e, ERR_INVALID, "archive: name of %zu bytes is too long", part.n);
		if (++depth > UNPACK_MAX_DEPTH)
			return err_set(e, ERR_INVALID, "archive: more than %u directories deep",
				       UNPACK_MAX_DEPTH);
		if (out->n)
			sb_addc(out, '/');
		sb_addsv(out, part);
	}
	if (out->n > TAR_MAX_PATH - 2)
		return err_set(e, ERR_INVALID, "archive: path is too long");
	return 0;
}

/* The same, put behind the directory that files go to. */
static int clean_below(const struct layer *l, const char *path, struct strbuf *out, struct err **e)
{
	if (unpack_clean_path(path, out, e) < 0)
		return -1;
	if (!*l->at)
		return 0;
	cleanup_free char *tail = xstrdup(sb_str(out));
	sb_reset(out);
	sb_add(out, l->at);
	if (*tail)
		sb_addf(out, "/%s", tail);
	return out->n > TAR_MAX_PATH - 2 ? err_set(e, ERR_INVALID, "archive: path is too long") : 0;
}

/* --- what this layer made --- */

/* Of the path a[n], or of b in the directory a[n]. */
static uint64_t path_hash(const struct layer *l, const char *a, size_t n, const char *b)
{
	uint64_t h = l->seed;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)a[i]) * 0x100000001b3ULL;
	if (b) {
		if (n)
			h = (h ^ '/') * 0x100000001b3ULL;
		for (; *b; b++)
			h = (h ^ (unsigned char)*b) * 0x100000001b3ULL;
	}
	h ^= h >> 29;
	return h ? h : 1;
}

static size_t seen_insert(uint64_t *t, size_t cap, uint64_t h)
{
	size_t i = (size_t)h & (cap - 1);
	while (t[i] && t[i] != h)
		i = (i + 1) & (cap - 1);
	if (t[i] == h)
		return 0;
	t[i] = h;
	return 1;
}

static void seen_put(struct layer *l, uint64_t h)
{
	if (l->u->is_base)
		return;
	if (2 * (l->n_seen + 1) > l->cap_seen) {
		size_t cap = l->cap_seen ? l->cap_seen * 2 : 1024;
		uint64_t *t = xcalloc(cap, sizeof(*t));
		for (size_t i = 0; i < l->cap_seen; i++)
			if (l->seen[i])
				(void)seen_insert(t, cap, l->seen[i]);
		free(l->seen);
		l->seen = t;
		l->cap_seen = cap;
	}
	l->n_seen += seen_insert(l->seen, l->cap_seen, h);
}

static void seen_addn(struct layer *l, const char *path, size_t n)
{
	if (!l->u->is_base)
		seen_put(l, path_hash(l, path, n, NULL));
}

static bool seen_has(const struct layer *l, uint64_t h)
{
	if (!l->cap_seen)
		return false;
	size_t i = (size_t)h & (l->cap_seen - 1);
	while (l->seen[i] && l->seen[i] != h)
		i = (i + 1) & (l->cap_seen - 1);
	return l->seen[i] == h;
}

/* --- places --- */

static void forget_parent(struct layer *l)
{
	fd_close(&l->parent_fd);
	sb_reset(&l->parent);
}

/* Directory of `path` (missing ones are made), kept open for the next entry; *base points into path. */
static int parent_of(struct layer *l, const char *path, const char **base, struct err **e)
{
	const char *slash = strrchr(path, '/');
	struct sv dir = slash ? sv_n(path, (size_t)(slash - path)) : SV("");
	*base = slash ? slash + 1 : path;
	if (l->parent_fd >= 0 && sv_eq(sb_sv(&l->parent), dir))
		return l->parent_fd;
	forget_parent(l);
	sb_addsv(&l->parent, dir);
	int fd = fs_open_in(l->u->root_fd, sb_str(&l->parent), O_PATH | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		fd = fs_mkdirs_in(l->u->root_fd, sb_str(&l->parent), 0755, 0, 0);
	if (fd < 0)
		return err_sys_class(e, fd == -ENOSPC ? ERR_SYSTEM : ERR_INVALID, -fd,
				     "archive: directory of '%s'", path);
	/* Every directory on the way counts as this layer's, named or not: what it holds is in there. */
	for (size_t i = 1; !l->u->is_base && i <= dir.n; i++)
		if (i == dir.n || dir.p[i] == '/')
			seen_addn(l, dir.p, i);
	l->parent_fd = fd;
	return fd;
}

static int remove_at(struct layer *l, int dirfd, const char *base)
{
	if (unlinkat(dirfd, base, 0) == 0) {
		/* It may have been a link that led to the directory held open. */
		if (l->parent.n)
			forget_parent(l);
		return 0;
	}
	if (errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	int r = fs_rmtree_at(dirfd, base);
	forget_parent(l);
	return r;
}

/* remove_at() for what stands in the way of the current entry: afterwards the parent is open again. */
static int make_way(struct layer *l, int *dirfd, const char **base, struct err **e)
{
	struct stat st;
	if (l->u->no_overwrite && fstatat(*dirfd, *base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID,
			       "cannot overwrite directory \"/%s\" with non-directory \"/%s\"", l->name.p,
			       l->name.p);
	int r = remove_at(l, *dirfd, *base);
	if (r < 0)
		return err_sys(e, -r, "archive: replace '%s'", l->name.p);
	*dirfd = parent_of(l, l->name.p, base, e);
	return *dirfd < 0 ? -1 : 0;
}

/* --- attributes --- */

static bool xattr_allowed(const char *name)
{
	if (str_eq(name, "security.capability") || str_eq(name, "system.posix_acl_access") ||
	    str_eq(name, "system.posix_acl_default"))
		return true;
	return str_starts(name, "user.") && !str_starts(name, "user.overlay.");
}

/* By descriptor, or (dirfd, base) for what cannot be opened: a link, a device. */
static int set_xattrs(const struct tar_entry *ent, int fd, int dirfd, const char *base, struct err **e)
{
	for (size_t i = 0; i < ent->n_xattrs; i++) {
		const struct tar_xattr *x = &ent->xattrs[i];
		int r;
		if (!xattr_allowed(x->name))
			continue;
		if (fd >= 0) {
			r = fsetxattr(fd, x->name, x->value.p, x->value.n, 0);
		} else {
			/* One component below the working directory: no path is walked. */
			if (fchdir(dirfd) < 0)
				return err_sys(e, errno, "archive: attributes of '%s'", ent->path);
			const struct sv v = x->value;
			r = lsetxattr(base, x->name, v.p, v.n, 0); /* lint: allow lsetxattr: as said */
		}
		/* What this file system or this kind of file cannot have, is not kept; the rest is an error.
		 */
		if (r < 0 && errno != ENOTSUP && !(errno == EPERM && str_starts(x->name, "user.")))
			return err_sys(e, errno, "archive: attribute '%s' of '%s'", x->name, ent->path);
	}
	return 0;
}

static struct timespec mtime_of(const struct tar_entry *ent)
{
	struct timespec t = { .tv_sec = ent->mtime_s, .tv_nsec = (long)ent->mtime_ns };
	return t;
}

static int set_times(int fd, int dirfd, const char *base, const struct timespec *mtime)
{
	struct timespec t[2] = { *mtime, *mtime };
	int r = fd >= 0 ? futimens(fd, t) : utimensat(dirfd, base, t, AT_SYMLINK_NOFOLLOW);
	if (r < 0 && errno == EINVAL) { /* out of this file system's range */
		t[0].tv_sec = t[1].tv_sec = mtime->tv_sec < 0 ? 0 : INT32_MAX;
		t[0].tv_nsec = t[1].tv_nsec = 0;
		r = fd >= 0 ? futimens(fd, t) : utimensat(dirfd, base, t, AT_SYMLINK_NOFOLLOW);
	}
	return r < 0 ? -errno : 0;
}

static uid_t owner_of(const struct layer *l, const struct tar_entry *ent)
{
	return l->u->has_owner ? l->u->uid : ent->uid;
}

static gid_t group_of(const struct layer *l, const struct tar_entry *ent)
{
	return l->u->has_owner ? l->u->gid : ent->gid;
}

/* Everything but times, on an open file or directory. chown first: it takes set-id bits and capabilities
 * away. */
static int set_attributes(const struct layer *l, const struct tar_entry *ent, int fd, struct err **e)
{
	if (fchown(fd, owner_of(l, ent), group_of(l, ent)) < 0)
		return err_sys(e, errno, "archive: owner of '%s'", ent->path);
	if (fchmod(fd, (mode_t)ent->mode) < 0)
		return err_sys(e, errno, "archive: mode of '%s'", ent->path);
	return set_xattrs(ent, fd, -1, NULL, e);
}

/* --- kinds of entries --- */

static int write_data(struct layer *l, struct tar_reader *t, const struct tar_entry *ent, int fd,
		      struct err **e)
{
	const void *p;
	uint64_t offset, at = 0;
	ssize_t n;

	if (ent->size > l->max_bytes - MIN(l->file_bytes, l->max_bytes))
		return err_set(e, ERR_INVALID, "archive: more than %llu bytes",
			       (unsigned long long)l->max_bytes);
	l->file_bytes += ent->size;
	while ((n = tar_data(t, &p, &offset, e)) > 0) {
		if (offset != at && lseek(fd, (off_t)offset, SEEK_SET) < 0)
			return err_sys(e, errno, "archive: seek in '%s'", l->name.p);
		int r = fd_write_full(fd, p, (size_t)n);
		if (r < 0)
			return err_sys(e, -r, "archive: write '%s'", l->name.p);
		at = offset + (uint64_t)n;
	}
	if (n < 0)
		return -1;
	if (at != ent->size && ftruncate(fd, (off_t)ent->size) < 0)
		return err_sys(e, errno, "archive: size of '%s'", l->name.p);
	return 0;
}

static int make_file(struct layer *l, struct tar_reader *t, const struct tar_entry *ent, int dirfd,
		     const char *base, struct err **e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	cleanup_close int fd = fs_open_at(dirfd, base, flags, 0600);
	if (fd == -EEXIST) {
		if (make_way(l, &dirfd, &base, e) < 0)
			return -1;
		fd = fs_open_at(dirfd, base, flags, 0600);
	}
	if (fd < 0)
		return err_sys(e, -fd, "archive: create '%s'", l->name.p);
	if (write_data(l, t, ent, fd, e) < 0 || set_attributes(l, ent, fd, e) < 0)
		return -1;
	struct timespec m = mtime_of(ent);
	int r = set_times(fd, -1, NULL, &m);
	return r < 0 ? err_sys(e, -r, "archive: time of '%s'", l->name.p) : 0;
}

static int make_dir(struct layer *l, const struct tar_entry *ent, int dirfd, const char *base, struct err **e)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	cleanup_close int fd = -1;
	if (!base) {
		fd = fs_open_at(l->base_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	} else {
		if (mkdirat(dirfd, base, 0700) < 0) {
			if (errno != EEXIST)
				return err_sys(e, errno, "archive: create '%s'", l->name.p);
			struct stat st;
			if (fstatat(dirfd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
				return err_sys(e, errno, "archive: '%s'", l->name.p);
			if (!S_ISDIR(st.st_mode) && l->u->no_overwrite)
				return err_set(
					e, ERR_INVALID,
					"cannot overwrite non-directory \"/%s\" with directory \"/%s\"",
					l->name.p, l->name.p);
			if (!S_ISDIR(st.st_mode)) {
				if (make_way(l, &dirfd, &base, e) < 0)
					return -1;
				if (mkdirat(dirfd, base, 0700) < 0)
					return err_sys(e, errno, "archive: create '%s'", l->name.p);
			}
		}
		fd = fs_open_at(dirfd, base, flags, 0);
	}
	if (fd < 0)
		return err_sys(e, -fd, "archive: directory '%s'", sb_str(&l->name));
	if (set_attributes(l, ent, fd, e) < 0)
		return -1;
	GROW(l->dirs, l->n_dirs, l->cap_dirs);
	l->dirs[l->n_dirs++] = (struct late_dir){ xstrdup(sb_str(&l->name)), mtime_of(ent) };
	return 0;
}

static int make_link(struct layer *l, const struct tar_entry *ent, int dirfd, const char *base,
		     struct err **e)
{
	char tbase[256];
	if (clean_below(l, ent->link, &l->link, e) < 0)
		return -1;
	if (l->link.n == strlen(l->at))
		return err_set(e, ERR_INVALID, "archive: hard link '%s' to the root", ent->path);
	if (sv_eq(sb_sv(&l->link), sb_sv(&l->name)))
		return err_set(e, ERR_INVALID, "archive: hard link '%s' to itself", ent->path);
	cleanup_close int tdir = fs_parent_in(l->u->root_fd, l->link.p, tbase);
	if (tdir < 0)
		return err_sys_class(e, ERR_INVALID, -tdir, "archive: hard link '%s' to '%s'", ent->path,
				     ent->link);
	int r = linkat(tdir, tbase, dirfd, base, 0);
	if (r < 0 && errno == EEXIST) {
		struct stat a, b;
		if (fstatat(tdir, tbase, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
		    fstatat(dirfd, base, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
		    a.st_ino == b.st_ino)
			return 0;
		if (make_way(l, &dirfd, &base, e) < 0)
			return -1;
		r = linkat(tdir, tbase, dirfd, base, 0);
	}
	if (r < 0)
		return err_sys_class(e, errno == ENOSPC ? ERR_SYSTEM : ERR_INVALID, errno,
				     "archive: hard link '%s' to '%s'", ent->path, ent->link);
	return 0;
}

static int create_node(const struct tar_entry *ent, int dirfd, const char *base)
{
	static const mode_t kind[] = { [TAR_CHAR] = S_IFCHR, [TAR_BLOCKDEV] = S_IFBLK, [TAR_FIFO] = S_IFIFO };
	int r = ent->type == TAR_SYMLINK ? symlinkat(ent->link, dirfd, base)
					 : mknodat(dirfd, base, kind[ent->type] | (mode_t)ent->mode,
						   makedev(ent->major, ent->minor));
	return r < 0 ? -errno : 0;
}

/* Symlinks, devices, FIFOs: never opened. */
static int make_node(struct layer *l, const struct tar_entry *ent, int dirfd, const char *base,
		     struct err **e)
{
	if (ent->type == TAR_SYMLINK && !*ent->link)
		return err_set(e, ERR_INVALID, "archive: symbolic link '%s' without target", ent->path);
	if (ent->type == TAR_CHAR && ent->major == 0 && ent->minor == 0)
		return err_set(e, ERR_INVALID, "archive: '%s' is an overlay whiteout device", ent->path);
	if (l->u->no_devices && (ent->type == TAR_CHAR || ent->type == TAR_BLOCKDEV))
		return 0;
	int r = create_node(ent, dirfd, base);
	if (r == -EEXIST) {
		if (make_way(l, &dirfd, &base, e) < 0)
			return -1;
		r = create_node(ent, dirfd, base);
	}
	if (r < 0)
		return err_sys(e, -r, "archive: create '%s'", l->name.p);
	if (fchownat(dirfd, base, owner_of(l, ent), group_of(l, ent), AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "archive: owner of '%s'", l->name.p);
	/* Just made and not a link: nothing else can have put one there. */
	if (ent->type != TAR_SYMLINK && fchmodat(dirfd, base, (mode_t)ent->mode, 0) < 0)
		return err_sys(e, errno, "archive: mode of '%s'", l->name.p);
	if (set_xattrs(ent, -1, dirfd, base, e) < 0)
		return -1;
	struct timespec m = mtime_of(ent);
	r = set_times(-1, dirfd, base, &m);
	return r < 0 ? err_sys(e, -r, "archive: time of '%s'", l->name.p) : 0;
}

/* Takes away from a directory all that this layer did not make itself. */
static int make_opaque(struct layer *l, int dirfd, const char *path, unsigned depth, struct err **e)
{
	if (depth > UNPACK_MAX_DEPTH)
		return err_set(e, ERR_INVALID, "archive: more than %u directories deep", UNPACK_MAX_DEPTH);
	/* Once is enough: what is below cannot come back. A million markers must not cost a million walks. */
	uint64_t done = path_hash(l, path, strlen(path), OPAQUE);
	if (seen_has(l, done))
		return 0;
	seen_put(l, done);
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return err_sys(e, -fd, "archive: read '%s'", path);
	DIR *d = fdopendir(fd);
	if (!d) {
		int saved = errno;
		close(fd);
		return err_sys(e, saved, "archive: read '%s'", path);
	}
	int r = 0;
	struct dirent *ent;
	while (r == 0 && (ent = readdir(d))) {
		const char *name = ent->d_name;
		if (str_eq(name, ".") || str_eq(name, ".."))
			continue;
		cleanup_free char *child = *path ? xasprintf("%s/%s", path, name) : xstrdup(name);
		if (!seen_has(l, path_hash(l, path, strlen(path), name))) {
			int k = remove_at(l, fd, name);
			if (k < 0)
				r = err_sys(e, -k, "archive: hide '%s'", child);
			continue;
		}
		cleanup_close int sub = fs_open_at(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (sub >= 0)
			r = make_opaque(l, sub, child, depth + 1, e);
	}
	closedir(d);
	return r;
}

static int whiteout(struct layer *l, const struct tar_entry *ent, int dirfd, const char *base, struct err **e)
{
	if (str_eq(base, OPAQUE)) {
		if (l->u->is_base)
			return 0;
		cleanup_free char *dir = xstrdup(sb_str(&l->parent));
		cleanup_close int fd = fs_open_at(dirfd, ".", O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			return err_sys(e, -fd, "archive: '%s'", ent->path);
		return make_opaque(l, fd, dir, 0, e);
	}
	if (str_starts(base, WHITEOUT_META))
		return 0; /* aufs' own files */
	const char *name = base + sizeof(WHITEOUT) - 1;
	if (!*name || str_eq(name, ".") || str_eq(name, ".."))
		return err_set(e, ERR_INVALID, "archive: invalid whiteout '%s'", ent->path);
	/* Whiteouts speak of the layers below, never of what this one brought. */
	if (l->u->is_base)
		return 0;
	if (seen_has(l, path_hash(l, sb_str(&l->parent), l->parent.n, name))) {
		cleanup_close int sub = fs_open_at(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		cleanup_free char *path = l->parent.n ? xasprintf("%s/%s", l->parent.p, name) : xstrdup(name);
		return sub < 0 ? 0 : make_opaque(l, sub, path, 0, e);
	}
	int r = remove_at(l, dirfd, name);
	return r < 0 ? err_sys(e, -r, "archive: whiteout '%s'", ent->path) : 0;
}

static int apply(struct layer *l, struct tar_reader *t, const struct tar_entry *ent, struct err **e)
{
	const char *base;
	int r, dirfd;

	if (++l->entries > l->max_entries)
		return err_set(e, ERR_INVALID, "archive: more than %llu entries",
			       (unsigned long long)l->max_entries);
	if (clean_below(l, ent->path, &l->name, e) < 0)
		return -1;
	if (l->name.n == strlen(l->at)) /* the root itself */
		return ent->type == TAR_DIR ? make_dir(l, ent, -1, NULL, e) : 0;
	dirfd = parent_of(l, l->name.p, &base, e);
	if (dirfd < 0)
		return -1;
	if (!l->is_files && str_starts(base, WHITEOUT))
		return whiteout(l, ent, dirfd, base, e);
	switch (ent->type) {
	case TAR_REG: r = make_file(l, t, ent, dirfd, base, e); break;
	case TAR_DIR: r = make_dir(l, ent, dirfd, base, e); break;
	case TAR_HARDLINK: r = make_link(l, ent, dirfd, base, e); break;
	case TAR_SYMLINK:
	case TAR_CHAR:
	case TAR_BLOCKDEV:
	case TAR_FIFO: r = make_node(l, ent, dirfd, base, e); break;
	default: r = err_set(e, ERR_SYSTEM, "archive: unknown entry"); break;
	}
	if (r == 0)
		seen_addn(l, l->name.p, l->name.n);
	return r;
}

static int late_times(struct layer *l, struct err **e)
{
	for (size_t i = l->n_dirs; i-- > 0;) {
		cleanup_close int fd =
			fs_open_in(l->u->root_fd, l->dirs[i].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
			continue; /* replaced by a later entry */
		int r = fd < 0 ? fd : set_times(fd, -1, NULL, &l->dirs[i].mtime);
		if (r < 0)
			return err_sys(e, -r, "archive: time of '%s'", l->dirs[i].path);
	}
	return 0;
}

static void layer_release(struct layer *l)
{
	fd_close(&l->parent_fd);
	sb_release(&l->name);
	sb_release(&l->link);
	sb_release(&l->parent);
	for (size_t i = 0; i < l->n_dirs; i++)
		free(l->dirs[i].path);
	free(l->dirs);
	free(l->seen);
}

static int unpack(const struct unpack *u, int base_fd, const char *at, bool is_files,
		  struct unpack_result *out, struct err **e)
{
	__attribute__((cleanup(layer_release))) struct layer l = {
		.u = u,
		.base_fd = base_fd,
		.at = at,
		.is_files = is_files,
		.parent_fd = -1,
		.seed = random_u64(),
		.max_entries = u->max_entries ? u->max_entries : UNPACK_MAX_ENTRIES,
		.max_bytes = u->max_bytes ? u->max_bytes : UNPACK_MAX_BYTES,
	};
	cleanup_unpack_input struct unpack_input in = UNPACK_INPUT_INIT(u);
	const struct tar_entry *ent;
	int r;

	(void)umask(0);
	if (unpack_input_open(&in, e) < 0)
		return -1;
	cleanup_tar_reader struct tar_reader *t = tar_reader_new(unpack_input_read, &in);
	while ((r = tar_next(t, &ent, e)) > 0)
		if (apply(&l, t, ent, e) < 0)
			return -1;
	if (r < 0 || tar_drain(t, e) < 0 || unpack_input_finish(&in, out, e) < 0 || late_times(&l, e) < 0)
		return -1;
	out->entries = l.entries;
	out->file_bytes = l.file_bytes;
	return 0;
}

int unpack_layer(const struct unpack *u, struct unpack_result *out, struct err **e)
{
	return unpack(u, u->root_fd, "", false, out, e);
}

int unpack_files(const struct unpack *u, const char *at, struct unpack_result *out, struct err **e)
{
	cleanup_strbuf struct strbuf clean = { 0 };
	cleanup_close int dir = fs_open_in(u->root_fd, at, O_RDONLY | O_DIRECTORY, 0);
	if (dir == -ENOTDIR)
		return err_set(e, ERR_INVALID, "extraction point is not a directory");
	if (dir < 0)
		return err_sys_class(e, dir == -ENOENT ? ERR_NOT_FOUND : ERR_INVALID, -dir, "'%s'", at);
	struct unpack files = *u;
	files.is_base = true; /* nothing is hidden, so nothing needs to be remembered */
	return unpack_clean_path(at, &clean, e) < 0 ? -1 : unpack(&files, dir, sb_str(&clean), true, out, e);
}
