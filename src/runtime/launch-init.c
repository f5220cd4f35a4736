/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch-internal.h"

#include "base/err.h"
#include "kernel/cgroup.h"
#include "kernel/ns.h"

#include <errno.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* --- words with the parent --- */

static void send_msg(int fd, const struct launch_msg *m)
{
	/* write(): the one call that a seccomp profile with a listener may not catch. */
	while (write(fd, m, sizeof(*m)) < 0 && errno == EINTR)
		;
}

int lc_fail(struct lc *c, enum launch_step step, int sys, const char *fmt, ...)
{
	char why[128];
	va_list ap;
	int n;

	c->err = (struct launch_msg){ .kind = LM_ERROR, .step = step, .sys = sys };
	va_start(ap, fmt);
	n = vsnprintf(c->err.text, sizeof(c->err.text), fmt, ap);
	va_end(ap);
	if (sys && n >= 0 && (size_t)n < sizeof(c->err.text))
		(void)snprintf(c->err.text + n, sizeof(c->err.text) - (size_t)n, ": %s",
			       err_sys_text(sys, why, sizeof(why)));
	return -1;
}

void lc_warn(struct lc *c, const char *fmt, ...)
{
	struct launch_msg m = { .kind = LM_WARN };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	send_msg(c->sync, &m);
}

static int wait_go(struct lc *c, int fd)
{
	struct launch_msg m;
	ssize_t n;

	do
		n = read(fd, &m, sizeof(m));
	while (n < 0 && errno == EINTR);
	/* The end of the parent, or its "no": nobody waits for a word from us. */
	if (n != sizeof(m) || m.kind != LM_GO)
		_exit(1);
	(void)c;
	return 0;
}

int lc_ask(struct lc *c, enum launch_msg_kind kind, int value)
{
	struct launch_msg m = { .kind = kind, .value = value };

	send_msg(c->sync, &m);
	return wait_go(c, c->sync);
}

static void NORETURN die(struct lc *c)
{
	send_msg(c->report, &c->err);
	_exit(c->err.step >= LAUNCH_LOOKUP ? 127 : 1);
}

/* --- namespaces --- */

static int join_all(struct lc *c, bool skip_user)
{
	struct plan_ns *ns = PLAN_LIST(c->p, struct plan_ns, c->h->joins);

	for (uint32_t i = 0; i < c->h->joins.n; i++) {
		int r;

		if (skip_user && ns[i].bit == NS_USER)
			continue;
		if (ns[i].note_fd < 0)
			continue;
		r = ns_join(ns[i].note_fd, ns[i].bit);
		if (r < 0)
			return lc_fail(c, LAUNCH_JOIN, -r, "join %s namespace %s", ns_name(ns[i].bit),
				       ns[i].path.off ? plan_s(c->p, ns[i].path) : "");
		fd_close(&ns[i].note_fd);
	}
	return 0;
}

/*
 * The process in between. Namespaces of the host's go first, while we still have its privileges; those that
 * refuse wait until we are in the user namespace that owns them.
 */
void lc_middle(struct lc *c, int cgroup_fd)
{
	struct plan_ns *ns = PLAN_LIST(c->p, struct plan_ns, c->h->joins);
	struct launch_msg m = { .kind = LM_PID };
	uint64_t flags = c->h->clone_flags | CLONE_PARENT;
	pid_t pid;
	int r;

	for (uint32_t i = 0; i < c->h->joins.n; i++)
		if (ns[i].bit != NS_USER && ns_join(ns[i].note_fd, ns[i].bit) == 0)
			fd_close(&ns[i].note_fd);
	if (c->h->time_offsets.off) {
		r = ns_unshare(NS_TIME);
		if (r == 0)
			r = procfs_write(c->procfd, "self/timens_offsets", plan_s(c->p, c->h->time_offsets),
					 c->h->time_offsets.n);
		if (r < 0) {
			(void)lc_fail(c, LAUNCH_NAMESPACE, -r, "set time namespace offsets");
			die(c);
		}
	}
	if (join_all(c, false) < 0)
		die(c);
	pid = ns_clone(flags, NULL, cgroup_fd);
	if (pid == 0)
		lc_main(c);
	if (pid < 0) {
		(void)lc_fail(c, LAUNCH_CLONE, -pid, "clone");
		die(c);
	}
	m.value = pid;
	send_msg(c->sync, &m);
	_exit(0);
}

