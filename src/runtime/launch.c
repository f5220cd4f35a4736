/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch.h"

#include "base/err.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/proc.h"
#include "kernel/cgroup.h"
#include "kernel/idmap.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "runtime/launch-internal.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define DESTROY_MS 2000

/* What the parent needs while it launches. */
struct parent {
	struct launch *l;
	char *p;
	struct plan_hdr *h;
	const int *fds;
	const struct launch_io *io;
	int procfd, rootfd, pidfd;
	int child_sync;
	bool born_in_v2, parent_attaches;
	pid_t middle;
};

static int PRINTF(4, 5) fail(struct launch *l, enum launch_step step, int sys, const char *fmt, ...)
{
	char why[128];
	va_list ap;
	int n;

	l->step = step;
	l->sys = sys;
	va_start(ap, fmt);
	n = vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
	if (sys && n >= 0 && (size_t)n < sizeof(l->text))
		(void)snprintf(l->text + n, sizeof(l->text) - (size_t)n, ": %s",
			       err_sys_text(sys, why, sizeof(why)));
	return -1;
}

static int cgroup_failed(struct launch *l, int sys, const struct cgroup_fail *f)
{
	char text[400];

	cgroup_fail_text(f, text, sizeof(text));
	(void)fail(l, LAUNCH_CGROUP, 0, "unable to apply cgroup configuration: %s", text);
	l->sys = sys;
	return -1;
}

/* --- before the clone: what must be seen from here --- */

static int make_cgroup(struct parent *a)
{
	const void *prog = a->p + a->h->cgroup.off;
	struct cgroup_fail f = { 0 };
	int r;

	if (!a->h->cgroup.off || a->h->kind != PLAN_INIT)
		return 0;
	a->l->made_cgroup_ = true;
	r = cgroup_exec_create(prog, a->h->cgroup.n, &f);
	if (r == 0)
		r = cgroup_exec_apply(prog, a->h->cgroup.n, &f);
	return r < 0 ? cgroup_failed(a->l, -r, &f) : 0;
}

static int open_idmaps(struct parent *a)
{
	struct plan_idmap *im = PLAN_LIST(a->p, struct plan_idmap, a->h->idmaps);

	for (uint32_t i = 0; i < a->h->idmaps.n; i++) {
		im[i].note_fd = idmap_userns(a->procfd, plan_s(a->p, im[i].uid), im[i].uid.n,
					     plan_s(a->p, im[i].gid), im[i].gid.n);
		if (im[i].note_fd < 0)
			return fail(a->l, LAUNCH_IDMAP, -im[i].note_fd,
				    "user namespace of an idmapped mount");
	}
	return 0;
}

