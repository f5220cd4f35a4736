/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store-internal.h"

#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

static const char *const stub_dirs[] = { "/dev", "/proc", "/sys", "/etc" };
static const char *const stub_files[] = { "/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf" };

/* Through the image's own overlay: what is there already stays (a link that leads nowhere too), and a directory that
 * gets an entry is copied up with all that it has. */
static int fill(int rootfd)
{
	for (size_t i = 0; i < ARRAY_LEN(stub_dirs); i++) {
		struct stat st;
		if (fs_stat_in(rootfd, stub_dirs[i], &st) == 0)
			continue;
		int fd = fs_mkdirs_in(rootfd, stub_dirs[i], 0755, 0, 0);
		if (fd < 0)
			return fd;
		fd_close(&fd);
	}
	for (size_t i = 0; i < ARRAY_LEN(stub_files); i++) {
		int fd = fs_open_in(rootfd, stub_files[i], O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0755);
		if (fd < 0 && fd != -EEXIST)
			return fd;
		fd_close(&fd);
	}
	return 0;
}

/* tmp/NAME/u becomes the layer. */
static int make_in(struct store *s, const struct layer *top, int dir)
{
	char path[HEX + 8];
	struct stat st;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/diff", top->chain);
	if (fstatat(s->layers_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || mkdirat(dir, "u", 0755) < 0 ||
	    mkdirat(dir, "w", 0700) < 0 ||
	    fchownat(dir, "u", st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(dir, "u", st.st_mode & 07777, 0) < 0)
		return -errno;
	cleanup_close int upper = fs_open_at(dir, "u", O_PATH | O_DIRECTORY, 0),
			  work = fs_open_at(dir, "w", O_PATH | O_DIRECTORY, 0);
	if (upper < 0 || work < 0)
		return -EIO;
	cleanup_free int *fds = xcalloc(top->depth, sizeof(*fds));
	cleanup_err struct err *e = NULL;
	if (layer_open_all(s, top, fds, &n, &e) < 0)
		return -EIO;
	const struct overlay o = {
		.lower = fds, .n_lower = n, .upper_fd = upper, .work_fd = work, .is_volatile = true
	};
	int root = overlay_mount(s, &o, &e);
	for (size_t i = 0; i < n; i++)
		fd_close(&fds[i]);
	if (root < 0)
		return -EIO;
	int r = fill(root);
	fd_close(&root);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/init", top->chain);
	return renameat(dir, "u", s->layers_fd, path) < 0 && errno != ENOTEMPTY && errno != EEXIST ? -errno
												   : 0;
}

static int make(struct store *s, const struct layer *top)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "init-%016llx", (unsigned long long)random_u64());
	if (mkdirat(s->tmp_fd, name, 0700) < 0)
		return -errno;
	cleanup_close int dir = fs_open_at(s->tmp_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	int r = dir < 0 ? dir : make_in(s, top, dir);
	(void)trash(s, s->tmp_fd, name);
	return r;
}

int stubs_open(struct store *s, struct layer *top)
{
	char path[HEX + 8];

	pthread_mutex_lock(&s->lock);
	int state = top->stubs;
	pthread_mutex_unlock(&s->lock);
	/* One long string of layers has no room for another. */
	if (state < 0 || s->overlay == OVERLAY_CLASSIC)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/init", top->chain);
	int fd = fs_open_at(s->layers_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -ENOENT && state == 0) {
		int r = make(s, top);
		if (r < 0)
			log_debug(log_kv("layer", top->chain), "no stubs for this image: %s",
				  strerrorname_np(-r));
		fd = fs_open_at(s->layers_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	}
	if (state == 0) {
		pthread_mutex_lock(&s->lock);
		top->stubs = fd < 0 ? -1 : 1;
		pthread_mutex_unlock(&s->lock);
	}
	return fd;
}
