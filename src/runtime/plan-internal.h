/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan's bytes. Offsets count from the plan's start; offset 0 means "none". The plan's last byte is NUL, so
 * that any offset inside it is a terminated string. Numbers are the machine's own: a plan never leaves it.
 * Fields named `note_*` belong to the launcher: it writes descriptors there, and what they hold before is
 * ignored.
 */
#pragma once

#include "runtime/plan.h"

#include <linux/limits.h>
#include <stdint.h>

#define PLAN_MAGIC   0x4e594f48u /* "HOYN" */
#define PLAN_VERSION 1u
#define PLAN_ALIGN   8u

#define PLAN_MAX_LIST  65536u
#define PLAN_MAX_PROPS 4u
#define PLAN_CPU_BYTES 128u /* a mask of 1024 */

struct plan_str {
	uint32_t off, n; /* without the NUL */
};
struct plan_list {
	uint32_t off, n; /* elements; aligned to 8 */
};
/* n + 1 offsets of 64 bits, the last 0: turned into a char *[] by the process that executes it, in its own
 * copy. */
struct plan_vec {
	uint32_t off, n;
};
struct plan_kv {
	struct plan_str k, v;
};

enum plan_flags {
	PLAN_TTY = 1 << 0,
	PLAN_NO_PIVOT = 1 << 1,
	PLAN_NEW_KEYRING = 1 << 2,
	PLAN_NO_NEW_PRIVS = 1 << 3,
	PLAN_ROOT_READONLY = 1 << 4,
	PLAN_HAS_UMASK = 1 << 5,
	PLAN_HAS_OOM = 1 << 6,
	PLAN_HAS_SCHED = 1 << 7,
	PLAN_HAS_IOPRIO = 1 << 8,
	PLAN_HAS_PERSONALITY = 1 << 9,
	PLAN_HAS_CAPS = 1 << 10,
	PLAN_HAS_ROOT = 1 << 11, /* mounts, pivot: there is a mount namespace of its own */
	PLAN_MIDDLE = 1 << 12,   /* namespaces must be joined before clone: by a process in between */
	PLAN_USERNS = 1 << 13,   /* new user namespace: maps to be written */
	PLAN_SEARCH = 1 << 14,   /* argv[0] is searched in $PATH */
	PLAN_MKDIR_CWD = 1 << 15,
	PLAN_CHROOT_ONLY = 1 << 16, /* no mount namespace: chroot to the root */
	PLAN_SECCOMP_NOTIFY = 1 << 17,
	PLAN_JOINED_USERNS = 1 << 18,
	PLAN_HAS_MEMPOLICY = 1 << 19,
	PLAN_NO_PROCESS = 1 << 20, /* created without a process: cannot be started */
	PLAN_ALL_FLAGS_ = (1 << 21) - 1,
};

enum plan_mount_kind {
	PLAN_MOUNT_FS = 1,  /* a new instance */
	PLAN_MOUNT_BIND,    /* a copy of source, or descriptor fd */
	PLAN_MOUNT_REMOUNT, /* attributes of what is mounted at dest */
	PLAN_MOUNT_SYMLINK, /* dest -> source */
	PLAN_MOUNT_DIR,     /* only make the directory */
};
enum plan_mount_flags {
	PLAN_M_RECURSIVE = 1 << 0,
	PLAN_M_COPYUP = 1 << 1,
	PLAN_M_IN_PROC = 1 << 2,    /* may lie on a procfs */
	PLAN_M_NO_SYMLINK = 1 << 3, /* dest must be an ordinary directory */
	PLAN_M_KEEP_MODE = 1 << 4,  /* tmpfs takes the mode of the directory it covers */
	PLAN_M_IDMAP_REC = 1 << 5,
	PLAN_M_OPTIONAL = 1 << 6, /* a missing source is no error */
	PLAN_M_ALL_FLAGS_ = (1 << 7) - 1,
};

struct plan_mount {
	uint32_t kind, flags;
	struct plan_str dest, type, source;
	struct plan_str fallback; /* when the kernel refuses the file system in this namespace: bind this */
	struct plan_list opts;    /* struct plan_kv; v.off 0: a flag */
	uint32_t set, clear, set_rec, clear_rec;
	uint32_t late_set; /* attributes set after everything below is in place */
	uint32_t n_props;
	uint32_t prop[PLAN_MAX_PROPS];
	uint32_t prop_rec; /* bit i: prop[i] is recursive */
	int32_t fd;        /* index into the caller's descriptors, or -1 */
	uint32_t idmap;    /* index + 1 into idmaps */
	int32_t note_fd;
	uint32_t pad;
};

struct plan_idmap {
	struct plan_str uid, gid;
	int32_t note_fd;
	uint32_t pad;
};

struct plan_ns {
	uint32_t bit;
	int32_t fd; /* index, or -1 and path */
	struct plan_str path;
	int32_t note_fd;
	uint32_t pad;
};

enum plan_device_bind {
	PLAN_DEV_MKNOD,
	PLAN_DEV_BIND, /* the host's node of this path */
	PLAN_DEV_MADE, /* a node that the parent makes on a tmpfs of its own */
};

struct plan_device {
	struct plan_str path;
	uint32_t mode; /* with the type */
	uint32_t major, minor;
	uint32_t uid, gid;
	uint32_t bind; /* enum plan_device_bind */
	int32_t note_fd;
	uint32_t pad;
};

