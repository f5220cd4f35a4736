/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile containers get when nobody asks for another: what Docker's default allows, as data of our own,
 * and in two places stricter. Comparisons of int arguments look at the low half alone, because the kernel does
 * (the upper half is the caller's to choose); and the two ioctls that type into somebody else's terminal are
 * left out.
 */
#include "kernel/seccomp-internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/utsname.h>

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF     39
#endif

/* clang-format off */
static const char *const always[] = {
	/* process life */
	"execve", "execveat", "exit", "exit_group", "fork", "getcpu", "getpgid", "getpgrp", "getpid",
	"getppid", "getsid", "get_thread_area", "gettid", "kill", "membarrier", "pause", "pidfd_open",
	"pidfd_send_signal", "prctl", "process_mrelease", "restart_syscall", "rseq", "rt_sigqueueinfo",
	"rt_tgsigqueueinfo", "seccomp", "setpgid", "setsid", "set_thread_area", "set_tid_address",
	"tgkill", "tkill", "vfork", "wait4", "waitid", "waitpid",
	/* credentials */
	"capget", "capset", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32",
	"getgroups", "getgroups32", "getresgid", "getresgid32", "getresuid", "getresuid32", "getuid",
	"getuid32", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
	"setgroups32", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32",
	"setreuid", "setreuid32", "setuid", "setuid32",
	/* signals */
	"alarm", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
	"rt_sigtimedwait", "rt_sigtimedwait_time64", "sigaltstack", "signalfd", "signalfd4",
	"sigprocmask", "sigreturn",
	/* scheduling, limits */
	"getpriority", "getrlimit", "getrusage", "ioprio_get", "ioprio_set", "prlimit64",
	"sched_getaffinity", "sched_getattr", "sched_getparam", "sched_get_priority_max",
	"sched_get_priority_min", "sched_getscheduler", "sched_rr_get_interval",
	"sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
	"sched_setscheduler", "sched_yield", "setpriority", "setrlimit", "times", "ugetrlimit",
	/* memory */
	"brk", "cachestat", "madvise", "map_shadow_stack", "memfd_create", "memfd_secret", "mincore",
	"mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mremap", "mseal", "msync", "munlock",
	"munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect", "remap_file_pages",
	/* futex */
	"futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake",
	"get_robust_list", "set_robust_list",
	/* time */
	"adjtimex", "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64",
	"clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "getitimer",
	"gettimeofday", "nanosleep", "setitimer", "time", "timer_create", "timer_delete",
	"timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64",
	"timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
	/* paths */
	"access", "chdir", "chmod", "chown", "chown32", "creat", "faccessat", "faccessat2", "fchdir",
	"fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fstat", "fstat64",
	"fstatat64", "fstatfs", "fstatfs64", "ftruncate", "ftruncate64", "futimesat", "getcwd",
	"getdents", "getdents64", "lchown", "lchown32", "link", "linkat", "lstat", "lstat64", "mkdir",
	"mkdirat", "mknod", "mknodat", "name_to_handle_at", "newfstatat", "open", "openat", "openat2",
	"readlink", "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat", "stat64", "statfs",
	"statfs64", "statx", "symlink", "symlinkat", "truncate", "truncate64", "umask", "unlink",
	"unlinkat", "utime", "utimensat", "utimensat_time64", "utimes",
	/* extended attributes */
	"fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "getxattrat", "lgetxattr",
	"listxattr", "listxattrat", "llistxattr", "lremovexattr", "lsetxattr", "removexattr",
	"removexattrat", "setxattr", "setxattrat",
	/* questions about mounts */
	"listmount", "statmount",
	/* descriptors */
	"close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "fadvise64", "fadvise64_64",
	"fallocate", "fcntl", "fcntl64", "fdatasync", "flock", "fsync", "io_cancel", "io_destroy",
	"io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "_llseek",
	"lseek", "pipe", "pipe2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2",
	"read", "readahead", "readv", "sendfile", "sendfile64", "splice", "sync", "sync_file_range",
	"syncfs", "tee", "vmsplice", "write", "writev",
	/* waiting for events */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
	"epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "fanotify_mark", "inotify_add_watch",
	"inotify_init", "inotify_init1", "inotify_rm_watch", "_newselect", "poll", "ppoll",
	"ppoll_time64", "pselect6", "pselect6_time64", "select",
	/* sockets */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
	"recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "send", "sendmmsg", "sendmsg",
	"sendto", "setsockopt", "shutdown", "socketcall", "socketpair",
	/* System V and POSIX IPC */
	"ipc", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
	"mq_timedsend", "mq_timedsend_time64", "mq_unlink", "msgctl", "msgget", "msgrcv", "msgsnd",
	"semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "shmat", "shmctl", "shmdt",
	"shmget",
	/* Landlock, the system */
	"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "getrandom",
	"riscv_hwprobe", "sysinfo", "uname", "uretprobe",
};
/* clang-format on */

static const char *const n_arch_x86_64[] = { "arch_prctl", "modify_ldt" };
static const char *const n_arch_arm64[] = { "arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2",
					    "breakpoint",       "cacheflush",          "set_tls" };
static const char *const n_socket[] = { "socket" };
static const char *const n_ioctl[] = { "ioctl" };
static const char *const n_personality[] = { "personality" };
static const char *const n_clone[] = { "clone" };
static const char *const n_clone3[] = { "clone3" };
static const char *const n_trace[] = { "process_vm_readv", "process_vm_writev", "ptrace" };
static const char *const n_dac_read_search[] = { "open_by_handle_at" };
static const char *const n_sys_admin[] = {
	"bpf",
	"clone",
	"clone3",
	"fanotify_init",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"lookup_dcookie",
	"lsm_get_self_attr",
	"lsm_list_modules",
	"lsm_set_self_attr",
	"mount",
	"mount_setattr",
	"move_mount",
	"open_tree",
	"perf_event_open",
	"quotactl",
	"quotactl_fd",
	"setdomainname",
	"sethostname",
	"setns",
	"syslog",
	"umount",
	"umount2",
	"unshare",
};
static const char *const n_sys_boot[] = { "reboot" };
static const char *const n_sys_chroot[] = { "chroot" };
static const char *const n_sys_module[] = { "init_module", "finit_module", "delete_module" };
static const char *const n_sys_pacct[] = { "acct" };
static const char *const n_sys_ptrace[] = {
	"kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"
};
static const char *const n_sys_rawio[] = { "iopl", "ioperm" };
static const char *const n_sys_time[] = { "settimeofday", "stime", "clock_settime", "clock_settime64" };
static const char *const n_sys_tty_config[] = { "vhangup" };
static const char *const n_sys_nice[] = { "get_mempolicy", "mbind", "set_mempolicy",
					  "set_mempolicy_home_node" };
static const char *const n_syslog[] = { "syslog" };
static const char *const n_bpf[] = { "bpf" };
static const char *const n_perfmon[] = { "perf_event_open" };

#define NAMES(v) v, ARRAY_LEN(v)
static const struct {
	unsigned cap;
	const char *const *names;
	size_t n;
} by_cap[] = {
	{ CAP_DAC_READ_SEARCH, NAMES(n_dac_read_search) },
	{ CAP_SYS_ADMIN, NAMES(n_sys_admin) },
	{ CAP_SYS_BOOT, NAMES(n_sys_boot) },
	{ CAP_SYS_CHROOT, NAMES(n_sys_chroot) },
	{ CAP_SYS_MODULE, NAMES(n_sys_module) },
	{ CAP_SYS_PACCT, NAMES(n_sys_pacct) },
	{ CAP_SYS_PTRACE, NAMES(n_sys_ptrace) },
	{ CAP_SYS_RAWIO, NAMES(n_sys_rawio) },
	{ CAP_SYS_TIME, NAMES(n_sys_time) },
	{ CAP_SYS_TTY_CONFIG, NAMES(n_sys_tty_config) },
	{ CAP_SYS_NICE, NAMES(n_sys_nice) },
	{ CAP_SYSLOG, NAMES(n_syslog) },
	{ CAP_BPF, NAMES(n_bpf) },
	{ CAP_PERFMON, NAMES(n_perfmon) },
};

/* Any family but AF_ALG (38) and AF_VSOCK (40). */
static const struct seccomp_arg socket_a[] = { { .cmp = SECCOMP_CMP_LT, .value = 38, .low32 = true } };
static const struct seccomp_arg socket_b[] = { { .cmp = SECCOMP_CMP_EQ, .value = 39, .low32 = true } };
static const struct seccomp_arg socket_c[] = { { .cmp = SECCOMP_CMP_GT, .value = 40, .low32 = true } };
/* Any request but TIOCSTI (0x5412) and TIOCLINUX (0x541c). */
static const struct seccomp_arg ioctl_a[] = {
	{ .index = 1, .cmp = SECCOMP_CMP_LT, .value = 0x5412, .low32 = true }
};
static const struct seccomp_arg ioctl_b[] = {
	{ .index = 1, .cmp = SECCOMP_CMP_GT, .value = 0x541c, .low32 = true }
};
static const struct seccomp_arg ioctl_c[] = {
	{ .index = 1, .cmp = SECCOMP_CMP_GT, .value = 0x5412, .low32 = true },
	{ .index = 1, .cmp = SECCOMP_CMP_LT, .value = 0x541c, .low32 = true },
};
/* Linux, BSD-like signals, UNAME26, both; ask. */
#define PERSONALITY(v)                                                                                       \
	{                                                                                                    \
		{                                                                                            \
			.cmp = SECCOMP_CMP_EQ, .value = (v)                                                  \
		}                                                                                            \
	}
static const struct seccomp_arg personality[][1] = { PERSONALITY(0), PERSONALITY(8), PERSONALITY(0x20000),
						     PERSONALITY(0x20008), PERSONALITY(0xffffffff) };
/* None of the CLONE_NEW* flags. */
static const struct seccomp_arg clone_flags[] = { { .cmp = SECCOMP_CMP_MASKED_EQ, .value = 0x7e020000 } };

static void add(struct seccomp_default_storage *st, size_t *n, const char *const *names, size_t n_names,
		uint32_t action, const struct seccomp_arg *args, size_t n_args)
{
	st->rules[(*n)++] = (struct seccomp_rule){ names, n_names, action, args, n_args };
}

static bool kernel_at_least(unsigned major, unsigned minor)
{
	struct utsname u;
	unsigned a = 0, b = 0;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &a, &b) != 2)
		return false;
	return a != major ? a > major : b >= minor;
}