/* Root of a user namespace makes no devices: one is made here, on a tmpfs that nothing else refers to. */
static int make_node(const struct plan_device *d)
{
	cleanup_close int fs = mnt_fs_open("tmpfs"), top = -1;
	mode_t mask = umask(0);
	int r = fs < 0 ? fs : mnt_fs_mount(fs, 0);

	top = r;
	if (r >= 0)
		r = mknodat(top, "node", d->mode, makedev(d->major, d->minor)) < 0 ||
				    fchownat(top, "node", d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0
			    ? -errno
			    : mnt_clone(top, "node", false);
	(void)umask(mask);
	return r;
}

static int open_binds(struct parent *a)
{
	struct plan_mount *m = PLAN_LIST(a->p, struct plan_mount, a->h->mounts);
	struct plan_device *d = PLAN_LIST(a->p, struct plan_device, a->h->devices);

	for (uint32_t i = 0; i < a->h->mounts.n && launch_parent_binds(a->h); i++, m++) {
		const char *src = plan_s(a->p, m->source), *dst = plan_s(a->p, m->dest);
		int r;

		if (m->kind != PLAN_MOUNT_BIND || m->fd >= 0)
			continue;
		m->note_fd = mnt_clone(AT_FDCWD, src, m->flags & PLAN_M_RECURSIVE);
		if (m->note_fd == -ENOENT && m->flags & PLAN_M_OPTIONAL)
			continue;
		r = m->note_fd < 0 ? m->note_fd : launch_prepare_mount(a->p, m, m->note_fd);
		if (r < 0)
			return fail(a->l, LAUNCH_SOURCE, -r, "error mounting \"%s\" to rootfs at \"%s\": %s",
				    src, dst, m->note_fd < 0 ? "open source" : "set attributes");
	}
	for (uint32_t i = 0; i < a->h->devices.n; i++, d++) {
		int r;

		if (d->bind == PLAN_DEV_MKNOD)
			continue;
		d->note_fd = d->bind == PLAN_DEV_BIND ? mnt_clone(AT_FDCWD, plan_s(a->p, d->path), false)
						      : make_node(d);
		r = d->note_fd < 0
			    ? d->note_fd
			    : mnt_setattr(d->note_fd, "", false, MNT_ATTR_NOSUID | MNT_ATTR_NOEXEC, 0, 0, -1);
		if (r < 0)
			return fail(a->l, LAUNCH_SOURCE, -r, "error creating device nodes: open %s",
				    plan_s(a->p, d->path));
	}
	return 0;
}

static int open_root(struct parent *a)
{
	struct plan_hdr *h = a->h;
	int r;

	if (h->root_fd >= 0) {
		a->rootfd = fcntl(a->fds[h->root_fd], F_DUPFD_CLOEXEC, 3);
		if (a->rootfd < 0)
			return fail(a->l, LAUNCH_ROOT, errno, "root file system");
		return 0;
	}
	if (h->flags & PLAN_CHROOT_ONLY) {
		a->rootfd = fs_open(plan_s(a->p, h->root_path), O_PATH | O_DIRECTORY, 0);
		return a->rootfd < 0 ? fail(a->l, LAUNCH_ROOT, -a->rootfd, "open root path %s",
					    plan_s(a->p, h->root_path))
				     : 0;
	}
	a->rootfd = mnt_clone(AT_FDCWD, plan_s(a->p, h->root_path), true);
	if (a->rootfd < 0)
		return fail(a->l, LAUNCH_ROOT, -a->rootfd, "stat %s", plan_s(a->p, h->root_path));
	r = mnt_setattr(a->rootfd, "", true, 0, 0,
			h->root_prop == MNT_SHARED || h->root_prop == MNT_SLAVE ? MNT_SLAVE : MNT_PRIVATE,
			-1);
	return r < 0 ? fail(a->l, LAUNCH_ROOT, -r, "propagation of the root file system") : 0;
}

static int open_joins(struct parent *a)
{
	struct plan_ns *ns = PLAN_LIST(a->p, struct plan_ns, a->h->joins);

	for (uint32_t i = 0; i < a->h->joins.n; i++) {
		ns[i].note_fd = ns[i].fd >= 0 ? fcntl(a->fds[ns[i].fd], F_DUPFD_CLOEXEC, 3)
					      : fs_open(plan_s(a->p, ns[i].path), O_RDONLY | O_NONBLOCK, 0);
		if (ns[i].note_fd < 0)
			return fail(a->l, LAUNCH_NAMESPACE, ns[i].fd >= 0 ? EBADF : -ns[i].note_fd,
				    "open %s namespace %s", ns_name(ns[i].bit),
				    ns[i].path.off ? plan_s(a->p, ns[i].path) : "");
	}
	return 0;
}

static int open_exec(struct parent *a)
{
	struct plan_hdr *h = a->h;

	a->pidfd = h->exec_pidfd >= 0 ? fcntl(a->fds[h->exec_pidfd], F_DUPFD_CLOEXEC, 3)
				      : proc_pidfd_open(h->exec_pid);
	return a->pidfd < 0 ? fail(a->l, LAUNCH_NAMESPACE, h->exec_pidfd >= 0 ? EBADF : -a->pidfd,
				   "open the container's process")
			    : 0;
}

static void reset_notes(struct parent *a, bool close_them)
{
	struct plan_mount *m = PLAN_LIST(a->p, struct plan_mount, a->h->mounts);
	struct plan_device *d = PLAN_LIST(a->p, struct plan_device, a->h->devices);
	struct plan_idmap *im = PLAN_LIST(a->p, struct plan_idmap, a->h->idmaps);
	struct plan_ns *ns = PLAN_LIST(a->p, struct plan_ns, a->h->joins);

#define RESET(list_, v_)                                                                                     \
	for (uint32_t i = 0; i < a->h->list_.n; i++) {                                                       \
		if (close_them)                                                                              \
			fd_close(&(v_)[i].note_fd);                                                          \
		(v_)[i].note_fd = -1;                                                                        \
	}
	RESET(mounts, m)
	RESET(devices, d)
	RESET(idmaps, im)
	RESET(joins, ns)
#undef RESET
}

static int prepare(struct parent *a)
{
	if (a->h->kind == PLAN_EXEC)
		return open_exec(a);
	if (open_joins(a) < 0 || make_cgroup(a) < 0 || open_idmaps(a) < 0 || open_root(a) < 0 ||
	    open_binds(a) < 0)
		return -1;
	return 0;
}

/* --- the clone --- */

static void enter_child(struct parent *a, bool middle)
{
	struct lc c = {
		.p = a->p,
		.h = a->h,
		.fds = a->fds,
		.io = a->io,
		.sync = a->child_sync,
		.report = a->child_sync,
		.procfd = a->procfd,
		.rootfd = a->rootfd,
		.pidfd = a->pidfd,
		.ttyfd = -1,
		.attr_fd = { -1, -1 },
		.mask_tmpfs = -1,
		.nullfd = -1,
		.born_in_v2 = a->born_in_v2,
		.parent_attaches = a->parent_attaches,
	};

	(void)close(a->l->sync_fd);
	if (middle)
		lc_middle(&c, -1);
	lc_main(&c);
}

static int clone_it(struct parent *a)
{
	struct plan_hdr *h = a->h;
	struct launch *l = a->l;
	cleanup_close int cgfd = -1, own_pidns = -1;
	pid_t pid;
	int r;

	a->parent_attaches = h->cgroup.off && h->flags & (PLAN_USERNS | PLAN_MIDDLE);
	if (h->cgroup.off && !(h->flags & PLAN_MIDDLE)) {
		cgfd = cgroup_exec_v2_fd(a->p + h->cgroup.off, h->cgroup.n);
		if (cgfd < 0 && cgfd != -ENOENT)
			return fail(l, LAUNCH_CGROUP, -cgfd, "open the container's cgroup");
	}
	if (h->flags & PLAN_MIDDLE) {
		pid = ns_clone(0, NULL, -1);
		if (pid == 0)
			enter_child(a, true);
		if (pid < 0)
			return fail(l, LAUNCH_CLONE, -pid, "clone");
		a->middle = pid;
		return 0;
	}
	if (h->kind == PLAN_EXEC && h->exec_ns & NS_PID) {
		/* A pid namespace is joined for children: go there for the moment of the clone. */
		own_pidns = openat(a->procfd, "self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own_pidns < 0)
			return fail(l, LAUNCH_NAMESPACE, errno, "open our pid namespace");
		r = ns_join(a->pidfd, NS_PID);
		if (r < 0)
			return fail(l, LAUNCH_JOIN, -r, "join the container's pid namespace");
	}
	a->born_in_v2 = cgfd >= 0;
	pid = ns_clone(h->clone_flags, &l->pidfd, cgfd);
	if (pid == -EBUSY && cgfd >= 0 && h->kind == PLAN_EXEC) {
		/* The group delegates and takes no processes itself: stay outside of it, as systemd's own tools do. */
		a->born_in_v2 = false;
		pid = ns_clone(h->clone_flags, &l->pidfd, -1);
	}
	if (pid == 0)
		enter_child(a, false);
	if (own_pidns >= 0) {
		r = ns_join(own_pidns, NS_PID);
		if (r < 0 && pid > 0) {
			l->pid = pid;
			return fail(l, LAUNCH_JOIN, -r, "return to our pid namespace");
		}
	}
	if (pid < 0)
		return fail(l, LAUNCH_CLONE, -pid, "clone");
	l->pid = pid;
	return 0;
}

/* --- the conversation --- */

static int say_go(struct launch *l)
{
	struct launch_msg m = { .kind = LM_GO };

	if (send(l->sync_fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		return fail(l, LAUNCH_SYNC, errno, "container process is gone");
	return 0;
}

static void warn(const struct parent *a, const char *text)
{
	if (a->io->warn)
		a->io->warn(a->io->ctx, text);
}

static int write_maps(struct parent *a)
{
	struct plan_hdr *h = a->h;
	int r;

	if (h->flags & PLAN_USERNS) {
		r = idmap_write(a->procfd, a->l->pid, plan_s(a->p, h->uid_map), h->uid_map.n,
				plan_s(a->p, h->gid_map), h->gid_map.n);
		if (r < 0)
			return fail(a->l, LAUNCH_IDMAP, -r, "write id maps");
		if (h->flags & PLAN_HAS_OOM) {
			char path[48], text[16];

			(void)snprintf(path, sizeof(path), "%d/oom_score_adj", (int)a->l->pid);
			int n = snprintf(text, sizeof(text), "%d", h->oom_score_adj);
			r = procfs_write(a->procfd, path, text, (size_t)n);
			if (r == -EACCES || r == -EPERM)
				warn(a, "oom_score_adj is not permitted here: left as it is");
			else if (r < 0)
				return fail(a->l, LAUNCH_RLIMIT, -r, "write oom_score_adj");
		}
	}
	if (a->parent_attaches) {
		struct cgroup_fail f = { 0 };

		r = cgroup_exec_attach(a->p + h->cgroup.off, h->cgroup.n, a->l->pid, a->born_in_v2, &f);
		if (r < 0)
			return cgroup_failed(a->l, -r, &f);
	}
	return h->flags & (PLAN_USERNS | PLAN_MIDDLE) ? say_go(a->l) : 0;
}

static int set_rlimits(struct parent *a)
{
	const struct plan_rlimit *r = PLAN_LIST(a->p, const struct plan_rlimit, a->h->rlimits);

	for (uint32_t i = 0; i < a->h->rlimits.n; i++) {
		struct rlimit64 want = { .rlim_cur = r[i].soft, .rlim_max = r[i].hard }, now;
		char text[160];

		if (syscall(SYS_prlimit64, a->l->pid, r[i].resource, &want, NULL) == 0)
			continue;
		if (errno != EPERM)
			return fail(a->l, LAUNCH_RLIMIT, errno, "error setting rlimit type %u",
				    r[i].resource);
		/* Not ours to raise (no CAP_SYS_RESOURCE): as much as there is. */
		if (syscall(SYS_prlimit64, a->l->pid, r[i].resource, NULL, &now) < 0)
			return fail(a->l, LAUNCH_RLIMIT, errno, "read rlimit type %u", r[i].resource);
		want.rlim_max = MIN(want.rlim_max, now.rlim_max);
		want.rlim_cur = MIN(want.rlim_cur, want.rlim_max);
		if (syscall(SYS_prlimit64, a->l->pid, r[i].resource, &want, NULL) < 0)
			return fail(a->l, LAUNCH_RLIMIT, errno, "error setting rlimit type %u",
				    r[i].resource);
		(void)snprintf(text, sizeof(text),
			       "rlimit type %u: cannot be raised to %llu:%llu here, set to %llu:%llu",
			       r[i].resource, (unsigned long long)r[i].soft, (unsigned long long)r[i].hard,
			       (unsigned long long)want.rlim_cur, (unsigned long long)want.rlim_max);
		warn(a, text);
	}
	return say_go(a->l);
}

static int run_hooks(struct parent *a)
{
	struct launch *l = a->l;

	l->step = LAUNCH_HOOK;
	if (launch_netdevs_move(a->p, l->pid, l->text, sizeof(l->text), &l->sys) < 0) {
		l->step = LAUNCH_NETDEV;
		return -1;
	}
	if (launch_hooks_run(a->p, &a->h->hooks[PLAN_PRESTART], "prestart", "created", l->pid, l->text,
			     sizeof(l->text), &l->sys) < 0 ||
	    launch_hooks_run(a->p, &a->h->hooks[PLAN_CREATE_RUNTIME], "createRuntime", "creating", l->pid,
			     l->text, sizeof(l->text), &l->sys) < 0)
		return -1;
	l->step = LAUNCH_OK;
	return say_go(l);
}

/* Fetches the listener out of the child and gives it to whoever listens, with the words the specification asks. */
static int pass_listener(struct parent *a, int number)
{
	struct plan_hdr *h = a->h;
	cleanup_close int fd = (int)syscall(SYS_pidfd_getfd, a->l->pidfd, number, 0);
	cleanup_close int sock = -1, state = -1;
	char text[32 * 1024];
	size_t n;
	int r;

	if (fd < 0)
		return fail(a->l, LAUNCH_SECCOMP, errno, "fetch the seccomp listener");
	state = launch_state_fd(a->p, h->kind == PLAN_INIT ? "creating" : "running", a->l->pid);
	if (state < 0)
		return fail(a->l, LAUNCH_SECCOMP, -state, "state for the seccomp listener");
	n = (size_t)snprintf(text, sizeof(text), "%s%d%s", plan_s(a->p, h->listener_head), (int)a->l->pid,
			     plan_s(a->p, h->listener_middle));
	if (n >= sizeof(text))
		return fail(a->l, LAUNCH_SECCOMP, EMSGSIZE, "seccomp listener metadata");
	ssize_t got = fd_read_full(state, text + n, sizeof(text) - n);
	if (got < 0 || (size_t)got + h->listener_tail.n >= sizeof(text) - n)
		return fail(a->l, LAUNCH_SECCOMP, EMSGSIZE, "state for the seccomp listener");
	n += (size_t)got;
	memcpy(text + n, plan_s(a->p, h->listener_tail), h->listener_tail.n);
	n += h->listener_tail.n;
	sock = unix_connect(plan_s(a->p, h->listener_path), SOCK_STREAM);
	if (sock < 0)
		return fail(a->l, LAUNCH_SECCOMP, -sock,
			    "failed to connect with seccomp agent specified in the seccomp profile: %s",
			    plan_s(a->p, h->listener_path));
	r = fdpass_send(sock, text, n, &fd, 1);
	return r < 0 ? fail(a->l, LAUNCH_SECCOMP, -r, "send the seccomp listener") : say_go(a->l);
}

/* One message. 0; or -1 with the error, also for the end of the child. */
static int receive(struct launch *l, struct launch_msg *m, int *fd)
{
	int fds[1];
	size_t n_fds = 1;
	ssize_t n = fdpass_recv(l->sync_fd, m, sizeof(*m), fds, &n_fds);

	*fd = n > 0 && n_fds ? fds[0] : -1;
	if (n == (ssize_t)sizeof(*m)) {
		m->text[sizeof(m->text) - 1] = '\0';
		return 0;
	}
	fd_close(fd);
	return fail(l, LAUNCH_SYNC, n < 0 ? (int)-n : 0, "container process ended while it was set up");
}

static int take_error(struct launch *l, const struct launch_msg *m)
{
	l->step = m->step < LAUNCH_STEPS_ && m->step ? (enum launch_step)m->step : LAUNCH_SYNC;
	l->sys = m->sys;
	memcpy(l->text, m->text, sizeof(l->text));
	return -1;
}

static int got_pid(struct parent *a, pid_t pid)
{
	while (waitpid(a->middle, NULL, 0) < 0 && errno == EINTR)
		;
	a->middle = 0;
	a->l->pid = pid;
	a->l->pidfd = proc_pidfd_open(pid);
	if (a->l->pidfd < 0)
		return fail(a->l, LAUNCH_CLONE, -a->l->pidfd, "open the container's process");
	return write_maps(a);
}

static int converse(struct parent *a)
{
	struct launch *l = a->l;
	struct launch_msg m;
	int fd, r;

	for (;;) {
		if (receive(l, &m, &fd) < 0)
			return -1;
		r = 0;
		switch ((enum launch_msg_kind)m.kind) {
		case LM_READY: fd_close(&fd); return 0;
		case LM_ERROR: r = take_error(l, &m); break;
		case LM_WARN: warn(a, m.text); break;
		case LM_PID:
			r = a->middle > 0 ? got_pid(a, m.value) : fail(l, LAUNCH_SYNC, EPROTO, "launch");
			break;
		case LM_HOOKS: r = run_hooks(a); break;
		case LM_RLIMITS: r = set_rlimits(a); break;
		case LM_CONSOLE:
			fd_close(&l->console_fd);
			l->console_fd = TAKE_FD(fd);
			break;
		case LM_LISTENER: r = pass_listener(a, m.value); break;
		case LM_GO:
		default: r = fail(l, LAUNCH_SYNC, EPROTO, "launch"); break;
		}
		fd_close(&fd);
		if (r < 0)
			return -1;
	}
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void release(struct parent *a)
{
	reset_notes(a, true);
	fd_close(&a->procfd);
	fd_close(&a->rootfd);
	fd_close(&a->pidfd);
	fd_close(&a->child_sync);
}

int launch_start(void *plan, size_t n, const int *fds, size_t n_fds, const struct launch_io *io,
		 struct launch *l)
{
	struct parent a = { .l = l,
			    .p = plan,
			    .fds = fds,
			    .io = io,
			    .procfd = -1,
			    .rootfd = -1,
			    .pidfd = -1,
			    .child_sync = -1 };
	int pair[2], r;

	*l = (struct launch){ .pidfd = -1, .console_fd = -1, .sync_fd = -1, .plan_ = plan, .plan_n_ = n };
	if (plan_check(plan, n, n_fds) < 0)
		return fail(l, LAUNCH_PLAN, EBADMSG, "launch plan");
	a.h = PLAN_HDR(plan);
	reset_notes(&a, false);
	/* Nobody in the container may look into us or what we become before it is the container's own. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	a.procfd = procfs_open();
	if (a.procfd < 0)
		r = fail(l, LAUNCH_NAMESPACE, -a.procfd, "open /proc");
	else if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = fail(l, LAUNCH_SYNC, errno, "socketpair");
	else {
		l->sync_fd = pair[0];
		a.child_sync = pair[1];
		r = prepare(&a);
		if (r == 0)
			r = clone_it(&a);
		fd_close(&a.child_sync);
		if (r == 0 && !a.middle)
			r = write_maps(&a);
		if (r == 0)
			r = converse(&a);
	}
	if (a.middle > 0) {
		(void)kill(a.middle, SIGKILL);
		reap(a.middle);
	}
	release(&a);
	if (r < 0)
		launch_abort(l);
	return r;
}

void launch_abort(struct launch *l)
{
	if (l->pid > 0) {
		(void)kill(l->pid, SIGKILL);
		reap(l->pid);
		l->pid = 0;
	}
	fd_close(&l->sync_fd);
	fd_close(&l->pidfd);
	fd_close(&l->console_fd);
	if (l->made_cgroup_) {
		const struct plan_hdr *h = PLAN_HDR(l->plan_);

		(void)cgroup_exec_destroy((const char *)l->plan_ + h->cgroup.off, h->cgroup.n, DESTROY_MS);
		l->made_cgroup_ = false;
	}
}

void launch_leave(struct launch *l)
{
	fd_close(&l->sync_fd);
}

int launch_release_begin(struct launch *l)
{
	if (say_go(l) < 0) {
		launch_abort(l);
		return -1;
	}
	return 0;
}

/* The end of the socket is execve's: it closed the other side. Anything else is an error's text. */
static int collect(struct launch *l, int sock)
{
	struct launch_msg m;
	ssize_t n;

	for (;;) {
		n = recv(sock, &m, sizeof(m), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return 0;
		if (n != sizeof(m))
			return fail(l, LAUNCH_SYNC, n < 0 ? errno : EPROTO, "wait for the start");
		m.text[sizeof(m.text) - 1] = '\0';
		if (m.kind == LM_ERROR)
			return take_error(l, &m);
	}
}

int launch_release_end(struct launch *l)
{
	int r = collect(l, l->sync_fd);

	if (r < 0)
		launch_abort(l);
	else
		fd_close(&l->sync_fd);
	return r;
}

int launch_release(struct launch *l)
{
	return launch_release_begin(l) < 0 ? -1 : launch_release_end(l);
}

int launch_start_remote(int sock, struct launch *l)
{
	struct launch_msg m = { .kind = LM_GO };

	*l = (struct launch){ .pidfd = -1, .console_fd = -1, .sync_fd = -1 };
	if (send(sock, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		return fail(l, LAUNCH_SYNC, errno, "container process is gone");
	return collect(l, sock);
}

int launch_run_hooks(const void *plan, size_t n, enum launch_hooks which, pid_t pid, struct launch *l)
{
	const struct plan_hdr *h = PLAN_HDR(plan);
	bool stop = which == LAUNCH_POSTSTOP;

	*l = (struct launch){ .pidfd = -1, .console_fd = -1, .sync_fd = -1 };
	if (plan_check(plan, n, PLAN_MAX_FDS) < 0)
		return fail(l, LAUNCH_PLAN, EBADMSG, "launch plan");
	l->step = LAUNCH_HOOK;
	if (launch_hooks_run(plan, &h->hooks[stop ? PLAN_POSTSTOP : PLAN_POSTSTART],
			     stop ? "poststop" : "poststart", stop ? "stopped" : "running", stop ? 0 : pid,
			     l->text, sizeof(l->text), &l->sys) < 0)
		return -1;
	l->step = LAUNCH_OK;
	return 0;
}

const char *launch_error_text(const struct launch *l, char *buf, size_t n)
{
	(void)snprintf(buf, n, "%s", l->text[0] ? l->text : "unknown error");
	return buf;
}

int launch_exit_code(const struct launch *l)
{
	switch (l->sys) {
	case EACCES:
	case EISDIR:
	case ENOEXEC: return 126;
	case ENOENT:
	case ENOTDIR: return 127;
	default: return 128;
	}
}
