/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch-internal.h"

#include "base/err.h"
#include "kernel/caps.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* --- limits and scheduling --- */

static int set_rlimits(struct lc *c)
{
	const struct plan_rlimit *r = PLAN_LIST(c->p, const struct plan_rlimit, c->h->rlimits);

	for (uint32_t i = 0; i < c->h->rlimits.n; i++) {
		struct rlimit64 lim = { .rlim_cur = r[i].soft, .rlim_max = r[i].hard };

		if (syscall(SYS_prlimit64, 0, r[i].resource, &lim, NULL) == 0)
			continue;
		if (errno != EPERM)
			return lc_fail(c, LAUNCH_RLIMIT, errno, "error setting rlimit type %u",
				       r[i].resource);
		/* Raising is the host's privilege, and we may be root of a namespace only: the parent sets all. */
		return lc_ask(c, LM_RLIMITS, 0);
	}
	return 0;
}

int lc_limits(struct lc *c)
{
	struct plan_hdr *h = c->h;

	if (h->flags & PLAN_HAS_PERSONALITY && personality(h->personality) < 0)
		return lc_fail(c, LAUNCH_SCHED, errno, "set personality");
	if (h->flags & PLAN_HAS_SCHED && syscall(SYS_sched_setattr, 0, &h->sched, 0) < 0)
		return lc_fail(c, LAUNCH_SCHED, errno, "error setting scheduler");
	if (h->flags & PLAN_HAS_IOPRIO && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, h->ioprio) < 0)
		return lc_fail(c, LAUNCH_SCHED, errno, "error setting io priority");
	if (h->flags & PLAN_HAS_MEMPOLICY &&
	    syscall(SYS_set_mempolicy, h->mempolicy_mode, plan_s(c->p, h->mempolicy_nodes),
		    h->mempolicy_nodes.off ? PLAN_CPU_BYTES * 8ul : 0ul) < 0)
		return lc_fail(c, LAUNCH_SCHED, errno, "set memory policy");
	return set_rlimits(c);
}

/* --- who we are --- */

static int stdio(struct lc *c)
{
	int fd[3];

	if (c->ttyfd >= 0) {
		if (ioctl(c->ttyfd, TIOCSCTTY, 0) < 0)
			return lc_fail(c, LAUNCH_CONSOLE, errno, "make the terminal the controlling one");
		fd[0] = fd[1] = fd[2] = c->ttyfd;
	} else {
		memcpy(fd, c->io->stdio, sizeof(fd));
	}
	/* None of the three may be overwritten before it was copied. */
	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0 && fd[i] < 3 && fd[i] != i) {
			fd[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 3);
			if (fd[i] < 0)
				return lc_fail(c, LAUNCH_CONSOLE, errno, "dup");
		}
	for (int i = 0; i < 3; i++) {
		int r = fd[i] < 0 ? 0 : fd[i] == i ? fcntl(i, F_SETFD, 0) : dup2(fd[i], i);

		if (r < 0)
			return lc_fail(c, LAUNCH_CONSOLE, errno, "dup2");
	}
	if (c->ttyfd > 2)
		fd_close(&c->ttyfd);
	return 0;
}

/* The user must be able to reopen what /dev/stdout points to. */
static void own_stdio(struct lc *c)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (fstat(i, &st) < 0 || st.st_uid == c->h->uid)
			continue;
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			continue;
		/* A terminal's group is that of terminals. */
		(void)!fchown(i, c->h->uid, S_ISCHR(st.st_mode) ? st.st_gid : c->h->gid);
	}
}

static int enter_cwd(struct lc *c, bool *done)
{
	char here[PATH_MAX];

	if (chdir(plan_s(c->p, c->h->cwd)) < 0) { /* lint: allow chdir: we are inside the container's root */
		if (errno == EACCES && !*done) {
			*done = true; /* once more as the user */
			return 1;
		}
		return lc_fail(c, LAUNCH_CWD, errno, "chdir to cwd (\"%s\") set in config.json failed",
			       plan_s(c->p, c->h->cwd));
	}
	/* The kernel marks a directory outside our root (CVE-2024-21626). */
	if (syscall(SYS_getcwd, here, sizeof(here)) < 0 || here[0] != '/')
		return lc_fail(c, LAUNCH_CWD, 0,
			       "current working directory is outside of container mount namespace root -- "
			       "possible container breakout detected");
	return 0;
}

