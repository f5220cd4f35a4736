/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include "base/id.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

static int openat2_retry(int dirfd, const char *path, struct open_how *how)
{
	for (;;) {
		long r = syscall(SYS_openat2, dirfd, path, how, sizeof(*how));

		if (r >= 0)
			return (int)r;
		/* EAGAIN: a rename raced with a ".." the kernel could not prove harmless. */
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
	}
}

int fs_open_in(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return openat2_retry(rootfd, *path ? path : ".", &how);
}

int fs_parent_in(int rootfd, const char *path, char base[256])
{
	struct sv p = sv_of(path), name;
	cleanup_free char *dir = NULL;
	ssize_t slash;

	while (p.n && p.p[p.n - 1] == '/')
		p.n--;
	slash = sv_rfind(p, '/');
	name = sv_sub(p, (size_t)(slash + 1), p.n);
	if (name.n == 0 || sv_eqs(name, ".") || sv_eqs(name, ".."))
		return -EINVAL;
	if (name.n > 255)
		return -ENAMETOOLONG;
	dir = slash <= 0 ? xstrdup("/") : xstrndup(p.p, (size_t)slash);
	memcpy(base, name.p, name.n);
	base[name.n] = '\0';
	return fs_open_in(rootfd, dir, O_PATH | O_DIRECTORY, 0);
}

int fs_mkdirs_in(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct strbuf done = { 0 };
	struct sv rest = sv_of(path);
	int cur, r;

	cur = fs_open_in(rootfd, path, O_PATH | O_DIRECTORY, 0);
	if (cur != -ENOENT)
		return cur;
	/* Walk from the root, so that links and ".." on the way mean what they mean inside. */
	cur = fs_open_in(rootfd, "/", O_PATH | O_DIRECTORY, 0);
	while (cur >= 0 && rest.n) {
		struct sv name;
		cleanup_free char *one = NULL;
		int next;

		(void)sv_cut(rest, '/', &name, &rest);
		if (name.n == 0 || sv_eqs(name, "."))
			continue;
		sb_addc(&done, '/');
		sb_addsv(&done, name);
		next = fs_open_in(rootfd, done.p, O_PATH | O_DIRECTORY, 0);
		if (next == -ENOENT) {
			one = sv_dup(name);
			r = mkdirat(cur, one, mode) < 0 && errno != EEXIST ? -errno : 0;
			if (r == 0)
				next = fs_open_in(rootfd, done.p, O_PATH | O_DIRECTORY, 0);
			else
				next = r;
			if (next >= 0 && (uid != 0 || gid != 0) &&
			    fchownat(next, "", uid, gid, AT_EMPTY_PATH) < 0) {
				r = -errno;
				fd_close(&next);
				next = r;
			}
		}
		fd_close(&cur);
		cur = next;
	}
	sb_release(&done);
	return cur;
}

int fs_stat_in(int rootfd, const char *path, struct stat *st)
{
	cleanup_close int fd = fs_open_in(rootfd, path, O_PATH, 0);

	if (fd < 0)
		return fd;
	return fstat(fd, st) < 0 ? -errno : 0;
}

int fs_readlink_in(int rootfd, const char *path, char *buf, size_t n)
{
	cleanup_close int fd = fs_open_in(rootfd, path, O_PATH | O_NOFOLLOW, 0);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = readlinkat(fd, "", buf, n);
	if (len < 0)
		return -errno;
	if ((size_t)len >= n)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return (int)len;
}

int fs_open_at(int dirfd, const char *name, int flags, mode_t mode)
{
	for (;;) {
		int fd = openat(dirfd, name, flags | O_CLOEXEC, mode);

		if (fd >= 0)
			return fd;
		if (errno != EINTR)
			return -errno;
	}
}

int fs_open(const char *path, int flags, mode_t mode)
{
	return fs_open_at(AT_FDCWD, path, flags, mode);
}

int fs_mkdir_at(int dirfd, const char *name, mode_t mode)
{
	struct stat st;

	if (mkdirat(dirfd, name, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int fs_mkdirs(const char *path, mode_t mode)
{
	cleanup_free char *copy = xstrdup(path);

	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST) {
			struct stat st;
			int saved = errno;

			/* A read-only parent says EROFS for a directory that is there. */
			if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
				return -saved;
		}
		*p = c;
		if (c == '\0')
			break;
	}
	return 0;
}

/*
 * A tree may be deeper than a thread's stack or the descriptors go: whoever made it in a container chose its depth. So a
 * directory that lies RM_LEVELS deep is moved to the top and its turn comes in the next pass. Where moving is not
 * possible (what lies below in an overlay) the walk goes on down to RM_LEVELS_MAX.
 */
#define RM_LEVELS     64
#define RM_LEVELS_MAX 512

struct rm {
	int top;
	dev_t dev;
	bool moved; /* another pass is due */
};

static bool rm_move(struct rm *rm, int dirfd, const char *name)
{
	char to[32];

	(void)snprintf(to, sizeof(to), ".rm-%016llx", (unsigned long long)random_u64());
	if (renameat(dirfd, name, rm->top, to) < 0)
		return false;
	rm->moved = true;
	return true;
}

static int rmtree_children(struct rm *rm, int fd, unsigned depth);

/* A directory in dirfd, with all that is in it. */
static int rmtree_dir(struct rm *rm, int dirfd, const char *name, unsigned depth)
{
	struct stat st;
	int r = 0;

	int sub = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return -errno;
	if (fstat(sub, &st) < 0 || st.st_dev != rm->dev) {
		(void)close(sub);
		return -EXDEV;
	}
	if (depth >= RM_LEVELS && rm_move(rm, dirfd, name)) {
		(void)close(sub);
		return 0;
	}
	if (depth >= RM_LEVELS_MAX) {
		(void)close(sub);
		return -EXDEV;
	}
	/* A directory without w or x keeps its children even from us without CAP_DAC_OVERRIDE. */
	if ((st.st_mode & 0700) != 0700)
		(void)fchmod(sub, (st.st_mode & 07777) | 0700);
	r = rmtree_children(rm, sub, depth + 1);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = r ? r : -errno;
	return r;
}

static int rmtree_children(struct rm *rm, int fd, unsigned depth)
{
	DIR *d;
	struct dirent *e;
	int r = 0;

	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_type != DT_DIR && unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (e->d_type == DT_DIR || errno == EISDIR) {
			int rr = rmtree_dir(rm, dirfd(d), e->d_name, depth);
			r = r ? r : rr;
		} else if (errno != ENOENT) {
			r = r ? r : -errno;
		}
	}
	(void)closedir(d);
	return r;
}

