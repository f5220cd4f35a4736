/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system, by descriptor. Called by everybody that touches files.
 *
 * Paths come in two kinds. A path of *ours* (the engine's own directories, /proc, a bundle an operator named)
 * may be opened by string with the fs_* calls that take a `const char *path` and AT_FDCWD. A path *below a
 * root that others write to* (a rootfs, a layer, a volume) is reached only through fs_*_in(): openat2 with
 * RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, then *at() calls on what it returned. tools/lint/banned.py rejects
 * plain open/stat/mkdir/mount/chown by path outside src/base and src/kernel.
 *
 * Primitives: 0, a count or a descriptor, or -errno. All descriptors are O_CLOEXEC.
 */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static inline UNUSED void fd_close_cleanup_(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
#define cleanup_close __attribute__((cleanup(fd_close_cleanup_)))
/* Closes if >= 0 and sets to -1; errno untouched. */
void fd_close(int *fd);

/* --- below a root somebody else may write to --- */
int fs_open_in(int rootfd, const char *path, int flags, mode_t mode) NODISCARD;
/* O_PATH descriptor of the directory that holds the last component (symlinks followed inside the root), and
 * that component's name copied to base[256]. "/" or a trailing ".." gives -EINVAL. */
int fs_parent_in(int rootfd, const char *path, char base[256]) NODISCARD;
/* mkdir -p inside the root; returns an O_PATH descriptor of the last directory. New ones get mode and
 * uid/gid. */
int fs_mkdirs_in(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid) NODISCARD;
int fs_stat_in(int rootfd, const char *path, struct stat *st) NODISCARD;
int fs_readlink_in(int rootfd, const char *path, char *buf, size_t n) NODISCARD;

/* --- our own paths --- */
int fs_open(const char *path, int flags, mode_t mode) NODISCARD;
int fs_open_at(int dirfd, const char *name, int flags, mode_t mode) NODISCARD;
/* 0 also when it is there already (as a directory, not through a symlink). */
int fs_mkdir_at(int dirfd, const char *name, mode_t mode) NODISCARD;
/* mkdir -p on a path of ours. */
int fs_mkdirs(const char *path, mode_t mode) NODISCARD;
/* Removes a tree below dirfd/name without following links or crossing mounts; absent is fine. */
int fs_rmtree_at(int dirfd, const char *name);

/* Whole file into *out (NUL-terminated, not counted in *n if n is given); -EFBIG above max. */
int fs_read_file_at(int dirfd, const char *name, size_t max, char **out, size_t *n) NODISCARD;
int fs_read_fd(int fd, size_t max, char **out, size_t *n) NODISCARD;
/* Small files in /proc, /sys or a cgroup: one read into buf, NUL-terminated, trailing newline cut. */
int fs_read_small_at(int dirfd, const char *name, char *buf, size_t n) NODISCARD;
/* One write, no creation: for /proc, /sys and cgroup files. */
int fs_write_small_at(int dirfd, const char *name, const char *text) NODISCARD;

/* Durable replace: temp file, fsync, rename, fsync of the directory. */
int fs_replace_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode) NODISCARD;
/* The same without the fsyncs: atomic for readers, not durable against power loss. */
int fs_replace_fast_at(int dirfd, const char *name, const void *data, size_t n, mode_t mode) NODISCARD;

/* Loops over short reads and writes and EINTR. */
ssize_t fd_read_full(int fd, void *buf, size_t n);
int fd_write_full(int fd, const void *buf, size_t n) NODISCARD;
int fd_set_nonblock(int fd, bool on);
int fd_set_cloexec(int fd, bool on);
/* A descriptor as the path the kernel resolves without looking at names: "/proc/self/fd/N". */
struct fdpath {
	char s[32];
};
struct fdpath fd_path(int fd);
