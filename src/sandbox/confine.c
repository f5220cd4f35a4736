/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include "base/fs.h"
#include "codec/json.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Newer than the build machine's headers may be. */
#define LANDLOCK_CREATE_VERSION (1U << 0)
#define LANDLOCK_PATH_BENEATH   1
struct landlock_ruleset {
	uint64_t fs, net, scoped;
};
struct landlock_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "sandbox: architecture not known"
#endif

/* What a worker may call: files below its root, memory, its pipes. No sockets but the open one, no exec, no
 * kill. */
static const int allowed[] = {
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_pwrite64,
	SYS_lseek,
	SYS_close,
	SYS_fstat,
	SYS_newfstatat,
	SYS_statx,
	SYS_openat,
	SYS_openat2,
	SYS_mkdirat,
	SYS_mknodat,
	SYS_symlinkat,
	SYS_linkat,
	SYS_unlinkat,
	SYS_renameat,
	SYS_renameat2,
	SYS_fchmod,
	SYS_fchmodat,
	SYS_fchown,
	SYS_fchownat,
	SYS_utimensat,
	SYS_fsetxattr,
	SYS_lsetxattr,
	SYS_fgetxattr,
	SYS_lgetxattr,
	SYS_flistxattr,
	SYS_llistxattr,
	SYS_fremovexattr,
	SYS_lremovexattr,
	SYS_getdents64,
	SYS_readlinkat,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_fadvise64,
	SYS_copy_file_range,
	SYS_sendfile,
	SYS_splice,
	SYS_fsync,
	SYS_fdatasync,
	SYS_fchdir,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_mprotect,
	SYS_brk,
	SYS_madvise,
	SYS_futex,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_exit,
	SYS_exit_group,
	SYS_getrandom,
	SYS_clock_gettime,
	SYS_gettimeofday,
	SYS_clock_nanosleep,
	SYS_nanosleep,
	SYS_getpid,
	SYS_gettid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_sendto,
	SYS_recvfrom,
	SYS_ppoll,
	SYS_fcntl,
	SYS_dup,
	SYS_dup3,
	SYS_umask,
	SYS_sched_yield,
	SYS_set_robust_list,
	SYS_membarrier,
	SYS_restart_syscall,
	SYS_fstatfs,
#ifdef SYS_rseq
	SYS_rseq,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_time
	SYS_time,
#endif
	452, /* fchmodat2 */
};

static int seccomp_list(void)
{
#ifdef HOY_SANITIZE
	return 0; /* the sanitizers' own threads and files do not fit in */
#else
	struct sock_filter f[2 * ARRAY_LEN(allowed) + 16];
	const uint32_t self = (uint32_t)getpid();
	size_t n = 0;
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	/* abort() signals itself. To others, root's signals are not for a worker. */
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, self, 0, 1);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = f };
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0 ? -errno : 0;
#endif
}

/* Best effort: chroot and the missing capabilities hold without it. */
static void landlock(int root_fd, int also_fd)
{
#ifdef SYS_landlock_create_ruleset
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_VERSION);
	if (abi < 1)
		return;
	struct landlock_ruleset attr = { .fs = 0x1fff };
	size_t size = sizeof(uint64_t);
	if (abi >= 2)
		attr.fs |= 1u << 13; /* refer */
	if (abi >= 3)
		attr.fs |= 1u << 14; /* truncate */
	if (abi >= 4) {
		attr.net = 3; /* bind, connect */
		size = 2 * sizeof(uint64_t);
	}
	if (abi >= 5)
		attr.fs |= 1u << 15; /* ioctl on devices */
	if (abi >= 6) {
		attr.scoped = 3; /* abstract sockets, signals */
		size = sizeof(attr);
	}
	cleanup_close int set = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0U);
	if (set < 0)
		return;
	/* Everything but executing and opening devices. */
	struct landlock_beneath rule = { .allowed = attr.fs & ~(uint64_t)(1 | 1u << 15), .fd = root_fd };
	if (syscall(SYS_landlock_add_rule, set, LANDLOCK_PATH_BENEATH, &rule, 0U) < 0)
		return;
	rule.fd = also_fd;
	if (also_fd >= 0 && syscall(SYS_landlock_add_rule, set, LANDLOCK_PATH_BENEATH, &rule, 0U) < 0)
		return;
	(void)syscall(SYS_landlock_restrict_self, set, 0U);
#else
	(void)root_fd, (void)also_fd;
#endif
}

static int limit(int what, uint64_t v)
{
	struct rlimit old, l = { .rlim_cur = (rlim_t)v, .rlim_max = (rlim_t)v };
	if (!v)
		return 0;
	if (getrlimit(what, &old) == 0 && old.rlim_max < l.rlim_max)
		l.rlim_cur = l.rlim_max = old.rlim_max;
	return setrlimit(what, &l) < 0 ? -errno : 0;
}

static int drop_caps(uint64_t keep)
{
	for (int c = 0; c < 64; c++) {
		if (keep & (uint64_t)1 << c)
			continue;
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno == EINVAL)
			break; /* past the last one */
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2], d[2] = { 0 };
	if (syscall(SYS_capget, &h, have) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		d[i].effective = d[i].permitted = have[i].permitted & (uint32_t)(keep >> (32 * i));
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

int sandbox_confine(const struct sandbox_policy *p, struct err **e)
{
	int r;
	if (fchdir(p->root_fd) < 0)
		return err_sys(e, errno, "worker: chroot");
	if (chroot(".") < 0) /* lint: allow chroot: our own, by descriptor */
		return err_sys(e, errno, "worker: chroot");
	if ((r = limit(RLIMIT_FSIZE, p->max_file_bytes)) < 0 || (r = limit(RLIMIT_CPU, p->max_cpu_s)) < 0 ||
	    (r = limit(RLIMIT_NOFILE, 4096)) < 0)
		return err_sys(e, -r, "worker: limits");
#ifndef HOY_SANITIZE
	if ((r = limit(RLIMIT_AS, p->max_memory)) < 0)
		return err_sys(e, -r, "worker: limits");
#endif
	struct rlimit none = { 0 };
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)setrlimit(RLIMIT_NPROC, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "worker: no_new_privs");
	landlock(p->root_fd, p->also_fd);
	if ((r = drop_caps(p->caps)) < 0)
		return err_sys(e, -r, "worker: capabilities");
	if ((r = seccomp_list()) < 0)
		return err_sys(e, -r, "worker: seccomp");
	return 0;
}

int sandbox_send(struct sv json, struct err **e)
{
	if (json.n > SANDBOX_MAX_MSG)
		return err_set(e, ERR_SYSTEM, "worker: message too long");
	for (;;) {
		if (send(SANDBOX_CONTROL_FD, json.p, json.n, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return err_sys(e, errno, "worker: send");
	}
}

void sandbox_send_error(const struct err *err)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	struct sv text = sv_of(err_text(err));
	jw_obj(&w);
	jw_kobj(&w, "error");
	jw_ki64(&w, "class", err_class(err));
	jw_key(&w, "text");
	jw_strsv(&w, sv_n(text.p, MIN(text.n, (size_t)8192)));
	jw_end(&w);
	jw_end(&w);
	(void)sandbox_send(sb_sv(&b), NULL);
}
