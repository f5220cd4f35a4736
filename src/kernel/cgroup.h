/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: v1, v2, and the hybrid of both.
 *
 * Two halves, as everywhere on the hot path. *Compiling* (hoyd, hoy-runtime) takes a layout (which
 * hierarchies this machine has: cgroup_detect(), once), a path and plain numbers, and makes a flat program of
 * bytes: which directories to make, which values to write where and in which order, where to attach.
 **Executing* (hoy-monitor, the parent side of a launch) runs over those bytes: it parses nothing, allocates
 * nothing, decides nothing, and may be given bytes from a socket, because every offset is checked. A program
 * is position independent, holds no pointer, and may be embedded in a launch plan.
 *
 *	struct cgroup_layout l;
 *	r = cgroup_detect(&l);
 *	cgroup_compile(&l, "/hoy/ID", &settings, 0, &prog, e);		// bytes appended to a strbuf
 *	...
 *	r = cgroup_exec_create(prog.p, prog.n, &fail);			// directories
 *	r = cgroup_exec_apply(prog.p, prog.n, &fail);			// limits, before anybody is inside
 *	r = cgroup_exec_attach(prog.p, prog.n, pid, &fail);		// v1: one write a hierarchy
 *	...
 *	cgroup_exec_kill(prog.p, prog.n); cgroup_exec_destroy(prog.p, prog.n, 1000);
 *
 * Operations on a group that exists already (engine: stats, pause, update, top) use a program made by
 * cgroup_ref() (no settings) or cgroup_compile(… CGROUP_UPDATE …) and the same executors.
 *
 * Executors return 0 or -errno and describe the failed step in *fail (may be NULL), whose pointers go into
 * the program. No globals; threads may share a layout and a program.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_MAX_HIER  20
#define CGROUP_PATH_MAX  1024 /* of a group's own path, without the mount point */
#define CGROUP_PROG_MAX  (256 * 1024)
#define CGROUP_MAX_DEPTH 16 /* of groups below ours, in procs and destroy */

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_V2, CGROUP_HYBRID };

/* Controllers, as bits. */
enum cgroup_ctl {
	CG_CPU = 1 << 0,
	CG_CPUACCT = 1 << 1,
	CG_CPUSET = 1 << 2,
	CG_MEMORY = 1 << 3,
	CG_DEVICES = 1 << 4,
	CG_FREEZER = 1 << 5,
	CG_BLKIO = 1 << 6, /* v2: io */
	CG_PIDS = 1 << 7,
	CG_HUGETLB = 1 << 8,
	CG_NET_CLS = 1 << 9,
	CG_NET_PRIO = 1 << 10,
	CG_PERF = 1 << 11,
	CG_RDMA = 1 << 12,
	CG_MISC = 1 << 13,
	CG_NAMED = 1 << 14, /* v1 name=…, no controller */
	CG_V2 = 1 << 15,    /* the v2 hierarchy itself: cgroup.kill, cgroup.freeze */
};

struct cgroup_hier {
	char mount[128];            /* where we reach its root */
	char name[64];              /* controller list as the kernel writes it; "name=systemd"; "" for v2 */
	char self[CGROUP_PATH_MAX]; /* our own group in it, from /proc/self/cgroup, relative to the mount */
	unsigned ctls;              /* enum cgroup_ctl bits */
	bool v2;
};

struct cgroup_layout {
	enum cgroup_mode mode;
	unsigned n;
	unsigned ctls;    /* all that exist here */
	unsigned v2_ctls; /* those of the v2 hierarchy */
	bool has_kill;    /* cgroup.kill (5.14) in a usable v2 hierarchy */
	bool has_swap;    /* memsw / memory.swap.max */
	bool has_cpu_rt, has_cpu_burst, has_cpu_idle;
	struct cgroup_hier h[CGROUP_MAX_HIER];
};

/* Reads mountinfo and /proc/self/cgroup. A machine without cgroups gives 0 and CGROUP_NONE. */
int cgroup_detect(struct cgroup_layout *out) NODISCARD;
/* The hierarchy that has this controller, or NULL. */
const struct cgroup_hier *cgroup_hier_of(const struct cgroup_layout *l, enum cgroup_ctl c);
const char *cgroup_ctl_name(enum cgroup_ctl c);

struct cgroup_u64 {
	bool set;
	uint64_t v;
};
struct cgroup_i64 {
	bool set;
	int64_t v;
};

