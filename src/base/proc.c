/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

#define SPAWN_MAX_FDS 64
#define SPAWN_STACK   (64 * 1024)

/* The thread sanitizer takes clone() for a fork and gives up on threads after it; its other name is left alone. */
#ifdef __SANITIZE_THREAD__
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
#define clone __clone
#endif

struct spawn_ctx {
	const struct proc_spawn *s;
	pid_t parent;
	int err; /* the child writes here: memory is shared until exec */
	sigset_t old;
};

/*
 * In the child, which shares our memory but not our descriptors or handlers: bare system calls, because what a sanitizer
 * would note down of them is not true of the parent.
 *
 * Puts every wanted descriptor above all targets first, then onto its number: the order of the list does not
 * matter, and no target is closed before it was copied.
 */
static int place_fds(const struct proc_spawn *s)
{
	int high[SPAWN_MAX_FDS], top = 2, null;

	if (s->n_fds > SPAWN_MAX_FDS)
		return -EINVAL;
	for (size_t i = 0; i < s->n_fds; i++)
		top = MAX(top, s->fds[i].to);
	for (size_t i = 0; i < s->n_fds; i++) {
		high[i] = (int)syscall(SYS_fcntl, s->fds[i].from, F_DUPFD_CLOEXEC, top + 1);
		if (high[i] < 0)
			return -errno;
	}
	null = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
	if (null < 0)
		return -errno;
	/* One of them may have been free, and then null is it: dup3() refuses a copy onto itself. */
	for (int fd = 0; fd <= 2; fd++)
		if (fd == null ? syscall(SYS_fcntl, fd, F_SETFD, 0) < 0 : syscall(SYS_dup3, null, fd, 0) < 0)
			return -errno;
	(void)syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < s->n_fds; i++)
		if (syscall(SYS_dup3, high[i], s->fds[i].to, 0) < 0)
			return -errno;
	return 0;
}

static int spawn_child(void *arg)
{
	struct spawn_ctx *c = arg;
	const struct proc_spawn *s = c->s;
	char *const *envp = s->envp ? s->envp : environ;
	/* The kernel's struct sigaction: all zeros is SIG_DFL. */
	const unsigned long dfl[4] = { 0 }, none[_NSIG / 8 / sizeof(long)] = { 0 };

	/* CLONE_VM without CLONE_SIGHAND: handlers are ours to reset. */
	for (int sig = 1; sig < _NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, sizeof(none));
	if (s->die_with_parent) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != c->parent)
			_exit(127);
	}
	if (s->new_session)
		(void)setsid();
	if (s->cwd_fd > 0 && fchdir(s->cwd_fd) < 0)
		goto fail;
	c->err = place_fds(s);
	if (c->err < 0)
		_exit(127);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, sizeof(none));
	if (s->path)
		(void)execve(s->path, s->argv, envp);
	else
		(void)syscall(SYS_execveat, s->exec_fd, "", s->argv, envp, AT_EMPTY_PATH);
fail:
	c->err = -errno;
	_exit(127);
}

int proc_spawn(const struct proc_spawn *s, pid_t *pid, int *pidfd)
{
	struct spawn_ctx c = { .s = s, .parent = getpid() };
	cleanup_free char *stack = xmalloc(SPAWN_STACK);
	sigset_t all;
	int fd = -1, child, saved;

	/* With signals blocked no handler runs in the child while it shares our memory. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &c.old);
	child = clone(spawn_child, (void *)(((uintptr_t)stack + SPAWN_STACK) & ~(uintptr_t)15),
		      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &c, &fd);
	saved = errno;
	(void)sigprocmask(SIG_SETMASK, &c.old, NULL);
	if (child < 0)
		return -saved;
	if (c.err < 0) {
		(void)proc_wait(child);
		(void)close(fd);
		return c.err;
	}
	*pid = child;
	if (pidfd)
		*pidfd = fd;
	else
		(void)close(fd);
	return 0;
}

static int exit_code(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

static int wait_id(idtype_t type, id_t id)
{
	siginfo_t si = { 0 };

	while (waitid(type, id, &si, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	return exit_code(&si);
}

int proc_wait(pid_t pid)
{
	return wait_id(P_PID, (id_t)pid);
}

int proc_wait_pidfd(int pidfd)
{
	return wait_id((idtype_t)P_PIDFD, (id_t)pidfd);
}

int proc_run(char *const *argv, const char *input, size_t input_n, char **out, size_t out_max)
{
	int in[2] = { -1, -1 }, from[2] = { -1, -1 }, r;
	struct strbuf text = { 0 };
	pid_t pid = 0;
	size_t sent = 0;
	bool open_in, ended = false;

	/* A socket for its input: a child that does not read it must not kill us with SIGPIPE. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0)
		return -errno;
	if (pipe2(from, O_CLOEXEC) < 0) {
		r = -errno;
		fd_close(&in[0]);
		fd_close(&in[1]);
		return r;
	}
	{
		struct proc_fd fds[] = { { in[0], 0 }, { from[1], 1 }, { from[1], 2 } };
		struct proc_spawn s = { .path = argv[0], .argv = argv, .fds = fds, .n_fds = 3 };

		r = proc_spawn(&s, &pid, NULL);
	}
	fd_close(&in[0]);
	fd_close(&from[1]);
	if (r < 0) {
		fd_close(&in[1]);
		fd_close(&from[0]);
		return r;
	}
	(void)fd_set_nonblock(in[1], true);
	open_in = true;
	while (!ended) {
		struct pollfd p[2] = { { .fd = from[0], .events = POLLIN },
				       { .fd = open_in && sent < input_n ? in[1] : -1, .events = POLLOUT } };

		if (open_in && sent >= input_n) {
			fd_close(&in[1]);
			open_in = false;
		}
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (open_in && (p[1].revents & (POLLOUT | POLLERR | POLLHUP))) {
			ssize_t n = send(in[1], input + sent, input_n - sent, MSG_NOSIGNAL);

			if (n > 0)
				sent += (size_t)n;
			else if (n < 0 && errno != EINTR && errno != EAGAIN)
				sent = input_n;
		}
		if (p[0].revents) {
			char buf[4096];
			ssize_t n = read(from[0], buf, sizeof(buf));

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				ended = true;
			else if (out && text.n < out_max)
				sb_addn(&text, buf, MIN((size_t)n, out_max - text.n));
		}
	}
	fd_close(&in[1]);
	fd_close(&from[0]);
	r = proc_wait(pid);
	if (out)
		*out = sb_take(&text);
	else
		sb_release(&text);
	return r;
}

int proc_start_time(pid_t pid, unsigned long long *out)
{
	char path[64], buf[1024], *p;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = fs_read_small_at(AT_FDCWD, path, buf, sizeof(buf));
	if (r < 0)
		return r;
	/* The command may hold spaces and parentheses: count fields after the last ')'. */
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EINVAL;
	*out = strtoull(p + 1, NULL, 10);
	return 0;
}

int proc_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int proc_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

char *proc_sibling(const char *name)
{
	const char *dir = getenv("HOY_LIBEXEC");
	char self[4096], *slash;
	ssize_t n;

	if (dir && *dir)
		return xasprintf("%s/%s", dir, name);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			char *path;

			*slash = '\0';
			path = xasprintf("%s/%s", self, name);
			if (access(path, X_OK) == 0)
				return path;
			free(path);
			path = xasprintf("%s/../libexec/hoy/%s", self, name);
			if (access(path, X_OK) == 0)
				return path;
			free(path);
		}
	}
	return xasprintf("/usr/libexec/hoy/%s", name);
}