void seccomp_default_profile(uint64_t caps, struct seccomp_default_storage *st, struct seccomp_profile *out)
{
	const uint32_t allow = SECCOMP_RET_ALLOW;
	size_t n = 0, n_arches = 0;

	add(st, &n, NAMES(always), allow, NULL, 0);
	add(st, &n, NAMES(n_socket), allow, NAMES(socket_a));
	add(st, &n, NAMES(n_socket), allow, NAMES(socket_b));
	add(st, &n, NAMES(n_socket), allow, NAMES(socket_c));
	add(st, &n, NAMES(n_ioctl), allow, NAMES(ioctl_a));
	add(st, &n, NAMES(n_ioctl), allow, NAMES(ioctl_b));
	add(st, &n, NAMES(n_ioctl), allow, NAMES(ioctl_c));
	for (size_t i = 0; i < ARRAY_LEN(personality); i++)
		add(st, &n, NAMES(n_personality), allow, NAMES(personality[i]));
	if (kernel_at_least(4, 8))
		add(st, &n, NAMES(n_trace), allow, NULL, 0);
	if (!(caps & (1ULL << CAP_SYS_ADMIN))) {
		add(st, &n, NAMES(n_clone), allow, NAMES(clone_flags));
		/* Its flags are behind a pointer: libc falls back to clone. */
		add(st, &n, NAMES(n_clone3), (uint32_t)SECCOMP_RET_ERRNO | ENOSYS, NULL, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(by_cap); i++)
		if (caps & (1ULL << by_cap[i].cap))
			add(st, &n, by_cap[i].names, by_cap[i].n, allow, NULL, 0);
	if (seccomp_arch_native() == SECCOMP_ARCH_AARCH64) {
		add(st, &n, NAMES(n_arch_arm64), allow, NULL, 0);
		st->arches[n_arches++] = SECCOMP_ARCH_AARCH64;
	} else {
		add(st, &n, NAMES(n_arch_x86_64), allow, NULL, 0);
		st->arches[n_arches++] = SECCOMP_ARCH_X86_64;
		st->arches[n_arches++] = SECCOMP_ARCH_X86;
		st->arches[n_arches++] = SECCOMP_ARCH_X32;
	}
	*out = (struct seccomp_profile){
		.default_action = (uint32_t)SECCOMP_RET_ERRNO | EPERM,
		.arches = st->arches,
		.n_arches = n_arches,
		.rules = st->rules,
		.n_rules = n,
		.repeated_arg_is_and = true,
		.new_calls_enosys = true,
	};
}

/* --- includes and excludes --- */

static const char *const cap_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

static bool has_cap(uint64_t caps, const char *name)
{
	if (str_starts(name, "CAP_"))
		name += 4;
	for (size_t i = 0; i < ARRAY_LEN(cap_names); i++)
		if (strcmp(cap_names[i], name) == 0)
			return caps & (1ULL << i);
	return false;
}

static int kernel_condition(const char *min, bool *holds)
{
	struct sv major, minor, rest;
	uint32_t a, b;

	if (!sv_cut(sv_of(min), '.', &major, &minor))
		return -EINVAL;
	(void)sv_cut(minor, '.', &minor, &rest);
	if (parse_u32(major, 65535, &a) < 0 || parse_u32(minor, 65535, &b) < 0)
		return -EINVAL;
	*holds = kernel_at_least(a, b);
	return 0;
}

static bool has_arch(const struct seccomp_cond *c)
{
	for (size_t i = 0; i < c->n_arches; i++)
		if (strcmp(c->arches[i], seccomp_arch_short(seccomp_arch_native())) == 0)
			return true;
	return false;
}

int seccomp_cond_includes(const struct seccomp_cond *c, uint64_t caps, bool *holds)
{
	*holds = true;
	if (!str_empty(c->min_kernel)) {
		int r = kernel_condition(c->min_kernel, holds);
		if (r < 0)
			return r;
	}
	if (c->n_arches && !has_arch(c))
		*holds = false;
	for (size_t i = 0; i < c->n_caps; i++)
		if (!has_cap(caps, c->caps[i]))
			*holds = false;
	return 0;
}

int seccomp_cond_excludes(const struct seccomp_cond *c, uint64_t caps, bool *holds)
{
	*holds = false;
	if (!str_empty(c->min_kernel)) {
		int r = kernel_condition(c->min_kernel, holds);
		if (r < 0)
			return r;
	}
	if (has_arch(c))
		*holds = true;
	for (size_t i = 0; i < c->n_caps; i++)
		if (has_cap(caps, c->caps[i]))
			*holds = true;
	return 0;
}
