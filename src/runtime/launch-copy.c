/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: what a tmpfs covers is copied into it. Both sides are descriptors; links are copied, not followed;
 * other mounts below are not entered. No allocation: one buffer a level, on the stack.
 */
#include "runtime/launch-internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define MAX_DEPTH 48

struct dirent64_raw {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int set_meta(int dir, const char *name, const struct stat *st)
{
	struct timespec t[2] = { st->st_atim, st->st_mtim };

	if (fchownat(dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st->st_mode) && fchmodat(dir, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	(void)utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW);
	return 0;
}

static int copy_file(int from, int to, const char *name)
{
	cleanup_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_close int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return -errno;
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	return n < 0 ? -errno : 0;
}

static int copy_dir(int from, int to, dev_t dev, int depth);

static int copy_one(int from, int to, const char *name, dev_t dev, int depth)
{
	char target[PATH_MAX];
	struct stat st;
	ssize_t n;
	int r = 0;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(to, name, 0700) < 0)
			return -errno;
		if (st.st_dev == dev) {
			cleanup_close int f =
				openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			cleanup_close int t =
				openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = f < 0 || t < 0 ? -errno : copy_dir(f, t, dev, depth + 1);
		}
	} else if (S_ISREG(st.st_mode)) {
		r = copy_file(from, to, name);
	} else if (S_ISLNK(st.st_mode)) {
		n = readlinkat(from, name, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
		r = symlinkat(target, to, name) < 0 ? -errno : 0;
	} else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		r = mknodat(to, name, st.st_mode & (S_IFMT | 0777), st.st_rdev) < 0 ? -errno : 0;
	} else {
		return 0; /* sockets have no meaning as a copy */
	}
	return r < 0 ? r : set_meta(to, name, &st);
}

static int copy_dir(int from, int to, dev_t dev, int depth)
{
	_Alignas(8) char buf[4096];

	if (depth > MAX_DEPTH)
		return -ELOOP;
	for (;;) {
		long n = syscall(SYS_getdents64, from, buf, sizeof(buf));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			const struct dirent64_raw *d = (const void *)(buf + at);
			int r = 0;

			at += d->reclen;
			if (strcmp(d->name, ".") != 0 && strcmp(d->name, "..") != 0)
				r = copy_one(from, to, d->name, dev, depth);
			if (r < 0)
				return r;
		}
	}
}

int lc_copy_tree(int fromfd, int tofd)
{
	cleanup_close int to = openat(tofd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timespec t[2];
	struct stat st;

	if (to < 0 || fstat(fromfd, &st) < 0)
		return -errno;
	int r = copy_dir(fromfd, to, st.st_dev, 0);
	if (r < 0)
		return r;
	if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	t[0] = st.st_atim;
	t[1] = st.st_mtim;
	(void)futimens(to, t);
	return 0;
}
