/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes a tree takes: allocated blocks, each inode once. */
#include "volume/volume-internal.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>

#define USAGE_MAX_DEPTH 512 /* what the stack of a thread holds: a container chose the depth */

struct seen {
	uint64_t *v; /* open addressing over inode numbers of files with several links; 0 is free */
	size_t n, cap;
};

static bool first_time(struct seen *s, uint64_t ino)
{
	size_t i;

	if (s->n * 2 >= s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		uint64_t *v = xcalloc(cap, sizeof(*v));

		for (size_t k = 0; k < s->cap; k++) {
			if (!s->v[k])
				continue;
			for (i = s->v[k] & (cap - 1); v[i]; i = (i + 1) & (cap - 1))
				;
			v[i] = s->v[k];
		}
		free(s->v);
		s->v = v;
		s->cap = cap;
	}
	for (i = ino & (s->cap - 1); s->v[i]; i = (i + 1) & (s->cap - 1))
		if (s->v[i] == ino)
			return false;
	s->v[i] = ino;
	s->n++;
	return true;
}

static int walk(int fd, dev_t dev, unsigned depth, struct seen *seen, int64_t *total)
{
	struct dirent *d;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	while ((d = readdir(dir))) {
		struct stat st;
		int sub;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		/* Files come and go while we look. */
		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != dev)
			continue;
		if (S_ISDIR(st.st_mode) || st.st_nlink == 1 || first_time(seen, st.st_ino))
			*total += (int64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode) || depth == 0)
			continue;
		sub = fs_open_at(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (sub >= 0)
			(void)walk(sub, dev, depth - 1, seen, total);
	}
	(void)closedir(dir);
	return 0;
}

int64_t volume_usage(struct volume *v)
{
	struct seen seen = { 0 };
	int64_t total = 0;
	struct stat st;
	int fd = fs_open(v->mountpoint, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	r = walk(fd, st.st_dev, USAGE_MAX_DEPTH, &seen, &total);
	free(seen.v);
	return r < 0 ? r : total;
}