struct cgroup_device_rule {
	bool allow;
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	char access[4];       /* subset of "rwm" */
};
struct cgroup_dev_rate {
	int64_t major, minor;
	uint64_t rate;
};
struct cgroup_dev_weight {
	int64_t major, minor;
	uint16_t weight, leaf_weight; /* 0: not given */
};
struct cgroup_hugetlb {
	const char *page_size; /* "2MB" */
	uint64_t limit;
};
struct cgroup_net_prio {
	const char *name;
	uint32_t priority;
};
struct cgroup_rdma {
	const char *name;
	struct cgroup_u64 handles, objects;
};
struct cgroup_kv {
	const char *key, *value;
};

/* What to limit, in the units of runtime-spec (v1's: shares 2..262144, swap = memory + swap). Zeroed =
 * nothing. Everything is borrowed. */
struct cgroup_settings {
	struct cgroup_u64 cpu_shares, cpu_period, cpu_burst, cpu_rt_period;
	struct cgroup_i64 cpu_quota, cpu_rt_runtime, cpu_idle;
	const char *cpuset_cpus, *cpuset_mems; /* NULL or "": inherit */

	struct cgroup_i64 mem_limit, mem_reservation, mem_swap, mem_kernel, mem_kernel_tcp;
	struct cgroup_u64 mem_swappiness;
	struct cgroup_u64 mem_disable_oom_killer; /* 0 or 1 */
	bool mem_check_before_update;

	struct cgroup_i64 pids_limit; /* <= 0: max */

	struct cgroup_u64 blkio_weight, blkio_leaf_weight;
	const struct cgroup_dev_weight *blkio_weight_dev;
	size_t n_blkio_weight_dev;
	const struct cgroup_dev_rate *blkio_read_bps, *blkio_write_bps, *blkio_read_iops, *blkio_write_iops;
	size_t n_blkio_read_bps, n_blkio_write_bps, n_blkio_read_iops, n_blkio_write_iops;

	const struct cgroup_hugetlb *hugetlb;
	size_t n_hugetlb;
	struct cgroup_u64 net_classid;
	const struct cgroup_net_prio *net_prio;
	size_t n_net_prio;
	const struct cgroup_rdma *rdma;
	size_t n_rdma;
	const struct cgroup_kv *unified; /* v2 files, written last */
	size_t n_unified;

	/* In order, the last match counts. NULL: leave devices alone. */
	const struct cgroup_device_rule *devices;
	size_t n_devices;
};

/* Flags of cgroup_compile. */
#define CGROUP_UPDATE 0x1 /* the group exists and has processes: settings only, ordered for a live change */
#define CGROUP_BEST   0x2 /* controllers this machine lacks are skipped instead of refused */
#define CGROUP_DELEGATE                                                                                      \
	0x4 /* v2: the group is handed to the container (its own cgroup ns, maybe an init system) */

/* Appends the program for group `path` ("/hoy/ID": from the mount's root; "x": below our own group). INVALID
 * for a path with "..", for numbers out of range, for controllers that are absent (unless CGROUP_BEST) with
 * runc's words. */
int cgroup_compile(const struct cgroup_layout *l, const char *path, const struct cgroup_settings *s,
		   unsigned flags, struct strbuf *out, struct err **e) NODISCARD;
/* A program that only names the group. */
int cgroup_ref(const struct cgroup_layout *l, const char *path, struct strbuf *out, struct err **e) NODISCARD;

struct cgroup_fail {
	int sys;           /* errno */
	const char *op;    /* "mkdir", "open", "write", "attach", "bpf" */
	const char *path;  /* absolute; into the program */
	const char *value; /* what was written, or NULL */
};
/* runc's words: `failed to write "4": write /sys/fs/cgroup/…/cpuset.cpus: invalid argument`. */
void cgroup_fail_text(const struct cgroup_fail *f, char *buf, size_t n);

/* --- executors: no allocation, no parsing, bytes may be hostile --- */

/* Offsets, kinds and strings are in bounds: 0 or -EBADMSG. Done by every executor too. */
int cgroup_prog_check(const void *prog, size_t n) NODISCARD;
/* Makes the directories (with parents; enables v2 controllers on the way down; v1 cpuset inherits). Existing
 * is fine. */
