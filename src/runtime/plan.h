/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launch plan: everything a container's start needs, decided beforehand, as flat bytes.
 *
 * *Compiling* (hoyd, hoy-runtime) takes a runtime-spec object and what this machine can do, checks it, and
 * writes the plan: no step is left that needs JSON, a table of names or a choice. *Executing* it is
 * runtime/launch.h, in hoy-monitor or hoy-runtime, which may have got the bytes from a socket: the launcher
 * walks them once with plan_check() before it does anything.
 *
 * A plan is position independent, holds no pointer and no descriptor number. Descriptors that the caller
 * gives along (a detached mount of the root file system, namespaces, volumes) are named by their index in the
 * caller's own array, which goes to launch_start() beside the plan.
 *
 *	cleanup_strbuf struct strbuf plan = { 0 };
 *	struct plan_input in = { .spec = spec, .id = id, .bundle = dir, .cgroups = &layout,
 *				 .cgroup_path = "/hoy/ID", .root_fd = 0, .rootfs_dirfd = fds[0], .n_fds = 1 };
 *	if (plan_compile(&in, &plan, e) < 0) ...
 *
 * Pure but for reading the machine (which masked paths exist is not looked at; cgroup files are not opened).
 * Threads: any. Errors: INVALID for a wrong spec, NOT_IMPLEMENTED for what is refused on purpose.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct oci_spec;    /* model/oci.gen.h */
struct oci_process; /* model/oci.gen.h */
struct oci_seccomp; /* model/oci.gen.h */
struct cgroup_layout;

#define PLAN_MAX_BYTES  (4u << 20)
#define PLAN_MAX_FDS    256
#define PLAN_MAX_MOUNTS 1024

enum plan_kind { PLAN_INIT = 1, PLAN_EXEC = 2 };

/* For lists that run beside those of the spec: an index into the caller's descriptors, or this. */
#define PLAN_NO_FD (-1)

struct plan_input {
	const struct oci_spec *spec;
	const char *id;
	const char *bundle; /* absolute; relative paths of the spec are below it; NULL: they are errors */
	unsigned n_fds;     /* how many descriptors the caller will give to launch_start */

	/* The root file system: index of a detached mount (open_tree CLONE, fsmount), or PLAN_NO_FD: the
	 * launcher opens spec->root->path. */
	int root_fd;
	/* A descriptor of the same tree for looking things up now (HOME in /etc/passwd); -1: not looked up.
	 */
	int rootfs_dirfd;

	/* mounts[i] of the spec is not opened from its source but is this detached mount; options still
	 * apply. NULL, or one entry for each mount of the spec. */
	const int *mount_fds;
	/* namespaces[i] of the spec is joined by this descriptor. NULL, or one entry for each namespace. */
	const int *ns_fds;

	/* Control groups: NULL or "" for cgroup_path takes linux.cgroupsPath; none at all leaves groups
	 * alone. */
	const struct cgroup_layout *cgroups;
	const char *cgroup_path;
	unsigned cgroup_flags; /* kernel/cgroup.h CGROUP_* */

	/* A finished filter instead of spec->linux->seccomp (the engine caches them): struct sock_filter[].
	 */
	const void *seccomp_bpf;
	size_t seccomp_bpf_n; /* bytes */
	unsigned seccomp_flags;

	/* Listening SOCK_SEQPACKET unix socket on which the created container waits for its start
	 * (hoy-runtime, whose create ends before); PLAN_NO_FD: it waits for launch_release(). */
	int start_fd;
	unsigned preserve_fds; /* descriptors 3..3+n-1 stay open in the container */
	bool no_pivot;
	bool no_new_keyring;
	bool systemd_cgroup;
};

/* Appends nothing unless it succeeds; *out must be empty before. */
int plan_compile(const struct plan_input *in, struct strbuf *out, struct err **e) NODISCARD;

/* One more process in a running container. */
struct plan_exec_input {
	const struct oci_process *process;
	const char *id; /* of the container: names its session keyring */
	bool no_new_keyring;
	unsigned n_fds;
	/* Index of a pidfd of the container's init: all its namespaces are joined at once. Or PLAN_NO_FD and
	 * `pid`: the launcher opens it (hoy-runtime, which has just read the state). */
	int pidfd;
	pid_t pid;
	/* CLONE_NEW* of the namespaces the container has for itself (not shared with us): plan_exec_ns(). */
	unsigned namespaces;
	/* /proc/PID/root as a descriptor, entered after the namespaces (a container without pivot_root); or
	 * PLAN_NO_FD. */
	int root_fd;
	/* For HOME in /etc/passwd; -1: not looked up. */
	int rootfs_dirfd;
	const struct cgroup_layout *cgroups;
	const char *cgroup_path; /* as it was at create; NULL: stay in our group */
	const void *seccomp_bpf; /* finished filter, or NULL */
	size_t seccomp_bpf_n;
	unsigned seccomp_flags;
	const struct oci_seccomp *seccomp; /* used when seccomp_bpf is NULL; may be NULL */
	unsigned preserve_fds;
	bool join_user_ns_ids; /* reserved, false */
};
int plan_compile_exec(const struct plan_exec_input *in, struct strbuf *out, struct err **e) NODISCARD;

/* Namespaces that process `pid` does not share with us, as CLONE_NEW* bits; 0 or -errno. */
int plan_exec_ns(pid_t pid, unsigned *out) NODISCARD;

/* Bounds, kinds, terminators, fd indexes below n_fds: 0 or -EBADMSG. Called by launch_start() itself; reads
 * nothing outside [plan, plan + n). */
int plan_check(const void *plan, size_t n, size_t n_fds) NODISCARD;
/* PLAN_INIT or PLAN_EXEC; only after plan_check(). */
enum plan_kind plan_kind(const void *plan);
/* Does it want a terminal? Only after plan_check(). */
bool plan_has_tty(const void *plan);
