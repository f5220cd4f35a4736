/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROC_MAGIC 0x9fa0

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
_Static_assert(MNT_ATTR_IDMAP == MOUNT_ATTR_IDMAP && MNT_ATTR_NOSYMFOLLOW == MOUNT_ATTR_NOSYMFOLLOW &&
		       MNT_ATTR_ATIME == MOUNT_ATTR__ATIME && MNT_ATTR_NODIRATIME == MOUNT_ATTR_NODIRATIME,
	       "numbers of linux/mount.h");

static int ret(long r)
{
	return r < 0 ? -errno : (int)r;
}

int mnt_fs_open(const char *type)
{
	return ret(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}

int mnt_fs_set(int fsfd, const char *key, const char *value)
{
	return ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_SET_STRING, key, value, 0));
}

int mnt_fs_flag(int fsfd, const char *key)
{
	return ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_SET_FLAG, key, NULL, 0));
}

int mnt_fs_set_fd(int fsfd, const char *key, int fd)
{
	return ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_SET_FD, key, NULL, fd));
}

int mnt_fs_mount(int fsfd, unsigned attrs)
{
	int r = ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));

	return r < 0 ? r : ret(syscall(SYS_fsmount, fsfd, FSMOUNT_CLOEXEC, attrs));
}

const char *mnt_fs_message(int fsfd, char *buf, size_t n)
{
	ssize_t len;

	buf[0] = '\0';
	/* One message a read, oldest first: "e text", "w text", "i text". The last error counts. */
	for (;;) {
		char line[256];

		len = read(fsfd, line, sizeof(line) - 1);
		if (len <= 0)
			break;
		line[len] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'e' && line[1] == ' ')
			(void)snprintf(buf, n, "%s", line + 2);
	}
	return buf;
}

int mnt_clone(int dirfd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0u);

	if (!*path)
		flags |= AT_EMPTY_PATH;
	return ret(syscall(SYS_open_tree, dirfd, path, flags));
}

int mnt_setattr(int dirfd, const char *path, bool recursive, unsigned set, unsigned clear,
		unsigned propagation, int userns_fd)
{
	struct mount_attr at = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
		.userns_fd = set & MNT_ATTR_IDMAP ? (uint64_t)(unsigned)userns_fd : 0,
	};
	unsigned flags = (recursive ? AT_RECURSIVE : 0u) | (*path ? 0u : AT_EMPTY_PATH);

	return ret(syscall(SYS_mount_setattr, dirfd, path, flags, &at, sizeof(at)));
}

int mnt_attach(int mountfd, int target_fd)
{
	return ret(syscall(SYS_move_mount, mountfd, "", target_fd, "",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int mnt_attach_path(int mountfd, const char *path)
{
	return ret(syscall(SYS_move_mount, mountfd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
}

int mnt_pivot(int rootfd)
{
	if (fchdir(rootfd) < 0)
		return -errno;
	/* The old root is stacked on the new one, at ".", and taken off from there. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	if (syscall(SYS_umount2, ".", 2 /* MNT_DETACH */) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}

int mnt_detach(const char *path)
{
	return ret(syscall(SYS_umount2, path, 2 /* MNT_DETACH */));
}

bool mnt_is_type(int fd, unsigned long magic)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (unsigned long)st.f_type == magic;
}

bool mnt_is_procfs(int fd)
{
	return mnt_is_type(fd, PROC_MAGIC);
}

#define ATTR(name_, set_, clear_)                                                                            \
	{ .name = name_, .kind = MNT_OPT_ATTR, .set = set_, .clear = clear_ },                               \
	{                                                                                                    \
		.name = "r" name_, .kind = MNT_OPT_ATTR_REC, .set = set_, .clear = clear_, .recursive = true \
	}
#define PROP(name_, set_)                                                                                    \
	{ .name = name_, .kind = MNT_OPT_PROPAGATION, .set = set_ },                                         \
	{                                                                                                    \
		.name = "r" name_, .kind = MNT_OPT_PROPAGATION, .set = set_, .recursive = true               \
	}

static const struct mnt_option options[] = {
	ATTR("ro", MNT_ATTR_RDONLY, 0),
	ATTR("rw", 0, MNT_ATTR_RDONLY),
	ATTR("nosuid", MNT_ATTR_NOSUID, 0),
	ATTR("suid", 0, MNT_ATTR_NOSUID),
	ATTR("nodev", MNT_ATTR_NODEV, 0),
	ATTR("dev", 0, MNT_ATTR_NODEV),
	ATTR("noexec", MNT_ATTR_NOEXEC, 0),
	ATTR("exec", 0, MNT_ATTR_NOEXEC),
	ATTR("nosymfollow", MNT_ATTR_NOSYMFOLLOW, 0),
	ATTR("symfollow", 0, MNT_ATTR_NOSYMFOLLOW),
	ATTR("noatime", MNT_ATTR_NOATIME, MNT_ATTR_ATIME),
	ATTR("atime", MNT_ATTR_RELATIME, MNT_ATTR_ATIME),
	ATTR("relatime", MNT_ATTR_RELATIME, MNT_ATTR_ATIME),
	ATTR("norelatime", MNT_ATTR_STRICTATIME, MNT_ATTR_ATIME),
	ATTR("strictatime", MNT_ATTR_STRICTATIME, MNT_ATTR_ATIME),
	ATTR("nostrictatime", MNT_ATTR_RELATIME, MNT_ATTR_ATIME),
	ATTR("nodiratime", MNT_ATTR_NODIRATIME, 0),
	ATTR("diratime", 0, MNT_ATTR_NODIRATIME),
	PROP("shared", MNT_SHARED),
	PROP("slave", MNT_SLAVE),
	PROP("private", MNT_PRIVATE),
	PROP("unbindable", MNT_UNBINDABLE),
	{ .name = "bind", .kind = MNT_OPT_BIND },
	{ .name = "rbind", .kind = MNT_OPT_BIND, .recursive = true },
	{ .name = "sync", .kind = MNT_OPT_SUPER },
	{ .name = "dirsync", .kind = MNT_OPT_SUPER },
	{ .name = "lazytime", .kind = MNT_OPT_SUPER },
	{ .name = "mand", .kind = MNT_OPT_SUPER },
	{ .name = "remount", .kind = MNT_OPT_REMOUNT },
	{ .name = "tmpcopyup", .kind = MNT_OPT_COPYUP },
	{ .name = "idmap", .kind = MNT_OPT_IDMAP },
	{ .name = "ridmap", .kind = MNT_OPT_IDMAP, .recursive = true },
	{ .name = "defaults", .kind = MNT_OPT_IGNORE },
	{ .name = "async", .kind = MNT_OPT_IGNORE },
	{ .name = "loud", .kind = MNT_OPT_IGNORE },
	{ .name = "silent", .kind = MNT_OPT_IGNORE },
	{ .name = "iversion", .kind = MNT_OPT_IGNORE },
	{ .name = "noiversion", .kind = MNT_OPT_IGNORE },
	{ .name = "nolazytime", .kind = MNT_OPT_IGNORE },
	{ .name = "nomand", .kind = MNT_OPT_IGNORE },
};

const struct mnt_option *mnt_option_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

const struct mnt_option *mnt_option_at(size_t i)
{
	return i < ARRAY_LEN(options) ? &options[i] : NULL;
}