int cgroup_exec_create(const void *prog, size_t n, struct cgroup_fail *f) NODISCARD;
/* Writes the settings (and the v2 device program). */
int cgroup_exec_apply(const void *prog, size_t n, struct cgroup_fail *f) NODISCARD;
/*
 * Moves pid (0: the caller) into every hierarchy. skip_v2: it was born there by CLONE_INTO_CGROUP.
 * Let the *child* do it for itself with pid 0, single-threaded, before it loses sight of /sys/fs/cgroup: that
 * costs 0.1 ms, while moving another process waits 10 ms for an RCU grace period.
 */
int cgroup_exec_attach(const void *prog, size_t n, pid_t pid, bool skip_v2, struct cgroup_fail *f) NODISCARD;
/* O_RDONLY|O_DIRECTORY descriptor of the v2 group for CLONE_INTO_CGROUP, or -ENOENT where there is none. */
int cgroup_exec_v2_fd(const void *prog, size_t n) NODISCARD;
/* SIGKILL to every process in the group and below, even while it forks. 0, or -errno. Needs no waiting for.
 */
int cgroup_exec_kill(const void *prog, size_t n);
/* A signal to every process (kill --all); best effort on v1 while it forks. Count or -errno. */
int cgroup_exec_signal(const void *prog, size_t n, int sig);
/* Freeze or thaw; returns when the kernel confirms the state (-ETIMEDOUT after timeout_ms: left as it was
 * before). */
int cgroup_exec_freeze(const void *prog, size_t n, bool freeze, int timeout_ms) NODISCARD;
int cgroup_exec_is_frozen(const void *prog, size_t n, bool *out) NODISCARD;
/* Pids in the group and below; *count in: room, out: how many there are (may exceed the room). */
int cgroup_exec_procs(const void *prog, size_t n, pid_t *pids, size_t *count) NODISCARD;
/* Removes the group and groups below it. Waits (poll, no sleep loops) up to timeout_ms for exiting processes.
 * Absent is fine. -EBUSY when something still lives inside. */
int cgroup_exec_destroy(const void *prog, size_t n, int timeout_ms);

/* Out-of-memory kills so far (memory.events oom_kill / memory.oom_control oom_kill). */
int cgroup_exec_oom_kills(const void *prog, size_t n, uint64_t *out) NODISCARD;
/* A descriptor that poll() reports when an out-of-memory event may have happened: v1 eventfd (POLLIN; read 8
 * bytes), v2 inotify on memory.events (POLLIN; read and drop). */
int cgroup_exec_oom_fd(const void *prog, size_t n) NODISCARD;

/* --- reading, for `stats` and `events --stats` --- */

struct cgroup_blkio_entry {
	uint32_t major, minor;
	uint64_t rbytes, wbytes, rios, wios;
};
#define CGROUP_MAX_BLKIO  32
#define CGROUP_MAX_PERCPU 512

struct cgroup_stats {
	bool v2; /* which shape the memory statistics have */
	/* cpu, nanoseconds */
	uint64_t cpu_total, cpu_user, cpu_system;
	uint64_t cpu_periods, cpu_throttled, cpu_throttled_time;
	uint32_t n_percpu; /* v1 only */
	uint64_t percpu[CGROUP_MAX_PERCPU];
	/* memory, bytes */
	uint64_t mem_usage, mem_max_usage, mem_limit, mem_failcnt, mem_swap_usage, mem_swap_limit;
	uint64_t mem_inactive_file; /* what docker subtracts: total_inactive_file / inactive_file */
	uint64_t mem_oom, mem_oom_kill;
	char mem_stat[4096]; /* memory.stat as the kernel writes it: "name value\n" … */
	/* pids */
	uint64_t pids_current, pids_limit; /* limit 0: max */
	uint32_t n_blkio;
	struct cgroup_blkio_entry blkio[CGROUP_MAX_BLKIO];
	unsigned have; /* controllers that answered */
};
int cgroup_exec_stats(const void *prog, size_t n, struct cgroup_stats *out) NODISCARD;
/* One file of the group, from the hierarchy of that controller; e.g. (CG_CPU, "cpu.pressure"). Byte count or
 * -errno. */
ssize_t cgroup_exec_read(const void *prog, size_t n, enum cgroup_ctl c, const char *file, char *buf,
			 size_t room) NODISCARD;

/* Absolute path of the group in the hierarchy of `c` (for state.json and inspect); into the program; NULL if
 * absent. */
const char *cgroup_prog_path(const void *prog, size_t n, enum cgroup_ctl c);
/* Walks the hierarchies of a program: i = 0…; NULL after the last. *ctls gets the controllers there. */
const char *cgroup_prog_hier(const void *prog, size_t n, unsigned i, unsigned *ctls);
