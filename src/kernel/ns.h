/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces, clone3, and a procfs that can be trusted. Called by runtime/, monitor/ and net/.
 * Primitives: 0, a descriptor or a pid, or -errno. No allocation.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's CLONE_NEW* bits; musl's and old headers lack some. */
#define NS_TIME   0x00000080u
#define NS_MOUNT  0x00020000u
#define NS_CGROUP 0x02000000u
#define NS_UTS    0x04000000u
#define NS_IPC    0x08000000u
#define NS_USER   0x10000000u
#define NS_PID    0x20000000u
#define NS_NET    0x40000000u
#define NS_ALL    (NS_TIME | NS_MOUNT | NS_CGROUP | NS_UTS | NS_IPC | NS_USER | NS_PID | NS_NET)

/* runtime-spec's word ("network") to the bit; 0: unknown. */
unsigned ns_from_name(const char *name);
const char *ns_name(unsigned bit); /* "network" */
const char *ns_file(unsigned bit); /* below /proc/PID/ns: "net" */
/* i = 0…7: all bits; 0 after. User first: joining it comes before the others. */
unsigned ns_at(size_t i);

/* fork with namespaces: 0 in the child. *pidfd may be NULL; cgroup_fd -1: stay. Only single-threaded. */
pid_t ns_clone(uint64_t flags, int *pidfd, int cgroup_fd) NODISCARD;
int ns_join(int fd, unsigned bits) NODISCARD; /* fd: a namespace, or a pidfd with several bits */
int ns_unshare(unsigned bits) NODISCARD;

/* /proc, checked to be the root of a real procfs (magic and inode); O_PATH. */
int procfs_open(void) NODISCARD;
/* Opens below it, staying on that procfs: no crossing into something mounted over it, no magic links. */
int procfs_open_at(int procfd, const char *path, int flags) NODISCARD;
/* One write; the opened file is checked to be on a procfs. */
int procfs_write(int procfd, const char *path, const char *text, size_t n) NODISCARD;
/* Namespaces `pid` does not share with us. */
int ns_differing(int procfd, pid_t pid, unsigned *out) NODISCARD;
