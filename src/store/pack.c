/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pack-internal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#define OUT_SIZE  ((size_t)256 << 10)
#define DATA_SIZE ((size_t)128 << 10)
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif
#define XATTR_MAX ((size_t)64 << 10)

/* --- output --- */

static int flush(struct packer *p, struct err **e)
{
	int r = fd_write_full(p->out_fd, sb_str(&p->out), p->out.n);
	sb_reset(&p->out);
	return r < 0 ? err_sys_class(e, r == -EPIPE ? ERR_CANCELLED : ERR_SYSTEM, -r, "write archive") : 0;
}

static int put(void *ctx, const void *buf, size_t n, struct err **e)
{
	struct packer *p = ctx;
	sb_addn(&p->out, buf, n);
	return p->out.n >= OUT_SIZE ? flush(p, e) : 0;
}

void packer_init(struct packer *p, int out_fd)
{
	*p = (struct packer){ .out_fd = out_fd };
	p->w = tar_writer_to(put, p);
	p->buf = xmalloc(DATA_SIZE);
}

int packer_flush(struct packer *p, struct err **e)
{
	return flush(p, e);
}

void packer_release(struct packer *p)
{
	map_for_each (it, &p->inodes)
		free(it->value);
	map_release(&p->inodes);
	sb_release(&p->out);
	sb_release(&p->xattrs);
	free(p->buf);
}

/* --- entries --- */

static bool xattr_kept(const char *name)
{
	return str_eq(name, "security.capability") || str_eq(name, "system.posix_acl_access") ||
	       str_eq(name, "system.posix_acl_default") ||
	       (str_starts(name, "user.") && !str_starts(name, "user.overlay."));
}

/* Into p->xattr; what cannot be read is left out, as Docker does. */
static size_t read_xattrs(struct packer *p, int fd)
{
	char names[4096];
	size_t n = 0;
	ssize_t len = flistxattr(fd, names, sizeof(names));
	sb_reset(&p->xattrs);
	sb_reserve(&p->xattrs, 2 * XATTR_MAX + sizeof(names));
	for (ssize_t at = 0; at < len && n < TAR_MAX_XATTRS; at += (ssize_t)strlen(names + at) + 1) {
		const char *name = names + at;
		if (!xattr_kept(name))
			continue;
		char *to = p->xattrs.p + p->xattrs.n;
		size_t room = 2 * XATTR_MAX + sizeof(names) - p->xattrs.n, k = strlen(name) + 1;
		if (k >= room)
			break;
		memcpy(to, name, k);
		ssize_t v = fgetxattr(fd, name, to + k, room - k);
		if (v < 0)
			continue;
		p->xattr[n++] = (struct tar_xattr){ to, sv_n(to + k, (size_t)v) };
		p->xattrs.n += k + (size_t)v;
	}
	return n;
}

static bool type_of(mode_t m, enum tar_type *out)
{
	switch (m & S_IFMT) {
	case S_IFREG: *out = TAR_REG; return true;
	case S_IFDIR: *out = TAR_DIR; return true;
	case S_IFLNK: *out = TAR_SYMLINK; return true;
	case S_IFCHR: *out = TAR_CHAR; return true;
	case S_IFBLK: *out = TAR_BLOCKDEV; return true;
	case S_IFIFO: *out = TAR_FIFO; return true;
	default: return false; /* sockets */
	}
}

static struct tar_entry entry_of(const struct stat *st, enum tar_type type, const char *path)
{
	return (struct tar_entry){
		.type = type,
		.path = path,
		.link = "",
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.size = type == TAR_REG ? (uint64_t)st->st_size : 0,
		.mtime_s = st->st_mtim.tv_sec, /* whole seconds: what Docker writes */
	};
}

/* The header promised `size` bytes: what the file lost meanwhile is zeros, what it won is left. */
static int add_data(struct packer *p, int fd, uint64_t size, struct err **e)
{
	while (size > 0) {
		size_t want = size < DATA_SIZE ? (size_t)size : DATA_SIZE;
		ssize_t n = read(fd, p->buf, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "archive: read");
		if (n == 0) {
			memset(p->buf, 0, want);
			n = (ssize_t)want;
		}
		if (tar_write_data(&p->w, p->buf, (size_t)n, e) < 0)
			return -1;
		size -= (uint64_t)n;
	}
	return tar_write_data(&p->w, p->buf, 0, e);
}

