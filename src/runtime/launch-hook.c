/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch-internal.h"

#include "base/err.h"
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

char **launch_vec(const char *plan, struct plan_vec v)
{
	uint64_t *slot = PLAN_LIST(plan, uint64_t, v);

	_Static_assert(sizeof(char *) <= sizeof(uint64_t), "pointers fit the plan's slots");
	if (!v.off)
		return NULL;
	/* In a forked copy only: offsets become pointers, in the places that hold them. */
	char **out = (char **)(void *)slot;
	for (uint32_t i = 0; i < v.n; i++)
		out[i] = (char *)(uintptr_t)plan + slot[i];
	out[v.n] = NULL;
	return out;
}

int launch_state_fd(const char *plan, const char *status, pid_t pid)
{
	const struct plan_hdr *h = PLAN_HDR(plan);
	cleanup_close int fd = memfd_create("state", MFD_CLOEXEC);
	char mid[64];
	int r, n;

	if (fd < 0)
		return -errno;
	n = snprintf(mid, sizeof(mid), "%s\",\"pid\":%d", status, (int)pid);
	r = fd_write_full(fd, plan + h->state_head.off, h->state_head.n);
	if (r == 0)
		r = fd_write_full(fd, mid, (size_t)n);
	if (r == 0)
		r = fd_write_full(fd, plan + h->state_tail.off, h->state_tail.n);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int wait_hook(pid_t pid, int64_t timeout_ms, int *status)
{
	int r = 0;

	if (timeout_ms > 0) {
		cleanup_close int pidfd = proc_pidfd_open(pid);
		struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

		if (pidfd >= 0) {
			do
				r = poll(&pfd, 1, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
			while (r < 0 && errno == EINTR);
			if (r == 0)
				(void)kill(pid, SIGKILL);
		}
		r = r == 0 && pidfd >= 0 ? -ETIMEDOUT : 0;
	}
	while (waitpid(pid, status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return r;
}

int launch_hooks_run(const char *plan, const struct plan_list *l, const char *name, const char *status,
		     pid_t cpid, char *text, size_t text_n, int *sys)
{
	const struct plan_hook *hook = PLAN_LIST(plan, const struct plan_hook, *l);
	char why[128];
	int failed = 0;

	for (uint32_t i = 0; i < l->n; i++, hook++) {
		cleanup_close int in = launch_state_fd(plan, status, cpid);
		int st = 0, r;
		int pipefd[2];
		pid_t pid;

		if (in < 0) {
			*sys = -in;
			(void)snprintf(text, text_n, "error running %s hook #%u: state: %s", name, i,
				       err_sys_text(-in, why, sizeof(why)));
			return -1;
		}
		if (pipe2(pipefd, O_CLOEXEC) < 0) {
			*sys = errno;
			(void)snprintf(text, text_n, "error running %s hook #%u: %s", name, i,
				       err_sys_text(errno, why, sizeof(why)));
			return -1;
		}
		pid = fork();
		if (pid == 0) {
			sigset_t none;
			int err;

			sigemptyset(&none);
			(void)sigprocmask(SIG_SETMASK, &none, NULL);
			(void)signal(SIGPIPE, SIG_DFL);
			if (dup2(in, 0) >= 0) {
				char *const *envp = launch_vec(plan, hook->envp);
				const char *dir = plan_s(plan, PLAN_HDR(plan)->bundle);

				/* Where the bundle cannot be seen any more, "/" is as good. */
				if (!dir || chdir(dir) < 0) /* lint: allow chdir: a hook's own */
					(void)!chdir("/");  /* lint: allow chdir: a hook's own */

				(void)execve(plan_s(plan, hook->path), launch_vec(plan, hook->argv),
					     envp ? envp : environ);
			}
			err = errno;
			(void)!write(pipefd[1], &err, sizeof(err));
			_exit(127);
		}
		r = pid < 0 ? -errno : 0;
		fd_close(&pipefd[1]);
		if (pid > 0) {
			int err = 0;

			if (fd_read_full(pipefd[0], &err, sizeof(err)) == sizeof(err)) {
				r = -err;
				(void)wait_hook(pid, 0, &st);
			} else {
				r = wait_hook(pid, hook->timeout_ms, &st);
			}
		}
		fd_close(&pipefd[0]);
		if (r == 0 && WIFEXITED(st) && WEXITSTATUS(st) == 0)
			continue;
		if (r == -ETIMEDOUT)
			(void)snprintf(
				text, text_n,
				"error running %s hook #%u: hook ran past specified timeout of %lld.%llds",
				name, i, (long long)(hook->timeout_ms / 1000),
				(long long)(hook->timeout_ms % 1000));
		else if (r < 0)
			(void)snprintf(text, text_n, "error running %s hook #%u: fork/exec %s: %s", name, i,
				       plan_s(plan, hook->path), err_sys_text(-r, why, sizeof(why)));
		else if (WIFSIGNALED(st))
			(void)snprintf(text, text_n, "error running %s hook #%u: signal %d", name, i,
				       WTERMSIG(st));
		else if (strcmp(name, "poststop") == 0)
			(void)snprintf(text, text_n, "poststop hook failed with exit code %d (#%u)",
				       WEXITSTATUS(st), i);
		else
			(void)snprintf(text, text_n, "error running %s hook #%u: exit status %d", name, i,
				       WEXITSTATUS(st));
		*sys = r < 0 ? -r : 0;
		failed = -1;
		if (strcmp(name, "poststop") != 0)
			return -1;
	}
	return failed;
}