struct plan_rlimit {
	uint32_t resource, pad;
	uint64_t soft, hard;
};

struct plan_hook {
	struct plan_str path;
	struct plan_vec argv, envp;
	int64_t timeout_ms; /* 0: none */
};

enum plan_hooks {
	PLAN_PRESTART,
	PLAN_CREATE_RUNTIME,
	PLAN_CREATE_CONTAINER,
	PLAN_START_CONTAINER,
	PLAN_POSTSTART,
	PLAN_POSTSTOP,
	PLAN_N_HOOKS,
};

struct plan_netdev {
	struct plan_str name, new_name;
};

struct plan_sched { /* the kernel's struct sched_attr, version 0 */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct plan_hdr {
	uint32_t magic, version, total, kind;
	uint32_t flags, n_fds;

	/* namespaces */
	uint32_t clone_flags;   /* for clone3 */
	uint32_t unshare_flags; /* by the process itself, once it is in its control groups */
	struct plan_list joins; /* struct plan_ns; user first */
	struct plan_str uid_map, gid_map;
	struct plan_str time_offsets; /* a new time namespace with these */
	struct plan_list idmaps;

	/* exec */
	int32_t exec_pidfd, exec_pid;
	uint32_t exec_ns;
	int32_t exec_root_fd;

	/* control groups: a program of kernel/cgroup.h */
	struct plan_str cgroup;

	/* root */
	int32_t root_fd;
	uint32_t root_prop; /* MNT_SHARED…, 0: private */
	struct plan_str root_path;
	struct plan_list mounts, devices, links; /* links: struct plan_kv dest -> target */
	struct plan_list masked, readonly;       /* struct plan_str */
	struct plan_str hostname, domainname, mount_label;
	struct plan_list sysctls; /* struct plan_kv: path below /proc/sys, value */
	struct plan_list netdevs;

	/* hooks, and the state they read: head status middle pid tail */
	struct plan_list hooks[PLAN_N_HOOKS];
	struct plan_str state_head, state_tail;
	struct plan_str bundle; /* hooks' working directory */

	/* process */
	struct plan_vec argv, envp, lookup; /* lookup: files to try, in order */
	struct plan_str cwd;
	uint32_t uid, gid;
	struct plan_list groups; /* uint32_t */
	uint32_t umask;
	int32_t oom_score_adj;
	uint64_t bounding, permitted, effective, inheritable, ambient;
	struct plan_list rlimits;
	struct plan_sched sched;
	uint32_t ioprio, personality;
	struct plan_str apparmor, selinux; /* what is written to attr/…: "exec docker-default" */
	struct plan_str keyring;
	uint32_t rows, cols;
	struct plan_str cpu_initial, cpu_final; /* masks of PLAN_CPU_BYTES */
	uint32_t mempolicy_mode, pad0;
	struct plan_str mempolicy_nodes; /* mask of PLAN_CPU_BYTES */

	/* seccomp */
	struct plan_list bpf; /* struct sock_filter */
	uint32_t seccomp_flags;
	int32_t start_fd;
	uint32_t preserve_fds, pad1;
	struct plan_str listener_path;
	struct plan_str listener_head, listener_middle, listener_tail; /* head PID middle STATE tail */
};

static inline UNUSED const char *plan_s(const void *plan, struct plan_str s)
{
	return s.off ? (const char *)plan + s.off : NULL;
}
/* Checked by plan_check(): aligned and in bounds. */
#define PLAN_LIST(plan, type, list) ((type *)(void *)((char *)(uintptr_t)(plan) + (list).off))
#define PLAN_HDR(plan)              ((struct plan_hdr *)(void *)(uintptr_t)(plan))

/* --- building: runtime/plan*.c --- */

struct plan_builder {
	struct strbuf b; /* the plan; the header's place is at its start */
	struct plan_hdr h;
	const struct plan_input *in; /* NULL for exec */
	struct arena *arena;
	bool has_userns;
	struct plan_mount *mounts;
	size_t n_mounts, cap_mounts;
};

uint32_t plan_put(struct plan_builder *pb, const void *p, size_t n, size_t align);
struct plan_str plan_put_str(struct plan_builder *pb, const char *s);
struct plan_str plan_put_bytes(struct plan_builder *pb, const void *p, size_t n);
struct plan_list plan_put_list(struct plan_builder *pb, const void *p, size_t n, size_t size);
struct plan_vec plan_put_vec(struct plan_builder *pb, const char *const *v, size_t n);

struct oci_id_mapping_list;
/* "0 100000 65536\n" lines. */
int plan_idmap_text(struct plan_builder *pb, const struct oci_id_mapping_list *l, struct plan_str *out,
		    struct err **e);
/* plan-mount.c: mounts, devices, masks, root. plan-process.c: process, seccomp. plan-cgroup.c: limits. */
int plan_build_root(struct plan_builder *pb, struct err **e);
int plan_build_process(struct plan_builder *pb, const struct oci_process *p, int rootfs_dirfd, bool is_exec,
		       struct err **e);
int plan_build_seccomp(struct plan_builder *pb, const void *bpf, size_t bpf_n, unsigned flags,
		       const struct oci_seccomp *s, struct err **e);
/* HOME of uid in /etc/passwd below the root, heap; NULL: not there. */
char *plan_home_of(int rootfs_dirfd, uint32_t uid);