static int add_file(struct packer *p, int dirfd, const char *base, const char *path, struct err **e)
{
	struct stat st;
	/* It may be a FIFO by now: not blocking, and looked at before it is read. */
	cleanup_close int fd = fs_open_at(dirfd, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP || fd == -ENXIO
			       ? 0
			       : err_sys(e, -fd, "archive: open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "archive: '%s'", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	struct tar_entry ent = entry_of(&st, TAR_REG, path);
	if (st.st_nlink > 1) {
		char key[48];
		(void)snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st.st_dev,
			       (unsigned long long)st.st_ino);
		const char *first = map_get(&p->inodes, key);
		if (first) {
			ent.type = TAR_HARDLINK;
			ent.link = first;
			ent.size = 0;
			return tar_write_header(&p->w, &ent, e);
		}
		(void)map_put(&p->inodes, key, xstrdup(path));
	}
	ent.n_xattrs = read_xattrs(p, fd);
	ent.xattrs = p->xattr;
	return tar_write_header(&p->w, &ent, e) < 0 ? -1 : add_data(p, fd, ent.size, e);
}

int packer_add(struct packer *p, int dirfd, const char *base, const char *path, struct err **e)
{
	struct stat st;
	enum tar_type type;
	char link[TAR_MAX_PATH + 1];
	if (fstatat(dirfd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "archive: '%s'", path);
	if (!type_of(st.st_mode, &type))
		return 0;
	if (type == TAR_REG)
		return add_file(p, dirfd, base, path, e);
	struct tar_entry ent = entry_of(&st, type, path);
	if (type == TAR_SYMLINK) {
		ssize_t n = readlinkat(dirfd, base, link, sizeof(link) - 1);
		if (n < 0)
			return errno == ENOENT || errno == EINVAL
				       ? 0
				       : err_sys(e, errno, "archive: link '%s'", path);
		link[n] = 0;
		ent.link = link;
	} else if (type == TAR_DIR) {
		cleanup_close int fd = fs_open_at(dirfd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		ent.n_xattrs = fd < 0 ? 0 : read_xattrs(p, fd);
		ent.xattrs = p->xattr;
	}
	return tar_write_header(&p->w, &ent, e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int list_dir(int dirfd, struct strlist *names)
{
	int fd = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	DIR *d = fdopendir(fd);
	struct dirent *ent;
	if (!d) {
		int r = -errno;
		close(fd);
		return r;
	}
	while ((ent = readdir(d)))
		if (!str_eq(ent->d_name, ".") && !str_eq(ent->d_name, ".."))
			strlist_add(names, ent->d_name);
	closedir(d);
	if (names->n)
		qsort(names->v, names->n, sizeof(*names->v), by_name);
	return 0;
}

static int add_children(struct packer *p, int dir, const char *path, unsigned depth, struct err **e)
{
	cleanup_strlist struct strlist names = { 0 };
	if (depth > PACK_MAX_DEPTH)
		return err_set(e, ERR_INVALID, "archive: more than %u directories deep", PACK_MAX_DEPTH);
	int r = list_dir(dir, &names);
	if (r < 0)
		return err_sys(e, -r, "archive: read '%s'", path);
	size_t n = strlen(path);
	for (size_t i = 0; i < names.n; i++) {
		const char *slash = n && path[n - 1] != '/' ? "/" : "";
		cleanup_free char *child = xasprintf("%s%s%s", path, slash, names.v[i]);
		if (packer_add_tree(p, dir, names.v[i], child, depth + 1, e) < 0)
			return -1;
	}
	return 0;
}

/* Kernel interfaces that a running container has mounted: their files have no size and may block or refuse. */
static bool is_pseudo(int dir)
{
	static const unsigned long magics[] = { PROC_SUPER_MAGIC,    SYSFS_MAGIC,        CGROUP_SUPER_MAGIC,
						CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC,
						DEBUGFS_MAGIC,       SECURITYFS_MAGIC };
	struct statfs st;
	if (fstatfs(dir, &st) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(magics); i++)
		if ((unsigned long)st.f_type == magics[i])
			return true;
	return false;
}

int packer_add_tree(struct packer *p, int dirfd, const char *base, const char *path, unsigned depth,
		    struct err **e)
{
	if (packer_add(p, dirfd, base, path, e) < 0)
		return -1;
	cleanup_close int dir = fs_open_at(dirfd, base, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat above, here;
	if (dir < 0)
		return 0;
	/* On the walk such a mount is shown empty, as Docker shows it; asked for by name, it is read. */
	if (depth > 0 && fstat(dirfd, &above) == 0 && fstat(dir, &here) == 0 && above.st_dev != here.st_dev &&
	    is_pseudo(dir))
		return 0;
	return add_children(p, dir, path, depth, e);
}

/* --- paths --- */

int pack_resolve(int root_fd, const char *path, struct strbuf *out, struct err **e)
{
	cleanup_free char *todo = xstrdup(path);
	char link[TAR_MAX_PATH + 1];
	unsigned links = 0;
	size_t at = 0;
	bool missing = false;

	sb_reset(out);
	while (todo[at]) {
		size_t n = strcspn(todo + at, "/");
		struct sv part = sv_n(todo + at, n);
		at += n + (todo[at + n] == '/');
		if (!part.n || sv_eqs(part, "."))
			continue;
		if (sv_eqs(part, "..")) {
			ssize_t cut = sv_rfind(sb_sv(out), '/');
			out->n = cut < 0 ? 0 : (size_t)cut;
			if (out->p)
				out->p[out->n] = 0;
			missing = false;
			continue;
		}
		size_t before = out->n;
		sb_addc(out, '/');
		sb_addsv(out, part);
		if (out->n > TAR_MAX_PATH)
			return err_set(e, ERR_INVALID, "path is too long");
		cleanup_close int fd = missing ? -1 : fs_open_in(root_fd, out->p, O_PATH | O_NOFOLLOW, 0);
		missing |= fd == -ENOENT;
		/* What is no link has none to read: ENOENT for a descriptor. */
		ssize_t k = fd < 0 ? -1 : readlinkat(fd, "", link, sizeof(link) - 1);
		if (k < 0)
			continue;
		link[k] = 0;
		if (++links > PACK_MAX_LINKS)
			return err_sys_class(e, ERR_INVALID, ELOOP, "'%s'", path);
		out->n = link[0] == '/' ? 0 : before;
		out->p[out->n] = 0;
		char *more = xasprintf("%s/%s", link, todo + at);
		free(todo);
		todo = more;
		at = 0;
	}
	if (out->n == 0)
		sb_add(out, "/");
	return 0;
}

/* A path as Docker splits it: the directory is followed, the last component is not, unless a '/' or "/." ends the path. */
struct target {
	int dir;     /* O_PATH */
	char *base;  /* "." when the path names the directory itself */
	char *shown; /* the name in the tar and in the stat */
};

static void target_release(struct target *t)
{
	fd_close(&t->dir);
	free(t->base);
	free(t->shown);
}

static int not_found(struct err **e, int err, const char *path)
{
	return err_sys_class(e, err == ENOENT || err == ENOTDIR ? ERR_NOT_FOUND : ERR_INVALID, err, "'%s'",
			     path);
}

static int target_open(int root_fd, const char *path, struct target *t, struct err **e)
{
	cleanup_strbuf struct strbuf clean = { 0 };
	size_t n = strlen(path);
	bool into = n == 0 || path[n - 1] == '/' || str_ends(path, "/.") || str_eq(path, ".");
	if (n > TAR_MAX_PATH)
		return err_set(e, ERR_INVALID, "path is too long");
	/* filepath.Join("/", path): ".." is undone as text before links are looked at. */
	for (struct sv rest = sv_of(path), part; rest.n;) {
		(void)sv_cut(rest, '/', &part, &rest);
		if (sv_eqs(part, "..")) {
			ssize_t cut = sv_rfind(sb_sv(&clean), '/');
			clean.n = cut < 0 ? 0 : (size_t)cut;
		} else if (part.n && !sv_eqs(part, ".")) {
			sb_addc(&clean, '/');
			sb_addsv(&clean, part);
		}
	}
	const char *whole = clean.n ? (clean.p[clean.n] = 0, clean.p) : "/";
	const char *slash = strrchr(whole, '/');
	t->shown = str_ends(path, "/.") || str_eq(path, ".") ? xstrdup(".")
		   : slash[1]                                ? xstrdup(slash + 1)
							     : xstrdup("/");
	if (into || !slash[1]) {
		t->dir = fs_open_in(root_fd, whole, O_PATH | O_DIRECTORY, 0);
		t->base = xstrdup(".");
	} else {
		cleanup_free char *dir =
			slash == whole ? xstrdup("/") : xstrndup(whole, (size_t)(slash - whole));
		t->dir = fs_open_in(root_fd, dir, O_PATH | O_DIRECTORY, 0);
		t->base = xstrdup(slash + 1);
	}
	struct stat st;
	if (t->dir < 0)
		return not_found(e, -t->dir, path);
	return fstatat(t->dir, t->base, &st, AT_SYMLINK_NOFOLLOW) < 0 ? not_found(e, errno, path) : 0;
}

/* os.FileMode's bits. */
static uint32_t go_mode(mode_t m)
{
	uint32_t r = m & 0777;
	r |= m & S_ISUID ? 1u << 23 : 0;
	r |= m & S_ISGID ? 1u << 22 : 0;
	r |= m & S_ISVTX ? 1u << 20 : 0;
	switch (m & S_IFMT) {
	case S_IFDIR: return r | 1u << 31;
	case S_IFLNK: return r | 1u << 27;
	case S_IFBLK: return r | 1u << 26;
	case S_IFCHR: return r | 1u << 26 | 1u << 21;
	case S_IFIFO: return r | 1u << 25;
	case S_IFSOCK: return r | 1u << 24;
	default: return r;
	}
}

int pack_stat(int root_fd, const char *path, struct strbuf *json, struct err **e)
{
	__attribute__((cleanup(target_release))) struct target t = { .dir = -1 };
	cleanup_strbuf struct strbuf link = { 0 };
	struct stat st;
	if (target_open(root_fd, path, &t, e) < 0)
		return -1;
	if (fstatat(t.dir, t.base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return not_found(e, errno, path);
	if (S_ISLNK(st.st_mode) && pack_resolve(root_fd, path, &link, e) < 0)
		return -1;
	struct jw w = jw_to(json);
	jw_obj(&w);
	jw_kstr(&w, "name", t.shown);
	jw_ki64(&w, "size", st.st_size);
	jw_ku64(&w, "mode", go_mode(st.st_mode));
	jw_kstr(&w, "mtime", clock_rfc3339nano(st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec).s);
	jw_kstr(&w, "linkTarget", sb_str(&link));
	jw_end(&w);
	return 0;
}

int pack_get(int root_fd, const char *path, int out_fd, struct err **e)
{
	__attribute__((cleanup(target_release))) struct target t = { .dir = -1 };
	__attribute__((cleanup(packer_release))) struct packer p;
	packer_init(&p, out_fd);
	if (target_open(root_fd, path, &t, e) < 0 || packer_add_tree(&p, t.dir, t.base, t.shown, 0, e) < 0 ||
	    tar_write_end(&p.w, e) < 0)
		return -1;
	return packer_flush(&p, e);
}

int pack_export(int root_fd, int out_fd, struct err **e)
{
	__attribute__((cleanup(packer_release))) struct packer p;
	packer_init(&p, out_fd);
	if (add_children(&p, root_fd, "", 0, e) < 0 || tar_write_end(&p.w, e) < 0)
		return -1;
	return packer_flush(&p, e);
}