static int set_user(struct lc *c)
{
	struct plan_hdr *h = c->h;
	const gid_t *groups = PLAN_LIST(c->p, const gid_t, h->groups);

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return lc_fail(c, LAUNCH_USER, errno, "keep capabilities");
	if (setgroups(h->groups.n, h->groups.n ? groups : NULL) < 0 && (h->groups.n || errno != EPERM))
		return lc_fail(c, LAUNCH_USER, errno, "setgroups");
	if (setresgid(h->gid, h->gid, h->gid) < 0)
		return lc_fail(c, LAUNCH_USER, errno, "setgid %u", h->gid);
	if (setresuid(h->uid, h->uid, h->uid) < 0)
		return lc_fail(c, LAUNCH_USER, errno, "setuid %u", h->uid);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

/* What execve would say, found out before anybody waits for us. */
static int look_up(struct lc *c)
{
	const uint64_t *at = PLAN_LIST(c->p, const uint64_t, c->h->lookup);
	const char *name = c->p + PLAN_LIST(c->p, const uint64_t, c->h->argv)[0];

	if (c->h->flags & PLAN_NO_PROCESS)
		return 0;
	for (uint32_t i = 0; i < c->h->lookup.n; i++) {
		const char *path = c->p + at[i];
		struct stat st;

		if (fstatat(AT_FDCWD, path, &st, 0) < 0) {
			if (c->h->flags & PLAN_SEARCH)
				continue;
			return lc_fail(c, LAUNCH_LOOKUP, errno, "exec: \"%s\": stat %s", name, path);
		}
		if (S_ISDIR(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0) {
			int sys = S_ISDIR(st.st_mode) ? EISDIR : errno;

			if (c->h->flags & PLAN_SEARCH)
				continue;
			return lc_fail(c, LAUNCH_LOOKUP, sys, "exec: \"%s\"", name);
		}
		c->program = path;
		return 0;
	}
	(void)lc_fail(c, LAUNCH_LOOKUP, 0, "exec: \"%s\": executable file not found in $PATH", name);
	c->err.sys = ENOENT;
	return -1;
}

static int install_seccomp(struct lc *c)
{
	struct sock_fprog prog = {
		.len = (unsigned short)c->h->bpf.n,
		.filter = PLAN_LIST(c->p, struct sock_filter, c->h->bpf),
	};
	unsigned flags = c->h->seccomp_flags;
	long r;

	if (!c->h->bpf.n)
		return 0;
	if (c->h->flags & PLAN_SECCOMP_NOTIFY)
		flags = (flags & ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC) | SECCOMP_FILTER_FLAG_NEW_LISTENER;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (r < 0)
		return lc_fail(c, LAUNCH_SECCOMP, errno,
			       "unable to init seccomp: error loading seccomp filter into kernel");
	if (c->h->flags & PLAN_SECCOMP_NOTIFY) {
		(void)lc_ask(c, LM_LISTENER, (int)r);
		(void)close((int)r);
	}
	return 0;
}

/* With a listener the filter must be in place while create is still there to hand it on. */
static bool early_seccomp(const struct lc *c)
{
	return c->h->flags & PLAN_SECCOMP_NOTIFY;
}

static int set_caps(struct lc *c, bool last)
{
	struct plan_hdr *h = c->h;
	/* Installing a filter without no_new_privs needs CAP_SYS_ADMIN until that moment. */
	uint64_t extra = !last && h->bpf.n && !(h->flags & PLAN_NO_NEW_PRIVS) ? CAPS_BIT(CAPS_SYS_ADMIN) : 0;
	int r = caps_set(h->permitted | extra, h->effective | extra, h->inheritable);

	if (r < 0)
		return lc_fail(c, LAUNCH_CAPS, -r, "unable to apply caps");
	if (last)
		return 0;
	r = caps_set_ambient(h->ambient);
	return r < 0 ? lc_fail(c, LAUNCH_CAPS, -r, "unable to set ambient capabilities") : 0;
}

static void default_signals(void)
{
	sigset_t none;

	/* clone3 cleared our handlers; what was ignored is still ignored. */
	for (int i = 1; i < 65; i++)
		if (i != SIGKILL && i != SIGSTOP)
			(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool is_kept(const int *keep, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == fd)
			return true;
	return false;
}

/*
 * execve follows /proc/self/fd/N of the program's name, and of its interpreter's, before it closes anything: a
 * directory of the host among our descriptors would be a way out (CVE-2024-21626). So close-on-exec is not enough:
 * nothing stays but what is no directory and still needed.
 */
static int close_others(struct lc *c)
{
	const int keep[] = { c->sync, c->h->start_fd >= 0 ? c->fds[c->h->start_fd] : -1, c->attr_fd[0],
			     c->attr_fd[1] };
	unsigned from = 3u + c->h->preserve_fds;

	/* Among the preserved numbers ours are those that execve would close. */
	for (int fd = 3; fd < (int)from; fd++) {
		int flags = is_kept(keep, ARRAY_LEN(keep), fd) ? 0 : fcntl(fd, F_GETFD);

		if (flags > 0 && flags & FD_CLOEXEC)
			(void)close(fd);
	}
	for (;;) {
		unsigned next = ~0u;

		for (size_t i = 0; i < ARRAY_LEN(keep); i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= from)
				next = MIN(next, (unsigned)keep[i]);
		if (next > from && syscall(SYS_close_range, from, next - (next != ~0u), 0) < 0)
			return lc_fail(c, LAUNCH_EXEC, errno, "close_range");
		if (next == ~0u)
			break;
		if (fcntl((int)next, F_SETFD, FD_CLOEXEC) < 0)
			return lc_fail(c, LAUNCH_EXEC, errno, "close on exec");
		from = next + 1;
	}
	c->procfd = c->rootfd = c->pidfd = c->nullfd = c->mask_tmpfs = -1;
	return 0;
}

/* Our number as the host counts: the name of "self" in its procfs. */
static pid_t host_pid(const struct lc *c)
{
	char self[16] = "";
	ssize_t n = readlinkat(c->procfd, "self", self, sizeof(self) - 1);
	uint32_t pid = 0;

	if (n > 0 && parse_u32(sv_n(self, (size_t)n), INT32_MAX, &pid) < 0)
		pid = 0;
	return (pid_t)pid;
}

int lc_become(struct lc *c)
{
	struct plan_hdr *h = c->h;
	bool retry = false;
	int r;

	if (stdio(c) < 0)
		return -1;
	own_stdio(c);
	if (h->flags & PLAN_NO_NEW_PRIVS && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return lc_fail(c, LAUNCH_USER, errno, "set no_new_privs");
	r = caps_limit_bounding(h->bounding);
	if (r < 0)
		return lc_fail(c, LAUNCH_CAPS, -r, "unable to apply bounding set");
	r = enter_cwd(c, &retry);
	if (r < 0)
		return -1;
	if (set_user(c) < 0 || (retry && enter_cwd(c, &retry) < 0))
		return -1;
	if (set_caps(c, false) < 0)
		return -1;
	(void)umask(h->flags & PLAN_HAS_UMASK ? h->umask : 0022);
	default_signals();
	c->host_pid = host_pid(c);
	if (close_others(c) < 0 || look_up(c) < 0)
		return -1;
	if (early_seccomp(c))
		return install_seccomp(c);
	return 0;
}

/* --- go --- */

static int write_attr(struct lc *c, int fd, struct plan_str text, const char *what)
{
	if (fd >= 0 && write(fd, plan_s(c->p, text), text.n) < 0)
		return lc_fail(c, LAUNCH_LSM, errno, "%s", what);
	return 0;
}

int lc_execute(struct lc *c)
{
	struct plan_hdr *h = c->h;
	char *const none[] = { NULL };
	char **argv, **envp;

	/* Here, because a change of user clears it, and the process in between is gone by now. */
	if (c->io->die_with_parent)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);

	if (h->flags & PLAN_NO_PROCESS)
		return lc_fail(c, LAUNCH_EXEC, 0, "process was not set in config.json");
	if (h->hooks[PLAN_START_CONTAINER].n) {
		c->err = (struct launch_msg){ .kind = LM_ERROR, .step = LAUNCH_HOOK };
		if (launch_hooks_run(c->p, &h->hooks[PLAN_START_CONTAINER], "startContainer", "created",
				     c->host_pid, c->err.text, sizeof(c->err.text), &c->err.sys) < 0)
			return -1;
	}
	if (h->cpu_final.off &&
	    sched_setaffinity(0, PLAN_CPU_BYTES,
			      (const cpu_set_t *)(const void *)plan_s(c->p, h->cpu_final)) < 0)
		return lc_fail(c, LAUNCH_SCHED, errno, "set final CPU affinity");
	if (write_attr(c, c->attr_fd[0], h->apparmor, "apparmor failed to apply profile") < 0 ||
	    write_attr(c, c->attr_fd[1], h->selinux, "set process label") < 0)
		return -1;
	argv = launch_vec(c->p, h->argv);
	envp = launch_vec(c->p, h->envp);
	if (!early_seccomp(c) && install_seccomp(c) < 0)
		return -1;
	if (h->bpf.n && !(h->flags & PLAN_NO_NEW_PRIVS) && set_caps(c, true) < 0)
		return -1;
	(void)execve(c->program, argv, envp ? envp : none);
	return lc_fail(c, LAUNCH_EXEC, errno, "exec %s", c->program);
}