/* Root of the user namespace we are in now. Ids that are not mapped stay what they are. */
static int become_ns_root(struct lc *c)
{
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return lc_fail(c, LAUNCH_USER, errno, "setgroups");
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return lc_fail(c, LAUNCH_USER, errno, "setresgid 0");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return lc_fail(c, LAUNCH_USER, errno, "setresuid 0");
	/* A change of ids makes the kernel forget that we are not to be looked into. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

static int attach_self(struct lc *c)
{
	struct cgroup_fail f = { 0 };
	char text[384];
	int r;

	if (!c->h->cgroup.off || c->parent_attaches)
		return 0;
	r = cgroup_exec_attach(c->p + c->h->cgroup.off, c->h->cgroup.n, 0, c->born_in_v2, &f);
	if (r < 0) {
		cgroup_fail_text(&f, text, sizeof(text));
		(void)lc_fail(c, LAUNCH_CGROUP, 0, "unable to apply cgroup configuration: %s", text);
		c->err.sys = -r;
		return -1;
	}
	return 0;
}

static int set_oom(struct lc *c)
{
	char text[16];
	int r, n;

	if (!(c->h->flags & PLAN_HAS_OOM))
		return 0;
	n = snprintf(text, sizeof(text), "%d", c->h->oom_score_adj);
	r = procfs_write(c->procfd, "self/oom_score_adj", text, (size_t)n);
	if (r == -EACCES || r == -EPERM) {
		lc_warn(c, "oom_score_adj %d is not permitted here: left as it is", c->h->oom_score_adj);
		return 0;
	}
	return r < 0 ? lc_fail(c, LAUNCH_RLIMIT, -r, "write oom_score_adj") : 0;
}

static int new_keyring(struct lc *c)
{
	if (!(c->h->flags & PLAN_NEW_KEYRING))
		return 0;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, plan_s(c->p, c->h->keyring)) < 0 &&
	    errno != ENOSYS && errno != EPERM && errno != EDQUOT)
		return lc_fail(c, LAUNCH_USER, errno, "could not create session key");
	return 0;
}

/* A new network namespace has a loopback interface that is down: nobody else knows when to raise it. */
static int loopback_up(struct lc *c)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0)
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return lc_fail(c, LAUNCH_NETDEV, errno, "loopback interface");
	ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0
		       ? lc_fail(c, LAUNCH_NETDEV, errno, "raise the loopback interface")
		       : 0;
}

static int write_sysctls(struct lc *c)
{
	const struct plan_kv *kv = PLAN_LIST(c->p, const struct plan_kv, c->h->sysctls);

	for (uint32_t i = 0; i < c->h->sysctls.n; i++) {
		const char *k = plan_s(c->p, kv[i].k), *v = plan_s(c->p, kv[i].v);
		int r = procfs_write(c->procfd, k, v, kv[i].v.n);

		if (r < 0)
			return lc_fail(c, LAUNCH_SYSCTL, -r, "open /proc/%s", k);
	}
	return 0;
}

static int open_attr(struct lc *c, const char *a, const char *b, int *fd)
{
	*fd = procfs_open_at(c->procfd, a, O_WRONLY);
	if (*fd < 0 && b)
		*fd = procfs_open_at(c->procfd, b, O_WRONLY);
	return *fd;
}

static int open_attrs(struct lc *c)
{
	if (c->h->apparmor.off &&
	    open_attr(c, "thread-self/attr/apparmor/exec", "thread-self/attr/exec", &c->attr_fd[0]) < 0)
		return lc_fail(c, LAUNCH_LSM, -c->attr_fd[0], "apparmor failed to apply profile");
	if (c->h->selinux.off && open_attr(c, "thread-self/attr/exec", NULL, &c->attr_fd[1]) < 0)
		return lc_fail(c, LAUNCH_LSM, -c->attr_fd[1], "set process label");
	return 0;
}

/* --- the order of things --- */