int fs_rmtree_at(int dirfd, const char *name)
{
	struct stat st;
	struct rm rm = { .moved = true };
	int r = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	cleanup_close int top = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(top, &st) < 0)
		return -errno;
	rm.top = top;
	rm.dev = st.st_dev;
	while (rm.moved) {
		rm.moved = false;
		int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int rr = fd < 0 ? -errno : rmtree_children(&rm, fd, 1);
		r = r ? r : rr;
	}
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = r ? r : -errno;
	return r;
}

int fs_read_fd(int fd, size_t max, char **out, size_t *n)
{
	size_t cap, len = 0;
	struct stat st;
	char *p;

	cap = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;
	cap = MIN(cap, max + 1);
	p = try_alloc(cap + 1);
	if (!p)
		return -ENOMEM;
	for (;;) {
		ssize_t r = read(fd, p + len, cap - len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			int saved = errno;

			free(p);
			return -saved;
		}
		if (r == 0)
			break;
		len += (size_t)r;
		if (len > max) {
			free(p);
			return -EFBIG;
		}
		if (len == cap) {
			cap = MIN(cap * 2, max + 1);
			p = xreallocarray(p, cap + 1, 1);
		}
	}
	p[len] = '\0';
	*out = p;
	if (n)
		*n = len;
	return 0;
}

int fs_read_file_at(int dirfd, const char *name, size_t max, char **out, size_t *n)
{
	cleanup_close int fd = fs_open_at(dirfd, name, O_RDONLY, 0);

	return fd < 0 ? fd : fs_read_fd(fd, max, out, n);
}

int fs_read_small_at(int dirfd, const char *name, char *buf, size_t n)
{
	cleanup_close int fd = fs_open_at(dirfd, name, O_RDONLY, 0);
	ssize_t len;

	if (fd < 0)
		return fd;
	do
		len = read(fd, buf, n - 1);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

int fs_write_small_at(int dirfd, const char *name, const char *text)
{
	cleanup_close int fd = fs_open_at(dirfd, name, O_WRONLY, 0);
	size_t n = strlen(text);
	ssize_t r;

	if (fd < 0)
		return fd;
	do
		r = write(fd, text, n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return (size_t)r == n ? 0 : -EIO;
}

static int replace_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode, bool durable)
{
	char tmp[NAME_MAX + 1];
	const char *slash = strrchr(name, '/');
	int fd, r;

	/* a path: the temporary file belongs beside its target */
	if (slash) {
		cleanup_free char *dir = xstrndup(name, MAX((size_t)(slash - name), (size_t)1));
		cleanup_close int d = fs_open_at(dirfd, dir, O_PATH | O_DIRECTORY, 0);

		return d < 0 ? d : replace_at(d, slash + 1, data, n, mode, durable);
	}
	if (snprintf(tmp, sizeof(tmp), ".%.200s.%016llx", name, (unsigned long long)random_u64()) >=
	    (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = fs_open_at(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL, mode);
	if (fd < 0)
		return fd;
	r = fd_write_full(fd, data, n);
	if (r == 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, tmp, 0);
		return r;
	}
	if (durable) {
		cleanup_close int d = fs_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);

		if (d < 0)
			return d;
		if (fsync(d) < 0)
			return -errno;
	}
	return 0;
}

int fs_replace_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode)
{
	return replace_at(dirfd, name, data, n, mode, true);
}

int fs_replace_fast_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode)
{
	return replace_at(dirfd, name, data, n, mode, false);
}

ssize_t fd_read_full(int fd, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(fd, (char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int fd_write_full(int fd, const void *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = write(fd, (const char *)buf + done, n - done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		done += (size_t)r;
	}
	return 0;
}

int fd_set_nonblock(int fd, bool on)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0)
		return -errno;
	return fcntl(fd, F_SETFL, on ? fl | O_NONBLOCK : fl & ~O_NONBLOCK) < 0 ? -errno : 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

struct fdpath fd_path(int fd)
{
	struct fdpath p;

	(void)snprintf(p.s, sizeof(p.s), "/proc/self/fd/%d", fd);
	return p;
}
