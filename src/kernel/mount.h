/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new mount API by descriptor. Called by runtime/ and store/.
 *
 * A mount is made detached (mnt_fs_*, mnt_clone), given its attributes and propagation while nobody can see it
 * (mnt_setattr), and then moved onto the descriptor of its target (mnt_attach). No path below a container's
 * root is ever named to the kernel's mount calls.
 *
 * Primitives: 0 or a descriptor (O_CLOEXEC), or -errno. No allocation, no globals; usable between clone and
 * execve.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* linux/mount.h and glibc's sys/mount.h exclude each other: the numbers that others need. */
#define MNT_ATTR_RDONLY      0x00000001u
#define MNT_ATTR_NOSUID      0x00000002u
#define MNT_ATTR_NODEV       0x00000004u
#define MNT_ATTR_NOEXEC      0x00000008u
#define MNT_ATTR_ATIME       0x00000070u /* mask: clear it when setting one of the next three */
#define MNT_ATTR_RELATIME    0x00000000u
#define MNT_ATTR_NOATIME     0x00000010u
#define MNT_ATTR_STRICTATIME 0x00000020u
#define MNT_ATTR_NODIRATIME  0x00000080u
#define MNT_ATTR_IDMAP       0x00100000u
#define MNT_ATTR_NOSYMFOLLOW 0x00200000u
#define MNT_ATTR_ALL         0x003000ffu

#define MNT_UNBINDABLE (1u << 17)
#define MNT_PRIVATE    (1u << 18)
#define MNT_SLAVE      (1u << 19)
#define MNT_SHARED     (1u << 20)

/* --- a new instance of a file system --- */

int mnt_fs_open(const char *type) NODISCARD;
int mnt_fs_set(int fsfd, const char *key, const char *value) NODISCARD;
int mnt_fs_flag(int fsfd, const char *key) NODISCARD;
int mnt_fs_set_fd(int fsfd, const char *key, int fd) NODISCARD;
/* Creates it and returns the detached mount. */
int mnt_fs_mount(int fsfd, unsigned attrs) NODISCARD;
/* What the file system said about the last failure ("overlay: …"), or "". Returns buf. */
const char *mnt_fs_message(int fsfd, char *buf, size_t n);

/* --- mounts --- */

/* A detached copy (bind) of what is at dirfd/path; path "" is dirfd itself. */
int mnt_clone(int dirfd, const char *path, bool recursive) NODISCARD;
/* set and clear are MNT_ATTR_*; propagation is 0 or one of MNT_SHARED…; userns_fd counts with MNT_ATTR_IDMAP. */
int mnt_setattr(int dirfd, const char *path, bool recursive, unsigned set, unsigned clear,
		unsigned propagation, int userns_fd) NODISCARD;
/* Moves a detached mount onto what target_fd refers to (its topmost place). */
int mnt_attach(int mountfd, int target_fd) NODISCARD;
int mnt_attach_path(int mountfd, const char *path) NODISCARD;
/* Makes the (attached) mount of rootfd the root of this mount namespace and drops the old tree; the working
 * directory is the new root after. The mount above must not be shared. */
int mnt_pivot(int rootfd) NODISCARD;
/* Lazy unmount of a path of ours. */
int mnt_detach(const char *path);
bool mnt_is_procfs(int fd);
bool mnt_is_type(int fd, unsigned long magic);

/* --- options of runtime-spec's mounts --- */

enum mnt_option_kind {
	MNT_OPT_ATTR,        /* attribute of the mount */
	MNT_OPT_ATTR_REC,    /* attribute, recursively */
	MNT_OPT_PROPAGATION, /* set: MNT_SHARED…; recursive */
	MNT_OPT_BIND,        /* recursive or not */
	MNT_OPT_SUPER,       /* flag of the file system instance: "sync", "dirsync", "lazytime", "mand" */
	MNT_OPT_REMOUNT,
	MNT_OPT_COPYUP, /* tmpcopyup */
	MNT_OPT_IDMAP,  /* recursive or not */
	MNT_OPT_IGNORE, /* understood, without effect: defaults, loud, silent, … */
};
struct mnt_option {
	const char *name;
	enum mnt_option_kind kind;
	unsigned set, clear;
	bool recursive;
};
/* NULL: not one of ours, data for the file system. */
const struct mnt_option *mnt_option_find(const char *name);
/* All of them: i = 0… until NULL (`features`). */
const struct mnt_option *mnt_option_at(size_t i);