static int init_container(struct lc *c)
{
	struct plan_hdr *h = c->h;

	if (h->flags & (PLAN_USERNS | PLAN_MIDDLE))
		(void)wait_go(c, c->sync);
	if (attach_self(c) < 0 || (!(h->flags & PLAN_USERNS) && set_oom(c) < 0))
		return -1;
	if (!(h->flags & PLAN_MIDDLE) && join_all(c, false) < 0)
		return -1;
	if (h->flags & (PLAN_USERNS | PLAN_JOINED_USERNS) && become_ns_root(c) < 0)
		return -1;
	if (h->unshare_flags) {
		int r = ns_unshare(h->unshare_flags);

		if (r < 0)
			return lc_fail(c, LAUNCH_NAMESPACE, -r, "unshare cgroup namespace");
	}
	if (setsid() < 0 && errno != EPERM)
		return lc_fail(c, LAUNCH_CONSOLE, errno, "setsid");
	if (new_keyring(c) < 0)
		return -1;
	if (h->clone_flags & NS_NET && loopback_up(c) < 0)
		return -1;
	if (h->hostname.off && sethostname(plan_s(c->p, h->hostname), h->hostname.n) < 0)
		return lc_fail(c, LAUNCH_HOSTNAME, errno, "sethostname");
	if (h->domainname.off && setdomainname(plan_s(c->p, h->domainname), h->domainname.n) < 0)
		return lc_fail(c, LAUNCH_HOSTNAME, errno, "setdomainname");
	if (lc_build_root(c) < 0)
		return -1;
	if (h->hooks[PLAN_PRESTART].n || h->hooks[PLAN_CREATE_RUNTIME].n || h->netdevs.n)
		(void)lc_ask(c, LM_HOOKS, 0);
	if (write_sysctls(c) < 0)
		return -1;
	if (h->hooks[PLAN_CREATE_CONTAINER].n) {
		char self[16] = "";

		/* The name of "self" in the host's procfs is our pid as the host counts. */
		ssize_t n = readlinkat(c->procfd, "self", self, sizeof(self) - 1);
		uint32_t pid = 0;

		if (n > 0 && parse_u32(sv_n(self, (size_t)n), INT32_MAX, &pid) < 0)
			pid = 0;
		c->err = (struct launch_msg){ .kind = LM_ERROR, .step = LAUNCH_HOOK };
		if (launch_hooks_run(c->p, &h->hooks[PLAN_CREATE_CONTAINER], "createContainer", "creating",
				     (pid_t)pid, c->err.text, sizeof(c->err.text), &c->err.sys) < 0)
			return -1;
	}
	if (open_attrs(c) < 0 || lc_finish_root(c) < 0)
		return -1;
	return 0;
}

static int join_container(struct lc *c)
{
	struct plan_hdr *h = c->h;
	unsigned bits = h->exec_ns & ~NS_PID;
	int r;

	if (h->cpu_initial.off &&
	    sched_setaffinity(0, PLAN_CPU_BYTES,
			      (const cpu_set_t *)(const void *)plan_s(c->p, h->cpu_initial)) < 0)
		return lc_fail(c, LAUNCH_SCHED, errno, "set initial CPU affinity");
	if (attach_self(c) < 0 || set_oom(c) < 0 || open_attrs(c) < 0)
		return -1;
	r = bits ? ns_join(c->pidfd, bits) : 0;
	if (r < 0)
		return lc_fail(c, LAUNCH_JOIN, -r, "join the container's namespaces");
	if (h->flags & PLAN_JOINED_USERNS && become_ns_root(c) < 0)
		return -1;
	if (h->exec_root_fd >= 0) {
		if (fchdir(c->fds[h->exec_root_fd]) < 0 ||
		    chroot(".") < 0) /* lint: allow chroot: by descriptor */
			return lc_fail(c, LAUNCH_ROOT, errno, "enter the container's root");
	}
	if (setsid() < 0 && errno != EPERM)
		return lc_fail(c, LAUNCH_CONSOLE, errno, "setsid");
	if (new_keyring(c) < 0)
		return -1;
	c->rootfd = fs_open("/", O_PATH | O_DIRECTORY, 0);
	if (c->rootfd < 0)
		return lc_fail(c, LAUNCH_ROOT, -c->rootfd, "open /");
	if (h->flags & PLAN_TTY && lc_open_console(c) < 0)
		return -1;
	return 0;
}

/* hoy-runtime start: somebody connects to the socket that create left with us. */
static void wait_for_start(struct lc *c)
{
	int fd = c->fds[c->h->start_fd], conn;

	do
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	while (conn < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (conn < 0)
		_exit(1);
	(void)close(fd);
	c->report = conn;
	(void)wait_go(c, conn);
}

void lc_main(struct lc *c)
{
	struct launch_msg ready = { .kind = LM_READY };

	if ((c->h->kind == PLAN_INIT ? init_container(c) : join_container(c)) < 0 || lc_limits(c) < 0 ||
	    lc_become(c) < 0)
		die(c);
	if (c->h->start_fd >= 0) {
		send_msg(c->sync, &ready);
		wait_for_start(c);
		(void)close(c->sync);
		c->sync = c->report;
	} else {
		(void)lc_ask(c, LM_READY, 0);
	}
	(void)lc_execute(c);
	die(c);
}
